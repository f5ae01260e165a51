#include "devices/ps2/controller.hpp"
#include "tests/unit/devices/board_fakes.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::test;

namespace {

using Bytes = std::vector<u8>;

struct Rig {
    Scheduler scheduler;
    PortBus ports;
    FakeIrqs irqs;
    bool a20 = true;
    int resets = 0;
    Ps2Controller kbc{scheduler,
                      IrqLine(irqs, 1),
                      IrqLine(irqs, 12),
                      {.set_a20 = [this](bool v) { a20 = v; },
                       .a20 = [this] { return a20; },
                       .reset_processor = [this] { ++resets; }}};

    Rig() {
        kbc.map(ports);
        config(0x03); // both interrupts, no translation
    }
    u8 status() { return static_cast<u8>(ports.read(Port{0x64}, 1)); }
    u8 data() { return static_cast<u8>(ports.read(Port{0x60}, 1)); }
    void command(u8 value) { ports.write(Port{0x64}, 1, value); }
    void out(u8 value) { ports.write(Port{0x60}, 1, value); }
    void config(u8 value) { command(0x60), out(value); }
    void to_mouse(u8 value) { command(0xD4), out(value); }
    /// All that comes within `time`, read as it comes.
    Bytes drain(Time time = 12 * millisecond) {
        Bytes all;
        const Time end = scheduler.now() + time;
        while (scheduler.now() < end) {
            pass(scheduler, 10 * microsecond);
            if (status() & 1) all.push_back(data());
        }
        return all;
    }
    Bytes keyboard(std::initializer_list<u8> bytes) {
        Bytes all;
        for (u8 b : bytes) {
            out(b);
            for (u8 r : drain(2 * millisecond)) all.push_back(r);
        }
        return all;
    }
    Bytes mouse(std::initializer_list<u8> bytes) {
        Bytes all;
        for (u8 b : bytes) {
            to_mouse(b);
            for (u8 r : drain(2 * millisecond)) all.push_back(r);
        }
        return all;
    }
    Bytes press(u8 code, bool extended = false) {
        kbc.key(code, extended, true);
        return drain();
    }
    Bytes release(u8 code, bool extended = false) {
        kbc.key(code, extended, false);
        return drain();
    }
    void numlock() { keyboard({0xED, 2}); }
};

} // namespace

TEST_CASE("8042: commands answer as the BIOS expects") {
    Rig r;
    const struct {
        u8 command;
        Bytes reply;
    } rows[] = {{0xAA, {0x55}}, {0xAB, {0x00}}, {0xA9, {0x00}}, {0xC0, {0xB0}}, {0xD0, {0xCF}}, {0xA4, {0xF1}},
                {0xCA, {1}},    {0x20, {0x07}}, {0xE0, {3}},    {0xAF, {}},     {0xFF, {}},     {0xA0, {}}};
    for (const auto& row : rows) {
        CAPTURE(row.command);
        r.command(row.command);
        CHECK(r.drain(millisecond) == row.reply);
    }
    CHECK(r.resets == 0);
    for (u8 i = 1; i < 32; ++i) r.command(static_cast<u8>(0x60 + i)), r.out(static_cast<u8>(i * 3));
    for (u8 i = 1; i < 32; ++i) {
        r.command(static_cast<u8>(0x20 + i));
        CHECK(r.drain(millisecond) == Bytes{static_cast<u8>(i * 3)});
    }
}

TEST_CASE("8042: status bits and output buffer timing") {
    Rig r;
    pass(r.scheduler, millisecond);
    CHECK(r.status() == 0x10);
    r.command(0xAA);
    CHECK(r.status() == 0x1E); // busy, system flag, command
    pass(r.scheduler, 5 * microsecond);
    CHECK(r.status() == 0x1C);
    pass(r.scheduler, 20 * microsecond);
    CHECK(r.status() == 0x1D);
    CHECK(r.irqs.high(1));
    CHECK(r.data() == 0x55);
    CHECK(!r.irqs.high(1));
    CHECK(r.data() == 0x55); // the buffer keeps its last byte
    CHECK(r.status() == 0x1C);
    r.out(0xEE);
    pass(r.scheduler, 10 * microsecond);
    CHECK(r.status() == 0x14);
    pass(r.scheduler, 200 * microsecond);
    CHECK((r.status() & 1) == 0);
    pass(r.scheduler, 50 * microsecond);
    CHECK((r.status() & 1) == 1);
}

