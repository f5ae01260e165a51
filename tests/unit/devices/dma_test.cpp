// The 8237A pair against its data sheet.
#include "devices/dma/dma.hpp"

#include <doctest/doctest.h>
#include <numeric>
#include <vector>

using namespace glassbox;

namespace {

struct Bench {
    MemoryMap memory{4 << 20};
    PortBus ports;
    DmaControllers dma{memory};

    Bench() {
        MemoryMap::Region ram;
        ram.name = "ram";
        ram.size = memory.ram().size();
        ram.access = MemoryMap::Access::read_write;
        ram.host = memory.ram().data();
        memory.add(ram);
        dma.map(ports);
        out(0xD6, 0xC0); // as every BIOS does: channel 4 cascades and is open
        out(0xD4, 0x00);
    }
    void out(u16 port, unsigned value) { ports.write(Port(port), 1, value); }
    u8 in(u16 port) { return static_cast<u8>(ports.read(Port(port), 1)); }
    /// Channel 1 or 5: mode bits 7-2, page, address and count register values, unmasked.
    void program(unsigned channel, unsigned mode, unsigned page, unsigned address, unsigned count) {
        const bool wide = channel >= 4;
        const unsigned scale = wide ? 2 : 1, base = wide ? 0xC0 : 0, n = channel & 3;
        const auto reg = [&](unsigned index) { return static_cast<u16>(base + index * scale); };
        constexpr u16 page_port[] = {0x87, 0x83, 0x81, 0x82, 0x8F, 0x8B, 0x89, 0x8A};
        out(reg(0xA), 4 | n);
        out(reg(0xC), 0);
        out(reg(0xB), mode | n);
        out(reg(n * 2), address & 0xFF);
        out(reg(n * 2), address >> 8);
        out(reg(n * 2 + 1), count & 0xFF);
        out(reg(n * 2 + 1), count >> 8);
        out(page_port[channel], page);
        out(reg(0xA), n);
    }
    u16 word(u16 port) {
        const u16 low = in(port);
        return static_cast<u16>(low | in(port) << 8);
    }
};

std::vector<u8> counting(std::size_t n) {
    std::vector<u8> data(n);
    std::iota(data.begin(), data.end(), u8{1});
    return data;
}

constexpr unsigned write_mode = 0x44, read_mode = 0x48, verify_mode = 0x40; // single service

} // namespace

TEST_CASE("dma: a device writes a buffer and terminal count masks the channel") {
    Bench b;
    b.program(2, write_mode, 0x01, 0x2000, 511);
    CHECK(b.dma.ready(2));
    const auto data = counting(600);
    DmaResult r = b.dma.to_memory(2, std::span(data).first(100));
    CHECK(r.count == 100);
    CHECK_FALSE(r.terminal_count);
    CHECK(b.word(0x04) == 0x2064);
    CHECK(b.word(0x05) == 411);
    r = b.dma.to_memory(2, std::span(data).subspan(100));
    CHECK(r.count == 412);
    CHECK(r.terminal_count);
    CHECK(std::equal(data.begin(), data.begin() + 512, b.memory.ram().begin() + 0x12000));
    CHECK(b.memory.ram()[0x12200] == 0);
    CHECK(b.in(0x08) == 0x04);
    CHECK(b.in(0x08) == 0x00); // reading cleared it
    CHECK(b.word(0x05) == 0xFFFF);
    CHECK_FALSE(b.dma.ready(2));
    CHECK(b.in(0x0F) == 0x0F);
    CHECK(b.dma.to_memory(2, data).count == 0);
}

TEST_CASE("dma: autoinitialize starts over") {
    Bench b;
    b.program(1, write_mode | 0x10, 0, 0x1000, 3);
    const auto data = counting(6);
    DmaResult r = b.dma.to_memory(1, data);
    CHECK(r.count == 4);
    CHECK(r.terminal_count);
    CHECK(b.dma.ready(1));
    CHECK(b.word(0x02) == 0x1000);
    CHECK(b.word(0x03) == 3);
    r = b.dma.to_memory(1, std::span(data).subspan(4));
    CHECK(r.count == 2);
    CHECK(b.memory.ram()[0x1000] == 5);
    CHECK(b.memory.ram()[0x1002] == 3);
}

