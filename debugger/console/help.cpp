// help, apropos and info.
#include "debugger/console/help.hpp"

#include "debugger/console/console.hpp"
#include "debugger/console/habits.hpp"
#include "debugger/symbols/expression.hpp"

#include <algorithm>

namespace glassbox {

namespace {

constexpr std::size_t widest_names = 30;

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

std::string with_shorts(std::string_view name, std::string_view shorts) {
    std::string text(name);
    if (!shorts.empty()) text.append(" (").append(shorts).append(")");
    return text;
}

/// In lists only what is quickly typed; the command's own help has all.
HelpRow row_of(const Command& command) {
    constexpr std::size_t longest_listed = 5;
    std::string quick;
    for (std::string_view shorts = command.shorts; !shorts.empty();) {
        const std::string_view word = shorts.substr(0, std::min(shorts.find(' '), shorts.size()));
        if (word.size() <= longest_listed) quick.append(quick.empty() ? "" : " ").append(word);
        shorts.remove_prefix(std::min(word.size() + 1, shorts.size()));
    }
    return {with_shorts(command.name, quick), std::string(command.summary)};
}

std::vector<HelpRow> rows_of_group(std::string_view group) {
    std::vector<HelpRow> rows;
    for (const Command* command : all_commands()) {
        if (command->group == group) rows.push_back(row_of(*command));
    }
    return rows;
}

std::size_t width_of_names(const std::vector<HelpRow>& rows) {
    std::size_t width = 0;
    for (const HelpRow& row : rows) width = std::max(width, std::min(row.name.size(), widest_names));
    return width;
}

/// A row of the table of habits as people would write it: X, Y, Z for what is filled in.
std::string readable(std::string_view text) {
    constexpr std::string_view letters = "XYZVW";
    std::string out;
    std::size_t holes = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char next = i + 1 < text.size() ? text[i + 1] : '\0';
        if (text[i] == '?' && holes < letters.size()) {
            out += letters[holes++];
        } else if (text[i] == '$' && (next == '*' || next == '/' || (next >= '1' && next <= '5'))) {
            if (next == '*')
                out += "...";
            else if (next == '/')
                out += "/FORMAT";
            else
                out += letters[static_cast<std::size_t>(next - '1')];
            ++i;
        } else {
            if (text[i] == '|' && out.find(' ') != std::string::npos && out.find('|') == std::string::npos)
                ++holes; // one of these words counts as the first that is filled in
            out += text[i];
        }
    }
    return out;
}

/// Where a line goes on when it is broken: under its own beginning, or under the second column of a table.
std::size_t hanging_indent(std::string_view line) {
    const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
    const std::size_t gap = line.find("   ", begin);
    const std::size_t column = gap == std::string_view::npos ? gap : line.find_first_not_of(' ', gap);
    return column < page_width / 2 ? column : begin;
}

/// The first word of the row is `word`, or one of several.
bool begins_with_word(const Habit& habit, std::string_view word) {
    std::string_view names = command_word(habit.typed);
    while (!names.empty()) {
        const std::size_t end = std::min(names.find('|'), names.size());
        if (names.substr(0, end) == word) return true;
        names.remove_prefix(std::min(end + 1, names.size()));
    }
    return false;
}

/// The help of what people of other debuggers type.
std::string help_of_habits(std::string_view word) {
    std::vector<HelpRow> rows;
    for (const Habit& habit : habits()) {
        if (!begins_with_word(habit, word)) continue;
        const std::string_view behind = habit.typed.substr(std::min(habit.typed.find(' '), habit.typed.size()));
        const bool refused = habit.does.starts_with('!');
        const std::string does = readable(habit.does);
        rows.push_back({readable(std::string(word) + std::string(behind)),
                        refused ? "Not here: " + does.substr(1) : "Is here: " + does});
    }
    return rows.empty() ? "" : in_columns(rows);
}

/// The help of the command that all rows of a word lead to.
std::string help_of_target(std::string_view word) {
    const Command* target = nullptr;
    for (const Habit& habit : habits()) {
        if (!begins_with_word(habit, word) || habit.does.starts_with('!')) continue;
        std::string_view first = command_word(habit.does);
        first = first.substr(0, std::min(first.find('$'), first.size()));
        const auto command = find_command(first);
        if (!command || (target && target != *command)) return {};
        target = *command;
    }
    return target ? "\n" + help_of(*target) : "";
}

} // namespace

