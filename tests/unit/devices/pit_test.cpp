// The 8254 against its data sheet's mode diagrams.
#include "devices/pit/pit.hpp"

#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace glassbox;

namespace {

struct Bench : IrqSink {
    Scheduler scheduler;
    PortBus ports;
    Pit pit{scheduler, IrqLine(*this, 0)};
    struct Edge {
        u64 tick;
        bool level;
        bool operator==(const Edge&) const = default;
    };
    std::vector<Edge> edges;

    Bench() { pit.map(ports); }
    void set_irq(unsigned, bool level) override { edges.push_back({tick(), level}); }
    u64 tick() const { return ticks_in(scheduler.now(), Pit::frequency); }
    /// Runs to the moment of clock tick `t`, firing events on the way.
    void to(u64 t) {
        const Time end = time_of(t, Pit::frequency);
        while (scheduler.next_event() <= end) {
            scheduler.skip_to(scheduler.next_event());
            scheduler.fire_due();
        }
        scheduler.skip_to(end);
    }
    void out(u16 port, unsigned value) { ports.write(Port(port), 1, value); }
    u8 in(u16 port) { return static_cast<u8>(ports.read(Port(port), 1)); }
    void program(unsigned channel, unsigned mode, unsigned count, bool bcd = false) {
        out(0x43, channel << 6 | 0x30 | mode << 1 | (bcd ? 1 : 0));
        out(static_cast<u16>(0x40 + channel), count & 0xFF);
        out(static_cast<u16>(0x40 + channel), count >> 8);
    }
    u16 count(unsigned channel) {
        out(0x43, channel << 6);
        const u16 low = in(static_cast<u16>(0x40 + channel));
        return static_cast<u16>(low | in(static_cast<u16>(0x40 + channel)) << 8);
    }
    u8 status(unsigned channel) {
        out(0x43, 0xE0 | 2u << channel);
        return in(static_cast<u16>(0x40 + channel));
    }
    /// OUT of counter 2 at each of the next ticks: one character a tick.
    std::string trace(unsigned ticks) {
        std::string levels;
        for (u64 t = tick(), end = t + ticks; t < end; to(++t)) levels += pit.output(2) ? 'H' : '_';
        return levels;
    }
};

} // namespace

TEST_CASE("pit mode 0: OUT rises N+1 pulses after the count is written") {
    Bench b;
    b.to(10);
    b.pit.set_gate2(true);
    b.program(2, 0, 4);
    CHECK(b.trace(8) == "_____HHH");
    CHECK(b.count(2) == 0xFFFD); // it counts on: 8 pulses, one of them the load
    b.program(2, 0, 0);
    b.to(b.tick() + 65536);
    CHECK_FALSE(b.pit.output(2));
    b.to(b.tick() + 1);
    CHECK(b.pit.output(2));
}

TEST_CASE("pit mode 0: the gate holds the count, the first byte of a new one stops it") {
    Bench b;
    b.pit.set_gate2(true);
    b.program(2, 0, 100);
    b.to(11);
    CHECK(b.count(2) == 90);
    b.pit.set_gate2(false);
    b.to(50);
    CHECK(b.count(2) == 90);
    b.pit.set_gate2(true);
    b.to(60);
    CHECK(b.count(2) == 80);
    b.out(0x42, 7);
    b.to(70);
    CHECK(b.count(2) == 80);
    b.out(0x42, 0);
    CHECK(b.trace(9) == "________H");
}

TEST_CASE("pit mode 1: a trigger starts and restarts the pulse") {
    Bench b;
    b.program(2, 1, 3);
    b.to(20);
    CHECK(b.pit.output(2));
    b.pit.set_gate2(true);
    CHECK(b.trace(6) == "H___HH");
    b.pit.set_gate2(false);
    b.pit.set_gate2(true);
    b.to(b.tick() + 2);
    b.pit.set_gate2(false);
    b.pit.set_gate2(true);
    CHECK(b.trace(6) == "____HH");
}

TEST_CASE("pit mode 2: one low pulse a period, a new count waits for its end, the gate restarts") {
    Bench b;
    b.pit.set_gate2(true);
    b.program(2, 2, 3);
    CHECK(b.trace(10) == "HHH_HH_HH_");
    CHECK(b.count(2) == 3);
    b.to(b.tick() + 1);
    b.out(0x42, 5);
    b.out(0x42, 0);
    CHECK((b.status(2) & 0x40) != 0);
    CHECK(b.trace(9) == "H_HHHH_HH");
    CHECK((b.status(2) & 0x40) == 0);
    b.pit.set_gate2(false);
    CHECK(b.trace(4) == "HHHH");
    b.pit.set_gate2(true);
    CHECK(b.trace(7) == "HHHHH_H");
}

