// The console's own commands: scripts, inputs, saving; help and info are in help.cpp.
#include "debugger/command.hpp"

#include "debugger/console/console.hpp"
#include "debugger/console/habits.hpp"
#include "debugger/console/help.hpp"
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

std::string padded(std::string text, std::size_t width) {
    text.resize(std::max(text.size() + 1, width), ' ');
    return text;
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
    std::string line = arguments.rest();
    if (line.empty()) {
        for (const auto& [number, command] : (*console)->displays()) {
            context.out += padded(std::to_string(number), 4) + command + "\n";
        }
        if ((*console)->displays().empty()) context.out += "nothing is shown after a stop\n";
        return {};
    }
    if (auto command = find_command(command_word(line)); !command && !translate_habit(line)) {
        if (!Expression::parse(line) || !evaluate(context.debugger, line)) return tl::unexpected(command.error());
        line.insert(0, "print "); // gdb's: an expression
    }
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

Expected<> define(CommandContext& context, Arguments& arguments) {
    auto console = console_of(context);
    if (!console) return tl::unexpected(console.error());
    const std::string name = arguments.take();
    if (name.empty() || !arguments.empty()) return fail("define needs one word: the name of the new command");
    return (*console)->begin_definition(name);
}

Expected<> end(CommandContext&, Arguments&) {
    return fail("end closes what define has begun, and nothing is defined now");
}

Expected<> status(CommandContext& context, Arguments&) {
    Debugger& debugger = context.debugger;
    const Machine& machine = debugger.machine();
    std::array<char, 120> line{};
    std::snprintf(line.data(), line.size(), "Instruction %" PRIu64 ", %.9f s of the guest's time, processor %u of %u\n",
                  machine.instructions(), static_cast<double>(machine.now()) / static_cast<double>(second),
                  debugger.processor(), machine.processors());
    context.out += describe_stop(debugger) + line.data();
    const Timeline& timeline = debugger.timeline();
    context.out += !timeline.active()     ? "No history is kept: there is no way back.\n"
                   : timeline.replaying() ? "The machine repeats a recording (live leaves it).\n"
                   : timeline.at_frontier()
                       ? "Nothing later has been executed yet.\n"
                       : "The machine has been further: it repeats what it did, up to instruction " +
                             std::to_string(timeline.frontier().instructions) + ".\n";
    return {};
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

constexpr std::string_view info_help =
    R"(The words of gdb, of QEMU's monitor and of Bochs, each as a command of ours; what follows goes to that command.
  info registers
  info b
  info registers eax
  info idt 0eh
)";
constexpr std::string_view display_help =
    R"(Without a command: the list. An expression alone is printed; a format is that of examine.
  display registers general
  display print [ss:esp]
  display/4xw esp
  display
)";
constexpr std::string_view alias_help =
    R"(What is written behind the name when it is used goes to the end, or where $1, $2 ... (one word) and $* (all) stand.
Several commands are separated by semicolons. Without arguments: the list.   alias top dump ss:esp 32
  alias field print dword [$1 + $2]
  alias here registers; disassemble $pc 5
  alias
)";
constexpr std::string_view define_help =
    R"(The lines up to one with end alone are the new command; $1 to $9 (gdb's $arg0 to $arg9, too) are its arguments, $*
all of them, $argc their number. In scripts as at the prompt.
  define look-at
    examine/4xw $1
    disassemble $pc 3
  end
It is used as any other command, and help shows it:
    look-at esp
)";
constexpr std::string_view commit_help =
    R"(While going back is possible, what a guest writes to disks and floppies stays in memory, and is forgotten at the end.
With --no-history it goes to the files at once.
  commit-media
)";
constexpr std::string_view live_help =
    R"(With --replay the machine does what was recorded, and nothing else. From here on it is live, and what the recording
says of later is dropped.
  live
)";

constexpr std::array commands = {
    Command{"status", "", "Look", "", "Where the machine stands, why, and when",
            "The last stop, the count of instructions, the guest's time, and whether the machine has been further.\n"
            "  status\n",
            status},
    Command{"info", "i", "Look", "WORD ...", "What other debuggers call info: registers, breakpoints, tlb ...",
            info_help, info_command, "info"},
    Command{"help", "h ?", "Console", "[COMMAND|GROUP|expressions]", "What there is, and how it is used",
            "A beginning lists all commands that begin so. ? with an expression prints it, as in Bochs.\n"
            "  help break\n  help go\n  help reverse\n  help info tlb\n  help expressions\n  ? 7c00h + 200h\n",
            help_command, "command"},
    Command{"apropos", "", "Console", "WORD", "Commands whose help mentions a word",
            "Words of other debuggers are looked through, too.\n  apropos watch\n  apropos selector\n",
            apropos_command},
    Command{"source", "", "Console", "FILE", "Executes the commands of a file",
            "A line each; # begins a comment. Commands after one that runs the machine wait until it has stopped.\n"
            "The first command that fails ends the script, and is named with its file and line.\n"
            "  source boot.gbd\n",
            source, "file"},
    Command{"display", "", "Console", "[COMMAND|EXPRESSION]", "Executes a command after every stop", display_help,
            display, "command"},
    Command{"undisplay", "", "Console", "N", "Takes a display away",
            "display lists them.\n  undisplay 1\n  undisplay 2\n", undisplay},
    Command{"alias", "", "Console", "[NAME COMMAND]", "A name of your own for a command with its arguments", alias_help,
            alias, "command"},
    Command{"define", "", "Console", "NAME", "A command of your own, of several lines", define_help, define},
    Command{"end", "", "Console", "", "Ends a definition", "As the last line of define.\n", end},
    Command{"echo", "", "Console", "TEXT", "Prints a text, for scripts", "  echo here it begins\n  echo\n", echo},
    Command{"assert", "", "Console", "EXPRESSION", "Fails, and ends a script, unless the expression is true",
            "With scripts (-x) a failure ends glassbox with status 4.\n  assert cs != 0 || ss != 0\n  assert esp > "
            "100h || zf\n",
            check, "register"},
    Command{"key", "sendkey", "Console", "KEY...", "Presses and releases keys of the guest's keyboard",
            "The guest gets them when it runs on.\n  key a enter\n  key ctrl-alt-delete\n", key},
    Command{"serial-input", "", "Console", "TEXT", "Sends text to the guest's COM1; \\n and \\r are known",
            "  serial-input ls /\\n\n  serial-input root\\r\n", serial_input},
    Command{"reset", "", "Console", "", "Presses the reset button", "It is done when the machine runs on.\n  reset\n",
            reset},
    Command{"power-button", "", "Console", "", "Presses the power button",
            "The guest hears of it by ACPI when the machine runs on.\n  power-button\n", power_button},
    Command{"snapshot", "", "Console", "FILE", "Saves the machine as it stands, for --load",
            "The history is not part of it.\n  snapshot before.gbs\n", snapshot, "file"},
    Command{"commit-media", "", "Console", "", "Writes to the drives' files what the guest has written", commit_help,
            commit_media},
    Command{"live", "", "Console", "", "Leaves the recording that is repeated: the machine takes inputs again",
            live_help, live},
    Command{"state-hash", "", "Console", "", "A hash of everything that the guest could observe",
            "Two machines with the same hash go on in the same way.\n  state-hash\n", state_hash},
    Command{"quit", "q exit", "Console", "", "Ends the run", "What has not been saved is gone.\n  quit\n", quit},
};

} // namespace

std::span<const Command> session_commands() { return commands; }

} // namespace glassbox
