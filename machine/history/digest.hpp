// A quick hash for comparing states of two runs: 64 bits, the same on every host. Not for hostile input: whoever wants
// to make two states look alike can.
#pragma once

#include "bus/types.hpp"

#include <array>
#include <span>

namespace glassbox {

inline u64 mixed(u64 value) { // the finaliser of SplitMix64 (Steele, Lea, Flood 2014)
    value = (value ^ value >> 30) * 0xBF58'476D'1CE4'E5B9;
    value = (value ^ value >> 27) * 0x94D0'49BB'1331'11EB;
    return value ^ value >> 31;
}

inline u64 little_endian(const u8* at, unsigned bytes = 8) {
    u64 value = 0;
    for (unsigned i = 0; i < bytes; ++i) value |= u64{at[i]} << (8 * i);
    return value;
}

inline u64 digest(std::span<const u8> data, u64 seed = 0) {
    constexpr u64 step = 0x9E37'79B9'7F4A'7C15;
    std::array<u64, 4> lanes = {seed + 1, seed + 2, seed + 3, seed + 4};
    std::size_t at = 0;
    for (; at + 32 <= data.size(); at += 32) {
        for (unsigned i = 0; i < 4; ++i) {
            const u64 x = (lanes[i] ^ little_endian(data.data() + at + 8 * i)) * step;
            lanes[i] = x ^ x >> 29;
        }
    }
    u64 result = seed ^ data.size();
    for (const u64 lane : lanes) result = mixed(result + lane);
    for (; at < data.size(); at += 8) {
        const auto rest = static_cast<unsigned>(data.size() - at < 8 ? data.size() - at : 8);
        result = mixed(result + little_endian(data.data() + at, rest) + step);
    }
    return result;
}

} // namespace glassbox
