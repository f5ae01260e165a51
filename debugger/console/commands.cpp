// The console's own commands: help, scripts, inputs, saving.
#include "debugger/command.hpp"

#include "debugger/console/console.hpp"
#include "debugger/debugger.hpp"
#include "debugger/symbols/expression.hpp"
#include "machine/board.hpp"
#include "machine/keys.hpp"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

namespace glassbox {

namespace {

constexpr std::array<std::string_view, 7> groups = {"Go", "Stop", "Look", "Change", "Explain", "Symbols", "Console"};

std::string padded(std::string text, std::size_t width) {
    text.resize(std::max(text.size() + 1, width), ' ');
    return text;
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

std::string heading(const Command& command) {
    std::string text(command.name);
    if (!command.shorts.empty()) text += " (" + std::string(command.shorts) + ")";
    return text;
}

constexpr std::size_t page_width = 100;

/// Where a line goes on when it is broken: under its own beginning, or under the second column of a table.
std::size_t hanging_indent(std::string_view line) {
    const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
    const std::size_t gap = line.find("   ", begin);
    const std::size_t column = gap == std::string_view::npos ? gap : line.find_first_not_of(' ', gap);
    return column < page_width / 2 ? column : begin;
}

/// Lines as they are written, but no longer than the page is wide.
std::string wrapped(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string line(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        const std::string indent(hanging_indent(line), ' ');
        while (line.size() > page_width) {
            const std::size_t space = line.rfind(' ', page_width);
            if (space == std::string::npos || space <= indent.size()) break;
            out += line.substr(0, space) + "\n";
            line.erase(0, space + 1);
            line.insert(0, indent);
        }
        out += line + "\n";
    }
    return out;
}

std::string help_of(const Command& command) {
    std::string text = std::string(command.name);
    if (!command.usage.empty()) text += " " + std::string(command.usage);
    text += "\n  " + std::string(command.summary) + "\n";
    if (!command.shorts.empty()) text += "  Short: " + std::string(command.shorts) + "\n";
    if (command.help.empty()) return text;
    return text + "\n" + wrapped(command.help);
}

std::string help_of_group(std::string_view group) {
    constexpr std::size_t column = 34;
    std::string text = std::string(group) + ":\n";
    for (const Command* command : all_commands()) {
        if (command->group == group)
            text += "  " + padded(heading(*command), column) + std::string(command->summary) + "\n";
    }
    return text;
}

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

Expected<> help(CommandContext& context, Arguments& arguments) {
    if (arguments.empty()) {
        for (const std::string_view group : groups) context.out += help_of_group(group);
        context.out += "help COMMAND has the details and examples, help expressions what values may be.\n"
                       "A command may be shortened as long as it is clear; an empty line repeats the last step.\n";
        return {};
    }
    const std::string word = arguments.take();
    for (const std::string_view group : groups) {
        if (lower(group) != lower(word)) continue;
        context.out += help_of_group(group);
        for (const Command* command : all_commands()) { // a command may be called as its group is
            if (command->name == lower(word)) context.out += '\n' + help_of(*command);
        }
        return {};
    }
    if (word == "expressions" || word == "expression") return context.out += wrapped(expression_help), Expected<>{};
    const auto command = find_command(word);
    if (!command) return tl::unexpected(command.error());
    context.out += help_of(**command);
    return {};
}

Expected<> apropos(CommandContext& context, Arguments& arguments) {
    const std::string word = lower(arguments.rest());
    if (word.empty()) return fail("apropos needs a word to look for");
    bool found = false;
    for (const Command* command : all_commands()) {
        const std::string text = lower(help_of(*command));
        if (text.find(word) == std::string::npos) continue;
        context.out += padded(heading(*command), 34) + std::string(command->summary) + "\n";
        found = true;
    }
    if (!found) return fail("no command's help mentions '" + word + "'");
    return {};
}

Expected<Console*> console_of(CommandContext& context) {
    if (context.console) return context.console;
    return fail("this command belongs to the console of glassbox itself");
}

Expected<> source(CommandContext& context, Arguments& arguments) {
    auto console = console_of(context);
    if (!console) return tl::unexpected(console.error());
    const std::string path = arguments.rest();
    if (path.empty()) return fail("source needs the name of a file");
    return (*console)->source(path);
}

Expected<> quit(CommandContext& context, Arguments&) {
    auto console = console_of(context);
    if (!console) return tl::unexpected(console.error());
    (*console)->quit();
    return {};
}

Expected<> echo(CommandContext& context, Arguments& arguments) {
    context.out += arguments.rest() + "\n";
    return {};
}

Expected<> check(CommandContext& context, Arguments& arguments) {
    const std::string text = arguments.rest();
    const auto value = evaluate(context.debugger, text);
    if (!value) return tl::unexpected(value.error());
    if (*value == 0) return fail("it does not hold: " + text);
    return {};
}

Expected<> display(CommandContext& context, Arguments& arguments) {
    auto console = console_of(context);
    if (!console) return tl::unexpected(console.error());
    const std::string line = arguments.rest();
    if (line.empty()) {
        for (const auto& [number, command] : (*console)->displays()) {
            context.out += padded(std::to_string(number), 4) + command + "\n";
        }
        if ((*console)->displays().empty()) context.out += "nothing is shown after a stop\n";
        return {};
    }
    const std::size_t end = line.find_first_of(" \t/");
    if (auto command = find_command(line.substr(0, end)); !command) return tl::unexpected(command.error());
    const unsigned number = (*console)->add_display(line);
    context.out += "display " + std::to_string(number) + ": " + line + "\n";
    return execute_command(context, line);
}

Expected<> undisplay(CommandContext& context, Arguments& arguments) {
    auto console = console_of(context);
    if (!console) return tl::unexpected(console.error());
    const auto number = evaluate(context.debugger, arguments.rest());
    if (!number) return tl::unexpected(number.error());
    if (!(*console)->remove_display(static_cast<unsigned>(*number)))
        return fail("there is no display " + std::to_string(*number));
    return {};
}

Expected<> alias(CommandContext& context, Arguments& arguments) {
    auto console = console_of(context);
    if (!console) return tl::unexpected(console.error());
    if (arguments.empty()) {
        for (const auto& [name, line] : (*console)->aliases()) context.out += padded(name, 16) + line + "\n";
        return {};
    }
    const std::string name = arguments.take();
    const std::string line = arguments.rest();
    if (line.empty()) return fail("alias needs a name and the command that it stands for");
    return (*console)->add_alias(name, line);
}

Expected<> snapshot(CommandContext& context, Arguments& arguments) {
    const std::string path = arguments.rest();
    if (path.empty()) return fail("snapshot needs the name of a file");
    if (auto saved = context.debugger.machine().save(path); !saved) return saved;
    context.out += "saved; glassbox --load " + path + " with the same machine continues from here\n";
    return {};
}

Expected<> live(CommandContext& context, Arguments&) {
    Timeline& timeline = context.debugger.timeline();
    if (!timeline.replaying()) return fail("the machine does not repeat a recording: it is live already");
    timeline.leave_future();
    context.out += "the machine is live from here on: what the recording says of later is dropped\n";
    return {};
}

Expected<> commit_media(CommandContext& context, Arguments&) {
    Machine& machine = context.debugger.machine();
    if (!machine.board().config.keep_media)
        return fail("the guest writes to the files of its drives directly: there is nothing to commit");
    if (auto done = context.debugger.timeline().commit_media(); !done) return done;
    context.out += "written to the files of the drives; the history begins here\n";
    return {};
}

Expected<> state_hash(CommandContext& context, Arguments&) {
    std::array<char, 40> line{};
    std::snprintf(line.data(), line.size(), "state-hash: %016" PRIx64 "\n", context.debugger.machine().state_hash());
    context.out += line.data();
    return {};
}

Expected<> inject(CommandContext& context, const Input& input) { return context.debugger.timeline().inject(input); }

Expected<> key(CommandContext& context, Arguments& arguments) {
    if (arguments.empty()) return fail("key needs a key or a combination such as ctrl-alt-delete");
    while (!arguments.empty()) {
        const auto keys = parse_combination(arguments.take());
        if (!keys) return tl::unexpected(keys.error());
        for (const KeyInput& input : press_and_release(*keys)) {
            if (auto done = inject(context, input); !done) return done;
        }
    }
    return {};
}

Expected<> serial_input(CommandContext& context, Arguments& arguments) {
    const std::string text = arguments.rest();
    SerialInput input;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool escape = text[i] == '\\' && i + 1 < text.size();
        const char c = escape ? text[++i] : text[i];
        input.data.push_back(static_cast<u8>(escape && c == 'n' ? '\n' : escape && c == 'r' ? '\r' : c));
    }
    if (input.data.empty()) return fail("serial-input needs the text that COM1 receives");
    return inject(context, input);
}

Expected<> reset(CommandContext& context, Arguments&) { return inject(context, ResetInput{}); }
Expected<> power_button(CommandContext& context, Arguments&) { return inject(context, PowerButtonInput{}); }

constexpr std::array commands = {
    Command{"help", "h ?", "Console", "[COMMAND|GROUP|expressions]", "What there is, and how it is used",
            "  help break\n  help go\n  help expressions\n", help, "command"},
    Command{"apropos", "", "Console", "WORD", "Commands whose help mentions a word", "  apropos watch\n", apropos},
    Command{"source", "", "Console", "FILE", "Executes the commands of a file",
            "A line each; # begins a comment. Commands after one that runs the machine wait until it has stopped.\n"
            "The first command that fails ends the script.\n  source boot.gbd\n",
            source, "file"},
    Command{"display", "", "Console", "[COMMAND]", "Executes a command after every stop",
            "Without a command: the list.\n  display registers general\n  display print [counter]\n", display,
            "command"},
    Command{"undisplay", "", "Console", "N", "Takes a display away", "", undisplay},
    Command{"alias", "", "Console", "[NAME COMMAND]", "A name of your own for a command with its arguments",
            "  alias top dump ss:esp 32\n", alias, "command"},
    Command{"echo", "", "Console", "TEXT", "Prints a text, for scripts", "", echo},
    Command{"assert", "", "Console", "EXPRESSION", "Fails, and ends a script, unless the expression is true",
            "With scripts (-x) a failure ends glassbox with status 4.\n  assert eax == 5 && zf\n", check, "register"},
    Command{"key", "", "Console", "KEY...", "Presses and releases keys of the guest's keyboard",
            "  key a enter\n  key ctrl-alt-delete\n", key},
    Command{"serial-input", "", "Console", "TEXT", "Sends text to the guest's COM1; \\n and \\r are known",
            "  serial-input ls /\\n\n", serial_input},
    Command{"reset", "", "Console", "", "Presses the reset button", "It is done when the machine runs on.\n", reset},
    Command{"power-button", "", "Console", "", "Presses the power button", "", power_button},
    Command{"snapshot", "", "Console", "FILE", "Saves the machine as it stands, for --load", "", snapshot, "file"},
    Command{"commit-media", "", "Console", "", "Writes to the drives' files what the guest has written",
            "While going back is possible, what a guest writes to disks and floppies stays in memory, and\n"
            "is forgotten at the end. With --no-history it goes to the files at once.\n",
            commit_media},
    Command{"live", "", "Console", "", "Leaves the recording that is repeated: the machine takes inputs again",
            "With --replay the machine does what was recorded, and nothing else. From here on it is live, and\n"
            "what the recording says of later is dropped.\n",
            live},
    Command{"state-hash", "", "Console", "", "A hash of everything that the guest could observe", "", state_hash},
    Command{"quit", "q exit", "Console", "", "Ends the run", "", quit},
};

} // namespace

std::span<const Command> session_commands() { return commands; }

} // namespace glassbox
