#include "vga_bench.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::vga_bench;

namespace {
/// Writes a glyph's rows into plane 2 through the window, as a BIOS does.
void load_glyph(Bench& b, u64 font, u8 character, std::array<u8, 16> rows) {
    b.sequencer(2, 4), b.sequencer(4, 6), b.graphics(4, 2), b.graphics(5, 0), b.graphics(6, 4);
    for (unsigned i = 0; i < 16; ++i) b.poke(0xA0000 + font + character * 32u + i, rows[i]);
    b.sequencer(2, 3), b.sequencer(4, 2), b.graphics(4, 0), b.graphics(5, 0x10), b.graphics(6, 0x0E);
}
constexpr std::array<u8, 16> slope = {0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01,
                                      0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01};
constexpr Time frame_time = 14'300 * microsecond; // a little more than one at 70 Hz
void hide_cursor(Bench& b) { b.crtc(0x0A, 0x20); }
} // namespace

TEST_SUITE("vga render") {

    TEST_CASE("text mode 3: glyphs, colours, nine dots, line-drawing characters") {
        Bench b;
        b.set(text_80x25);
        hide_cursor(b);
        load_glyph(b, 0, 'A', slope);
        load_glyph(b, 0, 0xC4, slope);
        b.memory.write(PhysAddress{0xB8000 + 2 * (80 * 3 + 5)}, 2, 0x1E41);
        b.memory.write(PhysAddress{0xB8000 + 2 * (80 * 3 + 6)}, 2, 0x1EC4);
        const Frame f = b.shot();
        REQUIRE(f.width == 720);
        REQUIRE(f.height == 400);
        CHECK(f.tall_pixels);
        for (unsigned row = 0; row < 16; ++row) {
            for (unsigned dot = 0; dot < 9; ++dot) {
                const bool on = dot == row % 8;
                CHECK(b.pixel(f, 45 + dot, 48 + row) == Bench::rgb(on ? 14 : 1));
                const bool repeated = on || (dot == 8 && row % 8 == 7);
                CHECK(b.pixel(f, 54 + dot, 48 + row) == Bench::rgb(repeated ? 14 : 1));
            }
        }
        b.sequencer(1, 1); // eight dots
        CHECK(b.shot().width == 640);
    }

    TEST_CASE("text mode: the screen as text, scrolled by the start address, with its cursor") {
        Bench b;
        b.set(text_80x25);
        const std::string words = "Hello, GlassBox";
        for (unsigned i = 0; i < words.size(); ++i) {
            b.memory.write(PhysAddress{0xB8000 + 2 * (80 * 2 + i)}, 2, 0x8700u | static_cast<u8>(words[i]));
        }
        b.crtc(0x0E, 0), b.crtc(0x0F, 80 * 2 + 15);
        TextScreen s;
        REQUIRE(b.vga.text_screen(s));
        CHECK(s.columns == 80);
        CHECK(s.rows == 25);
        CHECK(s.text().substr(0, 2 + words.size()) == "\n\n" + words);
        CHECK(s.cells[160].attribute == 7); // the blink bit is not a colour
        CHECK(s.cursor_visible);
        CHECK(s.cursor_row == 2);
        CHECK(s.cursor_column == 15);
        CHECK(s.palette.at(5) == Bench::rgb(5));
        b.crtc(0x0C, 0), b.crtc(0x0D, 160);
        REQUIRE(b.vga.text_screen(s));
        CHECK(s.text().substr(0, words.size()) == words);
        CHECK(s.cursor_row == 0);
        b.crtc(0x0A, 0x20);
        REQUIRE(b.vga.text_screen(s));
        CHECK_FALSE(s.cursor_visible);
        b.set(mode_13h);
        CHECK_FALSE(b.vga.text_screen(s));
    }

    TEST_CASE("text mode: cursor shape and blinking, character blinking, bright backgrounds") {
        Bench b;
        b.set(text_80x25);
        b.crtc(0x0A, 13), b.crtc(0x0B, 14), b.crtc(0x0E, 0), b.crtc(0x0F, 2);
        load_glyph(b, 0, 'X', slope);
        b.memory.write(PhysAddress{0xB8000}, 4, 0x9458'0700);
        b.memory.write(PhysAddress{0xB8004}, 2, 0x0720);
        const auto cursor_rows = [&] {
            const Frame f = b.shot();
            u32 rows = 0;
            for (unsigned y = 0; y < 16; ++y) rows |= u32{b.pixel(f, 18, y) == Bench::rgb(7)} << y;
            return rows;
        };
        CHECK(cursor_rows() == 0x6000);
        b.crtc(0x0A, 14), b.crtc(0x0B, 13); // start past end: none
        CHECK(cursor_rows() == 0);
        b.crtc(0x0A, 0), b.crtc(0x0B, 15);
        CHECK(cursor_rows() == 0xFFFF);
        b.now(8 * frame_time);
        CHECK(cursor_rows() == 0);
        b.crtc(0x0A, 0x20);
        // 'X' at column 1 has attribute 94h: blinking red on blue, or red on light blue.
        Frame f = b.shot();
        CHECK(b.pixel(f, 9, 0) == Bench::rgb(4));
        CHECK(b.pixel(f, 10, 0) == Bench::rgb(1));
        b.now(16 * frame_time);
        f = b.shot();
        CHECK(b.pixel(f, 9, 0) == Bench::rgb(1));
        b.attribute(0x10, 0x04);
        f = b.shot();
        CHECK(b.pixel(f, 9, 0) == Bench::rgb(4));
        CHECK(b.pixel(f, 10, 0) == Bench::rgb(9));
    }

    TEST_CASE("text mode: two fonts by attribute bit 3, underline, preset row scan, panning") {
        Bench b;
        b.set(text_80x25);
        hide_cursor(b);
        std::array<u8, 16> solid;
        solid.fill(0xFF);
        load_glyph(b, 0xE000, 'A', solid);
        load_glyph(b, 0x4000, 'A', slope);
        b.sequencer(3, 0x2C | 0x01); // map A (bit 3 set): 7 at E000h; map B: 1 at 4000h
        b.memory.write(PhysAddress{0xB8000}, 4, 0x0F41'0741);
        Frame f = b.shot();
        CHECK(b.pixel(f, 0, 0) == Bench::rgb(7));
        CHECK(b.pixel(f, 1, 0) == Bench::rgb(0));
        CHECK(b.pixel(f, 10, 0) == Bench::rgb(15));
        b.crtc(0x14, 12);
        b.memory.write(PhysAddress{0xB8008}, 2, 0x0120);
        f = b.shot();
        CHECK(b.pixel(f, 37, 12) == Bench::rgb(1));
        CHECK(b.pixel(f, 37, 11) == Bench::rgb(0));
        CHECK(b.pixel(f, 44, 12) == Bench::rgb(1));
        b.crtc(8, 3); // smooth scrolling by three lines
        f = b.shot();
        CHECK(b.pixel(f, 3, 0) == Bench::rgb(7));
        CHECK(b.pixel(f, 0, 0) == Bench::rgb(0));
        b.crtc(8, 0);
        b.attribute(0x13, 1); // nine-dot characters: shifted by two
        f = b.shot();
        CHECK(b.pixel(f, 0, 2) == Bench::rgb(7));
        b.attribute(0x13, 8);
        b.crtc(8, 0x20); // byte panning by one character
        f = b.shot();
        CHECK(b.pixel(f, 1, 0) == Bench::rgb(15));
    }

    TEST_CASE("40 columns by the halved dot clock, double-scanned rows") {
        Bench b;
        b.set(text_80x25);
        b.sequencer(1, 8);
        b.crtc(0x11, 0); // registers 0-7 are writable
        b.crtc(1, 39);
        TextScreen s;
        REQUIRE(b.vga.text_screen(s));
        CHECK(s.columns == 40);
        CHECK(b.shot().width == 360);
        b.crtc(9, 0x80 | 7);
        REQUIRE(b.vga.text_screen(s));
        CHECK(s.rows == 25);
    }

    TEST_CASE("mode 13h, start address, split screen and panning") {
        Bench b;
        b.set(mode_13h);
        for (u32 i = 0; i < 64000; i += 2) {
            b.memory.write(PhysAddress{0xA0000 + i}, 2, ((i / 320 + i) & 0xFF) | (((i + 1) / 320 + i + 1) & 0xFF) << 8);
        }
        const auto content = [](u32 i) { return Bench::rgb((i / 320 + i) & 0xFF); };
        Frame f = b.shot();
        REQUIRE(f.width == 320);
        REQUIRE(f.height == 200);
        CHECK(f.tall_pixels);
        for (u32 i = 0; i < 64000; i += 7) REQUIRE(f.pixels[i] == content(i));
        b.crtc(0x0D, 81); // 324 pixels further
        f = b.shot();
        CHECK(b.pixel(f, 0, 0) == content(324));
        // Split after scan line 99: picture row 50 begins again at address 0.
        b.crtc(0x18, 99), b.crtc(7, 0x0F), b.crtc(9, 0x01);
        f = b.shot();
        CHECK(b.pixel(f, 5, 49) == content(49 * 320 + 324 + 5));
        CHECK(b.pixel(f, 5, 50) == content(5));
        CHECK(b.pixel(f, 5, 51) == content(325));
        b.attribute(0x13, 4); // two pixels
        f = b.shot();
        CHECK(b.pixel(f, 5, 49) == content(49 * 320 + 324 + 7));
        CHECK(b.pixel(f, 5, 50) == content(7));
        b.attribute(0x10, 0x61); // panning stops at the split
        f = b.shot();
        CHECK(b.pixel(f, 5, 49) == content(49 * 320 + 324 + 7));
        CHECK(b.pixel(f, 5, 50) == content(5));
        b.out(0x3C6, 0x0F);
        b.attribute(0x13, 0);
        f = b.shot();
        CHECK(b.pixel(f, 3, 51) == Bench::rgb(((51 - 50) + 320 + 3) & 0x0F));
    }

    TEST_CASE("mode X: unchained 320x240 with page flipping") {
        Bench b;
        b.set(mode_13h);
        b.sequencer(4, 6);
        b.out(0x3C2, 0xE3);
        const std::array<std::pair<u32, u32>, 10> tweaks = {{{0x06, 0x0D},
                                                             {0x07, 0x3E},
                                                             {0x09, 0x41},
                                                             {0x10, 0xEA},
                                                             {0x11, 0x2C},
                                                             {0x12, 0xDF},
                                                             {0x14, 0x00},
                                                             {0x15, 0xE7},
                                                             {0x16, 0x06},
                                                             {0x17, 0xE3}}};
        for (const auto& [index, value] : tweaks) b.crtc(index, value);
        const auto put = [&](u32 page, u32 x, u32 y, u32 colour) {
            b.sequencer(2, 1u << (x & 3));
            b.poke(0xA0000 + page + y * 80 + x / 4, colour);
        };
        put(0, 0, 0, 17), put(0, 1, 0, 18), put(0, 319, 239, 19), put(19200, 6, 7, 20);
        Frame f = b.shot();
        REQUIRE(f.width == 320);
        REQUIRE(f.height == 240);
        CHECK_FALSE(f.tall_pixels);
        CHECK(b.pixel(f, 0, 0) == Bench::rgb(17));
        CHECK(b.pixel(f, 1, 0) == Bench::rgb(18));
        CHECK(b.pixel(f, 319, 239) == Bench::rgb(19));
        b.crtc(0x0C, 19200 >> 8), b.crtc(0x0D, 19200 & 0xFF);
        f = b.shot();
        CHECK(b.pixel(f, 6, 7) == Bench::rgb(20));
        CHECK(b.pixel(f, 0, 0) == Bench::rgb(0));
    }

    TEST_CASE("planar 640x480: palette, plane enable, colour select, panning, border") {
        Bench b;
        b.set(planar_640x480);
        b.graphics(5, 2); // write mode 2: the byte is a colour
        for (u32 i = 0; i < 8; ++i) {
            b.graphics(8, 0x80u >> i);
            b.peek(0xA0000 + 80 * 479 + 10);
            b.poke(0xA0000 + 80 * 479 + 10, 8 + i);
        }
        Frame f = b.shot();
        REQUIRE(f.width == 640);
        REQUIRE(f.height == 480);
        CHECK_FALSE(f.tall_pixels);
        for (u32 i = 0; i < 8; ++i) CHECK(b.pixel(f, 80 + i, 479) == Bench::rgb(8 + i));
        b.attribute(0x12, 7);
        f = b.shot();
        CHECK(b.pixel(f, 83, 479) == Bench::rgb(3));
        b.attribute(0x12, 15);
        b.attribute(11, 0x3A);
        f = b.shot();
        CHECK(b.pixel(f, 83, 479) == Bench::rgb(0x3A));
        b.attribute(0x14, 0x0D); // bits 7-6 = 11, bits 5-4 (if enabled) = 01
        f = b.shot();
        CHECK(b.pixel(f, 83, 479) == Bench::rgb(0xFA));
        b.attribute(0x10, 0x81);
        f = b.shot();
        CHECK(b.pixel(f, 83, 479) == Bench::rgb(0xDA));
        b.attribute(0x13, 3);
        f = b.shot();
        CHECK(b.pixel(f, 80, 479) == Bench::rgb(0xDA));
        b.attribute(0x11, 0x21);
        b.in(0x3DA);
        b.out(0x3C0, 0x00); // palette to the processor
        CHECK(b.shot().pixels[1234] == Bench::rgb(0x21));
        b.out(0x3C0, 0x20);
        b.in(0x3DA);
        b.out(0x3C0, 0x20);
        b.sequencer(1, 0x21);
        CHECK(b.shot().pixels[1234] == 0);
    }

    TEST_CASE("CGA: four colours and two colours, odd rows 2000h further") {
        Bench b;
        b.set(cga_320x200x4);
        b.poke(0xB8000, 0x1B); // pixels 0 1 2 3
        b.poke(0xB8001, 0xE4); // pixels 3 2 1 0
        b.poke(0xBA000, 0xFF);
        b.poke(0xB8000 + 80 * 99 + 79, 0x02);
        Frame f = b.shot();
        REQUIRE(f.width == 320);
        REQUIRE(f.height == 200);
        const std::array<u32, 8> row = {0, 1, 2, 3, 3, 2, 1, 0};
        for (unsigned x = 0; x < 8; ++x) CHECK(b.pixel(f, x, 0) == Bench::rgb(row[x]));
        for (unsigned x = 0; x < 5; ++x) CHECK(b.pixel(f, x, 1) == Bench::rgb(x < 4 ? 3 : 0));
        CHECK(b.pixel(f, 319, 198) == Bench::rgb(2));
        b.set(cga_640x200x2);
        b.poke(0xB8000, 0xA5);
        b.poke(0xBA000 + 80 * 99 + 79, 0x01);
        f = b.shot();
        REQUIRE(f.width == 640);
        REQUIRE(f.height == 200);
        for (unsigned x = 0; x < 8; ++x) CHECK(b.pixel(f, x, 0) == Bench::rgb(0xA5u >> (7 - x) & 1));
        CHECK(b.pixel(f, 639, 199) == Bench::rgb(1));
    }

} // TEST_SUITE