TEST_CASE("pit mode 3: square waves of even and odd counts") {
    Bench b;
    b.pit.set_gate2(true);
    b.program(2, 3, 4);
    CHECK(b.trace(10) == "HHH__HH__H");
    b.program(2, 3, 5);
    b.to(b.tick() + 1);
    CHECK(b.trace(10) == "HHH__HHH__");
    // The data sheet's diagram: 4 2 0 | 4 2 for an odd count.
    const u16 expected[] = {4, 2, 0, 4, 2, 4, 2, 0};
    for (u16 value : expected) {
        CHECK(b.count(2) == value);
        b.to(b.tick() + 1);
    }
    b.pit.set_gate2(false);
    CHECK(b.pit.output(2));
    b.to(b.tick() + 9);
    CHECK(b.pit.output(2));
}

TEST_CASE("pit modes 4 and 5: strobes by software and by hardware") {
    Bench b;
    b.pit.set_gate2(true);
    b.program(2, 4, 3);
    CHECK(b.trace(7) == "HHHH_HH");
    b.out(0x42, 2);
    b.out(0x42, 0);
    CHECK(b.trace(5) == "HHH_H");
    b.pit.set_gate2(false);
    b.program(2, 5, 3);
    CHECK(b.trace(6) == "HHHHHH");
    b.pit.set_gate2(true);
    CHECK(b.trace(7) == "HHHH_HH");
}

TEST_CASE("pit: access patterns, latches and the read-back command") {
    Bench b;
    b.pit.set_gate2(true);
    b.out(0x43, 0x90); // counter 2, low byte only, mode 0
    b.out(0x42, 0x80);
    b.to(1);
    CHECK(b.in(0x42) == 0x80);
    CHECK(b.in(0x42) == 0x80);
    b.out(0x43, 0xA0); // high byte only
    b.out(0x42, 0x12);
    b.to(2);
    CHECK(b.in(0x42) == 0x12);
    b.to(3);
    CHECK(b.in(0x42) == 0x11);

    b.program(2, 2, 0x1234);
    CHECK(b.status(2) == 0xF4); // OUT, null count, both bytes, mode 2
    b.to(b.tick() + 1);
    CHECK(b.status(2) == 0xB4);
    b.out(0x43, 0x80);
    b.to(b.tick() + 50);
    b.out(0x43, 0x80); // a second latch command changes nothing
    CHECK(b.in(0x42) == 0x34);
    CHECK(b.in(0x42) == 0x12);
    CHECK(b.in(0x42) == 0x02); // live again
    CHECK(b.in(0x42) == 0x12);
    b.out(0x43, 0xC8); // status and count at once: the status comes first
    CHECK(b.in(0x42) == 0xB4);
    CHECK(b.in(0x42) == 0x02);
    CHECK(b.in(0x42) == 0x12);
    CHECK(b.in(0x43) == 0xFF);

    b.out(0x43, 0xBE); // mode 7 is mode 3; the status shows it as written
    CHECK((b.status(2) & 0x3F) == 0x3E);
}

TEST_CASE("pit: BCD counts in decades") {
    Bench b;
    b.pit.set_gate2(true);
    b.program(2, 2, 0x1000, true);
    b.to(2);
    CHECK(b.count(2) == 0x999 + 0x0);
    b.to(1 + 999);
    CHECK_FALSE(b.pit.output(2));
    b.program(2, 0, 0, true);
    b.to(b.tick() + 2);
    CHECK(b.count(2) == 0x9999);
}

TEST_CASE("pit: IRQ 0 has an exact rate for ever") {
    Bench b;
    b.program(0, 2, 11932);
    b.edges.clear();
    b.to(1 + u64{11932} * 1000);
    REQUIRE(b.edges.size() == 2000);
    CHECK(b.edges[0] == Bench::Edge{11932, false});
    CHECK(b.edges[1] == Bench::Edge{11933, true});
    CHECK(b.edges[1998] == Bench::Edge{11932 * u64{1000}, false});
    CHECK(b.edges[1999] == Bench::Edge{11932 * u64{1000} + 1, true});

    b.program(0, 3, 0);
    b.edges.clear();
    const u64 start = b.tick();
    b.to(start + 1 + 65536 * 3);
    REQUIRE(b.edges.size() == 6);
    CHECK(b.edges[0] == Bench::Edge{start + 1 + 32768, false});
    CHECK(b.edges[5] == Bench::Edge{start + 1 + 65536 * 3, true});
}

TEST_CASE("pit: a late look at counter 0 loses no interrupt") {
    Bench b;
    b.program(0, 2, 100);
    b.edges.clear();
    b.scheduler.skip_to(time_of(5050, Pit::frequency)); // one very long instruction
    b.scheduler.fire_due();
    CHECK(b.edges.size() >= 2);
    CHECK(b.edges.back().level);
    b.edges.clear();
    b.to(5100);
    CHECK(b.edges.size() == 1);
    b.to(5300);
    CHECK(b.edges.size() == 5);
}

