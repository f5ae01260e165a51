// Types of variables (DWARF 5, section 5).
#pragma once

#include "debugger/symbols/dwarf.hpp"

namespace glassbox {

/// The type of a DIE without typedefs and qualifiers. False: it has none, or its chain does not end.
bool type_of(Dwarf_Die* die, Dwarf_Die* type);
u64 size_of(Dwarf_Die* type);
/// As C writes it: "unsigned int", "entry*", "int[3]".
std::string type_text(Dwarf_Die* die);

} // namespace glassbox
