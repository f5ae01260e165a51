// The 2352 bytes of a CD-ROM mode 1 sector around its 2048 bytes of data (ECMA-130, section 14 and annex A).
#pragma once

#include "bus/types.hpp"

#include <array>
#include <span>

namespace glassbox::ide {

struct Msf {
    u8 minute, second, frame;
};
/// Addresses count from two seconds into the disc.
constexpr Msf to_msf(u32 lba) {
    const u32 frames = lba + 150;
    return {static_cast<u8>(frames / (75 * 60)), static_cast<u8>(frames / 75 % 60), static_cast<u8>(frames % 75)};
}

/// Sync 0-11, header 12-15, data 16-2063 (filled in already), EDC 2064-2067, zeros, ECC 2076-2351.
void complete_mode1_sector(u32 lba, std::span<u8, 2352> sector);

} // namespace glassbox::ide
