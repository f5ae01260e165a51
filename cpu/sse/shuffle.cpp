// Packs, interleaves and shuffles within 16-byte lanes (SDM 2), for integers and for the packed floats whose bits they
// move.
#include "cpu/sse/exec.hpp"

#include <algorithm>
#include <limits>

namespace glassbox::sse {

namespace {

using enum Arg;
constexpr Feature mmx = Feature::mmx, sse1 = Feature::sse, sse2 = Feature::sse2, sse3 = Feature::sse3,
                  ssse3 = Feature::ssse3, sse41 = Feature::sse41, avx = Feature::avx;

// --- PACKSSWB, PACKSSDW, PACKUSWB, PACKUSDW
// ---------------------------------------------------------------------------------------
template <class From, class To> struct Pack {
    template <class File>
    static typename File::Value apply(const typename File::Value& a, const typename File::Value& b) {
        const auto x = lanes<From, File>(a), y = lanes<From, File>(b);
        Lanes<To, File> r;
        const auto narrow = [](From v) {
            return static_cast<To>(std::clamp<i32>(v, std::numeric_limits<To>::min(), std::numeric_limits<To>::max()));
        };
        for (unsigned i = 0; i < lane_count<From, File>; ++i) {
            r[i] = narrow(x[i]);
            r[lane_count<From, File> + i] = narrow(y[i]);
        }
        return std::bit_cast<typename File::Value>(r);
    }
};

// --- PUNPCKL*, PUNPCKH*, UNPCKL*, UNPCKH*
// -------------------------------------------------------------------------------
template <class T, bool high> struct Interleave {
    template <class File>
    static typename File::Value apply(const typename File::Value& a, const typename File::Value& b) {
        const auto x = lanes<T, File>(a), y = lanes<T, File>(b);
        Lanes<T, File> r;
        constexpr unsigned half = lane_count<T, File> / 2, first = high ? half : 0;
        for (unsigned i = 0; i < half; ++i) {
            r[2 * i] = x[first + i];
            r[2 * i + 1] = y[first + i];
        }
        return std::bit_cast<typename File::Value>(r);
    }
};
/// PUNPCKL* on MMX registers reads only 32 bits of memory.
template <class T> struct InterleaveLowMm {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            u32 low;
            if (!mmx_ready(cpu)) return false;
            if constexpr (in_register<Source>)
                low = static_cast<u32>(Mm::get(cpu, op.base));
            else if (!fetch<u32, Source>(cpu, op, low))
                return false;
            Mm::set(cpu, op.reg, Interleave<T, false>::template apply<Mm>(Mm::get(cpu, op.reg), low));
            return true;
        }
    };
};

// --- PSHUFW, PSHUFD, PSHUFLW, PSHUFHW, SHUFPS, SHUFPD
// ---------------------------------------------------------------------
/// Four lanes of type T from `first` on are chosen by two bits each; the others are copied.
template <class T, unsigned first = 0> struct Shuffle {
    template <class File>
    static typename File::Value apply(const typename File::Value&, const typename File::Value& b, u8 order) {
        const auto from = lanes<T, File>(b);
        auto r = from;
        for (unsigned i = 0; i < 4; ++i) r[first + i] = from[first + (order >> (2 * i) & 3u)];
        return std::bit_cast<typename File::Value>(r);
    }
};
struct Shufps {
    template <class File> static Xmm apply(const Xmm& a, const Xmm& b, u8 order) {
        const auto x = lanes<u32, Xm>(a), y = lanes<u32, Xm>(b);
        return std::bit_cast<Xmm>(
            Lanes<u32, Xm>{x[order & 3u], x[order >> 2 & 3u], y[order >> 4 & 3u], y[order >> 6 & 3u]});
    }
};
struct Shufpd {
    static u8 for_high_lane(u8 order) { return static_cast<u8>(order >> 2); }
    template <class File> static Xmm apply(const Xmm& a, const Xmm& b, u8 order) {
        return {{a.q[order & 1u], b.q[order >> 1 & 1u]}};
    }
};
/// PSHUFB: a byte of the second source chooses one of the first, or zero.
struct ShuffleBytes {
    template <class File>
    static typename File::Value apply(const typename File::Value& a, const typename File::Value& b) {
        const auto from = lanes<u8, File>(a), order = lanes<u8, File>(b);
        Lanes<u8, File> r;
        for (unsigned i = 0; i < File::bytes; ++i) {
            const u8 chosen = from[order[i] & (File::bytes - 1)];
            r[i] = order[i] >> 7 ? u8{0} : chosen;
        }
        return std::bit_cast<typename File::Value>(r);
    }
};
template <bool odd> struct DuplicateSingles { // MOVSLDUP, MOVSHDUP
    template <class File> static Xmm apply(const Xmm&, const Xmm& b) {
        const auto x = lanes<u32, Xm>(b);
        return std::bit_cast<Xmm>(Lanes<u32, Xm>{x[odd], x[odd], x[2 + odd], x[2 + odd]});
    }
};
struct DuplicateDoubles { // MOVDDUP of 32 bytes
    template <class File> static Xmm apply(const Xmm&, const Xmm& b) { return {{b.q[0], b.q[0]}}; }
};
template <class File> struct Movddup {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            u64 value;
            if (!File::ready(cpu) || !fetch_low<u64, Source>(cpu, op, value)) return false;
            File::set(cpu, op.reg, Xmm{{value, value}});
            return true;
        }
    };
};
struct PermuteSingles { // VPERMILPS by a vector
    template <class File> static Xmm apply(const Xmm& a, const Xmm& b) {
        const auto x = lanes<u32, Xm>(a), order = lanes<u32, Xm>(b);
        Lanes<u32, Xm> r;
        for (unsigned i = 0; i < 4; ++i) r[i] = x[order[i] & 3];
        return std::bit_cast<Xmm>(r);
    }
};
struct PermuteDoubles { // VPERMILPD by a vector: bit 1 chooses
    template <class File> static Xmm apply(const Xmm& a, const Xmm& b) {
        return {{a.q[b.q[0] >> 1 & 1], a.q[b.q[1] >> 1 & 1]}};
    }
};
struct PermuteDoublesImm {
    static u8 for_high_lane(u8 order) { return static_cast<u8>(order >> 2); }
    template <class File> static Xmm apply(const Xmm&, const Xmm& b, u8 order) {
        return {{b.q[order & 1u], b.q[order >> 1 & 1u]}};
    }
};

