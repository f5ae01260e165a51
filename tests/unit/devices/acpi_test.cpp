#include "devices/acpi/piix4_pm.hpp"
#include "tests/unit/devices/board_fakes.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::test;

namespace {

constexpr u16 base = 0x600;

struct Pm {
    Scheduler scheduler;
    PortBus ports;
    MemoryMap memory{0};
    PciBus pci{ports};
    FakeIrqs irqs;
    int offs = 0, suspends = 0, wakes = 0;
    Piix4Pm pm{ports,
               memory,
               scheduler,
               IrqLine(irqs, 9),
               {.power_off = [this] { ++offs; }, .suspend = [this] { ++suspends; }, .wake = [this] { ++wakes; }}};

    Pm() {
        pci.attach(1, 3, pm);
        pm.map(ports);
    }
    void config(unsigned offset, unsigned width, u32 value) {
        ports.write(Port{0xCF8}, 4, 0x8000'0B00 | (offset & 0xFC));
        ports.write(Port{static_cast<u16>(0xCFC + offset % 4)}, width, value);
    }
    u32 config(unsigned offset, unsigned width) {
        ports.write(Port{0xCF8}, 4, 0x8000'0B00 | (offset & 0xFC));
        return ports.read(Port{static_cast<u16>(0xCFC + offset % 4)}, width);
    }
    void enable() {
        config(0x40, 4, base | 1);
        config(0x80, 1, 1);
        config(0x90, 4, (base + 0x100) | 1);
        config(0xD2, 1, 9);
        ports.write(Port{0xB2}, 1, 0xF1);
    }
    u32 in(unsigned offset, unsigned width) { return ports.read(Port{static_cast<u16>(base + offset)}, width); }
    void out(unsigned offset, unsigned width, u32 value) {
        ports.write(Port{static_cast<u16>(base + offset)}, width, value);
    }
    bool sci() { return irqs.high(9); }
};

constexpr Time half_period = time_of(1u << 23, Piix4Pm::timer_hertz);

} // namespace

TEST_CASE("the power-management function identifies itself and maps where it is told") {
    Pm b;
    CHECK(b.config(0, 4) == 0x7113'8086);
    CHECK(b.config(8, 4) == 0x0680'0003);
    CHECK(b.config(0x3D, 1) == 1);
    CHECK((b.config(0x58, 4) & 0x0200'0000) != 0); // SMM needs no set-up
    b.config(0x40, 4, 0xFFFF'FFFF);
    CHECK(b.config(0x40, 4) == 0x0000'FFC1);
    b.config(0x90, 4, 0xFFFF'FFFF);
    CHECK(b.config(0x90, 4) == 0x0000'FFF1);
    b.config(0x40, 4, base);
    CHECK(b.in(0, 4) == 0xFFFF'FFFF); // not enabled yet
    b.enable();
    CHECK(b.in(0, 4) == 0);
    b.config(0x40, 4, 0x4001);
    CHECK(b.in(0, 4) == 0xFFFF'FFFF);
    CHECK(b.ports.read(Port{0x4000}, 4) == 0);
    b.pm.reset();
    CHECK(b.ports.read(Port{0x4000}, 4) == 0xFFFF'FFFF);
}

TEST_CASE("the PM timer counts 24 bits at 3.579545 MHz") {
    Pm b;
    b.enable();
    CHECK(b.in(8, 4) == 0);
    pass(b.scheduler, second);
    CHECK(b.in(8, 4) == 3'579'545);
    CHECK(b.in(9, 2) == 3'579'545 >> 8);
    b.out(8, 4, 0);
    CHECK(b.in(8, 4) == 3'579'545);
    pass(b.scheduler, 4 * second);
    CHECK(b.in(8, 4) == 5 * 3'579'545 % (1 << 24));
}

TEST_CASE("the timer's overflow is a status, and an SCI when enabled") {
    Pm b;
    b.enable();
    CHECK((b.in(0, 2) & 1) == 0);
    pass(b.scheduler, half_period);
    CHECK((b.in(0, 2) & 1) == 1);
    CHECK(!b.sci());
    b.out(0, 2, 1);
    CHECK((b.in(0, 2) & 1) == 0);
    b.out(2, 2, 1);
    pass(b.scheduler, half_period - microsecond);
    CHECK(!b.sci());
    pass(b.scheduler, 2 * microsecond);
    CHECK(b.sci());
    b.out(0, 2, 0xFFFE);
    CHECK(b.sci());
    b.out(0, 2, 1);
    CHECK(!b.sci());
    pass(b.scheduler, half_period);
    CHECK(b.irqs.rises[9] == 2);
    b.out(2, 2, 0);
    CHECK(!b.sci());
}

TEST_CASE("the APM port enables and disables ACPI") {
    Pm b;
    b.config(0x40, 4, base | 1);
    b.config(0x80, 1, 1);
    CHECK((b.in(4, 2) & 1) == 0);
    b.ports.write(Port{0xB3}, 1, 0x5A);
    b.ports.write(Port{0xB2}, 1, 0xF1);
    CHECK((b.in(4, 2) & 1) == 1);
    CHECK(b.ports.read(Port{0xB2}, 2) == 0x5AF1);
    b.ports.write(Port{0xB2}, 1, 0xF0);
    CHECK((b.in(4, 2) & 1) == 0);
}

TEST_CASE("the power button is an event with a fixed feature's semantics") {
    Pm b;
    b.enable();
    b.pm.power_button();
    CHECK(b.in(0, 2) == 0x100);
    CHECK(!b.sci());
    b.out(2, 2, 0xFFFF);
    CHECK(b.in(2, 2) == 0x0521);
    CHECK(b.sci());
    b.ports.write(Port{0xB2}, 1, 0xF0); // without SCI_EN it would be an SMI
    CHECK(!b.sci());
    b.ports.write(Port{0xB2}, 1, 0xF1);
    CHECK(b.sci());
    b.out(1, 1, 0x01);
    CHECK(b.in(0, 2) == 0);
    CHECK(!b.sci());
}

TEST_CASE("the RTC's interrupt sets its status, and wakes if it is enabled") {
    Pm b;
    b.enable();
    b.pm.rtc_alarm();
    CHECK(b.in(0, 2) == 0x400);
    CHECK(!b.sci());
    b.out(4, 2, 0x2401);
    b.pm.rtc_alarm(); // not enabled
    CHECK(b.wakes == 0);
    CHECK(b.pm.suspended());
    b.out(0, 2, 0xFFFF);
    b.out(2, 2, 0x400);
    b.pm.rtc_alarm();
    CHECK(b.wakes == 1);
    CHECK(!b.pm.suspended());
    CHECK(b.in(0, 2) == 0x8400);
    CHECK(b.sci());
    b.out(0, 2, 0x400);
    CHECK(!b.sci());
}

TEST_CASE("sleep types") {
    Pm b;
    b.enable();
    b.out(4, 2, 0x0001);
    b.out(4, 2, 0x1401); // type without enable
    CHECK(b.in(4, 2) == 0x1401);
    b.out(4, 2, 0x3401); // type 5
    CHECK(b.offs + b.suspends == 0);
    CHECK(b.in(4, 2) == 0x1401); // SLP_EN reads as zero
    b.out(4, 2, 0x2001);
    CHECK(b.offs == 1);
    b.out(5, 1, 0x28);
    CHECK(b.offs == 2);
    b.out(4, 2, 0x2401);
    CHECK(b.suspends == 1);
    CHECK(b.pm.suspended());
    b.pm.power_button();
    CHECK(b.wakes == 1);
    CHECK(!b.pm.suspended());
    CHECK(b.in(0, 2) == 0x8100);
    b.out(0, 2, 0xFFFF);
    CHECK(b.in(0, 2) == 0);
}

TEST_CASE("general-purpose events at AFE0h and in the block") {
    Pm b;
    b.enable();
    CHECK(b.ports.read(Port{0xAFE0}, 4) == 0);
    b.ports.write(Port{0xAFE2}, 2, 0x1234);
    CHECK(b.ports.read(Port{0xAFE0}, 4) == 0x1234'0000);
    b.ports.write(Port{0xAFE0}, 2, 0xFFFF);
    CHECK(b.ports.read(Port{0xAFE0}, 2) == 0);
    CHECK(!b.sci());
    b.out(0x0E, 2, 0xFFFF);
    CHECK(b.in(0x0E, 2) == 0xFFFF);
    b.out(0x10, 4, 0xDEAD'BEEF);
    CHECK(b.in(0x10, 4) == 0xDEAD'BEEF);
    b.out(0x30, 4, 0xFFFF'FFFF);
    CHECK(b.in(0x30, 4) == 0);
    CHECK(!b.sci());
}

TEST_CASE("an SMBus transaction finds nobody") {
    Pm b;
    b.enable();
    const auto reg = [&](unsigned r) { return Port{static_cast<u16>(base + 0x100 + r)}; };
    CHECK(b.ports.read(reg(0), 1) == 0);
    b.ports.write(reg(4), 1, 0xA1);
    CHECK(b.ports.read(reg(4), 1) == 0xA1);
    b.ports.write(reg(2), 1, 0x48);
    CHECK(b.ports.read(reg(0), 1) == 0x04);
    CHECK(b.ports.read(reg(2), 1) == 0x08);
    b.ports.write(reg(0), 1, 0xFF);
    CHECK(b.ports.read(reg(0), 1) == 0);
    CHECK((b.ports.read(reg(0x0E), 4) & 0xFFFF'0000) == 0xFFFF'0000);
    b.ports.write(reg(0x0E), 4, 0xFFFF'FFFF);
}

TEST_CASE("power management survives a snapshot, its ports with it") {
    Pm a, c;
    a.enable();
    a.out(2, 2, 0x101);
    a.ports.write(Port{0xAFE2}, 2, 0x1234);
    pass(a.scheduler, half_period / 2);
    std::vector<u8> timing = saved(a.scheduler), state = saved(a.pm);
    REQUIRE(loaded(c.scheduler, timing) == "");
    REQUIRE(loaded(c.pm, state) == "");
    CHECK(saved(c.pm) == state);
    CHECK(c.in(2, 2) == 0x101);
    pass(c.scheduler, half_period / 2 + microsecond);
    CHECK(c.sci());
    for (std::size_t i = 0; i < state.size(); ++i) {
        std::vector<u8> bad = state;
        bad[i] ^= 0xFF;
        Pm d;
        if (loaded(d.pm, bad) != "") continue;
        for (u16 r = 0; r < 0x40; ++r) d.out(r, 1, 0xFF);
        pass(d.scheduler, half_period);
    }
}
