// The VGA's registers (IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem"), the Bochs VBE ones behind
// ports 1CEh and 1D0h, and what a text screen shows.
#include "debugger/devices/sheet.hpp"
#include "debugger/devices/show.hpp"
#include "machine/board.hpp"

#include <array>

namespace glassbox {

namespace {

constexpr std::array sequencer_names{"reset", "clocking mode", "map mask", "character map", "memory mode"};
constexpr std::array crtc_names{
    "horizontal total",     "horizontal display end", "start horiz. blanking", "end horiz. blanking",
    "start horiz. retrace", "end horiz. retrace",     "vertical total",        "overflow",
    "preset row scan",      "maximum scan line",      "cursor start",          "cursor end",
    "start address high",   "start address low",      "cursor location high",  "cursor location low",
    "vert. retrace start",  "vert. retrace end",      "vert. display end",     "offset",
    "underline location",   "start vert. blanking",   "end vert. blanking",    "mode control",
    "line compare"};
constexpr std::array graphics_names{"set/reset",     "enable set/reset",  "colour compare",
                                    "data rotate",   "read map select",   "graphics mode",
                                    "miscellaneous", "colour don't care", "bit mask"};
constexpr std::array attribute_names{"mode control", "overscan colour", "colour plane enable", "horiz. PEL panning",
                                     "colour select"};

std::string size_text(u64 width, u64 height) { return std::to_string(width) + "x" + std::to_string(height); }

/// What the screen shows, in a line.
std::string mode_words(const Vga& vga) {
    const VgaRegisters& r = vga.registers();
    const Vbe& vbe = vga.vbe();
    if (vbe.enabled())
        return "VBE " + size_text(vbe.width(), vbe.height()) + ", " + std::to_string(vbe.depth()) + " bits per pixel";
    if (!r.graphics_mode()) {
        const unsigned height = r.max_scan() + 1;
        return "text " + size_text(r.columns(), r.displayed_lines() / height / (r.double_scan() ? 2 : 1)) +
               ", characters of " + size_text(r.character_dots(), height);
    }
    const unsigned lines = r.displayed_lines() / (r.max_scan() + 1) / (r.double_scan() ? 2 : 1);
    if (r.shift_256())
        return "graphics " + size_text(u64{r.columns()} * 4, lines) + ", 256 colours" +
               (r.chain4() ? ", chain 4" : ", unchained");
    if (r.shift_interleaved()) return "graphics " + size_text(u64{r.columns()} * 8, lines) + ", CGA 4 colours";
    return "graphics " + size_text(u64{r.columns()} * 8, lines) + ", 16 colours in planes";
}

/// Registers of one index and data pair, two to a line.
template <class Names> void show_indexed(Sheet& sheet, const Names& names, const u8* values) {
    constexpr std::size_t column = 46;
    for (std::size_t i = 0; i < names.size(); i += 2) {
        const auto cell = [&](std::size_t n) {
            std::string name = hex_digits(n, 2) + " " + names[n];
            name.resize(30, ' ');
            return "  " + name + hex_digits(values[n], 2);
        };
        std::string text = cell(i);
        text.resize(column, ' ');
        if (i + 1 < names.size()) text += cell(i + 1);
        sheet.line(text);
    }
}

/// The same one to a line, with what each says.
template <class Names, class Words>
void show_decoded(Sheet& sheet, const Names& names, const u8* values, std::size_t first, const Words& words) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        std::string text = "  ";
        text.append(hex_digits(first + i, 2)).append(" ").append(names[i]);
        text.resize(32, ' ');
        text += hex_digits(values[i], 2);
        const std::string meaning = words(first + i, values[i]);
        if (!meaning.empty()) text.append("  ").append(meaning);
        sheet.line(text);
    }
}

std::string planes(u8 mask) { return number_list(mask & 15u, "plane "); }

std::string sequencer_words(std::size_t index, u8 value) {
    switch (index) {
    case 0: return (value & 3) == 3 ? "running" : "held in reset";
    case 1:
        return bit_names(
            value,
            {{1, "8 dots a character", "9 dots a character"}, {8, "dot clock / 2"}, {0x20, "screen off", "screen on"}},
            ", ");
    case 2: return "written: " + planes(value);
    case 3: // bits 5, 3, 2 and 4, 1, 0 (the high bit apart)
        return "font A " + std::to_string((value >> 2 & 3) | (value >> 3 & 4)) + ", font B " +
               std::to_string((value & 3) | (value >> 2 & 4));
    default: return bit_names(value, {{2, "256K", "64K"}, {4, "sequential", "odd/even"}, {8, "chain 4"}}, ", ");
    }
}

