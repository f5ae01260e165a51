// What a display adapter shows, for whoever presents it: a window, a terminal, a screenshot, a script.
#pragma once

#include "bus/types.hpp"

#include <string>
#include <vector>

namespace glassbox {

struct Frame {
    unsigned width = 0, height = 0;
    std::vector<u32> pixels;  ///< 00RRGGBBh, row by row
    bool tall_pixels = false; ///< a 4:3 screen whose pixels are not square (320x200, 720x400 …): present it as 4:3
};

struct TextCell {
    u8 character = ' '; ///< code page 437
    u8 attribute = 7;
};

struct TextScreen {
    unsigned columns = 0, rows = 0;
    std::vector<TextCell> cells;
    bool cursor_visible = false;
    unsigned cursor_column = 0, cursor_row = 0;
    std::vector<u32> palette; ///< the 16 attribute colours, 00RRGGBBh

    /// The rows as UTF-8, trailing blanks removed.
    std::string text() const;
};

/// One character of code page 437 as UTF-8.
std::string cp437_to_utf8(u8 character);

class DisplaySource {
  public:
    virtual ~DisplaySource() = default;
    /// Renders what the screen shows now. Does not change the device's state.
    virtual void render(Frame& frame) const = 0;
    /// True, and the screen's text, while the adapter is in a text mode.
    virtual bool text_screen(TextScreen& screen) const = 0;
};

} // namespace glassbox
