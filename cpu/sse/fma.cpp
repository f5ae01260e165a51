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

template <unsigned pattern> struct Signs {
    static constexpr bool product = patterns[pattern].product, even = patterns[pattern].even,
                          odd = patterns[pattern].odd;
};

/// In single precision without the host's instruction: the product is exact in a double, the sum is rounded to odd
/// there, which leaves room enough that rounding it again to single is rounding once.
bool fuse_by_doubles(F32 a, F32 b, F32 c, softfloat::FusedSigns minus, F32& r) {
    if (!not_denormal(a) || !not_denormal(b) || !not_denormal(c)) return false;
    const double p = double{minus.product ? -host(a) : host(a)} * double{host(b)};
    const double d = minus.addend ? -host(c) : host(c), s = p + d, part = s - p;
    const double error = (p - (s - part)) + (d - part);
    u64 bits = std::bit_cast<u64>(s);
    if (error != 0 && (bits & 1) == 0) bits += (error > 0) == (s > 0) ? u64{1} : ~u64{0};
    r = guest<F32>(static_cast<float>(std::bit_cast<double>(bits)));
    return ordinary(r);
}
template <class F> F fuse_lane(u32 mode, FloatEnv& env, F a, F b, F c, softfloat::FusedSigns minus) {
    if constexpr (std::is_same_v<F, F32> && host_is_exact) {
        F32 r;
        if (inexact_is_free(mode) && fuse_by_doubles(a, b, c, minus, r)) return r;
    }
    return softfloat::fused_multiply_add<F>(env, a, b, c, minus);
}
/// The operands where they are: registers, and the source in a register or a copy of memory.
template <class F, unsigned pattern, std::size_t n>
[[gnu::noinline]] bool fuse_slowly(Cpu& cpu, const void* a, const void* b, const void* c, void* to) {
    constexpr Pattern p = patterns[pattern];
    std::array<F, n> x, y, z;
    std::memcpy(static_cast<void*>(&x), a, sizeof x);
    std::memcpy(static_cast<void*>(&y), b, sizeof y);
    std::memcpy(static_cast<void*>(&z), c, sizeof z);
    FloatEnv env = float_env(cpu.sse.mxcsr);
    for (std::size_t i = 0; i < n; ++i)
        x[i] = fuse_lane<F>(cpu.sse.mxcsr, env, x[i], y[i], z[i], {p.product, i % 2 ? p.odd : p.even});
    if (!settle(cpu, env)) return false;
    std::memcpy(to, static_cast<const void*>(&x), sizeof x);
    return true;
}
template <class F, unsigned pattern, std::size_t n>
bool fuse_at_once(Cpu& cpu, const void* a, const void* b, const void* c, void* to) {
    return host_is_exact && inexact_is_free(cpu.sse.mxcsr) && host_fuses() &&
           fuse_on_host<Host<F>, n, Signs<pattern>>(a, b, c, to);
}
/// Calls `with(multiplicand, multiplier, addend)`.
template <Order order, class Fn> bool arranged(const void* first, const void* second, const void* third, Fn&& with) {
    if constexpr (order == Order::o132)
        return with(first, third, second);
    else if constexpr (order == Order::o213)
        return with(second, first, third);
    else
        return with(second, third, first);
}

template <class F, unsigned pattern, Order order> struct Fused {
    template <std::size_t n, class Fn> static bool in_place(Cpu& cpu, const OpFields& op, const void* source, Fn&& fn) {
        auto& destination = cpu.sse.vector[op.reg];
        const auto with = [&](const void* a, const void* b, const void* c) { return fn(a, b, c, &destination); };
        if (!arranged<order>(&destination, &cpu.sse.vector[op.imm2], source, with)) return false;
        if constexpr (n * sizeof(F) <= 16) destination.part[1] = {};
        return true;
    }
    template <class File> struct AllLanes {
        static constexpr std::size_t n = File::bytes / sizeof(F);
        template <class Source> struct Body {
            static bool run(Cpu& cpu, const FastOp& op, Flags&)
                requires TriedFirst<Source>
            {
                if (!ready_at_once<File>(cpu)) return false;
                if constexpr (in_register<Source>) {
                    return at_once(cpu, op, &cpu.sse.vector[op.base]);
                } else {
                    typename File::Value source;
                    return try_source<File, Source>(cpu, op, source) && at_once(cpu, op, &source);
                }
            }
            static bool at_once(Cpu& cpu, const FastOp& op, const void* source) {
                return in_place<n>(cpu, op, source, [&](const void* a, const void* b, const void* c, void* to) {
                    return fuse_at_once<F, pattern, n>(cpu, a, b, c, to);
                });
            }
            static bool run(Cpu& cpu, const Op& op, Flags&) {
                typename File::Value source;
                if (!File::ready(cpu) || !File::template source<Source>(cpu, op, source)) return false;
                return in_place<n>(cpu, op, &source, [&](const void* a, const void* b, const void* c, void* to) {
                    return fuse_at_once<F, pattern, n>(cpu, a, b, c, to) ||
                           fuse_slowly<F, pattern, n>(cpu, a, b, c, to);
                });
            }
        };
    };
    template <class Source> struct OneLane {
        static bool run(Cpu& cpu, const FastOp& op, Flags&)
            requires TriedFirst<Source>
        {
            F source;
            if (!ready_at_once<V128>(cpu) || !try_low<Bits<F>, Source>(cpu, op, source.bits)) return false;
            return in_place<1>(cpu, op, &source, [&](const void* a, const void* b, const void* c, void* to) {
                return fuse_at_once<F, pattern, 1>(cpu, a, b, c, to);
            });
        }
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            F source;
            if (!avx_ready(cpu) || !fetch_scalar<F, Source>(cpu, op, source)) return false;
            return in_place<1>(cpu, op, &source, [&](const void* a, const void* b, const void* c, void* to) {
                return fuse_at_once<F, pattern, 1>(cpu, a, b, c, to) || fuse_slowly<F, pattern, 1>(cpu, a, b, c, to);
            });
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

template <class F> consteval At at_of(u32 opcode) { return at(opcode).p66().vex().w(sizeof(F) == 8); }
template <unsigned pattern, Order order, class F> consteval auto forms() {
    using S = Fused<F, pattern, order>;
    constexpr u32 opcode = 0x0F3890u + 0x10u * static_cast<u32>(order) + patterns[pattern].opcode;
    const std::array packed = {row<S::template AllLanes<V128>::template Body>(
                                   packed_info<pattern, order, F>, at_of<F>(opcode).l(0), {Vx, Hx, Wx}, Feature::fma),
                               row<S::template AllLanes<V256>::template Body>(
                                   packed_info<pattern, order, F>, at_of<F>(opcode).l(1), {Vx, Hx, Wx}, Feature::fma)};
    if constexpr (patterns[pattern].scalar)
        return table(packed, row<S::template OneLane>(scalar_info<pattern, order, F>, at_of<F>(opcode + 1),
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
