#include "bus/pci.hpp"

#include <doctest/doctest.h>

using namespace glassbox;

namespace {

struct Registers : IoDevice {
    u64 last_offset = 0, last_value = 0;
    u64 read(u64 offset, unsigned) override { return 0xA0 + offset; }
    void write(u64 offset, unsigned, u64 value) override { last_offset = offset, last_value = value; }
};

struct Wire : IrqSink {
    bool level = false;
    void set_irq(unsigned, bool now) override { level = now; }
};

struct Card : PciFunction {
    Registers io, mmio;
    std::vector<u8> frame = std::vector<u8>(0x10000), rom = std::vector<u8>(0x10000, 0x55);
    std::vector<unsigned> written;

    Card(PortBus& ports, MemoryMap& memory)
        : PciFunction("card",
                      {.vendor = 0x1234, .device = 0x5678, .class_code = 0x0A0B0C, .revision = 9, .interrupt_pin = 1},
                      ports, memory) {
        add_bar(0, BarKind::memory32_prefetchable, 0x10000, nullptr, 4, 0, frame.data());
        add_bar(1, BarKind::io, 16, &io, 4, 0x20);
        add_bar(2, BarKind::memory32, 4096, &mmio, 4, 0);
        add_bar(6, BarKind::memory32, 0x10000, nullptr, 4, 0, rom.data(), true);
        define(0x40, 0x5A, 0x0F);
    }
    void config_written(u8 offset, unsigned width) override { written.push_back(offset | width << 8); }
    void interrupt(bool level) { set_interrupt(level); }
    using PciFunction::bar_address;
};

struct Rig {
    PortBus ports;
    MemoryMap memory{1u << 20};
    PciBus pci{ports};
    Card card{ports, memory};
    Rig() {
        memory.add({.name = "RAM",
                    .start = 0,
                    .size = 1u << 20,
                    .access = MemoryMap::Access::read_write,
                    .host = memory.ram().data()});
        pci.attach(4, 0, card);
    }
    void address(u32 offset, unsigned slot = 4) {
        ports.write(Port{0xCF8}, 4, 0x8000'0000 | slot << 11 | (offset & 0xFC));
    }
    u32 in(u32 offset, unsigned width = 4) {
        address(offset);
        return ports.read(Port{static_cast<u16>(0xCFC + offset % 4)}, width);
    }
    void out(u32 offset, u32 value, unsigned width = 4) {
        address(offset);
        ports.write(Port{static_cast<u16>(0xCFC + offset % 4)}, width, value);
    }
};

} // namespace

TEST_CASE("PCI: the configuration mechanism") {
    Rig r;
    r.ports.write(Port{0xCF8}, 4, 0xFFFF'FFFF);
    CHECK(r.ports.read(Port{0xCF8}, 4) == 0x80FF'FFFC);
    r.ports.write(Port{0xCF8}, 1, 0x12); // only doublewords reach the address register
    CHECK(r.ports.read(Port{0xCF8}, 4) == 0x80FF'FFFC);
    CHECK(r.ports.read(Port{0xCF9}, 1) == 0xFF);
    r.ports.write(Port{0xCF8}, 4, 0x0000'2000); // not enabled
    CHECK(r.ports.read(Port{0xCFC}, 4) == 0xFFFF'FFFF);
    r.ports.write(Port{0xCF8}, 4, 0x8001'2000); // bus 1
    CHECK(r.ports.read(Port{0xCFC}, 4) == 0xFFFF'FFFF);
    CHECK(r.in(0) == 0x5678'1234);
    CHECK(r.in(2, 2) == 0x5678);
    CHECK(r.in(3, 1) == 0x56);
    CHECK(r.in(8) == 0x0A0B'0C09);
    CHECK(r.in(0x2C) == 0x1100'1AF4);
    CHECK(r.in(0x3D, 1) == 1);
    r.address(0, 5);
    CHECK(r.ports.read(Port{0xCFC}, 4) == 0xFFFF'FFFF);
    r.address(0xFC);
    CHECK(r.ports.read(Port{0xCFE}, 4) == 0xFFFF'0000); // beyond the window
}

TEST_CASE("PCI: only writable bits change, and the function hears of writes") {
    Rig r;
    r.out(0, 0);
    CHECK(r.in(0) == 0x5678'1234);
    r.out(0x40, 0xFF, 1);
    CHECK(r.in(0x40, 1) == 0x5F);
    CHECK(r.card.written == std::vector<unsigned>{0x0400, 0x0140});
    r.out(4, 0xFFFF, 2);
    CHECK(r.in(4, 2) == 0x0547);
    r.out(0x3C, 0xFFFF, 2);
    CHECK(r.in(0x3C, 2) == 0x01FF);
    r.card.reset();
    CHECK(r.in(0x40, 1) == 0x5A);
    CHECK(r.in(4, 2) == 0);
}

TEST_CASE("PCI: base address registers size themselves") {
    Rig r;
    const u32 expected[] = {0xFFFF'0008, 0xFFFF'FFF1, 0xFFFF'F000, 0, 0, 0};
    r.out(4, 3, 2);
    for (u32 i = 0; i < 6; ++i) {
        r.out(0x10 + 4 * i, 0xFFFF'FFFF);
        CHECK(r.in(0x10 + 4 * i) == expected[i]);
        CHECK(!r.card.bar_address(i).has_value()); // nothing is decoded meanwhile
    }
    r.out(0x30, 0xFFFF'FFFF);
    CHECK(r.in(0x30) == 0xFFFF'0001);
}

TEST_CASE("PCI: base address registers map, move and unmap") {
    Rig r;
    r.out(0x14, 0xC000);
    CHECK(r.ports.read(Port{0xC003}, 1) == 0xFF);
    r.out(4, 1, 2);
    CHECK(r.ports.read(Port{0xC003}, 1) == 0xC3);
    r.ports.write(Port{0xC004}, 2, 0x1234);
    CHECK(r.card.io.last_offset == 0x24);
    CHECK(r.card.io.last_value == 0x1234);
    r.out(0x14, 0xD000);
    CHECK(r.ports.read(Port{0xC003}, 1) == 0xFF);
    CHECK(r.ports.read(Port{0xD003}, 1) == 0xC3);
    r.out(0x10, 0xE000'0000), r.out(0x18, 0xE100'0000), r.out(0x30, 0xE200'0001);
    CHECK(r.memory.read(PhysAddress{0xE000'0000}, 4) == 0xFFFF'FFFF);
    r.out(4, 2, 2);
    CHECK(r.ports.read(Port{0xD003}, 1) == 0xFF);
    r.memory.write(PhysAddress{0xE000'0010}, 1, 0x77);
    CHECK(r.card.frame[0x10] == 0x77);
    CHECK(r.memory.read(PhysAddress{0xE100'0004}, 1) == 0xA4);
    CHECK(r.memory.read(PhysAddress{0xE200'0000}, 2) == 0x5555);
    r.memory.write(PhysAddress{0xE200'0000}, 1, 0);
    CHECK(r.card.rom[0] == 0x55);
    r.out(0x30, 0xE200'0000); // ROM off
    CHECK(r.memory.read(PhysAddress{0xE200'0000}, 2) == 0xFFFF);
    r.pci.reset();
    CHECK(r.memory.read(PhysAddress{0xE000'0010}, 1) == 0xFF);
}

TEST_CASE("PCI: a base address over RAM or over motherboard ports takes nothing from them") {
    Rig r;
    Registers board;
    PortBus ports;
    MemoryMap memory{1u << 20};
    memory.add({.name = "RAM",
                .start = 0,
                .size = 1u << 20,
                .access = MemoryMap::Access::read_write,
                .host = memory.ram().data()});
    ports.map("board", {Port{0xC000}, 4}, board, 1);
    Card card(ports, memory);
    card.config_write(0x14, 4, 0xC000);
    card.config_write(0x10, 4, 0x10000);
    card.config_write(4, 2, 3);
    CHECK(ports.read(Port{0xC000}, 1) == 0xA0);
    CHECK(ports.read(Port{0xC004}, 1) == 0xC4);
    memory.write(PhysAddress{0x10000}, 1, 0x42);
    CHECK(memory.ram()[0x10000] == 0x42);
    CHECK(card.frame[0] == 0);
    for (u32 value : {0xFFFF'FFFFu, 0xFFFF'FFF0u, 0x0000'FFF1u, 0x0001'0001u, 0u}) { // edges of the spaces
        for (u8 bar = 0x10; bar <= 0x30; bar = static_cast<u8>(bar + 4)) card.config_write(bar, 4, value);
        (void)ports.read(Port{0xFFFF}, 4);
        (void)memory.read(PhysAddress{0xFFFF'FFFF}, 8);
    }
}

TEST_CASE("PCI: INTx# has a status and a disable bit") {
    Rig r;
    Wire wire;
    r.card.connect_interrupt(IrqLine(wire, 0));
    r.card.interrupt(true);
    CHECK(wire.level);
    CHECK(r.in(6, 2) == 8);
    r.out(4, 0x400, 2);
    CHECK(!wire.level);
    CHECK(r.in(6, 2) == 8);
    r.out(4, 0, 2);
    CHECK(wire.level);
    r.card.interrupt(false);
    CHECK(!wire.level);
    CHECK(r.in(6, 2) == 0);
    r.card.interrupt(true);
    r.card.reset();
    CHECK(!wire.level);
}

TEST_CASE("PCI: a snapshot restores the mappings and refuses another function") {
    Rig a, b;
    a.out(0x14, 0xC000), a.out(0x10, 0xE000'0000), a.out(4, 3, 2);
    a.card.interrupt(true);
    Archive out = Archive::saver();
    a.card.persist_config(out);
    a.pci.persist(out);
    Archive in = Archive::loader(out.bytes());
    b.card.persist_config(in);
    b.pci.persist(in);
    REQUIRE(in.ok());
    CHECK(b.ports.read(Port{0xCF8}, 4) == a.ports.read(Port{0xCF8}, 4));
    CHECK(b.ports.read(Port{0xC000}, 1) == 0xC0);
    CHECK(b.in(6, 2) == 8);
    b.memory.write(PhysAddress{0xE000'0000}, 1, 0x99);
    CHECK(b.card.frame[0] == 0x99);
    for (std::size_t i = 0; i < out.bytes().size(); ++i) {
        std::vector<u8> bad = out.bytes();
        bad[i] ^= 0xFF;
        Rig c;
        Archive damaged = Archive::loader(bad);
        c.card.persist_config(damaged);
        if (damaged.ok()) c.pci.persist(damaged);
        (void)c.ports.read(Port{0xCFC}, 4);
        (void)c.memory.read(PhysAddress{0xE000'0000}, 8);
    }
}
