#include "debugger/command.hpp"

namespace glassbox {

std::span<const Command> device_commands() { return {}; }

} // namespace glassbox
