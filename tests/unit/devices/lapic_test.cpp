// The local APIC against SDM 3A chapter 11.
#include "devices/lapic/lapic.hpp"

#include <doctest/doctest.h>
#include <memory>
#include <vector>

using namespace glassbox;

namespace {

struct Pins : CpuPins {
    bool intr = false;
    unsigned nmis = 0, inits = 0, resets = 0;
    std::vector<u8> startups;
    void set_intr(bool level) override { intr = level; }
    void nmi() override { ++nmis; }
    void init() override { ++inits; }
    void startup(u8 vector) override { startups.push_back(vector); }
    void reset() override { ++resets; }
};

struct Listener : ApicListener {
    std::vector<u8> ends;
    unsigned retries = 0;
    void end_of_interrupt(u8 vector) override { ends.push_back(vector); }
    void retry() override { ++retries; }
};

struct Bench {
    Scheduler scheduler;
    MemoryMap memory{1 << 20};
    ApicBus bus;
    Pins pins, other_pins;
    Listener listener;
    unsigned external = 0;
    LocalApic apic;
    std::unique_ptr<LocalApic> second_apic;
    u64 base = 0xFEE00000;

    explicit Bench(LocalApic::Config config = {}, bool two = false)
        : apic(scheduler, pins, bus, [this] { return ++external, u8{0x08}; }, config) {
        bus.listen(listener);
        apic.map(memory);
        if (!two) return;
        LocalApic::Config other;
        other.id = 1;
        other.bootstrap = false;
        second_apic = std::make_unique<LocalApic>(scheduler, other_pins, bus, [] { return u8{0}; }, other);
        second_apic->write(0xF0, 4, 0x1FF);
    }
    u32 get(u32 offset) { return static_cast<u32>(memory.read(PhysAddress(base + offset), 4)); }
    void set(u32 offset, u32 value) { memory.write(PhysAddress(base + offset), 4, value); }
    void enable() { set(0xF0, 0x1FF); }
    void fixed(u8 vector, bool level = false) { bus.send({ApicDelivery::fixed, vector, 0, false, level}); }
    void eoi() { set(0xB0, 0); }
    void to(Time end) {
        while (scheduler.next_event() <= end) {
            scheduler.skip_to(scheduler.next_event());
            scheduler.fire_due();
        }
        scheduler.skip_to(end);
    }
};

} // namespace

TEST_CASE("lapic: registers after reset") {
    LocalApic::Config config;
    config.id = 3;
    Bench b(config);
    CHECK(b.apic.apic_base() == 0xFEE00900);
    CHECK(b.apic.apic_enabled());
    CHECK(b.get(0x20) == 0x03000000);
    CHECK(b.get(0x30) == 0x00050014);
    CHECK(b.get(0x80) == 0);
    CHECK(b.get(0xA0) == 0);
    CHECK(b.get(0xD0) == 0);
    CHECK(b.get(0xE0) == 0xFFFFFFFF);
    CHECK(b.get(0xF0) == 0xFF);
    for (u32 i = 0x100; i < 0x280; i += 0x10) CHECK(b.get(i) == 0);
    CHECK(b.get(0x320) == 0x10000);
    CHECK(b.get(0x350) == 0x700);
    CHECK(b.get(0x360) == 0x400);
    CHECK(b.get(0x370) == 0x10000);
    CHECK(b.get(0x380) == 0);
    CHECK(b.get(0x3E0) == 0);
    CHECK(b.memory.read(PhysAddress(0xFEE00032), 1) == 0x05);
    CHECK(b.get(0x34) == 0); // between the registers
}

