// What the forms about segments, gates, returns and task switches share: descriptor types (SDM 3A, 3.4.5.1 and table
// 3-2), table registers, and words in memory.
#pragma once

#include "guests/system/system.hpp"

// `type`: bits 0-4 of the access byte, S included.
constexpr bool is_code(u32 type) { return (type & 0x18) == 0x18; }
constexpr bool is_data(u32 type) { return (type & 0x18) == 0x10; }
constexpr bool is_writable_data(u32 type) { return (type & 0x1A) == 0x12; }
constexpr bool is_readable(u32 type) { return is_data(type) || (type & 0x1A) == 0x1A; }
constexpr bool is_conforming(u32 type) { return (type & 0x1C) == 0x1C; }
constexpr bool is_expand_down(u32 type) { return (type & 0x1C) == 0x14; }

constexpr u32 ldt_type = 2, tss16_type = 1, tss32_type = 9, busy = 2, call_gate16 = 4, task_gate = 5,
              interrupt_gate16 = 6, trap_gate16 = 7, call_gate32 = 12, interrupt_gate32 = 14, trap_gate32 = 15;
constexpr u32 code_type = 0x1B, conforming_type = 0x1F, data_type = 0x13; // readable or writable, accessed
constexpr u32 stack_writable = 0x13;

constexpr u32 ud_vector = 6, df_vector = 8, ts_vector = 10, np_vector = 11, ss_vector = 12, gp_vector = 13;

// EFLAGS
constexpr u32 flag_cf = 1, flag_zf = 0x40, flag_tf = 0x100, flag_if = 0x200, flag_df = 0x400, flag_of = 0x800,
              flag_iopl = 0x3000, flag_nt = 0x4000, flag_rf = 0x10000, flag_vm = 0x20000, flag_ac = 0x40000,
              flag_vif = 0x80000, flag_vip = 0x100000, flag_id = 0x200000;

inline u32 address(const void* p) { return reinterpret_cast<u32>(p); }
/// Memory at an address that the compiler must not reason about: it holds that nothing lies in the first page.
template <class T> T& memory_at(u32 at) {
    asm("" : "+r"(at));
    return *reinterpret_cast<T*>(at);
}
inline u32& dword(u32 at) { return memory_at<u32>(at); }
inline u16& word(u32 at) { return memory_at<u16>(at); }
inline u8& byte(u32 at) { return memory_at<u8>(at); }

constexpr u32 high(u64 d) { return static_cast<u32>(d >> 32); }
constexpr u32 low(u64 d) { return static_cast<u32>(d); }

/// A descriptor that can be a segment of its type in use: all of memory, expand-down types included.
constexpr u64 whole(u32 type, u32 dpl, bool present = true, bool big = true) {
    return is_expand_down(type) ? descriptor(0, 0, type, dpl, present, big)
                                : descriptor(0, 0xFFFFF, type, dpl, present, big, true);
}

struct __attribute__((packed)) TableRegister {
    u16 limit;
    u32 base;
};
inline void load_gdt(u32 limit) {
    const TableRegister r{static_cast<u16>(limit), address(gdt)};
    asm volatile("lgdt %0" ::"m"(r) : "memory");
}
inline void load_idt(u32 limit) {
    const TableRegister r{static_cast<u16>(limit), address(idt)};
    asm volatile("lidt %0" ::"m"(r) : "memory");
}
inline void load_ldt(u16 selector) { asm volatile("lldt %w0" ::"r"(u32{selector}) : "memory"); }
inline u16 task_register() {
    u32 selector;
    asm volatile("str %0" : "=r"(selector));
    return static_cast<u16>(selector);
}
/// Loads TR; the descriptor may say busy.
inline void load_task(u16 selector) {
    gdt[selector / 8] &= ~(u64{busy} << 40);
    asm volatile("ltr %w0" ::"r"(u32{selector}) : "memory");
}