TEST_CASE("dma: addresses decrement, and wrap within 64 K bytes or words") {
    Bench b;
    b.program(3, write_mode | 0x20, 0x02, 0x0001, 3);
    const auto data = counting(4);
    CHECK(b.dma.to_memory(3, data).terminal_count);
    CHECK(b.memory.ram()[0x20001] == 1);
    CHECK(b.memory.ram()[0x20000] == 2);
    CHECK(b.memory.ram()[0x2FFFF] == 3);
    CHECK(b.memory.ram()[0x2FFFE] == 4);
    b.program(0, write_mode, 0x03, 0xFFFE, 3);
    b.dma.to_memory(0, data);
    CHECK(b.memory.ram()[0x3FFFF] == 2);
    CHECK(b.memory.ram()[0x30000] == 3);
    CHECK(b.memory.ram()[0x40000] == 0);

    b.program(5, write_mode, 0x05, 0xFFFF, 1); // the page's bit 0 does not count
    CHECK(b.dma.to_memory(5, data).count == 4);
    CHECK(b.memory.ram()[0x5FFFE] == 1);
    CHECK(b.memory.ram()[0x5FFFF] == 2);
    CHECK(b.memory.ram()[0x40000] == 3);
    CHECK(b.memory.ram()[0x40001] == 4);
    b.program(7, write_mode | 0x20, 0x06, 0x0100, 1);
    b.dma.to_memory(7, data);
    CHECK(b.memory.ram()[0x60201] == 2);
    CHECK(b.memory.ram()[0x601FE] == 3);
    CHECK(b.in(0xD0) == 0x0A);
}

TEST_CASE("dma: reading, and word channels move whole words") {
    Bench b;
    for (unsigned i = 0; i < 16; ++i) b.memory.ram()[0x8000 + i] = static_cast<u8>(0xA0 + i);
    std::vector<u8> data(5);
    b.program(6, read_mode, 0, 0x4000, 7);
    CHECK(b.dma.from_memory(6, data).count == 4);
    CHECK(data == std::vector<u8>{0xA0, 0xA1, 0xA2, 0xA3, 0});
    CHECK(b.word(0xC8) == 0x4002);
    CHECK(b.word(0xCA) == 5);
    CHECK(b.dma.to_memory(6, data).count == 0); // the other direction
    b.program(1, read_mode, 0x7F, 0xFFF0, 3);   // beyond memory
    CHECK(b.dma.from_memory(1, data).count == 4);
    CHECK(data[0] == 0xFF);
}

TEST_CASE("dma: verify counts without touching memory") {
    Bench b;
    const auto data = counting(4);
    b.program(2, verify_mode, 0, 0x3000, 3);
    CHECK(b.dma.to_memory(2, data).terminal_count);
    CHECK(b.memory.ram()[0x3000] == 0);
    CHECK(b.in(0x08) == 4);
    std::vector<u8> back(2);
    b.program(2, verify_mode, 0, 0x3000, 3);
    CHECK(b.dma.from_memory(2, back).count == 2);
    CHECK(back[0] == 0xFF);
    b.program(2, 0x4C, 0, 0x3000, 3); // illegal transfer type
    CHECK(b.dma.to_memory(2, data).count == 0);
    b.program(2, 0xC4, 0, 0x3000, 3); // cascade
    CHECK(b.dma.to_memory(2, data).count == 0);
}

