// A box of glass with something glowing in it: a cube turned in space, seen in perspective, its faces see-through.
#include "picture.hpp"

#include "canvas.hpp"

namespace {

constexpr int box_center_y = 190;

struct Corner {
    int x, y, z;
};

/// Waves of colour that add up, darker towards the edges.
void paint_background() {
    static int waves[1024];
    for (int i = 0; i < 1024; ++i) waves[i] = sine(i);
    for (int y = 0; y < canvas_height; ++y) {
        for (int x = 0; x < canvas_width; ++x) {
            const int dx = x - canvas_width / 2, dy = y - canvas_height / 2;
            const u32 distance = static_cast<u32>(dx * dx + dy * dy);
            const int wave = waves[(x * 2 + waves[(y * 3) & 1023] / 3) & 1023] + waves[(y * 3 - x) & 1023] +
                             waves[(static_cast<int>(distance) / 190) & 1023];
            const int light = 400 - static_cast<int>(distance / 500); // 80 in the corners
            const int glow = (wave + 768) / 6;                        // 0 … 256
            set_pixel(x, y,
                      rgb(static_cast<u32>((18 + glow / 4) * light / 400),
                          static_cast<u32>((16 + glow / 3) * light / 400),
                          static_cast<u32>((52 + glow / 2) * light / 400)));
        }
    }
}

/// Turns a corner of a cube, and projects it.
Point project(Corner c, int half_edge, int turn) {
    const int tilt = 72;
    const int x = (c.x * cosine(turn) - c.z * sine(turn)) * half_edge / 256;
    const int depth = (c.x * sine(turn) + c.z * cosine(turn)) * half_edge / 256;
    const int y = (c.y * half_edge * cosine(tilt) - depth * sine(tilt)) / 256;
    const int z = (c.y * half_edge * sine(tilt) + depth * cosine(tilt)) / 256;
    return {canvas_width / 2 + x * 700 / (700 + z), box_center_y + y * 700 / (700 + z)};
}

constexpr Corner corners[8] = {{-1, -1, -1}, {1, -1, -1}, {1, 1, -1}, {-1, 1, -1},
                               {-1, -1, 1},  {1, -1, 1},  {1, 1, 1},  {-1, 1, 1}};
// Faces from the back of the scene to its front.
constexpr int faces[6][4] = {{4, 5, 6, 7}, {1, 2, 6, 5}, {3, 2, 6, 7}, {0, 1, 5, 4}, {0, 3, 7, 4}, {0, 1, 2, 3}};
constexpr int edges[12][2] = {{4, 5}, {5, 6}, {6, 7}, {7, 4}, {1, 5}, {2, 6},
                              {3, 7}, {0, 4}, {0, 1}, {1, 2}, {2, 3}, {3, 0}};

struct Cube {
    Point points[8];
    Cube(int half_edge, int turn) {
        for (int i = 0; i < 8; ++i) points[i] = project(corners[i], half_edge, turn);
    }
    void paint_faces(int first, int last, const u32 (&colors)[6], u32 alpha) const {
        for (int f = first; f < last; ++f)
            fill_quad({points[faces[f][0]], points[faces[f][1]], points[faces[f][2]], points[faces[f][3]]}, colors[f],
                      alpha);
    }
    void paint_edges(int first, int last, u32 color, int width) const {
        for (int e = first; e < last; ++e) draw_line(points[edges[e][0]], points[edges[e][1]], color, width);
    }
};

void paint_box() {
    constexpr u32 glass[6] = {rgb(90, 160, 255),  rgb(120, 120, 255), rgb(60, 130, 200),
                              rgb(210, 240, 255), rgb(120, 200, 255), rgb(160, 220, 255)};
    constexpr u32 ember[6] = {rgb(150, 60, 20),   rgb(170, 70, 20),  rgb(120, 40, 20),
                              rgb(255, 220, 120), rgb(240, 140, 50), rgb(255, 170, 60)};
    const Cube box(112, 100), heart(45, 200);
    box.paint_faces(0, 3, glass, 34);
    box.paint_edges(0, 7, rgb(150, 190, 255), 6);
    for (int radius = 104; radius > 0; radius -= 4) // a glow around the heart
        for (int y = -radius; y <= radius; ++y)
            for (int x = -radius; x <= radius; ++x)
                if (x * x + y * y <= radius * radius)
                    blend_pixel(canvas_width / 2 + x, box_center_y + y, rgb(255, 150, 60), 3);
    heart.paint_faces(0, 6, ember, 170);
    heart.paint_edges(7, 12, rgb(255, 240, 200), 5);
    box.paint_faces(3, 6, glass, 30);
    box.paint_edges(7, 12, rgb(235, 248, 255), 9);
}

} // namespace

void paint_picture(const u8* font) {
    paint_background();
    paint_box();
    draw_text(195, 391, "GlassBox", font, 4, rgb(0, 0, 0), 120);
    draw_text(192, 388, "GlassBox", font, 4, rgb(230, 245, 255), 250);
    draw_text(200, 452, "a PC that you can see through", font, 1, rgb(190, 215, 240), 230);
}
