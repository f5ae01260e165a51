// The variables of the functions that execute, for the console.
#pragma once

#include "debugger/command.hpp"

#include <string>

namespace glassbox {

/// The linear address of the instruction that is next.
u64 present_address(Debugger& debugger);
/// The command `locals`.
Expected<> locals_command(CommandContext& context, Arguments& arguments);
/// "n = 5 (int, in EDI)", if `name` is a variable of the function that executes; else "".
std::string local_text(Debugger& debugger, const std::string& name);

} // namespace glassbox
