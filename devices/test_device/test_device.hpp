// The small device that the public kernel tests for x86 (kvm-unit-tests) drive: what QEMU calls pc-testdev. Off by
// default. No data sheet exists; the register layout is what those tests use:
//
//   E0h-E3h      a 32-bit latch: every byte, word and doubleword written is read back (string I/O tests)
//   EBh-EEh      the same latch, which takes bytes only: wider accesses are split
//   E4h-E7h      a physical address: "forget what you know of this page". Nothing is cached here that RAM could
//                change behind, so the write has no effect
//   2000h-200Fh  one port an ISA interrupt line: a byte written sets the level of IRQ (port - 2000h)
//   2010h-2017h  I/O APIC inputs 16-23, likewise
//   FF000000h    64 KiB of memory that is reached as a device, never as RAM
//
// Deviation: the interrupt ports and E4h read as zero.
#pragma once

#include "bus/archive.hpp"
#include "bus/irq_line.hpp"
#include "bus/memory_map.hpp"
#include "bus/port_bus.hpp"

#include <array>
#include <functional>

namespace glassbox {

class TestDevice {
  public:
    static constexpr unsigned irq_lines = 24;
    static constexpr u64 memory_base = 0xFF00'0000, memory_size = 0x1'0000;

    /// `line` gives the wire of an interrupt; asked once for each of the 24.
    explicit TestDevice(const std::function<IrqLine(unsigned irq)>& line);
    void map(PortBus& ports, MemoryMap& memory);
    /// Lets all interrupt wires go and clears the latch; the memory keeps what it holds, as RAM does.
    void reset();
    void persist(Archive& archive);

  private:
    struct Latch : IoDevice {
        u32 value = 0;
        u64 read(u64 offset, unsigned width) override { return *peek(offset, width); }
        std::optional<u64> peek(u64 offset, unsigned width) const override;
        void write(u64 offset, unsigned width, u64 value) override;
    };
    struct Flush : IoDevice {
        u64 read(u64, unsigned) override { return 0; }
        std::optional<u64> peek(u64, unsigned) const override { return 0; }
        void write(u64, unsigned, u64) override {}
    };
    struct Lines : IoDevice {
        std::array<IrqLine, irq_lines> wires{};
        u32 levels = 0;
        u64 read(u64, unsigned) override { return 0; }
        std::optional<u64> peek(u64, unsigned) const override { return 0; }
        void write(u64 offset, unsigned width, u64 value) override;
        void drive();
    };
    struct Memory : IoDevice {
        std::array<u8, memory_size> bytes{};
        u64 read(u64 offset, unsigned width) override { return *peek(offset, width); }
        std::optional<u64> peek(u64 offset, unsigned width) const override;
        void write(u64 offset, unsigned width, u64 value) override;
    };

    Latch latch_;
    Flush flush_;
    Lines lines_;
    Memory memory_;
};

} // namespace glassbox
