// How SIMD floating point is computed. The reference is the soft float, which knows modes, flags and special values.
// Beside it stand fast paths on the host's own IEEE 754 arithmetic for the cases whose result is the same on any host:
// ordinary operands, an ordinary result, round to nearest, and no flag that would have to change. Scalars try a lane
// (`fast`), packed operands 16 bytes at once (`whole`, cpu/sse/host_vector.hpp). They need a host compiler that rounds
// every operation to its type (FLT_EVAL_METHOD 0).
//
// Exceptions (SDM 1, 11.5 and 14.10): the flags of all lanes gather in MXCSR; an unmasked one raises #XM (#UD without
// CR4.OSXMMEXCPT) and nothing else is written. While an exception of the operands is unmasked in any lane, no lane gets
// as far as overflow, underflow or precision.
#pragma once

#include "cpu/fpu/softfloat/values.hpp"
#include "cpu/sse/first_try.hpp"
#include "cpu/sse/host_vector.hpp"
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

// The parts of float_rows().
std::span<const Row> float_more_rows();
std::span<const Row> fma_rows();
std::span<const Row> half_rows();

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

/// Anything but a denormal: no DE, nothing for DAZ to change.
template <class F> inline bool not_denormal(F value) {
    constexpr Bits<F> least_normal = Bits<F>{1} << F::precision; // without its sign, as shifted
    return static_cast<Bits<F>>((value.bits << 1) - 1) >= least_normal - 1;
}
/// No denormals and no NaN: comparing them raises nothing.
template <class F> inline bool comparable(F a, F b) {
    return not_denormal(a) && not_denormal(b) && !std::isunordered(host(a), host(b));
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

/// r = s(a, b) on the host, if that is certain.
template <class S, class A, class R> inline bool try_lane(u32 mode, const S& s, A a, A b, R& r) {
    if constexpr (host_is_exact)
        return s.fast(mode, a, b, r);
    else
        return false;
}
/// One lane: on the host, which touches nothing else, or with the soft float, which adds to env.flags.
template <class R, class S, class A> inline R lane(u32 mode, FloatEnv& env, const S& s, A a, A b) {
    R r;
    if (try_lane(mode, s, a, b, r)) [[likely]]
        return r;
    return s.soft(env, a, b);
}
/// r = s(a, b) for a few lanes. False with the fault raised.
template <class S, class A, class R>
[[gnu::noinline]] bool compute_lanes(Cpu& cpu, const S& s, const A* a, const A* b, R* r, std::size_t n) {
    FloatEnv env = float_env(cpu.sse.mxcsr);
    for (std::size_t i = 0; i < n; ++i) r[i] = lane<R>(cpu.sse.mxcsr, env, s, a[i], b[i]);
    return settle(cpu, env);
}
template <class S, class A, class R> [[gnu::noinline]] bool compute_softly(Cpu& cpu, const S& s, A a, A b, R& r) {
    FloatEnv env = float_env(cpu.sse.mxcsr);
    r = s.soft(env, a, b);
    return settle(cpu, env);
}
/// One lane of a scalar instruction.
template <class S, class A, class R> inline bool compute(Cpu& cpu, const S& s, A a, A b, R& r) {
    return try_lane(cpu.sse.mxcsr, s, a, b, r) || compute_softly(cpu, s, a, b, r);
}

/// Calls `each(const Xmm& a, const Xmm& b, Xmm& r) -> bool` for the 16-byte parts of Xmm or Ymm values.
template <class V, class F> inline bool all_parts(const V& a, const V& b, V& r, F&& each) {
    if constexpr (std::is_same_v<V, Ymm>)
        return each(a.part[0], b.part[0], r.part[0]) && each(a.part[1], b.part[1], r.part[1]);
    else
        return each(a, b, r);
}
template <class F, class V> inline constexpr std::size_t lanes_in = sizeof(V) / sizeof(F);
template <class F, class V> inline std::array<F, lanes_in<F, V>> to_lanes(const V& v) {
    std::array<F, lanes_in<F, V>> a;
    std::memcpy(static_cast<void*>(&a), static_cast<const void*>(&v), sizeof a);
    return a;
}
/// r = s(a, b), all lanes of type F: Xmm or Ymm.
template <class F, class S, class V>
[[gnu::noinline]] bool compute_packed_slowly(Cpu& cpu, const S& s, const V& a, const V& b, V& r) {
    const auto x = to_lanes<F>(a), y = to_lanes<F>(b);
    std::array<F, lanes_in<F, V>> z;
    if (!compute_lanes(cpu, s, x.data(), y.data(), z.data(), z.size())) return false;
    std::memcpy(static_cast<void*>(&r), static_cast<const void*>(&z), sizeof r);
    return true;
}
template <class S, class V> inline auto whole_on(u32 mode, const S& s, V a, V b) {
    if constexpr (requires { s.whole(a, b); })
        return s.whole(a, b);
    else
        return s.whole(mode, a, b);
}
/// A scalar for those: it stays in the host's vector registers, where a chain of operations is not held up by what is
/// asked about it.
template <class F> inline Vector<Host<F>> only_lane(Bits<F> bits) {
    Vector<Host<F>> v{};
    v[0] = std::bit_cast<Host<F>>(bits);
    return v;
}
/// The same on the host, if that is certain.
template <class F, class S, class V> inline bool try_packed(u32 mode, const S& s, const V& a, const V& b, V& r) {
    if constexpr (!host_is_exact) return false;
    if (S::rounds && !inexact_is_free(mode)) return false;
    return all_parts(a, b, r, [&](const Xmm& x, const Xmm& y, Xmm& z) {
        const auto u = host_lanes<Host<F>>(x), v = host_lanes<Host<F>>(y);
        const auto result = whole_on(mode, s, u, v);
        z = std::bit_cast<Xmm>(result.value);
        return result.holds();
    });
}
template <class F, class S, class V> inline bool compute_packed(Cpu& cpu, const S& s, const V& a, const V& b, V& r) {
    return try_packed<F>(cpu.sse.mxcsr, s, a, b, r) || compute_packed_slowly<F>(cpu, s, a, b, r);
}

/// The low lane of the source operand.
template <class F, class Source> inline bool fetch_scalar(Cpu& cpu, const Op& op, F& value) {
    return fetch_low<Bits<F>, Source>(cpu, op, value.bits);
}
template <class F> inline F low_lane(const Xmm& x) { return {static_cast<Bits<F>>(x.q[0])}; }
/// A scalar result: the rest of the low 16 bytes comes from the first source. Without VEX only the lane is stored, so
/// that the next scalar load finds it in the host's store buffer; with VEX all, for the same reason.
template <class File, class F> inline void set_scalar(Cpu& cpu, const OpFields& op, F value) {
    if constexpr (File::vex) {
        auto r = host_lanes<Host<F>>(File::get(cpu, first_number<File>(op)));
        r[0] = host(value);
        File::set(cpu, op.reg, std::bit_cast<Xmm>(r));
    } else {
        std::memcpy(static_cast<void*>(&cpu.sse.xmm(op.reg)), &value.bits, sizeof value.bits);
    }
}

// --- shapes: an operation on all lanes or on one ---------------------------------------------------------------------
/// An S that depends on imm8 is made by S::of(imm8, vex).
template <class S, class File, class Source> inline S operation(const OpFields& op) {
    if constexpr (requires { S::of(u8{}, true); })
        return S::of(static_cast<u8>(Source::immediate(op)), File::vex);
    else
        return {};
}
template <class S, class F> struct Packed {
    template <class File> struct Shape {
        template <class Source> struct Body {
            static bool run(Cpu& cpu, const FastOp& op, Flags&)
                requires TriedFirst<Source>
            {
                typename File::Value b, r;
                if (!ready_at_once<File>(cpu) || !try_source<File, Source>(cpu, op, b)) return false;
                const auto& a = File::get(cpu, first_number<File>(op));
                if (!try_packed<F>(cpu.sse.mxcsr, operation<S, File, Source>(op), a, b, r)) return false;
                File::set(cpu, op.reg, r);
                return true;
            }
            static bool run(Cpu& cpu, const Op& op, Flags&) {
                typename File::Value b, r;
                if (!File::ready(cpu) || !File::template source<Source>(cpu, op, b)) return false;
                const S s = operation<S, File, Source>(op);
                if (!compute_packed<F>(cpu, s, File::first(cpu, op), b, r)) return false;
                File::set(cpu, op.reg, r);
                return true;
            }
        };
    };
};
template <class S, class F> struct Scalar {
    template <class File> struct Shape {
        template <class Source> struct Body {
            static bool run(Cpu& cpu, const FastOp& op, Flags&)
                requires TriedFirst<Source>
            {
                if constexpr (!host_is_exact) return false;
                Bits<F> source = 0;
                if (!ready_at_once<File>(cpu) || !try_low<Bits<F>, Source>(cpu, op, source)) return false;
                if (S::rounds && !inexact_is_free(cpu.sse.mxcsr)) [[unlikely]]
                    return try_exact(cpu, op, F{source});
                const auto a = only_lane<F>(low_lane<F>(File::get(cpu, first_number<File>(op))).bits);
                const auto r = whole_on(cpu.sse.mxcsr, operation<S, File, Source>(op), a, only_lane<F>(source));
                if (r.good[0] == 0) return false;
                set_scalar<File>(cpu, op, guest<F>(r.value[0]));
                return true;
            }
            /// As long as PE is clear: results that can be shown not to be rounded.
            [[gnu::noinline]] static bool try_exact(Cpu& cpu, const FastOp& op, F b) {
                F r;
                const F a = low_lane<F>(File::get(cpu, first_number<File>(op)));
                if (!try_lane(cpu.sse.mxcsr, operation<S, File, Source>(op), a, b, r)) return false;
                set_scalar<File>(cpu, op, r);
                return true;
            }
            static bool run(Cpu& cpu, const Op& op, Flags&) {
                F b, r;
                if (!File::ready(cpu) || !fetch_scalar<F, Source>(cpu, op, b)) return false;
                const S s = operation<S, File, Source>(op);
                if (!compute(cpu, s, low_lane<F>(File::first(cpu, op)), b, r)) return false;
                set_scalar<File>(cpu, op, r);
                return true;
            }
        };
    };
};

// --- rows -----------------------------------------------------------------------------------------------------------
template <class F> inline constexpr Arg scalar_arg = std::is_same_v<F, F32> ? Arg::Wd : Arg::Wq;

/// destination, first source, scalar source; VEX.L is ignored.
template <Name name, template <class File> class Shape, class F>
consteval std::array<Row, 2> scalar_rows(At at, Feature legacy, bool immediate = false) {
    constexpr Arg source = scalar_arg<F>;
    const Arg last = immediate ? Arg::Ib : Arg::none;
    return {
        row<Shape<Xm>::template Body>(info_of<name>, at, {Arg::Vx, source, last}, legacy),
        row<Shape<V128>::template Body>(vex_info<name>, at.vex(), {Arg::Vdq, Arg::Hdq, source, last}, Feature::avx)};
}

} // namespace glassbox::sse
