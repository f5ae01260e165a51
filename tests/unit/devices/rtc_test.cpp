// The MC146818A against its data sheet.
#include "devices/rtc/rtc.hpp"

#include <doctest/doctest.h>
#include <vector>

using namespace glassbox;

namespace {

constexpr i64 y2k_eve = 946684799 - 4; // 1999-12-31 23:59:55, a Friday

struct Bench : IrqSink {
    Scheduler scheduler;
    PortBus ports;
    Rtc rtc;
    bool irq = false;
    unsigned rises = 0;

    explicit Bench(i64 base = y2k_eve) : rtc(scheduler, IrqLine(*this, 8), base) { rtc.map(ports); }
    void set_irq(unsigned, bool level) override {
        if (level && !irq) ++rises;
        irq = level;
    }
    void out(u16 port, unsigned value) { ports.write(Port(port), 1, value); }
    u8 in(u16 port) { return static_cast<u8>(ports.read(Port(port), 1)); }
    u8 get(u8 index) { return out(0x70, index), in(0x71); }
    void set(u8 index, unsigned value) { out(0x70, index), out(0x71, value); }
    void to(Time end) {
        while (scheduler.next_event() <= end) {
            scheduler.skip_to(scheduler.next_event());
            scheduler.fire_due();
        }
        scheduler.skip_to(end);
    }
    void pass(Time time) { to(scheduler.now() + time); }
    std::vector<unsigned> clock() { // century year month day weekday hour minute second
        std::vector<unsigned> values;
        for (int i : {0x32, 9, 8, 7, 6, 4, 2, 0}) values.push_back(get(static_cast<u8>(i)));
        return values;
    }
};

using Clock = std::vector<unsigned>;

} // namespace

TEST_CASE("rtc: the calendar in BCD, carried over a century") {
    Bench b;
    CHECK(b.clock() == Clock{0x19, 0x99, 0x12, 0x31, 6, 0x23, 0x59, 0x55});
    b.to(second - 1);
    CHECK(b.get(0) == 0x55);
    b.to(second);
    CHECK(b.get(0) == 0x56);
    b.to(5 * second);
    CHECK(b.clock() == Clock{0x20, 0x00, 0x01, 0x01, 7, 0x00, 0x00, 0x00});
    Bench leap(951782400 - 1); // 2000-02-28 23:59:59
    leap.pass(second);
    CHECK(leap.clock() == Clock{0x20, 0x00, 0x02, 0x29, 3, 0, 0, 0});
    leap.pass(86400 * second);
    CHECK(leap.clock() == Clock{0x20, 0x00, 0x03, 0x01, 4, 0, 0, 0});
    Bench before(-1);
    CHECK(before.clock() == Clock{0x19, 0x69, 0x12, 0x31, 4, 0x23, 0x59, 0x59});
}

TEST_CASE("rtc: binary and 12-hour modes") {
    Bench b;
    b.set(0x0B, 0x80 | 0x04); // SET, binary, 12 hours
    b.set(4, 11 | 0x80);
    b.set(2, 59);
    b.set(0, 59);
    b.set(7, 30);
    b.set(8, 4);
    b.set(9, 99);
    b.set(0x0B, 0x04);
    b.pass(second);
    CHECK(b.get(4) == 12); // midnight
    CHECK(b.get(7) == 1);
    CHECK(b.get(8) == 5);
    b.set(4, 11);
    b.set(2, 59);
    b.set(0, 59);
    b.pass(second);
    CHECK(b.get(4) == (12 | 0x80)); // noon
    b.set(2, 59);
    b.set(0, 59);
    b.pass(second);
    CHECK(b.get(4) == (1 | 0x80));
    b.set(0x0B, 0x00); // BCD, 12 hours
    b.set(4, 0x89);
    b.set(2, 0x59);
    b.set(0, 0x59);
    b.pass(second);
    CHECK(b.get(4) == 0x90);
}

