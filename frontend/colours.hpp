// Colours for what the debugger prints at a terminal: what is executed next, registers that have changed, errors. The
// text stays the same without them.
#pragma once

#include <string>
#include <string_view>

namespace glassbox {

/// With the control sequences of ECMA-48 (SGR) put in.
std::string coloured(std::string_view text);
/// Whether the terminal knows them (TERM), and the user wants them (NO_COLOR, https://no-color.org).
bool terminal_has_colours();

} // namespace glassbox
