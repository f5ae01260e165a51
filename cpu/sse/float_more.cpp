// Floating point of SSE3 and SSE4.1 and its AVX forms: alternating and horizontal sums, rounding to integers, dot
// products (SDM 2: ADDSUBPD, HADDPD, HSUBPD, ROUNDPD, DPPD and their like).
#include "cpu/fpu/softfloat/convert.hpp"
#include "cpu/sse/float_arithmetic.hpp"

namespace glassbox::sse {

namespace {

using enum Arg;
using softfloat::Rounding;
constexpr Feature avx = Feature::avx, sse3 = Feature::sse3, sse41 = Feature::sse41;

// --- sums of neighbours and alternating sums
// ----------------------------------------------------------------------------
/// Rearranges lanes for `a ± b`: SDM 2, HADDPS figure 3-x: the sums of the first source's pairs, then the second's, in
/// each 16 bytes.
template <class F, class V> struct Pairs {
    V a, b;
};
template <class F, class V> Pairs<F, V> horizontal(const V& first, const V& second) {
    constexpr std::size_t n = lanes_in<F, V>, part = 16 / sizeof(F);
    const auto x = to_lanes<F>(first), y = to_lanes<F>(second);
    std::array<F, n> even, odd;
    for (std::size_t i = 0; i < n; ++i) {
        const std::size_t base = i / part * part, within = i % part;
        const auto& from = within < part / 2 ? x : y;
        const std::size_t pair = base + 2 * (within % (part / 2));
        even[i] = from[pair];
        odd[i] = from[pair + 1];
    }
    return {std::bit_cast<V>(even), std::bit_cast<V>(odd)};
}
template <class S, class F> struct Horizontal {
    template <class File> struct Shape {
        using V = typename File::Value;
        template <class Source> struct Body {
            static bool run(Cpu& cpu, const FastOp& op, Flags&)
                requires TriedFirst<Source>
            {
                V b, r;
                if (!ready_at_once<File>(cpu) || !try_source<File, Source>(cpu, op, b)) return false;
                const auto pairs = horizontal<F, V>(File::get(cpu, first_number<File>(op)), b);
                if (!try_packed<F>(cpu.sse.mxcsr, S{}, pairs.a, pairs.b, r)) return false;
                File::set(cpu, op.reg, r);
                return true;
            }
            static bool run(Cpu& cpu, const Op& op, Flags&) {
                V b, r;
                if (!File::ready(cpu) || !File::template source<Source>(cpu, op, b)) return false;
                const auto pairs = horizontal<F, V>(File::first(cpu, op), b);
                if (!compute_packed<F>(cpu, S{}, pairs.a, pairs.b, r)) return false;
                File::set(cpu, op.reg, r);
                return true;
            }
        };
    };
};
/// ADDSUBPS: even lanes are subtracted, odd lanes added.
struct AddSubtract {
    static constexpr bool rounds = true;
    template <class V> static auto whole(V a, V b) {
        MaskOf<V> odd{};
        for (std::size_t i = 1; i < sizeof(V) / sizeof(LaneOf<V>); i += 2) odd[i] = -1;
        const auto sum = Add::whole(a, b), difference = Subtract::whole(a, b);
        return whole_result(choose<V>(odd, sum.value, difference.value), (sum.good & odd) | (difference.good & ~odd));
    }
};
template <class F> struct Alternating {
    template <class File> struct Shape {
        using V = typename File::Value;
        template <class Source> struct Body {
            static bool run(Cpu& cpu, const FastOp& op, Flags&)
                requires TriedFirst<Source>
            {
                V b, r;
                if (!ready_at_once<File>(cpu) || !try_source<File, Source>(cpu, op, b)) return false;
                const auto& a = File::get(cpu, first_number<File>(op));
                if (!try_packed<F>(cpu.sse.mxcsr, AddSubtract{}, a, b, r)) return false;
                File::set(cpu, op.reg, r);
                return true;
            }
            static bool run(Cpu& cpu, const Op& op, Flags&) {
                V b, r;
                if (!File::ready(cpu) || !File::template source<Source>(cpu, op, b)) return false;
                if (!compute_alternating(cpu, File::first(cpu, op), b, r)) return false;
                File::set(cpu, op.reg, r);
                return true;
            }
        };
        [[gnu::noinline]] static bool compute_alternating(Cpu& cpu, const V& first, const V& b, V& r) {
            const auto x = to_lanes<F>(first), y = to_lanes<F>(b);
            auto z = x;
            FloatEnv env = float_env(cpu.sse.mxcsr);
            for (std::size_t i = 0; i < z.size(); ++i)
                z[i] = i % 2 ? lane<F>(cpu.sse.mxcsr, env, Add{}, x[i], y[i])
                             : lane<F>(cpu.sse.mxcsr, env, Subtract{}, x[i], y[i]);
            r = std::bit_cast<V>(z);
            return settle(cpu, env);
        }
    };
};

// --- rounding to integers
// --------------------------------------------------------------------------------------------
/// imm8 (SDM 2, ROUNDPD, figure 4-24): bits 1-0 the mode, unless bit 2 says MXCSR.RC; bit 3 suppresses PE.
struct ToWhole {
    static constexpr bool rounds = false; // not by MXCSR: `whole` looks at it itself
    u8 imm;
    static ToWhole of(u8 imm, bool) { return {imm}; }
    Rounding mode(Rounding of_mxcsr) const { return (imm & 4) ? of_mxcsr : static_cast<Rounding>(imm & 3); }
    bool quiet() const { return (imm & 8) != 0; }