TEST_CASE("dma: masks, the cascade and the disable bits") {
    Bench b;
    b.program(2, write_mode, 0, 0x3000, 3);
    b.out(0xD4, 0x04);
    CHECK_FALSE(b.dma.ready(2));
    b.out(0xD4, 0x00);
    b.out(0x08, 0x04);
    CHECK_FALSE(b.dma.ready(2));
    b.out(0x08, 0x00);
    CHECK(b.dma.ready(2));
    b.out(0x0F, 0x04);
    CHECK_FALSE(b.dma.ready(2));
    CHECK(b.dma.ready(3));
    b.out(0x0E, 0);
    CHECK(b.in(0x0F) == 0);
    CHECK(b.dma.ready(2));
    CHECK_FALSE(b.dma.ready(4));
    CHECK_FALSE(b.dma.ready(8));
    b.out(0x0D, 0); // master clear
    CHECK(b.in(0x0F) == 0x0F);
    CHECK(b.in(0x0D) == 0);
    CHECK(b.in(0x0B) == 0xFF);
}

TEST_CASE("dma: the flip-flop, base and current registers, page registers") {
    Bench b;
    b.out(0x0C, 0);
    b.out(0x00, 0x34);
    b.out(0x00, 0x12);
    CHECK(b.word(0x00) == 0x1234);
    b.in(0x00);
    b.out(0x0C, 0);
    CHECK(b.in(0x00) == 0x34);
    b.out(0xD8, 0);
    b.out(0xC4, 0x78);
    b.out(0xC5, 0x56); // the odd port is the same register
    CHECK(b.word(0xC4) == 0x5678);
    for (unsigned port = 0x81; port <= 0x8F; ++port) b.out(static_cast<u16>(port), port ^ 0x55);
    for (unsigned port = 0x81; port <= 0x8F; ++port) CHECK(b.in(static_cast<u16>(port)) == (port ^ 0x55));
}

TEST_CASE("dma: a software request waits for its controller and for channel 4") {
    Bench b;
    b.program(1, 0x80, 0, 0x100, 9); // block, verify
    b.out(0x08, 4);                  // disabled
    b.out(0x09, 5);
    CHECK(b.in(0x08) == 0x20);
    b.out(0x08, 0);
    CHECK(b.in(0x08) == 0x02);
    CHECK(b.word(0x02) == 0x10A);

    b.program(1, 0x80, 0, 0x100, 9);
    b.out(0xD4, 0x04); // channel 4 masked
    b.out(0x09, 5);
    CHECK(b.word(0x02) == 0x100);
    b.out(0xD4, 0x00);
    CHECK(b.word(0x02) == 0x10A);
    CHECK(b.in(0x08) == 0x02);
}

TEST_CASE("dma: software requests") {
    Bench b;
    b.program(1, verify_mode, 0, 0x100, 9);
    b.out(0x09, 5); // single service: stays pending
    CHECK(b.in(0x08) == 0x20);
    b.out(0x09, 1);
    CHECK(b.in(0x08) == 0x00);
    b.program(1, 0x84, 0, 0x100, 9); // block, write
    b.out(0x0A, 5);                  // masked: served all the same
    b.out(0x09, 5);
    CHECK(b.in(0x08) == 0x02);
    CHECK(b.word(0x02) == 0x10A);
    CHECK(b.memory.ram()[0x100] == 0xFF);
    CHECK(b.memory.ram()[0x109] == 0xFF);
    CHECK(b.memory.ram()[0x10A] == 0);
}

TEST_CASE("dma: saved and loaded, and nonsense refused") {
    Bench a, b;
    a.program(2, write_mode | 0x10, 1, 0x2345, 77);
    a.out(0x04, 0x11); // half a word
    Archive saved = Archive::saver();
    a.dma.persist(saved);
    Archive loaded = Archive::loader(saved.bytes());
    b.dma.persist(loaded);
    REQUIRE(loaded.ok());
    CHECK(loaded.at_end());
    CHECK(b.in(0x81) == 1);
    CHECK(b.in(0x04) == 0x23); // the flip-flop too
    CHECK(b.in(0x04) == 0x11);
    const auto data = counting(200);
    for (std::size_t i = 0; i < saved.bytes().size(); ++i) {
        std::vector<u8> broken = saved.bytes();
        broken[i] ^= 0xFF;
        Bench c;
        Archive bad = Archive::loader(broken);
        c.dma.persist(bad);
        for (unsigned channel = 0; channel < 8; ++channel) c.dma.to_memory(channel, data);
    }
}
