// Leaving text mode and coming back: everything a VGA needs to show text, saved and restored.
#pragma once

#include "../kernel/types.hpp"

struct VgaTextMode {
    u8 misc, sequencer[5], crtc[25], graphics[9], attribute[21];
    u8 palette[64 * 3];
    u8 font[256 * 32];
    u16 cells[80 * 25];
};

void save_text_mode(VgaTextMode& saved);
void restore_text_mode(const VgaTextMode& saved);