TEST_CASE("pit: a one-shot on counter 0 interrupts once") {
    Bench b;
    b.program(0, 0, 50);
    b.edges.clear();
    b.to(100000);
    REQUIRE(b.edges.size() == 1);
    CHECK(b.edges[0] == Bench::Edge{51, true});
    b.pit.reset();
    CHECK_FALSE(b.edges.back().level);
    CHECK(b.scheduler.next_event() == never);
}

TEST_CASE("pit: the refresh toggle follows a counter 1 that nobody has read") {
    Bench b;
    b.out(0x43, 0x74);
    b.out(0x41, 100);
    b.out(0x41, 0);
    unsigned toggles = 0;
    bool last = b.pit.refresh_toggle();
    for (u64 tick = 1; tick <= 2000; ++tick) {
        b.to(tick);
        if (b.pit.refresh_toggle() != last) ++toggles;
        last = b.pit.refresh_toggle();
    }
    CHECK(toggles >= 19);
    CHECK(toggles <= 21);
}

TEST_CASE("pit: refresh and speaker") {
    Bench b;
    b.program(1, 2, 18);
    bool last = b.pit.refresh_toggle();
    unsigned toggles = 0;
    for (u64 t = 1; t <= 1800; ++t) {
        b.to(t);
        if (b.pit.refresh_toggle() != last) ++toggles;
        last = b.pit.refresh_toggle();
    }
    CHECK(toggles == 100);
    CHECK(b.pit.speaker_frequency() == 0);
    b.pit.set_gate2(true);
    b.program(2, 3, 1193);
    b.to(b.tick() + 1);
    b.count(2);
    CHECK(b.pit.speaker_frequency() == 1000);
    b.pit.set_gate2(false);
    CHECK(b.pit.speaker_frequency() == 0);
}

TEST_CASE("pit: asking far later is the same as asking at every tick") {
    for (unsigned mode = 0; mode < 6; ++mode) {
        for (unsigned count : {1u, 2u, 3u, 7u, 16u, 0x99u}) {
            Bench often, seldom;
            for (Bench* b : {&often, &seldom}) {
                b->program(2, mode, count);
                b->pit.set_gate2(true);
            }
            for (u64 t = 1; t < 400; ++t) {
                often.to(t);
                often.count(2);
            }
            seldom.to(399);
            INFO("mode ", mode, " count ", count);
            CHECK(often.pit.output(2) == seldom.pit.output(2));
            CHECK(often.count(2) == seldom.count(2));
        }
    }
}

TEST_CASE("pit: hostile counts neither hang nor starve") {
    Bench b;
    for (unsigned mode = 0; mode < 8; ++mode) {
        for (unsigned count : {0u, 1u, 2u, 0xFFFFu}) {
            b.program(0, mode, count, true);
            b.program(2, mode, count, (count & 1) != 0);
            b.pit.set_gate2((mode & 1) != 0);
            b.to(b.tick() + 300);
            b.count(2);
        }
    }
    b.scheduler.skip_to(100000 * second);
    b.scheduler.fire_due();
    CHECK(b.status(2) != 0xFF);
}

TEST_CASE("pit: saved and loaded it goes on alike, and nonsense is refused") {
    Bench a, b;
    a.program(0, 3, 1001);
    a.program(2, 2, 77);
    a.pit.set_gate2(true);
    a.to(5000);
    a.count(2);
    a.out(0x43, 0x80);
    a.in(0x42);
    Archive saved = Archive::saver();
    a.scheduler.persist(saved);
    a.pit.persist(saved);
    Archive loaded = Archive::loader(saved.bytes());
    b.scheduler.persist(loaded);
    b.pit.persist(loaded);
    REQUIRE(loaded.ok());
    CHECK(loaded.at_end());
    a.edges.clear();
    b.edges.clear();
    a.to(9000);
    b.to(9000);
    CHECK(a.edges == b.edges);
    CHECK(a.edges.size() > 4);
    CHECK(a.in(0x42) == b.in(0x42));
    CHECK(a.count(2) == b.count(2));

    Archive again = Archive::saver();
    a.pit.persist(again);
    for (std::size_t i = 0; i < again.bytes().size(); ++i) {
        std::vector<u8> broken = again.bytes();
        broken[i] = 0xFF;
        Bench c;
        Archive bad = Archive::loader(broken);
        c.pit.persist(bad);
        c.to(100);
        for (unsigned port = 0x40; port <= 0x42; ++port) c.in(static_cast<u16>(port));
        c.pit.speaker_frequency();
    }
}
