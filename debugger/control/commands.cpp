#include "debugger/command.hpp"

namespace glassbox {

std::span<const Command> control_commands() { return {}; }

} // namespace glassbox