TEST_CASE("8042: each byte is an edge of its interrupt, and the configuration gates it") {
    Rig r;
    r.kbc.key(0x1E, false, true);
    r.kbc.key(0x1E, false, false);
    r.drain(5 * millisecond);
    CHECK(r.irqs.rises[1] == 3);
    r.config(0x00);
    r.kbc.key(0x1E, false, true);
    pass(r.scheduler, millisecond);
    CHECK(r.irqs.rises[1] == 3);
    CHECK((r.status() & 1) == 1);
    r.config(0x01);
    CHECK(r.irqs.rises[1] == 4);
    CHECK(r.data() == 0x1C);
    CHECK(r.irqs.rises[12] == 0);
}

TEST_CASE("8042: D2 and D3 loop bytes back as if from the devices") {
    Rig r;
    r.config(0x43);
    r.command(0xD3), r.out(0x5A);
    pass(r.scheduler, 100 * microsecond);
    CHECK((r.status() & 0x21) == 0x21);
    CHECK(r.irqs.high(12));
    CHECK(!r.irqs.high(1));
    CHECK(r.data() == 0x5A);
    r.command(0xD2), r.out(0x1C);
    pass(r.scheduler, 100 * microsecond);
    CHECK((r.status() & 0x21) == 0x01);
    CHECK(r.irqs.high(1));
    CHECK(r.data() == 0x1C); // not translated
}

TEST_CASE("8042: A20 and reset through the output port") {
    Rig r;
    r.command(0xD1), r.out(0xDD);
    CHECK(!r.a20);
    r.command(0xD0);
    CHECK(r.drain(millisecond) == Bytes{0xCD});
    r.command(0xD1), r.out(0xDF);
    CHECK(r.a20);
    r.command(0xDD);
    CHECK(!r.a20);
    r.command(0xDF);
    CHECK(r.a20);
    CHECK(r.resets == 0);
    r.command(0xFE);
    CHECK(r.resets == 1);
    r.command(0xF1);
    CHECK(r.resets == 1);
    r.command(0xD1), r.out(0xDE);
    CHECK(r.resets == 2);
}

TEST_CASE("8042: disabled interfaces hold their bytes") {
    Rig r;
    r.command(0xAD);
    r.command(0x20);
    CHECK(r.drain(millisecond) == Bytes{0x13});
    r.kbc.key(0x1E, false, true);
    CHECK(r.drain(millisecond).empty());
    r.command(0xAE);
    CHECK(r.drain(millisecond) == Bytes{0x1C});
    r.command(0xAD);
    CHECK(r.keyboard({0xEE}) == Bytes{0xEE}); // a command opens it
    r.mouse({0xF4});
    r.command(0xA7);
    r.kbc.mouse(1, 0, 0, 0);
    CHECK(r.drain().empty());
    r.command(0xA8);
    CHECK(r.drain() == Bytes{0x08, 1, 0});
}

