// FLD, FST, FSTP, FILD, FIST, FISTP, FBLD, FBSTP, FXCH, FCMOVcc, FFREE, FINCSTP, FDECSTP (SDM 2), and the undocumented
// aliases of FXCH and FSTP at DD, DF and D9, and FFREEP.
#include "cpu/fpu/operand.hpp"

namespace glassbox::x87 {

namespace {

using enum Arg;

// --- loads ----------------------------------------------------------------------------------------------------------
template <class M> struct Load {
    template <class Ea> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            typename M::Bits bits{};
            if (!ready(cpu) || !fetch<M, Ea>(cpu, op, bits)) return false;
            note_with_data(cpu, op);
            clear_c1(cpu);
            if (!cpu.fpu.empty(7)) [[unlikely]] {
                if (stack_overflow(cpu, op)) cpu.fpu.push(indefinite());
                return true;
            }
            bool done = true;
            const F80 value = with_operand<M>(
                bits, [](F80 v) { return v; },
                [&](auto odd) {
                    FloatEnv env = cpu.fpu.float_env();
                    const F80 v = softfloat::convert<F80>(env, odd);
                    settle(cpu, op, env);
                    done = (env.flags & ~env.masks & softfloat::flag::invalid) == 0; // an unmasked DE still loads
                    return v;
                });
            if (done) cpu.fpu.push(value);
            return true;
        }
    };
};

/// Reads the ten bytes of an extended or packed decimal operand.
template <class Ea> bool fetch80(Cpu& cpu, const Op& op, F80& value) {
    u64 linear = 0, low = 0;
    u16 high = 0;
    if (!Ea::read(cpu, op, 10, linear) || !load<u64>(cpu, op, linear, low) ||
        !load<u16>(cpu, op, linear_after(cpu, linear, 8), high))
        return false;
    value = {low, high};
    return true;
}
/// Writes them: both parts or none.
template <class Ea> bool store80(Cpu& cpu, const Op& op, F80 value) {
    u64 linear = 0;
    if (!Ea::write(cpu, op, 10, linear)) return false;
    const u64 second = linear_after(cpu, linear, 8);
    u8* low = host_for_write<u64>(*cpu.class_tlb, linear);
    u8* high = host_for_write<u16>(*cpu.class_tlb, second);
    if (low && high) [[likely]] {
        std::memcpy(low, &value.significand, 8);
        std::memcpy(high, &value.sign_exponent, 2);
        return true;
    }
    return probe_write(cpu, linear, 10, Privilege::current, &op) && store<u64>(cpu, op, linear, value.significand) &&
           store<u16>(cpu, op, second, value.sign_exponent);
}
/// A store that an unmasked exception suppresses meets the faults of its operand all the same.
template <class Ea> bool probe80(Cpu& cpu, const Op& op) {
    u64 linear = 0;
    return Ea::write(cpu, op, 10, linear) && probe_write(cpu, linear, 8, Privilege::current, &op) &&
           probe_write(cpu, linear_after(cpu, linear, 8), 2, Privilege::current, &op);
}

template <class Ea> struct LoadExtended {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        F80 value;
        if (!ready(cpu) || !fetch80<Ea>(cpu, op, value)) return false;
        note_with_data(cpu, op);
        clear_c1(cpu);
        push_or_fault(cpu, op, value);
        return true;
    }
};
template <class Ea> struct LoadDecimal {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        F80 raw;
        if (!ready(cpu) || !fetch80<Ea>(cpu, op, raw)) return false;
        note_with_data(cpu, op);
        clear_c1(cpu);
        softfloat::PackedDecimal digits{};
        std::memcpy(digits.data(), &raw.significand, 8);
        std::memcpy(digits.data() + 8, &raw.sign_exponent, 2);
        push_or_fault(cpu, op, softfloat::from_decimal(digits));
        return true;
    }
};

