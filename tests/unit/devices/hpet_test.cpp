// The HPET against the IA-PC HPET specification 1.0a.
#include "devices/hpet/hpet.hpp"

#include <doctest/doctest.h>
#include <vector>

using namespace glassbox;

namespace {

struct Lines : IrqSink {
    bool level[32] = {};
    unsigned rises[32] = {};
    void set_irq(unsigned input, bool value) override {
        if (value && !level[input]) ++rises[input];
        level[input] = value;
    }
};

struct Bench {
    Scheduler scheduler;
    MemoryMap memory{1 << 20};
    Lines apic, isa;
    LegacyRouter legacy{IrqLine(isa, 0), IrqLine(isa, 8)};
    Hpet hpet{scheduler, apic, legacy};

    Bench() { hpet.map(memory); }
    u64 get(u32 offset, unsigned width = 8) { return memory.read(PhysAddress(0xFED00000 + offset), width); }
    void set(u32 offset, u64 value, unsigned width = 8) {
        memory.write(PhysAddress(0xFED00000 + offset), width, value);
    }
    void timer(unsigned n, u64 configuration) { set(0x100 + 0x20 * n, configuration); }
    void comparator(unsigned n, u64 value, unsigned width = 8) { set(0x108 + 0x20 * n, value, width); }
    /// Runs to tick `t` of the 10 ns clock.
    void to(u64 t) {
        const Time end = t * 10 * nanosecond;
        while (scheduler.next_event() <= end) {
            scheduler.skip_to(scheduler.next_event());
            scheduler.fire_due();
        }
        scheduler.skip_to(end);
    }
};

constexpr u64 level = 2, on = 4, periodic = 8, value_set = 0x40, narrow = 0x100;
constexpr u64 route(unsigned n) { return u64{n} << 9; }

} // namespace

TEST_CASE("hpet: registers") {
    Bench b;
    CHECK(b.get(0x000) == 0x009896808086A201);
    CHECK(b.get(0x004, 4) == 10'000'000);
    CHECK(b.get(0x010) == 0);
    CHECK(b.get(0x020) == 0);
    CHECK(b.get(0x0F0) == 0);
    for (unsigned n = 0; n < 3; ++n) {
        CHECK(b.get(0x100 + 0x20 * n) == 0x00F0000000000030);
        CHECK(b.get(0x108 + 0x20 * n) == ~u64{0});
        CHECK(b.get(0x110 + 0x20 * n) == 0);
        b.timer(n, route(22) | 0xFFFF0000FFFFC1FF);
        CHECK(b.get(0x100 + 0x20 * n) == (0x00F0000000000130 | route(22) | level | on | periodic));
        b.timer(n, route(5)); // not among the capabilities: the old route stays
        CHECK(b.get(0x100 + 0x20 * n) == (0x00F0000000000030 | route(22)));
    }
    b.set(0x000, 0);
    b.set(0x160, ~u64{0});
    CHECK(b.get(0x000) == 0x009896808086A201);
    CHECK(b.get(0x160) == 0);
    b.hpet.reset();
    CHECK(b.get(0x100) == 0x00F0000000000030);
}

TEST_CASE("hpet: the main counter") {
    Bench b;
    b.to(100);
    CHECK(b.get(0xF0) == 0);
    b.set(0xF0, 0xFFFFFFFF);
    b.set(0x10, 1);
    CHECK(b.get(0xF0) == 0xFFFFFFFF);
    b.to(150);
    CHECK(b.get(0xF0) == 0xFFFFFFFF + u64{50});
    CHECK(b.get(0xF0, 4) == 49);
    CHECK(b.get(0xF4, 4) == 1);
    b.set(0x10, 0);
    b.to(200);
    CHECK(b.get(0xF0) == 0xFFFFFFFF + u64{50});
    b.set(0xF4, 7, 4);
    CHECK(b.get(0xF0) == 0x700000031);
}

TEST_CASE("hpet: one-shot, edge") {
    Bench b;
    b.timer(1, on | route(20));
    b.comparator(1, 1000);
    b.set(0x10, 1);
    b.to(999);
    CHECK(b.apic.rises[20] == 0);
    b.to(1000);
    CHECK(b.apic.rises[20] == 1);
    CHECK(b.get(0x20) == 0);
    b.comparator(1, 2000);
    b.to(1'000'000);
    CHECK(b.apic.rises[20] == 2);
    CHECK(b.get(0x128) == 2000);
    b.comparator(1, 500); // in the past
    b.to(2'000'000);
    CHECK(b.apic.rises[20] == 2);
    b.comparator(1, 3'000'000);
    b.timer(1, route(20)); // not enabled
    b.to(4'000'000);
    CHECK(b.apic.rises[20] == 2);
    CHECK_FALSE(b.apic.level[20]);
}

TEST_CASE("hpet: a 32-bit one-shot comes again with every wrap") {
    Bench b;
    b.timer(0, on | narrow | route(21));
    b.comparator(0, 0x5'0000'0010);
    CHECK(b.get(0x108) == 0x10);
    b.set(0x10, 1);
    b.to((u64{3} << 32) + 0x10);
    CHECK(b.apic.rises[21] == 4);
}

