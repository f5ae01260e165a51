// Fused multiply-add (SDM 1, 14.5.2 and 14.5.3; SDM 2, VFMADD132PD and its like): 96 forms from one table of six sign
// patterns, three orders of operands, two precisions and three widths. The digits of a mnemonic say which operands are
// multiplied and which is added: 213 is second * first + third. NaN operands win in that order too.
// The host's own instruction computes where the host has it (that is the same on every host: it rounds exactly); single
// precision has a road through doubles without it, and the soft float does the rest.
#include "cpu/sse/float.hpp"

#include "cpu/fpu/softfloat/fma.hpp"

namespace glassbox::sse {

namespace {

using enum Arg;

/// What is negated: the product, the addend in even lanes, in odd lanes.
struct Pattern {
    char name[9];
    u8 opcode; ///< low digit of the packed form's; the scalar form's is the next
    bool product, even, odd, scalar;
};
constexpr Pattern patterns[] = {
    {"fmaddsub", 0x6, false, true, false, false}, {"fmsubadd", 0x7, false, false, true, false},
    {"fmadd", 0x8, false, false, false, true},    {"fmsub", 0xA, false, true, true, true},
    {"fnmadd", 0xC, true, false, false, true},    {"fnmsub", 0xE, true, true, true, true}};
enum class Order : u8 { o132, o213, o231 };

template <class T> T negated(T value, bool minus) { return minus ? -value : value; }

/// In single precision without the host's instruction: the product is exact in a double, the sum is rounded to odd
/// there, which leaves room enough that rounding it again to single is rounding once.
float fuse_by_doubles(float a, float b, float c) {
    const double p = double{a} * double{b}, d = double{c}, s = p + d, part = s - p;
    const double error = (p - (s - part)) + (d - part);
    u64 bits = std::bit_cast<u64>(s);
    if (error != 0 && (bits & 1) == 0) bits += (error > 0) == (s > 0) ? u64{1} : ~u64{0};
    return static_cast<float>(std::bit_cast<double>(bits));
}

/// Whether r is the result without a doubt: ordinary operands and an ordinary result, or a sum of zeros.
template <class T, std::size_t n> bool certain(const T (&a)[n], const T (&b)[n], const T (&c)[n], const T (&r)[n]) {
    if constexpr (n * sizeof(T) < 16) {
        using F = std::conditional_t<sizeof(T) == 4, F32, F64>;
        if (!comparable(guest<F>(a[0])) || !comparable(guest<F>(b[0])) || !comparable(guest<F>(c[0]))) return false;
        return ordinary(guest<F>(r[0])) || (r[0] == 0 && c[0] == 0 && (a[0] == 0 || b[0] == 0));
    } else {
        using V = Vector<T>;
        MaskOf<V> good = ~MaskOf<V>{};
        for (std::size_t i = 0; i < n; i += 16 / sizeof(T)) {
            V x, y, z, sum;
            std::memcpy(&x, a + i, 16), std::memcpy(&y, b + i, 16), std::memcpy(&z, c + i, 16);
            std::memcpy(&sum, r + i, 16);
            const MaskOf<V> zero = (sum == 0) & (z == 0) & ((x == 0) | (y == 0));
            good &= tame(x) & tame(y) & tame(z) & (ordinary_lanes(sum) | zero);
        }
        return all_lanes(good);
    }
}

/// n lanes on the host; false when one is not certain. Only with inexact results free.
template <class F, unsigned pattern, std::size_t n>
bool fuse_fast(const std::array<F, n>& x, const std::array<F, n>& y, const std::array<F, n>& z, std::array<F, n>& w) {
    using T = Host<F>;
    constexpr Pattern p = patterns[pattern];
    T a[n], b[n], c[n], r[n];
    for (std::size_t i = 0; i < n; ++i) {
        a[i] = negated(host(x[i]), p.product);
        b[i] = host(y[i]);
        c[i] = negated(host(z[i]), i % 2 ? p.odd : p.even);
    }
    if (host_fuses()) {
        fuse_on_host(a, b, c, r);
    } else {
        if constexpr (sizeof(T) == 8)
            return false;
        else
            for (std::size_t i = 0; i < n; ++i) r[i] = fuse_by_doubles(a[i], b[i], c[i]);
    }
    std::memcpy(static_cast<void*>(&w), r, sizeof w);
    return certain(a, b, c, r);
}
template <class F, unsigned pattern, std::size_t n> [[gnu::noinline]] bool
fuse(Cpu& cpu, const std::array<F, n>& a, const std::array<F, n>& b, const std::array<F, n>& c, std::array<F, n>& r) {
    if constexpr (host_is_exact) {
        if (inexact_is_free(cpu.sse.mxcsr) && fuse_fast<F, pattern>(a, b, c, r)) [[likely]]
            return true;
    }
    constexpr Pattern p = patterns[pattern];
    FloatEnv env = float_env(cpu.sse.mxcsr);
    for (std::size_t i = 0; i < n; ++i)
        r[i] = softfloat::fused_multiply_add<F>(env, a[i], b[i], c[i], {p.product, i % 2 ? p.odd : p.even});
    return settle(cpu, env);
}
/// Calls `with(multiplicand, multiplier, addend)`.
template <Order order, class T, class Fn> bool arranged(const T& first, const T& second, const T& third, Fn&& with) {
    if constexpr (order == Order::o132)
        return with(first, third, second);
    else if constexpr (order == Order::o213)
        return with(second, first, third);
    else
        return with(second, third, first);
}

template <class F, unsigned pattern, Order order> struct Fused {
    template <class File> struct AllLanes {
        template <class Source> struct Body {
            static bool run(Cpu& cpu, const Op& op, Flags&) {
                typename File::Value source;
                if (!File::ready(cpu) || !File::template source<Source>(cpu, op, source)) return false;
                auto r = to_lanes<F>(source);
                const auto lanes = r;
                if (!arranged<order>(
                        to_lanes<F>(File::get(cpu, op.reg)), to_lanes<F>(File::first(cpu, op)), lanes,
                        [&](const auto& a, const auto& b, const auto& c) { return fuse<F, pattern>(cpu, a, b, c, r); }))
                    return false;
                File::set(cpu, op.reg, std::bit_cast<typename File::Value>(r));
                return true;
            }
        };
    };
    template <class Source> struct OneLane {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            using One = std::array<F, 1>;
            One source, r;
            if (!avx_ready(cpu) || !fetch_scalar<F, Source>(cpu, op, source[0])) return false;
            Xmm destination = cpu.sse.xmm(op.reg);
            if (!arranged<order>(
                    One{low_lane<F>(destination)}, One{low_lane<F>(V128::first(cpu, op))}, source,
                    [&](const One& a, const One& b, const One& c) { return fuse<F, pattern>(cpu, a, b, c, r); }))
                return false;
            set_low_lane(destination, r[0]);
            V128::set(cpu, op.reg, destination);
            return true;
        }
    };
};

// --- rows -----------------------------------------------------------------------------------------------------------
struct Mnemonic {
    char text[16]{};
    consteval Mnemonic(const Pattern& p, Order order, const char (&suffix)[3]) {
        std::size_t at = 0;
        const auto add = [&](const char* from) {
            while (*from) text[at++] = *from++;
        };
        constexpr const char* orders[] = {"132", "213", "231"};
        add("v"), add(p.name), add(orders[static_cast<u8>(order)]), add(suffix);
    }
};
template <unsigned pattern, Order order, class F>
constexpr Mnemonic packed_name{patterns[pattern], order, {'p', sizeof(F) == 8 ? 'd' : 's', 0}};
template <unsigned pattern, Order order, class F>
constexpr Mnemonic scalar_name{patterns[pattern], order, {'s', sizeof(F) == 8 ? 'd' : 's', 0}};
template <unsigned pattern, Order order, class F> constexpr OpInfo packed_info{packed_name<pattern, order, F>.text};
template <unsigned pattern, Order order, class F> constexpr OpInfo scalar_info{scalar_name<pattern, order, F>.text};

template <unsigned pattern, Order order, class F> consteval auto forms() {
    using S = Fused<F, pattern, order>;
    constexpr u32 opcode = 0x0F3890u + 0x10u * static_cast<u32>(order) + patterns[pattern].opcode;
    const auto here = [](u32 code) { return at(code).p66().vex().w(sizeof(F) == 8); };
    const std::array packed = {row<S::template AllLanes<V128>::template Body>(
                                   packed_info<pattern, order, F>, here(opcode).l(0), {Vx, Hx, Wx}, Feature::fma),
                               row<S::template AllLanes<V256>::template Body>(
                                   packed_info<pattern, order, F>, here(opcode).l(1), {Vx, Hx, Wx}, Feature::fma)};
    if constexpr (patterns[pattern].scalar)
        return table(packed, row<S::template OneLane>(scalar_info<pattern, order, F>, here(opcode + 1),
                                                      {Vdq, Hdq, scalar_arg<F>}, Feature::fma));
    else
        return packed;
}
template <unsigned pattern> consteval auto orders() {
    return table(forms<pattern, Order::o132, F32>(), forms<pattern, Order::o132, F64>(),
                 forms<pattern, Order::o213, F32>(), forms<pattern, Order::o213, F64>(),
                 forms<pattern, Order::o231, F32>(), forms<pattern, Order::o231, F64>());
}
constexpr std::array rows = table(orders<0>(), orders<1>(), orders<2>(), orders<3>(), orders<4>(), orders<5>());
static_assert(rows.size() == 96);

} // namespace

std::span<const Row> fma_rows() { return rows; }

} // namespace glassbox::sse
