// Packed integers (SDM 1, 9.4 and 11.4.2; SDM 2): each operation is written once, for a vector of lanes that is the 8
// bytes of an MMX register or the 16 of an XMM register. Sums are unsigned: they wrap.
#include "cpu/sse/exec.hpp"

#include <algorithm>

namespace glassbox::sse {

namespace {

using enum Arg;
constexpr Feature mmx = Feature::mmx, sse1 = Feature::sse, sse2 = Feature::sse2;

// --- lane by lane: `of` gives the vector of results
// ----------------------------------------------------------------------
/// All ones in the lanes where a comparison held.
template <class V, class Mask> V as_mask(Mask held) { return std::bit_cast<V>(held); }

template <class T> struct Add {
    template <class V> static V of(V a, V b) { return a + b; }
};
template <class T> struct Subtract {
    template <class V> static V of(V a, V b) { return a - b; }
};
template <class T> struct AddSaturatingUnsigned {
    template <class V> static V of(V a, V b) {
        const V sum = a + b;
        return sum | as_mask<V>(sum < a);
    }
};
template <class T> struct SubtractSaturatingUnsigned {
    template <class V> static V of(V a, V b) { return (a - b) & as_mask<V>(a > b); }
};
/// The lanes of `r` whose bit in `overflow` is set become the extreme on the side of `a`.
template <class V> V saturate(V a, V r, V overflow) {
    constexpr unsigned top = sizeof(a[0]) * 8 - 1;
    const V extreme = (a >> top) + static_cast<std::remove_cvref_t<decltype(a[0])>>((1u << top) - 1);
    const V chosen = V{} - (overflow >> top);
    return (r & ~chosen) | (extreme & chosen);
}
template <class T> struct AddSaturatingSigned { // lanes as unsigned integers
    template <class V> static V of(V a, V b) {
        const V sum = a + b;
        return saturate<V>(a, sum, (a ^ sum) & (b ^ sum));
    }
};
template <class T> struct SubtractSaturatingSigned {
    template <class V> static V of(V a, V b) {
        const V difference = a - b;
        return saturate<V>(a, difference, (a ^ b) & (a ^ difference));
    }
};
template <class T> struct Equal {
    template <class V> static V of(V a, V b) { return as_mask<V>(a == b); }
};
template <class T> struct Greater {
    template <class V> static V of(V a, V b) { return as_mask<V>(a > b); }
};
template <class T> struct Minimum {
    template <class V> static V of(V a, V b) { return a < b ? a : b; }
};
template <class T> struct Maximum {
    template <class V> static V of(V a, V b) { return a > b ? a : b; }
};
template <class T> struct Average { // (a + b + 1) / 2 without the ninth bit
    template <class V> static V of(V a, V b) { return (a | b) - ((a ^ b) >> 1); }
};
template <class T> struct MultiplyLow {
    template <class V> static V of(V a, V b) { return a * b; }
};
template <class T> struct MultiplyHigh {
    template <class V> static V of(V a, V b) {
        using Wide = typename VectorOf<std::conditional_t<std::is_signed_v<T>, i32, u32>, 2 * sizeof(V)>::Type;
        return __builtin_convertvector((__builtin_convertvector(a, Wide) * __builtin_convertvector(b, Wide)) >> 16, V);
    }
};
template <class T> struct MultiplyEven { // PMULUDQ: the low halves of 64-bit lanes
    template <class V> static V of(V a, V b) { return (a & 0xFFFF'FFFFu) * (b & 0xFFFF'FFFFu); }
};
template <class T> struct And {
    template <class V> static V of(V a, V b) { return a & b; }
};
template <class T> struct AndNot {
    template <class V> static V of(V a, V b) { return ~a & b; }
};
template <class T> struct Or {
    template <class V> static V of(V a, V b) { return a | b; }
};
template <class T> struct Xor {
    template <class V> static V of(V a, V b) { return a ^ b; }
};

template <template <class> class S, class T> struct Each {
    template <class File>
    static typename File::Value apply(const typename File::Value& a, const typename File::Value& b) {
        return std::bit_cast<typename File::Value>(S<T>::of(lanes<T, File>(a), lanes<T, File>(b)));
    }
};

// --- across lanes
// -----------------------------------------------------------------------------------------------------
struct MultiplyAdd { // PMADDWD
    template <class File>
    static typename File::Value apply(const typename File::Value& a, const typename File::Value& b) {
        const auto x = lanes<i32, File>(a), y = lanes<i32, File>(b); // pairs of words: the low one, and the high one
        const auto low = [](auto v) {
            return std::bit_cast<Lanes<i32, File>>(std::bit_cast<Lanes<u32, File>>(v) << 16) >> 16;
        };
        // Products of two words fit; -32768 four times wraps to 80000000h.
        return std::bit_cast<typename File::Value>(std::bit_cast<Lanes<u32, File>>(low(x) * low(y)) +
                                                   std::bit_cast<Lanes<u32, File>>((x >> 16) * (y >> 16)));
    }
};
struct SumOfDifferences { // PSADBW
    template <class File>
    static typename File::Value apply(const typename File::Value& a, const typename File::Value& b) {
        const auto x = lanes<u8, File>(a), y = lanes<u8, File>(b);
        const auto difference = std::bit_cast<Lanes<u64, File>>(x > y ? x - y : y - x);
        constexpr u64 even = 0x00FF'00FF'00FF'00FF, ones = 0x0001'0001'0001'0001;
        // Bytes to words, and the product's top word is the sum of the four.
        return std::bit_cast<typename File::Value>((((difference & even) + (difference >> 8 & even)) * ones) >> 48);
    }
};

// --- shifts: a count beyond the lane gives zeros, or copies of the sign
// ---------------------------------------------------
template <class T> struct ShiftLeft {
    using Lane = T;
    template <class V> static V of(V a, u64 count) { return count < bits_of<T> ? a << static_cast<T>(count) : V{}; }
};
template <class T> struct ShiftRight {
    using Lane = T;
    template <class V> static V of(V a, u64 count) { return count < bits_of<T> ? a >> static_cast<T>(count) : V{}; }
};
template <class T> struct ShiftArithmetic {
    using Lane = Signed<T>;
    template <class V> static V of(V a, u64 count) {
        return a >> static_cast<Lane>(std::min<u64>(count, bits_of<T> - 1));
    }
};
template <class S, class File> typename File::Value shifted(const typename File::Value& a, u64 count) {
    return std::bit_cast<typename File::Value>(S::of(lanes<typename S::Lane, File>(a), count));
}
template <class S> struct ShiftBySource {
    template <class File>
    static typename File::Value apply(const typename File::Value& a, const typename File::Value& b) {
        return shifted<S, File>(a, lanes<u64, File>(b)[0]);
    }
};
/// Group 12 to 14: the register is ModRM.rm.
template <class S, class File> struct ShiftByImmediate {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!File::ready(cpu)) return false;
        File::set(cpu, op.base, shifted<S, File>(File::get(cpu, op.base), static_cast<u8>(op.imm)));
        return true;
    }
};
/// PSLLDQ, PSRLDQ: the whole register, by bytes.
template <bool left> struct ShiftBytes {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!sse_ready(cpu)) return false;
        const auto from = lanes<u8, Xm>(cpu.sse.xmm(op.base));
        Lanes<u8, Xm> to{};
        const unsigned count = std::min(16u, static_cast<unsigned>(op.imm & 0xFF));
        for (unsigned i = 0; i + count < 16; ++i) to[left ? i + count : i] = from[left ? i : i + count];
        cpu.sse.xmm(op.base) = std::bit_cast<Xmm>(to);
        return true;
    }
};

