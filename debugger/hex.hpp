// Numbers and bytes as people who look at machines read them.
#pragma once

#include "bus/types.hpp"

#include <span>
#include <string>

namespace glassbox {

/// At least so many hexadecimal digits, small letters.
std::string hex(u64 value, unsigned digits);
/// The same in capitals, as the manuals write them.
std::string capital_hex(u64 value, unsigned digits = 1);

/// "01 e3 f4", or "01 E3 F4" with capitals.
std::string hex_bytes(std::span<const u8> bytes, bool capitals = false);

} // namespace glassbox
