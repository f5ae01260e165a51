// Pixels of the graphics modes: serializer formats (graphics controller, mode register), address wiring (CRT mode
// control and underline location), attribute palette, colour select, DAC (IBM PS/2 Technical Reference).
#include "devices/vga/raster_lines.hpp"

#include <algorithm>

namespace glassbox {

namespace {
u32 rgb(u32 red, u32 green, u32 blue) { return red << 16 | green << 8 | blue; }
bool is_tall(unsigned width, unsigned height) { return width * 3 != height * 4; }
} // namespace

void Vga::fill_dac(std::array<u32, 256>& colours) const {
    const bool wide = vbe_.dac_is_8bit();
    const auto level = [wide](u8 v) { return wide ? u32{v} : (u32{v} & 0x3F) << 2 | (u32{v} & 0x3F) >> 4; };
    for (unsigned i = 0; i < 256; ++i) {
        const auto& colour = r_.dac[i & r_.pel_mask];
        colours[i] = rgb(level(colour[0]), level(colour[1]), level(colour[2]));
    }
}

u8 Vga::dac_index(u8 pixel) const {
    unsigned index = r_.attribute[pixel & 0x0F];
    if ((r_.attribute[0x10] & 0x80) != 0) index = (index & 0x0F) | (r_.attribute[0x14] & 3u) << 4;
    return static_cast<u8>((index & 0x3F) | (r_.attribute[0x14] & 0x0Cu) << 4);
}

void Vga::fill_palette(std::array<u32, 16>& colours) const {
    std::array<u32, 256> dac;
    fill_dac(dac);
    for (u8 i = 0; i < 16; ++i) colours[i] = dac[dac_index(i)];
}

bool Vga::blanked() const {
    return (r_.sequencer[1] & 0x20) != 0 || (r_.attribute_index & 0x20) == 0 || (r_.crtc[0x17] & 0x80) == 0;
}

/// The byte address in the planes for a value of the address counter.
u32 Vga::display_address(u32 counter, unsigned row_scan) const {
    if (r_.chain4()) return counter & 0xFFFF; // packed, see vga.hpp
    u32 address = counter;
    if ((r_.crtc[0x14] & 0x40) != 0) { // doubleword
        address = (counter << 2) | ((counter >> 14) & 3);
    } else if ((r_.crtc[0x17] & 0x40) == 0) { // word
        address = (counter << 1) | ((counter >> ((r_.crtc[0x17] & 0x20) != 0 ? 15 : 13)) & 1);
    }
    // The CGA's and Hercules' interleaved rows.
    if ((r_.crtc[0x17] & 1) == 0) address = (address & ~0x2000u) | (row_scan & 1) << 13;
    if ((r_.crtc[0x17] & 2) == 0) address = (address & ~0x4000u) | ((row_scan >> 1) & 1) << 14;
    return address & 0xFFFF;
}

/// Eight dots for each character clock, four in the 256-colour format.
void Vga::fetch_line(u32 counter, unsigned row_scan, unsigned characters, u8* pixels) const {
    const unsigned shift = (r_.crtc[0x14] & 0x20) != 0 ? 2 : (r_.crtc[0x17] & 8) != 0 ? 1 : 0;
    for (unsigned c = 0; c < characters; ++c) {
        const u32 planes = memory_.planes(display_address(counter + (c >> shift), row_scan));
        if (r_.shift_256()) {
            for (unsigned i = 0; i < 4; ++i) *pixels++ = static_cast<u8>(planes >> (8 * i));
        } else if (r_.shift_interleaved()) {
            for (unsigned i = 0; i < 8; ++i) {
                const u32 pair = i < 4 ? planes : planes >> 8; // planes 0 and 2, then 1 and 3
                const unsigned at = 6 - 2 * (i & 3);
                *pixels++ = static_cast<u8>(((pair >> at) & 3) | ((pair >> (16 + at)) & 3) << 2);
            }
        } else {
            for (unsigned at = 8; at-- > 0;) {
                *pixels++ = static_cast<u8>(((planes >> at) & 1) | ((planes >> (8 + at)) & 1) << 1 |
                                            ((planes >> (16 + at)) & 1) << 2 | ((planes >> (24 + at)) & 1) << 3);
            }
        }
    }
}

void Vga::render_graphics(Frame& frame) const {
    // Repeated lines are shown once: a 320x200 mode gives 320x200 pixels.
    const bool interleaved = (r_.crtc[0x17] & 3) != 3;
    const unsigned factor = (r_.double_scan() ? 2 : 1) * (interleaved ? 1 : r_.max_scan() + 1);
    const bool bytes = r_.shift_256();
    const unsigned characters = r_.columns();
    frame.width = characters * (bytes ? 4 : 8);
    frame.height = std::max(1u, r_.displayed_lines() / factor);
    frame.tall_pixels = is_tall(frame.width, frame.height);
    frame.pixels.assign(std::size_t{frame.width} * frame.height, 0);

    std::array<u32, 256> dac;
    fill_dac(dac);
    std::array<u32, 256> colours = dac;
    if (!bytes) {
        const bool blink = (r_.attribute[0x10] & 8) != 0 && ((frames() / 16) & 1) != 0;
        for (unsigned i = 0; i < 256; ++i) {
            const unsigned plane_enabled = i & r_.attribute[0x12] & 0x0F;
            colours[i] = dac[dac_index(static_cast<u8>(blink ? plane_enabled ^ 8 : plane_enabled))];
        }
    }
    const unsigned raw_pan = r_.attribute[0x13] & 7;
    std::vector<u8> line(std::size_t{characters + 1} * 8);
    for_each_line([&](unsigned y, u32 counter, unsigned row_scan, bool split) {
        if (y % factor != 0 || y / factor >= frame.height) return;
        unsigned pan = bytes ? raw_pan / 2 : raw_pan;
        if (split && (r_.attribute[0x10] & 0x20) != 0) pan = 0;
        fetch_line(counter, row_scan, characters + 1, line.data());
        u32* out = frame.pixels.data() + std::size_t{y / factor} * frame.width;
        for (unsigned x = 0; x < frame.width; ++x) out[x] = colours[line[x + pan]];
    });
}

void Vga::render(Frame& frame) const {
    if (vbe_.enabled()) {
        render_vbe(frame);
    } else if ((r_.crtc[0x17] & 0x80) == 0) { // no retrace pulses: a monitor shows nothing
        frame.width = 720;
        frame.height = 400;
        frame.tall_pixels = true;
        frame.pixels.assign(std::size_t{720} * 400, 0);
    } else if (r_.graphics_mode()) {
        render_graphics(frame);
    } else {
        render_text(frame);
    }
    if (!vbe_.enabled() && blanked()) {
        // With the palette in the processor's hands the border colour fills the screen; switched off, it is black.
        u32 colour = 0;
        if ((r_.sequencer[1] & 0x20) == 0 && (r_.crtc[0x17] & 0x80) != 0) {
            std::array<u32, 256> dac;
            fill_dac(dac);
            colour = dac[r_.attribute[0x11]];
        }
        std::fill(frame.pixels.begin(), frame.pixels.end(), colour);
    }
}

} // namespace glassbox
