// x2APIC mode (SDM 3A 11.12), TSC-deadline mode (11.5.4.1), and messages among several processors (11.6).
#include "devices/ioapic/ioapic.hpp"
#include "devices/lapic/lapic.hpp"

#include <doctest/doctest.h>
#include <memory>
#include <vector>

using namespace glassbox;

namespace {

struct Pins : CpuPins {
    bool intr = false;
    unsigned nmis = 0, inits = 0;
    std::vector<u8> startups;
    void set_intr(bool level) override { intr = level; }
    void nmi() override { ++nmis; }
    void init() override { ++inits; }
    void startup(u8 vector) override { startups.push_back(vector); }
    void reset() override {}
};

constexpr u64 base = 0xFEE00000, xapic = base | 1 << 11, x2apic = xapic | 1 << 10, bsp = 1 << 8;

/// Some processors on one bus. `as` says which one executes.
struct Bench {
    Scheduler scheduler{1'000'000'000};
    MemoryMap memory{1 << 20};
    ApicBus bus;
    std::vector<std::unique_ptr<Pins>> pins;
    std::vector<std::unique_ptr<LocalApic>> apics;
    u64 tsc_offset = 0;

    explicit Bench(unsigned count, std::vector<u32> ids = {}) {
        for (unsigned i = 0; i < count; ++i) {
            LocalApic::Config config;
            config.id = ids.empty() ? i : ids[i];
            config.bootstrap = i == 0;
            config.x2apic = true;
            config.tsc = [this] { return scheduler.now() / nanosecond + tsc_offset; };
            pins.push_back(std::make_unique<Pins>());
            apics.push_back(std::make_unique<LocalApic>(scheduler, *pins.back(), bus, [] { return u8{8}; }, config));
            apics.back()->map(memory);
        }
        for (unsigned i = 0; i < count; ++i) {
            as(i);
            set(0xF0, 0x1FF);
        }
        as(0);
    }
    void as(unsigned i) { bus.set_active(apics[i].get()); }
    u32 get(u32 offset) { return static_cast<u32>(memory.read(PhysAddress(base + offset), 4)); }
    void set(u32 offset, u32 value) { memory.write(PhysAddress(base + offset), 4, value); }
    void all_extended() {
        for (auto& apic : apics) REQUIRE(apic->set_apic_base(apic->apic_base() | 1 << 10));
    }
    u64 msr(unsigned i, u32 index) {
        u64 value = 0;
        REQUIRE(apics[i]->read_x2apic(index, value));
        return value;
    }
    bool readable(unsigned i, u32 index) {
        u64 value = 0;
        return apics[i]->read_x2apic(index, value);
    }
    /// Which processors have `vector` waiting; clears everything.
    u32 receivers(u8 vector) {
        u32 set_of = 0;
        for (unsigned i = 0; i < apics.size(); ++i) {
            if (!pins[i]->intr) continue;
            CHECK(apics[i]->acknowledge() == vector);
            end(i);
            set_of |= 1u << i;
        }
        return set_of;
    }
    void end(unsigned i) {
        if (apics[i]->apic_base() & 1 << 10) {
            CHECK(apics[i]->write_x2apic(0x80B, 0));
            return;
        }
        as(i);
        set(0xB0, 0);
        as(0);
    }
    void to(Time when) {
        while (scheduler.next_event() <= when) {
            scheduler.skip_to(scheduler.next_event());
            scheduler.fire_due();
        }
        scheduler.skip_to(when);
    }
};

} // namespace

TEST_CASE("x2apic: the legal changes of mode (figure 11-27)") {
    Bench b(1);
    LocalApic& apic = *b.apics[0];
    CHECK_FALSE(apic.set_apic_base(base | 1 << 10)); // extended and disabled
    CHECK_FALSE(b.readable(0, 0x802));               // no MSRs yet
    CHECK_FALSE(apic.write_x2apic(0x80B, 0));
    REQUIRE(apic.set_apic_base(x2apic | bsp));
    CHECK(apic.apic_base() == (x2apic | bsp));
    CHECK(b.readable(0, 0x802));
    CHECK(b.get(0x30) == 0xFFFFFFFF);       // the page is gone
    CHECK_FALSE(apic.set_apic_base(xapic)); // not straight back
    CHECK_FALSE(apic.set_apic_base(base | 1 << 10));
    CHECK(apic.set_apic_base(x2apic | bsp)); // no change
    REQUIRE(apic.set_apic_base(base | bsp));
    CHECK_FALSE(apic.set_apic_base(x2apic)); // not from disabled
    REQUIRE(apic.set_apic_base(xapic | bsp));
    CHECK(b.get(0xF0) == 0xFF); // everything was lost
    apic.init();
    REQUIRE(apic.set_apic_base(x2apic | bsp));
    apic.init(); // INIT keeps the mode
    CHECK(b.readable(0, 0x802));
    apic.reset();
    CHECK(apic.apic_base() == (xapic | bsp));
}

TEST_CASE("x2apic: a model without it has the bit reserved") {
    Scheduler scheduler;
    ApicBus bus;
    Pins pins;
    LocalApic apic(scheduler, pins, bus, [] { return u8{0}; }, {});
    CHECK_FALSE(apic.set_apic_base(x2apic));
}

TEST_CASE("x2apic: every MSR, readable or writable as table 11-6 says, reserved bits refused") {
    Bench b(1, {0x12345});
    b.all_extended();
    const struct {
        u32 msr;
        bool read;
        bool write;
        u64 writable;
    } rows[] = {
        {0x802, true, false, 0},      {0x803, true, false, 0},      {0x808, true, true, 0xFF},
        {0x80A, true, false, 0},      {0x80B, false, true, 0},      {0x80D, true, false, 0},
        {0x80F, true, true, 0x3FF},   {0x828, true, true, 0},       {0x830, true, true, 0xFFFFFFFF000CCFFF},
        {0x832, true, true, 0x750FF}, {0x833, true, true, 0x157FF}, {0x834, true, true, 0x157FF},
        {0x835, true, true, 0x1F7FF}, {0x836, true, true, 0x1F7FF}, {0x837, true, true, 0x150FF},
        {0x838, true, true, ~0u},     {0x839, true, false, 0},      {0x83E, true, true, 0x0B},
        {0x83F, false, true, 0xFF},
    };
    for (u32 msr = 0x800; msr < 0x900; ++msr) {
        const bool vectors = msr >= 0x810 && msr <= 0x827;
        bool read = vectors, write = false;
        u64 writable = 0;
        for (const auto& row : rows) {
            if (row.msr == msr) read = row.read, write = row.write, writable = row.writable;
        }
        CHECK_MESSAGE(b.readable(0, msr) == read, msr);
        for (unsigned bit = 0; bit < 64; ++bit) {
            if (writable >> bit & 1) continue;
            CHECK_MESSAGE(!b.apics[0]->write_x2apic(msr, u64{1} << bit), msr, " bit ", bit);
        }
        if (msr != 0x830) CHECK_MESSAGE(b.apics[0]->write_x2apic(msr, 0) == write, msr);
    }
    CHECK(b.msr(0, 0x802) == 0x12345);
    CHECK(b.msr(0, 0x80D) == (0x1234u << 16 | 1u << 5));
    CHECK(b.msr(0, 0x803) == 0x00050014);
    REQUIRE(b.apics[0]->write_x2apic(0x808, 0x5A));
    CHECK(b.msr(0, 0x808) == 0x5A);
    CHECK(b.msr(0, 0x80A) == 0x5A);
    REQUIRE(b.apics[0]->write_x2apic(0x830, u64{0xABCD1234} << 32 | 0x4041));
    CHECK(b.msr(0, 0x830) == (u64{0xABCD1234} << 32 | 0x4041));
}

TEST_CASE("x2apic: the self-IPI register") {
    Bench b(2);
    b.all_extended();
    REQUIRE(b.apics[1]->write_x2apic(0x80F, 0x1FF));
    REQUIRE(b.apics[1]->write_x2apic(0x83F, 0x55));
    CHECK(b.receivers(0x55) == 2);
    REQUIRE(b.apics[1]->write_x2apic(0x83F, 0x0F)); // illegal vector
    CHECK_FALSE(b.pins[1]->intr);
    REQUIRE(b.apics[1]->write_x2apic(0x828, 0));
    CHECK(b.msr(1, 0x828) == 0x20);
}

TEST_CASE("ipi: destinations in xAPIC mode, physical, flat, cluster, and by shorthand") {
    Bench b(4);
    const auto send = [&](u32 high, u32 low) {
        b.set(0x310, high << 24);
        b.set(0x300, low);
        return b.receivers(static_cast<u8>(low));
    };
    CHECK(send(2, 0x4041) == 4);
    CHECK(send(7, 0x4041) == 0);
    CHECK(send(0xFF, 0x4041) == 15); // everyone, the sender too
    CHECK(send(0, 0x44041) == 1);    // self
    CHECK(send(0, 0x84041) == 15);   // all
    CHECK(send(0, 0xC4041) == 14);   // all but self
    for (unsigned i = 0; i < 4; ++i) {
        b.as(i);
        b.set(0xD0, 1u << (24 + i));
    }
    b.as(0);
    CHECK(send(0x0A, 0x4841) == 10); // flat
    for (unsigned i = 0; i < 4; ++i) {
        b.as(i);
        b.set(0xE0, 0x0FFFFFFF);
        b.set(0xD0, (i / 2 << 4 | 1u << i % 2) << 24); // two clusters of two
    }
    b.as(0);
    CHECK(send(0x13, 0x4841) == 12);
    CHECK(send(0x02, 0x4841) == 2);
    CHECK(send(0xF1, 0x4841) == 5); // that member of every cluster
}

TEST_CASE("ipi: destinations in x2APIC mode") {
    Bench b(4, {0, 1, 16, 0x10001});
    b.all_extended();
    for (auto& apic : b.apics) REQUIRE(apic->write_x2apic(0x80F, 0x1FF));
    const auto send = [&](u32 high, u32 low) {
        REQUIRE(b.apics[0]->write_x2apic(0x830, u64{high} << 32 | low));
        return b.receivers(static_cast<u8>(low));
    };
    CHECK(send(0x10001, 0x4041) == 8);
    CHECK(send(16, 0x4041) == 4);
    CHECK(send(0xFF, 0x4041) == 0); // an ID like others
    CHECK(send(0xFFFFFFFF, 0x4041) == 15);
    CHECK(send(0x00000003, 0x4841) == 3);
    CHECK(send(0x00010001, 0x4841) == 4);
    CHECK(send(0x10000002, 0x4841) == 8);
    // An I/O APIC's 8 bits: physical IDs, or members of cluster 0.
    b.bus.send({.vector = 0x41, .destination = 1});
    CHECK(b.receivers(0x41) == 2);
    b.bus.send({.vector = 0x41, .destination = 0xFF});
    CHECK(b.receivers(0x41) == 15);
    b.bus.send({.vector = 0x41, .destination = 2, .logical = true});
    CHECK(b.receivers(0x41) == 2);
}

TEST_CASE("ipi: delivery modes reach the pins") {
    Bench b(3);
    const auto send = [&](u32 low) {
        b.set(0x310, 1u << 24);
        b.set(0x300, low);
    };
    send(0x4400);
    CHECK(b.pins[1]->nmis == 1);
    send(0x4500);
    CHECK(b.pins[1]->inits == 1);
    send(0x8500); // level de-assert: nothing
    CHECK(b.pins[1]->inits == 1);
    send(0x4699);
    CHECK(b.pins[1]->startups == std::vector<u8>{0x99});
    CHECK(b.pins[2]->inits + b.pins[2]->nmis == 0);
    b.set(0x300, 0xC4500); // INIT to all but self
    CHECK(b.pins[0]->inits == 0);
    CHECK(b.pins[2]->inits == 1);
    CHECK(b.pins[1]->inits == 2);
}

TEST_CASE("ipi: lowest priority goes to the least busy processor that listens") {
    Bench b(3);
    b.set(0x80, 0x60);
    b.as(1);
    b.set(0x80, 0x20);
    b.as(2);
    b.set(0x80, 0x40);
    b.as(0);
    const ApicMessage message{.delivery = ApicDelivery::lowest_priority, .vector = 0x71, .destination = 0xFF};
    b.bus.send(message);
    CHECK(b.receivers(0x71) == 2);
    b.as(1);
    b.set(0xF0, 0xFF); // does not listen any more
    b.as(0);
    b.bus.send(message);
    CHECK(b.receivers(0x71) == 4);
}

TEST_CASE("lapic: each processor sees its own page, and another's moved page is not there for it") {
    Bench b(3);
    for (unsigned i = 0; i < 3; ++i) {
        b.as(i);
        CHECK(b.get(0x20) == i << 24);
    }
    MemoryMap::Region ram;
    ram.size = 1 << 20;
    ram.access = MemoryMap::Access::read_write;
    ram.host = b.memory.ram().data();
    b.memory.add(ram);
    b.memory.write(PhysAddress(0x80020), 4, 0x12345678);
    REQUIRE(b.apics[1]->set_apic_base(0x80000 | 1 << 11));
    const auto at = [&](u64 address) { return b.memory.read(PhysAddress(address), 4); };
    b.as(0);
    CHECK(at(0x80020) == 0x12345678);
    CHECK(at(base + 0x20) == 0);
    b.memory.write(PhysAddress(0x80020), 4, 0x87654321);
    CHECK(at(0x80020) == 0x87654321);
    b.as(1);
    CHECK(at(0x80020) == 1u << 24);
    CHECK(at(base + 0x20) == 0xFFFFFFFF);
    REQUIRE(b.apics[2]->set_apic_base(base)); // disabled
    b.as(2);
    CHECK(at(base + 0x20) == 0xFFFFFFFF);
    CHECK(at(0x80020) == 0x87654321);
}

TEST_CASE("lapic: TSC-deadline timer") {
    Bench b(1);
    LocalApic& apic = *b.apics[0];
    b.to(microsecond);
    apic.set_tsc_deadline(5000);
    CHECK(apic.tsc_deadline() == 0); // not in this mode
    b.set(0x320, 0x40031);
    CHECK(b.get(0x320) == 0x40031);
    b.set(0x380, 1000); // ignored
    CHECK(b.get(0x380) == 0);
    CHECK(b.get(0x390) == 0);
    apic.set_tsc_deadline(5000);
    CHECK(apic.tsc_deadline() == 5000);
    b.to(5 * microsecond - 1);
    CHECK_FALSE(b.pins[0]->intr);
    b.to(5 * microsecond);
    CHECK(b.receivers(0x31) == 1);
    CHECK(apic.tsc_deadline() == 0);
    b.to(20 * microsecond);
    CHECK_FALSE(b.pins[0]->intr);

    apic.set_tsc_deadline(10); // in the past: at once
    b.scheduler.fire_due();
    CHECK(b.receivers(0x31) == 1);
    apic.set_tsc_deadline(30'000);
    apic.set_tsc_deadline(0); // disarmed
    b.to(40 * microsecond);
    CHECK_FALSE(b.pins[0]->intr);
    apic.set_tsc_deadline(~u64{0}); // beyond the end of time
    CHECK(b.scheduler.next_event() == never);
    apic.set_tsc_deadline(50'000);
    b.tsc_offset = 5'000; // WRMSR to the counter
    apic.tsc_changed();
    b.to(45 * microsecond);
    CHECK(b.receivers(0x31) == 1);
    apic.set_tsc_deadline(60'000);
    b.set(0x320, 0x00031); // another mode disarms
    CHECK(apic.tsc_deadline() == 0);
    b.set(0x320, 0x50031); // masked: expires unseen
    apic.set_tsc_deadline(60'000);
    b.to(60 * microsecond);
    CHECK(apic.tsc_deadline() == 0);
    CHECK_FALSE(b.pins[0]->intr);
}

TEST_CASE("lapic: x2APIC mode and a deadline survive a snapshot; modes that the model lacks are refused") {
    Bench b(1);
    b.set(0x320, 0x40031);
    b.apics[0]->set_tsc_deadline(7000);
    b.all_extended();
    Archive saved = Archive::saver();
    b.scheduler.persist(saved);
    b.apics[0]->persist(saved);
    Bench other(1);
    Archive loader = Archive::loader(saved.bytes());
    other.scheduler.persist(loader);
    other.apics[0]->persist(loader);
    REQUIRE(loader.ok());
    CHECK(other.apics[0]->tsc_deadline() == 7000);
    CHECK(other.msr(0, 0x80F) == 0x1FF);
    other.to(7 * microsecond);
    CHECK(other.receivers(0x31) == 1);

    Scheduler scheduler(1'000'000'000);
    ApicBus bus;
    Pins pins;
    LocalApic plain(scheduler, pins, bus, [] { return u8{0}; }, {});
    Archive again = Archive::loader(saved.bytes());
    scheduler.persist(again);
    plain.persist(again);
    CHECK_FALSE(again.ok());
}

TEST_CASE("io apic: messages reach processors by physical and logical destination") {
    Bench b(4);
    IoApic io(b.bus);
    const auto route = [&](unsigned input, u32 high, u32 low) {
        io.write(0, 4, 0x10 + 2 * input + 1);
        io.write(0x10, 4, high);
        io.write(0, 4, 0x10 + 2 * input);
        io.write(0x10, 4, low);
    };
    const auto pulse = [&](unsigned input) {
        io.set_irq(input, true);
        io.set_irq(input, false);
    };
    route(4, 2u << 24, 0x44);
    pulse(4);
    CHECK(b.receivers(0x44) == 4);
    for (unsigned i = 0; i < 4; ++i) {
        b.as(i);
        b.set(0xD0, 1u << (24 + i));
    }
    b.as(0);
    route(4, 0x0Cu << 24, 0x844);
    pulse(4);
    CHECK(b.receivers(0x44) == 12);
    route(4, 0x0Cu << 24, 0x944); // lowest priority: one of them
    b.as(2);
    b.set(0x80, 0x30);
    b.as(0);
    pulse(4);
    CHECK(b.receivers(0x44) == 8);
    route(4, 3u << 24, 0x400); // NMI
    pulse(4);
    CHECK(b.pins[3]->nmis == 1);
}
