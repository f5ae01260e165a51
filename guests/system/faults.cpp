// Faults: what is pushed, what a fault during the delivery of another becomes, and what ends in a shutdown (SDM 3A
// chapter 6).
#include "guests/system/faults.hpp"

namespace faults {

namespace {

constexpr u32 directory = arena_begin, tables = arena_begin + 0x1000, mapped_tables = 8;
constexpr u32 page_flags = 7; // present, writable, user

u32& entry(u32 linear) { return reinterpret_cast<u32*>(tables)[linear >> 12]; }

struct __attribute__((packed)) TableRegister {
    u16 limit;
    u32 base;
};

} // namespace

void paging_on() {
    memset(reinterpret_cast<void*>(directory), 0, 4096);
    for (u32 i = 0; i < mapped_tables; ++i) reinterpret_cast<u32*>(directory)[i] = (tables + i * 4096) | page_flags;
    for (u32 i = 0; i < mapped_tables * 1024; ++i) reinterpret_cast<u32*>(tables)[i] = i << 12 | page_flags;
    entry(absent_page) = 0;
    write_cr3(directory);
    change_cr0(cr0_pg, 0);
}

void paging_off() {
    change_cr0(0, cr0_pg);
    write_cr3(0);
}

void page(u32 linear, bool present) {
    entry(linear) = present ? (linear & ~0xFFFu) | page_flags : 0;
    write_cr3(directory);
}

void map(u32 linear, u32 physical) {
    entry(linear) = physical | page_flags;
    write_cr3(directory);
}

void load_gdt(u32 base, u32 limit) {
    const TableRegister r{static_cast<u16>(limit), base};
    asm volatile("lgdt %0" ::"m"(r));
}

void load_idt(u32 base, u32 limit) {
    const TableRegister r{static_cast<u16>(limit), base};
    asm volatile("lidt %0" ::"m"(r));
}

void reload_task() {
    reinterpret_cast<u8*>(gdt)[tss_selector + 5] &= 0xFD; // available
    asm volatile("ltr %w0" ::"r"(u32{tss_selector}) : "memory");
}

u32 change_cr0(u32 set, u32 clear) {
    const u32 old = read_cr0();
    write_cr0((old | set) & ~clear);
    return old;
}

} // namespace faults

namespace {

constexpr Form forms[] = {
    {"faults/double", "SDM 3A 6.15, table 6-5", faults::double_faults},
    {"faults/chains", "SDM 3A 6.15, table 6-5", faults::serial_chains},
    {"faults/double-fault-task", "SDM 3A 6.12.2, 6.15", faults::double_fault_task},
    {"faults/shutdown", "SDM 3A 6.15, interrupt 8", faults::shutdowns},
    {"faults/pushed-state", "SDM 3A 6.5, 6.6, 6.12.1", faults::pushed_state},
    {"faults/16-bit-gates", "SDM 3A 6.12.1", faults::narrow_gates},
    {"faults/device-not-available", "SDM 3A 2.5, table 2-2; 6.15, interrupt 7", faults::fpu_available},
    {"faults/fpu-error", "SDM 3A 6.15, interrupt 16", faults::fpu_errors},
    {"faults/fpu-error-irq13", "SDM 1 8.7.2, D.1", faults::fpu_errors_irq13},
    {"faults/alignment", "SDM 3A 6.15, table 6-7", faults::alignment},
    {"faults/alignment-priority", "SDM 3A 6.9, table 6-2", faults::alignment_priority},
    {"faults/nmi-blocking", "SDM 3A 6.7.1", faults::nmi_blocking},
    {"faults/fetch", "SDM 3A 5.3, 6.9; SDM 2, JMP", faults::fetches},
};

} // namespace

Group fault_forms() { return group(forms); }
