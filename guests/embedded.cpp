// The built-in guests' bytes, between the symbols that cmake/embed.cmake makes.
#include "guests/embedded.hpp"

extern "C" {
extern const glassbox::u8 glassbox_demo_begin[], glassbox_demo_end[];
extern const glassbox::u8 glassbox_system_kernel_begin[], glassbox_system_kernel_end[];
extern const glassbox::u8 glassbox_system64_kernel_begin[], glassbox_system64_kernel_end[];
}

namespace glassbox {

std::span<const u8> demo_floppy() { return {glassbox_demo_begin, glassbox_demo_end}; }

std::span<const u8> system_kernel() { return {glassbox_system_kernel_begin, glassbox_system_kernel_end}; }

std::span<const u8> system64_kernel() { return {glassbox_system64_kernel_begin, glassbox_system64_kernel_end}; }

} // namespace glassbox
