// The 8259A pair against its data sheet.
#include "devices/pic/pic.hpp"

#include "devices/pit/pit.hpp"

#include <doctest/doctest.h>
#include <vector>

using namespace glassbox;

namespace {

struct Bench : IrqSink {
    PortBus ports;
    PicPair pic{IrqLine(*this, 0)};
    bool intr = false;

    Bench() { pic.map(ports); }
    void set_irq(unsigned, bool level) override { intr = level; }
    void out(u16 port, unsigned value) { ports.write(Port(port), 1, value); }
    u8 in(u16 port) { return static_cast<u8>(ports.read(Port(port), 1)); }
    void initialize(u8 icw1 = 0x11, u8 icw4 = 1) {
        for (u16 base : {u16{0x20}, u16{0xA0}}) {
            out(base, icw1);
            const auto data = static_cast<u16>(base + 1);
            out(data, base == 0x20 ? 0x08 : 0x70);
            if ((icw1 & 2) == 0) out(data, base == 0x20 ? 0x04 : 0x02);
            if ((icw1 & 1) != 0) out(data, icw4);
        }
    }
    void pulse(unsigned irq) {
        pic.set_irq(irq, false);
        pic.set_irq(irq, true);
    }
    u8 irr(u16 base) { return out(base, 0x0A), in(base); }
    u8 isr(u16 base) { return out(base, 0x0B), in(base); }
    void eoi(u16 base = 0x20) { out(base, 0x20); }
};

} // namespace

TEST_CASE("pic: initialization, masks, priorities and the request and service registers") {
    Bench b;
    b.initialize();
    CHECK(b.in(0x21) == 0);
    b.out(0x21, 0xFE);
    CHECK(b.in(0x21) == 0xFE);
    b.pulse(3);
    CHECK_FALSE(b.intr);
    CHECK(b.irr(0x20) == 0x08);
    b.out(0x21, 0);
    CHECK(b.intr);
    b.pulse(1);
    CHECK(b.pic.acknowledge() == 0x09);
    CHECK(b.isr(0x20) == 0x02);
    CHECK(b.irr(0x20) == 0x08);
    CHECK_FALSE(b.intr); // 3 waits for 1
    b.pulse(0);
    CHECK(b.intr);
    CHECK(b.pic.acknowledge() == 0x08);
    b.eoi();
    CHECK(b.isr(0x20) == 0x02);
    b.eoi();
    CHECK(b.intr);
    CHECK(b.pic.acknowledge() == 0x0B);
    b.pic.set_irq(3, true); // still the same edge
    b.out(0x20, 0x63);      // specific EOI
    CHECK(b.isr(0x20) == 0);
    CHECK_FALSE(b.intr);
    b.pulse(3);
    CHECK(b.intr);
}

TEST_CASE("pic: the slave through the cascade") {
    Bench b;
    b.initialize();
    b.pulse(12);
    b.pulse(8);
    CHECK(b.pic.acknowledge() == 0x70);
    CHECK(b.isr(0x20) == 0x04);
    CHECK(b.isr(0xA0) == 0x01);
    CHECK_FALSE(b.intr);
    b.eoi(0xA0);
    CHECK_FALSE(b.intr); // the master's own level 2 is in service
    CHECK(b.irr(0x20) == 0x04);
    b.eoi();
    CHECK(b.intr);
    CHECK(b.pic.acknowledge() == 0x74);
    b.eoi();
    b.eoi(0xA0);
    CHECK_FALSE(b.intr);
    b.pic.set_irq(2, true); // the board cannot drive the cascade
    b.pic.set_irq(99, true);
    CHECK_FALSE(b.intr);
    // A register read of the slave is no acknowledge.
    b.pulse(9);
    b.out(0x20, 0x0C);
    CHECK(b.in(0x20) == 0x82);
    CHECK_FALSE(b.intr);
    b.in(0xA1);
    b.irr(0xA0);
    b.eoi();
    CHECK_FALSE(b.intr);
    // The cascade addresses by ICW3.
    b.initialize();
    b.out(0xA0, 0x11);
    b.out(0xA1, 0x70);
    b.out(0xA1, 0x05);
    b.out(0xA1, 0x01);
    b.pulse(9);
    CHECK(b.pic.acknowledge() == 0xFF);
}

TEST_CASE("pic: a request that vanishes is a default IR7 or IR15 and not in service") {
    Bench b;
    b.initialize();
    b.pulse(5);
    CHECK(b.intr);
    b.pic.set_irq(5, false);
    CHECK_FALSE(b.intr);
    CHECK(b.pic.acknowledge() == 0x0F);
    CHECK(b.isr(0x20) == 0);
    // The slave's request vanishes behind a master that still has the edge: keep the line up by a masked race.
    Pic8259 slave;
    slave.write(false, 0x11);
    slave.write(true, 0x70);
    slave.write(true, 2);
    slave.write(true, 1);
    CHECK_FALSE(slave.acknowledge());
    CHECK(slave.vector(7) == 0x77);
    CHECK(slave.isr() == 0);
}