TEST_CASE("lapic: writable bits of every register") {
    Bench b;
    b.enable();
    const struct {
        u32 offset, writable;
    } rows[] = {
        {0x20, 0xFF000000}, {0x80, 0xFF},        {0xD0, 0xFF000000}, {0xF0, 0x3FF},    {0x310, 0xFF000000},
        {0x320, 0x300FF},   {0x330, 0x107FF},    {0x340, 0x107FF},   {0x350, 0x1A7FF}, {0x360, 0x1A7FF},
        {0x370, 0x100FF},   {0x380, 0xFFFFFFFF}, {0x3E0, 0x0B},
    };
    for (const auto& row : rows) {
        b.set(row.offset, 0xFFFFFFFF);
        CHECK_MESSAGE(b.get(row.offset) == row.writable, row.offset);
    }
    b.set(0xE0, 0);
    CHECK(b.get(0xE0) == 0x0FFFFFFF);
    b.set(0x30, 0);
    CHECK(b.get(0x30) == 0x00050014);
    b.set(0x100, 0xFFFF);
    CHECK(b.get(0x100) == 0);
}

TEST_CASE("lapic: acceptance, priorities, in-service and end of interrupt") {
    Bench b;
    b.fixed(0x40);
    CHECK(b.get(0x220) == 0); // disabled by software: refused
    b.enable();
    CHECK(b.listener.retries == 1);
    b.fixed(0x41);
    CHECK(b.pins.intr);
    CHECK(b.get(0x220) == 2);
    b.fixed(0x42);
    CHECK(b.apic.acknowledge() == 0x42);
    CHECK(b.get(0x120) == 4);
    CHECK(b.get(0x220) == 2);
    CHECK_FALSE(b.pins.intr); // same class
    CHECK(b.get(0xA0) == 0x40);
    b.fixed(0x51);
    CHECK(b.pins.intr);
    CHECK(b.apic.acknowledge() == 0x51);
    CHECK(b.get(0xA0) == 0x50);
    b.eoi();
    CHECK(b.get(0xA0) == 0x40);
    b.eoi();
    CHECK(b.pins.intr);
    CHECK(b.apic.acknowledge() == 0x41);
    b.eoi();
    b.eoi(); // one too many
    CHECK(b.get(0xA0) == 0);
    CHECK(b.listener.ends.empty());
}

TEST_CASE("lapic: the task priority, and the spurious vector when it wins the race") {
    Bench b;
    b.enable();
    b.set(0x80, 0x45);
    CHECK(b.get(0xA0) == 0x45);
    b.fixed(0x4F);
    CHECK_FALSE(b.pins.intr);
    b.apic.set_task_priority(0x30);
    CHECK(b.pins.intr);
    CHECK(b.apic.task_priority() == 0x30);
    b.set(0x80, 0x50);
    CHECK_FALSE(b.pins.intr);
    CHECK(b.apic.acknowledge() == 0xFF);
    CHECK(b.get(0x120) == 0);
    CHECK(b.get(0x90) == 0x50);
    b.set(0x80, 0);
    CHECK(b.apic.acknowledge() == 0x4F);
}

TEST_CASE("lapic: level-triggered interrupts tell their end") {
    Bench b;
    b.enable();
    b.fixed(0x60, true);
    CHECK(b.get(0x1B0) == 1);
    b.apic.acknowledge();
    b.eoi();
    CHECK(b.listener.ends == std::vector<u8>{0x60});
    b.fixed(0x60, false);
    CHECK(b.get(0x1B0) == 0);
    b.apic.acknowledge();
    b.eoi();
    CHECK(b.listener.ends.size() == 1);
}

TEST_CASE("lapic: the 8259 through LINT0") {
    Bench b;
    b.apic.set_lint(0, true); // virtual wire from reset
    CHECK(b.pins.intr);
    CHECK(b.apic.acknowledge() == 0x08);
    CHECK(b.external == 1);
    b.apic.set_lint(0, false);
    CHECK_FALSE(b.pins.intr);
    b.enable();
    b.set(0x350, 0x10700);
    b.apic.set_lint(0, true);
    CHECK_FALSE(b.pins.intr);
    b.set(0x350, 0x8700);
    CHECK(b.pins.intr);
    b.set(0x80, 0xFF); // priorities do not matter to ExtINT
    CHECK(b.pins.intr);
    b.set(0xF0, 0xFF); // software disable masks every entry, for good
    CHECK_FALSE(b.pins.intr);
    CHECK(b.get(0x350) == 0x18700);
    b.set(0x350, 0x700);
    CHECK(b.get(0x350) == 0x10700);
    b.enable();
    b.set(0x80, 0);
    b.bus.send({ApicDelivery::external, 0x33, 0, false, false});
    CHECK(b.pins.intr);
    CHECK(b.apic.acknowledge() == 0x08);
    CHECK_FALSE(b.pins.intr);
}