std::string wrapped(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        std::string line;
        // Lines of a paragraph are one; what is indented stands by itself.
        do {
            const std::size_t end = std::min(text.find('\n'), text.size());
            if (!line.empty()) line += ' ';
            line += text.substr(0, end);
            text.remove_prefix(std::min(end + 1, text.size()));
        } while (!line.empty() && line.front() != ' ' && !text.empty() && text.front() != ' ' && text.front() != '\n');
        const std::string indent(hanging_indent(line), ' ');
        while (line.size() > page_width) {
            const std::size_t space = line.rfind(' ', page_width);
            if (space == std::string::npos || space <= indent.size()) break;
            out.append(line, 0, space).append("\n");
            line.erase(0, space + 1);
            line.insert(0, indent);
        }
        out.append(line).append("\n");
    }
    return out;
}

std::string in_columns(const std::vector<HelpRow>& rows, std::size_t width) {
    const std::size_t column = std::max(width, width_of_names(rows)) + 2;
    std::string out;
    for (const HelpRow& row : rows) {
        std::string line = "  " + row.name;
        if (row.name.size() > widest_names) {
            out.append(line).append("\n");
            line.clear();
        }
        line.resize(2 + column, ' ');
        line += row.text;
        while (line.size() > page_width) {
            const std::size_t space = line.rfind(' ', page_width);
            if (space == std::string::npos || space <= column + 2) break;
            out.append(line, 0, space).append("\n");
            line.erase(0, space + 1);
            line.insert(0, column + 2, ' ');
        }
        out.append(line).append("\n");
    }
    return out;
}

std::string list_of_info() {
    std::vector<HelpRow> rows;
    std::vector<std::string_view> led;
    for (const InfoWord& word : info_words()) {
        const std::string name = with_shorts(word.name, word.shorts);
        const auto same = std::ranges::find(led, word.does);
        if (same == led.end()) {
            led.push_back(word.does);
            rows.push_back({name, std::string(word.summary)});
            if (!word.does.starts_with('!') && word.does != word.name)
                rows.back().text.append(" (").append(word.does).append(")");
        } else {
            rows[static_cast<std::size_t>(same - led.begin())].name.append(", ").append(name);
        }
    }
    return in_columns(rows);
}

std::string help_of(const Command& command) {
    std::string text(command.name);
    if (!command.usage.empty()) text.append(" ").append(command.usage);
    text = wrapped(text);
    text.append("  ").append(command.summary).append("\n");
    if (!command.shorts.empty()) text.append("  Short: ").append(command.shorts).append("\n");
    if (!command.help.empty()) text.append("\n").append(wrapped(command.help));
    if (command.run == info_command) text.append("\n").append(list_of_info());
    return text;
}

std::string help_of_group(std::string_view group, std::size_t width) {
    return std::string(group) + ":\n" + in_columns(rows_of_group(group), width);
}

std::vector<std::string> examples_of(const Command& command) {
    const auto is_example = [&](std::string_view line) {
        const std::string_view word = command_word(line);
        return !word.empty() && (word == command.name || holds_word(command.shorts, word));
    };
    std::vector<std::string> found;
    std::string_view text = command.help;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!line.starts_with("  ") || line.starts_with("   ")) continue;
        line.remove_prefix(2);
        while (is_example(line)) { // two may stand in a row
            const std::size_t gap = std::min(line.find("  "), line.size());
            found.emplace_back(line.substr(0, gap));
            line.remove_prefix(std::min(line.find_first_not_of(' ', gap), line.size()));
        }
    }
    return found;
}

// --- the commands

namespace {

constexpr std::string_view expression_help =
    R"(Expressions stand wherever a command takes a value or an address:
  7c00h 0x7c00 31744 0b101     numbers: decimal unless marked
  eax cs.base zf $cr3          registers and flags ($ where a symbol has the same name)
  $instructions $nanoseconds   how many have been executed, and the machine's time
  [esp+4] byte [ebx] ds:[si]   memory through segments and paging; byte, word, dword, qword choose the width
  phys(1000h)                  physical memory; as an address, the physical address itself
  main main+1ch 'main.c':12    symbols and source lines
  0:7c00h cs:ip                a segment and an offset
  + - * / % & | ^ ~ << >> == != < <= > >= && || ! ?: ( )   as in C, on unsigned 64-bit numbers
)";

/// "group", if the word is one's name.
std::string_view group_called(std::string_view word) {
    for (const std::string_view group : command_groups) {
        if (lower(group) == word) return group;
    }
    return {};
}

