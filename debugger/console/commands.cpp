#include "debugger/command.hpp"

namespace glassbox {

std::span<const Command> session_commands() { return {}; }

} // namespace glassbox
