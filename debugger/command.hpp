// A command of the debugger's console. Every part of the debugger brings a table of them; the console, the gdb stub's
// `monitor` and scripts all execute them here.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

class Console;
class Debugger;

/// What stands behind a command's name.
class Arguments {
  public:
    explicit Arguments(std::string_view text);

    /// The words, cut at spaces; quotes keep spaces together, and so do brackets and parentheses: "[esp + 4]" is one.
    const std::vector<std::string>& words() const { return words_; }
    /// Word `n` as it was written, with its quotes; and everything from it on.
    std::string_view written(std::size_t n) const;
    std::string_view written_from(std::size_t n) const;
    bool empty() const { return next_ >= words_.size(); }
    std::size_t left() const { return words_.size() - next_; }
    /// The next word, or nothing ("").
    std::string_view peek() const { return empty() ? std::string_view() : words_[next_]; }
    std::string take() { return empty() ? std::string() : words_[next_++]; }
    /// True, and it is taken, if the next word is `word`.
    bool take_if(std::string_view word);
    /// Everything from the next word on, as it was written; all is taken.
    std::string rest();

  private:
    std::string text_;
    std::vector<std::string> words_;
    std::vector<std::size_t> starts_;
    std::size_t next_ = 0;
};

struct CommandContext {
    Debugger& debugger;
    std::string& out;           ///< what the user reads: complete lines
    Console* console = nullptr; ///< null in gdb's `monitor`
};

struct Command {
    std::string_view name;    ///< "reverse-step"
    std::string_view shorts;  ///< other names, separated by spaces: "rs"
    std::string_view group;   ///< "Go", "Stop", "Look", "Devices", "Change", "Explain", "Symbols", "Console"
    std::string_view usage;   ///< what follows the name: "[N]"
    std::string_view summary; ///< one line: begins with a capital, ends without a full stop
    /// Paragraphs and examples; long lines are broken when they are shown. A line of two spaces and the command's name
    /// is an example: a test executes it. What stands behind two spaces is said about it.
    std::string_view help;
    Expected<> (*run)(CommandContext& context, Arguments& arguments);
    /// What an argument may be, for completion: "symbol", "register", "file", "command", "device", "info", or words
    /// separated by '|' ("on|off"). Behind a word and ':' stands what may follow it, with ',' in the place of '|':
    /// "device:device|mode:real,v86".
    std::string_view completes = {};
};

// The tables, one for each folder of debugger/.
std::span<const Command> control_commands();
std::span<const Command> symbol_commands();
std::span<const Command> look_commands();
std::span<const Command> device_commands();
std::span<const Command> explain_commands();
std::span<const Command> lint_commands();
std::span<const Command> session_commands(); ///< help, source, history … (debugger/console)

/// All commands of the debugger, in the order of `help`.
std::vector<const Command*> all_commands();
/// By its name, a short one, or the only one that begins so. The error lists what was possible, or what is nearest.
Expected<const Command*> find_command(std::string_view name);
/// The command that a line begins with: "x" of "x/4xw esp".
std::string_view command_word(std::string_view line);
/// Executes one line: a command and its arguments, or what people type in other debuggers (console/habits). Empty lines
/// and comments (#) do nothing.
Expected<> execute_command(CommandContext& context, std::string_view line);

} // namespace glassbox
