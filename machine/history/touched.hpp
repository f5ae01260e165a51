// Which pages of an anonymous mapping can hold anything but zeroes.
#pragma once

#include "bus/types.hpp"

#include <span>
#include <vector>

namespace glassbox {

/// Numbers of the pages that this process has ever touched, by the host's account (Linux: Documentation/admin-guide/mm/
/// pagemap.rst); all of them where it gives none. Looking at the others would make the host map each.
std::vector<u32> touched_pages(std::span<const u8> memory);

} // namespace glassbox
