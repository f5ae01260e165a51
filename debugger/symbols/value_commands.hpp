// print, ptype, and what `set` does to a variable.
#pragma once

#include "debugger/command.hpp"

#include <string>

namespace glassbox {

Expected<> print_command(CommandContext& context, Arguments& arguments);
Expected<> ptype_command(CommandContext& context, Arguments& arguments);

/// Whether the expression is a variable with a type, for `set`.
bool is_variable(Debugger& debugger, const std::string& text);
/// "journal.count" = "5": the variable takes the value of the expression, converted to its type; then it is shown.
Expected<> assign_variable(CommandContext& context, const std::string& variable, const std::string& value);

} // namespace glassbox