// --- rows -----------------------------------------------------------------------------------------------------------
template <class S> consteval Row mm(const OpInfo& info, u32 opcode, Feature feature = mmx) {
    return row<Combine<S, Mm>::template Body>(info, at(opcode).np(), {Pq, Qq}, feature);
}
template <class S> consteval Row xm(const OpInfo& info, u32 opcode) {
    return row<Combine<S, Xm>::template Body>(info, at(opcode).p66(), {Vx, Wx}, sse2);
}
template <class S> consteval Row mm_shift(const OpInfo& info, u32 opcode, int digit) {
    return register_row<ShiftByImmediate<S, Mm>>(info, at(opcode).digit(digit).np(), {Nq, Ib}, mmx);
}
template <class S> consteval Row xm_shift(const OpInfo& info, u32 opcode, int digit) {
    return register_row<ShiftByImmediate<S, Xm>>(info, at(opcode).digit(digit).p66(), {Ux, Ib}, sse2);
}

constexpr OpInfo pcmpgtb{"pcmpgtb"}, pcmpgtw{"pcmpgtw"}, pcmpgtd{"pcmpgtd"}, pcmpeqb{"pcmpeqb"}, pcmpeqw{"pcmpeqw"},
    pcmpeqd{"pcmpeqd"}, psrlw{"psrlw"}, psrld{"psrld"}, psrlq{"psrlq"}, psraw{"psraw"}, psrad{"psrad"}, psllw{"psllw"},
    pslld{"pslld"}, psllq{"psllq"}, pslldq{"pslldq"}, psrldq{"psrldq"}, paddb{"paddb"}, paddw{"paddw"}, paddd{"paddd"},
    paddq{"paddq"}, psubb{"psubb"}, psubw{"psubw"}, psubd{"psubd"}, psubq{"psubq"}, paddsb{"paddsb"}, paddsw{"paddsw"},
    paddusb{"paddusb"}, paddusw{"paddusw"}, psubsb{"psubsb"}, psubsw{"psubsw"}, psubusb{"psubusb"}, psubusw{"psubusw"},
    pmullw{"pmullw"}, pmulhw{"pmulhw"}, pmulhuw{"pmulhuw"}, pmuludq{"pmuludq"}, pmaddwd{"pmaddwd"}, psadbw{"psadbw"},
    pminub{"pminub"}, pmaxub{"pmaxub"}, pminsw{"pminsw"}, pmaxsw{"pmaxsw"}, pavgb{"pavgb"}, pavgw{"pavgw"},
    pand{"pand"}, pandn{"pandn"}, por{"por"}, pxor{"pxor"}, andps{"andps"}, andpd{"andpd"}, andnps{"andnps"},
    andnpd{"andnpd"}, orps{"orps"}, orpd{"orpd"}, xorps{"xorps"}, xorpd{"xorpd"};

