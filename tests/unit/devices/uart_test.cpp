#include "devices/uart/uart.hpp"
#include "tests/unit/devices/board_fakes.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::test;

namespace {

constexpr u16 com1 = 0x3F8;
constexpr Time fast_byte = 86'805'556; // 10 bits at 115200, rounded up

struct Line {
    Scheduler scheduler;
    PortBus ports;
    FakeIrqs irqs;
    FakeSink sink;
    Uart16550 uart{scheduler, IrqLine(irqs, 4), &sink, "uart0"};

    Line() {
        uart.map(ports, 0);
        out(3, 0x83);
        out(0, 1);
        out(1, 0);
        out(3, 0x03);
        out(4, 0x0B);
    }
    u8 in(u16 offset) { return static_cast<u8>(ports.read(Port{static_cast<u16>(com1 + offset)}, 1)); }
    void out(u16 offset, u32 value) { ports.write(Port{static_cast<u16>(com1 + offset)}, 1, value); }
    void feed(std::string_view text) {
        const std::vector<u8> bytes(text.begin(), text.end());
        REQUIRE(uart.receive(bytes));
    }
    bool irq() { return irqs.high(4); }
};

} // namespace

TEST_CASE("a UART answers at its standard ports") {
    Scheduler scheduler;
    const u16 bases[] = {0x3F8, 0x2F8, 0x3E8, 0x2E8};
    const unsigned wires[] = {4, 3, 4, 3};
    for (unsigned i = 0; i < 4; ++i) {
        PortBus ports;
        Uart16550 uart(scheduler, {}, nullptr, "uart" + std::to_string(i));
        uart.map(ports, i);
        ports.write(Port{static_cast<u16>(bases[i] + 7)}, 1, 0x40 + i);
        CHECK(ports.read(Port{static_cast<u16>(bases[i] + 7)}, 1) == 0x40 + i);
        CHECK(Uart16550::standard_irq(i) == wires[i]);
    }
}

TEST_CASE("registers after reset and their writable bits") {
    Scheduler scheduler;
    Uart16550 uart(scheduler, {}, nullptr, "uart0");
    CHECK(uart.read(1, 1) == 0x00);
    CHECK(uart.read(2, 1) == 0x01);
    CHECK(uart.read(3, 1) == 0x00);
    CHECK(uart.read(4, 1) == 0x00);
    CHECK(uart.read(5, 1) == 0x60);
    CHECK(uart.read(6, 1) == 0xB0);
    for (u64 r : {1u, 3u, 4u, 7u}) uart.write(r, 1, 0x7F);
    CHECK(uart.read(1, 1) == 0x0F);
    CHECK(uart.read(3, 1) == 0x7F);
    CHECK(uart.read(4, 1) == 0x1F);
    CHECK(uart.read(7, 1) == 0x7F);
    uart.write(3, 1, 0x80);
    uart.write(0, 1, 0x34);
    uart.write(1, 1, 0x12);
    CHECK(uart.read(0, 1) == 0x34);
    CHECK(uart.read(1, 1) == 0x12);
    uart.write(3, 1, 0x00);
    CHECK(uart.read(1, 1) == 0x0F);
    uart.write(2, 1, 0xE7);
    CHECK((uart.read(2, 1) & 0xF0) == 0xC0); // a 16550A, not a 16750
    uart.write(2, 1, 0x00);
    CHECK((uart.read(2, 1) & 0xF0) == 0x00);
}

TEST_CASE("a byte takes its bit times") {
    struct Row {
        u8 lcr;
        u16 divisor;
        Time time;
    };
    const Row rows[] = {{0x03, 1, time_of(10, 115200)}, {0x03, 12, time_of(10, 9600)}, {0x0B, 1, time_of(11, 115200)},
                        {0x07, 1, time_of(11, 115200)}, {0x00, 1, time_of(7, 115200)}, {0x04, 1, time_of(15, 230400)},
                        {0x1A, 384, time_of(10, 300)}};
    for (const Row& row : rows) {
        CAPTURE(row.lcr);
        Line l;
        l.out(3, row.lcr | 0x80);
        l.out(0, row.divisor & 0xFF);
        l.out(1, row.divisor >> 8);
        l.out(3, row.lcr);
        l.out(0, 'x');
        CHECK(l.sink.text == "x");
        CHECK(l.in(5) == 0x20); // holding register free, shift register busy
        l.out(0, 'y');
        CHECK(l.in(5) == 0x00);
        pass(l.scheduler, row.time - 2);
        CHECK(l.in(5) == 0x00);
        pass(l.scheduler, 4);
        CHECK(l.in(5) == 0x20);
        pass(l.scheduler, row.time);
        CHECK(l.in(5) == 0x60);
        CHECK(l.sink.text == "xy");
    }
}

TEST_CASE("a limit on a byte's time speeds slow lines up") {
    Scheduler scheduler;
    Uart16550 uart(scheduler, {}, nullptr, "uart0", 10 * microsecond);
    uart.write(0, 1, 'x');
    pass(scheduler, 10 * microsecond);
    CHECK(uart.read(5, 1) == 0x60);
}

