// A processor of an early model in real mode on 2 MiB of RAM, with code put where a test wants it.
#pragma once

#include "cpu/system/system.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <initializer_list>
#include <memory>
#include <string_view>

namespace glassbox::model_test {

struct NoInterrupts final : InterruptPort {
    u8 acknowledge() override { return 0; }
};

struct Early {
    static constexpr u64 ram_size = 2 << 20;
    static constexpr u16 code = 0x1000, data = 0x2000, extra = 0x3800, stack = 0x4000;
    static constexpr u16 handlers = 0x5000; ///< vector v leads to handlers:v

    MemoryMap memory{ram_size};
    PortBus ports;
    Scheduler scheduler;
    NoInterrupts interrupts;
    std::unique_ptr<Cpu> owner;
    Cpu& cpu;

    explicit Early(std::string_view model) : owner(make(model)), cpu(*owner) {
        cpu.seg[SegmentName::DS].load_real(data);
        cpu.seg[SegmentName::ES].load_real(extra);
        cpu.seg[SegmentName::SS].load_real(stack);
        cpu.set_r16(RSP, 0x1000);
        for (u32 v = 0; v < 256; ++v) {
            put<u16>(4 * v, static_cast<u16>(v));
            put<u16>(4 * v + 2, handlers);
            put<u8>((u32{handlers} << 4) + v, 0xF4);
        }
        cpu.update_mode();
    }

    std::unique_ptr<Cpu> make(std::string_view model) {
        memory.add({.name = "ram",
                    .start = 0,
                    .size = ram_size,
                    .access = MemoryMap::Access::read_write,
                    .host = memory.ram().data()});
        return std::make_unique<Cpu>(memory, ports, scheduler, interrupts, *find_cpu_model(model));
    }

    template <class T> T get(u32 at) {
        T value;
        std::memcpy(&value, memory.ram().data() + at, sizeof value);
        return value;
    }
    /// Code that has been decoded is forgotten.
    template <class T> void put(u32 at, T value) {
        u8 bytes[sizeof value];
        std::memcpy(bytes, &value, sizeof value);
        memory.write_block(PhysAddress{at}, bytes);
    }
    template <class T> T get(u16 segment, u16 offset) { return get<T>((u32{segment} << 4) + offset); }
    template <class T> void put(u16 segment, u16 offset, T value) { put<T>((u32{segment} << 4) + offset, value); }

    /// Puts the code at code:ip, wrapping in its segment, and makes it next.
    void at(u16 ip, std::initializer_list<u8> bytes) {
        u16 offset = ip;
        for (const u8 b : bytes) put<u8>(code, offset++, b);
        cpu.seg[SegmentName::CS].load_real(code);
        cpu.update_mode();
        cpu.ip = ip;
        cpu.halted = false;
        cpu.fault_chain_length = 0;
    }
    /// Executes the code, one instruction unless told otherwise.
    void run(std::initializer_list<u8> bytes, u64 count = 1) {
        at(0x100, bytes);
        cpu.run(count);
    }
    u16 ip() const { return static_cast<u16>(cpu.ip); }
    /// Where the bytes given to `run` end.
    static u16 after(unsigned bytes) { return static_cast<u16>(0x100 + bytes); }
    u16 flags() const { return static_cast<u16>(cpu.full_eflags()); }
    void set_flags(u32 value) { cpu.set_full_eflags(value); }
    u16 ax() const { return cpu.r16(RAX); }
    u8 al() const { return static_cast<u8>(cpu.gpr[RAX]); }
    u16 sp() const { return cpu.r16(RSP); }
    /// The n-th word from the top of the stack.
    u16 pushed(unsigned n) { return get<u16>(stack, static_cast<u16>(sp() + 2 * n)); }
    /// Whether vector v's handler was entered with this return address.
    bool entered(u8 v, u16 return_ip) {
        return cpu.seg[SegmentName::CS].selector == handlers && cpu.ip == v && pushed(0) == return_ip &&
               pushed(1) == code;
    }
};

} // namespace glassbox::model_test