/// The logical operations on packed floats are those on their bits.
template <template <class> class S> consteval Row ps(const OpInfo& info, u32 opcode) {
    return row<Combine<Each<S, u64>, Xm>::template Body>(info, at(opcode).np(), {Vx, Wx}, sse1);
}
template <template <class> class S, class T> using Shift = ShiftBySource<S<T>>;

constexpr std::array rows = {
    mm<Each<Greater, i8>>(pcmpgtb, 0x0F64),
    xm<Each<Greater, i8>>(pcmpgtb, 0x0F64),
    mm<Each<Greater, i16>>(pcmpgtw, 0x0F65),
    xm<Each<Greater, i16>>(pcmpgtw, 0x0F65),
    mm<Each<Greater, i32>>(pcmpgtd, 0x0F66),
    xm<Each<Greater, i32>>(pcmpgtd, 0x0F66),
    mm<Each<Equal, u8>>(pcmpeqb, 0x0F74),
    xm<Each<Equal, u8>>(pcmpeqb, 0x0F74),
    mm<Each<Equal, u16>>(pcmpeqw, 0x0F75),
    xm<Each<Equal, u16>>(pcmpeqw, 0x0F75),
    mm<Each<Equal, u32>>(pcmpeqd, 0x0F76),
    xm<Each<Equal, u32>>(pcmpeqd, 0x0F76),

    mm_shift<ShiftRight<u16>>(psrlw, 0x0F71, 2),
    xm_shift<ShiftRight<u16>>(psrlw, 0x0F71, 2),
    mm_shift<ShiftArithmetic<u16>>(psraw, 0x0F71, 4),
    xm_shift<ShiftArithmetic<u16>>(psraw, 0x0F71, 4),
    mm_shift<ShiftLeft<u16>>(psllw, 0x0F71, 6),
    xm_shift<ShiftLeft<u16>>(psllw, 0x0F71, 6),
    mm_shift<ShiftRight<u32>>(psrld, 0x0F72, 2),
    xm_shift<ShiftRight<u32>>(psrld, 0x0F72, 2),
    mm_shift<ShiftArithmetic<u32>>(psrad, 0x0F72, 4),
    xm_shift<ShiftArithmetic<u32>>(psrad, 0x0F72, 4),
    mm_shift<ShiftLeft<u32>>(pslld, 0x0F72, 6),
    xm_shift<ShiftLeft<u32>>(pslld, 0x0F72, 6),
    mm_shift<ShiftRight<u64>>(psrlq, 0x0F73, 2),
    xm_shift<ShiftRight<u64>>(psrlq, 0x0F73, 2),
    mm_shift<ShiftLeft<u64>>(psllq, 0x0F73, 6),
    xm_shift<ShiftLeft<u64>>(psllq, 0x0F73, 6),
    register_row<ShiftBytes<false>>(psrldq, at(0x0F73).digit(3).p66(), {Ux, Ib}, sse2),
    register_row<ShiftBytes<true>>(pslldq, at(0x0F73).digit(7).p66(), {Ux, Ib}, sse2),
    mm<Shift<ShiftRight, u16>>(psrlw, 0x0FD1),
    xm<Shift<ShiftRight, u16>>(psrlw, 0x0FD1),
    mm<Shift<ShiftRight, u32>>(psrld, 0x0FD2),
    xm<Shift<ShiftRight, u32>>(psrld, 0x0FD2),
    mm<Shift<ShiftRight, u64>>(psrlq, 0x0FD3),
    xm<Shift<ShiftRight, u64>>(psrlq, 0x0FD3),
    mm<Shift<ShiftArithmetic, u16>>(psraw, 0x0FE1),
    xm<Shift<ShiftArithmetic, u16>>(psraw, 0x0FE1),
    mm<Shift<ShiftArithmetic, u32>>(psrad, 0x0FE2),
    xm<Shift<ShiftArithmetic, u32>>(psrad, 0x0FE2),
    mm<Shift<ShiftLeft, u16>>(psllw, 0x0FF1),
    xm<Shift<ShiftLeft, u16>>(psllw, 0x0FF1),
    mm<Shift<ShiftLeft, u32>>(pslld, 0x0FF2),
    xm<Shift<ShiftLeft, u32>>(pslld, 0x0FF2),
    mm<Shift<ShiftLeft, u64>>(psllq, 0x0FF3),
    xm<Shift<ShiftLeft, u64>>(psllq, 0x0FF3),

    mm<Each<Add, u8>>(paddb, 0x0FFC),
    xm<Each<Add, u8>>(paddb, 0x0FFC),
    mm<Each<Add, u16>>(paddw, 0x0FFD),
    xm<Each<Add, u16>>(paddw, 0x0FFD),
    mm<Each<Add, u32>>(paddd, 0x0FFE),
    xm<Each<Add, u32>>(paddd, 0x0FFE),
    mm<Each<Add, u64>>(paddq, 0x0FD4, sse2),
    xm<Each<Add, u64>>(paddq, 0x0FD4),
    mm<Each<Subtract, u8>>(psubb, 0x0FF8),
    xm<Each<Subtract, u8>>(psubb, 0x0FF8),
    mm<Each<Subtract, u16>>(psubw, 0x0FF9),
    xm<Each<Subtract, u16>>(psubw, 0x0FF9),
    mm<Each<Subtract, u32>>(psubd, 0x0FFA),
    xm<Each<Subtract, u32>>(psubd, 0x0FFA),
    mm<Each<Subtract, u64>>(psubq, 0x0FFB, sse2),
    xm<Each<Subtract, u64>>(psubq, 0x0FFB),
    mm<Each<AddSaturatingSigned, u8>>(paddsb, 0x0FEC),
    xm<Each<AddSaturatingSigned, u8>>(paddsb, 0x0FEC),
    mm<Each<AddSaturatingSigned, u16>>(paddsw, 0x0FED),
    xm<Each<AddSaturatingSigned, u16>>(paddsw, 0x0FED),
    mm<Each<AddSaturatingUnsigned, u8>>(paddusb, 0x0FDC),
    xm<Each<AddSaturatingUnsigned, u8>>(paddusb, 0x0FDC),
    mm<Each<AddSaturatingUnsigned, u16>>(paddusw, 0x0FDD),
    xm<Each<AddSaturatingUnsigned, u16>>(paddusw, 0x0FDD),
    mm<Each<SubtractSaturatingSigned, u8>>(psubsb, 0x0FE8),
    xm<Each<SubtractSaturatingSigned, u8>>(psubsb, 0x0FE8),
    mm<Each<SubtractSaturatingSigned, u16>>(psubsw, 0x0FE9),
    xm<Each<SubtractSaturatingSigned, u16>>(psubsw, 0x0FE9),
    mm<Each<SubtractSaturatingUnsigned, u8>>(psubusb, 0x0FD8),
    xm<Each<SubtractSaturatingUnsigned, u8>>(psubusb, 0x0FD8),
    mm<Each<SubtractSaturatingUnsigned, u16>>(psubusw, 0x0FD9),
    xm<Each<SubtractSaturatingUnsigned, u16>>(psubusw, 0x0FD9),

    mm<Each<MultiplyLow, u16>>(pmullw, 0x0FD5),
    xm<Each<MultiplyLow, u16>>(pmullw, 0x0FD5),
    mm<Each<MultiplyHigh, i16>>(pmulhw, 0x0FE5),
    xm<Each<MultiplyHigh, i16>>(pmulhw, 0x0FE5),
    mm<Each<MultiplyHigh, u16>>(pmulhuw, 0x0FE4, sse1),
    xm<Each<MultiplyHigh, u16>>(pmulhuw, 0x0FE4),
    mm<Each<MultiplyEven, u64>>(pmuludq, 0x0FF4, sse2),
    xm<Each<MultiplyEven, u64>>(pmuludq, 0x0FF4),
    mm<MultiplyAdd>(pmaddwd, 0x0FF5),
    xm<MultiplyAdd>(pmaddwd, 0x0FF5),
    mm<SumOfDifferences>(psadbw, 0x0FF6, sse1),
    xm<SumOfDifferences>(psadbw, 0x0FF6),

    mm<Each<Minimum, u8>>(pminub, 0x0FDA, sse1),
    xm<Each<Minimum, u8>>(pminub, 0x0FDA),
    mm<Each<Maximum, u8>>(pmaxub, 0x0FDE, sse1),
    xm<Each<Maximum, u8>>(pmaxub, 0x0FDE),
    mm<Each<Minimum, i16>>(pminsw, 0x0FEA, sse1),
    xm<Each<Minimum, i16>>(pminsw, 0x0FEA),
    mm<Each<Maximum, i16>>(pmaxsw, 0x0FEE, sse1),
    xm<Each<Maximum, i16>>(pmaxsw, 0x0FEE),
    mm<Each<Average, u8>>(pavgb, 0x0FE0, sse1),
    xm<Each<Average, u8>>(pavgb, 0x0FE0),
    mm<Each<Average, u16>>(pavgw, 0x0FE3, sse1),
    xm<Each<Average, u16>>(pavgw, 0x0FE3),

    mm<Each<And, u64>>(pand, 0x0FDB),
    xm<Each<And, u64>>(pand, 0x0FDB),
    mm<Each<AndNot, u64>>(pandn, 0x0FDF),
    xm<Each<AndNot, u64>>(pandn, 0x0FDF),
    mm<Each<Or, u64>>(por, 0x0FEB),
    xm<Each<Or, u64>>(por, 0x0FEB),
    mm<Each<Xor, u64>>(pxor, 0x0FEF),
    xm<Each<Xor, u64>>(pxor, 0x0FEF),

    ps<And>(andps, 0x0F54),
    xm<Each<And, u64>>(andpd, 0x0F54),
    ps<AndNot>(andnps, 0x0F55),
    xm<Each<AndNot, u64>>(andnpd, 0x0F55),
    ps<Or>(orps, 0x0F56),
    xm<Each<Or, u64>>(orpd, 0x0F56),
    ps<Xor>(xorps, 0x0F57),
    xm<Each<Xor, u64>>(xorpd, 0x0F57),
};

} // namespace

std::span<const Row> integer_rows() { return rows; }

} // namespace glassbox::sse