TEST_CASE("8042: it translates set 2 to set 1") {
    Rig r;
    r.config(0x41);
    for (unsigned code = 1; code < 0x59; ++code) {
        if (code == 0x55 || code == 0x54) continue;
        CAPTURE(code);
        CHECK(r.press(static_cast<u8>(code)) == Bytes{static_cast<u8>(code)});
        CHECK(r.release(static_cast<u8>(code)) == Bytes{static_cast<u8>(code | 0x80)});
    }
    for (u8 code : std::initializer_list<u8>{0x1C, 0x1D, 0x35, 0x38, 0x47, 0x48, 0x49, 0x4B, 0x4D, 0x4F, 0x50, 0x51,
                                             0x52, 0x53, 0x5B, 0x5C, 0x5D}) {
        CHECK(r.press(code, true) == Bytes{0xE0, code});
        CHECK(r.release(code, true) == Bytes{0xE0, static_cast<u8>(code | 0x80)});
    }
    CHECK(r.press(0x45, true) == Bytes{0xE1, 0x1D, 0x45, 0xE1, 0x9D, 0xC5});
    CHECK(r.release(0x45, true).empty());
    CHECK(r.press(0x37, true) == Bytes{0xE0, 0x2A, 0xE0, 0x37});
    CHECK(r.release(0x37, true) == Bytes{0xE0, 0xB7, 0xE0, 0xAA});
    CHECK(r.keyboard({0xF2}) == Bytes{0xFA, 0xAB, 0x41});
    CHECK(r.keyboard({0xF0, 0}) == Bytes{0xFA, 0xFA, 0x41});
}

TEST_CASE("keyboard: sets 1, 2 and 3") {
    Rig r;
    CHECK(r.press(0x1E) == Bytes{0x1C}); // A
    CHECK(r.release(0x1E) == Bytes{0xF0, 0x1C});
    CHECK(r.press(0x41) == Bytes{0x83}); // F7
    CHECK(r.release(0x41) == Bytes{0xF0, 0x83});
    CHECK(r.press(0x4D, true) == Bytes{0xE0, 0x74});
    CHECK(r.release(0x4D, true) == Bytes{0xE0, 0xF0, 0x74});
    CHECK(r.keyboard({0xF0, 1}) == Bytes{0xFA, 0xFA});
    CHECK(r.press(0x4D, true) == Bytes{0xE0, 0x4D});
    CHECK(r.release(0x4D, true) == Bytes{0xE0, 0xCD});
    CHECK(r.press(0x45, true) == Bytes{0xE1, 0x1D, 0x45, 0xE1, 0x9D, 0xC5});
    CHECK(r.keyboard({0xF0, 0}) == Bytes{0xFA, 0xFA, 1});
    CHECK(r.keyboard({0xF0, 3}) == Bytes{0xFA, 0xFA});
    r.release(0x45, true);
    CHECK(r.press(0x45, true) == Bytes{0x62});
    CHECK(r.press(0x1E) == Bytes{0x1C});
    CHECK(r.release(0x1E).empty()); // typematic: no break code
    CHECK(r.press(0x2A) == Bytes{0x12});
    CHECK(r.release(0x2A) == Bytes{0xF0, 0x12}); // make and break
    CHECK(r.press(0x5D, true) == Bytes{0x8D});
    CHECK(r.release(0x5D, true).empty());
    CHECK(r.keyboard({0xF0, 4}) == Bytes{0xFA, 0xFE});
}

TEST_CASE("keyboard: key types in set 3") {
    Rig r;
    r.keyboard({0xF0, 3});
    CHECK(r.keyboard({0xF8}) == Bytes{0xFA});
    CHECK(r.press(0x1E) == Bytes{0x1C});
    CHECK(r.drain(2 * second).empty());
    CHECK(r.release(0x1E) == Bytes{0xF0, 0x1C});
    r.keyboard({0xFA});
    r.press(0x1E);
    CHECK(r.drain(second).size() > 3);
    CHECK(r.release(0x1E) == Bytes{0xF0, 0x1C});
    r.keyboard({0xF9});
    CHECK(r.press(0x1E) == Bytes{0x1C});
    CHECK(r.drain(second).empty());
    CHECK(r.release(0x1E).empty());
    CHECK(r.keyboard({0xFC, 0x1C, 0x8D, 0xF4}) == Bytes{0xFA, 0xFA, 0xFA, 0xFA});
    r.press(0x1E);
    CHECK(r.release(0x1E) == Bytes{0xF0, 0x1C});
    r.press(0x5D, true);
    CHECK(r.release(0x5D, true) == Bytes{0xF0, 0x8D});
    r.press(0x30);
    CHECK(r.release(0x30).empty());
    r.keyboard({0xF7});
    r.press(0x30);
    CHECK(r.drain(second).size() > 3);
    CHECK(r.release(0x30).empty());
}

