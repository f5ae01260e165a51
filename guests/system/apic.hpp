// The local APIC and the I/O APIC for their forms (SDM 3A chapter 11; 82093AA data sheet).
#pragma once

#include "guests/system/pic.hpp"

namespace apic {

using chips::local;

enum Register : u32 {
    id = 0x20,
    version = 0x30,
    tpr = 0x80,
    apr = 0x90,
    ppr = 0xA0,
    eoi = 0xB0,
    ldr = 0xD0,
    dfr = 0xE0,
    svr = 0xF0,
    isr = 0x100,
    tmr = 0x180,
    irr = 0x200,
    esr = 0x280,
    icr = 0x300,
    icr_high = 0x310,
    lvt_timer = 0x320,
    lvt_thermal = 0x330,
    lvt_performance = 0x340,
    lint0 = 0x350,
    lint1 = 0x360,
    lvt_error = 0x370,
    initial_count = 0x380,
    current_count = 0x390,
    divide = 0x3E0,
};
constexpr u32 masked = 1u << 16, periodic = 1u << 17, level = 1u << 15, remote_irr = 1u << 14, self = 0x4'0000;

inline u32 read(u32 offset) { return local(offset); }
inline u32 own_id() { return local(id) & 0xFF00'0000; }
inline bool bit(u32 set, u32 vector) { return local(set + (vector / 32) * 0x10) >> (vector % 32) & 1; }
/// How many vectors are in a set of 256.
u32 count(u32 set);
/// Skips the case where there is no APIC; else everything is in the state of chips::start_pics.
bool begin(Report& report);
void finish();
/// ESR after a write to it.
u32 errors();
/// Ends NMI blocking, with an IRET.
void unblock_nmi();

void registers(Report& report);
void software_disable(Report& report);
void self_interrupts(Report& report);
void task_priority(Report& report);
void processor_priority(Report& report);
void nesting(Report& report);
void error_status(Report& report);
void destinations(Report& report);
void local_pins(Report& report);
void timer(Report& report);
void timer_divisors(Report& report);
void io_registers(Report& report);
void io_edges(Report& report);
void io_levels(Report& report);
void io_modes(Report& report);
void base_address(Report& report);

} // namespace apic
