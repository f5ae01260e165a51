// Floating-point arithmetic of SSE and SSE2 (SDM 1, 10.4.1 and 11.4.1; SDM 2): each operation is written once for a
// lane, and its rows are its packed and scalar forms in single and double precision.
// RCP and RSQRT: the manual gives a bound on the error (1.5 * 2^-12) and not the value. Here it is the exact value
// rounded to 12 bits, the same on any host.
#include "cpu/sse/float.hpp"

#include "cpu/fpu/softfloat/arith.hpp"
#include "cpu/fpu/softfloat/compare.hpp"

#include <cmath>

namespace glassbox::sse {

bool raise_simd(Cpu& cpu) {
    constexpr const char* why = "an unmasked SIMD floating-point exception";
    return (cpu.cr4 & cr4::OSXMMEXCPT) ? cpu.raise(Exception::XM, why) : cpu.raise(Exception::UD, why);
}

namespace {

using enum Arg;
using softfloat::Order;
constexpr Feature sse1 = Feature::sse, sse2 = Feature::sse2;

// --- arithmetic
// -------------------------------------------------------------------------------------------------------
/// The fast path of S: `S::on_host(a, b)` computes; `S::exact(a, b, r)` may prove that r is not rounded, and
/// `S::zero_is_exact(a, b)` that a result of zero did not underflow.
template <class S> struct Arithmetic {
    template <class F> static bool fast(u32 value, F a, F b, F& r) {
        if constexpr (!S::unary) {
            if (!comparable(a)) return false;
        }
        if (!comparable(b)) return false;
        const Host<F> x = host(a), y = host(b), result = S::on_host(x, y);
        r = guest<F>(result);
        if (!ordinary(r)) return result == 0 && rounds_to_nearest(value) && S::zero_is_exact(x, y);
        return inexact_is_free(value) || (rounds_to_nearest(value) && S::exact(x, y, result));
    }
};
/// a + b == s without rounding (the error term of Knuth's two-sum).
template <class T> bool sum_is(T a, T b, T s) {
    const T part = s - a;
    return (a - (s - part)) + (b - part) == 0;
}
struct Add : Arithmetic<Add> {
    static constexpr bool unary = false;
    template <class T> static T on_host(T a, T b) { return a + b; }
    template <class T> static bool exact(T a, T b, T r) { return sum_is(a, b, r); }
    template <class T> static bool zero_is_exact(T, T) { return true; }
    template <class F> static F soft(FloatEnv& env, F a, F b) { return softfloat::add<F>(env, a, b); }
};
struct Subtract : Arithmetic<Subtract> {
    static constexpr bool unary = false;
    template <class T> static T on_host(T a, T b) { return a - b; }
    template <class T> static bool exact(T a, T b, T r) { return sum_is(a, -b, r); }
    template <class T> static bool zero_is_exact(T, T) { return true; }
    template <class F> static F soft(FloatEnv& env, F a, F b) { return softfloat::subtract<F>(env, a, b); }
};
struct Multiply : Arithmetic<Multiply> {
    static constexpr bool unary = false;
    template <class T> static T on_host(T a, T b) { return a * b; }
    template <class T> static bool exact(T a, T b, T r) { return product_is(a, b, r); }
    template <class T> static bool zero_is_exact(T a, T b) { return a == 0 || b == 0; }
    template <class F> static F soft(FloatEnv& env, F a, F b) { return softfloat::multiply<F>(env, a, b); }
};
struct Divide : Arithmetic<Divide> {
    static constexpr bool unary = false;
    template <class T> static T on_host(T a, T b) { return a / b; }
    template <class T> static bool exact(T a, T b, T r) { return product_is(r, b, a); }
    template <class T> static bool zero_is_exact(T a, T b) { return a == 0 && b != 0; }
    template <class F> static F soft(FloatEnv& env, F a, F b) { return softfloat::divide<F>(env, a, b); }
};
struct Root : Arithmetic<Root> {
    static constexpr bool unary = true;
    template <class T> static T on_host(T, T b) { return std::sqrt(b); } // of a negative number: a NaN, not ordinary
    template <class T> static bool exact(T, T b, T r) { return product_is(r, r, b); }
    template <class T> static bool zero_is_exact(T, T) { return true; }
    template <class F> static F soft(FloatEnv& env, F, F b) { return softfloat::square_root<F>(env, b); }
};

// --- minimum, maximum, compare
// ------------------------------------------------------------------------------------------
template <bool largest> struct Extreme { // of equals, and of two zeros, the second operand
    template <class F> static bool fast(u32, F a, F b, F& r) {
        const bool first = largest ? host(a) > host(b) : host(a) < host(b);
        r = first ? a : b;
        return comparable(a) && comparable(b);
    }
    template <class F> static F soft(FloatEnv& env, F a, F b) {
        return largest ? softfloat::maximum<F>(env, a, b) : softfloat::minimum<F>(env, a, b);
    }
};
/// CMPPS and its like: EQ, LT, LE, UNORD and their negations. LT and LE do not take quiet NaNs quietly.
struct Compare {
    u8 predicate;
    bool holds(Order order) const {
        bool yes = false;
        switch (predicate & 3) {
        case 0: yes = order == Order::equal; break;
        case 1: yes = order == Order::less; break;
        case 2: yes = order == Order::less || order == Order::equal; break;
        default: yes = order == Order::unordered; break;
        }
        return yes != ((predicate & 4) != 0);
    }
    bool quiet() const { return (predicate & 3) == 0 || (predicate & 3) == 3; }
    template <class F> static F mask(bool yes) { return {static_cast<Bits<F>>(yes ? ~Bits<F>{0} : 0)}; }
    template <class F> bool fast(u32, F a, F b, F& r) const {
        const Host<F> x = host(a), y = host(b);
        r = mask<F>(holds(x < y ? Order::less : x == y ? Order::equal : Order::greater));
        return comparable(a) && comparable(b);
    }
    template <class F> F soft(FloatEnv& env, F a, F b) const {
        return mask<F>(holds(softfloat::compare<F>(env, a, b, quiet())));
    }
};

// --- bodies
// -------------------------------------------------------------------------------------------------------------
/// destination = S(destination, source) in n lanes; the other lanes keep their values.
template <class S, class F, std::size_t n> struct Operation {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            std::array<F, n> b, r;
            if (!sse_ready(cpu) || !fetch_lanes<F, n, Source>(cpu, op, b)) return false;
            Xmm& destination = cpu.sse.xmm(op.reg);
            S s{};
            if constexpr (requires { s.predicate; }) s.predicate = op.imm & 7;
            if (!compute(cpu, s, low_lanes<F, n>(destination), b, r)) return false;
            set_low_lanes(destination, r);
            return true;
        }
    };
};

