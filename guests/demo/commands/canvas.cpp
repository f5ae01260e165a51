// Shapes, all in whole numbers.
#include "canvas.hpp"

namespace {

u32 pixels[canvas_width * canvas_height];

int smaller(int a, int b) { return a < b ? a : b; }
int larger(int a, int b) { return a > b ? a : b; }

/// Which side of the line from `a` to `b` the point lies on: the sign of a cross product.
int side(Point a, Point b, Point p) { return (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x); }

} // namespace

u32* canvas_pixels() { return pixels; }

void set_pixel(int x, int y, u32 color) { pixels[y * canvas_width + x] = color; }

void blend_pixel(int x, int y, u32 color, u32 alpha) {
    if (x < 0 || x >= canvas_width || y < 0 || y >= canvas_height) return;
    u32& pixel = pixels[y * canvas_width + x];
    // Red and blue are far enough apart to be mixed in one multiplication.
    const u32 red_blue = ((pixel & 0xFF00FF) * (256 - alpha) + (color & 0xFF00FF) * alpha) >> 8 & 0xFF00FF;
    const u32 green = ((pixel & 0x00FF00) * (256 - alpha) + (color & 0x00FF00) * alpha) >> 8 & 0x00FF00;
    pixel = red_blue | green;
}

void fill_quad(const Point (&c)[4], u32 color, u32 alpha) {
    const int left = smaller(smaller(c[0].x, c[1].x), smaller(c[2].x, c[3].x));
    const int right = larger(larger(c[0].x, c[1].x), larger(c[2].x, c[3].x));
    const int top = smaller(smaller(c[0].y, c[1].y), smaller(c[2].y, c[3].y));
    const int bottom = larger(larger(c[0].y, c[1].y), larger(c[2].y, c[3].y));
    for (int y = top; y <= bottom; ++y) {
        for (int x = left; x <= right; ++x) {
            // Inside, the point is on the same side of all four edges.
            int positive = 0, negative = 0;
            for (int i = 0; i < 4; ++i) {
                const int s = side(c[i], c[(i + 1) % 4], {x, y});
                positive += s > 0;
                negative += s < 0;
            }
            if (positive > 0 && negative > 0) continue;
            // A sheen: glass reflects more towards one corner.
            const u32 sheen =
                static_cast<u32>((x - left) + (bottom - y)) * 48 / static_cast<u32>(right - left + bottom - top + 1);
            blend_pixel(x, y, color, alpha + sheen);
        }
    }
}

void draw_line(Point from, Point to, u32 color, int width) {
    const int dx = to.x - from.x, dy = to.y - from.y;
    const int span = dx * dx + dy * dy;
    if (span == 0) return;
    const int line_length = static_cast<int>(square_root(static_cast<u32>(span) * 16)); // in quarters
    const int margin = width / 4 + 2;
    for (int y = smaller(from.y, to.y) - margin; y <= larger(from.y, to.y) + margin; ++y) {
        for (int x = smaller(from.x, to.x) - margin; x <= larger(from.x, to.x) + margin; ++x) {
            const int along = (x - from.x) * dx + (y - from.y) * dy;
            if (along < 0 || along > span) continue;
            int distance = side(from, to, {x, y}) * 16 / line_length; // from the line, in quarters
            if (distance < 0) distance = -distance;
            if (distance >= width) continue;
            blend_pixel(x, y, color, static_cast<u32>((width - distance) * 240 / width));
        }
    }
}

void draw_text(int x, int y, const char* text, const u8* font, int scale, u32 color, u32 alpha) {
    for (; *text != 0; ++text, x += 8 * scale) {
        const u8* const glyph = font + static_cast<u8>(*text) * 32;
        for (int row = 0; row < 16 * scale; ++row)
            for (int column = 0; column < 8 * scale; ++column)
                if ((glyph[row / scale] >> (7 - column / scale) & 1) != 0)
                    blend_pixel(x + column, y + row, color, alpha);
    }
}

int sine(int angle) {
    // Half a wave is nearly a parabola; Bhaskara's formula of the seventh century makes it exact to 1 in 600.
    const int x = angle & 511;
    const int p = x * (512 - x);
    const int value = 4096 * p / (5 * 512 * 512 - 4 * p);
    return (angle & 512) != 0 ? -value : value;
}

u32 square_root(u32 value) {
    u32 root = 0;
    for (u32 bit = 1u << 15; bit != 0; bit >>= 1)
        if ((root | bit) * (root | bit) <= value) root |= bit;
    return root;
}