struct LoadRegister {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        clear_c1(cpu);
        FpuState& f = cpu.fpu;
        const bool underflow = f.empty(op.reg); // goes before overflow
        if (underflow || !f.empty(7)) [[unlikely]] {
            if (stack_fault(cpu, op, !underflow)) f.push(indefinite());
            return true;
        }
        f.push(f.st(op.reg));
        return true;
    }
};

// --- stores ---------------------------------------------------------------------------------------------------------
/// What a store of ST(0) as an M writes, with the exceptions that this raises in `env`.
template <class M> typename M::Bits image(FloatEnv& env, F80 value) {
    if constexpr (is_integer<M>) {
        return static_cast<typename M::Bits>(softfloat::to_integer<typename M::Integer>(env, value));
    } else {
        return softfloat::convert<typename M::Value>(env, value).bits;
    }
}
template <class M> typename M::Bits image_of_empty() {
    if constexpr (is_integer<M>)
        return static_cast<typename M::Bits>(u64{1} << (8 * sizeof(typename M::Bits) - 1));
    else
        return softfloat::indefinite<typename M::Value>().bits;
}

/// `truncates`: FISTTP, whatever the control word says.
template <class M, bool pop, bool truncates = false> struct Store {
    template <class Ea> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            if (!ready(cpu)) return false;
            FpuState& f = cpu.fpu;
            u64 linear = 0;
            if (!Ea::write(cpu, op, sizeof(typename M::Bits), linear)) return false;
            if (f.empty(0)) [[unlikely]]
                return store_empty(cpu, op, linear);
            FloatEnv env = f.float_env();
            if constexpr (truncates) env.rounding = softfloat::Rounding::truncate;
            const typename M::Bits bits = image<M>(env, f.st(0));
            const bool kept = softfloat::store_suppressed(env);
            if (kept ? !probe_write(cpu, linear, sizeof bits, Privilege::current, &op)
                     : !store<typename M::Bits>(cpu, op, linear, bits))
                return false;
            note_with_data(cpu, op);
            settle(cpu, op, env);
            if (pop && !kept) f.pop();
            return true;
        }
        static bool store_empty(Cpu& cpu, const Op& op, u64 linear) {
            const bool masked = (cpu.fpu.control & softfloat::flag::invalid) != 0;
            if (masked ? !store<typename M::Bits>(cpu, op, linear, image_of_empty<M>())
                       : !probe_write(cpu, linear, sizeof(typename M::Bits), Privilege::current, &op))
                return false;
            note_with_data(cpu, op);
            if (stack_underflow(cpu, op) && pop) cpu.fpu.pop();
            return true;
        }
    };
};

template <class Ea> struct StoreExtended {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        FpuState& f = cpu.fpu;
        const bool empty = f.empty(0), masked = (f.control & softfloat::flag::invalid) != 0;
        if (empty && !masked ? !probe80<Ea>(cpu, op) : !store80<Ea>(cpu, op, empty ? indefinite() : f.st(0)))
            return false;
        note_with_data(cpu, op);
        clear_c1(cpu);
        if (empty && !stack_underflow(cpu, op)) return true;
        f.pop();
        return true;
    }
};

template <class Ea> struct StoreDecimal {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        FpuState& f = cpu.fpu;
        const bool empty = f.empty(0);
        FloatEnv env = f.float_env();
        // An empty register reads as a NaN does: the packed indefinite.
        const softfloat::PackedDecimal digits = softfloat::to_decimal(env, empty ? indefinite() : f.st(0));
        const bool kept = softfloat::store_suppressed(env);
        F80 raw;
        std::memcpy(&raw.significand, digits.data(), 8);
        std::memcpy(&raw.sign_exponent, digits.data() + 8, 2);
        if (kept ? !probe80<Ea>(cpu, op) : !store80<Ea>(cpu, op, raw)) return false;
        note_with_data(cpu, op);
        if (empty)
            stack_underflow(cpu, op);
        else
            settle(cpu, op, env);
        if (!kept) f.pop();
        return true;
    }
};

