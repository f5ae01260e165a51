// The built-in guests, part of the program: the demo operating system and the kernel of the `system` conformance suite.
#pragma once

#include "bus/types.hpp"

#include <span>

namespace glassbox {

/// A 1.44 MB floppy image: 1,474,560 bytes.
std::span<const u8> demo_floppy();
/// A multiboot kernel, flat, for physical address 100000h (guests/system).
std::span<const u8> system_kernel();
/// The same for long mode (guests/system64).
std::span<const u8> system64_kernel();

} // namespace glassbox