// --- rows -----------------------------------------------------------------------------------------------------------
template <Name name, class T> consteval auto unpack_low(u32 opcode) {
    return table(row<InterleaveLowMm<T>::template Body>(info_of<name>, at(opcode).np(), {Pq, Qd}, mmx),
                 vector<name, Interleave<T, false>>(at(opcode).p66(), sse2));
}
template <Name name, class T> consteval auto unpack_high(u32 opcode) {
    return packed<name, Interleave<T, true>>(opcode);
}

constexpr auto rows = table(
    vector<"unpcklps", Interleave<u32, false>>(at(0x0F14).np(), sse1, avx),
    vector<"unpcklpd", Interleave<u64, false>>(at(0x0F14).p66(), sse2, avx),
    vector<"unpckhps", Interleave<u32, true>>(at(0x0F15).np(), sse1, avx),
    vector<"unpckhpd", Interleave<u64, true>>(at(0x0F15).p66(), sse2, avx),

    unpack_low<"punpcklbw", u8>(0x0F60), unpack_low<"punpcklwd", u16>(0x0F61), unpack_low<"punpckldq", u32>(0x0F62),
    unpack_high<"punpckhbw", u8>(0x0F68), unpack_high<"punpckhwd", u16>(0x0F69), unpack_high<"punpckhdq", u32>(0x0F6A),
    vector<"punpcklqdq", Interleave<u64, false>>(at(0x0F6C).p66(), sse2),
    vector<"punpckhqdq", Interleave<u64, true>>(at(0x0F6D).p66(), sse2),

    packed<"packsswb", Pack<i16, i8>>(0x0F63), packed<"packuswb", Pack<i16, u8>>(0x0F67),
    packed<"packssdw", Pack<i32, i16>>(0x0F6B), vector<"packusdw", Pack<i32, u16>>(at(0x0F382B).p66(), sse41),

    packed<"pshufb", ShuffleBytes>(0x0F3800, ssse3, ssse3),
    row<CombineImm<Shuffle<u16>, Mm>::Body>(info_of<"pshufw">, at(0x0F70).np(), {Pq, Qq, Ib}, sse1),
    vector_of_one_imm<"pshufd", Shuffle<u32>>(at(0x0F70).p66(), sse2),
    vector_of_one_imm<"pshufhw", Shuffle<u16, 4>>(at(0x0F70).pF3(), sse2),
    vector_of_one_imm<"pshuflw", Shuffle<u16, 0>>(at(0x0F70).pF2(), sse2),
    vector_imm<"shufps", Shufps>(at(0x0FC6).np(), sse1, avx), vector_imm<"shufpd", Shufpd>(at(0x0FC6).p66(), sse2, avx),

    vector_of_one<"movsldup", DuplicateSingles<false>>(at(0x0F12).pF3(), sse3, avx),
    vector_of_one<"movshdup", DuplicateSingles<true>>(at(0x0F16).pF3(), sse3, avx),
    row<Movddup<Xm>::Body>(info_of<"movddup">, at(0x0F12).pF2(), {Vx, Wq}, sse3),
    row<Movddup<V128>::Body>(vex_info<"movddup">, at(0x0F12).pF2().vex().l(0), {Vx, Wq}, avx),
    row<Combine<DuplicateDoubles, V256>::Body>(vex_info<"movddup">, at(0x0F12).pF2().vex().l(1), {Vx, Wx}, avx),

    vex_vector<"vpermilps", PermuteSingles>(at(0x0F380C).p66().w(0), avx),
    vex_vector<"vpermilpd", PermuteDoubles>(at(0x0F380D).p66().w(0), avx),
    vex_vector_of_one_imm<"vpermilps", Shuffle<u32>>(at(0x0F3A04).p66().w(0), avx),
    vex_vector_of_one_imm<"vpermilpd", PermuteDoublesImm>(at(0x0F3A05).p66().w(0), avx));

} // namespace

std::span<const Row> shuffle_rows() { return rows; }

} // namespace glassbox::sse
