// What `help` shows, by the tables of commands; docs/debugger-commands.md is made of the same.
#pragma once

#include "debugger/command.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

constexpr std::size_t page_width = 100;
constexpr std::array<std::string_view, 8> command_groups = {"Go",     "Stop",    "Look",    "Devices",
                                                            "Change", "Explain", "Symbols", "Console"};

/// What a line of two columns says; long ones are broken.
struct HelpRow {
    std::string name, text;
};
/// The column begins behind the longest name, unless that would leave too little room: then the text of long names
/// begins on a line of its own. `width`: names are at least so wide.
std::string in_columns(const std::vector<HelpRow>& rows, std::size_t width = 0);
/// Lines as they are written, but no longer than the page is wide.
std::string wrapped(std::string_view text);

std::string help_of(const Command& command);
std::string help_of_group(std::string_view group, std::size_t width = 0);
/// The words of `info`, those that lead to the same in one row.
std::string list_of_info();
/// The lines of a command's help that can be executed as they are.
std::vector<std::string> examples_of(const Command& command);

Expected<> help_command(CommandContext& context, Arguments& arguments);
Expected<> apropos_command(CommandContext& context, Arguments& arguments);
Expected<> info_command(CommandContext& context, Arguments& arguments);

} // namespace glassbox
