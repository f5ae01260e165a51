#include "debugger/look/arguments.hpp"
namespace glassbox::look {
std::span<const Command> change_commands() { return {}; }
} // namespace glassbox::look
