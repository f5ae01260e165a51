// The PS/2 keyboard.
#pragma once

void keyboard_start();
/// Called by interrupt 1: fetches one scan code.
void keyboard_interrupt();
