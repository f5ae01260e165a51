#include "debugger/command.hpp"

namespace glassbox {

std::span<const Command> explain_commands() { return {}; }

} // namespace glassbox