TEST_CASE("the transmit FIFO holds sixteen beside the shift register") {
    Line l;
    l.out(2, 0x01);
    for (char c = 'a'; c <= 'z'; ++c) l.out(0, static_cast<u8>(c));
    CHECK(l.in(5) == 0x00);
    pass(l.scheduler, 16 * fast_byte);
    CHECK(l.in(5) == 0x20);
    pass(l.scheduler, fast_byte);
    CHECK(l.in(5) == 0x60);
    CHECK(l.sink.text == "abcdefghijklmnopq");
    l.out(0, 'A');
    l.out(0, 'B');
    l.out(2, 0x05); // transmit FIFO reset: what is shifting goes out
    pass(l.scheduler, 4 * fast_byte);
    CHECK(l.sink.text == "abcdefghijklmnopqA");
}

TEST_CASE("what waits to be sent when the machine stops is not lost") {
    for (const bool fifo : {false, true}) {
        Line l;
        if (fifo) l.out(2, 1);
        l.out(0, 'a'); // on its way at once
        l.out(0, 'b');
        if (fifo) l.out(0, 'c');
        CHECK(l.sink.text == "a");
        l.uart.finish_sending();
        CHECK(l.sink.text == (fifo ? "abc" : "ab"));
        pass(l.scheduler, 10 * fast_byte);
        CHECK(l.sink.text == (fifo ? "abc" : "ab"));
        CHECK((l.in(5) & 0x60) == 0x60);
    }
    Line looped;
    looped.out(4, 0x1B);
    looped.out(0, 'a');
    looped.out(0, 'b');
    looped.uart.finish_sending();
    CHECK(looped.sink.text.empty());
}

TEST_CASE("THRE interrupts as drivers probe for them") {
    Line l;
    CHECK(!l.irq());
    l.out(1, 2);
    CHECK(l.irq());
    CHECK(l.in(2) == 0x02);
    CHECK(!l.irq()); // reading IIR reset it
    CHECK(l.in(2) == 0x01);
    l.out(1, 0);
    l.out(1, 2); // enabling again makes it again
    CHECK(l.irq());
    l.out(0, 'x'); // to the shift register at once: empty again
    CHECK(l.irq());
    CHECK(l.irqs.rises[4] == 3); // but with an edge
    l.out(0, 'y');
    CHECK(!l.irq());
    CHECK(l.in(2) == 0x01);
    pass(l.scheduler, fast_byte);
    CHECK(l.irq());
    l.out(1, 0);
    CHECK(!l.irq());
}

TEST_CASE("received bytes arrive at line speed") {
    Line l;
    l.out(1, 1);
    l.feed("ab");
    CHECK(l.in(5) == 0x60);
    pass(l.scheduler, fast_byte);
    CHECK(l.in(5) == 0x61);
    CHECK(l.irq());
    CHECK(l.in(2) == 0x04);
    pass(l.scheduler, 10 * fast_byte); // waits: the data register is full
    CHECK((l.in(5) & 2) == 0);
    CHECK(l.in(0) == 'a');
    CHECK(!l.irq());
    pass(l.scheduler, fast_byte);
    CHECK(l.in(0) == 'b');
    CHECK(l.in(5) == 0x60);
    CHECK(l.in(0) == 0);
}

TEST_CASE("FIFO trigger levels and the timeout interrupt") {
    const unsigned levels[] = {1, 4, 8, 14};
    for (unsigned i = 0; i < 4; ++i) {
        CAPTURE(i);
        Line l;
        l.out(2, 0x01 | i << 6);
        l.out(1, 1);
        l.feed(std::string(levels[i] + 2, 'x'));
        for (unsigned n = 1; n < levels[i]; ++n) {
            pass(l.scheduler, fast_byte);
            CHECK(!l.irq());
        }
        pass(l.scheduler, fast_byte);
        CHECK(l.irq());
        CHECK(l.in(2) == 0xC4);
        pass(l.scheduler, 2 * fast_byte);
        for (unsigned n = 0; n < 3; ++n) CHECK(l.in(0) == 'x');
        if (i == 0) continue;
        CHECK(!l.irq());
        pass(l.scheduler, 4 * fast_byte - 1000);
        CHECK(!l.irq());
        pass(l.scheduler, 2000);
        CHECK(l.irq());
        CHECK(l.in(2) == 0xCC);
        CHECK(l.in(0) == 'x');
        CHECK(!l.irq());
    }
}

TEST_CASE("a full FIFO makes the line wait, and nothing is lost") {
    Line l;
    l.out(2, 0x01);
    std::string sent, got;
    for (int i = 0; i < 100; ++i) sent.push_back(static_cast<char>('!' + i % 90));
    l.feed(sent);
    for (int i = 0; i < 20; ++i) {
        pass(l.scheduler, 30 * fast_byte);
        while (l.in(5) & 1) got.push_back(static_cast<char>(l.in(0)));
    }
    CHECK(got == sent);
    CHECK((l.in(5) & 0x9E) == 0);
}

