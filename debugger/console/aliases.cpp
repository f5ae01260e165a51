// Names of the user's own: `alias` on one line, `define` on several.
#include "debugger/command.hpp"
#include "debugger/console/console.hpp"

#include <algorithm>

namespace glassbox {

namespace {

constexpr std::size_t longest_definition = 1u << 16;

bool is_name(std::string_view name) {
    return std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

/// Cut at semicolons that are in no quotes, and at ends of lines.
std::vector<std::string> pieces(std::string_view text) {
    // What `commands` is told has semicolons of its own.
    const auto command = find_command(command_word(text));
    const bool whole = command && (*command)->name == "commands";
    std::vector<std::string> lines(1);
    char quote = 0;
    for (const char c : text) {
        if (c == '\n' || (c == ';' && !quote && !whole)) {
            lines.emplace_back();
            quote = 0;
            continue;
        }
        if (quote ? c == quote : c == '"' || c == '\'') quote = quote ? '\0' : c;
        if (!lines.back().empty() || c != ' ') lines.back() += c;
    }
    std::erase(lines, "");
    return lines;
}

struct Filled {
    std::string text;
    bool took = false;       ///< an argument stood in it
    std::size_t missing = 0; ///< the argument that is not there
};

/// $1 … $9, gdb's $arg0 … $arg9 and $argc, $*.
Filled fill_in(std::string_view text, const Arguments& words) {
    Filled filled;
    const auto word = [&](std::size_t n) {
        filled.took = true;
        if (n < words.words().size())
            filled.text += words.written(n);
        else
            filled.missing = n + 1;
    };
    while (!text.empty()) {
        const auto digit_at = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
        std::size_t length = 1;
        if (text.starts_with("$*")) {
            filled.took = true;
            filled.text += words.written_from(0);
            length = 2;
        } else if (text.starts_with("$argc")) {
            filled.took = true;
            filled.text += std::to_string(words.words().size());
            length = 5;
        } else if (text.starts_with("$arg") && digit_at(4)) {
            word(static_cast<std::size_t>(text[4] - '0'));
            length = 5;
        } else if (text.front() == '$' && digit_at(1) && text[1] != '0') {
            word(static_cast<std::size_t>(text[1] - '1'));
            length = 2;
        } else {
            filled.text += text.front();
        }
        text.remove_prefix(length);
    }
    return filled;
}

} // namespace

Expected<> Console::expand_alias(std::string_view line, std::vector<std::string>& lines) const {
    const std::string_view word = command_word(line);
    const auto alias = aliases_.find(std::string(word));
    if (alias == aliases_.end()) {
        lines.assign(1, std::string(line));
        return {};
    }
    const std::string_view behind = line.substr(word.size());
    const Arguments words(behind);
    Filled filled = fill_in(alias->second, words);
    if (filled.missing)
        return fail("'" + std::string(word) + "' needs " + std::to_string(filled.missing) +
                    (filled.missing == 1 ? " argument: " : " arguments: ") + alias->second);
    if (!filled.took) filled.text += behind;
    lines = pieces(filled.text);
    return {};
}

Expected<> Console::add_alias(const std::string& name, const std::string& line) {
    if (!is_name(name)) return fail("a name is made of letters, digits, - and _, not '" + name + "'");
    for (const Command* command : all_commands()) {
        if (command->name == name) return fail("'" + name + "' is a command already");
    }
    if (command_word(line) == name) return fail("an alias cannot stand for itself");
    aliases_[name] = line;
    return {};
}

Expected<> Console::begin_definition(const std::string& name) {
    if (!is_name(name)) return fail("a name is made of letters, digits, - and _, not '" + name + "'");
    for (const Command* command : all_commands()) {
        if (command->name == name) return fail("'" + name + "' is a command already");
    }
    definition_.emplace(name, std::string());
    return {};
}

bool Console::take_definition(std::string_view line) {
    if (!definition_) return false;
    auto& [name, lines] = *definition_;
    if (line == "end") {
        if (lines.ends_with('\n')) lines.pop_back();
        aliases_[name] = lines;
        definition_.reset();
    } else if (!line.empty() && lines.size() < longest_definition) {
        lines.append(line).append("\n");
    }
    return true;
}

} // namespace glassbox
