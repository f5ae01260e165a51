// A VGA on a bench: buses, time, and the register values of the standard BIOS modes (IBM PS/2 and PC BIOS Interface
// Technical Reference, video parameter tables), programmed as a BIOS would.
#pragma once

#include "devices/vga/vga.hpp"

#include <array>
#include <vector>

namespace glassbox::vga_bench {

struct Mode {
    u8 misc;
    std::array<u8, 5> sequencer;
    std::array<u8, 25> crtc;
    std::array<u8, 9> graphics;
    u8 attribute_mode;
    u8 planes = 0x0F; ///< colour plane enable
};

inline constexpr Mode text_80x25 = {0x67,
                                    {0x03, 0x00, 0x03, 0x00, 0x02},
                                    {0x5F, 0x4F, 0x50, 0x82, 0x55, 0x81, 0xBF, 0x1F, 0x00, 0x4F, 0x0D, 0x0E, 0x00,
                                     0x00, 0x00, 0x00, 0x9C, 0x8E, 0x8F, 0x28, 0x1F, 0x96, 0xB9, 0xA3, 0xFF},
                                    {0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0E, 0x00, 0xFF},
                                    0x0C};
inline constexpr Mode cga_320x200x4 = {0x63,
                                       {0x03, 0x09, 0x03, 0x00, 0x02},
                                       {0x2D, 0x27, 0x28, 0x90, 0x2B, 0x80, 0xBF, 0x1F, 0x00, 0xC1, 0x00, 0x00, 0x00,
                                        0x00, 0x00, 0x00, 0x9C, 0x8E, 0x8F, 0x14, 0x00, 0x96, 0xB9, 0xA2, 0xFF},
                                       {0x00, 0x00, 0x00, 0x00, 0x00, 0x30, 0x0F, 0x00, 0xFF},
                                       0x01};
inline constexpr Mode cga_640x200x2 = {0x63,
                                       {0x03, 0x01, 0x01, 0x00, 0x06},
                                       {0x5F, 0x4F, 0x50, 0x82, 0x54, 0x80, 0xBF, 0x1F, 0x00, 0xC1, 0x00, 0x00, 0x00,
                                        0x00, 0x00, 0x00, 0x9C, 0x8E, 0x8F, 0x28, 0x00, 0x96, 0xB9, 0xC2, 0xFF},
                                       {0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0D, 0x00, 0xFF},
                                       0x01,
                                       0x01};
inline constexpr Mode planar_640x480 = {0xE3,
                                        {0x03, 0x01, 0x0F, 0x00, 0x06},
                                        {0x5F, 0x4F, 0x50, 0x82, 0x54, 0x80, 0x0B, 0x3E, 0x00, 0x40, 0x00, 0x00, 0x00,
                                         0x00, 0x00, 0x00, 0xEA, 0x8C, 0xDF, 0x28, 0x00, 0xE7, 0x04, 0xE3, 0xFF},
                                        {0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x0F, 0xFF},
                                        0x01};
inline constexpr Mode mode_13h = {0x63,
                                  {0x03, 0x01, 0x0F, 0x00, 0x0E},
                                  {0x5F, 0x4F, 0x50, 0x82, 0x54, 0x80, 0xBF, 0x1F, 0x00, 0x41, 0x00, 0x00, 0x00,
                                   0x00, 0x00, 0x00, 0x9C, 0x8E, 0x8F, 0x28, 0x40, 0x96, 0xB9, 0xA3, 0xFF},
                                  {0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x05, 0x0F, 0xFF},
                                  0x41};

struct Bench {
    Scheduler scheduler{1'000'000'000'000}; // an instruction a picosecond: the tests place the beam exactly
    PortBus ports;
    MemoryMap memory{0x200000};
    Vga vga;

    explicit Bench(std::vector<u8> rom = {}) : vga(scheduler, ports, memory, std::move(rom)) {
        MemoryMap::Region ram;
        ram.name = "RAM";
        ram.size = memory.ram().size();
        ram.access = MemoryMap::Access::read_write;
        ram.host = memory.ram().data();
        memory.add(ram);
    }

    u8 in(u16 port) { return static_cast<u8>(ports.read(Port{port}, 1)); }
    u16 in16(u16 port) { return static_cast<u16>(ports.read(Port{port}, 2)); }
    void out(u16 port, u32 value) { ports.write(Port{port}, 1, value & 0xFF); }
    void out16(u16 port, u32 value) { ports.write(Port{port}, 2, value & 0xFFFF); }
    void indexed(u16 port, u32 index, u32 value) { out16(port, index | value << 8); }
    void sequencer(u32 i, u32 v) { indexed(0x3C4, i, v); }
    void graphics(u32 i, u32 v) { indexed(0x3CE, i, v); }
    void crtc(u32 i, u32 v) { indexed(0x3D4, i, v); }
    void attribute(u32 i, u32 v) {
        in(0x3DA);
        out(0x3C0, i);
        out(0x3C0, v);
        out(0x3C0, 0x20);
        in(0x3DA);
    }
    void colour(u32 i, u32 r, u32 g, u32 b) {
        out(0x3C8, i);
        for (const u32 c : {r, g, b}) out(0x3C9, c);
    }
    void vbe(u32 i, u32 v) {
        out16(0x1CE, i);
        out16(0x1CF, v);
    }
    u16 vbe(u32 i) {
        out16(0x1CE, i);
        return in16(0x1CF);
    }
    u8 peek(u64 a) { return static_cast<u8>(memory.read(PhysAddress{a}, 1)); }
    void poke(u64 a, u32 v) { memory.write(PhysAddress{a}, 1, v & 0xFF); }
    u8 plane(unsigned p, u64 a) { return static_cast<u8>(vga.video_memory().planes(a) >> (8 * p)); }
    void now(Time t) { scheduler.set_instructions(t); }

    /// Palette registers are the identity; DAC colour i is (i, 63 - i, i ^ 21) in six bits.
    void set(const Mode& m) {
        out(0x3C2, m.misc);
        for (u32 i = 0; i < 5; ++i) sequencer(i, m.sequencer[i]);
        crtc(0x11, 0);
        for (u32 i = 0; i < 25; ++i) crtc(i, m.crtc[i]);
        for (u32 i = 0; i < 9; ++i) graphics(i, m.graphics[i]);
        for (u32 i = 0; i < 16; ++i) attribute(i, i);
        attribute(0x10, m.attribute_mode);
        attribute(0x11, 0);
        attribute(0x12, m.planes);
        attribute(0x13, (m.attribute_mode & 1) ? 0 : 8);
        attribute(0x14, 0);
        out(0x3C6, 0xFF);
        for (u32 i = 0; i < 64; ++i) colour(i, i, 63 - i, i ^ 21);
        for (u32 i = 64; i < 256; ++i) colour(i, i & 63, i >> 2, (i * 3) & 63);
    }
    static u32 six(u32 v) { return v << 2 | v >> 4; }
    static u32 rgb(u32 i) {
        return i < 64 ? six(i) << 16 | six(63 - i) << 8 | six(i ^ 21)
                      : six(i & 63) << 16 | six(i >> 2) << 8 | six((i * 3) & 63);
    }
    Frame shot() const {
        Frame f;
        vga.render(f);
        return f;
    }
    u32 pixel(const Frame& f, unsigned x, unsigned y) const { return f.pixels.at(std::size_t{y} * f.width + x); }
};

} // namespace glassbox::vga_bench
