// The instruction table as a page for people: docs/opcodes.md is this text, and a test holds it to that.
#pragma once

#include "cpu/decode/row.hpp"

#include <string>

namespace glassbox {

/// "0F BA /4 ib" and the like: an encoding in the manual's notation.
std::string encoding_of(const Row& row);
/// "Ev, Ib".
std::string operands_of(const Row& row);
/// The whole table in Markdown, in the order of the opcode maps.
std::string opcode_reference();

} // namespace glassbox
