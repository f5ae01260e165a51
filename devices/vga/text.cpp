// The alphanumeric modes: characters in plane 0, attributes in plane 1, fonts in plane 2 (IBM PS/2 Technical
// Reference, "Alphanumeric modes", sequencer "character map select", attribute controller "mode control").
#include "devices/vga/raster_lines.hpp"

#include <algorithm>

namespace glassbox {

/// How many dots the picture is shifted to the left.
unsigned Vga::text_panning() const {
    const unsigned value = r_.attribute[0x13] & 0x0F;
    if (r_.character_dots() == 8) return value & 7;
    return value >= 8 ? 0 : value + 1;
}

u64 Vga::font_address(u8 attribute) const {
    const unsigned select = r_.sequencer[3];
    const unsigned map =
        (attribute & 8) != 0 ? ((select >> 2) & 3) | ((select >> 5) & 1) << 2 : (select & 3) | ((select >> 4) & 1) << 2;
    return (map & 3) * 0x4000u + (map >> 2) * 0x2000u;
}

void Vga::render_text(Frame& frame) const {
    const unsigned columns = r_.columns(), dots = r_.character_dots();
    frame.width = columns * dots;
    frame.height = r_.displayed_lines();
    frame.tall_pixels = frame.width * 3 != frame.height * 4;
    frame.pixels.assign(std::size_t{frame.width} * frame.height, 0);

    std::array<u32, 16> palette;
    fill_palette(palette);
    const unsigned mode = r_.attribute[0x10];
    const bool blinks = (mode & 8) != 0;
    const u64 frame_number = frames();
    const bool hidden_phase = ((frame_number / 16) & 1) != 0;
    const bool cursor_on = (r_.crtc[0x0A] & 0x20) == 0 && ((frame_number / 8) & 1) == 0;
    const unsigned cursor_first = r_.crtc[0x0A] & 0x1F, cursor_last = r_.crtc[0x0B] & 0x1F;
    const u32 cursor_at = (r_.cursor_address() + ((r_.crtc[0x0B] >> 5) & 3)) & 0xFFFF;
    const unsigned underline = r_.crtc[0x14] & 0x1F;
    const unsigned whole_pan = text_panning();

    std::vector<u32> line(std::size_t{columns + 1} * dots);
    for_each_line([&](unsigned y, u32 counter, unsigned row_scan, bool split) {
        u32* out = line.data();
        for (unsigned c = 0; c <= columns; ++c) {
            const u32 cell = memory_.planes(display_address(counter + c, row_scan));
            const auto character = static_cast<u8>(cell), attribute = static_cast<u8>(cell >> 8);
            unsigned bits = (memory_.planes(font_address(attribute) + character * 32u + row_scan) >> 16) & 0xFF;
            // The ninth dot is background, but for the line-drawing characters, which repeat the eighth.
            bits = bits << 1 | ((mode & 4) != 0 && (character & 0xE0) == 0xC0 ? bits & 1 : 0);
            if (row_scan == underline && (attribute & 7) == 1) bits = 0x1FF;
            if (blinks && (attribute & 0x80) != 0 && hidden_phase) bits = 0;
            const bool in_cursor = cursor_on && row_scan >= cursor_first && row_scan <= cursor_last;
            if (in_cursor && ((counter + c) & 0xFFFF) == cursor_at) bits = 0x1FF;
            const u32 foreground = palette[attribute & r_.attribute[0x12] & 0x0F];
            const u32 background = palette[(attribute >> 4) & r_.attribute[0x12] & (blinks ? 7u : 15u)];
            for (unsigned d = 0; d < dots; ++d) *out++ = (bits >> (8 - d)) & 1 ? foreground : background;
        }
        const unsigned pan = split && (mode & 0x20) != 0 ? 0 : std::min(whole_pan, dots);
        std::copy_n(line.data() + pan, frame.width, frame.pixels.data() + std::size_t{y} * frame.width);
    });
}

bool Vga::text_screen(TextScreen& screen) const {
    if (vbe_.enabled() || r_.graphics_mode()) return false;
    const unsigned height = (r_.max_scan() + 1) * (r_.double_scan() ? 2 : 1);
    screen.columns = r_.columns();
    screen.rows = std::max(1u, r_.displayed_lines() / height);
    screen.cells.assign(std::size_t{screen.columns} * screen.rows, TextCell{});
    std::array<u32, 16> palette;
    fill_palette(palette);
    screen.palette.assign(palette.begin(), palette.end());
    screen.cursor_visible = false;
    screen.cursor_column = screen.cursor_row = 0;
    const bool cursor = (r_.crtc[0x0A] & 0x20) == 0 && (r_.crtc[0x0A] & 0x1F) <= (r_.crtc[0x0B] & 0x1F);
    const bool blinks = (r_.attribute[0x10] & 8) != 0;
    for_each_line([&](unsigned y, u32 counter, unsigned, bool) {
        if (y % height != 0 || y / height >= screen.rows) return;
        const unsigned row = y / height;
        for (unsigned c = 0; c < screen.columns; ++c) {
            const u32 cell = memory_.planes(display_address(counter + c, 0));
            TextCell& shown = screen.cells[std::size_t{row} * screen.columns + c];
            shown.character = static_cast<u8>(cell);
            shown.attribute = static_cast<u8>((cell >> 8) & (blinks ? 0x7F : 0xFF));
            if (cursor && ((counter + c) & 0xFFFF) == r_.cursor_address()) {
                screen.cursor_visible = true;
                screen.cursor_row = row;
                screen.cursor_column = c;
            }
        }
    });
    return true;
}

} // namespace glassbox