TEST_CASE("keyboard: Print Screen, Pause and the grey keys depend on the shifts") {
    Rig r;
    CHECK(r.press(0x37, true) == Bytes{0xE0, 0x12, 0xE0, 0x7C});
    CHECK(r.release(0x37, true) == Bytes{0xE0, 0xF0, 0x7C, 0xE0, 0xF0, 0x12});
    r.press(0x1D);
    CHECK(r.press(0x37, true) == Bytes{0xE0, 0x7C});
    CHECK(r.release(0x37, true) == Bytes{0xE0, 0xF0, 0x7C});
    CHECK(r.press(0x45, true) == Bytes{0xE0, 0x7E, 0xE0, 0xF0, 0x7E});
    r.release(0x45, true), r.release(0x1D);
    r.press(0x38);
    CHECK(r.press(0x37, true) == Bytes{0x84});
    CHECK(r.release(0x37, true) == Bytes{0xF0, 0x84});
    r.release(0x38);
    r.press(0x2A);
    CHECK(r.press(0x48, true) == Bytes{0xE0, 0xF0, 0x12, 0xE0, 0x75});
    CHECK(r.release(0x48, true) == Bytes{0xE0, 0xF0, 0x75, 0xE0, 0x12});
    CHECK(r.press(0x35, true) == Bytes{0xE0, 0xF0, 0x12, 0xE0, 0x4A});
    r.release(0x35, true), r.release(0x2A);
    r.numlock();
    CHECK(r.press(0x48, true) == Bytes{0xE0, 0x12, 0xE0, 0x75});
    CHECK(r.release(0x48, true) == Bytes{0xE0, 0xF0, 0x75, 0xE0, 0xF0, 0x12});
    r.press(0x36);
    CHECK(r.press(0x48, true) == Bytes{0xE0, 0x75});
}

TEST_CASE("keyboard: commands") {
    Rig r;
    CHECK(r.keyboard({0xED}) == Bytes{0xFA});
    CHECK(r.keyboard({0x05}) == Bytes{0xFA});
    CHECK(r.kbc.leds() == 5);
    CHECK(r.keyboard({0xED, 0xEE}) == Bytes{0xFA, 0xEE}); // a command instead of the argument
    CHECK(r.kbc.leds() == 5);
    CHECK(r.keyboard({0xF2}) == Bytes{0xFA, 0xAB, 0x83});
    CHECK(r.keyboard({0xFE}) == Bytes{0x83});
    CHECK(r.keyboard({0xEF}) == Bytes{0xFE});
    CHECK(r.keyboard({0x00}) == Bytes{0xFE});
    CHECK(r.keyboard({0xF5}) == Bytes{0xFA});
    CHECK(r.press(0x1E).empty());
    CHECK(r.release(0x1E).empty());
    CHECK(r.keyboard({0xF4}) == Bytes{0xFA});
    CHECK(r.press(0x1E) == Bytes{0x1C});
    r.release(0x1E);
    r.keyboard({0xF0, 3});
    CHECK(r.keyboard({0xF6, 0xF0, 0}) == Bytes{0xFA, 0xFA, 0xFA, 2});
    r.out(0xFF);
    CHECK(r.drain(5 * millisecond) == Bytes{0xFA});
    CHECK(r.press(0x1E).size() == 1); // the test's result, and no key before it
    CHECK(r.kbc.leds() == 0);
    r.release(0x1E);
    r.out(0xFF);
    CHECK(r.drain(20 * millisecond) == Bytes{0xFA, 0xAA});
    CHECK(r.press(0x1E) == Bytes{0x1C});
}

