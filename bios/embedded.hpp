// Binaries that the build makes from this folder's own sources and links into the program.
#pragma once

#include "bus/types.hpp"

#include <span>

namespace glassbox {

/// bios/dsdt.asl, compiled by iasl.
std::span<const u8> embedded_dsdt();
/// The boot ROMs bios/*.asm, assembled by NASM; `finish_option_rom` completes them.
std::span<const u8> embedded_linuxboot_rom();
std::span<const u8> embedded_multiboot_rom();
std::span<const u8> embedded_multiboot2_rom();
std::span<const u8> embedded_pvh_rom();

} // namespace glassbox
