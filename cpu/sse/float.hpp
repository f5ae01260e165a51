// How SIMD floating point is computed. The reference is the soft float, which knows modes, flags and special values.
// Beside it stands a fast path on the host's own IEEE 754 arithmetic for the cases whose result is the same on any
// host: ordinary operands, an ordinary result, round to nearest, and no flag that would have to change. It needs a host
// compiler that rounds every operation to its type (FLT_EVAL_METHOD 0).
//
// Exceptions (SDM 1, 11.5): the flags of all lanes gather in MXCSR; an unmasked one raises #XM (#UD without
// CR4.OSXMMEXCPT) and nothing else is written. While an exception of the operands is unmasked in any lane, no lane gets
// as far as overflow, underflow or precision.
#pragma once

#include "cpu/fpu/softfloat/values.hpp"
#include "cpu/sse/exec.hpp"
#include "cpu/sse/mxcsr.hpp"

#include <cfloat>

namespace glassbox::sse {

using softfloat::F32;
using softfloat::F64;
using softfloat::FloatEnv;

template <class F> using Host = std::conditional_t<std::is_same_v<F, F32>, float, double>;
template <class F> using Bits = std::conditional_t<std::is_same_v<F, F32>, u32, u64>;
template <class F> inline Host<F> host(F value) { return std::bit_cast<Host<F>>(value.bits); }
template <class F> inline F guest(Host<F> value) { return {std::bit_cast<Bits<F>>(value)}; }

inline constexpr bool host_is_exact = FLT_EVAL_METHOD == 0 && sizeof(float) == 4 && sizeof(double) == 8;

/// #XM, or #UD when the operating system does not take it.
[[gnu::cold, gnu::noinline]] bool raise_simd(Cpu& cpu);

/// Takes over the flags. False with the fault raised: nothing may be written.
inline bool settle(Cpu& cpu, const FloatEnv& env) {
    const u8 unmasked = static_cast<u8>(env.flags & ~env.masks);
    const bool stopped = (unmasked & softfloat::flag::before_result) != 0;
    cpu.sse.mxcsr |= stopped ? env.flags & softfloat::flag::before_result : env.flags;
    return unmasked == 0 || raise_simd(cpu);
}

/// Inexact results round to nearest and leave no trace in MXCSR: they are masked and PE is set already.
inline bool inexact_is_free(u32 value) {
    constexpr u32 masked = u32{softfloat::flag::inexact} << mxcsr::masks_at;
    return (value & (masked | mxcsr::RC | mxcsr::PE)) == (masked | mxcsr::PE);
}
inline bool rounds_to_nearest(u32 value) { return (value & mxcsr::RC) == 0; }

/// A zero or a normal number: comparing it raises nothing and DAZ does not change it.
template <class F> inline bool comparable(F value) {
    return softfloat::plain(value) || static_cast<Bits<F>>(value.bits << 1) == 0;
}
/// A normal result that is no neighbour of the denormals: it neither overflowed nor was it tiny before rounding.
template <class F> inline bool ordinary(F value) {
    constexpr unsigned fraction = F::precision - 1;
    return static_cast<unsigned>(value.bits >> fraction & F::max_exponent) - 2 < F::max_exponent - 2;
}
/// True only if x * y is exactly p; p is a normal number.
inline bool product_is(float x, float y, float p) { return double{x} * double{y} == double{p}; }
inline bool product_is(double x, double y, double p) {
    const auto trailing = [](double v) {
        return std::countr_zero((std::bit_cast<u64>(v) & 0xF'FFFF'FFFF'FFFF) | 0x10'0000'0000'0000);
    };
    return trailing(x) + trailing(y) >= 53 && x * y == p; // the product has at most 53 bits
}

/// r = s(a, b) lane by lane. `s.fast` answers whether it could give the result without touching MXCSR.
template <class S, class A, class R, std::size_t n> [[gnu::noinline]] bool
compute_softly(Cpu& cpu, const S& s, const std::array<A, n>& a, const std::array<A, n>& b, std::array<R, n>& r) {
    FloatEnv env = float_env(cpu.sse.mxcsr);
    for (std::size_t i = 0; i < n; ++i) r[i] = s.soft(env, a[i], b[i]);
    return settle(cpu, env);
}
template <class S, class A, class R, std::size_t n>
inline bool compute(Cpu& cpu, const S& s, const std::array<A, n>& a, const std::array<A, n>& b, std::array<R, n>& r) {
    if constexpr (host_is_exact) {
        bool fast = true;
        for (std::size_t i = 0; i < n; ++i) fast = fast && s.fast(cpu.sse.mxcsr, a[i], b[i], r[i]);
        if (fast) [[likely]]
            return true;
    }
    return compute_softly(cpu, s, a, b, r);
}

/// An operand of `n` lanes: an XMM register's low part, or memory, aligned when it is 16 bytes.
template <class T, std::size_t n, class Source> inline bool fetch_lanes(Cpu& cpu, const Op& op, std::array<T, n>& a) {
    static_assert(sizeof a == 4 || sizeof a == 8 || sizeof a == 16);
    if constexpr (sizeof a == 16) {
        Xmm value;
        if (!Xm::source<Source>(cpu, op, value)) return false;
        a = std::bit_cast<std::array<T, n>>(value);
    } else {
        std::conditional_t<sizeof a == 4, u32, u64> value;
        if (!fetch_low<decltype(value), Source>(cpu, op, value)) return false;
        a = std::bit_cast<std::array<T, n>>(value);
    }
    return true;
}
template <class T, std::size_t n> inline std::array<T, n> low_lanes(const Xmm& x) {
    std::array<T, n> a;
    std::memcpy(static_cast<void*>(&a), &x, sizeof a);
    return a;
}
template <class T, std::size_t n> inline void set_low_lanes(Xmm& x, const std::array<T, n>& a) {
    std::memcpy(static_cast<void*>(&x), static_cast<const void*>(&a), sizeof a);
}

} // namespace glassbox::sse