/// `checked` is false for the alias at D9, which an empty ST(0) does not disturb: it only pops.
template <bool pop, bool checked = true> struct StoreRegister {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        clear_c1(cpu);
        FpuState& f = cpu.fpu;
        if (!checked && f.empty(0)) {
            f.pop();
            return true;
        }
        if (f.empty(0)) [[unlikely]] {
            if (!stack_underflow(cpu, op)) return true;
            f.set_st(op.reg, indefinite());
        } else {
            f.set_st(op.reg, f.st(0));
        }
        if constexpr (pop) f.pop();
        return true;
    }
};

// --- registers ------------------------------------------------------------------------------------------------------
struct Exchange {
    static constexpr OpInfo info{"fxch"};
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        clear_c1(cpu);
        FpuState& f = cpu.fpu;
        if (f.empty(0) || f.empty(op.reg)) [[unlikely]] {
            if (!stack_underflow(cpu, op)) return true;
            if (f.empty(0)) f.set_st(0, indefinite());
            if (f.empty(op.reg)) f.set_st(op.reg, indefinite());
        }
        const F80 a = f.st(0);
        f.set_st(0, f.st(op.reg));
        f.set_st(op.reg, a);
        return true;
    }
};

enum class Condition : u8 { below, equal, below_equal, unordered };
template <Condition condition, bool wanted> struct ConditionalMove {
    static bool run(Cpu& cpu, const Op& op, Flags& flags) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        FpuState& f = cpu.fpu;
        if (f.empty(0) || f.empty(op.reg)) [[unlikely]] {
            if (stack_underflow(cpu, op)) f.set_st(0, indefinite());
            return true;
        }
        bool holds = false;
        if constexpr (condition == Condition::below)
            holds = flags.cf();
        else if constexpr (condition == Condition::equal)
            holds = flags.zf();
        else if constexpr (condition == Condition::below_equal)
            holds = flags.cf() || flags.zf();
        else
            holds = flags.pf();
        if (holds == wanted) f.set_st(0, f.st(op.reg));
        return true;
    }
};

template <bool pop> struct Free {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        clear_c1(cpu);
        cpu.fpu.mark_empty(op.reg);
        if constexpr (pop) cpu.fpu.pop();
        return true;
    }
};
template <unsigned step> struct MoveTop {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        clear_c1(cpu);
        cpu.fpu.top = (cpu.fpu.top + step) & 7;
        return true;
    }
};

constexpr OpInfo fld{"fld"}, fild{"fild"}, fbld{"fbld"}, fst{"fst"}, fstp{"fstp"}, fist{"fist"}, fistp{"fistp"},
    fisttp{"fisttp"}, fbstp{"fbstp"}, ffree{"ffree"}, ffreep{"ffreep"}, fincstp{"fincstp"}, fdecstp{"fdecstp"};
constexpr OpInfo fcmovb{"fcmovb", 0, 0, eflags::CF}, fcmove{"fcmove", 0, 0, eflags::ZF},
    fcmovbe{"fcmovbe", 0, 0, eflags::CF | eflags::ZF}, fcmovu{"fcmovu", 0, 0, eflags::PF},
    fcmovnb{"fcmovnb", 0, 0, eflags::CF}, fcmovne{"fcmovne", 0, 0, eflags::ZF},
    fcmovnbe{"fcmovnbe", 0, 0, eflags::CF | eflags::ZF}, fcmovnu{"fcmovnu", 0, 0, eflags::PF};

template <Condition condition, bool wanted> consteval Row move_if(const OpInfo& info, At at) {
    return on_registers<ConditionalMove<condition, wanted>>(info, at.reg(), {ST0, STi}, 0, Feature::fcmov);
}