TEST_CASE("rtc: SET freezes the time and clears UIE, the divider reset delays the next update") {
    Bench b;
    b.set(0x0B, 0x92);
    CHECK(b.get(0x0B) == 0x82);
    b.pass(3 * second);
    CHECK(b.get(0) == 0x55);
    CHECK((b.get(0x0A) & 0x80) == 0);
    b.set(0, 0xB3); // bit 7 of the seconds is read-only
    CHECK(b.get(0) == 0x33);
    b.set(0x0B, 0x02);
    b.to(4 * second);
    CHECK(b.get(0) == 0x34);

    b.pass(300 * millisecond);
    b.set(0x0A, 0x70); // divider reset
    b.pass(10 * second);
    CHECK(b.get(0) == 0x34);
    b.set(0x0A, 0x20);
    b.pass(499 * millisecond);
    CHECK(b.get(0) == 0x34);
    b.pass(2 * millisecond);
    CHECK(b.get(0) == 0x35);
    b.pass(second);
    CHECK(b.get(0) == 0x36);
}

TEST_CASE("rtc: update in progress for 2228 us before the second") {
    Bench b;
    b.to(second - 2229 * microsecond);
    CHECK(b.get(0x0A) == 0x26);
    b.to(second - 2228 * microsecond);
    CHECK(b.get(0x0A) == 0xA6);
    b.to(second - 1);
    CHECK(b.get(0x0A) == 0xA6);
    CHECK(b.get(0) == 0x55);
    b.to(second);
    CHECK(b.get(0x0A) == 0x26);
    b.set(0x0A, 0x80 | 0x26); // UIP cannot be written
    CHECK(b.get(0x0A) == 0x26);
}

TEST_CASE("rtc: update-ended interrupt") {
    Bench b;
    b.set(0x0B, 0x12);
    b.to(second);
    CHECK(b.irq);
    CHECK((b.get(0x0C) & 0xBF) == 0x90);
    CHECK_FALSE(b.irq);
    CHECK((b.get(0x0C) & 0xBF) == 0);
    b.to(3 * second);
    CHECK(b.rises == 2);
    b.set(0x0B, 0x02);
    CHECK_FALSE(b.irq); // disabled: the flag stays, the request goes
    CHECK((b.get(0x0C) & 0xBF) == 0x10);
}

TEST_CASE("rtc: alarm with wildcards") {
    Bench b;
    b.set(1, 0x57);
    b.set(3, 0xC0);
    b.set(5, 0xFF);
    b.set(0x0B, 0x22);
    b.to(second);
    CHECK_FALSE(b.irq);
    b.to(2 * second);
    CHECK(b.irq);
    CHECK((b.get(0x0C) & 0xB0) == 0xB0);
    b.to(61 * second);
    CHECK_FALSE(b.irq);
    b.to(62 * second);
    CHECK(b.irq);
    b.get(0x0C);
    b.set(5, 0x05);
    b.to(200 * second);
    CHECK_FALSE(b.irq);
}

TEST_CASE("rtc: every periodic rate") {
    const u64 hertz[] = {0, 256, 128, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2};
    for (unsigned rate = 0; rate < 16; ++rate) {
        Bench b;
        b.set(0x0A, 0x20 | rate);
        b.get(0x0C);
        b.set(0x0B, 0x42);
        u64 count = 0;
        while (b.scheduler.next_event() <= second) {
            b.to(b.scheduler.next_event());
            if (b.irq) {
                if ((b.get(0x0C) & 0x40) != 0) ++count;
            }
        }
        CHECK_MESSAGE(count == hertz[rate], "rate ", rate);
    }
}

