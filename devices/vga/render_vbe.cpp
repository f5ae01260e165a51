// Pixels of the Bochs VBE modes: 4 (planar) and 8 bits through the palette, 15 to 32 bits direct. The registers are
// clamped to the memory when written; rows that still leave it (in 24-bit modes by a few bytes) read as black.
#include "devices/vga/vga.hpp"

#include <algorithm>

namespace glassbox {

namespace {
constexpr u32 widen(u32 value, unsigned bits) { return value << (8 - bits) | value >> (2 * bits - 8); }
u32 word(const u8* at) { return static_cast<u32>(at[0] | at[1] << 8); }
u32 from_15(u32 v) { return widen((v >> 10) & 31, 5) << 16 | widen((v >> 5) & 31, 5) << 8 | widen(v & 31, 5); }
u32 from_16(u32 v) { return widen(v >> 11, 5) << 16 | widen((v >> 5) & 63, 6) << 8 | widen(v & 31, 5); }
u32 from_24(const u8* at) { return word(at) | u32{at[2]} << 16; }

/// One row of `count` pixels of `Bytes` each.
template <unsigned Bytes, class F> void convert(const u8* from, u32* to, u64 count, F&& colour) {
    for (u64 x = 0; x < count; ++x) to[x] = colour(from + x * Bytes);
}
} // namespace

void Vga::render_vbe(Frame& frame) const {
    frame.width = vbe_.width();
    frame.height = vbe_.height();
    frame.tall_pixels = frame.width <= 640 && frame.height <= 400 && frame.width * 3 != frame.height * 4;
    frame.pixels.assign(std::size_t{frame.width} * frame.height, 0);
    if ((r_.attribute_index & 0x20) == 0) return; // drivers blank the screen with the attribute controller's switch
    std::array<u32, 256> dac;
    fill_dac(dac);
    const unsigned depth = vbe_.depth();
    const u64 bytes = depth == 4 ? 0 : (depth + 7) / 8;
    for (unsigned y = 0; y < frame.height; ++y) {
        const u64 row = (u64{vbe_.first_y()} + y) * vbe_.pitch();
        u32* out = frame.pixels.data() + std::size_t{y} * frame.width;
        if (depth == 4) {
            render_vbe_planar(row, out, dac);
            continue;
        }
        const u64 start = row + vbe_.first_x() * bytes;
        if (start >= memory_.size()) break;
        const u64 count = std::min<u64>(frame.width, (memory_.size() - start) / bytes);
        const u8* from = memory_.data() + start;
        switch (depth) {
        case 8: convert<1>(from, out, count, [&](const u8* p) { return dac[*p]; }); break;
        case 15: convert<2>(from, out, count, [](const u8* p) { return from_15(word(p)); }); break;
        case 16: convert<2>(from, out, count, [](const u8* p) { return from_16(word(p)); }); break;
        case 24: convert<3>(from, out, count, from_24); break;
        default: convert<4>(from, out, count, from_24); break;
        }
    }
}

void Vga::render_vbe_planar(u64 row, u32* out, const std::array<u32, 256>& dac) const {
    for (unsigned x = 0; x < vbe_.width(); ++x) {
        const u64 column = u64{vbe_.first_x()} + x;
        const u32 planes = memory_.planes(row + column / 8) >> (7 - column % 8);
        const u32 pixel =
            (planes & 1) | ((planes >> 8) & 1) << 1 | ((planes >> 16) & 1) << 2 | ((planes >> 24) & 1) << 3;
        out[x] = dac[dac_index(static_cast<u8>(pixel))];
    }
}

} // namespace glassbox
