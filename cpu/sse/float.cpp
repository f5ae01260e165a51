// Floating-point arithmetic of SSE, SSE2 and AVX (SDM 1, 10.4.1, 11.4.1 and 14.2; SDM 2): each operation is written
// once for a lane and once for 16 bytes of the host's vectors, and its rows are its packed and scalar forms in single
// and double precision, legacy and VEX.
// RCP and RSQRT: the manual gives a bound on the error (1.5 * 2^-12) and not the value. Here it is the exact value
// rounded to 12 bits, the same on any host.
#include "cpu/fpu/softfloat/compare.hpp"
#include "cpu/sse/float_arithmetic.hpp"

#include <vector>

namespace glassbox::sse {

bool raise_simd(Cpu& cpu) {
    constexpr const char* why = "an unmasked SIMD floating-point exception";
    return (cpu.cr4 & cr4::OSXMMEXCPT) ? cpu.raise(Exception::XM, why) : cpu.raise(Exception::UD, why);
}

namespace {

using enum Arg;
using softfloat::Order;
constexpr Feature sse1 = Feature::sse, sse2 = Feature::sse2;

// --- minimum, maximum, compare
// ------------------------------------------------------------------------------------------
template <bool largest> struct Extreme { // of equals, and of two zeros, the second operand
    static constexpr bool rounds = false;
    template <class F> static bool fast(u32, F a, F b, F& r) {
        const bool first = largest ? host(a) > host(b) : host(a) < host(b);
        r = first ? a : b;
        return comparable(a, b);
    }
    template <class V> static auto whole(V a, V b) {
        return whole_result(choose<V>(largest ? a > b : a < b, a, b), tame(a) & tame(b));
    }
    template <class F> static F soft(FloatEnv& env, F a, F b) {
        return largest ? softfloat::maximum<F>(env, a, b) : softfloat::minimum<F>(env, a, b);
    }
};
/// CMPPS and its like (SDM 2, CMPPD, table 3-1): by which of the four outcomes a predicate holds, and whether it takes
/// quiet NaNs quietly.
struct Compare {
    static constexpr bool rounds = false;
    u8 outcomes; ///< bit n: holds for Order n
    bool quiet;
    /// Bits 7-3 mean nothing without VEX, bits 7-5 with it. Bit 4 is the other way to take quiet NaNs.
    static Compare of(u8 imm, bool vex) {
        constexpr u8 less = 1, equal = 2, greater = 4, unordered = 8;
        constexpr u8 table[16] = {equal,
                                  less,
                                  less | equal,
                                  unordered,
                                  less | greater | unordered,
                                  equal | greater | unordered,
                                  greater | unordered,
                                  less | equal | greater,
                                  equal | unordered,
                                  less | unordered,
                                  less | equal | unordered,
                                  0,
                                  less | greater,
                                  equal | greater,
                                  greater,
                                  less | equal | greater | unordered};
        const u8 n = imm & (vex ? 31 : 7);
        const bool usually_quiet = ((n + 1) & 2) == 0; // EQ, UNORD, NEQ, ORD ...
        return {table[n & 15], usually_quiet != (n >= 16)};
    }
    bool holds(Order order) const { return (outcomes >> static_cast<u8>(order) & 1) != 0; }
    template <class F> static F mask(bool yes) { return {static_cast<Bits<F>>(yes ? ~Bits<F>{0} : 0)}; }
    template <class F> bool fast(u32, F a, F b, F& r) const {
        const Host<F> x = host(a), y = host(b);
        r = mask<F>(holds(x < y ? Order::less : x == y ? Order::equal : Order::greater));
        return comparable(a, b);
    }
    template <class V> auto whole(V a, V b) const {
        const auto when = [&](Order order) { return MaskOf<V>{} - SameSizeInteger<LaneOf<V>>{holds(order)}; };
        const MaskOf<V> r =
            ((a < b) & when(Order::less)) | ((a == b) & when(Order::equal)) | ((a > b) & when(Order::greater));
        return whole_result(std::bit_cast<V>(r), tame(a) & tame(b));
    }
    template <class F> F soft(FloatEnv& env, F a, F b) const {
        return mask<F>(holds(softfloat::compare<F>(env, a, b, quiet)));
    }
};

/// COMISS, UCOMISS and the double forms: ZF PF CF say greater 000, less 001, equal 100, unordered 111.
inline void load_order(Flags& f, Order order) {
    constexpr u32 values[] = {eflags::CF, eflags::ZF, 0, eflags::ZF | eflags::PF | eflags::CF};
    f.load(values[static_cast<u8>(order)]);
}
template <class F, bool quiet> struct CompareFlags {
    template <class File> struct Shape {
        template <class Source> struct Body {
            static bool run(Cpu& cpu, const FastOp& op, Flags& f)
                requires TriedFirst<Source>
            {
                F b;
                if (!ready_at_once<File>(cpu) || !try_low<Bits<F>, Source>(cpu, op, b.bits)) return false;
                const F a = low_lane<F>(cpu.sse.xmm(op.reg));
                if (!host_is_exact || !comparable(a, b)) return false;
                const Host<F> x = host(a), y = host(b);
                load_order(f, x < y ? Order::less : x == y ? Order::equal : Order::greater);
                return true;
            }
            static bool run(Cpu& cpu, const Op& op, Flags& f) {
                F b;
                if (!File::ready(cpu) || !fetch_scalar<F, Source>(cpu, op, b)) return false;
                FloatEnv env = float_env(cpu.sse.mxcsr);
                const auto order = softfloat::compare<F>(env, low_lane<F>(cpu.sse.xmm(op.reg)), b, quiet);
                if (!settle(cpu, env)) return false;
                load_order(f, order);
                return true;
            }
        };
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
template <bool root> struct Approximation {
    template <class File> struct AllLanes {
        template <class Source> struct Body {
            static bool run(Cpu& cpu, const Op& op, Flags&) {
                typename File::Value b;
                if (!File::ready(cpu) || !File::template source<Source>(cpu, op, b)) return false;
                auto lanes = to_lanes<F32>(b);
                for (F32& lane : lanes) lane = approximate<root>(lane);
                std::memcpy(static_cast<void*>(&b), static_cast<const void*>(&lanes), sizeof b);
                File::set(cpu, op.reg, b);
                return true;
            }
        };
    };
    template <class File> struct OneLane {
        template <class Source> struct Body {
            static bool run(Cpu& cpu, const Op& op, Flags&) {
                F32 b;
                if (!File::ready(cpu) || !fetch_scalar<F32, Source>(cpu, op, b)) return false;
                set_scalar<File>(cpu, op, approximate<root>(b));
                return true;
            }
        };
    };
};

// --- rows -----------------------------------------------------------------------------------------------------------
/// name##ps, pd, ss, sd
template <Name ps, Name pd, Name ss, Name sd, class S> consteval auto arithmetic(u32 opcode) {
    const At here = at(opcode);
    return table(three<ps, Packed<S, F32>::template Shape>(here.np(), sse1, Feature::avx),
                 three<pd, Packed<S, F64>::template Shape>(here.p66(), sse2, Feature::avx),
                 scalar_rows<ss, Scalar<S, F32>::template Shape, F32>(here.pF3(), sse1),
                 scalar_rows<sd, Scalar<S, F64>::template Shape, F64>(here.pF2(), sse2));
}
template <Name name, class F, bool quiet> consteval std::array<Row, 2> compare_flags(At at, Feature feature) {
    using Shape = CompareFlags<F, quiet>;
    constexpr Arg source = scalar_arg<F>;
    return {row<Shape::template Shape<Xm>::template Body>(info_of<name, eflags::OSZAPC>, at, {Vx, source}, feature),
            row<Shape::template Shape<V128>::template Body>(vex_info<name, eflags::OSZAPC>, at.vex(), {Vdq, source},
                                                            Feature::avx)};
}

constexpr std::array rows = table(compare_flags<"ucomiss", F32, true>(at(0x0F2E).np(), sse1),
                                  compare_flags<"ucomisd", F64, true>(at(0x0F2E).p66(), sse2),
                                  compare_flags<"comiss", F32, false>(at(0x0F2F).np(), sse1),
                                  compare_flags<"comisd", F64, false>(at(0x0F2F).p66(), sse2),

                                  two<"sqrtps", Packed<Root, F32>::Shape>(at(0x0F51).np(), sse1, Feature::avx),
                                  two<"sqrtpd", Packed<Root, F64>::Shape>(at(0x0F51).p66(), sse2, Feature::avx),
                                  scalar_rows<"sqrtss", Scalar<Root, F32>::Shape, F32>(at(0x0F51).pF3(), sse1),
                                  scalar_rows<"sqrtsd", Scalar<Root, F64>::Shape, F64>(at(0x0F51).pF2(), sse2),
                                  two<"rsqrtps", Approximation<true>::AllLanes>(at(0x0F52).np(), sse1, Feature::avx),
                                  scalar_rows<"rsqrtss", Approximation<true>::OneLane, F32>(at(0x0F52).pF3(), sse1),
                                  two<"rcpps", Approximation<false>::AllLanes>(at(0x0F53).np(), sse1, Feature::avx),
                                  scalar_rows<"rcpss", Approximation<false>::OneLane, F32>(at(0x0F53).pF3(), sse1),

                                  arithmetic<"addps", "addpd", "addss", "addsd", Add>(0x0F58),
                                  arithmetic<"mulps", "mulpd", "mulss", "mulsd", Multiply>(0x0F59),
                                  arithmetic<"subps", "subpd", "subss", "subsd", Subtract>(0x0F5C),
                                  arithmetic<"minps", "minpd", "minss", "minsd", Extreme<false>>(0x0F5D),
                                  arithmetic<"divps", "divpd", "divss", "divsd", Divide>(0x0F5E),
                                  arithmetic<"maxps", "maxpd", "maxss", "maxsd", Extreme<true>>(0x0F5F),

                                  three_imm<"cmpps", Packed<Compare, F32>::Shape>(at(0x0FC2).np(), sse1, Feature::avx),
                                  three_imm<"cmppd", Packed<Compare, F64>::Shape>(at(0x0FC2).p66(), sse2, Feature::avx),
                                  scalar_rows<"cmpss", Scalar<Compare, F32>::Shape, F32>(at(0x0FC2).pF3(), sse1, true),
                                  scalar_rows<"cmpsd", Scalar<Compare, F64>::Shape, F64>(at(0x0FC2).pF2(), sse2, true));

} // namespace

std::span<const Row> float_rows() {
    static const std::vector<Row> all = [] {
        std::vector<Row> joined(rows.begin(), rows.end());
        for (const auto part : {float_more_rows(), fma_rows(), half_rows()})
            joined.insert(joined.end(), part.begin(), part.end());
        return joined;
    }();
    return all;
}

} // namespace glassbox::sse
