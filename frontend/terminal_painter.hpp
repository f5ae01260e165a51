// The guest's screen as escape sequences: only what differs from what the terminal shows already.
#pragma once

#include "devices/vga/frame.hpp"

#include <string>
#include <vector>

namespace glassbox {

class TerminalPainter {
  public:
    explicit TerminalPainter(bool true_colour) : true_colour_(true_colour) {}

    /// The terminal's size; a change paints everything again.
    void resize(unsigned columns, unsigned rows);
    void invalidate() { shown_.clear(); }

    std::string paint(const TextScreen& screen, const std::string& status);
    /// A graphics screen as half blocks, two pixels a character.
    std::string paint(const Frame& frame, const std::string& status);

  private:
    struct Cell {
        std::string glyph;
        u32 foreground = 0, background = 0;
        u8 attribute = 0; ///< for terminals with 16 colours
        bool operator==(const Cell&) const = default;
    };

    std::string difference(const std::vector<Cell>& cells, unsigned columns, unsigned rows);
    void append_colour(std::string& out, const Cell& cell) const;
    void append_status(std::string& out, const std::string& status);

    bool true_colour_;
    unsigned columns_ = 80, rows_ = 25;
    unsigned shown_columns_ = 0;
    std::vector<Cell> shown_; ///< empty: unknown, the terminal is cleared first
    std::string status_, cursor_;
};

} // namespace glassbox
