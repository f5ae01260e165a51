// The text of an instruction in Intel's notation, by Zydis.
#pragma once

#include "bus/types.hpp"

#include <span>
#include <string>

namespace glassbox {

struct Disassembly {
    std::string text;
    std::size_t length = 0; ///< of the instruction; 1 for bytes that are none, 0 when there are no bytes
};

/// `bits`: 16, 32 or 64.
Disassembly disassemble(std::span<const u8> bytes, unsigned bits, u64 ip);

} // namespace glassbox
