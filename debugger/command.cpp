// The table of all commands: how lines are cut into words, how names are found, and how a line is executed.
#include "debugger/command.hpp"

#include "debugger/console/habits.hpp"
#include "debugger/console/spelling.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace glassbox {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t'; }

/// The end of the word that begins at `at`.
std::size_t word_end(std::string_view text, std::size_t at) {
    int depth = 0;
    char quote = 0;
    for (; at < text.size(); ++at) {
        const char c = text[at];
        if (quote) {
            if (c == quote) quote = 0;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '[' || c == '(') {
            ++depth;
        } else if (c == ']' || c == ')') {
            --depth;
        } else if (is_space(c) && depth <= 0) {
            break;
        }
    }
    return at;
}

/// Double quotes only group: a word in them is without them.
std::string unquoted(std::string_view word) {
    if (word.size() >= 2 && word.front() == '"' && word.back() == '"') word = word.substr(1, word.size() - 2);
    return std::string(word);
}

bool has_short(const Command& command, std::string_view name) {
    std::string_view shorts = command.shorts;
    while (!shorts.empty()) {
        const std::size_t end = std::min(shorts.find(' '), shorts.size());
        if (shorts.substr(0, end) == name) return true;
        shorts.remove_prefix(std::min(end + 1, shorts.size()));
    }
    return false;
}

} // namespace

Arguments::Arguments(std::string_view text) : text_(text) {
    for (std::size_t at = 0; at < text_.size();) {
        if (is_space(text_[at])) {
            ++at;
            continue;
        }
        const std::size_t end = word_end(text_, at);
        words_.push_back(unquoted(std::string_view(text_).substr(at, end - at)));
        starts_.push_back(at);
        at = end;
    }
}

std::string_view Arguments::written(std::size_t n) const {
    return std::string_view(text_).substr(starts_[n], word_end(text_, starts_[n]) - starts_[n]);
}

std::string_view Arguments::written_from(std::size_t n) const {
    std::string_view text = n < starts_.size() ? std::string_view(text_).substr(starts_[n]) : std::string_view();
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

bool Arguments::take_if(std::string_view word) {
    if (peek() != word) return false;
    ++next_;
    return true;
}

std::string Arguments::rest() {
    if (empty()) return {};
    const std::size_t first = std::exchange(next_, words_.size());
    return std::string(written_from(first));
}

std::vector<const Command*> all_commands() {
    std::vector<const Command*> all;
    for (const auto table : {control_commands(), look_commands(), device_commands(), explain_commands(),
                             lint_commands(), symbol_commands(), session_commands()}) {
        for (const Command& command : table) all.push_back(&command);
    }
    return all;
}

Expected<const Command*> find_command(std::string_view name) {
    std::vector<const Command*> beginning;
    for (const Command* command : all_commands()) {
        if (command->name == name || has_short(*command, name)) return command;
        if (command->name.starts_with(name)) beginning.push_back(command);
    }
    if (beginning.size() == 1) return beginning.front();
    if (beginning.empty()) {
        const std::string meant = did_you_mean(name, command_names());
        return fail("there is no command '" + std::string(name) + "' (" +
                    (meant.empty() ? "help lists them" : "did you mean " + meant + "?") + ")");
    }
    std::string text = "'" + std::string(name) + "' may be";
    for (const Command* command : beginning) text += " " + std::string(command->name);
    return fail(text);
}

std::string_view command_word(std::string_view line) {
    while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
    return line.substr(0, std::min(line.find_first_of(" \t/"), line.size()));
}

namespace {

constexpr unsigned deepest_translation = 4; ///< "monitor monitor ..." ends here

Expected<> execute_plain(CommandContext& context, std::string_view line) {
    const std::string_view word = command_word(line);
    auto command = find_command(word);
    if (!command) return tl::unexpected(command.error());
    Arguments arguments(line.substr(word.size()));
    return (*command)->run(context, arguments);
}

Expected<> execute_translated(CommandContext& context, std::string_view line, unsigned depth) {
    const auto meant = translate_habit(line);
    if (!meant) return execute_plain(context, line);
    if (depth == deepest_translation) return fail("that leads from one command to the next without an end");
    if (!meant->refusal.empty()) return fail(meant->refusal);
    for (const std::string& ours : meant->lines) {
        if (auto done = execute_translated(context, ours, depth + 1); !done) return done;
    }
    return {};
}

} // namespace

Expected<> execute_command(CommandContext& context, std::string_view line) {
    while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
    if (line.empty() || line.front() == '#') return {};
    return execute_translated(context, line, 0);
}

} // namespace glassbox
