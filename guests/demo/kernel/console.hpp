// Output: everything the kernel says goes to the VGA text screen and to the first serial port at once.
#pragma once

#include "types.hpp"

enum class Color : u8 {
    black,
    blue,
    green,
    cyan,
    red,
    magenta,
    brown,
    grey,
    dark_grey,
    light_blue,
    light_green,
    light_cyan,
    light_red,
    pink,
    yellow,
    white
};

void console_start();
void clear_screen();
void set_color(Color color);

void put(char c);
void print(const char* text);
/// Number formatting by type, so that no format string can be wrong.
void print_number(u32 value);
void print_hex(u32 value, u32 digits = 8);
void print_padded(const char* text, u32 width);
/// At most `count` characters: for texts that hardware fills up with spaces.
void print_part(const char* text, u32 count);

/// The bottom line of the screen belongs to the tasks: cell 0-3, 20 characters each.
void status_cell(u32 cell, const char* text);
/// While the screen shows a picture, the tasks must not write into it.
void show_status(bool shown);

constexpr u32 screen_columns = 80, screen_rows = 25, text_rows = 24;
