#include "devices/lpt/parallel_port.hpp"
#include "tests/unit/devices/board_fakes.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::test;

namespace {
struct Printer {
    Scheduler scheduler;
    PortBus ports;
    FakeIrqs irqs;
    FakeSink sink;
    ParallelPort lpt{scheduler, IrqLine(irqs, 7), &sink};
    Printer() { lpt.map(ports); }
    u8 in(u16 r) { return static_cast<u8>(ports.read(Port{static_cast<u16>(0x378 + r)}, 1)); }
    void out(u16 r, u8 v) { ports.write(Port{static_cast<u16>(0x378 + r)}, 1, v); }
};
} // namespace

TEST_CASE("parallel port: registers read back as drivers probe them") {
    Printer p;
    CHECK(p.in(2) == 0xCC);
    CHECK(p.in(1) == 0xDF);
    for (u8 v : {u8{0x55}, u8{0xAA}}) {
        p.out(0, v);
        CHECK(p.in(0) == v);
    }
    p.out(2, 0xFE);
    CHECK(p.in(2) == 0xFE);
    CHECK(p.in(0) == 0xFF); // input
    p.out(1, 0);
    CHECK(p.in(1) == 0xDF);
    CHECK(p.in(3) == 0xFF); // no EPP
    CHECK(p.sink.text.empty());
}

TEST_CASE("parallel port: a strobe prints, with busy and acknowledge") {
    Printer p;
    p.out(0, 'A');
    p.out(2, 0x0D);
    CHECK(p.sink.text == "A");
    CHECK((p.in(1) & 0xC0) == 0x40);
    p.out(2, 0x0C);
    p.out(0, 'B');
    p.out(2, 0x0D); // while busy: lost
    pass(p.scheduler, 6 * microsecond);
    CHECK((p.in(1) & 0xC0) == 0x00);
    pass(p.scheduler, 3 * microsecond);
    CHECK((p.in(1) & 0xC0) == 0xC0);
    CHECK(p.sink.text == "A");
    p.out(2, 0x0D); // no edge
    CHECK(p.sink.text == "A");
    p.out(2, 0x0C), p.out(2, 0x0D);
    CHECK(p.sink.text == "AB");
    p.out(2, 0x08); // initialise
    CHECK((p.in(1) & 0xC0) == 0xC0);
    CHECK(p.irqs.rises[7] == 0);
}

TEST_CASE("parallel port: the interrupt follows the acknowledge") {
    Printer p;
    p.out(2, 0x1C);
    CHECK(!p.irqs.high(7));
    for (unsigned n = 1; n <= 3; ++n) {
        p.out(2, 0x1D), p.out(2, 0x1C);
        pass(p.scheduler, 7 * microsecond);
        pass(p.scheduler, 2 * microsecond);
        CHECK(p.irqs.rises[7] == n);
        CHECK(p.irqs.high(7));
    }
    CHECK(p.in(1) == 0xDF);
    CHECK(!p.irqs.high(7));
    p.out(2, 0x1D);
    pass(p.scheduler, 9 * microsecond);
    CHECK(p.irqs.high(7));
    p.out(2, 0x0C);
    CHECK(!p.irqs.high(7));
}

TEST_CASE("parallel port: without a printer nothing is selected") {
    Scheduler scheduler;
    ParallelPort lpt(scheduler, {}, nullptr);
    lpt.write(2, 1, 0x0D);
    CHECK(lpt.read(1, 1) == 0xEF);
}

TEST_CASE("parallel port: state survives a snapshot") {
    Printer a, b;
    a.out(0, 0x42), a.out(2, 0x1D);
    const std::vector<u8> timing = saved(a.scheduler), state = saved(a.lpt);
    REQUIRE(loaded(b.scheduler, timing) == "");
    REQUIRE(loaded(b.lpt, state) == "");
    CHECK(b.in(0) == 0x42);
    CHECK((b.in(1) & 0x80) == 0);
    pass(b.scheduler, 9 * microsecond);
    CHECK(b.irqs.high(7));
    std::vector<u8> bad = state;
    bad.back() = 3;
    CHECK(loaded(b.lpt, bad) != "");
}
