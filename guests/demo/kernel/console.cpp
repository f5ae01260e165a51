// The text screen is memory at B8000h: a character and an attribute for each of 80 x 25 cells. The serial port is a
// 16550 at 3F8h. Both show the same text, so the shell can be used from either side.
#include "console.hpp"

#include "ports.hpp"
#include "serial.hpp"
#include "text.hpp"

namespace {

struct Cell {
    char character;
    u8 attribute;
};

Cell* const screen = reinterpret_cast<Cell*>(0xB8000);
u32 row, column;
Color color = Color::grey;
bool status_hidden;

constexpr u16 crtc_index = 0x3D4, crtc_data = 0x3D5;

Cell blank() { return {' ', static_cast<u8>(color)}; }

/// The blinking cursor is drawn by the hardware; the CRT controller's registers 0Eh and 0Fh say where.
void move_cursor() {
    const u32 place = row * screen_columns + column;
    out8(crtc_index, 0x0E);
    out8(crtc_data, static_cast<u8>(place >> 8));
    out8(crtc_index, 0x0F);
    out8(crtc_data, static_cast<u8>(place));
}

/// Moves everything one row up. The status line below stays.
void scroll() {
    memmove(screen, screen + screen_columns, (text_rows - 1) * screen_columns * sizeof(Cell));
    for (u32 i = 0; i < screen_columns; ++i) screen[(text_rows - 1) * screen_columns + i] = blank();
}

void new_line() {
    column = 0;
    if (row + 1 == text_rows)
        scroll();
    else
        ++row;
}

void put_on_screen(char c) {
    if (c == '\n')
        new_line();
    else if (c == '\b') {
        if (column > 0) screen[row * screen_columns + --column] = blank();
    } else {
        if (column == screen_columns) new_line();
        screen[row * screen_columns + column++] = {c, static_cast<u8>(color)};
    }
    move_cursor();
}

} // namespace

void console_start() {
    serial_start();
    clear_screen();
    for (u32 cell = 0; cell < 4; ++cell) status_cell(cell, "");
}

void clear_screen() {
    for (u32 i = 0; i < text_rows * screen_columns; ++i) screen[i] = blank();
    row = column = 0;
    move_cursor();
}

void set_color(Color wanted) { color = wanted; }

void put(char c) {
    put_on_screen(c);
    if (c == '\n') serial_write('\r');
    if (c == '\b') { // a terminal's backspace only moves: overwrite the character too
        serial_write('\b');
        serial_write(' ');
    }
    serial_write(static_cast<u8>(c));
}

void print(const char* text) {
    while (*text != 0) put(*text++);
}

void print_number(u32 value) {
    char digits[10];
    u32 count = 0;
    do {
        digits[count++] = static_cast<char>('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count > 0) put(digits[--count]);
}

void print_hex(u32 value, u32 digits) {
    for (u32 i = digits; i-- > 0;) put("0123456789ABCDEF"[value >> (4 * i) & 15]);
}

void print_padded(const char* text, u32 width) {
    print(text);
    for (u32 i = length(text); i < width; ++i) put(' ');
}

void print_part(const char* text, u32 count) {
    for (u32 i = 0; i < count && text[i] != 0; ++i) put(text[i]);
}

void status_cell(u32 cell, const char* text) {
    constexpr u8 attributes[4] = {0x1F, 0x3F, 0x2F, 0x5F}; // white on blue, cyan, green, magenta
    if (cell >= 4 || status_hidden) return;
    Cell* place = screen + text_rows * screen_columns + cell * 20;
    for (u32 i = 0; i < 20; ++i) place[i] = {*text != 0 ? *text++ : ' ', attributes[cell]};
}

void show_status(bool shown) { status_hidden = !shown; }