std::string graphics_words(std::size_t index, u8 value) {
    constexpr std::array functions{"replace", "AND", "OR", "XOR"};
    constexpr std::array windows{"A0000h-BFFFFh", "A0000h-AFFFFh", "B0000h-B7FFFh", "B8000h-BFFFFh"};
    switch (index) {
    case 0:
    case 1: return planes(value);
    case 3: return "rotate by " + std::to_string(value & 7) + ", " + functions[value >> 3 & 3];
    case 4: return "plane " + std::to_string(value & 3);
    case 5:
        return "write mode " + std::to_string(value & 3) + ", " +
               bit_names(value,
                         {{8, "read mode 1", "read mode 0"},
                          {0x10, "odd/even reads"},
                          {0x20, "interleaved shift (CGA)"},
                          {0x40, "256-colour shift"}},
                         ", ");
    case 6:
        return bit_names(value, {{1, "graphics", "text"}, {2, "odd/even chained"}}, ", ") + ", " +
               windows[value >> 2 & 3];
    case 7: return "compared: " + planes(value);
    case 8: return value == 0xFF ? "all bits" : value == 0 ? "the latches alone" : "";
    default: return "";
    }
}

std::string attribute_words(std::size_t index, u8 value) {
    switch (index) {
    case 0x10:
        return bit_names(value,
                         {{1, "graphics", "text"},
                          {2, "monochrome"},
                          {4, "line graphics"},
                          {8, "blinking", "16 backgrounds"},
                          {0x20, "panning stops at the line compare"},
                          {0x40, "256 colours"},
                          {0x80, "P5 P4 from colour select"}},
                         ", ");
    case 0x12: return planes(value);
    default: return "";
    }
}

/// What the CRT controller's registers of bits say; the others are numbers.
void show_crtc_bits(Sheet& sheet, const VgaRegisters& r) {
    sheet.line("  vertical      " + std::to_string(r.vertical_total()) + " lines, " +
               std::to_string(r.displayed_lines()) + " shown, retrace from line " + std::to_string(r.retrace_start()));
    sheet.line("  09 says       " + bit_names(r.crtc[9], {{0x80, "double scan", "no double scan"}}) + ", rows of " +
               std::to_string(r.max_scan() + 1) + " lines");
    sheet.line("  11 says       " + bit_names(r.crtc[0x11],
                                              {{0x80, "00-07 protected", "00-07 writable"},
                                               {0x20, "vertical interrupt off", "vertical interrupt on"},
                                               {0x10, {}, "held clear"}},
                                              ", "));
    sheet.line("  14 says       underline in line " + std::to_string(r.crtc[0x14] & 31) +
               ((r.crtc[0x14] & 0x20) ? ", count by 4" : "") + ((r.crtc[0x14] & 0x40) ? ", doubleword addresses" : ""));
    sheet.line("  17 says       " + bit_names(r.crtc[0x17],
                                              {{0x80, "sync on", "sync off"},
                                               {0x40, "byte addresses", "word addresses"},
                                               {0x08, "count by 2"},
                                               {0x01, {}, "CGA rows of 2 banks"},
                                               {0x02, {}, "rows of 4 banks"}},
                                              ", "));
}

void show_vbe(Sheet& sheet, const Vbe& vbe) {
    sheet.title("Bochs VBE (ports 1CEh index, 1D0h data), index " + hexh(vbe.read_index()));
    constexpr std::array names{"id",         "xres",        "yres",     "bpp",      "enable",    "bank",
                               "virt_width", "virt_height", "x_offset", "y_offset", "memory 64K"};
    for (u16 i = 0; i < names.size(); ++i) {
        const u16 value = vbe.read(i);
        std::string words = i >= 1 && i <= 10 ? std::to_string(value) : "";
        if (i == Vbe::enable)
            words = bit_names(
                value, {{1, "ENABLED", "off: VGA"}, {0x20, "8-bit DAC"}, {0x40, "LFB"}, {0x80, "NOCLEARMEM"}}, ", ");
        sheet.row(names[i], value, 4, words);
    }
}

} // namespace

