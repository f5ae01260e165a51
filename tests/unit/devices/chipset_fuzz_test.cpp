// A guest that programs the motherboard's devices at random: whatever it does, the host survives, and the state it
// leaves is one that a snapshot carries over unchanged.
#include "devices/acpi/piix4_pm.hpp"
#include "devices/chipset/i440fx.hpp"
#include "devices/chipset/isa_irq_router.hpp"
#include "devices/chipset/piix3.hpp"
#include "devices/chipset/system_control.hpp"
#include "devices/debugcon/debug_console.hpp"
#include "devices/fw_cfg/fw_cfg.hpp"
#include "devices/lpt/parallel_port.hpp"
#include "devices/ps2/controller.hpp"
#include "devices/uart/uart.hpp"
#include "tests/unit/devices/board_fakes.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::test;

namespace {

struct Motherboard {
    Scheduler scheduler;
    PortBus ports;
    MemoryMap memory{2u << 20};
    FakeIrqs pic, io_apic;
    FakeSink sink;
    PciBus pci{ports};
    IsaIrqRouter irqs{pic, &io_apic};
    A20Gate a20{memory};
    int resets = 0;
    I440fx host{ports, memory};
    Piix3 isa{ports, memory, irqs, IsaIrqRouter::pirq * 16, {[this](bool) { ++resets; }}};
    Piix4Pm pm{ports, memory, scheduler, irqs.line(9, IsaIrqRouter::sci), {}};
    SystemControl control{scheduler, a20, {}};
    Ps2Controller ps2{
        scheduler,
        irqs.line(1),
        irqs.line(12),
        {.set_a20 = [this](bool v) { a20.set(v); }, .a20 = [this] { return a20.open(); }, .reset_processor = {}}};
    Uart16550 com1{scheduler, irqs.line(4), &sink, "uart0"},
        com3{scheduler, irqs.line(4, IsaIrqRouter::first_free), &sink, "uart2"};
    ParallelPort lpt{scheduler, irqs.line(7), &sink};
    DebugConsole console{&sink};
    FwCfg fw{memory};

    Motherboard() {
        memory.add({.name = "low",
                    .start = 0,
                    .size = 0xA0000,
                    .access = MemoryMap::Access::read_write,
                    .host = memory.ram().data()});
        memory.add({.name = "high",
                    .start = 0x100000,
                    .size = 0x100000,
                    .access = MemoryMap::Access::read_write,
                    .host = memory.ram().data() + 0x100000});
        pci.attach(0, 0, host), pci.attach(1, 0, isa), pci.attach(1, 3, pm);
        pci.set_reset_control(&isa);
        fw.add_file("etc/file", std::vector<u8>(100, 7));
        fw.add_writable_file("etc/writable", std::vector<u8>(100, 7), {});
        control.map(ports), ps2.map(ports), com1.map(ports, 0), com3.map(ports, 2), lpt.map(ports), console.map(ports),
            fw.map(ports), pm.map(ports);
    }
    void persist(Archive& archive) {
        scheduler.persist(archive), memory.persist(archive), pci.persist(archive), irqs.persist(archive),
            host.persist(archive);
        isa.persist(archive), pm.persist(archive), control.persist(archive), ps2.persist(archive),
            com1.persist(archive);
        com3.persist(archive), lpt.persist(archive), fw.persist(archive);
    }
};

struct Random {
    u64 state;
    u32 operator()(u32 below) {
        state = state * 6364136223846793005 + 1442695040888963407;
        return static_cast<u32>(state >> 33) % below;
    }
};

constexpr u16 places[] = {0x60,  0x60,  0x64,  0x64,  0x61,  0x92,   0x80,  0xB2,  0xE9,  0x378, 0x379,
                          0x37A, 0x3E8, 0x3F8, 0x3F9, 0x3FA, 0x3FB,  0x3FC, 0x3FD, 0x3FE, 0x510, 0x511,
                          0x514, 0x518, 0xCF8, 0xCF9, 0xCFC, 0xAFE0, 0x600, 0x604, 0x700};

void act(Motherboard& m, Random& random) {
    const Port port{static_cast<u16>(places[random(std::size(places))] + (random(8) == 0 ? random(8) : 0))};
    const unsigned width = 1u << random(3);
    u32 value = random(2) ? random(256) : random(0x7FFF'FFFF) * 2;
    if (port.value == 0xCF8)
        value = 0x8000'0000 | (random(2) ? 0 : 0x800) | (random(2) ? 0 : 0x300) | (random(64) << 2);
    switch (random(12)) {
    case 0: pass(m.scheduler, random(4000) * microsecond); break;
    case 1: m.ps2.key(static_cast<u8>(random(128)), random(2), random(2)); break;
    case 2:
        m.ps2.mouse(static_cast<int>(random(2000)) - 1000, static_cast<int>(random(9)) - 4,
                    static_cast<int>(random(9)) - 4, static_cast<u8>(random(32)));
        break;
    case 3: (void)m.com1.receive(std::vector<u8>(random(9), 'x')); break;
    case 4: m.isa.pci_line(random(32), random(8), random(4)).set(random(2)); break;
    case 5: m.ports.write(Port{0xCF8}, 4, 0x8000'0000 | random(0x1000)); break;
    case 6:
    case 7: (void)m.ports.read(port, width); break;
    default: m.ports.write(port, width, value); break;
    }
}

} // namespace

TEST_CASE("the motherboard survives a guest that writes anything anywhere") {
    for (u64 seed = 1; seed <= 4; ++seed) {
        Motherboard m;
        Random random{seed};
        m.ports.write(Port{0xCF8}, 4, 0x8000'0B40), m.ports.write(Port{0xCFC}, 4, 0x601);
        m.ports.write(Port{0xCF8}, 4, 0x8000'0B80), m.ports.write(Port{0xCFC}, 1, 1);
        for (int i = 0; i < 10000; ++i) act(m, random);
        Motherboard copy;
        const std::vector<u8> state = saved(m);
        REQUIRE(loaded(copy, state) == "");
        CHECK(saved(copy) == state);
        std::copy(m.memory.ram().begin(), m.memory.ram().end(), copy.memory.ram().begin());
        Random one{seed + 100}, two{seed + 100};
        for (int i = 0; i < 2000; ++i) {
            act(m, one);
            act(copy, two);
        }
        CHECK(saved(m) == saved(copy)); // and both go on alike
    }
}