TEST_CASE("lapic: LINT pins as fixed, NMI and INIT") {
    Bench b;
    b.enable();
    b.apic.set_lint(1, true);
    CHECK(b.pins.nmis == 1);
    b.apic.set_lint(1, true);
    CHECK(b.pins.nmis == 1);
    b.apic.set_lint(1, false);
    b.set(0x360, 0x00077); // edge
    b.apic.set_lint(1, true);
    CHECK(b.apic.acknowledge() == 0x77);
    b.eoi();
    CHECK_FALSE(b.pins.intr);
    b.set(0x360, 0x08078); // level, still asserted
    CHECK(b.get(0x360) == 0x0C078);
    CHECK(b.apic.acknowledge() == 0x78);
    CHECK_FALSE(b.pins.intr);
    b.eoi();
    CHECK(b.pins.intr); // again
    b.apic.acknowledge();
    b.apic.set_lint(1, false);
    b.eoi();
    CHECK_FALSE(b.pins.intr);
    CHECK(b.get(0x360) == 0x08078);
    b.set(0x360, 0x500);
    b.apic.set_lint(1, true);
    CHECK(b.pins.inits == 1);
    CHECK(b.get(0xF0) == 0xFF);
    b.apic.set_lint(7, true);
}

TEST_CASE("lapic: globally disabled it is not there") {
    Bench b;
    b.enable();
    b.fixed(0x50);
    CHECK_FALSE(b.apic.set_apic_base(0xFEE00D00)); // x2APIC
    CHECK_FALSE(b.apic.set_apic_base(0x1FEE00900 << 4));
    CHECK_FALSE(b.apic.set_apic_base(0xFEE00901));
    REQUIRE(b.apic.set_apic_base(0xFEE00100));
    CHECK_FALSE(b.apic.apic_enabled());
    CHECK_FALSE(b.pins.intr);
    CHECK(b.get(0x30) == 0xFFFFFFFF);
    b.apic.set_lint(0, true);
    CHECK(b.pins.intr);
    CHECK(b.apic.acknowledge() == 0x08);
    b.apic.set_lint(1, true);
    CHECK(b.pins.nmis == 1);
    CHECK_FALSE(b.bus.send({ApicDelivery::nmi, 0, 0, false, false}));
    REQUIRE(b.apic.set_apic_base(0xD0000900)); // moved
    b.base = 0xD0000000;
    CHECK(b.get(0x30) == 0x00050014);
    CHECK(b.memory.read(PhysAddress(0xFEE00030), 4) == 0xFFFFFFFF);
    CHECK(b.get(0xF0) == 0xFF);
    b.apic.reset();
    b.base = 0xFEE00000;
    CHECK(b.get(0x30) == 0x00050014);

    LocalApic::Config none;
    none.present = false;
    Bench old(none);
    CHECK(old.apic.apic_base() == 0);
    CHECK_FALSE(old.apic.set_apic_base(0xFEE00900));
    CHECK(old.get(0x30) == 0xFFFFFFFF);
    old.apic.set_lint(0, true);
    CHECK(old.pins.intr);
}

