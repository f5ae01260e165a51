// FCOM, FUCOM, FICOM, FTST, FXAM, FCOMI, FUCOMI and their popping forms (SDM 2), and FCOM's undocumented aliases at DC
// and DE. Condition codes and flags are set even when the comparison raises an unmasked exception, as hardware does.
#include "cpu/fpu/operand.hpp"
#include "cpu/fpu/softfloat/compare.hpp"

namespace glassbox::x87 {

namespace {

using enum Arg;
using softfloat::Order;

u16 condition_bits(Order order) {
    switch (order) {
    case Order::greater: return 0;
    case Order::less: return FpuState::c0;
    case Order::equal: return FpuState::c3;
    case Order::unordered: break;
    }
    return FpuState::c0 | FpuState::c2 | FpuState::c3;
}

/// Copies of the comparison shared by all handlers.
template <class B> [[gnu::noinline]] Order compare(FloatEnv& env, F80 a, B b, bool quiet) {
    return softfloat::compare<F80>(env, a, b, quiet);
}

/// Sets the condition codes, C1 to 0. The pops happen unless an invalid or denormal operand is unmasked.
bool conclude(Cpu& cpu, const Op& op, const FloatEnv& env, Order order) {
    const bool done = settle(cpu, op, env);
    set_conditions(cpu, condition_bits(order));
    return done;
}
bool conclude_empty(Cpu& cpu, const Op& op) {
    const bool masked = stack_underflow(cpu, op);
    set_conditions(cpu, condition_bits(Order::unordered));
    return masked;
}
template <unsigned pops> void pop(Cpu& cpu) {
    for (unsigned i = 0; i < pops; ++i) cpu.fpu.pop();
}

template <bool quiet, unsigned pops> struct WithRegister {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        FpuState& f = cpu.fpu;
        if (f.empty(0) || f.empty(op.reg)) [[unlikely]] {
            if (conclude_empty(cpu, op)) pop<pops>(cpu);
            return true;
        }
        FloatEnv env = f.float_env();
        const Order order = compare(env, f.st(0), f.st(op.reg), quiet);
        if (conclude(cpu, op, env, order)) pop<pops>(cpu);
        return true;
    }
};

template <class M, unsigned pops> struct WithMemory {
    template <class Ea> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            typename M::Bits bits{};
            if (!ready(cpu) || !fetch<M, Ea>(cpu, op, bits)) return false;
            note_with_data(cpu, op);
            FpuState& f = cpu.fpu;
            if (f.empty(0)) [[unlikely]] {
                if (conclude_empty(cpu, op)) pop<pops>(cpu);
                return true;
            }
            FloatEnv env = f.float_env();
            const F80 a = f.st(0);
            const Order order = with_operand<M>(
                bits, [&](F80 b) { return compare(env, a, b, false); },
                [&](auto b) { return compare(env, a, b, false); });
            if (conclude(cpu, op, env, order)) pop<pops>(cpu);
            return true;
        }
    };
};

struct Test {
    static constexpr OpInfo info{"ftst"};
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        if (cpu.fpu.empty(0)) [[unlikely]] {
            conclude_empty(cpu, op);
            return true;
        }
        FloatEnv env = cpu.fpu.float_env();
        const Order order = compare(env, cpu.fpu.st(0), F80{}, false);
        conclude(cpu, op, env, order);
        return true;
    }
};

struct Examine {
    static constexpr OpInfo info{"fxam"};
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        const F80 value = cpu.fpu.st(0);
        constexpr unsigned empty_class = 5; // C3 and C0
        const unsigned c = cpu.fpu.empty(0) ? empty_class : static_cast<unsigned>(softfloat::examine(value));
        set_conditions(cpu, static_cast<u16>((value.sign() ? FpuState::c1 : 0) | ((c & 1) ? FpuState::c0 : 0) |
                                             ((c & 2) ? FpuState::c2 : 0) | ((c & 4) ? FpuState::c3 : 0)));
        return true;
    }
};