TEST_CASE("keyboard: a command during the self-test ends it and leaves the keys working") {
    Rig r;
    r.out(0xFF);
    r.drain(2 * millisecond);
    CHECK(r.keyboard({0xED, 2}) == Bytes{0xFA, 0xFA});
    CHECK(r.drain(20 * millisecond).empty());
    CHECK(r.kbc.keys_taken());
    r.kbc.key(0x1E, false, true);
    CHECK(!r.kbc.keys_taken());
    CHECK(r.drain() == Bytes{0x1C});
    CHECK(r.kbc.keys_taken());
}

TEST_CASE("keyboard: typematic delay and rate") {
    const struct {
        u8 rate;
        unsigned delay_ms, in_two_seconds;
    } rows[] = {{0x2B, 500, 21}, {0x00, 250, 59}, {0x7F, 1000, 4}, {0x14, 250, 10}};
    for (const auto& row : rows) {
        CAPTURE(row.rate);
        Rig r;
        r.keyboard({0xF3, row.rate});
        r.kbc.key(0x1E, false, true);
        CHECK(r.drain(row.delay_ms * millisecond - millisecond) == Bytes{0x1C});
        const std::size_t repeats = r.drain(2 * second).size();
        CHECK(repeats >= row.in_two_seconds);
        CHECK(repeats <= row.in_two_seconds + 2);
        r.kbc.key(0x1E, false, true); // the host's own repetition
        CHECK(r.drain(millisecond).size() <= 1);
        r.kbc.key(0x30, false, true); // the latest key repeats
        CHECK(r.drain(millisecond).back() == 0x32);
        r.kbc.key(0x1E, false, false);
        r.drain(10 * millisecond);
        pass(r.scheduler, (row.delay_ms + 20) * millisecond);
        CHECK(r.data() == 0x32);
        r.kbc.key(0x30, false, false);
        r.drain(10 * millisecond);
        CHECK(r.drain(3 * second).empty());
    }
}

TEST_CASE("keyboard: sixteen bytes, then an overrun") {
    Rig r;
    pass(r.scheduler, millisecond);
    for (int i = 0; i < 20; ++i) {
        r.kbc.key(0x1E, false, true);
        r.kbc.key(0x1E, false, false);
    }
    const Bytes got = r.drain(20 * millisecond);
    REQUIRE(got.size() == 17);
    CHECK(got[14] == 0x1C);
    CHECK(got[16] == 0x00);
    CHECK(r.press(0x30) == Bytes{0x32}); // and it goes on
    r.release(0x30);
    r.keyboard({0xF0, 1});
    for (int i = 0; i < 10; ++i) r.kbc.key(0x1E, false, true), r.kbc.key(0x1E, false, false);
    CHECK(r.drain(20 * millisecond).back() == 0xFF);
    for (unsigned code = 0; code < 256; ++code) { // any code is harmless
        r.kbc.key(static_cast<u8>(code), code % 3 == 0, true);
        r.kbc.key(static_cast<u8>(code), code % 3 == 0, false);
        r.drain(millisecond);
    }
}

