// The command `set`.
#pragma once

#include "debugger/command.hpp"

namespace glassbox::look {

Expected<> run_set(CommandContext& context, Arguments& arguments);

} // namespace glassbox::look