/// To EFLAGS: ZF, PF and CF as UCOMISS sets them; OF, SF and AF are cleared.
template <bool quiet, bool pops> struct ToFlags {
    static bool run(Cpu& cpu, const Op& op, Flags& flags) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        FpuState& f = cpu.fpu;
        Order order = Order::unordered;
        bool done = false;
        if (f.empty(0) || f.empty(op.reg)) [[unlikely]] {
            done = stack_underflow(cpu, op);
        } else {
            FloatEnv env = f.float_env();
            order = compare(env, f.st(0), f.st(op.reg), quiet);
            done = settle(cpu, op, env);
        }
        constexpr u32 bits[4] = {eflags::CF, eflags::ZF, 0, eflags::CF | eflags::PF | eflags::ZF};
        flags.load(bits[static_cast<unsigned>(order)]);
        if (pops && done) f.pop();
        return true;
    }
};

constexpr OpInfo fcom{"fcom"}, fcomp{"fcomp"}, fcompp{"fcompp"}, fucom{"fucom"}, fucomp{"fucomp"}, fucompp{"fucompp"},
    ficom{"ficom"}, ficomp{"ficomp"};
constexpr OpInfo fcomi{"fcomi", eflags::OSZAPC}, fcomip{"fcomip", eflags::OSZAPC}, fucomi{"fucomi", eflags::OSZAPC},
    fucomip{"fucomip", eflags::OSZAPC};

constexpr std::array rows = {
    on_registers<WithRegister<false, 0>>(fcom, at(0xD8).digit(2).reg(), {ST0, STi}),
    on_registers<WithRegister<false, 1>>(fcomp, at(0xD8).digit(3).reg(), {ST0, STi}),
    on_registers<WithRegister<false, 0>>(fcom, at(0xDC).digit(2).reg(), {ST0, STi}, attr::undocumented),
    on_registers<WithRegister<false, 1>>(fcomp, at(0xDC).digit(3).reg(), {ST0, STi}, attr::undocumented),
    on_registers<WithRegister<false, 1>>(fcomp, at(0xDE).digit(2).reg(), {ST0, STi}, attr::undocumented),
    on_registers<WithRegister<false, 2>>(fcompp, at(0xDE).digit(3).rm(1), {ST0, STi}),
    on_registers<WithRegister<true, 2>>(fucompp, at(0xDA).digit(5).rm(1), {ST0, STi}),
    on_registers<WithRegister<true, 0>>(fucom, at(0xDD).digit(4).reg(), {ST0, STi}),
    on_registers<WithRegister<true, 1>>(fucomp, at(0xDD).digit(5).reg(), {ST0, STi}),
    on_memory<WithMemory<Single, 0>::Body>(fcom, at(0xD8).digit(2), Md),
    on_memory<WithMemory<Single, 1>::Body>(fcomp, at(0xD8).digit(3), Md),
    on_memory<WithMemory<Double, 0>::Body>(fcom, at(0xDC).digit(2), Mq),
    on_memory<WithMemory<Double, 1>::Body>(fcomp, at(0xDC).digit(3), Mq),
    on_memory<WithMemory<Long, 0>::Body>(ficom, at(0xDA).digit(2), Md),
    on_memory<WithMemory<Long, 1>::Body>(ficomp, at(0xDA).digit(3), Md),
    on_memory<WithMemory<Short, 0>::Body>(ficom, at(0xDE).digit(2), Mw),
    on_memory<WithMemory<Short, 1>::Body>(ficomp, at(0xDE).digit(3), Mw),
    on_registers<Test>(Test::info, at(0xD9).digit(4).rm(4), {ST0}),
    on_registers<Examine>(Examine::info, at(0xD9).digit(4).rm(5), {ST0}),
    on_registers<ToFlags<true, false>>(fucomi, at(0xDB).digit(5).reg(), {ST0, STi}, 0, Feature::fcmov),
    on_registers<ToFlags<false, false>>(fcomi, at(0xDB).digit(6).reg(), {ST0, STi}, 0, Feature::fcmov),
    on_registers<ToFlags<true, true>>(fucomip, at(0xDF).digit(5).reg(), {ST0, STi}, 0, Feature::fcmov),
    on_registers<ToFlags<false, true>>(fcomip, at(0xDF).digit(6).reg(), {ST0, STi}, 0, Feature::fcmov),
};

} // namespace

std::span<const Row> compare_rows() { return rows; }

} // namespace glassbox::x87
