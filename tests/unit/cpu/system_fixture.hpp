// A processor on 1 MiB of RAM with hand-built descriptor tables, for calling the system functions directly.
#pragma once

#include "cpu/system/control.hpp"
#include "cpu/system/descriptor.hpp"
#include "cpu/system/system.hpp"
#include "cpu/system/transfer.hpp"
#include "mmu/access.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <memory>

namespace glassbox::system_test {

struct FakeInterrupts final : InterruptPort {
    u64 base = 0xFEE0'0900;
    bool enabled = true;
    u8 acknowledge() override { return 0x20; }
    u64 apic_base() const override { return base; }
    bool set_apic_base(u64 value) override {
        if ((value & 0xFF) != 0) return false;
        base = value;
        return true;
    }
    bool apic_enabled() const override { return enabled; }
};

// Where things lie, and the GDT's fixed selectors.
inline constexpr u32 gdt = 0x1000, ldt = 0x2000, idt = 0x3000, tss_a = 0x4000, tss_b = 0x5000, ivt = 0;
inline constexpr u16 code0 = 0x08, data0 = 0x10, code3 = 0x1B, data3 = 0x23, sel_tss_a = 0x28, sel_tss_b = 0x30,
                     sel_ldt = 0x38, code1 = 0x41, data1 = 0x49, code2 = 0x52, data2 = 0x5A, probe = 0x60,
                     gate_slot = 0x68, code0_16 = 0x70, data0_16 = 0x78, code0_conforming = 0x80;
inline constexpr u32 stack0 = 0x8000, stack1 = 0x9000, stack2 = 0xA000, stack3 = 0xB000;

/// access: P, DPL, S and type; flags: G 8, D 4.
constexpr u64 descriptor(u32 base, u32 limit, u32 access, u32 flags) {
    return u64{limit & 0xFFFF} | u64{base & 0xFF'FFFF} << 16 | u64{access} << 40 | u64{limit >> 16 & 0xF} << 48 |
           u64{flags} << 52 | u64{base >> 24} << 56;
}
constexpr u64 gate(u16 selector, u32 offset, u32 access, u32 parameters = 0) {
    return u64{offset & 0xFFFF} | u64{selector} << 16 | u64{parameters} << 32 | u64{access} << 40 |
           u64{offset >> 16} << 48;
}
constexpr u32 access(unsigned type_with_s, unsigned dpl, bool present = true) {
    return type_with_s | dpl << 5 | (present ? 0x80u : 0u);
}

struct Machine {
    MemoryMap memory{1 << 20};
    PortBus ports;
    Scheduler scheduler;
    FakeInterrupts interrupts;
    std::unique_ptr<Cpu> owner;
    Cpu& cpu;

    explicit Machine(std::string_view model = "max") : Machine(*find_cpu_model(model)) {}
    explicit Machine(const CpuModel& model) : owner(make(model)), cpu(*owner) { protect(); }

    std::unique_ptr<Cpu> make(const CpuModel& model) {
        memory.add({.name = "ram",
                    .start = 0,
                    .size = 1 << 20,
                    .access = MemoryMap::Access::read_write,
                    .host = memory.ram().data()});
        return std::make_unique<Cpu>(memory, ports, scheduler, interrupts, model);
    }

    template <class T> T get(u32 at) {
        T value;
        std::memcpy(&value, memory.ram().data() + at, sizeof value);
        return value;
    }
    template <class T> void put(u32 at, T value) { std::memcpy(memory.ram().data() + at, &value, sizeof value); }
    u64 entry(u16 selector) { return get<u64>(((selector & 4) ? ldt : gdt) + (selector & 0xFFF8u)); }
    void set_entry(u16 selector, u64 value) { put<u64>(((selector & 4) ? ldt : gdt) + (selector & 0xFFF8u), value); }

    void write_tables() {
        set_entry(code0, descriptor(0, 0xFFFFF, access(0x1B, 0), 0xC));
        set_entry(data0, descriptor(0, 0xFFFFF, access(0x13, 0), 0xC));
        set_entry(code1, descriptor(0, 0xFFFFF, access(0x1B, 1), 0xC));
        set_entry(data1, descriptor(0, 0xFFFFF, access(0x13, 1), 0xC));
        set_entry(code2, descriptor(0, 0xFFFFF, access(0x1B, 2), 0xC));
        set_entry(data2, descriptor(0, 0xFFFFF, access(0x13, 2), 0xC));
        set_entry(code3, descriptor(0, 0xFFFFF, access(0x1B, 3), 0xC));
        set_entry(data3, descriptor(0, 0xFFFFF, access(0x13, 3), 0xC));
        set_entry(code0_16, descriptor(0, 0xFFFF, access(0x1B, 0), 0));
        set_entry(data0_16, descriptor(0, 0xFFFF, access(0x13, 0), 0));
        set_entry(code0_conforming, descriptor(0, 0xFFFFF, access(0x1F, 0), 0xC));
        set_entry(sel_tss_a, descriptor(tss_a, 0xFFF, access(11, 0), 0));
        set_entry(sel_tss_b, descriptor(tss_b, 0x67, access(9, 0), 0));
        set_entry(sel_ldt, descriptor(ldt, 0xFFF, access(2, 0), 0));
        const u32 stacks[3] = {stack0, stack1, stack2};
        const u16 selectors[3] = {data0, data1, data2};
        for (u32 i = 0; i < 3; ++i) {
            put<u32>(tss_a + 4 + 8 * i, stacks[i]);
            put<u32>(tss_a + 8 + 8 * i, selectors[i]);
        }
        put<u16>(tss_a + 0x66, 0x88); // I/O map, after 32 bytes of redirection bitmap at 68h
    }

    /// Protected mode at level 0, flat 32-bit segments, a 32-bit TSS.
    void protect() {
        std::memset(memory.ram().data(), 0, 0x10000);
        write_tables();
        reset_state(cpu);
        cpu.cr0 = cr0::PE | cr0::ET;
        cpu.gdtr = {gdt, 0xFFF};
        cpu.idtr = {idt, 0x7FF};
        cpu.ldtr = Descriptor{entry(sel_ldt)}.segment(sel_ldt);
        cpu.tr = Descriptor{entry(sel_tss_a)}.segment(sel_tss_a);
        level(0);
    }

    /// Runs at privilege `cpl` with matching flat segments.
    void level(unsigned cpl) {
        const u16 codes[4] = {code0, code1, code2, code3};
        const u16 datas[4] = {data0, data1, data2, data3};
        const u32 stacks[4] = {stack0, stack1, stack2, stack3};
        cpu.cpl = static_cast<u8>(cpl);
        cpu.seg[CS] = Descriptor{entry(codes[cpl])}.segment(codes[cpl]);
        for (unsigned name : {SS, DS, ES, FS, GS}) cpu.seg[name] = Descriptor{entry(datas[cpl])}.segment(datas[cpl]);
        cpu.set_r32(RSP, stacks[cpl]);
        cpu.ip = 0x100;
        cpu.next_ip = 0x105;
        cpu.fault = {};
        cpu.update_mode();
    }

    void real() {
        protect();
        cpu.cr0 = cr0::ET;
        cpu.cpl = 0;
        for (Segment& s : cpu.seg) {
            s.limit = 0xFFFF;
            s.access = 0;
            s.load_real(0);
        }
        cpu.idtr = {0, 0x3FF};
        cpu.set_r32(RSP, 0x8000);
        cpu.update_mode();
    }

    void virtual_8086(unsigned iopl) {
        protect();
        cpu.set_full_eflags(eflags::VM | iopl << 12);
        cpu.cpl = 3;
        for (Segment& s : cpu.seg) s = v86_segment(0x100);
        cpu.seg[SS] = v86_segment(0);
        cpu.set_r32(RSP, 0x8000);
        cpu.ip = 0x100;
        cpu.next_ip = 0x102;
        cpu.update_mode();
    }

    bool faulted(Exception e, u32 error) { return cpu.fault.vector == e && cpu.fault.error == error; }

    /// A register-form or memory-form operand for a cold function: DS:[at].
    static Op op(u64 imm = 0, u32 imm2 = 0) {
        Op o{};
        o.imm = imm;
        o.imm2 = imm2;
        o.base = o.index = 8 * zero_gpr;
        o.seg = DS;
        return o;
    }
    static Op memory_op(u32 at, u8 reg = 0) {
        Op o = op();
        o.disp = static_cast<i32>(at);
        o.reg = reg;
        return o;
    }
    static Op register_op(Gpr rm, u8 reg = 0) {
        Op o = op();
        o.base = static_cast<u8>(8 * rm);
        o.reg = reg;
        return o;
    }
};

/// What a rule of the manual says about a case: an exception with its error code, or that it is allowed.
struct Verdict {
    bool allowed = true;
    Exception exception{};
    u32 error = 0;
    static Verdict ok() { return {}; }
    static Verdict fault(Exception e, u32 error) { return {false, e, error}; }
};

inline bool agrees(Machine& m, bool result, const Verdict& v) {
    return result == v.allowed && (v.allowed || m.faulted(v.exception, v.error));
}

} // namespace glassbox::system_test
