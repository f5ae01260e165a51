// What a debugger sees of devices without touching them: a peek tells what the next read returns, and afterwards the
// device is as it was, to the last bit that a snapshot keeps, with its wires and its plans.
#include "bus/pci.hpp"
#include "devices/acpi/piix4_pm.hpp"
#include "devices/chipset/coprocessor_error.hpp"
#include "devices/chipset/system_control.hpp"
#include "devices/debugcon/debug_console.hpp"
#include "devices/dma/dma.hpp"
#include "devices/fdc/fdc.hpp"
#include "devices/fw_cfg/fw_cfg.hpp"
#include "devices/hpet/hpet.hpp"
#include "devices/ioapic/ioapic.hpp"
#include "devices/lapic/lapic.hpp"
#include "devices/lpt/parallel_port.hpp"
#include "devices/pic/pic.hpp"
#include "devices/pit/pit.hpp"
#include "devices/ps2/controller.hpp"
#include "devices/rtc/rtc.hpp"
#include "devices/test_device/test_device.hpp"
#include "devices/uart/uart.hpp"
#include "tests/unit/devices/board_fakes.hpp"
#include "tests/unit/devices/ide_rig.hpp"
#include "tests/unit/devices/vga_bench.hpp"

#include <doctest/doctest.h>
#include <functional>

using namespace glassbox;
using namespace glassbox::test;

namespace {

/// Repeats: every failure is the same failure again.
struct Random {
    u64 state = 42;
    u32 operator()(u32 below) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return static_cast<u32>(state >> 33) % below;
    }
};

struct PortsOf {
    u16 first, count;
    unsigned width = 1;
};

struct PeekBench {
    Scheduler scheduler;
    PortBus ports;
    MemoryMap memory{1u << 20};
    FakeIrqs irqs;
    FakeSink sink;
    Random random;
    std::function<void()> input; ///< something from outside

    PeekBench() {
        memory.add(
            {.name = "RAM", .size = 1u << 20, .access = MemoryMap::Access::read_write, .host = memory.ram().data()});
    }

    /// The device is driven at random; before each read its value has been seen.
    template <class Device> void drive(Device& device, const std::vector<PortsOf>& places, unsigned rounds = 3000) {
        for (unsigned round = 0; round < rounds; ++round) {
            const PortsOf& place = places[random(static_cast<u32>(places.size()))];
            const auto port =
                static_cast<u16>(place.first + random(place.count) / place.width * place.width); // aligned
            switch (random(6)) {
            case 0:
            case 1: ports.write(Port{port}, place.width, random(0xFFFF) << 8 | random(0x100)); break;
            case 2: pass(scheduler, random(3) ? random(200) * microsecond : random(700) * millisecond); break;
            case 3:
                if (input) input();
                break;
            default: look_and_read(device, port, place.width);
            }
        }
    }
    template <class Device> void look_and_read(Device& device, u16 port, unsigned width) {
        const std::vector<u8> before = saved(device);
        const auto levels = irqs.levels;
        const auto rises = irqs.rises;
        const Time plan = scheduler.next_event();
        const auto seen = ports.peek(Port{port}, width);
        REQUIRE(seen);
        REQUIRE(saved(device) == before);
        REQUIRE(irqs.levels == levels);
        REQUIRE(irqs.rises == rises);
        REQUIRE(scheduler.next_event() == plan);
        CAPTURE(port);
        REQUIRE(*seen == ports.read(Port{port}, width));
    }
};

std::optional<u64> peek(const MemoryMap& memory, u64 address, unsigned width) {
    u64 value = 0;
    if (memory.peek_block(PhysAddress{address}, {reinterpret_cast<u8*>(&value), width}) != width) return std::nullopt;
    return value;
}

struct Pins : CpuPins {
    void set_intr(bool) override {}
    void nmi() override {}
    void init() override {}
    void startup(u8) override {}
    void reset() override {}
};

} // namespace

