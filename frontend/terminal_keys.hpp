// What a terminal sends for keys, turned back into keys.
#pragma once

#include "machine/input.hpp"

#include <span>
#include <string>
#include <vector>

namespace glassbox {

class TerminalKeys {
  public:
    enum class Command : u8 { none, quit, power_button, reset, redraw, debug };
    struct Result {
        std::vector<KeyInput> keys;
        std::vector<Command> commands;
    };

    /// Bytes as they were read. An escape sequence may be split between two calls.
    Result feed(std::span<const u8> bytes);
    /// Nothing has come for a while: a lone ESC was the Escape key.
    Result settle();
    bool waiting() const { return !pending_.empty(); }

  private:
    bool take_one(Result& result);
    void take_command(u8 byte, Result& result);

    std::string pending_;
    bool prefix_ = false; ///< Ctrl+] was pressed
};

} // namespace glassbox
