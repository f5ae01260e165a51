// docs/debugger-commands.md is the tables of commands.
#include "debugger/console/habits.hpp"
#include "debugger/console/help.hpp"

#include <algorithm>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fstream>
#include <sstream>

using namespace glassbox;

namespace {

/// The page is text of Markdown only outside of its blocks.
std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '|' || c == '<' || c == '*' || c == '_') out += '\\';
        out += c;
    }
    return out;
}

std::string anchor(std::string_view name) { return "[`" + std::string(name) + "`](#" + std::string(name) + ")"; }

std::string index_of(std::string_view group) {
    std::string text = "| | | |\n|---|---|---|\n";
    for (const Command* command : all_commands()) {
        if (command->group != group) continue;
        text += "| " + anchor(command->name) + " | " + std::string(command->shorts) + " | " +
                escaped(command->summary) + " |\n";
    }
    return text + "\n";
}

std::string section_of(const Command& command) {
    std::string text = "### " + std::string(command.name) + "\n\n" + escaped(command.summary) + ".";
    if (!command.shorts.empty()) text += " Also: " + std::string(command.shorts) + ".";
    text += "\n\n```\n" + std::string(command.name);
    if (!command.usage.empty()) text += " " + std::string(command.usage);
    text += "\n";
    if (!command.help.empty()) text += "\n" + wrapped(command.help);
    if (command.run == info_command) text += "\n" + list_of_info();
    while (text.ends_with('\n')) text.pop_back();
    return text + "\n```\n\n";
}

std::string command_reference() {
    std::string text =
        "# The debugger's commands\n\n"
        "Made from the tables of the debugger, as `help` shows them; a test executes the examples. Other "
        "debuggers' words: [coming from\ngdb, Bochs or QEMU's monitor](coming-from.md).\n\n";
    for (const std::string_view group : command_groups) {
        text += "## " + std::string(group) + "\n\n" + index_of(group);
        for (const Command* command : all_commands()) {
            if (command->group == group) text += section_of(*command);
        }
    }
    text.pop_back();
    return text;
}

} // namespace

TEST_CASE("docs/debugger-commands.md is what the tables say") {
    const std::string path = GLASSBOX_SOURCE_DIR "/docs/debugger-commands.md";
    if (std::getenv("GLASSBOX_WRITE_DOCS")) std::ofstream(path) << command_reference();
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    const bool current = text.str() == command_reference();
    CHECK_MESSAGE(current, "make it anew: GLASSBOX_WRITE_DOCS=1 unit_debugger");
}

TEST_CASE("every group of the tables is one of help's, and has commands") {
    for (const Command* command : all_commands())
        CHECK(std::ranges::find(command_groups, command->group) != command_groups.end());
    for (const std::string_view group : command_groups)
        CHECK(std::ranges::any_of(all_commands(), [&](const Command* command) { return command->group == group; }));
}
