#include "vga_bench.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::vga_bench;

namespace {
constexpr u64 frame_buffer = 0xE000'0000;
struct VbeBench : Bench {
    VbeBench() {
        out(0x3C2, 0x63);
        vga.config_write(0x10, 4, frame_buffer);
        vga.config_write(4, 2, 2);
        for (u32 i = 0; i < 64; ++i) colour(i, i, 63 - i, i ^ 21);
        for (u32 i = 0; i < 16; ++i) attribute(i, i);
    }
    void mode(u32 x, u32 y, u32 bits, u32 flags = 0) {
        vbe(Vbe::enable, 0);
        vbe(Vbe::xres, x), vbe(Vbe::yres, y), vbe(Vbe::bpp, bits);
        vbe(Vbe::enable, Vbe::enabled_bit | Vbe::lfb_enabled | flags);
    }
    void store(u64 offset, unsigned width, u64 value) {
        memory.write(PhysAddress{frame_buffer + offset}, width, value);
    }
};
} // namespace

TEST_SUITE("vbe") {

    TEST_CASE("ID handshake: the known versions stick, others do not") {
        VbeBench b;
        CHECK(b.vbe(Vbe::id) == 0xB0C5);
        for (u32 id = 0xB0C0; id <= 0xB0C5; ++id) {
            b.vbe(Vbe::id, id);
            CHECK(b.vbe(Vbe::id) == id);
        }
        b.vbe(Vbe::id, 0xB0C6);
        CHECK(b.vbe(Vbe::id) == 0xB0C5);
        b.vbe(Vbe::id, 0x1234);
        CHECK(b.vbe(Vbe::id) == 0xB0C5);
        CHECK(b.vbe(Vbe::video_memory_64k) == 512);
        CHECK(b.vbe(200) == 0);
        b.out16(0x1CE, Vbe::xres);
        b.ports.write(Port{0x1D0}, 2, 1024); // the aligned alias of the data port
        CHECK(b.in16(0x1D0) == 1024);
        CHECK(b.in16(0x1CE) == Vbe::xres);
    }

    TEST_CASE("capabilities, limits and clamping") {
        VbeBench b;
        b.vbe(Vbe::enable, Vbe::get_caps);
        CHECK(b.vbe(Vbe::xres) == 2560);
        CHECK(b.vbe(Vbe::yres) == 1600);
        CHECK(b.vbe(Vbe::bpp) == 32);
        b.vbe(Vbe::enable, 0);
        b.vbe(Vbe::xres, 0xFFFF), b.vbe(Vbe::yres, 0xFFFF), b.vbe(Vbe::bpp, 32);
        CHECK(b.vbe(Vbe::xres) == 2560);
        CHECK(b.vbe(Vbe::yres) == 1600);
        b.vbe(Vbe::bpp, 17);
        CHECK(b.vbe(Vbe::bpp) == 32);
        b.vbe(Vbe::bpp, 0);
        CHECK(b.vbe(Vbe::bpp) == 8);
        b.mode(2560, 1600, 32);
        CHECK(b.vbe(Vbe::virt_width) == 2560);
        CHECK(b.vbe(Vbe::virt_height) == (32u << 20) / (2560 * 4));
        b.vbe(Vbe::virt_width, 0xFFFF);
        CHECK(u64{b.vbe(Vbe::virt_width)} * 4 * 1600 <= 32u << 20);
        b.vbe(Vbe::x_offset, 0xFFFF), b.vbe(Vbe::y_offset, 0xFFFF);
        CHECK(b.vbe(Vbe::x_offset) == b.vbe(Vbe::virt_width) - 2560);
        CHECK(b.vbe(Vbe::y_offset) == b.vbe(Vbe::virt_height) - 1600);
        b.shot();
        b.vbe(Vbe::virt_width, 0);
        CHECK(b.vbe(Vbe::virt_width) == 2560);
        b.vbe(Vbe::bank, 0xFFFF);
        CHECK(b.vbe(Vbe::bank) == 511);
    }

    TEST_CASE("linear modes of every depth") {
        VbeBench b;
        const auto shows = [&](unsigned x, unsigned y, u32 colour) {
            const Frame f = b.shot();
            CHECK(f.width == 640);
            CHECK(f.height == 480);
            CHECK_FALSE(f.tall_pixels);
            return b.pixel(f, x, y) == colour;
        };
        b.mode(640, 480, 8);
        b.store(640 * 3 + 5, 1, 0x2A);
        CHECK(shows(5, 3, Bench::rgb(0x2A)));
        b.mode(640, 480, 15);
        b.store(2 * (640 * 3 + 5), 2, 0x7C00 | 0x1F);
        CHECK(shows(5, 3, 0xFF00FF));
        b.mode(640, 480, 16);
        b.store(2 * (640 * 3 + 5), 2, 0x8000 | 0x07E0);
        CHECK(shows(5, 3, 0x84FF00));
        b.mode(640, 480, 24);
        b.store(3 * (640 * 3 + 5), 2, 0x3456), b.store(3 * (640 * 3 + 5) + 2, 1, 0x12);
        CHECK(shows(5, 3, 0x123456));
        b.mode(640, 480, 32);
        b.store(4 * (640 * 479 + 639), 4, 0xFFABCDEF);
        CHECK(shows(639, 479, 0xABCDEF));
        CHECK(shows(5, 3, 0)); // cleared by the mode change
        b.mode(640, 480, 32, Vbe::no_clear);
        CHECK(shows(639, 479, 0xABCDEF));
        b.in(0x3DA);
        b.out(0x3C0, 0); // the attribute controller's switch blanks these modes too
        CHECK(shows(639, 479, 0));
        b.in(0x3DA);
        b.out(0x3C0, 0x20);
        CHECK(shows(639, 479, 0xABCDEF));
    }

    TEST_CASE("planar VBE mode through the window") {
        VbeBench b;
        b.sequencer(2, 0x0F), b.sequencer(4, 6), b.graphics(6, 5), b.graphics(5, 2), b.graphics(8, 0xFF);
        b.mode(800, 600, 4);
        b.graphics(8, 0x20);
        b.poke(0xA0000 + 100 * 7 + 3, 0x0B);
        Frame f = b.shot();
        REQUIRE(f.width == 800);
        CHECK(b.pixel(f, 26, 7) == Bench::rgb(11));
        CHECK(b.pixel(f, 25, 7) == Bench::rgb(0));
        b.vbe(Vbe::bank, 1); // in planar modes a bank is 64 KiB of every plane
        b.poke(0xA0000, 0x05);
        CHECK(b.plane(0, 0x10000) == 0x20);
    }

    TEST_CASE("virtual screen, panning and the banked window") {
        VbeBench b;
        b.mode(640, 480, 8);
        CHECK(b.memory.page_for_write(PhysAddress{0xA0000}) == b.vga.video_memory().data()); // bank 0 directly
        b.vbe(Vbe::virt_width, 1024);
        b.vbe(Vbe::x_offset, 100), b.vbe(Vbe::y_offset, 50);
        b.store(1024 * 52 + 103, 1, 0x33);
        Frame f = b.shot();
        CHECK(b.pixel(f, 3, 2) == Bench::rgb(0x33));
        b.vbe(Vbe::bank, 2);
        CHECK(b.memory.page_for_write(PhysAddress{0xA0000}) == nullptr);
        b.memory.write(PhysAddress{0xA0010}, 4, 0x04030201);
        CHECK(b.memory.read(PhysAddress{frame_buffer + 0x20010}, 4) == 0x04030201);
        CHECK(b.memory.read(PhysAddress{0xA0010}, 8) == 0x04030201);
        CHECK(b.peek(0xB8000) == 0xFF);
        b.mode(640, 480, 8);
        CHECK(b.vbe(Vbe::virt_width) == 640);
        CHECK(b.vbe(Vbe::x_offset) == 0);
        CHECK(b.vbe(Vbe::bank) == 0);
    }

    TEST_CASE("8-bit DAC, retrace bits run in VBE modes") {
        VbeBench b;
        b.mode(640, 480, 8, Vbe::dac_8bit);
        b.colour(7, 0x81, 0x42, 0xC3);
        b.store(0, 1, 7);
        CHECK(b.shot().pixels[0] == 0x8142C3);
        CHECK((b.in(0x3DA) & 8) == 0);
        b.now(time_of(490, 525 * 60) + microsecond);
        CHECK((b.in(0x3DA) & 9) == 9);
    }

    TEST_CASE("a snapshot of hostile VBE values is refused or made safe") {
        VbeBench b;
        b.mode(1024, 768, 32);
        Archive saver = Archive::saver();
        b.vga.persist(saver);
        u32 seed = 7;
        for (unsigned round = 0; round < 12; ++round) {
            std::vector<u8> data = saver.bytes();
            for (unsigned i = 0; i < 6; ++i) {
                seed = seed * 1664525 + 1013904223;
                data[280 + (seed >> 8) % (data.size() - 280)] = static_cast<u8>(seed >> 16);
            }
            VbeBench c;
            Archive loader = Archive::loader(data);
            c.vga.persist(loader);
            if (loader.ok() && round % 4 == 0) c.shot();
        }
        CHECK(b.shot().width == 1024);
    }

} // TEST_SUITE
