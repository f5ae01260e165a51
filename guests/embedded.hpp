// The built-in guest: a 1.44 MB floppy image with the demo operating system, part of the program.
#pragma once

#include "bus/types.hpp"

#include <span>

namespace glassbox {

/// 1,474,560 bytes.
std::span<const u8> demo_floppy();

} // namespace glassbox
