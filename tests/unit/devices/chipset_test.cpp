#include "devices/chipset/i440fx.hpp"
#include "devices/chipset/isa_irq_router.hpp"
#include "devices/chipset/piix3.hpp"
#include "devices/chipset/system_control.hpp"
#include "tests/unit/devices/board_fakes.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::test;

namespace {

struct Board {
    PortBus ports;
    MemoryMap memory{4u << 20};
    std::vector<u8> rom = std::vector<u8>(0x20000, 0xEE);
    PciBus pci{ports};
    FakeIrqs pic, io_apic;
    IsaIrqRouter irqs{pic, &io_apic};
    I440fx host{ports, memory};
    int hard = 0, soft = 0;
    Piix3 isa{ports, memory, irqs, IsaIrqRouter::pirq * 16, {[this](bool h) { ++(h ? hard : soft); }}};

    Board() {
        memory.add({.name = "low",
                    .start = 0,
                    .size = 0xA0000,
                    .access = MemoryMap::Access::read_write,
                    .host = memory.ram().data()});
        memory.add({.name = "BIOS",
                    .start = 0xE0000,
                    .size = 0x20000,
                    .access = MemoryMap::Access::read_write,
                    .host = rom.data(),
                    .writes_dropped = true});
        pci.attach(0, 0, host);
        pci.attach(1, 0, isa);
        pci.set_reset_control(&isa);
    }
    void config_write(unsigned slot, unsigned offset, unsigned width, u32 value) {
        ports.write(Port{0xCF8}, 4, 0x8000'0000 | slot << 11 | (offset & 0xFC));
        ports.write(Port{static_cast<u16>(0xCFC + offset % 4)}, width, value);
    }
    u32 config_read(unsigned slot, unsigned offset, unsigned width) {
        ports.write(Port{0xCF8}, 4, 0x8000'0000 | slot << 11 | (offset & 0xFC));
        return ports.read(Port{static_cast<u16>(0xCFC + offset % 4)}, width);
    }
};

} // namespace

TEST_CASE("the bridges have the identity that guests look for") {
    Board b;
    CHECK(b.config_read(0, 0, 4) == 0x1237'8086);
    CHECK(b.config_read(0, 8, 4) == 0x0600'0002);
    CHECK(b.config_read(0, 4, 2) == 0x0006);
    CHECK(b.config_read(1, 0, 4) == 0x7000'8086);
    CHECK(b.config_read(1, 8, 4) == 0x0601'0000);
    CHECK(b.config_read(1, 0x0E, 1) == 0x80);
    CHECK(b.config_read(1, 4, 2) == 0x0007);
    CHECK(b.config_read(2, 0, 4) == 0xFFFF'FFFF);
    CHECK(b.config_read(0, 0x60, 1) == 1); // 4 MiB: one unit of 8 MiB in row 0
}

TEST_CASE("every PAM nibble opens its own segment, reads and writes apart") {
    struct Row {
        u32 start;
        u8 offset, shift;
    };
    const Row rows[] = {{0xF0000, 0x59, 4}, {0xC0000, 0x5A, 0}, {0xC4000, 0x5A, 4}, {0xC8000, 0x5B, 0},
                        {0xCC000, 0x5B, 4}, {0xD0000, 0x5C, 0}, {0xD4000, 0x5C, 4}, {0xD8000, 0x5D, 0},
                        {0xDC000, 0x5D, 4}, {0xE0000, 0x5E, 0}, {0xE4000, 0x5E, 4}, {0xE8000, 0x5F, 0},
                        {0xEC000, 0x5F, 4}};
    for (const Row& row : rows) {
        CAPTURE(row.start);
        Board b;
        const PhysAddress at{row.start + 0x123};
        const u64 below = row.start >= 0xE0000 ? 0xEE : 0xFF;
        CHECK(b.memory.read(at, 1) == below);
        b.memory.write(at, 1, 0x11);
        CHECK(b.memory.read(at, 1) == below);
        b.config_write(0, row.offset, 1, 2u << row.shift); // write only: shadowing
        b.memory.write(at, 1, 0x22);
        CHECK(b.memory.read(at, 1) == below);
        CHECK(b.memory.ram()[at.value] == 0x22);
        b.config_write(0, row.offset, 1, 1u << row.shift); // read only
        CHECK(b.memory.read(at, 1) == 0x22);
        b.memory.write(at, 1, 0x33);
        CHECK(b.memory.read(at, 1) == 0x22);
        CHECK(b.memory.read(PhysAddress{row.start ^ 0x10000u}, 1) != 0x22);
        b.config_write(0, row.offset, 1, 3u << row.shift);
        b.memory.write(at, 1, 0x44);
        CHECK(b.memory.read(at, 1) == 0x44);
        b.pci.reset();
        CHECK(b.memory.read(at, 1) == below);
    }
}

TEST_CASE("PAM writes as one doubleword reach all segments") {
    Board b;
    b.config_write(0, 0x5A, 2, 0x3333);
    b.config_write(0, 0x5C, 4, 0x3333'3333);
    b.config_write(0, 0x59, 1, 0xFF);
    CHECK(b.config_read(0, 0x59, 1) == 0x30);
    for (u32 at = 0xC0000; at < 0x100000; at += 0x4000) {
        b.memory.write(PhysAddress{at}, 4, at);
        CHECK(b.memory.read(PhysAddress{at}, 4) == at);
    }
}

TEST_CASE("SMRAM opens, closes and locks") {
    Board b;
    const PhysAddress at{0xA8000};
    CHECK(b.config_read(0, 0x72, 1) == 0x02);
    b.config_write(0, 0x72, 1, 0x48);
    b.memory.write(at, 1, 0x5A);
    CHECK(b.memory.read(at, 1) == 0x5A);
    b.config_write(0, 0x72, 1, 0x18);
    CHECK(b.memory.read(at, 1) == 0xFF);
    b.config_write(0, 0x72, 1, 0x48);
    CHECK(b.memory.read(at, 1) == 0xFF);
    CHECK(b.config_read(0, 0x72, 1) == 0x1A);
    b.pci.reset();
    CHECK(b.config_read(0, 0x72, 1) == 0x02);
}

TEST_CASE("the host bridge's state survives a snapshot and its shadowing with it") {
    Board a, b;
    a.config_write(0, 0x59, 1, 0x30);
    a.config_write(0, 0x72, 1, 0x18);
    REQUIRE(loaded(b.host, saved(a.host)) == "");
    CHECK(saved(b.host) == saved(a.host));
    b.memory.write(PhysAddress{0xF0000}, 1, 0x77);
    CHECK(b.memory.read(PhysAddress{0xF0000}, 1) == 0x77);
    b.config_write(0, 0x72, 1, 0x48);
    CHECK(b.config_read(0, 0x72, 1) == 0x1A);
    std::vector<u8> wrong = saved(a.isa);
    CHECK(loaded(b.host, wrong) != "");
}

TEST_CASE("PIRQs follow the slot's swizzle and the route registers") {
    Board b;
    for (unsigned slot = 0; slot < 32; ++slot) {
        for (unsigned pin = 0; pin < 4; ++pin) {
            const unsigned pirq = (slot + pin + 3) % 4;
            Board c;
            c.config_write(1, 0x60 + pirq, 1, 11);
            c.isa.pci_line(slot, 7, pin).raise();
            CHECK(c.pic.high(11));
            CHECK(c.io_apic.high(11));
            c.isa.pci_line(slot, 7, pin).lower();
            CHECK(!c.pic.high(11));
        }
    }
    b.isa.pci_line(3, 0, 0).raise(); // PIRQC
    CHECK(b.pic.rises.empty());      // disabled after reset
    CHECK(b.config_read(1, 0x60, 4) == 0x8080'8080);
    b.config_write(1, 0x60, 4, 0x0A0B'0A0A);
    CHECK(b.pic.high(11));
    b.config_write(1, 0x62, 1, 5); // moves with its register
    CHECK(!b.pic.high(11));
    CHECK(b.pic.high(5));
    b.config_write(1, 0x62, 1, 0x85);
    CHECK(!b.pic.high(5));
    for (unsigned reserved : {0u, 1u, 2u, 8u, 13u}) {
        b.config_write(1, 0x62, 1, reserved);
        CHECK(!b.pic.high(reserved));
    }
}

TEST_CASE("functions that share a PIRQ, and an ISA device beside them, are wired-or") {
    Board b;
    b.config_write(1, 0x60, 4, 0x0A0A'0A0A);
    b.isa.pci_line(3, 0, 0).raise();
    b.isa.pci_line(3, 1, 0).raise();
    b.isa.pci_line(4, 0, 2).raise();
    b.irqs.line(10).raise();
    CHECK(b.pic.rises[10] == 1);
    b.isa.pci_line(3, 0, 0).lower();
    b.isa.pci_line(3, 1, 0).lower();
    CHECK(b.pic.high(10));
    b.isa.pci_line(4, 0, 2).lower();
    CHECK(b.pic.high(10));
    b.irqs.line(10).lower();
    CHECK(!b.pic.high(10));
}

TEST_CASE("the timer's wire is input 2 of the I/O APIC") {
    Board b;
    b.irqs.line(0).raise();
    CHECK(b.pic.high(0));
    CHECK(b.io_apic.high(2));
    CHECK(!b.io_apic.high(0));
    b.irqs.set_irq(0xFFFF'FFFF, true); // any number stays in range
    CHECK(b.pic.high(15));
}

TEST_CASE("a PCI function's INTx# obeys the disable bit and shows its status") {
    Board b;
    struct Card : PciFunction {
        Card(PortBus& p, MemoryMap& m)
            : PciFunction("card", {.vendor = 1, .device = 2, .class_code = 0, .interrupt_pin = 1}, p, m) {}
        void request(bool level) { set_interrupt(level); }
    } card(b.ports, b.memory);
    b.pci.attach(3, 0, card);
    card.connect_interrupt(b.isa.pci_line(3, 0, 0));
    b.config_write(1, 0x62, 1, 11);
    card.request(true);
    CHECK(b.pic.high(11));
    CHECK((b.config_read(3, 6, 2) & 8) == 8);
    b.config_write(3, 4, 2, 0x400);
    CHECK(!b.pic.high(11));
    CHECK((b.config_read(3, 6, 2) & 8) == 8);
    b.config_write(3, 4, 2, 0);
    CHECK(b.pic.high(11));
    card.reset();
    CHECK(!b.pic.high(11));
}

TEST_CASE("the reset control register resets on the rise of RCPU") {
    Board b;
    b.ports.write(Port{0xCF9}, 1, 0x02);
    CHECK(b.ports.read(Port{0xCF9}, 1) == 0x02);
    CHECK(b.hard + b.soft == 0);
    b.ports.write(Port{0xCF9}, 1, 0x06);
    CHECK(b.hard == 1);
    b.ports.write(Port{0xCF9}, 1, 0x04);
    CHECK(b.soft == 1);
    b.ports.write(Port{0xCF8}, 4, 0x8000'0000); // the address register is another thing
    CHECK(b.hard == 1);
}

TEST_CASE("routing survives a snapshot without touching the wires") {
    Board a, b;
    a.config_write(1, 0x60, 4, 0x0A0A'0A0B);
    a.isa.pci_line(5, 2, 3).raise();
    REQUIRE(loaded(b.irqs, saved(a.irqs)) == "");
    REQUIRE(loaded(b.isa, saved(a.isa)) == "");
    CHECK(b.pic.rises.empty());
    CHECK(saved(b.isa) == saved(a.isa));
    b.pic.levels[10] = true;
    b.isa.pci_line(5, 2, 3).lower();
    CHECK(!b.pic.high(10));
}

namespace {
struct Ports61 {
    Scheduler scheduler;
    MemoryMap memory{1u << 20};
    A20Gate a20{memory};
    PortBus ports;
    bool gate = false, speaker = false, output = false;
    int resets = 0;
    SystemControl control{scheduler,
                          a20,
                          {.set_gate2 = [this](bool v) { gate = v; },
                           .output2 = [this] { return output; },
                           .refresh_toggle = {},
                           .set_speaker = [this](bool v) { speaker = v; },
                           .reset_processor = [this] { ++resets; }}};
    Ports61() { control.map(ports); }
    u32 in(u16 port) { return ports.read(Port{port}, 1); }
    void out(u16 port, u32 value) { ports.write(Port{port}, 1, value); }
};
} // namespace

TEST_CASE("port 61h gates the timer and shows its output and the refresh") {
    Ports61 b;
    b.out(0x61, 0xF3);
    CHECK(b.gate);
    CHECK(b.speaker);
    CHECK((b.in(0x61) & 0xEF) == 0x03);
    b.output = true;
    CHECK((b.in(0x61) & 0x20) == 0x20);
    b.out(0x61, 0x0D);
    CHECK(b.gate);
    CHECK(!b.speaker);
    CHECK((b.in(0x61) & 0x0F) == 0x0D);
    unsigned toggles = 0;
    u32 last = b.in(0x61) & 0x10;
    for (int i = 0; i < 10000; ++i) { // 10 ms
        pass(b.scheduler, microsecond);
        const u32 level = b.in(0x61) & 0x10;
        toggles += level != last;
        last = level;
    }
    CHECK(toggles >= 660);
    CHECK(toggles <= 665); // one in 15.085 us
    b.control.reset();
    CHECK(!b.gate);
}

TEST_CASE("port 92h moves A20 and resets the processor") {
    Ports61 b;
    CHECK(b.in(0x92) == 0x02);
    b.out(0x92, 0x00);
    CHECK(!b.memory.a20());
    CHECK(b.in(0x92) == 0x00);
    b.a20.set(true); // as the 8042 does
    CHECK(b.in(0x92) == 0x02);
    CHECK(b.resets == 0);
    b.out(0x92, 0x03);
    CHECK(b.resets == 1);
    b.out(0x92, 0xCA);
    CHECK(b.in(0x92) == 0xCA);
    b.out(0x80, 0x5B);
    CHECK(b.in(0x80) == 0x5B);
    CHECK(b.control.post_code() == 0x5B);
    Ports61 c;
    REQUIRE(loaded(c.control, saved(b.control)) == "");
    CHECK(c.in(0x92) == 0xCA);
    CHECK(c.in(0x80) == 0x5B);
    std::vector<u8> bad = saved(b.control);
    bad[bad.size() - 3] = 0xF0;
    CHECK(loaded(c.control, bad) != "");
}
