// The 82093AA against its data sheet.
#include "devices/ioapic/ioapic.hpp"

#include "devices/lapic/lapic.hpp"

#include <doctest/doctest.h>
#include <vector>

using namespace glassbox;

namespace {

struct Agent : ApicAgent {
    std::vector<ApicMessage> messages;
    bool willing = true;
    bool addressed_by(const ApicMessage& m) const override { return m.destination == (m.logical ? 0x80 : 5); }
    bool accept(const ApicMessage& message) override {
        if (willing) messages.push_back(message);
        return willing;
    }
    bool accepts_fixed() const override { return willing; }
    u8 arbitration_priority() const override { return 0; }
};

struct Bench {
    MemoryMap memory{1 << 20};
    ApicBus bus;
    IoApic apic{bus};
    Agent agent;

    Bench() {
        apic.map(memory);
        bus.attach(agent);
    }
    u32 get(u8 index) {
        memory.write(PhysAddress(0xFEC00000), 4, index);
        return static_cast<u32>(memory.read(PhysAddress(0xFEC00010), 4));
    }
    void set(u8 index, u32 value) {
        memory.write(PhysAddress(0xFEC00000), 4, index);
        memory.write(PhysAddress(0xFEC00010), 4, value);
    }
    void entry(unsigned input, u32 low, u8 destination = 5) {
        set(static_cast<u8>(0x11 + 2 * input), u32{destination} << 24);
        set(static_cast<u8>(0x10 + 2 * input), low);
    }
    std::size_t sent() const { return agent.messages.size(); }
};

} // namespace

TEST_CASE("ioapic: registers") {
    Bench b;
    CHECK(b.get(1) == 0x00170011);
    b.set(1, 0);
    CHECK(b.get(1) == 0x00170011);
    b.set(0, 0xFFFFFFFF);
    CHECK(b.get(0) == 0x0F000000);
    CHECK(b.get(2) == 0x0F000000);
    for (unsigned i = 0; i < 24; ++i) {
        CHECK(b.get(static_cast<u8>(0x10 + 2 * i)) == 0x10000);
        CHECK(b.get(static_cast<u8>(0x11 + 2 * i)) == 0);
    }
    b.set(0x2E, 0xFFFFFFFF);
    b.set(0x2F, 0xFFFFFFFF);
    CHECK(b.get(0x2E) == 0x1AFFF);
    CHECK(b.get(0x2F) == 0xFF000000);
    CHECK(b.memory.read(PhysAddress(0xFEC00000), 1) == 0x2F);
    CHECK(b.memory.read(PhysAddress(0xFEC00013), 1) == 0xFF);
    CHECK(b.memory.read(PhysAddress(0xFEC00020), 4) == 0);
    for (unsigned i = 3; i < 0x10; ++i) CHECK(b.get(static_cast<u8>(i)) == 0);
    for (unsigned i = 0x40; i < 0x100; ++i) {
        b.set(static_cast<u8>(i), 0xFFFFFFFF);
        CHECK(b.get(static_cast<u8>(i)) == 0);
    }
    b.apic.reset();
    CHECK(b.get(0x2E) == 0x10000);
    CHECK(b.get(0) == 0);
}

TEST_CASE("ioapic: edges") {
    Bench b;
    b.apic.set_irq(4, true);
    b.apic.set_irq(4, false);
    b.entry(4, 0x0034);
    CHECK(b.sent() == 0); // the masked edge is lost
    b.apic.set_irq(4, true);
    b.apic.set_irq(4, true);
    REQUIRE(b.sent() == 1);
    CHECK(b.agent.messages[0].vector == 0x34);
    CHECK(b.agent.messages[0].delivery == ApicDelivery::fixed);
    CHECK_FALSE(b.agent.messages[0].level);
    b.apic.set_irq(4, false);
    b.apic.set_irq(4, true);
    CHECK(b.sent() == 2);
    b.apic.set_irq(24, true);
    b.apic.set_irq(~0u, true);
    CHECK(b.sent() == 2);
}

TEST_CASE("ioapic: levels, remote IRR and EOI") {
    Bench b;
    b.entry(17, 0x0A041); // level, active low
    b.apic.set_irq(17, true);
    REQUIRE(b.sent() == 1);
    CHECK(b.agent.messages[0].level);
    CHECK(b.get(0x32) == 0x0E041);
    b.apic.set_irq(17, false);
    b.apic.set_irq(17, true);
    CHECK(b.sent() == 1);
    b.bus.end_of_interrupt(0x40);
    CHECK(b.sent() == 1);
    b.bus.end_of_interrupt(0x41);
    CHECK(b.sent() == 2); // still asserted
    b.apic.set_irq(17, false);
    b.bus.end_of_interrupt(0x41);
    CHECK(b.sent() == 2);
    CHECK(b.get(0x32) == 0x0A041);
    b.set(0x32, 0x1A041);
    b.apic.set_irq(17, true);
    CHECK(b.sent() == 2);
    b.set(0x32, 0x0A041); // unmasked while asserted
    CHECK(b.sent() == 3);
    b.set(0x32, 0x12041); // masked edge and back: an EOI without an EOI
    CHECK(b.get(0x32) == 0x12041);
    b.set(0x32, 0x0A041);
    CHECK(b.sent() == 4);
}

