// FADD, FMUL, FSUB, FSUBR, FDIV, FDIVR in all forms; FSQRT, FABS, FCHS, FRNDINT, FSCALE, FXTRACT, FPREM, FPREM1 (SDM
// 2).
#include "cpu/fpu/operand.hpp"
#include "cpu/fpu/softfloat/arith.hpp"
#include "cpu/fpu/softfloat/x87.hpp"

namespace glassbox::x87 {

namespace {

using enum Arg;

/// `compute(env, destination, source)`.
struct Add {
    static constexpr OpInfo info{"fadd"}, pop_info{"faddp"}, integer_info{"fiadd"};
    template <class A, class B> static F80 compute(FloatEnv& e, A a, B b) { return softfloat::add<F80>(e, a, b); }
};
struct Multiply {
    static constexpr OpInfo info{"fmul"}, pop_info{"fmulp"}, integer_info{"fimul"};
    template <class A, class B> static F80 compute(FloatEnv& e, A a, B b) { return softfloat::multiply<F80>(e, a, b); }
};
struct Subtract {
    static constexpr OpInfo info{"fsub"}, pop_info{"fsubp"}, integer_info{"fisub"};
    template <class A, class B> static F80 compute(FloatEnv& e, A a, B b) { return softfloat::subtract<F80>(e, a, b); }
};
struct SubtractReversed {
    static constexpr OpInfo info{"fsubr"}, pop_info{"fsubrp"}, integer_info{"fisubr"};
    template <class A, class B> static F80 compute(FloatEnv& e, A a, B b) { return softfloat::subtract<F80>(e, b, a); }
};
struct Divide {
    static constexpr OpInfo info{"fdiv"}, pop_info{"fdivp"}, integer_info{"fidiv"};
    template <class A, class B> static F80 compute(FloatEnv& e, A a, B b) { return softfloat::divide<F80>(e, a, b); }
};
struct DivideReversed {
    static constexpr OpInfo info{"fdivr"}, pop_info{"fdivrp"}, integer_info{"fidivr"};
    template <class A, class B> static F80 compute(FloatEnv& e, A a, B b) { return softfloat::divide<F80>(e, b, a); }
};

/// One copy each: the many handlers call it.
template <class S> [[gnu::noinline]] F80 compute(FloatEnv& env, F80 a, F80 b) { return S::compute(env, a, b); }
template <class S, class B> [[gnu::cold, gnu::noinline]] F80 compute_odd(FloatEnv& env, F80 a, B b) {
    return S::compute(env, a, b);
}

template <class S, bool to_sti, bool pop> struct OnRegisters {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        FpuState& f = cpu.fpu;
        const unsigned destination = to_sti ? op.reg : 0, source = to_sti ? 0 : op.reg;
        if (f.empty(destination) || f.empty(source)) [[unlikely]] {
            if (!stack_underflow(cpu, op)) return true;
            f.set_st(destination, indefinite());
        } else {
            FloatEnv env = f.float_env();
            const F80 result = compute<S>(env, f.st(destination), f.st(source));
            if (!settle(cpu, op, env)) return true;
            f.set_st(destination, result);
        }
        if constexpr (pop) f.pop();
        return true;
    }
};

template <class S, class M> struct OnMemory {
    template <class Ea> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            typename M::Bits bits{};
            if (!ready(cpu) || !fetch<M, Ea>(cpu, op, bits)) return false;
            note_with_data(cpu, op);
            FpuState& f = cpu.fpu;
            if (f.empty(0)) [[unlikely]] {
                if (stack_underflow(cpu, op)) f.set_st(0, indefinite());
                return true;
            }
            FloatEnv env = f.float_env();
            const F80 a = f.st(0);
            const F80 result = with_operand<M>(
                bits, [&](F80 b) { return compute<S>(env, a, b); }, [&](auto b) { return compute_odd<S>(env, a, b); });
            if (settle(cpu, op, env)) f.set_st(0, result);
            return true;
        }
    };
};

/// D8, DA, DC and DE with one digit; `other` is the operation of DC and DE with registers, where SUB and DIV change
/// places with their reverse.
template <class S, int n, int other = n> consteval std::array<Row, 7> six_forms() {
    return {on_registers<OnRegisters<S, false, false>>(S::info, at(0xD8).digit(n).reg(), {ST0, STi}),
            on_registers<OnRegisters<S, true, false>>(S::info, at(0xDC).digit(other).reg(), {STi, ST0}),
            on_registers<OnRegisters<S, true, true>>(S::pop_info, at(0xDE).digit(other).reg(), {STi, ST0}),
            on_memory<OnMemory<S, Single>::template Body>(S::info, at(0xD8).digit(n), Md),
            on_memory<OnMemory<S, Double>::template Body>(S::info, at(0xDC).digit(n), Mq),
            on_memory<OnMemory<S, Long>::template Body>(S::integer_info, at(0xDA).digit(n), Md),
            on_memory<OnMemory<S, Short>::template Body>(S::integer_info, at(0xDE).digit(n), Mw)};
}