void show_vga(const Board& board, std::string& out) {
    const Vga& vga = board.vga;
    const VgaRegisters& r = vga.registers();
    Sheet sheet(out);
    sheet.title("VGA: " + mode_words(vga));
    sheet.row("misc. output", r.misc_output, 2,
              bit_names(r.misc_output,
                        {{1, "CRTC at 3D4h", "CRTC at 3B4h"},
                         {2, "RAM on", "RAM off"},
                         {0x40, "HSYNC -", "HSYNC +"},
                         {0x80, "VSYNC -", "VSYNC +"}},
                        ", ") +
                  ((r.misc_output >> 2 & 3) == 1   ? ", 28 MHz clock"
                   : (r.misc_output >> 2 & 3) == 0 ? ", 25 MHz clock"
                                                   : ", external clock"));
    sheet.row("feature control", r.feature_control, 2);
    const auto status = [&](u16 port) { return board.ports.peek(Port{port}, 1).value_or(0); };
    const u64 status1 = status(r.colour_ports() ? 0x3DA : 0x3BA);
    sheet.row("input status 0", status(0x3C2), 2,
              bit_names(status(0x3C2), {{0x80, "vertical interrupt pending"}, {0x10, "monitor sensed"}}, ", "));
    sheet.row("input status 1", status1, 2,
              bit_names(status1, {{1, "blanked", "in the picture"}, {8, "vertical retrace"}}, ", "));
    constexpr std::array windows{"A0000h-BFFFFh", "A0000h-AFFFFh", "B0000h-B7FFFh", "B8000h-BFFFFh"};
    sheet.row("memory window", windows[r.memory_map()]);
    sheet.row("start address", r.start_address(), 4, "offset of a row " + std::to_string(r.row_offset()));
    sheet.row("cursor", r.cursor_address(), 4,
              (r.crtc[0x0A] & 0x20)
                  ? "off"
                  : "on, scan lines " + std::to_string(r.crtc[0x0A] & 31) + "-" + std::to_string(r.crtc[0x0B] & 31));
    sheet.row("write mode", std::to_string(r.write_mode()), "read mode " + std::to_string(r.read_mode_1() ? 1 : 0));
    sheet.row("latches", r.latches, 8, "planes 3 2 1 0");
    sheet.title("Sequencer (3C4h), index " + hexh(r.sequencer_index));
    show_decoded(sheet, sequencer_names, r.sequencer.data(), 0, sequencer_words);
    sheet.title("CRT controller (" + std::string(r.colour_ports() ? "3D4h" : "3B4h") + "), index " +
                hexh(r.crtc_index) + ((r.crtc[0x11] & 0x80) ? ", registers 00-07 protected" : ""));
    show_indexed(sheet, crtc_names, r.crtc.data());
    show_crtc_bits(sheet, r);
    sheet.title("Graphics controller (3CEh), index " + hexh(r.graphics_index));
    show_decoded(sheet, graphics_names, r.graphics.data(), 0, graphics_words);
    sheet.title("Attribute controller (3C0h), index " + hexh(r.attribute_index & 0x1Fu) +
                ((r.attribute_index & 0x20) ? ", screen on" : ", screen off (PAS)") +
                (r.attribute_data_next ? ", data next" : ", index next"));
    sheet.line("  palette 00-0F  " + byte_list(std::span(r.attribute).first(16)));
    show_decoded(sheet, attribute_names, r.attribute.data() + 16, 16, attribute_words);
    sheet.title("DAC: PEL mask " + hexh(r.pel_mask, 2) + ", read index " + hexh(r.dac_read_index, 2) +
                ", write index " + hexh(r.dac_write_index, 2) + " (vga dac lists the colours)");
    show_vbe(sheet, vga.vbe());
}

void show_vga_dac(const Board& board, std::string& out) {
    Sheet sheet(out);
    sheet.title("DAC colours: red green blue, " + std::string(board.vga.vbe().dac_is_8bit() ? "8" : "6") +
                " bits each");
    const auto& dac = board.vga.registers().dac;
    for (unsigned row = 0; row < 256; row += 8) {
        std::string text = "  " + hex_digits(row, 2) + " ";
        for (unsigned i = row; i < row + 8; ++i)
            text += "  " + hex_digits(u64{dac[i][0]} << 16 | u64{dac[i][1]} << 8 | dac[i][2], 6);
        sheet.line(text);
    }
}

void show_screen(const Board& board, std::string& out) {
    Sheet sheet(out);
    TextScreen screen;
    if (!board.vga.text_screen(screen)) return sheet.line("The screen shows graphics: " + mode_words(board.vga));
    sheet.line("Screen: " + mode_words(board.vga) +
               (screen.cursor_visible ? ", cursor at column " + std::to_string(screen.cursor_column) + ", row " +
                                            std::to_string(screen.cursor_row)
                                      : ", no cursor"));
    std::string text = screen.text();
    while (!text.empty() && text.back() == '\n') text.pop_back();
    if (text.empty()) return sheet.line("(blank)");
    sheet.line(text);
}

} // namespace glassbox