TEST_CASE("lapic: interprocessor interrupts by every destination") {
    Bench b({}, true);
    b.enable();
    const auto irr = [](LocalApic& apic, u8 vector) {
        return (apic.read(0x200u + vector / 32 * 16u, 4) >> vector % 32 & 1) != 0;
    };
    const auto check = [&](u8 vector, u32 high, u32 low, bool first, bool other) {
        b.set(0x310, high << 24);
        b.set(0x300, low | vector);
        INFO("vector ", vector);
        CHECK(irr(b.apic, vector) == first);
        CHECK(irr(*b.second_apic, vector) == other);
    };
    check(0x20, 0, 0, true, false);
    check(0x21, 1, 0, false, true);
    check(0x22, 0xFF, 0, true, true);
    check(0x23, 7, 0, false, false);
    check(0x24, 0, 0x40000, true, false);
    check(0x25, 0, 0x80000, true, true);
    check(0x26, 0, 0xC0000, false, true);
    b.set(0xD0, 0x01000000);
    b.second_apic->write(0xD0, 4, 0x02000000);
    check(0x27, 1, 0x800, true, false);
    check(0x28, 3, 0x800, true, true);
    check(0x29, 4, 0x800, false, false);
    b.set(0x80, 0x80);
    check(0x2A, 3, 0x900, false, true); // lowest priority
    b.set(0x80, 0x10);
    b.second_apic->write(0x80, 4, 0x90);
    check(0x2B, 3, 0x900, true, false);
    b.set(0xE0, 0); // cluster model
    b.second_apic->write(0xE0, 4, 0);
    b.set(0xD0, 0x11000000);
    b.second_apic->write(0xD0, 4, 0x21000000);
    check(0x2C, 0x11, 0x800, true, false);
    check(0x2D, 0x2F, 0x800, false, true);
    check(0x2E, 0xF1, 0x800, true, true);
    check(0x2F, 0x12, 0x800, false, false);

    b.set(0x310, 1u << 24);
    b.set(0x300, 0x4500); // INIT
    CHECK(b.other_pins.inits == 1);
    CHECK(b.second_apic->read(0xF0, 4) == 0xFF);
    b.set(0x300, 0x8500); // de-assert
    CHECK(b.other_pins.inits == 1);
    b.set(0x300, 0x4699);
    CHECK(b.other_pins.startups == std::vector<u8>{0x99});
    b.set(0x300, 0x4400);
    CHECK(b.other_pins.nmis == 1);
    b.set(0x300, 0x44400); // NMI to self by shorthand is invalid
    CHECK(b.pins.nmis == 0);
    CHECK(b.get(0x300) == 0x44400);
}

TEST_CASE("lapic: errors") {
    Bench b;
    b.enable();
    b.set(0x370, 0xE0);
    b.set(0x300, 0x40005); // send an illegal vector
    CHECK(b.get(0x280) == 0);
    b.set(0x280, 0);
    CHECK(b.get(0x280) == 0x20);
    CHECK(b.apic.acknowledge() == 0xE0);
    b.eoi();
    b.fixed(3);
    b.get(0x3F0);
    b.set(0x280, 0);
    CHECK(b.get(0x280) == 0xC0);
    b.set(0x280, 0);
    CHECK(b.get(0x280) == 0);
    b.set(0x370, 0x01); // an error entry that is an error itself
    b.get(0x000);
    b.set(0x280, 0);
    CHECK(b.get(0x280) == 0xC0);
}

constexpr Time tick = second / LocalApic::timer_frequency;

TEST_CASE("lapic: one-shot timer") {
    Bench b;
    b.enable();
    b.set(0x320, 0x30);
    b.set(0x3E0, 0x3); // 16
    b.set(0x380, 1000);
    CHECK(b.get(0x390) == 1000);
    b.to(160 * tick);
    CHECK(b.get(0x390) == 990);
    b.to(15999 * tick);
    CHECK(b.get(0x390) == 1);
    CHECK_FALSE(b.pins.intr);
    b.to(16000 * tick);
    CHECK(b.pins.intr);
    CHECK(b.get(0x390) == 0);
    CHECK(b.apic.acknowledge() == 0x30);
    b.eoi();
    b.to(second);
    CHECK_FALSE(b.pins.intr);
    CHECK(b.scheduler.next_event() == never);
    CHECK(b.get(0x380) == 1000);
    b.set(0x320, 0x60030); // TSC deadline does not exist: periodic
    CHECK(b.get(0x320) == 0x20030);
}