TEST_CASE("rtc: the periodic flag sets without its interrupt, one interrupt until register C is read") {
    Bench b;
    b.get(0x0C);
    b.pass(500 * microsecond);
    CHECK((b.get(0x0C) & 0x40) == 0);
    b.pass(500 * microsecond);
    CHECK((b.get(0x0C) & 0x40) == 0x40);
    CHECK(b.rises == 0);
    b.set(0x0B, 0x42);
    b.pass(100 * millisecond);
    CHECK(b.rises == 1);
    CHECK(b.irq);
    b.rtc.reset();
    CHECK_FALSE(b.irq);
    CHECK(b.get(0x0B) == 0x02);
    b.pass(100 * millisecond);
    CHECK_FALSE(b.irq);
}

TEST_CASE("rtc: RAM, the second bank, the NMI mask and read-only registers") {
    Bench b;
    b.rtc.set_cmos(0x34, 0x12);
    CHECK(b.get(0x34) == 0x12);
    b.set(0x7F, 0xA5);
    CHECK(b.get(0x7F) == 0xA5);
    CHECK(b.rtc.cmos(0x7F) == 0xA5);
    b.out(0x72, 0x7F);
    b.out(0x73, 0x5A);
    CHECK(b.in(0x73) == 0x5A);
    CHECK(b.get(0x7F) == 0xA5);
    CHECK_FALSE(b.rtc.nmi_masked());
    b.out(0x70, 0x8F);
    CHECK(b.rtc.nmi_masked());
    b.out(0x71, 0x05);
    CHECK(b.get(0x0F) == 0x05);
    CHECK_FALSE(b.rtc.nmi_masked());
    CHECK(b.in(0x70) == 0xFF);
    b.set(0x0D, 0);
    CHECK(b.get(0x0D) == 0x80);
    b.get(0x0C);
    b.set(0x0C, 0xFF);
    CHECK((b.get(0x0C) & 0x30) == 0);
    b.rtc.set_cmos(0x10, 0x44);
    b.rtc.set_cmos(0x2D, 0xFF);
    b.rtc.update_checksum();
    CHECK(b.get(0x2E) == 0x01);
    CHECK(b.get(0x2F) == 0x43);
}

TEST_CASE("rtc: nonsense in the registers is survived") {
    Bench b;
    for (unsigned value : {0xFFu, 0x7Au, 0x60u, 0xA0u}) {
        for (u8 i = 0; i < 14; ++i) b.set(i, value);
        b.set(0x0A, 0x20 | (value & 15));
        for (unsigned mode : {0x00u, 0x02u, 0x04u, 0x06u, 0x70u}) {
            b.set(0x0B, mode);
            for (u8 i = 0; i < 10; ++i) b.set(i, value);
            b.pass(3 * second);
        }
    }
    CHECK(b.get(0x0D) == 0x80);
}

TEST_CASE("rtc: saved and loaded it goes on alike, and nonsense is refused") {
    Bench a, b(0);
    a.set(0x0A, 0x2F);
    a.set(0x0B, 0x52);
    a.pass(1700 * millisecond);
    a.get(0x0C);
    Archive saved = Archive::saver();
    a.scheduler.persist(saved);
    a.rtc.persist(saved);
    Archive loaded = Archive::loader(saved.bytes());
    b.scheduler.persist(loaded);
    b.rtc.persist(loaded);
    REQUIRE(loaded.ok());
    CHECK(loaded.at_end());
    for (Bench* x : {&a, &b}) {
        x->rises = 0;
        x->pass(600 * millisecond);
    }
    CHECK(a.irq == b.irq);
    CHECK(a.rises == b.rises);
    CHECK(a.rises == 1);
    CHECK(a.get(0x0C) == b.get(0x0C));
    CHECK(a.clock() == b.clock());
    Archive again = Archive::saver();
    a.rtc.persist(again);
    for (std::size_t i = 0; i < again.bytes().size(); ++i) {
        std::vector<u8> broken = again.bytes();
        broken[i] ^= 0xFF;
        Bench c;
        Archive bad = Archive::loader(broken);
        c.rtc.persist(bad);
        c.in(0x71);
        c.in(0x73);
        c.get(0x0C);
        c.set(0x0B, 0x72);
        c.set(0x0A, 0x23);
    }
}
