// Characters typed by the user, whether on the keyboard or over the serial port, in one queue.
#pragma once

/// From an interrupt handler: adds a character and wakes the shell.
void input_character(char c);
/// Waits for a character; other tasks run in the meantime.
char read_character();
