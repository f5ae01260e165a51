// Port F0h and IRQ 13 (82371SB; SDM 1, D.2).
#include "devices/chipset/coprocessor_error.hpp"

#include <doctest/doctest.h>

using namespace glassbox;

namespace {

struct Line : IrqSink {
    bool level = false;
    void set_irq(unsigned, bool now) override { level = now; }
};

struct Bench {
    PortBus ports;
    Line line;
    CoprocessorError error{IrqLine(line, 13)};
    Bench() { error.map(ports); }
};

} // namespace

TEST_CASE("coprocessor error: FERR# is IRQ 13 until port F0h is written, and again after it has gone") {
    Bench b;
    b.error.set_ferr(true);
    CHECK(b.line.level);
    b.ports.write(Port{0xF0}, 1, 0);
    CHECK_FALSE(b.line.level);
    b.error.set_ferr(true); // IGNNE# holds as long as FERR# does
    CHECK_FALSE(b.line.level);
    b.error.set_ferr(false);
    b.error.set_ferr(true);
    CHECK(b.line.level);
    b.error.reset();
    CHECK_FALSE(b.line.level);
}

TEST_CASE("coprocessor error: a write without an error ignores nothing") {
    Bench b;
    b.ports.write(Port{0xF0}, 1, 0);
    b.error.set_ferr(true);
    CHECK(b.line.level);
}

TEST_CASE("coprocessor error: a saved IGNNE# comes back") {
    Bench a, b;
    a.error.set_ferr(true);
    a.ports.write(Port{0xF0}, 1, 0);
    Archive saved = Archive::saver();
    a.error.persist(saved);
    Archive loaded = Archive::loader(saved.bytes());
    b.error.persist(loaded);
    REQUIRE(loaded.ok());
    b.error.set_ferr(true);
    CHECK_FALSE(b.line.level);
}
