// A picture in memory, 640 x 480 pixels of 32 bits (red, green, blue from bit 23 down), and simple shapes on it.
#pragma once

#include "../kernel/types.hpp"

constexpr int canvas_width = 640, canvas_height = 480;

struct Point {
    int x, y;
};

constexpr u32 rgb(u32 red, u32 green, u32 blue) { return red << 16 | green << 8 | blue; }

u32* canvas_pixels();
void set_pixel(int x, int y, u32 color);
/// Mixes `color` over what is there; `alpha` 0 is nothing, 256 is all of it.
void blend_pixel(int x, int y, u32 color, u32 alpha);
/// A convex shape with four corners, in clockwise or counter-clockwise order.
void fill_quad(const Point (&corners)[4], u32 color, u32 alpha);
/// A line with soft edges; `width` in quarters of a pixel.
void draw_line(Point from, Point to, u32 color, int width);
/// Text in the VGA's own 8 x 16 font (32 bytes a character), each of its pixels `scale` wide.
void draw_text(int x, int y, const char* text, const u8* font, int scale, u32 color, u32 alpha);

/// 256 * sin(angle), a full turn being 1024. No floating point is needed for pictures.
int sine(int angle);
inline int cosine(int angle) { return sine(angle + 256); }
u32 square_root(u32 value);