// --- one operand ----------------------------------------------------------------------------------------------------
/// ST(0) = S::compute(env, ST(0)).
template <class S> struct Unary {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        FpuState& f = cpu.fpu;
        if (f.empty(0)) [[unlikely]] {
            if (stack_underflow(cpu, op)) f.set_st(0, indefinite());
            return true;
        }
        FloatEnv env = f.float_env();
        const F80 result = S::compute(env, f.st(0));
        if (settle(cpu, op, env)) f.set_st(0, result);
        return true;
    }
};
struct Root {
    static constexpr OpInfo info{"fsqrt"};
    static F80 compute(FloatEnv& e, F80 a) { return softfloat::square_root<F80>(e, a); }
};
struct RoundToInteger {
    static constexpr OpInfo info{"frndint"};
    static F80 compute(FloatEnv& e, F80 a) { return softfloat::round_to_integer<F80>(e, a, e.rounding); }
};
struct Absolute {
    static constexpr OpInfo info{"fabs"};
    static F80 compute(FloatEnv&, F80 a) { return {a.significand, static_cast<u16>(a.sign_exponent & 0x7fff)}; }
};
struct ChangeSign {
    static constexpr OpInfo info{"fchs"};
    static F80 compute(FloatEnv&, F80 a) { return {a.significand, static_cast<u16>(a.sign_exponent ^ 0x8000)}; }
};

struct Scale {
    static constexpr OpInfo info{"fscale"};
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        FpuState& f = cpu.fpu;
        if (f.empty(0) || f.empty(1)) [[unlikely]] {
            if (stack_underflow(cpu, op)) f.set_st(0, indefinite());
            return true;
        }
        FloatEnv env = f.float_env();
        const F80 result = softfloat::scale(env, f.st(0), f.st(1));
        if (settle(cpu, op, env)) f.set_st(0, result);
        return true;
    }
};

struct Extract {
    static constexpr OpInfo info{"fxtract"};
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        FpuState& f = cpu.fpu;
        const bool underflow = f.empty(0);
        if (underflow || !f.empty(7)) [[unlikely]] {
            if (!stack_fault(cpu, op, !underflow)) return true;
            f.set_st(0, indefinite());
            f.push(indefinite());
            return true;
        }
        FloatEnv env = f.float_env();
        const softfloat::Extracted parts = softfloat::extract(env, f.st(0));
        if (!settle(cpu, op, env)) return true;
        f.set_st(0, parts.exponent);
        f.push(parts.significand);
        return true;
    }
};

template <bool to_nearest> struct PartialRemainder {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        FpuState& f = cpu.fpu;
        f.status = static_cast<u16>(f.status & ~FpuState::c2);
        if (f.empty(0) || f.empty(1)) [[unlikely]] {
            if (stack_underflow(cpu, op)) f.set_st(0, indefinite());
            return true;
        }
        FloatEnv env = f.float_env();
        const softfloat::Remainder r = softfloat::remainder(env, f.st(0), f.st(1), to_nearest);
        if (!settle(cpu, op, env)) return true;
        f.set_st(0, r.value);
        if (r.value.exponent() == F80::max_exponent) return true; // a NaN: there is no quotient to tell of
        const unsigned q = r.quotient;
        set_conditions(cpu, static_cast<u16>(((q & 1) ? FpuState::c1 : 0) | ((q & 2) ? FpuState::c3 : 0) |
                                             ((q & 4) ? FpuState::c0 : 0) | (r.partial ? FpuState::c2 : 0)));
        return true;
    }
};

constexpr OpInfo fprem_info{"fprem"}, fprem1_info{"fprem1"};

constexpr auto classic = [] {
    const std::array<std::array<Row, 7>, 6> groups = {six_forms<Add, 0>(),         six_forms<Multiply, 1>(),
                                                      six_forms<Subtract, 4, 5>(), six_forms<SubtractReversed, 5, 4>(),
                                                      six_forms<Divide, 6, 7>(),   six_forms<DivideReversed, 7, 6>()};
    std::array<Row, 42> all{};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = groups[i / 7][i % 7];
    return all;
}();

constexpr std::array others = {
    on_registers<Unary<ChangeSign>>(ChangeSign::info, at(0xD9).digit(4).rm(0), {ST0}),
    on_registers<Unary<Absolute>>(Absolute::info, at(0xD9).digit(4).rm(1), {ST0}),
    on_registers<Extract>(Extract::info, at(0xD9).digit(6).rm(4), {ST0}),
    on_registers<PartialRemainder<true>>(fprem1_info, at(0xD9).digit(6).rm(5), {ST0}),
    on_registers<PartialRemainder<false>>(fprem_info, at(0xD9).digit(7).rm(0), {ST0}),
    on_registers<Unary<Root>>(Root::info, at(0xD9).digit(7).rm(2), {ST0}),
    on_registers<Unary<RoundToInteger>>(RoundToInteger::info, at(0xD9).digit(7).rm(4), {ST0}),
    on_registers<Scale>(Scale::info, at(0xD9).digit(7).rm(5), {ST0}),
};

} // namespace

std::span<const Row> arithmetic_rows() {
    static constexpr auto rows = [] {
        std::array<Row, classic.size() + others.size()> all{};
        for (std::size_t i = 0; i < classic.size(); ++i) all[i] = classic[i];
        for (std::size_t i = 0; i < others.size(); ++i) all[classic.size() + i] = others[i];
        return all;
    }();
    return rows;
}

} // namespace glassbox::x87