    template <class F> F soft(FloatEnv& env, F, F b) const {
        FloatEnv inner = env;
        const F r = softfloat::round_to_integer<F>(inner, b, mode(env.rounding));
        env.raise(quiet() ? inner.flags & static_cast<u8>(~softfloat::flag::inexact) : inner.flags);
        return r;
    }
    template <class V> V on_host(Rounding of_mxcsr, V v) const {
        const V m = magnitudes(v), near = nearest_integers(m), one = V{} + LaneOf<V>{1};
        const MaskOf<V> negative = std::bit_cast<MaskOf<V>>(v) < 0;
        V r = near;
        const auto away = [&](MaskOf<V> where) { r = choose<V>(where & (near < m), near + one, r); };
        const auto towards_zero = [&](MaskOf<V> where) { r = choose<V>(where & (near > m), near - one, r); };
        switch (mode(of_mxcsr)) {
        case Rounding::nearest: break;
        case Rounding::down: away(negative), towards_zero(~negative); break;
        case Rounding::up: away(~negative), towards_zero(negative); break;
        case Rounding::truncate: towards_zero(~MaskOf<V>{}); break;
        }
        return with_signs_of(r, v);
    }
    template <class F> bool fast(u32 mxcsr, F, F b, F& r) const {
        const auto v = host(b) - Vector<Host<F>>{}; // in all lanes; a sum would lose the sign of zero
        const auto whole = on_host(float_env(mxcsr).rounding, v);
        r = guest<F>(whole[0]);
        return comparable(b, b) && (quiet() || r == b);
    }
    template <class V> auto whole(u32 mxcsr, V, V b) const {
        const V r = on_host(float_env(mxcsr).rounding, b);
        constexpr u32 free = mxcsr::PE | u32{softfloat::flag::inexact} << mxcsr::masks_at;
        const bool any = quiet() || (mxcsr & free) == free;
        return whole_result(r, any ? tame(b) : tame(b) & (r == b));
    }
};
// --- dot products
// ------------------------------------------------------------------------------------------------------
/// DPPS, DPPD: products of the lanes chosen by imm8[7:4], their sum by pairs, into the lanes chosen by imm8[3:0]; zero
/// elsewhere. Each step is an operation with exceptions of its own: an unmasked one ends it there (SDM 2, DPPS).
template <class F> struct Dot {
    static constexpr std::size_t part = 16 / sizeof(F);
    template <class File> struct Shape {
        using V = typename File::Value;
        static constexpr std::size_t n = lanes_in<F, V>;
        template <class Source> struct Body {
            static bool run(Cpu& cpu, const Op& op, Flags&) {
                V b, r;
                if (!File::ready(cpu) || !File::template source<Source>(cpu, op, b)) return false;
                if (!dot(cpu, File::first(cpu, op), b, static_cast<u8>(Source::immediate(op)), r)) return false;
                File::set(cpu, op.reg, r);
                return true;
            }
        };
        [[gnu::noinline]] static bool dot(Cpu& cpu, const V& first, const V& second, u8 imm, V& r) {
            const auto x = to_lanes<F>(first), y = to_lanes<F>(second);
            std::array<F, n> sum{};
            FloatEnv env = float_env(cpu.sse.mxcsr);
            for (std::size_t i = 0; i < n; ++i) {
                if (imm >> (4 + i % part) & 1) sum[i] = lane<F>(cpu.sse.mxcsr, env, Multiply{}, x[i], y[i]);
            }
            for (std::size_t distance = 1; distance < part; distance *= 2) {
                if (!settle(cpu, env)) return false;
                for (std::size_t i = 0; i < n; i += 2 * distance)
                    sum[i] = lane<F>(cpu.sse.mxcsr, env, Add{}, sum[i], sum[i + distance]);
            }
            if (!settle(cpu, env)) return false;
            std::array<F, n> result{};
            for (std::size_t i = 0; i < n; ++i) {
                if (imm >> (i % part) & 1) result[i] = sum[i / part * part];
            }
            r = std::bit_cast<V>(result);
            return true;
        }
    };
};

constexpr std::array rows =
    table(three<"haddpd", Horizontal<Add, F64>::Shape>(at(0x0F7C).p66(), sse3, avx),
          three<"haddps", Horizontal<Add, F32>::Shape>(at(0x0F7C).pF2(), sse3, avx),
          three<"hsubpd", Horizontal<Subtract, F64>::Shape>(at(0x0F7D).p66(), sse3, avx),
          three<"hsubps", Horizontal<Subtract, F32>::Shape>(at(0x0F7D).pF2(), sse3, avx),
          three<"addsubpd", Alternating<F64>::Shape>(at(0x0FD0).p66(), sse3, avx),
          three<"addsubps", Alternating<F32>::Shape>(at(0x0FD0).pF2(), sse3, avx),

          two_imm<"roundps", Packed<ToWhole, F32>::Shape>(at(0x0F3A08).p66(), sse41, avx),
          two_imm<"roundpd", Packed<ToWhole, F64>::Shape>(at(0x0F3A09).p66(), sse41, avx),
          scalar_rows<"roundss", Scalar<ToWhole, F32>::Shape, F32>(at(0x0F3A0A).p66(), sse41, true),
          scalar_rows<"roundsd", Scalar<ToWhole, F64>::Shape, F64>(at(0x0F3A0B).p66(), sse41, true),

          three_imm<"dpps", Dot<F32>::Shape>(at(0x0F3A40).p66(), sse41, avx),
          row<Dot<F64>::Shape<Xm>::Body>(info_of<"dppd">, at(0x0F3A41).p66(), {Vx, Wx, Ib}, sse41),
          row<Dot<F64>::Shape<V128>::Body>(vex_info<"dppd">, at(0x0F3A41).p66().vex().l(0), {Vx, Hx, Wx, Ib}, avx));

} // namespace

std::span<const Row> float_more_rows() { return rows; }

} // namespace glassbox::sse
