// Parts of numbers.
#pragma once

#include "bus/types.hpp"

namespace glassbox {

/// Its lowest `bits` bits; all of it from 64 on.
constexpr u64 low_bits(u64 value, unsigned bits) { return bits >= 64 ? value : value & ((u64{1} << bits) - 1); }

} // namespace glassbox
