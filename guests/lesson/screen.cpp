// The text screen at B8000h, and the same text on COM1.
#include "guests/lesson/lesson.hpp"

namespace {

constexpr unsigned columns = 80, rows = 25;
u16* const cells = reinterpret_cast<u16*>(0xB8000);
unsigned column, row;

void new_line() {
    column = 0;
    if (++row < rows) return;
    row = rows - 1;
    for (unsigned i = 0; i < columns * (rows - 1); ++i) cells[i] = cells[i + columns];
    for (unsigned i = 0; i < columns; ++i) cells[columns * (rows - 1) + i] = 0x0720;
}

void put(char c) {
    constexpr u16 com1 = 0x3F8, line_status = com1 + 5;
    while ((in8(line_status) & 0x20) == 0) {
    } // the transmitter's holding register is full
    out8(com1, static_cast<u8>(c));
    if (c == '\n') return new_line();
    cells[row * columns + column] = static_cast<u16>(0x0700 | static_cast<u8>(c));
    if (++column == columns) new_line();
}

} // namespace

void clear_screen() {
    for (unsigned i = 0; i < columns * rows; ++i) cells[i] = 0x0720;
    column = row = 0;
}

void print(const char* text) {
    while (*text) put(*text++);
}

void print_number(unsigned number) {
    if (number >= 10) print_number(number / 10);
    put(static_cast<char>('0' + number % 10));
}

void panic(const char* why) {
    print("PANIC: ");
    print(why);
    print("\n");
    for (;;) asm volatile("cli; hlt");
}
