// Numbers as `print` shows them.
#pragma once

#include "bus/types.hpp"

#include <optional>
#include <string>

namespace glassbox {

/// "1F4h", "0C0h": capitals, a leading 0 before a letter, so that it can be typed again.
std::string marked_hex(u64 value);
/// "1010_0101b" by fours, no more than needed.
std::string binary_text(u64 value);
/// The number with the sign of the narrowest of 8, 16, 32 and 64 bits that hold it: "-2 (32 bits)"; "" if positive.
std::string signed_text(u64 value);
/// "'A'", "'\n'"; "" for what is no ASCII character.
std::string character_text(u64 value);
/// In one format, as gdb's letters name them: x d u t o c. Nothing for another letter.
std::optional<std::string> formatted(u64 value, char format);

} // namespace glassbox
