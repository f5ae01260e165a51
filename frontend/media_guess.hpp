// Which drive a dropped file belongs to.
#pragma once

#include "bus/error.hpp"
#include "machine/input.hpp"

#include <string>

namespace glassbox {

/// By the file's name and size; the error tells why it is no medium.
Expected<MediaInput> guess_medium(const std::string& path);
bool is_floppy_size(u64 bytes);

} // namespace glassbox
