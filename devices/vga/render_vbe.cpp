// Pixels of the Bochs VBE modes: 4 (planar) and 8 bits through the palette, 15 to 32 bits direct. The registers are
// clamped to the memory when written; rows that still leave it (in 24-bit modes by a few bytes) read as black.
#include "devices/vga/vga.hpp"

namespace glassbox {

namespace {
u32 widen(u32 value, unsigned bits) { return value << (8 - bits) | value >> (2 * bits - 8); }

u32 direct_colour(const u8* at, unsigned depth) {
    const u32 low = at[0] | at[1] << 8;
    switch (depth) {
    case 15: return widen((low >> 10) & 31, 5) << 16 | widen((low >> 5) & 31, 5) << 8 | widen(low & 31, 5);
    case 16: return widen(low >> 11, 5) << 16 | widen((low >> 5) & 63, 6) << 8 | widen(low & 31, 5);
    default: return low | u32{at[2]} << 16;
    }
}
} // namespace

void Vga::render_vbe(Frame& frame) const {
    frame.width = vbe_.width();
    frame.height = vbe_.height();
    frame.tall_pixels = frame.width <= 640 && frame.height <= 400 && frame.width * 3 != frame.height * 4;
    frame.pixels.assign(std::size_t{frame.width} * frame.height, 0);
    std::array<u32, 256> dac;
    fill_dac(dac);
    std::array<u32, 16> palette;
    fill_palette(palette);
    const unsigned depth = vbe_.depth(), bytes = depth == 4 ? 0 : (depth + 7) / 8;
    for (unsigned y = 0; y < frame.height; ++y) {
        const u64 row = (u64{vbe_.first_y()} + y) * vbe_.pitch();
        u32* out = frame.pixels.data() + std::size_t{y} * frame.width;
        for (unsigned x = 0; x < frame.width; ++x) {
            const u64 column = u64{vbe_.first_x()} + x;
            if (depth == 4) {
                const u32 planes = memory_.planes(row + column / 8) >> (7 - column % 8);
                out[x] = palette[(planes & 1) | ((planes >> 8) & 1) << 1 | ((planes >> 16) & 1) << 2 |
                                 ((planes >> 24) & 1) << 3];
                continue;
            }
            const u64 at = row + column * bytes;
            if (at + bytes > memory_.size()) break;
            const u8* pixel = memory_.data() + at;
            out[x] = depth == 8 ? dac[*pixel] : direct_colour(pixel, depth);
        }
    }
}

} // namespace glassbox
