// Binaries that the build makes from this folder's own sources and links into the program.
#pragma once

#include "bus/types.hpp"

#include <span>

namespace glassbox {

/// bios/dsdt.asl, compiled by iasl.
std::span<const u8> embedded_dsdt();
/// bios/linuxboot.asm and bios/multiboot.asm, assembled by NASM, with checksum: complete option ROMs.
std::span<const u8> embedded_linuxboot_rom();
std::span<const u8> embedded_multiboot_rom();

} // namespace glassbox
