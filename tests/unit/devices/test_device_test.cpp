#include "devices/test_device/test_device.hpp"
#include "tests/unit/devices/board_fakes.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::test;

namespace {

struct Bench {
    PortBus ports;
    MemoryMap memory{1 << 20};
    FakeIrqs irqs;
    TestDevice device{[this](unsigned irq) { return IrqLine(irqs, irq); }};
    Bench() { device.map(ports, memory); }
};

} // namespace

TEST_CASE("test device: the latch at E0h takes and gives any width, the one at EBh bytes") {
    Bench b;
    b.ports.write(Port{0xE0}, 4, 0x12345678);
    CHECK(b.ports.read(Port{0xE0}, 4) == 0x12345678);
    CHECK(b.ports.read(Port{0xE1}, 1) == 0x56);
    CHECK(b.ports.read(Port{0xE2}, 2) == 0x1234);
    b.ports.write(Port{0xE3}, 1, 0xAB);
    b.ports.write(Port{0xE0}, 2, 0xCDEF);
    CHECK(b.ports.read(Port{0xE0}, 4) == 0xAB34CDEF);
    b.ports.write(Port{0xEB}, 4, 0xA5A6A7A8);
    CHECK(b.ports.read(Port{0xEB}, 4) == 0xA5A6A7A8);
    CHECK(b.ports.read(Port{0xE0}, 4) == 0xA5A6A7A8);
    b.device.reset();
    CHECK(b.ports.read(Port{0xE0}, 4) == 0);
}

TEST_CASE("test device: writes to the flush port change nothing") {
    Bench b;
    b.ports.write(Port{0xE0}, 4, 0x11111111);
    b.ports.write(Port{0xE4}, 4, 0x00123000);
    CHECK(b.ports.read(Port{0xE0}, 4) == 0x11111111);
    CHECK(b.ports.read(Port{0xE4}, 4) == 0);
}

TEST_CASE("test device: a port an interrupt line") {
    Bench b;
    for (unsigned irq = 0; irq < TestDevice::irq_lines; ++irq) {
        const auto port = static_cast<u16>(0x2000 + irq);
        b.ports.write(Port{port}, 1, 1);
        CHECK(b.irqs.high(irq));
        b.ports.write(Port{port}, 1, 0);
        CHECK_FALSE(b.irqs.high(irq));
        CHECK(b.irqs.rises[irq] == 1);
    }
    b.ports.write(Port{0x2002}, 2, 0x0101); // two lines with one access
    CHECK(b.irqs.high(2));
    CHECK(b.irqs.high(3));
    b.device.reset();
    CHECK_FALSE(b.irqs.high(2));
    CHECK_FALSE(b.irqs.high(3));
}

TEST_CASE("test device: its memory is a device's, of every width") {
    Bench b;
    CHECK(b.memory.page_for_read(PhysAddress{TestDevice::memory_base}) == nullptr);
    b.memory.write(PhysAddress{0xFF000FFC}, 8, 0x1122334455667788);
    CHECK(b.memory.read(PhysAddress{0xFF000FFC}, 8) == 0x1122334455667788);
    CHECK(b.memory.read(PhysAddress{0xFF000FFF}, 2) == 0x4455);
    b.memory.write(PhysAddress{0xFF00FFFF}, 1, 0x99);
    CHECK(b.memory.read(PhysAddress{0xFF00FFFF}, 1) == 0x99);
    CHECK(b.memory.read(PhysAddress{0xFF010000}, 1) == 0xFF);
}

TEST_CASE("test device: saved, loaded and refused") {
    Bench a, b;
    a.ports.write(Port{0xE0}, 4, 0xCAFE);
    a.ports.write(Port{0x2005}, 1, 1);
    a.memory.write(PhysAddress{0xFF000123}, 1, 0x77);
    const auto data = saved(a.device);
    CHECK(loaded(b.device, data).empty());
    CHECK(b.ports.read(Port{0xE0}, 4) == 0xCAFE);
    CHECK(b.memory.read(PhysAddress{0xFF000123}, 1) == 0x77);
    CHECK(saved(b.device) == data);
    b.ports.write(Port{0x2005}, 1, 0);
    CHECK(b.irqs.levels.contains(5));
    auto short_data = data;
    short_data.resize(data.size() / 2);
    CHECK_FALSE(loaded(b.device, short_data).empty());
}