TEST_CASE("pic: level-triggered inputs by the ELCR, whatever LTIM says") {
    Bench b;
    b.initialize();
    b.out(0x4D0, 0xFF);
    b.out(0x4D1, 0xFF);
    CHECK(b.in(0x4D0) == 0xF8);
    CHECK(b.in(0x4D1) == 0xDE);
    b.pic.set_irq(11, true);
    CHECK(b.pic.acknowledge() == 0x73);
    b.eoi(0xA0);
    b.eoi();
    CHECK(b.intr); // still asserted
    CHECK(b.irr(0xA0) == 0x08);
    b.pic.set_irq(11, false);
    CHECK_FALSE(b.intr);
    b.pic.set_irq(1, true);
    CHECK(b.pic.acknowledge() == 0x09);
    b.eoi();
    CHECK_FALSE(b.intr); // IRQ 1 stays edge-triggered
    b.initialize(0x19);  // LTIM: no function beside the ELCR
    CHECK_FALSE(b.intr);
    b.pic.set_irq(1, false);
    b.pic.set_irq(1, true);
    CHECK(b.pic.acknowledge() == 0x09);
    b.eoi();
    CHECK_FALSE(b.intr);
    b.pic.reset();
    CHECK(b.in(0x4D0) == 0);
}

TEST_CASE("pic: ICW1 resets the edge sense, IMR and modes; silence until the last ICW") {
    Bench b;
    b.initialize();
    b.out(0x21, 0xF0);
    b.pulse(4);
    b.initialize();
    CHECK(b.in(0x21) == 0);
    CHECK(b.irr(0x20) == 0);
    CHECK_FALSE(b.intr);
    b.out(0x20, 0x11);
    b.pulse(0);
    CHECK_FALSE(b.intr);
    b.out(0x21, 0x20);
    b.out(0x21, 0x04);
    CHECK_FALSE(b.intr);
    b.out(0x21, 0x01);
    CHECK(b.intr);
    CHECK(b.pic.acknowledge() == 0x20);
    // Single, without ICW4: two words only.
    b.out(0x20, 0x12);
    b.out(0x21, 0x47);
    b.out(0x21, 0xAA);
    CHECK(b.in(0x21) == 0xAA);
    b.out(0x21, 0);
    b.pulse(9); // no cascade: input 2 is an input
    CHECK(b.pic.acknowledge() == 0x42);
    CHECK(b.isr(0xA0) == 0);
}

TEST_CASE("pic: automatic EOI and its rotation") {
    Bench b;
    b.initialize(0x11, 3);
    b.pulse(0);
    b.pulse(1);
    CHECK(b.pic.acknowledge() == 0x08);
    CHECK(b.isr(0x20) == 0);
    CHECK(b.intr);
    CHECK(b.pic.acknowledge() == 0x09);
    b.out(0x20, 0x80); // rotate in automatic EOI mode
    b.pulse(1);
    b.pulse(3);
    CHECK(b.pic.acknowledge() == 0x09);
    b.pulse(1);
    CHECK(b.pic.acknowledge() == 0x0B); // 1 is last now
    CHECK(b.pic.acknowledge() == 0x09);
    b.out(0x20, 0x00);
    b.pulse(0);
    b.pulse(2);
    CHECK(b.pic.acknowledge() == 0x08);
}

TEST_CASE("pic: rotation and set priority") {
    Bench b;
    b.initialize();
    b.out(0x20, 0xC4); // 4 lowest: 5 highest
    b.pulse(4);
    b.pulse(6);
    b.pulse(0);
    CHECK(b.pic.acknowledge() == 0x0E);
    CHECK_FALSE(b.intr);
    b.out(0x20, 0xA0); // rotate on non-specific EOI: 6 lowest, 7 highest
    CHECK(b.pic.acknowledge() == 0x08);
    b.pulse(6);
    b.pulse(7);
    CHECK(b.intr);
    CHECK(b.pic.acknowledge() == 0x0F);
    CHECK(b.isr(0x20) == 0x81);
    b.out(0x20, 0xE7); // rotate on specific EOI: 7 lowest
    CHECK(b.isr(0x20) == 0x01);
    b.out(0x20, 0x40); // no operation
    CHECK(b.isr(0x20) == 0x01);
    b.eoi();
    CHECK(b.pic.acknowledge() == 0x0C);
}

