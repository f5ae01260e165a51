// The embedded binaries: symbols that cmake/embed.cmake makes around each file.
#include "bios/embedded.hpp"

extern "C" {
extern const glassbox::u8 glassbox_dsdt_begin[], glassbox_dsdt_end[];
extern const glassbox::u8 glassbox_linuxboot_begin[], glassbox_linuxboot_end[];
extern const glassbox::u8 glassbox_multiboot_begin[], glassbox_multiboot_end[];
extern const glassbox::u8 glassbox_multiboot2_begin[], glassbox_multiboot2_end[];
extern const glassbox::u8 glassbox_pvh_begin[], glassbox_pvh_end[];
}

namespace glassbox {

std::span<const u8> embedded_dsdt() { return {glassbox_dsdt_begin, glassbox_dsdt_end}; }
std::span<const u8> embedded_linuxboot_rom() { return {glassbox_linuxboot_begin, glassbox_linuxboot_end}; }
std::span<const u8> embedded_multiboot_rom() { return {glassbox_multiboot_begin, glassbox_multiboot_end}; }
std::span<const u8> embedded_multiboot2_rom() { return {glassbox_multiboot2_begin, glassbox_multiboot2_end}; }
std::span<const u8> embedded_pvh_rom() { return {glassbox_pvh_begin, glassbox_pvh_end}; }

} // namespace glassbox