void help_overview(CommandContext& context) {
    std::size_t width = 0;
    for (const std::string_view group : command_groups) width = std::max(width, width_of_names(rows_of_group(group)));
    for (const std::string_view group : command_groups) context.out += help_of_group(group, width);
    if (context.console && !context.console->aliases().empty()) {
        std::vector<HelpRow> rows;
        for (const auto& [name, line] : context.console->aliases()) rows.push_back({name, line});
        context.out += "Your own:\n" + in_columns(rows);
    }
    context.out += "help COMMAND has the details and examples, help GROUP one of these lists (help look), help\n"
                   "expressions what values may be. A command may be shortened as long as it is clear; an empty line\n"
                   "repeats the last step. Words of gdb, of Bochs and of QEMU's monitor are understood, too.\n";
}

Expected<> help_one(CommandContext& context, const std::string& word) {
    if (context.console) {
        const auto alias = context.console->aliases().find(word);
        if (alias != context.console->aliases().end()) {
            context.out += in_columns({{word, "your own name for: " + alias->second}});
            return {};
        }
    }
    std::vector<HelpRow> beginning;
    for (const Command* command : all_commands()) {
        if (command->name == word || holds_word(command->shorts, word)) {
            context.out += help_of(*command);
            if (const std::string more = help_of_habits(word); !more.empty())
                context.out += "\nAs other debuggers write it:\n" + more;
            return {};
        }
        if (command->name.starts_with(word)) beginning.push_back(row_of(*command));
    }
    const auto command = find_command(word);
    if (command) {
        context.out += help_of(**command);
    } else if (const std::string habits_text = help_of_habits(word); !habits_text.empty()) {
        context.out += habits_text + help_of_target(word);
    } else if (!beginning.empty()) {
        context.out += in_columns(beginning);
    } else {
        return tl::unexpected(command.error());
    }
    return {};
}

Expected<> help_info(CommandContext& context, const std::string& word) {
    const FoundInfo found = find_info(word);
    if (!found.word) return fail(found.error);
    const InfoWord& row = *found.word;
    const bool refused = row.does.starts_with('!');
    context.out +=
        in_columns({{"info " + std::string(row.name),
                     refused ? "Not here: " + std::string(row.does.substr(1)) : "Is here: " + std::string(row.does)}});
    if (refused) return {};
    context.out += "\n";
    return help_one(context, std::string(command_word(row.does)));
}

} // namespace

Expected<> help_command(CommandContext& context, Arguments& arguments) {
    if (arguments.empty()) {
        help_overview(context);
        return {};
    }
    const std::string whole = std::string(arguments.written_from(0));
    const std::string word = lower(arguments.take());
    if (const std::string_view group = group_called(word); !group.empty()) {
        context.out += help_of_group(group);
        for (const Command* command : all_commands()) { // a command may be called as its group is
            if (command->name == word) context.out += '\n' + help_of(*command);
        }
        return {};
    }
    if (word == "expressions" || word == "expression") return context.out += wrapped(expression_help), Expected<>{};
    if ((word == "info" || word == "i") && !arguments.empty()) return help_info(context, arguments.take());
    auto done = help_one(context, word);
    if (done) return done;
    // "?" is Bochs's calculator.
    if (evaluate(context.debugger, whole)) return execute_command(context, "print " + whole);
    return done;
}

Expected<> apropos_command(CommandContext& context, Arguments& arguments) {
    const std::string word = lower(arguments.rest());
    if (word.empty()) return fail("apropos needs a word to look for");
    std::vector<HelpRow> found;
    for (const Command* command : all_commands()) {
        if (lower(help_of(*command)).find(word) != std::string::npos) found.push_back(row_of(*command));
    }
    for (const Habit& habit : habits()) {
        if (lower(habit.typed).find(word) != std::string::npos && !habit.does.starts_with('!'))
            found.push_back({readable(habit.typed), "Is here: " + readable(habit.does)});
    }
    if (found.empty()) return fail("no command's help mentions '" + word + "'");
    context.out += in_columns(found);
    return {};
}

Expected<> info_command(CommandContext& context, Arguments& arguments) {
    if (arguments.empty()) {
        context.out += list_of_info();
        return {};
    }
    const FoundInfo found = find_info(lower(arguments.take()));
    if (!found.word) return fail(found.error);
    if (found.word->does.starts_with('!')) return fail(std::string(found.word->does.substr(1)));
    std::string line(found.word->does);
    if (const std::string rest = arguments.rest(); !rest.empty()) line += " " + rest;
    return execute_command(context, line);
}

} // namespace glassbox
