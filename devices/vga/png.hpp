// Frames as PNG files (PNG specification, second edition; RFC 1950 for the data).
#pragma once

#include "bus/error.hpp"
#include "devices/vga/frame.hpp"

#include <string>

namespace glassbox {

/// The frame's pixels as they are, not stretched to the screen's shape.
Expected<> write_png(const Frame& frame, const std::string& path);

} // namespace glassbox