TEST_CASE("mouse: identity, status and settings") {
    Rig r;
    r.to_mouse(0xFF);
    CHECK(r.drain(20 * millisecond) == Bytes{0xFA, 0xAA, 0x00});
    CHECK(r.irqs.rises[12] == 3);
    CHECK(r.mouse({0xF2}) == Bytes{0xFA, 0x00});
    CHECK(r.mouse({0xE9}) == Bytes{0xFA, 0x00, 2, 100});
    CHECK(r.mouse({0xF3, 200, 0xE8, 3, 0xE7, 0xF4}) == Bytes(6, 0xFA));
    r.kbc.mouse(0, 0, 0, 1);
    r.drain();
    CHECK(r.mouse({0xE9}) == Bytes{0xFA, 0x34, 3, 200});
    r.kbc.mouse(0, 0, 0, 2);
    r.drain();
    CHECK((r.mouse({0xE9})[1] & 7) == 1);
    r.kbc.mouse(0, 0, 0, 4);
    r.drain();
    CHECK((r.mouse({0xE9})[1] & 7) == 2);
    CHECK(r.mouse({0xF3, 99}) == Bytes{0xFA, 0xFE});
    CHECK(r.mouse({0xE8, 4}) == Bytes{0xFA, 0xFE});
    CHECK(r.mouse({0xE6, 0xF0, 0xE9}) == Bytes{0xFA, 0xFA, 0xFA, 0x62, 3, 200});
    CHECK(r.mouse({0xF6, 0xE9}) == Bytes{0xFA, 0xFA, 0x02, 2, 100});
    CHECK(r.mouse({0x17}) == Bytes{0xFE});
    CHECK(r.mouse({0xFE}) == Bytes{0xFE});
}

TEST_CASE("mouse: packets in stream mode") {
    Rig r;
    r.kbc.mouse(5, 5, 0, 0);
    CHECK(r.drain(50 * millisecond).empty()); // not enabled
    r.mouse({0xF4});
    r.kbc.mouse(5, 3, 0, 0); // right and down
    CHECK(r.drain() == Bytes{0x28, 5, 0xFD});
    r.kbc.mouse(-5, -3, 0, 3);
    CHECK(r.drain() == Bytes{0x1B, 0xFB, 3});
    r.kbc.mouse(0, 0, 0, 4);
    CHECK(r.drain() == Bytes{0x0C, 0, 0});
    r.kbc.mouse(0, 0, 0, 4);
    CHECK(r.drain().empty());
    r.kbc.mouse(0, 0, 3, 0); // no wheel without asking
    CHECK(r.drain() == Bytes{0x08, 0, 0});
    r.kbc.mouse(300, 0, 0, 0);
    CHECK(r.drain(30 * millisecond) == Bytes{0x08, 255, 0, 0x08, 45, 0});
    r.kbc.mouse(INT32_MIN, INT32_MIN, 0, 0);
    const Bytes far = r.drain(300 * millisecond);
    REQUIRE(far.size() > 3);
    CHECK(far[0] == 0xD8); // overflow of both, X negative, Y up
    CHECK(far[1] == 0x01);
    CHECK(far[2] == 0xFF);
    CHECK(far[3] == 0x18);
    r.mouse({0xE7});
    const int from[] = {1, 2, 3, 4, 5, 6, 100, 200}, to[] = {1, 1, 3, 6, 9, 12, 200, 255};
    for (int i = 0; i < 8; ++i) {
        r.kbc.mouse(from[i], 0, 0, 0);
        CHECK(r.drain()[1] == to[i]);
    }
}

TEST_CASE("mouse: the sample rate limits the packets") {
    for (u8 rate : {u8{10}, u8{60}, u8{200}}) {
        Rig r;
        r.mouse({0xF3, rate, 0xF4});
        std::size_t bytes = 0;
        for (int i = 0; i < 1000; ++i) {
            r.kbc.mouse(1, 0, 0, 0);
            bytes += r.drain(millisecond).size();
        }
        CHECK(bytes / 3 >= rate - 5u);
        CHECK(bytes / 3 <= rate + 2u);
    }
}