TEST_CASE("lapic: periodic timer, every divisor, masks and changes on the run") {
    const u32 codes[] = {0, 1, 2, 3, 8, 9, 10, 11};
    const u64 divisors[] = {2, 4, 8, 16, 32, 64, 128, 1};
    for (unsigned i = 0; i < 8; ++i) {
        Bench b;
        b.enable();
        b.set(0x320, 0x20040);
        b.set(0x3E0, codes[i]);
        b.set(0x380, 100);
        for (u64 n = 1; n <= 5; ++n) {
            b.to(100 * n * divisors[i] * tick - 1);
            CHECK_FALSE(b.pins.intr);
            b.to(100 * n * divisors[i] * tick);
            CHECK(b.pins.intr);
            CHECK(b.get(0x390) == 100);
            b.apic.acknowledge();
            b.eoi();
        }
    }
    Bench b;
    b.enable();
    b.set(0x3E0, 0xB);
    b.set(0x320, 0x30040); // masked: counts all the same
    b.set(0x380, 1000);
    CHECK(b.scheduler.next_event() == never);
    b.to(2500 * tick);
    CHECK(b.get(0x390) == 500);
    CHECK_FALSE(b.pins.intr);
    b.set(0x320, 0x20040);
    b.to(3000 * tick);
    CHECK(b.pins.intr);
    b.apic.acknowledge();
    b.eoi();
    b.to(3200 * tick);
    b.set(0x3E0, 0); // half as fast
    CHECK(b.get(0x390) == 800);
    b.to(4800 * tick);
    CHECK(b.pins.intr);
    b.apic.acknowledge();
    b.eoi();
    b.set(0x380, 0); // stops
    CHECK(b.scheduler.next_event() == never);
    CHECK(b.get(0x390) == 0);
    b.set(0x320, 0x20040);
    b.set(0x3E0, 0xB);
    b.set(0x380, 1); // an interrupt each tick
    b.to(5000 * tick);
    CHECK(b.pins.intr);
}

TEST_CASE("lapic: saved and loaded it goes on alike, and nonsense is refused") {
    Bench a, b;
    a.apic.set_apic_base(0xC0000900);
    a.base = 0xC0000000;
    a.enable();
    a.set(0x320, 0x20055);
    a.set(0x380, 12345);
    a.fixed(0x66, true);
    a.apic.acknowledge();
    a.to(5000 * tick);
    Archive saved = Archive::saver();
    a.scheduler.persist(saved);
    a.apic.persist(saved);
    Archive loaded = Archive::loader(saved.bytes());
    b.scheduler.persist(loaded);
    b.apic.persist(loaded);
    REQUIRE(loaded.ok());
    CHECK(loaded.at_end());
    b.base = a.base;
    for (Bench* x : {&a, &b}) {
        CHECK(x->get(0x390) == 12345 - 2500);
        x->eoi();
        CHECK(x->listener.ends == std::vector<u8>{0x66});
        x->to(24690 * tick);
        CHECK(x->pins.intr);
        CHECK(x->apic.acknowledge() == 0x55);
    }
    Archive again = Archive::saver();
    a.apic.persist(again);
    for (std::size_t i = 0; i < again.bytes().size(); ++i) {
        std::vector<u8> broken = again.bytes();
        broken[i] ^= 0xFF;
        Bench c;
        Archive bad = Archive::loader(broken);
        c.apic.persist(bad);
        c.apic.acknowledge();
        c.apic.write(0x320, 4, 0x20040);
        c.apic.read(0x390, 4);
        c.to(microsecond);
    }
}

TEST_CASE("lapic: any sequence of accesses is survived") {
    Bench b;
    u64 random = 99;
    for (int i = 0; i < 30000; ++i) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        const u64 r = random >> 16;
        const u64 offset = r & 0xFFF;
        const unsigned width = 1u << (r >> 12 & 3);
        if (offset + width > 0x1000) continue;
        switch (r >> 14 & 3) {
        case 0: b.memory.read(PhysAddress(b.base + offset), width); break;
        case 1: b.memory.write(PhysAddress(b.base + (offset & ~u64{15})), 4, r >> 16); break;
        case 2: b.apic.set_lint(r >> 16 & 1, (r >> 17 & 1) != 0); break;
        default:
            if (b.pins.intr) b.apic.acknowledge();
        }
    }
    CHECK(b.get(0x30) == 0x00050014);
}