TEST_CASE("the input queue refuses what it cannot hold") {
    Line l;
    const std::vector<u8> big(Uart16550::queue_limit, 1);
    CHECK(l.uart.receive(big));
    CHECK(!l.uart.receive(std::vector<u8>{1}));
    l.uart.receive_break();
    pass(l.scheduler, fast_byte);
    CHECK(l.uart.receive(std::vector<u8>{1}));
}

TEST_CASE("interrupts come in the order of their priority") {
    Line l;
    l.out(1, 0x0F);
    l.out(2, 0x01);
    l.out(4, 0x18); // loopback: CTS and DSR fall, and rise again
    l.uart.receive_break();
    l.out(4, 0x0B);
    pass(l.scheduler, fast_byte);
    CHECK(l.in(2) == 0xC6);
    CHECK((l.in(5) & 0x91) == 0x91);
    CHECK(l.in(2) == 0xC4);
    CHECK(l.in(0) == 0);
    CHECK(l.in(2) == 0xC2);
    CHECK(l.in(2) == 0xC0);
    CHECK(l.irq());
    CHECK((l.in(6) & 0x0F) != 0);
    CHECK(l.in(2) == 0xC1);
    CHECK(!l.irq());
}

TEST_CASE("loopback feeds data and modem lines back") {
    Line l;
    l.out(2, 0x01);
    l.out(4, 0x10);
    (void)l.in(6);
    const u8 expected[16] = {0x00, 0x20, 0x10, 0x30, 0x40, 0x60, 0x50, 0x70,
                             0x80, 0xA0, 0x90, 0xB0, 0xC0, 0xE0, 0xD0, 0xF0};
    for (unsigned i = 0; i < 16; ++i) {
        l.out(4, 0x10 | i);
        CHECK((l.in(6) & 0xF0) == expected[i]);
    }
    l.out(4, 0x14);
    CHECK((l.in(6) & 4) == 0); // RI rose: nothing
    l.out(4, 0x10);
    CHECK((l.in(6) & 0x0F) == 0x04 + 0); // RI fell: TERI
    l.out(4, 0x11);
    CHECK(l.in(6) == 0x22);
    CHECK(l.in(6) == 0x20);
    l.out(0, 0x5A);
    pass(l.scheduler, fast_byte);
    CHECK(l.in(0) == 0x5A);
    CHECK(l.sink.text.empty());
    for (int i = 0; i < 30; ++i) {
        l.out(0, static_cast<u8>(i));
        pass(l.scheduler, fast_byte);
    }
    CHECK((l.in(5) & 3) == 3); // overrun
    CHECK((l.in(5) & 2) == 0);
    int count = 0;
    while (l.in(5) & 1) CHECK(l.in(0) == count++);
    CHECK(count == 16); // the FIFO's depth, as drivers measure it
    l.out(3, 0x43);
    CHECK((l.in(5) & 0x11) == 0x11);
}

TEST_CASE("without FIFOs an unread byte is overrun by the next") {
    Line l;
    l.out(4, 0x10);
    l.out(0, 'a');
    pass(l.scheduler, fast_byte);
    l.out(0, 'b');
    pass(l.scheduler, fast_byte);
    CHECK((l.in(5) & 3) == 3);
    CHECK(l.in(0) == 'b');
}

TEST_CASE("OUT2 and loopback gate the interrupt") {
    Line l;
    l.out(1, 2);
    CHECK(l.irq());
    l.out(4, 0x03);
    CHECK(!l.irq());
    l.out(4, 0x0B);
    CHECK(l.irq());
    l.out(4, 0x1B);
    CHECK(!l.irq());
}

TEST_CASE("a UART's state survives a snapshot mid-byte") {
    Line a, b;
    a.out(2, 0xC1);
    a.out(1, 3);
    a.out(0, 'p');
    a.out(0, 'q');
    a.feed("hello");
    pass(a.scheduler, 2 * fast_byte - 5);
    std::vector<u8> timing = saved(a.scheduler), state = saved(a.uart);
    REQUIRE(loaded(b.scheduler, timing) == "");
    REQUIRE(loaded(b.uart, state) == "");
    CHECK(saved(b.uart) == state);
    for (Line* l : {&a, &b}) {
        pass(l->scheduler, 20 * fast_byte);
        std::string got;
        while (l->in(5) & 1) got.push_back(static_cast<char>(l->in(0)));
        CHECK(got == "hello");
        CHECK(l->in(5) == 0x60);
    }
    CHECK(saved(a.uart) == saved(b.uart));
    for (std::size_t i = 0; i < state.size(); ++i) { // whatever is damaged: refused or harmless
        std::vector<u8> bad = state;
        bad[i] ^= 0xFF;
        Line c;
        if (loaded(c.uart, bad) != "") continue;
        c.feed("x");
        pass(c.scheduler, 40 * second);
        for (u16 r = 0; r < 8; ++r) c.in(r);
    }
}
