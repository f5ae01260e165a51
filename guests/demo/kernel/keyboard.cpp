// The keyboard controller hands over a scan code at port 60h: the number of a key when it goes down, the same with bit
// 7 set when it comes up. What is printed on the key is not its business but ours (here: a US keyboard).
#include "keyboard.hpp"

#include "input.hpp"
#include "ports.hpp"

namespace {

constexpr u16 data_port = 0x60, status_port = 0x64;
constexpr u8 output_full = 0x01;

constexpr char plain[] = "\0\0331234567890-=\b\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
constexpr char shifted[] = "\0\033!@#$%^&*()_+\b\tQWERTYUIOP{}\n\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
constexpr u8 left_shift = 0x2A, right_shift = 0x36, caps_lock = 0x3A, released = 0x80;

bool shift, caps, extended;

bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

} // namespace

void keyboard_start() {
    while ((in8(status_port) & output_full) != 0) in8(data_port); // whatever the BIOS left behind
}

void keyboard_interrupt() {
    const u8 code = in8(data_port);
    if (code == 0xE0) { // the next code belongs to a key that the first PC did not have
        extended = true;
        return;
    }
    const u8 key = code & 0x7F;
    const bool down = (code & released) == 0;
    const bool was_extended = extended;
    extended = false;
    if (was_extended && key != 0x1C && key != 0x35)
        return; // of those, only Enter and / of the number block matter here
    if (key == left_shift || key == right_shift)
        shift = down;
    else if (key == caps_lock && down)
        caps = !caps;
    else if (down && key < sizeof(plain) - 1) {
        const bool upper = is_letter(plain[key]) ? shift != caps : shift;
        const char c = upper ? shifted[key] : plain[key];
        if (c != 0) input_character(c);
    }
}
