// The debugger's console without its terminal: lines in, text out. The front end gives it a terminal, scripts, or
// neither (gdb's `monitor` shares the commands, not the console).
#pragma once

#include "bus/error.hpp"
#include "debugger/command.hpp"
#include "debugger/control/stop.hpp"

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace glassbox {

class Debugger;

class Console {
  public:
    explicit Console(Debugger& debugger) : debugger_(debugger) {}

    Debugger& debugger() { return debugger_; }

    /// What a newcomer reads first, and what to do next: three lines.
    std::string welcome() const;
    static constexpr std::string_view prompt = "(glassbox) ";

    /// Executes a line as it was typed; an empty one repeats the last command that goes or looks on. Returns what the
    /// user reads: complete lines, errors included.
    std::string execute(std::string_view line);
    /// Executes the next command that waits (of scripts and breakpoints): it is shown behind the prompt before what it
    /// prints. To be called while the machine stands.
    std::string execute_next();
    bool has_waiting() const { return !waiting_.empty(); }
    /// Ctrl-C: nothing waits any more.
    void drop_waiting() { waiting_.clear(); }
    /// Puts the lines of a file before what waits already. The error names the file.
    Expected<> source(const std::string& path);
    /// Behind what waits already.
    void add_waiting(std::string line) { waiting_.push_back({std::move(line), {}, 0}); }
    /// What the user reads when the machine has stopped: where, why, and the lines of `display`.
    std::string report_stop();

    /// A command of a script failed: what was waiting is dropped. Taken by asking.
    bool take_script_failure() { return std::exchange(script_failed_, false); }
    bool quit_requested() const { return quit_; }
    /// What could stand in the place of the last word of `line`, sorted.
    std::vector<std::string> complete(std::string_view line);

    // --- for the commands of debugger/console ------------------------------------------------------------------------
    void quit() { quit_ = true; }
    unsigned add_display(std::string command);
    bool remove_display(unsigned number);
    const std::map<unsigned, std::string>& displays() const { return displays_; }
    /// `line` may be several, separated by semicolons or ends of lines.
    Expected<> add_alias(const std::string& name, const std::string& line);
    const std::map<std::string, std::string>& aliases() const { return aliases_; }
    /// The lines that come now, up to "end", are the alias.
    Expected<> begin_definition(const std::string& name);

  private:
    /// A line that waits, where it stands ("boot.gbd:3"), and how many aliases led to it.
    struct Waiting {
        std::string line, place;
        unsigned depth = 0;
    };

    std::string execute_line(std::string_view line, unsigned depth, bool& good);
    Expected<> expand_alias(std::string_view line, std::vector<std::string>& lines) const;
    /// True: the line belongs to a definition.
    bool take_definition(std::string_view line);

    Debugger& debugger_;
    std::deque<Waiting> waiting_;
    std::optional<std::pair<std::string, std::string>> definition_; ///< name and lines, while there is no end
    std::string last_;                                              ///< what an empty line repeats
    std::map<unsigned, std::string> displays_;
    unsigned next_display_ = 1;
    std::map<std::string, std::string> aliases_;
    bool quit_ = false, script_failed_ = false;
};

} // namespace glassbox
