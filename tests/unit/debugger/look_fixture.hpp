// A processor with RAM, a ROM page and a device that notices every access: what the tests of debugger/look look at.
#pragma once

#include "cpu/state.hpp"
#include "cpu/system/system.hpp"

#include <array>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string_view>

namespace glassbox::test {

struct LookMachine {
    static constexpr u64 ram_size = 16 << 20, rom_at = 0xFFFF'0000, device_at = 0xFEB0'0000;

    struct NoInterrupts final : InterruptPort {
        u8 acknowledge() override { return 0; }
    };
    /// Reading it is heard, as of a FIFO.
    struct Device final : IoDevice {
        unsigned reads = 0, writes = 0;
        u64 read(u64, unsigned) override { return ++reads; }
        void write(u64, unsigned, u64) override { ++writes; }
    };

    MemoryMap memory;
    PortBus ports;
    Scheduler scheduler;
    NoInterrupts interrupts;
    Device device;
    std::array<u8, 65536> rom{};
    Cpu cpu;

    explicit LookMachine(std::string_view model = "max")
        : memory(ram_size), cpu(mapped(*this), ports, scheduler, interrupts, *find_cpu_model(model)) {}

    template <class T> T get(u64 at) {
        T value;
        std::memcpy(&value, memory.ram().data() + at, sizeof value);
        return value;
    }
    template <class T> void put(u64 at, T value) { std::memcpy(memory.ram().data() + at, &value, sizeof value); }
    void put_bytes(u64 at, std::initializer_list<u8> bytes) {
        for (const u8 b : bytes) memory.ram()[at++] = b;
    }
    /// A flat protected mode with the descriptors that Linux has: 10h code, 18h data, 23h and 2Bh user's.
    void enter_protected(unsigned bits = 32) {
        put<u64>(0x1010, bits == 64 ? 0x00AF'9B00'0000'FFFF : 0x00CF'9B00'0000'FFFF);
        put<u64>(0x1018, 0x00CF'9300'0000'FFFF);
        put<u64>(0x1020, 0x00CF'FB00'0000'FFFF);
        put<u64>(0x1028, 0x00CF'F300'0000'FFFF);
        cpu.gdtr = {0x1000, 0xFF};
        write_cr0(cpu, cr0::PE | cr0::ET);
        for (unsigned i = 0; i < 6; ++i) load(i, i == CS ? 0x10 : 0x18, i == CS ? 0xC09B : 0xC093);
        cpu.update_mode();
    }
    /// Paging on, with the tables that the test has put at `cr3`.
    void enter_paging(u64 cr3, u64 cr4_bits, bool long_mode) {
        enter_protected(32);
        write_cr4(cpu, cr4_bits);
        write_cr3(cpu, cr3);
        if (long_mode) write_msr(cpu, 0xC000'0080, efer::LME | efer::NXE);
        write_cr0(cpu, cpu.cr0 | cr0::PG);
        if (long_mode) load(CS, 0x10, 0xA09B);
        cpu.update_mode();
    }

  private:
    void load(unsigned name, u16 selector, u32 access) {
        Segment& s = cpu.seg[name];
        s.selector = selector;
        s.access = access;
        s.base = 0;
        s.limit = 0xFFFF'FFFF;
        s.update(false);
    }
    static MemoryMap& mapped(LookMachine& m) {
        using Access = MemoryMap::Access;
        m.memory.add(
            {.name = "ram", .start = 0, .size = ram_size, .access = Access::read_write, .host = m.memory.ram().data()});
        m.memory.add({.name = "rom", .start = rom_at, .size = 65536, .access = Access::read, .host = m.rom.data()});
        m.memory.add(
            {.name = "fifo", .start = device_at, .size = 4096, .access = Access::read_write, .device = &m.device});
        return m.memory;
    }
};

} // namespace glassbox::test
