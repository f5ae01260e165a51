// A line of input at the terminal, edited by libedit: history, completion, and never waiting: the run loop polls.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

class LineEditor {
  public:
    /// What could stand in the place of the line's last word.
    using Complete = std::function<std::vector<std::string>(std::string_view line)>;

    /// Standard input and output are a terminal. `history` is the file that keeps lines between runs; empty: none.
    LineEditor(std::string prompt, Complete complete, std::string history);
    ~LineEditor();
    LineEditor(const LineEditor&) = delete;
    LineEditor& operator=(const LineEditor&) = delete;

    /// Shows the prompt, with what was typed before `suspend`, and takes the terminal.
    void begin();
    /// Gives the terminal back as it was; what was typed is kept for `begin`.
    void suspend();
    /// Drops what was typed.
    void clear();
    bool active() const;
    pollfd interest() const;
    /// Takes what was typed. A line when one is complete: the terminal is given back then.
    std::optional<std::string> service();
    /// End of input (Ctrl-D).
    bool ended() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace glassbox
