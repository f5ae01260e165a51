// Painting by difference (ECMA-48: CUP, SGR, ED). A guest's screen larger than the terminal shows the part around its
// cursor; the terminal's last line, when there is one left, is the status line.
#include "frontend/terminal_painter.hpp"

#include <algorithm>
#include <array>

namespace glassbox {

namespace {

std::string goto_cell(unsigned row, unsigned column) {
    return "\x1b[" + std::to_string(row + 1) + ';' + std::to_string(column + 1) + 'H';
}

std::string rgb(u32 colour) {
    return std::to_string((colour >> 16) & 0xFF) + ';' + std::to_string((colour >> 8) & 0xFF) + ';' +
           std::to_string(colour & 0xFF);
}

/// CGA's colour order is blue, green, red; ANSI's red, green, blue.
constexpr std::array<unsigned, 8> ansi_of_cga = {0, 4, 2, 6, 1, 5, 3, 7};

unsigned ansi(unsigned colour, bool background) {
    return (background ? 40u : 30u) + ((colour & 8) != 0 ? 60u : 0u) + ansi_of_cga[colour & 7];
}

u32 palette_colour(const TextScreen& screen, unsigned index) {
    if (index < screen.palette.size()) return screen.palette[index];
    const u32 level = (index & 8) != 0 ? 0xFF : 0xAA;
    return ((index & 4) != 0 ? level << 16 : 0) | ((index & 2) != 0 ? level << 8 : 0) | ((index & 1) != 0 ? level : 0);
}

/// Where a window of `size` begins that shows `position` of `total`.
unsigned window_start(unsigned position, unsigned size, unsigned total) {
    if (total <= size || position < size) return 0;
    return std::min(position - size + 1, total - size);
}

/// The nearest of the 16 CGA colours, for terminals without 24-bit colour.
u8 nearest(u32 colour) {
    const unsigned r = (colour >> 16) & 0xFF, g = (colour >> 8) & 0xFF, b = colour & 0xFF;
    const unsigned most = std::max({r, g, b});
    if (most < 48) return 0;
    const unsigned half = most / 2;
    const unsigned bits = (r > half ? 4u : 0u) | (g > half ? 2u : 0u) | (b > half ? 1u : 0u);
    if (bits == 7 && most < 128) return 8;
    return static_cast<u8>(bits | (most > 200 ? 8u : 0u));
}

} // namespace

void TerminalPainter::resize(unsigned columns, unsigned rows) {
    if (columns == columns_ && rows == rows_) return;
    columns_ = std::max(columns, 1u);
    rows_ = std::max(rows, 1u);
    invalidate();
}

void TerminalPainter::append_colour(std::string& out, const Cell& cell) const {
    if (true_colour_) {
        out += "\x1b[38;2;" + rgb(cell.foreground) + ";48;2;" + rgb(cell.background) + 'm';
    } else {
        out += "\x1b[" + std::to_string(ansi(cell.attribute & 15u, false)) + ';' +
               std::to_string(ansi(cell.attribute >> 4, true)) + 'm';
    }
}

std::string TerminalPainter::difference(const std::vector<Cell>& cells, unsigned columns, unsigned rows) {
    std::string out;
    const bool all = shown_.size() != cells.size() || shown_columns_ != columns;
    if (all) {
        out += "\x1b[0m\x1b[2J";
        status_.clear();
    }
    const Cell* colour = nullptr;
    for (unsigned row = 0; row < rows; ++row) {
        bool placed = false;
        for (unsigned column = 0; column < columns; ++column) {
            const std::size_t i = std::size_t{row} * columns + column;
            if (!all && shown_[i] == cells[i]) {
                placed = false;
                continue;
            }
            if (!placed) out += goto_cell(row, column);
            placed = true;
            if (colour == nullptr || colour->foreground != cells[i].foreground ||
                colour->background != cells[i].background || colour->attribute != cells[i].attribute) {
                append_colour(out, cells[i]);
            }
            colour = &cells[i];
            out += cells[i].glyph;
        }
    }
    if (colour != nullptr) out += "\x1b[0m";
    shown_ = cells;
    shown_columns_ = columns;
    return out;
}

void TerminalPainter::append_status(std::string& out, const std::string& status) {
    if (status == status_) return;
    status_ = status;
    out += goto_cell(rows_ - 1, 0) + "\x1b[0;7m" + status.substr(0, columns_) + "\x1b[0m\x1b[K";
}

std::string TerminalPainter::paint(const TextScreen& screen, const std::string& status) {
    const unsigned columns = std::min(screen.columns, columns_), rows = std::min(screen.rows, rows_);
    const unsigned top = window_start(screen.cursor_row, rows, screen.rows);
    const unsigned left = window_start(screen.cursor_column, columns, screen.columns);
    std::vector<Cell> cells;
    cells.reserve(std::size_t{columns} * rows);
    for (unsigned row = 0; row < rows; ++row) {
        for (unsigned column = 0; column < columns; ++column) {
            const std::size_t i = std::size_t{top + row} * screen.columns + left + column;
            const TextCell cell = i < screen.cells.size() ? screen.cells[i] : TextCell{};
            cells.push_back({cp437_to_utf8(cell.character), palette_colour(screen, cell.attribute & 15u),
                             palette_colour(screen, cell.attribute >> 4), cell.attribute});
        }
    }
    std::string out = difference(cells, columns, rows);
    if (rows < rows_) append_status(out, status);
    std::string cursor = "\x1b[?25l";
    const bool visible = screen.cursor_visible && screen.cursor_row >= top && screen.cursor_row < top + rows;
    if (visible) {
        cursor = goto_cell(screen.cursor_row - top, std::min(screen.cursor_column - left, columns - 1)) + "\x1b[?25h";
    }
    // Anything that was painted has moved the terminal's cursor.
    if (!out.empty() || cursor != cursor_) out += cursor;
    cursor_ = cursor;
    return out;
}

std::string TerminalPainter::paint(const Frame& frame, const std::string& status) {
    const unsigned rows = rows_ > 1 ? rows_ - 1 : rows_, columns = columns_;
    std::vector<Cell> cells;
    const auto pixel = [&](unsigned column, unsigned line) {
        const std::size_t x = std::size_t{column} * frame.width / columns;
        const std::size_t y = std::size_t{line} * frame.height / (2 * rows);
        const std::size_t i = y * frame.width + x;
        return i < frame.pixels.size() ? frame.pixels[i] & 0xFFFFFF : 0u;
    };
    for (unsigned row = 0; row < rows; ++row) {
        for (unsigned column = 0; column < columns; ++column) {
            const u32 upper = pixel(column, 2 * row), lower = pixel(column, 2 * row + 1);
            const u8 attribute = true_colour_ ? u8{0} : static_cast<u8>(nearest(upper) | nearest(lower) << 4);
            cells.push_back({"▀", true_colour_ ? upper : 0u, true_colour_ ? lower : 0u, attribute});
        }
    }
    std::string out = difference(cells, columns, rows);
    if (rows < rows_) append_status(out, status);
    cursor_.clear();
    return out.empty() ? out : out + "\x1b[?25l";
}

} // namespace glassbox