/// COMISS, UCOMISS and the double forms: ZF PF CF say greater 000, less 001, equal 100, unordered 111.
template <class F, bool quiet> struct CompareFlags {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags& f) {
            std::array<F, 1> b;
            if (!sse_ready(cpu) || !fetch_lanes<F, 1, Source>(cpu, op, b)) return false;
            const F a = low_lanes<F, 1>(cpu.sse.xmm(op.reg))[0];
            Order order;
            if (host_is_exact && comparable(a) && comparable(b[0])) [[likely]] {
                const Host<F> x = host(a), y = host(b[0]);
                order = x < y ? Order::less : x == y ? Order::equal : Order::greater;
            } else {
                FloatEnv env = float_env(cpu.sse.mxcsr);
                order = softfloat::compare<F>(env, a, b[0], quiet);
                if (!settle(cpu, env)) return false;
            }
            constexpr u32 values[] = {eflags::CF, eflags::ZF, 0, eflags::ZF | eflags::PF | eflags::CF};
            f.load(values[static_cast<u8>(order)]);
            return true;
        }
    };
};

// --- approximations
// -----------------------------------------------------------------------------------------------------
/// A positive or negative double to 12 significant bits; what is tiny in single precision becomes zero.
F32 to_twelve_bits(double value) {
    constexpr u64 half = u64{1} << 40;
    const u64 rounded = (std::bit_cast<u64>(value) + half) & ~(2 * half - 1);
    const F32 r = guest<F32>(static_cast<float>(std::bit_cast<double>(rounded))); // exact, or tiny
    return softfloat::plain(r) ? r : softfloat::zero<F32>(r.bits >> 31);
}
template <bool root> F32 approximate(F32 a) {
    const softfloat::Unpacked u = softfloat::unpack(a);
    if (u.nan()) return softfloat::quiet<F32>(u);
    if (u.kind == softfloat::Kind::zero || u.denormal) return softfloat::infinity<F32>(u.sign);
    if (root && u.sign) return softfloat::indefinite<F32>();
    if (u.kind == softfloat::Kind::infinity) return softfloat::zero<F32>(u.sign);
    const double x = host(a);
    return to_twelve_bits(1.0 / (root ? std::sqrt(x) : x));
}
template <bool root, std::size_t n> struct Approximation {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            std::array<F32, n> b;
            if (!sse_ready(cpu) || !fetch_lanes<F32, n, Source>(cpu, op, b)) return false;
            for (F32& lane : b) lane = approximate<root>(lane);
            set_low_lanes(cpu.sse.xmm(op.reg), b);
            return true;
        }
    };
};

// --- rows -----------------------------------------------------------------------------------------------------------
template <class S> consteval Row ps(const OpInfo& info, u32 opcode) {
    return row<Operation<S, F32, 4>::template Body>(info, at(opcode).np(), {Vx, Wx}, sse1);
}
template <class S> consteval Row pd(const OpInfo& info, u32 opcode) {
    return row<Operation<S, F64, 2>::template Body>(info, at(opcode).p66(), {Vx, Wx}, sse2);
}
template <class S> consteval Row ss(const OpInfo& info, u32 opcode) {
    return row<Operation<S, F32, 1>::template Body>(info, at(opcode).pF3(), {Vx, Wd}, sse1);
}
template <class S> consteval Row sd(const OpInfo& info, u32 opcode) {
    return row<Operation<S, F64, 1>::template Body>(info, at(opcode).pF2(), {Vx, Wq}, sse2);
}

