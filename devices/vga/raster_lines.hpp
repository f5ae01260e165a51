// The CRT controller's counters, line by line (IBM PS/2 Technical Reference, "CRT Controller"): row scan, address
// counter, double scanning, start address, preset row scan, line compare. Shared by the text and graphics renderers.
#pragma once

#include "devices/vga/vga.hpp"

namespace glassbox {

/// Calls `line(y, counter, row_scan, split)` for every displayed scan line; `counter` is the address counter at the
/// row's start, `split` is true below the line compare.
template <class F> void Vga::for_each_line(F&& line) const {
    const unsigned lines = r_.displayed_lines(), max_scan = r_.max_scan(), compare = r_.line_compare();
    const u32 byte_pan = (r_.crtc[8] >> 5) & 3;
    u32 counter = r_.start_address();
    u32 pan = byte_pan;
    unsigned row_scan = r_.crtc[8] & 0x1F;
    bool split = false, repeated = false;
    for (unsigned y = 0; y < lines; ++y) {
        line(y, counter + pan, row_scan, split);
        if (y == compare) {
            counter = 0;
            row_scan = 0;
            repeated = false;
            split = true;
            if ((r_.attribute[0x10] & 0x20) != 0) pan = 0;
        } else if (r_.double_scan() && !repeated) {
            repeated = true;
        } else {
            repeated = false;
            if (row_scan == max_scan) {
                row_scan = 0;
                counter += r_.row_offset();
            } else {
                row_scan = (row_scan + 1) & 0x1F;
            }
        }
    }
}

} // namespace glassbox