constexpr std::array rows = {
    on_memory<Load<Single>::Body>(fld, at(0xD9).digit(0), Md),
    on_memory<Load<Double>::Body>(fld, at(0xDD).digit(0), Mq),
    on_memory<LoadExtended>(fld, at(0xDB).digit(5), Mt),
    on_registers<LoadRegister>(fld, at(0xD9).digit(0).reg(), {STi}),
    on_memory<Load<Short>::Body>(fild, at(0xDF).digit(0), Mw),
    on_memory<Load<Long>::Body>(fild, at(0xDB).digit(0), Md),
    on_memory<Load<Quad>::Body>(fild, at(0xDF).digit(5), Mq),
    on_memory<LoadDecimal>(fbld, at(0xDF).digit(4), Mt),
    on_memory<Store<Single, false>::Body>(fst, at(0xD9).digit(2), Md),
    on_memory<Store<Double, false>::Body>(fst, at(0xDD).digit(2), Mq),
    on_memory<Store<Single, true>::Body>(fstp, at(0xD9).digit(3), Md),
    on_memory<Store<Double, true>::Body>(fstp, at(0xDD).digit(3), Mq),
    on_memory<StoreExtended>(fstp, at(0xDB).digit(7), Mt),
    on_registers<StoreRegister<false>>(fst, at(0xDD).digit(2).reg(), {STi}),
    on_registers<StoreRegister<true>>(fstp, at(0xDD).digit(3).reg(), {STi}),
    on_registers<StoreRegister<true, false>>(fstp, at(0xD9).digit(3).reg(), {STi}, attr::undocumented),
    on_registers<StoreRegister<true>>(fstp, at(0xDF).digit(2).reg(), {STi}, attr::undocumented),
    on_registers<StoreRegister<true>>(fstp, at(0xDF).digit(3).reg(), {STi}, attr::undocumented),
    on_memory<Store<Short, false>::Body>(fist, at(0xDF).digit(2), Mw),
    on_memory<Store<Long, false>::Body>(fist, at(0xDB).digit(2), Md),
    on_memory<Store<Short, true>::Body>(fistp, at(0xDF).digit(3), Mw),
    on_memory<Store<Long, true>::Body>(fistp, at(0xDB).digit(3), Md),
    on_memory<Store<Quad, true>::Body>(fistp, at(0xDF).digit(7), Mq),
    on_memory<Store<Short, true, true>::Body>(fisttp, at(0xDF).digit(1), Mw, Feature::sse3),
    on_memory<Store<Long, true, true>::Body>(fisttp, at(0xDB).digit(1), Md, Feature::sse3),
    on_memory<Store<Quad, true, true>::Body>(fisttp, at(0xDD).digit(1), Mq, Feature::sse3),
    on_memory<StoreDecimal>(fbstp, at(0xDF).digit(6), Mt),
    on_registers<Exchange>(Exchange::info, at(0xD9).digit(1).reg(), {STi}),
    on_registers<Exchange>(Exchange::info, at(0xDD).digit(1).reg(), {STi}, attr::undocumented),
    on_registers<Exchange>(Exchange::info, at(0xDF).digit(1).reg(), {STi}, attr::undocumented),
    on_registers<Free<false>>(ffree, at(0xDD).digit(0).reg(), {STi}),
    on_registers<Free<true>>(ffreep, at(0xDF).digit(0).reg(), {STi}, attr::undocumented),
    on_registers<MoveTop<7>>(fdecstp, at(0xD9).digit(6).rm(6), {}),
    on_registers<MoveTop<1>>(fincstp, at(0xD9).digit(6).rm(7), {}),
    move_if<Condition::below, true>(fcmovb, at(0xDA).digit(0)),
    move_if<Condition::equal, true>(fcmove, at(0xDA).digit(1)),
    move_if<Condition::below_equal, true>(fcmovbe, at(0xDA).digit(2)),
    move_if<Condition::unordered, true>(fcmovu, at(0xDA).digit(3)),
    move_if<Condition::below, false>(fcmovnb, at(0xDB).digit(0)),
    move_if<Condition::equal, false>(fcmovne, at(0xDB).digit(1)),
    move_if<Condition::below_equal, false>(fcmovnbe, at(0xDB).digit(2)),
    move_if<Condition::unordered, false>(fcmovnu, at(0xDB).digit(3)),
};

} // namespace

std::span<const Row> transfer_rows() { return rows; }

} // namespace glassbox::x87
