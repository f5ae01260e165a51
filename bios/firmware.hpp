// The firmware images: SeaBIOS and the VGA BIOS, from given paths or Debian's package `seabios`.
//
// A system ROM ends at the top of the 4 GiB address space, and its last 128 KiB appear at E0000h (82371SB data sheet,
// BIOS memory; the i440FX shadows them). An option ROM starts with 55h AAh and its length in 512-byte units
// (PCI 2.2, 6.3.1).
#pragma once

#include "bios/bytes.hpp"
#include "bus/error.hpp"

#include <string>

namespace glassbox {

struct FirmwareImage {
    std::string path; ///< where it was found
    Bytes bytes;
};

/// The system BIOS: a power of two from 64 KiB to 4 MiB, with a far jump or near jump at its reset vector.
/// An empty path searches for `bios-256k.bin`.
Expected<FirmwareImage> load_system_bios(const std::string& path = {});
/// The VGA option ROM, cut to its own declared length. An empty path searches for `vgabios-stdvga.bin`.
Expected<FirmwareImage> load_vga_bios(const std::string& path = {});

/// The checks alone, for bytes from anywhere. `name` is what the message calls them.
Expected<> check_system_bios(std::span<const u8> bytes, const std::string& name);
Expected<std::size_t> option_rom_length(std::span<const u8> bytes, const std::string& name);

} // namespace glassbox
