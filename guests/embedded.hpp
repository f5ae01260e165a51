// Guests that are part of the program.
#pragma once

#include "bus/types.hpp"

#include <span>

namespace glassbox {

/// The demo guest: a 1.44 MB floppy image.
std::span<const u8> demo_floppy();

} // namespace glassbox