TEST_CASE("peek: both 8259As, also when the next read polls") {
    PeekBench b;
    PicPair pic{IrqLine(b.irqs, 0)};
    pic.map(b.ports);
    b.input = [&] { pic.set_irq(b.random(16), b.random(2) != 0); };
    const auto out = [&](u16 port, u8 value) { b.ports.write(Port{port}, 1, value); };
    for (const u16 chip : {u16{0x20}, u16{0xA0}}) {
        out(chip, 0x11);
        for (const int icw : {0x20, chip == 0x20 ? 4 : 2, 1, 0}) out(static_cast<u16>(chip + 1), static_cast<u8>(icw));
    }
    pic.set_irq(3, true);
    CHECK(b.ports.peek(Port{0x20}, 1) == 0x08); // IRR
    out(0x20, 0x0C);                            // poll
    CHECK(b.ports.peek(Port{0x20}, 1) == 0x83);
    CHECK(pic.master().isr() == 0);
    CHECK(b.ports.read(Port{0x20}, 1) == 0x83);
    CHECK(pic.master().isr() == 0x08);
    b.drive(pic, {{0x20, 2}, {0xA0, 2}, {0x4D0, 2}});
}

TEST_CASE("peek: the 8254's counters, halves and latches") {
    PeekBench b;
    Pit pit{b.scheduler, IrqLine(b.irqs, 0)};
    pit.map(b.ports);
    b.drive(pit, {{0x40, 4}});
}