constexpr OpInfo sqrtps{"sqrtps"}, sqrtpd{"sqrtpd"}, sqrtss{"sqrtss"}, sqrtsd{"sqrtsd"}, rsqrtps{"rsqrtps"},
    rsqrtss{"rsqrtss"}, rcpps{"rcpps"}, rcpss{"rcpss"}, addps{"addps"}, addpd{"addpd"}, addss{"addss"}, addsd{"addsd"},
    mulps{"mulps"}, mulpd{"mulpd"}, mulss{"mulss"}, mulsd{"mulsd"}, subps{"subps"}, subpd{"subpd"}, subss{"subss"},
    subsd{"subsd"}, minps{"minps"}, minpd{"minpd"}, minss{"minss"}, minsd{"minsd"}, divps{"divps"}, divpd{"divpd"},
    divss{"divss"}, divsd{"divsd"}, maxps{"maxps"}, maxpd{"maxpd"}, maxss{"maxss"}, maxsd{"maxsd"}, cmpps{"cmpps"},
    cmppd{"cmppd"}, cmpss{"cmpss"}, cmpsd{"cmpsd"};
constexpr OpInfo comiss{"comiss", eflags::OSZAPC}, comisd{"comisd", eflags::OSZAPC}, ucomiss{"ucomiss", eflags::OSZAPC},
    ucomisd{"ucomisd", eflags::OSZAPC};

constexpr std::array rows = {
    row<CompareFlags<F32, true>::Body>(ucomiss, at(0x0F2E).np(), {Vx, Wd}, sse1),
    row<CompareFlags<F64, true>::Body>(ucomisd, at(0x0F2E).p66(), {Vx, Wq}, sse2),
    row<CompareFlags<F32, false>::Body>(comiss, at(0x0F2F).np(), {Vx, Wd}, sse1),
    row<CompareFlags<F64, false>::Body>(comisd, at(0x0F2F).p66(), {Vx, Wq}, sse2),

    ps<Root>(sqrtps, 0x0F51),
    pd<Root>(sqrtpd, 0x0F51),
    ss<Root>(sqrtss, 0x0F51),
    sd<Root>(sqrtsd, 0x0F51),
    row<Approximation<true, 4>::Body>(rsqrtps, at(0x0F52).np(), {Vx, Wx}, sse1),
    row<Approximation<true, 1>::Body>(rsqrtss, at(0x0F52).pF3(), {Vx, Wd}, sse1),
    row<Approximation<false, 4>::Body>(rcpps, at(0x0F53).np(), {Vx, Wx}, sse1),
    row<Approximation<false, 1>::Body>(rcpss, at(0x0F53).pF3(), {Vx, Wd}, sse1),
    ps<Add>(addps, 0x0F58),
    pd<Add>(addpd, 0x0F58),
    ss<Add>(addss, 0x0F58),
    sd<Add>(addsd, 0x0F58),
    ps<Multiply>(mulps, 0x0F59),
    pd<Multiply>(mulpd, 0x0F59),
    ss<Multiply>(mulss, 0x0F59),
    sd<Multiply>(mulsd, 0x0F59),
    ps<Subtract>(subps, 0x0F5C),
    pd<Subtract>(subpd, 0x0F5C),
    ss<Subtract>(subss, 0x0F5C),
    sd<Subtract>(subsd, 0x0F5C),
    ps<Extreme<false>>(minps, 0x0F5D),
    pd<Extreme<false>>(minpd, 0x0F5D),
    ss<Extreme<false>>(minss, 0x0F5D),
    sd<Extreme<false>>(minsd, 0x0F5D),
    ps<Divide>(divps, 0x0F5E),
    pd<Divide>(divpd, 0x0F5E),
    ss<Divide>(divss, 0x0F5E),
    sd<Divide>(divsd, 0x0F5E),
    ps<Extreme<true>>(maxps, 0x0F5F),
    pd<Extreme<true>>(maxpd, 0x0F5F),
    ss<Extreme<true>>(maxss, 0x0F5F),
    sd<Extreme<true>>(maxsd, 0x0F5F),

    row<Operation<Compare, F32, 4>::Body>(cmpps, at(0x0FC2).np(), {Vx, Wx, Ib}, sse1),
    row<Operation<Compare, F64, 2>::Body>(cmppd, at(0x0FC2).p66(), {Vx, Wx, Ib}, sse2),
    row<Operation<Compare, F32, 1>::Body>(cmpss, at(0x0FC2).pF3(), {Vx, Wd, Ib}, sse1),
    row<Operation<Compare, F64, 1>::Body>(cmpsd, at(0x0FC2).pF2(), {Vx, Wq, Ib}, sse2),
};

} // namespace

std::span<const Row> float_rows() { return rows; }

} // namespace glassbox::sse
