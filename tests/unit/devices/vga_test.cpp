#include "vga_bench.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::vga_bench;

TEST_SUITE("vga") {

    TEST_CASE("identity and base addresses of PCI function 1234:1111") {
        Bench b(std::vector<u8>(39936, 0x55));
        CHECK(b.vga.config_read(0, 4) == 0x1111'1234);
        CHECK(b.vga.config_read(8, 4) == 0x0300'0002);
        b.vga.config_write(0x10, 4, 0xFFFF'FFFF);
        CHECK(b.vga.config_read(0x10, 4) == 0xFE00'0008);
        b.vga.config_write(0x18, 4, 0xFFFF'FFFF);
        CHECK(b.vga.config_read(0x18, 4) == 0xFFFF'F000);
        b.vga.config_write(0x30, 4, 0xFFFF'FFFE);
        CHECK(b.vga.config_read(0x30, 4) == 0xFFFF'0000);
        b.vga.config_write(0x10, 4, 0xE000'0000);
        b.vga.config_write(0x18, 4, 0xFEBF'0000);
        b.vga.config_write(0x30, 4, 0xFEBE'0001);
        b.vga.config_write(4, 2, 3);
        b.memory.write(PhysAddress{0xE000'1234}, 4, 0xCAFE'F00D);
        CHECK(b.vga.video_memory().data()[0x1234] == 0x0D);
        CHECK(b.memory.page_for_write(PhysAddress{0xE100'0000}) != nullptr);
        CHECK(b.memory.read(PhysAddress{0xFEBE'0000}, 4) == 0x5555'5555);
        CHECK(b.memory.read(PhysAddress{0xFEBE'9C00}, 1) == 0xFF);
        b.memory.write(PhysAddress{0xFEBE'0000}, 1, 0);
        CHECK(b.memory.read(PhysAddress{0xFEBE'0000}, 1) == 0x55);
        // The ports at 400h: 3C2h, then 3CCh.
        b.memory.write(PhysAddress{0xFEBF'0402}, 1, 0x63);
        CHECK(b.memory.read(PhysAddress{0xFEBF'040C}, 1) == 0x63);
        CHECK(b.in(0x3CC) == 0x63);
        b.memory.write(PhysAddress{0xFEBF'0502}, 2, 1024);
        CHECK(b.vbe(Vbe::xres) == 1024);
        CHECK(b.memory.read(PhysAddress{0xFEBF'0500}, 2) == 0xB0C5);
        CHECK(b.memory.read(PhysAddress{0xFEBF'0604}, 4) == 0x1E1E1E1E);
        b.memory.write(PhysAddress{0xFEBF'0604}, 4, 0xBEBEBEBE);
        CHECK(b.memory.read(PhysAddress{0xFEBF'0604}, 4) == 0xBEBEBEBE);
    }

    TEST_CASE("every register keeps its defined bits") {
        Bench b;
        b.out(0x3C2, 0x01);
        const std::array<u8, 5> sequencer = {0x03, 0x3D, 0x0F, 0x3F, 0x0E};
        for (u16 i = 0; i < 5; ++i) {
            b.sequencer(i, 0xFF);
            b.out(0x3C4, i);
            CHECK(b.in(0x3C4) == i);
            CHECK(b.in(0x3C5) == sequencer[i]);
        }
        const std::array<u8, 9> graphics = {0x0F, 0x0F, 0x0F, 0x1F, 0x03, 0x7B, 0x0F, 0x0F, 0xFF};
        for (u16 i = 0; i < 9; ++i) {
            b.graphics(i, 0xFF);
            b.out(0x3CE, i);
            CHECK(b.in(0x3CF) == graphics[i]);
        }
        b.graphics(12, 0xFF);
        CHECK(b.in(0x3CF) == 0);
        for (u16 i = 0; i < 25; ++i) {
            b.crtc(i, 0x50u + i);
            CHECK(b.in(0x3D5) == 0x50 + i);
            CHECK(b.in(0x3D4) == i);
        }
        for (u16 i = 0; i < 0x15; ++i) {
            b.in(0x3DA);
            b.out(0x3C0, i);
            b.out(0x3C0, 0xFF);
            b.in(0x3DA);
            b.out(0x3C0, i);
            CHECK(b.in(0x3C0) == i);
            CHECK(b.in(0x3C1) == (i == 0x10 ? 0xEF : i == 0x11 ? 0xFF : i >= 0x13 ? 0x0F : 0x3F));
        }
        b.out(0x3DA, 0xFF);
        CHECK(b.in(0x3CA) == 0x0B);
        CHECK(b.in(0x3C3) == 1);
        b.out(0x3C6, 0x5A);
        CHECK(b.in(0x3C6) == 0x5A);
    }

    TEST_CASE("CRTC registers 0-7 are protected by bit 7 of register 11h, but for line compare bit 8") {
        Bench b;
        b.out(0x3C2, 1);
        for (u16 i = 0; i < 8; ++i) b.crtc(i, 0xA0u + i);
        b.crtc(0x11, 0x80);
        for (u16 i = 0; i < 8; ++i) b.crtc(i, 0x50);
        for (u16 i = 0; i < 8; ++i) {
            b.out(0x3D4, i);
            CHECK(b.in(0x3D5) == (i == 7 ? 0xB7 : 0xA0 + i)); // A7h with bit 4 from 50h
        }
        b.crtc(8, 0x12);
        CHECK(b.in(0x3D5) == 0x12);
        b.crtc(0x11, 0x00);
        b.crtc(0, 0x50);
        CHECK(b.in(0x3D5) == 0x50);
    }

    TEST_CASE("colour and mono port addresses follow the miscellaneous output register") {
        Bench b;
        b.out(0x3C2, 0);
        b.out16(0x3B4, 0x330F);
        CHECK(b.in(0x3B5) == 0x33);
        CHECK(b.in(0x3D5) == 0xFF);
        b.out(0x3C2, 1);
        CHECK(b.in(0x3D5) == 0x33);
        CHECK(b.in(0x3B5) == 0xFF);
        CHECK(b.in(0x3BA) == 0xFF);
    }

    TEST_CASE("attribute flip-flop: index and data alternate, reading input status 1 returns to index") {
        Bench b;
        b.out(0x3C2, 1);
        b.in(0x3DA);
        b.out(0x3C0, 0x05);
        b.out(0x3D4, 0x24);
        CHECK(b.in(0x3D5) == 0x80);
        b.out(0x3C0, 0x2A);
        CHECK(b.in(0x3D5) == 0x00);
        b.out(0x3C0, 0x06);
        b.in(0x3DA);
        b.out(0x3C0, 0x05);
        CHECK(b.in(0x3C1) == 0x2A);
    }

    TEST_CASE("DAC: three bytes per colour, both indexes step, state register tells the direction") {
        Bench b;
        b.out(0x3C8, 0xFF);
        CHECK(b.in(0x3C7) == 0);
        for (const u32 v : {0xC1u, 2u, 3u, 4u, 5u, 6u}) b.out(0x3C9, v);
        CHECK(b.in(0x3C8) == 1); // wrapped past FFh
        b.out(0x3C7, 0xFF);
        CHECK(b.in(0x3C7) == 3);
        const std::array<u8, 6> expected = {0x01, 2, 3, 4, 5, 6}; // six bits are kept
        for (const u8 v : expected) CHECK(b.in(0x3C9) == v);
        b.vbe(Vbe::enable, Vbe::dac_8bit);
        b.out(0x3C7, 0);
        CHECK(b.in(0x3C9) == 4 << 2);
        b.colour(9, 0xC1, 0x82, 0x43);
        b.out(0x3C7, 9);
        CHECK(b.in(0x3C9) == 0xC1);
        b.vbe(Vbe::enable, 0);
        b.out(0x3C7, 9);
        CHECK(b.in(0x3C9) == 0xC1 >> 2);
    }

    // Planes as arrays of bits: the definition of the write modes, bit by bit.
    struct Reference {
        std::array<u8, 4> plane{}, latch{};
        void write(const VgaRegisters& r, u8 value) {
            const unsigned turn = r.graphics[3] & 7;
            const u8 rotated = static_cast<u8>(value >> turn | value << (8 - turn));
            for (unsigned p = 0; p < 4; ++p) {
                if (!(r.sequencer[2] >> p & 1)) continue;
                u8 result = 0;
                for (unsigned bit = 0; bit < 8; ++bit) {
                    const bool old = latch[p] >> bit & 1;
                    bool source = rotated >> bit & 1, masked = r.graphics[8] >> bit & 1;
                    const unsigned mode = r.graphics[5] & 3;
                    if (mode == 0 && (r.graphics[1] >> p & 1)) source = r.graphics[0] >> p & 1;
                    if (mode == 2) source = value >> p & 1;
                    if (mode == 3) {
                        masked = masked && (rotated >> bit & 1);
                        source = r.graphics[0] >> p & 1;
                    }
                    const unsigned function = r.graphics[3] >> 3;
                    if (function == 1) source = source && old;
                    if (function == 2) source = source || old;
                    if (function == 3) source = source != old;
                    const bool out = mode == 1 ? old : masked ? source : old;
                    result = static_cast<u8>(result | out << bit);
                }
                plane[p] = result;
            }
        }
    };

    TEST_CASE("write modes 0 to 3 with set/reset, rotation, functions, bit mask and map mask") {
        Bench b;
        b.set(planar_640x480);
        u32 seed = 12345;
        const auto random = [&seed] { return static_cast<u8>((seed = seed * 1664525 + 1013904223) >> 24); };
        for (unsigned round = 0; round < 2000; ++round) {
            // Fill the latches with known planes.
            Reference expected;
            b.graphics(1, 0), b.graphics(3, 0), b.graphics(5, 0), b.graphics(8, 0xFF);
            for (unsigned p = 0; p < 4; ++p) {
                expected.latch[p] = random();
                b.sequencer(2, 1u << p);
                b.poke(0xA0100, expected.latch[p]);
            }
            b.peek(0xA0100);
            for (unsigned p = 0; p < 4; ++p) {
                expected.plane[p] = random();
                b.sequencer(2, 1u << p);
                b.poke(0xA0200, expected.plane[p]);
            }
            b.graphics(0, random()), b.graphics(1, random()), b.graphics(3, random()), b.graphics(8, random());
            b.sequencer(2, random());
            b.graphics(5, round & 3);
            const u8 value = random();
            expected.write(b.vga.registers(), value);
            b.poke(0xA0200, value);
            for (unsigned p = 0; p < 4; ++p) REQUIRE(b.plane(p, 0x200) == expected.plane[p]);
        }
    }

    TEST_CASE("read mode 0 selects a plane, read mode 1 compares colours, both load the latches") {
        Bench b;
        b.set(planar_640x480);
        const std::array<u8, 4> planes = {0xF0, 0xCC, 0xAA, 0x0F};
        for (unsigned p = 0; p < 4; ++p) {
            b.sequencer(2, 1u << p);
            b.poke(0xA0005, planes[p]);
        }
        for (unsigned p = 0; p < 4; ++p) {
            b.graphics(4, p);
            CHECK(b.peek(0xA0005) == planes[p]);
            b.out(0x3D4, 0x22);
            CHECK(b.in(0x3D5) == planes[p]);
        }
        b.graphics(5, 8);
        for (unsigned colour = 0; colour < 16; ++colour) {
            for (const unsigned care : {15u, 7u, 5u, 0u}) {
                b.graphics(2, colour);
                b.graphics(7, care);
                u8 expected = 0;
                for (unsigned bit = 0; bit < 8; ++bit) {
                    unsigned pixel = 0;
                    for (unsigned p = 0; p < 4; ++p) pixel |= (planes[p] >> bit & 1u) << p;
                    if (((pixel ^ colour) & care) == 0) expected |= static_cast<u8>(1 << bit);
                }
                CHECK(b.peek(0xA0005) == expected);
            }
        }
        b.sequencer(2, 15);
        b.graphics(5, 1);
        b.poke(0xA0300, 0); // write mode 1 copies the latches
        for (unsigned p = 0; p < 4; ++p) CHECK(b.plane(p, 0x300) == planes[p]);
    }

    TEST_CASE("odd/even addressing puts characters in plane 0 and attributes in plane 1") {
        Bench b;
        b.set(text_80x25);
        b.memory.write(PhysAddress{0xB8000}, 4, 0x1F42'0741);
        b.memory.write(PhysAddress{0xB8004}, 8, 0x0706'0504'0302'0100);
        CHECK(b.plane(0, 0) == 0x41);
        CHECK(b.plane(1, 0) == 0x07);
        CHECK(b.plane(0, 2) == 0x42);
        CHECK(b.plane(1, 2) == 0x1F);
        CHECK(b.memory.read(PhysAddress{0xB8000}, 4) == 0x1F42'0741);
        CHECK(b.memory.read(PhysAddress{0xB8004}, 8) == 0x0706'0504'0302'0100);
        CHECK(b.memory.read(PhysAddress{0xB8001}, 2) == 0x4207);
    }

    TEST_CASE("memory map select moves the window; the rest of it is open bus") {
        Bench b;
        b.set(planar_640x480);
        const std::array<std::array<bool, 3>, 4> answers = {
            {{true, true, true}, {true, false, false}, {false, true, false}, {false, false, true}}};
        for (u32 map = 0; map < 4; ++map) {
            b.graphics(6, 1 | map << 2);
            const std::array<u64, 3> at = {0xA0010, 0xB0010, 0xB8010};
            for (unsigned i = 0; i < 3; ++i) {
                b.poke(at[i], 0x5A);
                CHECK((b.peek(at[i]) == 0x5A) == answers[map][i]);
                if (!answers[map][i]) CHECK(b.peek(at[i]) == 0xFF);
            }
        }
        b.graphics(6, 5);
        b.out(0x3C2, 0x61); // RAM disabled
        CHECK(b.peek(0xA0010) == 0xFF);
    }

    TEST_CASE("chain-4 spreads addresses over the planes and is plain memory until a register makes it special") {
        Bench b;
        b.set(mode_13h);
        CHECK(b.memory.page_for_write(PhysAddress{0xA0000}) == b.vga.video_memory().data());
        b.memory.write(PhysAddress{0xA0004}, 4, 0x44332211);
        for (unsigned p = 0; p < 4; ++p) CHECK(b.plane(p, 1) == 0x11 * (p + 1));
        b.sequencer(2, 0x05); // planes 1 and 3 protected
        CHECK(b.memory.page_for_write(PhysAddress{0xA0000}) == nullptr);
        b.memory.write(PhysAddress{0xA0004}, 4, 0xDDCCBBAA);
        CHECK(b.memory.read(PhysAddress{0xA0004}, 4) == 0x44CC22AA);
        b.sequencer(2, 0x0F);
        CHECK(b.memory.page_for_write(PhysAddress{0xA0000}) != nullptr);
        for (const auto& [index, value] : {std::pair{1u, 1u}, {3u, 8u}, {5u, 0x41u}, {6u, 0x01u}, {8u, 0x0Fu}}) {
            b.graphics(index, value);
            CHECK(b.memory.page_for_write(PhysAddress{0xA0000}) == nullptr);
            b.graphics(index, mode_13h.graphics[index]);
            CHECK(b.memory.page_for_write(PhysAddress{0xA0000}) != nullptr);
        }
        b.sequencer(4, 6);
        CHECK(b.memory.page_for_write(PhysAddress{0xA0000}) == nullptr);
    }

    TEST_CASE("retrace bits follow the programmed raster") {
        Bench b;
        b.set(text_80x25); // 100 characters of 9 dots, 449 lines at 28.322 MHz: 70.09 Hz
        const u64 clock = 28'322'000, line = 900, total = 449;
        const auto status = [&](u64 y, u64 dot) {
            b.now(time_of((3 * total + y) * line + dot, clock));
            return b.in(0x3DA) & 9;
        };
        CHECK(status(0, 0) == 0);
        CHECK(status(0, 719) == 0);
        CHECK(status(0, 720) == 1);
        CHECK(status(0, 899) == 1);
        CHECK(status(399, 0) == 0);
        CHECK(status(400, 0) == 1);
        CHECK(status(411, 0) == 1);
        CHECK(status(412, 0) == 9); // 19Ch; ends at line ...Eh
        CHECK(status(413, 899) == 9);
        CHECK(status(414, 0) == 1);
        CHECK(status(448, 0) == 1);
        CHECK(status(449, 0) == 0);
        // The vertical interrupt's latch: cleared and armed by bit 4 of register 11h.
        b.crtc(0x11, 0x0E);
        CHECK((b.in(0x3C2) & 0x80) == 0);
        b.crtc(0x11, 0x1E);
        CHECK((b.in(0x3C2) & 0x80) == 0);
        status(449 + 412, 0);
        CHECK((b.in(0x3C2) & 0x80) == 0x80);
        b.crtc(0x11, 0x0E);
        b.crtc(0x11, 0x1E);
        CHECK((b.in(0x3C2) & 0x80) == 0);
    }

    TEST_CASE("a snapshot brings everything back, and holds only the pages in use") {
        Bench a;
        a.set(text_80x25);
        a.poke(0xB8000, 'G');
        a.vbe(Vbe::xres, 800);
        a.vga.config_write(0x10, 4, 0xE000'0000);
        a.vga.config_write(4, 2, 2);
        a.memory.write(PhysAddress{0xE1FF'FFFC}, 4, 0x12345678);
        Archive saver = Archive::saver();
        a.vga.persist(saver);
        CHECK(saver.bytes().size() < 16384);

        Bench c;
        c.set(mode_13h);
        c.poke(0xA8000, 0x77); // must vanish
        Archive loader = Archive::loader(saver.bytes());
        c.vga.persist(loader);
        REQUIRE_MESSAGE(loader.ok(), loader.reason());
        CHECK(loader.at_end());
        CHECK(c.peek(0xB8000) == 'G');
        CHECK(c.vbe(Vbe::xres) == 800);
        CHECK(c.memory.read(PhysAddress{0xE1FF'FFFC}, 4) == 0x12345678);
        CHECK(c.memory.page_for_write(PhysAddress{0xA0000}) == nullptr);
        CHECK(c.vga.video_memory().data()[0x8000] == 0);
        Archive again = Archive::saver();
        a.vga.persist(again);
        Archive second = Archive::saver();
        c.vga.persist(second);
        a.vbe(Vbe::xres); // the index was touched above
        CHECK(again.bytes().size() == second.bytes().size());

        std::vector<u8> cut(saver.bytes().begin(), saver.bytes().end() - 5);
        Archive broken = Archive::loader(cut);
        c.vga.persist(broken);
        CHECK_FALSE(broken.ok());
    }

    TEST_CASE("no register state makes rendering unsafe") {
        Bench b;
        u32 seed = 99;
        const auto random = [&seed] { return (seed = seed * 1664525 + 1013904223) >> 12; };
        Frame frame;
        TextScreen screen;
        for (unsigned round = 0; round < 300; ++round) {
            for (unsigned i = 0; i < 25; ++i) b.crtc(random() % 26, random());
            b.out(0x3C2, random() | 1);
            for (unsigned i = 0; i < 5; ++i) b.sequencer(random() % 8, random());
            for (unsigned i = 0; i < 5; ++i) b.graphics(random() % 16, random());
            b.attribute(random() & 0x1F, random());
            if (round % 3 == 0) b.vbe(random() % 14, random());
            if (round % 5 == 0) b.vbe(Vbe::enable, random());
            b.memory.write(PhysAddress{0xA0000 + random() % 0x20000}, 8, random());
            b.memory.read(PhysAddress{0xA0000 + random() % 0x20000}, 8);
            b.now(u64{round} * millisecond);
            b.in(0x3DA);
            if (b.vga.vbe().enabled() && round % 4 != 0) continue; // those frames are large
            if (round % 4 == 0) b.vga.render(frame);
            CHECK(frame.pixels.size() == std::size_t{frame.width} * frame.height);
            b.vga.text_screen(screen);
            CHECK(screen.cells.size() == std::size_t{screen.columns} * screen.rows);
        }
    }

    TEST_CASE("reset returns the registers, not the memory") {
        Bench b;
        b.set(mode_13h);
        b.poke(0xA0001, 0x42);
        b.vbe(Vbe::enable, 1 | Vbe::no_clear);
        b.vga.reset();
        CHECK(b.in(0x3CC) == 0);
        CHECK(b.vbe(Vbe::enable) == 0);
        CHECK(b.memory.page_for_write(PhysAddress{0xA0000}) == nullptr);
        CHECK(b.vga.video_memory().data()[1] == 0x42);
        CHECK(b.shot().width == 720);
    }

} // TEST_SUITE