TEST_CASE("hpet: periodic by the value-set bit") {
    Bench b;
    b.set(0x10, 1);
    b.to(50);
    b.timer(0, on | periodic | value_set | narrow | route(22));
    b.comparator(0, 150, 4);
    b.comparator(0, 100, 4); // the period
    CHECK(b.get(0x108) == 150);
    b.to(150);
    CHECK(b.apic.rises[22] == 1);
    CHECK(b.get(0x108) == 250);
    b.to(10'050);
    CHECK(b.apic.rises[22] == 100);
    CHECK(b.get(0x108) == 10150);
    b.scheduler.skip_to(20'000 * 10 * nanosecond); // one very long instruction
    b.scheduler.fire_due();
    CHECK(b.get(0x108) == 20050);
    b.comparator(0, 0, 4); // no period
    b.to(100'000);
    CHECK(b.get(0x108) == 20050);

    Bench c; // a single write sets both
    c.timer(2, on | periodic | value_set | route(23));
    c.comparator(2, 1000);
    c.set(0x10, 1);
    c.to(3500);
    CHECK(c.apic.rises[23] == 3);
}

TEST_CASE("hpet: level interrupts stay until their status is cleared") {
    Bench b;
    b.timer(0, on | level | route(20));
    b.timer(1, on | level | route(20));
    b.comparator(0, 10);
    b.comparator(1, 20);
    b.set(0x10, 1);
    b.to(30);
    CHECK(b.get(0x20) == 3);
    CHECK(b.apic.level[20]);
    b.set(0x20, 1);
    CHECK(b.apic.level[20]); // shared
    b.set(0x20, 2);
    CHECK_FALSE(b.apic.level[20]);
    b.timer(0, level | route(20)); // status without an interrupt
    b.comparator(0, 40);
    b.to(50);
    CHECK(b.get(0x20) == 1);
    CHECK_FALSE(b.apic.level[20]);
    b.timer(0, on | level | route(20));
    CHECK(b.apic.level[20]);
    b.set(0x10, 0);
    CHECK_FALSE(b.apic.level[20]);
}

TEST_CASE("hpet: legacy replacement takes IRQ 0 and IRQ 8") {
    Bench b;
    b.legacy.set_irq(LegacyRouter::pit, true);
    CHECK(b.isa.level[0]);
    b.timer(0, on | periodic | value_set);
    b.comparator(0, 100);
    b.timer(1, on | route(21));
    b.comparator(1, 100);
    b.set(0x10, 3);
    CHECK_FALSE(b.isa.level[0]);
    b.legacy.set_irq(LegacyRouter::pit, false);
    b.legacy.set_irq(LegacyRouter::pit, true);
    b.legacy.set_irq(LegacyRouter::rtc, true);
    CHECK(b.isa.rises[0] == 1);
    CHECK(b.isa.rises[8] == 0);
    b.to(500);
    CHECK(b.isa.rises[0] == 6);
    CHECK(b.isa.rises[8] == 1);
    CHECK(b.isa.level[0]); // held for the 8259
    CHECK(b.apic.rises[21] == 0);
    b.set(0x10, 1);
    CHECK(b.isa.level[0]); // the 8254's level shows again
    CHECK(b.isa.level[8]);
    b.legacy.set_irq(LegacyRouter::rtc, false);
    CHECK_FALSE(b.isa.level[8]);
    b.legacy.set_irq(9, true);
    b.set(0x10, 3);
    b.hpet.reset();
    CHECK_FALSE(b.legacy.replaced());
}

TEST_CASE("hpet: saved and loaded it goes on alike, and nonsense is refused") {
    Bench a, b;
    a.set(0x10, 3);
    a.timer(0, on | periodic | value_set);
    a.comparator(0, 77);
    a.timer(2, on | level | route(23));
    a.comparator(2, 400);
    a.to(300);
    Archive saved = Archive::saver();
    a.scheduler.persist(saved);
    a.hpet.persist(saved);
    Archive loaded = Archive::loader(saved.bytes());
    b.scheduler.persist(loaded);
    b.hpet.persist(loaded);
    REQUIRE(loaded.ok());
    CHECK(loaded.at_end());
    for (Bench* x : {&a, &b}) {
        x->isa.rises[0] = 0;
        x->to(500);
        CHECK(x->isa.rises[0] == 3);
        CHECK(x->apic.level[23]);
        CHECK(x->get(0xF0) == 500);
        CHECK(x->get(0x108) == 539);
    }
    Archive again = Archive::saver();
    a.hpet.persist(again);
    for (std::size_t i = 0; i < again.bytes().size(); ++i) {
        std::vector<u8> broken = again.bytes();
        broken[i] ^= 0xFF;
        Bench c;
        Archive bad = Archive::loader(broken);
        c.hpet.persist(bad);
        c.set(0x20, 1);
        c.timer(0, on | route(20));
        c.to(10);
        c.get(0xF0);
    }
}

TEST_CASE("hpet: any sequence of accesses is survived") {
    Bench b;
    u64 random = 7;
    for (int i = 0; i < 20000; ++i) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        const u64 r = random >> 20;
        const u32 offset = static_cast<u32>(r & 0x3FF);
        const unsigned width = 1u << (r >> 10 & 3);
        if (offset + width > 0x400) continue;
        if ((r >> 12 & 1) != 0) {
            b.get(offset, width);
        } else {
            b.set(offset, r >> 13, width);
        }
        if ((r >> 13 & 63) == 0) b.to(b.scheduler.now() / (10 * nanosecond) + 3);
    }
    CHECK(b.get(0x000) == 0x009896808086A201);
}
