#include "debugger/command.hpp"

namespace glassbox {

std::span<const Command> symbol_commands() { return {}; }

} // namespace glassbox
