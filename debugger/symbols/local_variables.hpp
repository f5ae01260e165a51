// The variables of the functions that execute, for the console.
#pragma once

#include "debugger/command.hpp"

namespace glassbox {

/// The linear address of the instruction that is next.
u64 present_address(Debugger& debugger);
/// The command `locals`.
Expected<> locals_command(CommandContext& context, Arguments& arguments);

} // namespace glassbox