TEST_CASE("peek: the clock, register C uncleared") {
    PeekBench b;
    Rtc rtc{b.scheduler, IrqLine(b.irqs, 8), 1'700'000'000};
    rtc.map(b.ports);
    b.input = [&] { // the register of most effects, and interrupts on
        b.ports.write(Port{0x70}, 1, b.random(2) ? 0x0C : 0x0A + b.random(3));
        if (b.random(4) == 0) {
            b.ports.write(Port{0x70}, 1, 0x0B);
            b.ports.write(Port{0x71}, 1, b.random(8) << 4 | 2);
        }
    };
    b.drive(rtc, {{0x70, 4}});
}

TEST_CASE("peek: a UART's byte stays, and so do its flags") {
    PeekBench b;
    Uart16550 uart{b.scheduler, IrqLine(b.irqs, 4), &b.sink, "uart0"};
    uart.map(b.ports, 0);
    const u8 byte = 0x5A;
    REQUIRE(uart.receive({&byte, 1}));
    pass(b.scheduler, second);
    for (unsigned i = 0; i < 3; ++i) CHECK(b.ports.peek(Port{0x3F8}, 1) == 0x5A);
    CHECK((*b.ports.peek(Port{0x3FD}, 1) & 1) == 1);
    CHECK(b.ports.read(Port{0x3F8}, 1) == 0x5A);
    CHECK((*b.ports.peek(Port{0x3FD}, 1) & 1) == 0);
    b.input = [&] {
        const u8 data = static_cast<u8>(b.random(256));
        if (b.random(8) == 0)
            uart.receive_break();
        else
            (void)uart.receive({&data, 1});
    };
    b.drive(uart, {{0x3F8, 8}});
}

TEST_CASE("peek: the 8042's byte stays") {
    PeekBench b;
    Ps2Controller kbc{b.scheduler, IrqLine(b.irqs, 1), IrqLine(b.irqs, 12), {}};
    kbc.map(b.ports);
    b.input = [&] {
        b.random(2) ? kbc.key(static_cast<u8>(1 + b.random(0x50)), b.random(2) != 0, b.random(2) != 0)
                    : kbc.mouse(static_cast<int>(b.random(20)) - 10, 3, 0, static_cast<u8>(b.random(8)));
    };
    b.drive(kbc, {{0x60, 1}, {0x64, 1}});
}

TEST_CASE("peek: the 8237As, with the flip-flop and the terminal counts") {
    PeekBench b;
    DmaControllers dma{b.memory};
    dma.map(b.ports);
    b.input = [&] {
        const std::array<u8, 700> data{};
        dma.to_memory(b.random(8), data);
    };
    b.drive(dma, {{0x00, 16}, {0xC0, 32}, {0x81, 15}});
}

TEST_CASE("peek: the PM timer's overflow, events and the SMBus") {
    PeekBench b;
    PciBus pci{b.ports};
    Piix4Pm pm{b.ports, b.memory, b.scheduler, IrqLine(b.irqs, 9), {}};
    pci.attach(1, 3, pm);
    pm.map(b.ports);
    for (const auto& [at, value] : {std::pair{0x40u, 0x601u}, {0x80u, 1u}, {0x90u, 0x701u}, {0xD0u, 0x10000u}}) {
        b.ports.write(Port{0xCF8}, 4, 0x8000'0B00 | at);
        b.ports.write(Port{0xCFC}, 4, value);
    }
    pass(b.scheduler, 3 * second); // the timer has overflown, and nobody has looked
    CHECK((*b.ports.peek(Port{0x600}, 2) & 1) == 1);
    b.input = [&] { b.random(2) ? pm.power_button() : pm.rtc_alarm(); };
    b.drive(pm, {{0x600, 0x40, 4}, {0x600, 0x40, 2}, {0x600, 0x40}, {0xB2, 2}, {0xAFE0, 4}, {0x700, 16}});
    b.drive(pci, {{0xCF8, 8, 4}, {0xCFC, 4, 2}, {0xCFC, 4}}); // configuration space, as the address says
}

TEST_CASE("peek: the motherboard's small ports") {
    PeekBench b;
    A20Gate a20{b.memory};
    SystemControl control{b.scheduler, a20, {}};
    control.map(b.ports);
    b.drive(control, {{0x61, 1}, {0x92, 1}, {0x80, 1}}, 500);
    CoprocessorError error{IrqLine(b.irqs, 13)};
    error.map(b.ports);
    b.drive(error, {{0xF0, 1}}, 50);
    ParallelPort lpt{b.scheduler, IrqLine(b.irqs, 7), &b.sink};
    lpt.map(b.ports);
    b.drive(lpt, {{0x378, 3}});
    DebugConsole console{nullptr};
    console.map(b.ports);
    CHECK(b.ports.peek(Port{0xE9}, 1) == 0xE9);
    CHECK(b.ports.peek(Port{0x1234}, 2) == 0xFFFF); // nobody's
}

TEST_CASE("peek: fw_cfg's position stays") {
    PeekBench b;
    FwCfg fw{b.memory};
    fw.map(b.ports);
    fw.add_file("a", {1, 2, 3});
    b.ports.write(Port{0x510}, 2, 0x20);
    for (const u32 byte : {1u, 2u, 3u, 0u}) {
        b.look_and_read(fw, 0x511, 1);
        if (byte == 0) break;
    }
    b.drive(fw, {{0x510, 2}, {0x510, 2, 2}}, 300);
    CHECK(b.ports.peek(Port{0x514}, 4) == b.ports.read(Port{0x514}, 4));
}

TEST_CASE("peek: an IDE channel keeps INTRQ and its data") {
    ide_test::Rig rig;
    CHECK(rig.ports.peek(Port{0x1F7}, 1) == rig.ports.read(Port{0x1F7}, 1)); // no drive: the bus floats
    REQUIRE(rig.ide.attach_cdrom(1, 0, nullptr));
    rig.base = 0x170, rig.control = 0x376;
    rig.settle();
    rig.set(7, 0xA1); // IDENTIFY PACKET DEVICE
    rig.settle();
    REQUIRE(rig.irq());
    const std::vector<u8> before = saved(rig.ide);
    CHECK(rig.ports.peek(Port{0x177}, 1) == 0x58);
    CHECK(rig.ports.peek(Port{0x376}, 1) == 0x58);
    const auto word = rig.ports.peek(Port{0x170}, 2);
    for (u16 port = 0x171; port < 0x177; ++port) CHECK(rig.ports.peek(Port{port}, 1).has_value());
    CHECK(rig.ports.peek(Port{ide_test::Rig::bm + 8 + 2}, 1) == rig.bm_status());
    CHECK(rig.irq());
    CHECK(saved(rig.ide) == before);
    CHECK(rig.reg(7) == 0x58);
    CHECK(!rig.irq());
    CHECK(word == 0x85C0u);              // word 0 of the identity: an ATAPI CD drive, removable
    for (unsigned i = 0; i < 300; ++i) { // past the end
        const auto seen = rig.ports.peek(Port{0x170}, 2);
        CHECK(seen == rig.ports.read(Port{0x170}, 2));
    }
    for (u16 port = 0x171; port < 0x178; ++port) {
        const auto seen = rig.ports.peek(Port{port}, 1);
        CHECK(seen == rig.ports.read(Port{port}, 1));
    }
}

TEST_CASE("peek: the floppy controller's result stays") {
    PeekBench b;
    DmaControllers dma{b.memory};
    Fdc fdc{b.scheduler, b.ports, IrqLine(b.irqs, 6), dma};
    b.ports.write(Port{0x3F2}, 1, 0x0C);
    pass(b.scheduler, millisecond);
    for (unsigned drive = 0; drive < 4; ++drive) { // SENSE INTERRUPT STATUS after the reset: two bytes each
        b.ports.write(Port{0x3F5}, 1, 0x08);
        CHECK(b.ports.peek(Port{0x3F5}, 1) == (0xC0 | drive));
        b.look_and_read(fdc, 0x3F4, 1);
        b.look_and_read(fdc, 0x3F5, 1);
        b.look_and_read(fdc, 0x3F5, 1);
    }
    b.drive(fdc, {{0x3F2, 4}, {0x3F7, 1}});
}

TEST_CASE("peek: the test device") {
    PeekBench b;
    TestDevice device{[&](unsigned irq) { return IrqLine(b.irqs, irq); }};
    device.map(b.ports, b.memory);
    b.drive(device, {{0xE0, 4, 4}, {0xE0, 4, 2}, {0xEB, 4}, {0xE4, 4, 4}, {0x2000, 24}}, 300);
    b.memory.write(PhysAddress{TestDevice::memory_base + 8}, 8, 0x1122'3344'5566'7788);
    CHECK(peek(b.memory, TestDevice::memory_base + 8, 8) == 0x1122'3344'5566'7788);
    CHECK(peek(b.memory, TestDevice::memory_base + 9, 2) == 0x6677);
}

TEST_CASE("peek: I/O APIC and HPET") {
    PeekBench b;
    ApicBus bus;
    IoApic io{bus};
    io.map(b.memory);
    LegacyRouter legacy{IrqLine(b.irqs, 0), IrqLine(b.irqs, 8)};
    Hpet hpet{b.scheduler, b.irqs, legacy};
    hpet.map(b.memory);
    for (unsigned round = 0; round < 400; ++round) {
        b.memory.write(PhysAddress{0xFEC00000}, 4, b.random(0x44));
        if (b.random(2)) b.memory.write(PhysAddress{0xFEC00010}, 4, b.random(0xFFFF'FFFF));
        if (b.random(2)) b.memory.write(PhysAddress{0xFED00000 + 8 * b.random(0x40)}, 4, b.random(0xFFFF));
        pass(b.scheduler, b.random(1000) * microsecond);
        const std::vector<u8> before = saved(io), hpet_before = saved(hpet);
        const u64 at = (b.random(2) ? 0xFEC00000 : 0xFED00000) + 4 * b.random(0x80);
        const auto seen = peek(b.memory, at, 4);
        REQUIRE(saved(io) == before);
        REQUIRE(saved(hpet) == hpet_before);
        REQUIRE(seen == b.memory.read(PhysAddress{at}, 4));
    }
}

TEST_CASE("peek: a local APIC as its own processor sees it") {
    PeekBench b;
    ApicBus bus;
    Pins pins;
    LocalApic first{b.scheduler, pins, bus, [] { return u8{0}; }, {}};
    LocalApic::Config config;
    config.id = 1;
    config.bootstrap = false;
    LocalApic other{b.scheduler, pins, bus, [] { return u8{0}; }, config};
    first.map(b.memory);
    other.map(b.memory);
    bus.set_active(&first);
    b.memory.write(PhysAddress{0xFEE000F0}, 4, 0x1FF);
    b.memory.write(PhysAddress{0xFEE00320}, 4, 0x20040);
    b.memory.write(PhysAddress{0xFEE00380}, 4, 0x10000);
    for (unsigned round = 0; round < 300; ++round) {
        pass(b.scheduler, b.random(2000) * microsecond);
        const u64 at = 0xFEE00000 + 4 * b.random(0x100);
        const std::vector<u8> before = saved(first);
        const auto seen = peek(b.memory, at, 4);
        REQUIRE(saved(first) == before);
        REQUIRE(seen == b.memory.read(PhysAddress{at}, 4));
    }
    b.memory.write(PhysAddress{0xFEE00280}, 4, 0);
    b.memory.read(PhysAddress{0xFEE00280}, 4);
    CHECK(peek(b.memory, 0xFEE00000, 4) == 0); // no such register: a read would be an error
    b.memory.write(PhysAddress{0xFEE00280}, 4, 0);
    const u64 errors = b.memory.read(PhysAddress{0xFEE00280}, 4);
    CHECK(peek(b.memory, 0xFEE00280, 4) == errors);

    // Each sees its own; who asked gives the bus back.
    CHECK(peek(b.memory, 0xFEE00020, 4) == 0);
    InterruptPort* before = other.take_bus();
    CHECK(before == &first);
    CHECK(peek(b.memory, 0xFEE00020, 4) == 0x01000000);
    before->take_bus();
    CHECK(bus.active() == &first);
    // A processor in x2APIC mode, or with its APIC off, sees what lies beneath: here nobody.
    first.set_apic_base(0);
    CHECK(peek(b.memory, 0xFEE00020, 4) == 0xFFFF'FFFF);
}

TEST_CASE("peek: the VGA window in every mode, with the latches as they were") {
    using namespace vga_bench;
    Bench b;
    Random random;
    for (const Mode* mode : {&text_80x25, &cga_320x200x4, &cga_640x200x2, &planar_640x480, &mode_13h}) {
        b.set(*mode);
        for (u32 i = 0; i < 200; ++i) b.poke(0xA0000 + random(0x20000), random(256));
        for (unsigned round = 0; round < 400; ++round) {
            if (round % 16 == 0) { // read modes, planes, colour compare, odd/even and the window's place
                b.graphics(4, random(4));
                b.graphics(5, (mode->graphics[5] & 0x70) | (random(2) << 3));
                b.graphics(2, random(16));
                b.graphics(7, random(16));
                b.graphics(6, (mode->graphics[6] & 3) | random(4) << 2);
            }
            const u64 at = 0xA0000 + 4 * random(0x8000);
            const u32 latches = b.vga.registers().latches;
            const auto seen = peek(b.memory, at, 4);
            REQUIRE(b.vga.registers().latches == latches);
            REQUIRE(seen == b.memory.read(PhysAddress{at}, 4));
        }
    }
    b.set(text_80x25);
    b.poke(0xB8000, 'A'), b.poke(0xB8001, 0x1F);
    CHECK(peek(b.memory, 0xB8000, 2) == 0x1F41);
    CHECK(peek(b.memory, 0xB8001, 1) == 0x1F);
    b.out(0x3C2, 0x65); // RAM disabled
    CHECK(peek(b.memory, 0xB8000, 2) == 0xFFFF);
}

TEST_CASE("peek: the VGA's registers, with the flip-flop and the DAC's index as they were") {
    using namespace vga_bench;
    Bench b;
    b.set(text_80x25);
    b.out(0x3C0, 0x31); // data is next
    for (u16 port = 0x3B0; port < 0x3E0; ++port) {
        for (unsigned i = 0; i < 4; ++i) {
            const VgaRegisters before = b.vga.registers();
            const auto seen = b.ports.peek(Port{port}, 1);
            const VgaRegisters& after = b.vga.registers();
            CHECK(before.attribute_data_next == after.attribute_data_next);
            CHECK(before.dac_component == after.dac_component);
            CHECK(before.dac_read_index == after.dac_read_index);
            CHECK(seen == b.ports.read(Port{port}, 1));
        }
        b.out(0x3C7, 5);
        b.in(0x3DA);
        b.out(0x3C0, 0x31);
    }
    b.vbe(4, 0);
    for (u16 index = 0; index < 12; ++index) {
        b.out16(0x1CE, index);
        CHECK(b.ports.peek(Port{0x1CF}, 2) == b.in16(0x1CF));
    }
    // The same registers in BAR 2.
    b.vga.config_write(0x18, 4, 0xFEB00000);
    b.vga.config_write(4, 2, 2);
    for (u64 at = 0; at < 0x1000; at += 4) {
        const bool flip_flop = b.vga.registers().attribute_data_next;
        const auto seen = peek(b.memory, 0xFEB00000 + at, 4);
        CHECK(b.vga.registers().attribute_data_next == flip_flop);
        CHECK(seen == b.memory.read(PhysAddress{0xFEB00000 + at}, 4));
    }
}
