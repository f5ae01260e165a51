// Packed integers lane by lane (SDM 1, 9.4, 11.4.2, 12.6, 12.10; SDM 2): each operation is written once, for a vector
// of lanes that is the 8 bytes of an MMX register or 16 of an XMM or YMM register. Sums are unsigned: they wrap.
#include "cpu/sse/exec.hpp"

namespace glassbox::sse {

namespace {

constexpr Feature sse1 = Feature::sse, sse2 = Feature::sse2, ssse3 = Feature::ssse3, sse41 = Feature::sse41,
                  sse42 = Feature::sse42, avx = Feature::avx;

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
template <class T> struct MultiplyEvenSigned { // PMULDQ
    template <class V> static V of(V a, V b) { return ((a << 32) >> 32) * ((b << 32) >> 32); }
};
template <class T> struct MultiplyRound { // PMULHRSW: bits 30-15 of the product, rounded
    template <class V> static V of(V a, V b) {
        using Wide = typename VectorOf<i32, 2 * sizeof(V)>::Type;
        const Wide product = __builtin_convertvector(a, Wide) * __builtin_convertvector(b, Wide);
        return __builtin_convertvector(((product >> 14) + 1) >> 1, V);
    }
};
/// All ones in the negative lanes; lanes as unsigned integers, as in the following two.
template <class V> V negatives(V a) { return V{} - (a >> (sizeof(a[0]) * 8 - 1)); }
template <class T> struct Absolute {
    template <class V> static V of(V, V b) { return (b ^ negatives(b)) - negatives(b); }
};
template <class T> struct Sign { // PSIGN: negated, zeroed or taken as the second operand is
    template <class V> static V of(V a, V b) { return ((a ^ negatives(b)) - negatives(b)) & as_mask<V>(b != V{}); }
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

// --- rows -----------------------------------------------------------------------------------------------------------
/// The logical operations on packed floats are those on their bits.
template <Name single, Name twice, template <class> class S> consteval auto logical(u32 opcode) {
    return table(vector<single, Each<S, u64>>(at(opcode).np(), sse1, avx),
                 vector<twice, Each<S, u64>>(at(opcode).p66(), sse2, avx));
}
template <Name name, template <class> class S, class T> consteval auto sse4(u32 opcode, Feature feature = sse41) {
    return vector<name, Each<S, T>>(at(opcode).p66(), feature);
}
template <Name name, class T> consteval auto absolute(u32 opcode) {
    return table(mmx_vector<name, Each<Absolute, T>>(opcode, ssse3),
                 vector_of_one<name, Each<Absolute, T>>(at(opcode).p66(), ssse3));
}

constexpr auto rows = table(
    packed<"pcmpgtb", Each<Greater, i8>>(0x0F64), packed<"pcmpgtw", Each<Greater, i16>>(0x0F65),
    packed<"pcmpgtd", Each<Greater, i32>>(0x0F66), packed<"pcmpeqb", Each<Equal, u8>>(0x0F74),
    packed<"pcmpeqw", Each<Equal, u16>>(0x0F75), packed<"pcmpeqd", Each<Equal, u32>>(0x0F76),
    packed<"paddb", Each<Add, u8>>(0x0FFC), packed<"paddw", Each<Add, u16>>(0x0FFD),
    packed<"paddd", Each<Add, u32>>(0x0FFE), packed<"paddq", Each<Add, u64>>(0x0FD4, sse2),
    packed<"psubb", Each<Subtract, u8>>(0x0FF8), packed<"psubw", Each<Subtract, u16>>(0x0FF9),
    packed<"psubd", Each<Subtract, u32>>(0x0FFA), packed<"psubq", Each<Subtract, u64>>(0x0FFB, sse2),
    packed<"paddsb", Each<AddSaturatingSigned, u8>>(0x0FEC), packed<"paddsw", Each<AddSaturatingSigned, u16>>(0x0FED),
    packed<"paddusb", Each<AddSaturatingUnsigned, u8>>(0x0FDC),
    packed<"paddusw", Each<AddSaturatingUnsigned, u16>>(0x0FDD),
    packed<"psubsb", Each<SubtractSaturatingSigned, u8>>(0x0FE8),
    packed<"psubsw", Each<SubtractSaturatingSigned, u16>>(0x0FE9),
    packed<"psubusb", Each<SubtractSaturatingUnsigned, u8>>(0x0FD8),
    packed<"psubusw", Each<SubtractSaturatingUnsigned, u16>>(0x0FD9), packed<"pmullw", Each<MultiplyLow, u16>>(0x0FD5),
    packed<"pmulhw", Each<MultiplyHigh, i16>>(0x0FE5), packed<"pmulhuw", Each<MultiplyHigh, u16>>(0x0FE4, sse1),
    packed<"pmuludq", Each<MultiplyEven, u64>>(0x0FF4, sse2), packed<"pminub", Each<Minimum, u8>>(0x0FDA, sse1),
    packed<"pmaxub", Each<Maximum, u8>>(0x0FDE, sse1), packed<"pminsw", Each<Minimum, i16>>(0x0FEA, sse1),
    packed<"pmaxsw", Each<Maximum, i16>>(0x0FEE, sse1), packed<"pavgb", Each<Average, u8>>(0x0FE0, sse1),
    packed<"pavgw", Each<Average, u16>>(0x0FE3, sse1), packed<"pand", Each<And, u64>>(0x0FDB),
    packed<"pandn", Each<AndNot, u64>>(0x0FDF), packed<"por", Each<Or, u64>>(0x0FEB),
    packed<"pxor", Each<Xor, u64>>(0x0FEF),

    logical<"andps", "andpd", And>(0x0F54), logical<"andnps", "andnpd", AndNot>(0x0F55),
    logical<"orps", "orpd", Or>(0x0F56), logical<"xorps", "xorpd", Xor>(0x0F57),

    packed<"psignb", Each<Sign, u8>>(0x0F3808, ssse3, ssse3), packed<"psignw", Each<Sign, u16>>(0x0F3809, ssse3, ssse3),
    packed<"psignd", Each<Sign, u32>>(0x0F380A, ssse3, ssse3),
    packed<"pmulhrsw", Each<MultiplyRound, i16>>(0x0F380B, ssse3, ssse3), absolute<"pabsb", u8>(0x0F381C),
    absolute<"pabsw", u16>(0x0F381D), absolute<"pabsd", u32>(0x0F381E),
    sse4<"pmuldq", MultiplyEvenSigned, i64>(0x0F3828), sse4<"pcmpeqq", Equal, u64>(0x0F3829),
    sse4<"pminsb", Minimum, i8>(0x0F3838), sse4<"pminsd", Minimum, i32>(0x0F3839),
    sse4<"pminuw", Minimum, u16>(0x0F383A), sse4<"pminud", Minimum, u32>(0x0F383B),
    sse4<"pmaxsb", Maximum, i8>(0x0F383C), sse4<"pmaxsd", Maximum, i32>(0x0F383D),
    sse4<"pmaxuw", Maximum, u16>(0x0F383E), sse4<"pmaxud", Maximum, u32>(0x0F383F),
    sse4<"pmulld", MultiplyLow, u32>(0x0F3840), sse4<"pcmpgtq", Greater, i64>(0x0F3837, sse42));

} // namespace

std::span<const Row> integer_rows() { return rows; }

} // namespace glassbox::sse
