// Where the beam is, from the time and the programmed raster (IBM PS/2 Technical Reference, input status registers).
// Bit 0 of input status 1 is "display not enabled", bit 3 "vertical retrace". VBE modes run at 60 Hz with a fixed
// blanking: their CRT timing is not programmed.
#include "devices/vga/vga.hpp"

namespace glassbox {

Vga::Raster Vga::raster() const {
    Raster t{};
    if (vbe_.enabled()) {
        t.shown_dots = vbe_.width();
        t.shown_lines = vbe_.height();
        t.line_dots = t.shown_dots + 160;
        t.lines = t.shown_lines + 45;
        t.retrace_start = t.shown_lines + 10;
        t.retrace_end = t.retrace_start + 2;
        t.clock = t.line_dots * t.lines * 60;
        return t;
    }
    const u64 character = r_.character_dots() * ((r_.sequencer[1] & 8) != 0 ? 2u : 1u);
    t.clock = ((r_.misc_output >> 2) & 3) == 1 ? 28'322'000 : 25'175'000;
    t.line_dots = (r_.crtc[0] + 5u) * character;
    t.shown_dots = r_.columns() * character;
    t.lines = r_.vertical_total();
    t.shown_lines = r_.displayed_lines();
    t.retrace_start = r_.retrace_start();
    // The end is given by four bits of the line counter only.
    const u64 end_bits = (r_.crtc[0x11] & 0x0Fu) * r_.line_factor(), span = 16 * r_.line_factor();
    t.retrace_end = t.retrace_start / span * span + end_bits;
    if (t.retrace_end <= t.retrace_start) t.retrace_end += span;
    return t;
}

u64 Vga::frames() const {
    const Raster t = raster();
    return ticks_in(scheduler_.now(), t.clock) / (t.line_dots * t.lines);
}

u64 Vga::retraces() const {
    const Raster t = raster();
    const u64 line = ticks_in(scheduler_.now(), t.clock) / t.line_dots;
    return line / t.lines + (line % t.lines >= t.retrace_start ? 1 : 0);
}

u8 Vga::input_status_0() const {
    // Bit 7: a vertical retrace has begun since its interrupt was cleared. Bit 4: a monitor is sensed.
    const bool pending = (r_.crtc[0x11] & 0x10) != 0 && retraces() > retraces_seen_;
    return static_cast<u8>(0x10 | (pending ? 0x80 : 0));
}

u8 Vga::input_status_1() const {
    const Raster t = raster();
    const u64 dot = ticks_in(scheduler_.now(), t.clock);
    const u64 line = dot / t.line_dots % t.lines;
    u8 status = 0;
    if (line >= t.shown_lines || dot % t.line_dots >= t.shown_dots) status |= 0x01;
    if (line >= t.retrace_start && line < t.retrace_end) status |= 0x08;
    return status;
}

} // namespace glassbox
