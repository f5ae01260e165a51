// Packed integers (SDM 1, 9.4 and 11.4.2; SDM 2): each operation is written for one lane, and runs over the 8 bytes of
// an MMX register or the 16 of an XMM register. The compiler makes vector code of the loops.
#include "cpu/sse/exec.hpp"

#include <algorithm>
#include <limits>

namespace glassbox::sse {

namespace {

using enum Arg;
constexpr Feature mmx = Feature::mmx, sse1 = Feature::sse, sse2 = Feature::sse2;

// --- lane by lane: `of` gives one result lane
// -----------------------------------------------------------------------------
template <class T> struct Add {
    static T of(T a, T b) { return static_cast<T>(a + b); }
};
template <class T> struct Subtract {
    static T of(T a, T b) { return static_cast<T>(a - b); }
};
template <class T> T saturate(i32 value) {
    return static_cast<T>(std::clamp<i32>(value, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
}
template <class T> struct AddSaturating {
    static T of(T a, T b) { return saturate<T>(a + b); }
};
template <class T> struct SubtractSaturating {
    static T of(T a, T b) { return saturate<T>(a - b); }
};
template <class T> struct Equal {
    static T of(T a, T b) { return static_cast<T>(a == b ? -1 : 0); }
};
template <class T> struct Greater {
    static T of(T a, T b) { return static_cast<T>(a > b ? -1 : 0); }
};
template <class T> struct Minimum {
    static T of(T a, T b) { return std::min(a, b); }
};
template <class T> struct Maximum {
    static T of(T a, T b) { return std::max(a, b); }
};
template <class T> struct Average { // rounded up
    static T of(T a, T b) { return static_cast<T>((u32{a} + b + 1) >> 1); }
};
template <class T> struct MultiplyLow {
    static T of(T a, T b) { return static_cast<T>(i32{a} * b); }
};
template <class T> struct MultiplyHigh {
    using Wide = std::conditional_t<std::is_signed_v<T>, i32, u32>;
    static T of(T a, T b) { return static_cast<T>((Wide{a} * b) >> 16); }
};
template <class T> struct MultiplyEven { // PMULUDQ: the low halves of 64-bit lanes
    static T of(T a, T b) { return u64{static_cast<u32>(a)} * static_cast<u32>(b); }
};
template <class T> struct And {
    static T of(T a, T b) { return a & b; }
};
template <class T> struct AndNot {
    static T of(T a, T b) { return ~a & b; }
};
template <class T> struct Or {
    static T of(T a, T b) { return a | b; }
};
template <class T> struct Xor {
    static T of(T a, T b) { return a ^ b; }
};

template <template <class> class S, class T> struct Each {
    template <class File>
    static typename File::Value apply(const typename File::Value& a, const typename File::Value& b) {
        auto x = lanes<T, File>(a);
        const auto y = lanes<T, File>(b);
        for (unsigned i = 0; i < x.size(); ++i) x[i] = S<T>::of(x[i], y[i]);
        return std::bit_cast<typename File::Value>(x);
    }
};

// --- across lanes
// -----------------------------------------------------------------------------------------------------
struct MultiplyAdd { // PMADDWD
    template <class File>
    static typename File::Value apply(const typename File::Value& a, const typename File::Value& b) {
        const auto x = lanes<i16, File>(a), y = lanes<i16, File>(b);
        Lanes<u32, File> r;
        for (unsigned i = 0; i < r.size(); ++i) { // -32768 four times wraps to 80000000h
            r[i] = static_cast<u32>(x[2 * i] * y[2 * i]) + static_cast<u32>(x[2 * i + 1] * y[2 * i + 1]);
        }
        return std::bit_cast<typename File::Value>(r);
    }
};
struct SumOfDifferences { // PSADBW
    template <class File>
    static typename File::Value apply(const typename File::Value& a, const typename File::Value& b) {
        const auto x = lanes<u8, File>(a), y = lanes<u8, File>(b);
        Lanes<u64, File> r{};
        for (unsigned i = 0; i < x.size(); ++i) r[i / 8] += static_cast<u64>(x[i] > y[i] ? x[i] - y[i] : y[i] - x[i]);
        return std::bit_cast<typename File::Value>(r);
    }
};

// --- shifts: a count beyond the lane gives zeros, or copies of the sign
// ---------------------------------------------------
template <class T> struct ShiftLeft {
    using Lane = T;
    static T of(T a, u64 count) { return count < bits_of<T> ? static_cast<T>(a << count) : T{0}; }
};
template <class T> struct ShiftRight {
    using Lane = T;
    static T of(T a, u64 count) { return count < bits_of<T> ? static_cast<T>(a >> count) : T{0}; }
};
template <class T> struct ShiftArithmetic {
    using Lane = T;
    static T of(T a, u64 count) {
        return static_cast<T>(static_cast<Signed<T>>(a) >> std::min<u64>(count, bits_of<T> - 1));
    }
};
template <class S, class File> typename File::Value shifted(const typename File::Value& a, u64 count) {
    auto x = lanes<typename S::Lane, File>(a);
    for (auto& lane : x) lane = S::of(lane, count);
    return std::bit_cast<typename File::Value>(x);
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
        const auto from = lanes<u8, Xm>(cpu.sse.xmm[op.base]);
        Lanes<u8, Xm> to{};
        const unsigned count = std::min(16u, static_cast<unsigned>(op.imm & 0xFF));
        for (unsigned i = 0; i + count < 16; ++i) to[left ? i + count : i] = from[left ? i : i + count];
        cpu.sse.xmm[op.base] = std::bit_cast<Xmm>(to);
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
    mm<Each<AddSaturating, i8>>(paddsb, 0x0FEC),
    xm<Each<AddSaturating, i8>>(paddsb, 0x0FEC),
    mm<Each<AddSaturating, i16>>(paddsw, 0x0FED),
    xm<Each<AddSaturating, i16>>(paddsw, 0x0FED),
    mm<Each<AddSaturating, u8>>(paddusb, 0x0FDC),
    xm<Each<AddSaturating, u8>>(paddusb, 0x0FDC),
    mm<Each<AddSaturating, u16>>(paddusw, 0x0FDD),
    xm<Each<AddSaturating, u16>>(paddusw, 0x0FDD),
    mm<Each<SubtractSaturating, i8>>(psubsb, 0x0FE8),
    xm<Each<SubtractSaturating, i8>>(psubsb, 0x0FE8),
    mm<Each<SubtractSaturating, i16>>(psubsw, 0x0FE9),
    xm<Each<SubtractSaturating, i16>>(psubsw, 0x0FE9),
    mm<Each<SubtractSaturating, u8>>(psubusb, 0x0FD8),
    xm<Each<SubtractSaturating, u8>>(psubusb, 0x0FD8),
    mm<Each<SubtractSaturating, u16>>(psubusw, 0x0FD9),
    xm<Each<SubtractSaturating, u16>>(psubusw, 0x0FD9),

    mm<Each<MultiplyLow, i16>>(pmullw, 0x0FD5),
    xm<Each<MultiplyLow, i16>>(pmullw, 0x0FD5),
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