TEST_CASE("pic: special mask mode lets lower levels through") {
    Bench b;
    b.initialize();
    b.pulse(1);
    b.pic.acknowledge();
    b.pulse(5);
    CHECK_FALSE(b.intr);
    b.out(0x21, 0x02);
    CHECK_FALSE(b.intr);
    b.out(0x20, 0x68); // set special mask
    CHECK(b.intr);
    CHECK(b.pic.acknowledge() == 0x0D);
    CHECK(b.isr(0x20) == 0x22);
    b.eoi(); // passes over the masked level 1
    CHECK(b.isr(0x20) == 0x02);
    b.out(0x20, 0x08); // ESMM clear: unchanged
    b.pulse(6);
    CHECK(b.intr);
    b.out(0x20, 0x48); // reset special mask
    CHECK_FALSE(b.intr);
}

TEST_CASE("pic: special fully nested mode") {
    Bench b;
    b.initialize();
    b.out(0x20, 0x11);
    b.out(0x21, 0x08);
    b.out(0x21, 0x04);
    b.out(0x21, 0x11);
    b.pulse(12);
    CHECK(b.pic.acknowledge() == 0x74);
    b.pulse(8); // higher within the slave
    CHECK(b.intr);
    CHECK(b.pic.acknowledge() == 0x70);
    CHECK(b.isr(0xA0) == 0x11);
    b.pulse(3);
    CHECK_FALSE(b.intr);
    b.eoi(0xA0);
    b.eoi(0xA0);
    b.eoi();
    CHECK(b.pic.acknowledge() == 0x0B);
}

TEST_CASE("pic: the poll command") {
    Bench b;
    b.initialize();
    b.out(0x20, 0x0C);
    CHECK(b.in(0x20) == 0);
    b.pulse(6);
    b.out(0x20, 0x0C);
    CHECK(b.in(0x21) == 0x86); // either address
    CHECK(b.isr(0x20) == 0x40);
    CHECK(b.in(0x21) == 0x00); // once only
    b.pulse(10);
    b.pulse(11);
    b.out(0xA0, 0x0C);
    CHECK(b.in(0xA0) == 0x82);
    b.eoi(0xA0);
    CHECK(b.intr);
    CHECK(b.pic.acknowledge() == 0x73);
}

TEST_CASE("pic: the timer's square wave interrupts once a period") {
    Bench b;
    b.initialize();
    Scheduler scheduler;
    Pit pit(scheduler, IrqLine(b.pic, 0));
    pit.write(3, 1, 0x36);
    pit.write(0, 1, 0xE8);
    pit.write(0, 1, 0x03);
    b.out(0x20, 0x20);
    unsigned taken = 0;
    const Time end = time_of(1 + 1000 * 20, Pit::frequency);
    while (scheduler.next_event() <= end) {
        scheduler.skip_to(scheduler.next_event());
        scheduler.fire_due();
        if (!b.intr) continue;
        CHECK(b.pic.acknowledge() == 0x08);
        b.eoi();
        ++taken;
    }
    CHECK(taken == 20); // the rises at 1000, 2000 ... 20000
}

TEST_CASE("pic: saved and loaded, and nonsense refused") {
    Bench a, b;
    a.initialize();
    a.out(0x4D1, 0x0C);
    a.pic.set_irq(10, true);
    a.pulse(1);
    a.pic.acknowledge();
    Archive saved = Archive::saver();
    a.pic.persist(saved);
    Archive loaded = Archive::loader(saved.bytes());
    b.pic.persist(loaded);
    REQUIRE(loaded.ok());
    CHECK(loaded.at_end());
    for (Bench* x : {&a, &b}) {
        CHECK(x->isr(0x20) == 2);
        x->eoi();
        CHECK(x->pic.acknowledge() == 0x72);
    }
    CHECK(b.in(0x4D1) == 0x0C);
    for (std::size_t i = 0; i < saved.bytes().size(); ++i) {
        std::vector<u8> broken = saved.bytes();
        broken[i] ^= 0xFF;
        Bench c;
        Archive bad = Archive::loader(broken);
        c.pic.persist(bad);
        c.pic.acknowledge();
        c.in(0x20);
    }
}

TEST_CASE("pic: any sequence of bytes is survived") {
    Bench b;
    u32 random = 12345;
    for (int i = 0; i < 20000; ++i) {
        random = random * 1664525 + 1013904223;
        const unsigned r = random >> 8;
        constexpr u16 ports[] = {0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1};
        switch (r & 3) {
        case 0: b.out(ports[(r >> 2) % 6], r >> 8 & 0xFF); break;
        case 1: b.in(ports[(r >> 2) % 6]); break;
        case 2: b.pic.set_irq(r >> 2 & 15, (r >> 8 & 1) != 0); break;
        default:
            if (b.intr) b.pic.acknowledge();
        }
        REQUIRE(b.intr == b.pic.intr());
    }
}