TEST_CASE("mouse: the wheel and five-button extensions") {
    Rig r;
    CHECK(r.mouse({0xF3, 200, 0xF3, 100, 0xF3, 80, 0xF2}) == Bytes{0xFA, 0xFA, 0xFA, 0xFA, 0xFA, 0xFA, 0xFA, 3});
    r.mouse({0xF4});
    r.kbc.mouse(1, 0, 1, 0);
    CHECK(r.drain(30 * millisecond) == Bytes{0x08, 1, 0, 1});
    r.kbc.mouse(0, 0, -2, 0);
    CHECK(r.drain(30 * millisecond) == Bytes{0x08, 0, 0, 0xFE});
    r.kbc.mouse(0, 0, 10, 0);
    CHECK(r.drain(40 * millisecond) == Bytes{0x08, 0, 0, 7, 0x08, 0, 0, 3});
    CHECK(r.mouse({0xF3, 200, 0xF3, 200, 0xF3, 80, 0xF2}).back() == 4);
    r.mouse({0xF4});
    r.kbc.mouse(0, 0, -1, 0x18);
    CHECK(r.drain(30 * millisecond) == Bytes{0x08, 0, 0, 0x3F});
    r.to_mouse(0xFF);
    CHECK(r.drain(20 * millisecond) == Bytes{0xFA, 0xAA, 0});
}

TEST_CASE("mouse: remote and wrap modes") {
    Rig r;
    r.mouse({0xF0, 0xF4});
    r.kbc.mouse(7, 0, 0, 1);
    CHECK(r.drain(50 * millisecond).empty());
    CHECK(r.mouse({0xEB}) == Bytes{0xFA, 0x09, 7, 0});
    CHECK(r.mouse({0xEB}) == Bytes{0xFA, 0x09, 0, 0});
    CHECK(r.mouse({0xEE}) == Bytes{0xFA});
    CHECK(r.mouse({0x12, 0xF4, 0xEE}) == Bytes{0x12, 0xF4, 0xEE});
    CHECK(r.mouse({0xEC}) == Bytes{0xFA});
    CHECK((r.mouse({0xE9})[1] & 0x40) == 0x40); // back in remote mode
    CHECK(r.mouse({0xEA}) == Bytes{0xFA});
    r.kbc.mouse(1, 0, 0, 1);
    CHECK(r.drain() == Bytes{0x09, 1, 0});
}

TEST_CASE("PS/2: keyboard and mouse share the buffer without mixing") {
    Rig r;
    r.mouse({0xF4});
    r.kbc.mouse(1, 2, 0, 0);
    r.kbc.key(0x1E, false, true);
    Bytes keys, packets;
    for (int i = 0; i < 1000; ++i) {
        pass(r.scheduler, 10 * microsecond);
        const u8 status = r.status();
        if (status & 1) ((status & 0x20) ? packets : keys).push_back(r.data());
    }
    CHECK(keys == Bytes{0x1C});
    CHECK(packets == Bytes{0x28, 1, 0xFE});
}

TEST_CASE("PS/2: everything survives a snapshot, and a damaged one does no harm") {
    Rig a;
    a.mouse({0xF3, 200, 0xF3, 100, 0xF3, 80, 0xF2, 0xF4});
    a.kbc.key(0x1E, false, true);
    a.kbc.key(0x2A, false, true);
    a.kbc.mouse(600, -3, 2, 1);
    a.command(0xD1);
    pass(a.scheduler, 300 * microsecond);
    const Bytes timing = saved(a.scheduler), state = saved(a.kbc);
    Rig b;
    REQUIRE(loaded(b.scheduler, timing) == "");
    REQUIRE(loaded(b.kbc, state) == "");
    CHECK(saved(b.kbc) == state);
    for (Rig* r : {&a, &b}) r->out(0xDD);
    CHECK(a.a20 == false);
    CHECK(b.a20 == false);
    CHECK(a.drain(100 * millisecond) == b.drain(100 * millisecond));
    CHECK(saved(a.kbc) == saved(b.kbc));
    for (std::size_t i = 0; i < state.size(); ++i) {
        Bytes bad = state;
        bad[i] ^= 0xFF;
        Rig c;
        (void)loaded(c.scheduler, timing);
        if (loaded(c.kbc, bad) != "") continue;
        c.kbc.mouse(1, 1, 1, 1);
        pass(c.scheduler, 20 * millisecond);
        c.out(0xFF);
        c.drain(2 * millisecond);
    }
}
