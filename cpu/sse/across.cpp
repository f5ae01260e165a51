// Packed integers whose results join neighbouring lanes (SDM 2): sums of products and of differences, PHADD and its
// like, PHMINPOSUW. As in integer.cpp, for 8 or 16 bytes at a time.
#include "cpu/sse/exec.hpp"

#include <algorithm>
#include <limits>

namespace glassbox::sse {

namespace {

constexpr Feature sse1 = Feature::sse, ssse3 = Feature::ssse3, sse41 = Feature::sse41;

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
template <class T> T saturated(i32 value) {
    return static_cast<T>(std::clamp<i32>(value, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
}
struct MultiplyAddBytes { // PMADDUBSW: unsigned bytes by signed ones
    template <class File>
    static typename File::Value apply(const typename File::Value& a, const typename File::Value& b) {
        const auto x = lanes<u8, File>(a);
        const auto y = lanes<i8, File>(b);
        Lanes<i16, File> r;
        for (unsigned i = 0; i < lane_count<i16, File>; ++i)
            r[i] = saturated<i16>(x[2 * i] * y[2 * i] + x[2 * i + 1] * y[2 * i + 1]);
        return std::bit_cast<typename File::Value>(r);
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
/// MPSADBW: one group of four bytes of the source against eight overlapping groups of the destination.
struct SumsOfDifferences {
    static u8 for_high_lane(u8 imm) { return static_cast<u8>(imm >> 3); }
    template <class File> static Xmm apply(const Xmm& a, const Xmm& b, u8 imm) {
        const auto x = lanes<u8, Xm>(a), y = lanes<u8, Xm>(b);
        const unsigned from_x = (imm & 4u), from_y = 4 * (imm & 3u);
        Lanes<u16, Xm> r;
        for (unsigned i = 0; i < 8; ++i) {
            int sum = 0;
            for (unsigned k = 0; k < 4; ++k) {
                const int difference = x[from_x + i + k] - y[from_y + k];
                sum += difference < 0 ? -difference : difference;
            }
            r[i] = static_cast<u16>(sum);
        }
        return std::bit_cast<Xmm>(r);
    }
};
/// Pairs of the first source fill the lower half, those of the second the upper.
template <class T, class F> struct Pairs {
    template <class File>
    static typename File::Value apply(const typename File::Value& a, const typename File::Value& b) {
        const auto x = lanes<T, File>(a), y = lanes<T, File>(b);
        Lanes<T, File> r;
        constexpr unsigned half = lane_count<T, File> / 2;
        for (unsigned i = 0; i < half; ++i) {
            r[i] = F::of(x[2 * i], x[2 * i + 1]);
            r[half + i] = F::of(y[2 * i], y[2 * i + 1]);
        }
        return std::bit_cast<typename File::Value>(r);
    }
};
struct Sum {
    template <class T> static T of(T a, T b) { return static_cast<T>(a + b); }
};
struct Difference {
    template <class T> static T of(T a, T b) { return static_cast<T>(a - b); }
};
struct SaturatedSum {
    static i16 of(i16 a, i16 b) { return saturated<i16>(a + b); }
};
struct SaturatedDifference {
    static i16 of(i16 a, i16 b) { return saturated<i16>(a - b); }
};
struct LeastWord { // PHMINPOSUW: the least word and where it stands first
    template <class File> static Xmm apply(const Xmm&, const Xmm& b) {
        const auto x = lanes<u16, Xm>(b);
        unsigned at = 0;
        for (unsigned i = 1; i < 8; ++i) {
            if (x[i] < x[at]) at = i;
        }
        return {{u64{x[at]} | u64{at} << 16, 0}};
    }
};

template <Name name, class T, class F> consteval auto pairs(u32 opcode) {
    return packed<name, Pairs<T, F>>(opcode, ssse3, ssse3);
}

constexpr auto rows =
    table(packed<"pmaddwd", MultiplyAdd>(0x0FF5), packed<"psadbw", SumOfDifferences>(0x0FF6, sse1),
          packed<"pmaddubsw", MultiplyAddBytes>(0x0F3804, ssse3, ssse3), pairs<"phaddw", u16, Sum>(0x0F3801),
          pairs<"phaddd", u32, Sum>(0x0F3802), pairs<"phaddsw", i16, SaturatedSum>(0x0F3803),
          pairs<"phsubw", u16, Difference>(0x0F3805), pairs<"phsubd", u32, Difference>(0x0F3806),
          pairs<"phsubsw", i16, SaturatedDifference>(0x0F3807),
          vector128_of_one<"phminposuw", LeastWord>(at(0x0F3841).p66(), sse41),
          vector_imm<"mpsadbw", SumsOfDifferences>(at(0x0F3A42).p66(), sse41));

} // namespace

std::span<const Row> across_rows() { return rows; }

} // namespace glassbox::sse