TEST_CASE("ioapic: delivery modes and destinations") {
    Bench b;
    b.entry(1, 0x0122 | 0x800, 0x80);
    b.apic.set_irq(1, true);
    REQUIRE(b.sent() == 1);
    CHECK(b.agent.messages[0].delivery == ApicDelivery::fixed); // arbitrated
    CHECK(b.agent.messages[0].logical);
    b.entry(2, 0x0400);
    b.apic.set_irq(2, true);
    REQUIRE(b.sent() == 2);
    CHECK(b.agent.messages[1].delivery == ApicDelivery::nmi);
    b.entry(0, 0x0700);
    b.apic.set_irq(0, true);
    CHECK(b.agent.messages.back().delivery == ApicDelivery::external);
    CHECK(b.get(0x10) == 0x0700);
    b.entry(0, 0x8400); // a "level" NMI is an edge
    CHECK(b.sent() == 3);
    b.apic.set_irq(0, false);
    b.apic.set_irq(0, true);
    CHECK(b.sent() == 4);
    CHECK(b.get(0x10) == 0x8400);
    b.entry(3, 0x0033, 9); // nobody
    b.apic.set_irq(3, true);
    CHECK(b.sent() == 4);
}

TEST_CASE("ioapic: a level that nobody took is sent again when somebody listens") {
    Bench b;
    b.agent.willing = false;
    b.entry(20, 0x8050);
    b.apic.set_irq(20, true);
    CHECK(b.get(0x38) == 0x8050);
    b.agent.willing = true;
    b.bus.retry();
    CHECK(b.sent() == 1);
    CHECK(b.get(0x38) == 0xC050);
    b.bus.retry();
    CHECK(b.sent() == 1);
}

TEST_CASE("ioapic: with a local APIC, a level comes back after each EOI while it is asserted") {
    struct Pins : CpuPins {
        bool intr = false;
        void set_intr(bool level) override { intr = level; }
        void nmi() override {}
        void init() override {}
        void startup(u8) override {}
        void reset() override {}
    } pins;
    Scheduler scheduler;
    ApicBus bus;
    LocalApic local(scheduler, pins, bus, [] { return u8{0x20}; }, {});
    IoApic io(bus);
    const auto set = [&](u8 index, u32 value) {
        io.write(0, 4, index);
        io.write(0x10, 4, value);
    };
    set(0x20, 0x8061); // input 8, level, to APIC 0
    io.set_irq(8, true);
    CHECK_FALSE(pins.intr); // not yet enabled
    local.write(0xF0, 4, 0x1FF);
    REQUIRE(pins.intr); // the refused message was sent again
    for (int i = 0; i < 3; ++i) {
        CHECK(local.acknowledge() == 0x61);
        CHECK_FALSE(pins.intr);
        local.write(0xB0, 4, 0);
        CHECK(pins.intr);
    }
    CHECK(local.acknowledge() == 0x61);
    io.set_irq(8, false);
    local.write(0xB0, 4, 0);
    CHECK_FALSE(pins.intr);
    set(0x14, 0x0062); // input 2, edge
    io.set_irq(2, true);
    CHECK(local.acknowledge() == 0x62);
    local.write(0xB0, 4, 0);
    CHECK_FALSE(pins.intr);
}

TEST_CASE("ioapic: saved and loaded, and nonsense refused") {
    Bench a, b;
    a.entry(9, 0x8059);
    a.apic.set_irq(9, true);
    Archive saved = Archive::saver();
    a.apic.persist(saved);
    Archive loaded = Archive::loader(saved.bytes());
    b.apic.persist(loaded);
    REQUIRE(loaded.ok());
    CHECK(loaded.at_end());
    CHECK(b.get(0x22) == 0xC059);
    b.bus.end_of_interrupt(0x59);
    CHECK(b.sent() == 1);
    for (std::size_t i = 0; i < saved.bytes().size(); ++i) {
        std::vector<u8> broken = saved.bytes();
        broken[i] ^= 0xFF;
        Bench c;
        Archive bad = Archive::loader(broken);
        c.apic.persist(bad);
        for (unsigned n = 0; n < 24; ++n) c.apic.set_irq(n, true);
    }
}
