// Port I/O of IN, OUT, INS and OUTS: permission, I/O breakpoints, and devices that see the exact time.
#pragma once

#include "cpu/exec.hpp"
#include "cpu/system/system.hpp"

namespace glassbox {

/// Calls `pick.template operator()<T>()`: ports are at most 32 bits wide.
template <class F> Handler with_port_width(const Insn& insn, F&& pick) {
    if (!(insn.opcode & 1)) return pick.template operator()<u8>();
    return insn.opsize == 2 ? pick.template operator()<u16>() : pick.template operator()<u32>();
}

inline bool check_port(Cpu& cpu, u16 port, unsigned width) { return check_io(cpu, port, width); }

inline void note_port_breakpoint(Cpu& cpu, u16 port, unsigned width) {
    if ((cpu.dr[7] & 0xFF) == 0) return;
    const u64 hits = io_breakpoint_hits(cpu, port, width);
    if (hits == 0) return;
    cpu.pending_debug |= hits;
    cpu.leave_requested = true;
}
inline u32 port_read(Cpu& cpu, const Op& op, u16 port, unsigned width) {
    cpu.sync_time(&op);
    const u32 value = cpu.ports.read(Port{port}, width);
    note_port_breakpoint(cpu, port, width);
    if (cpu.leave_requested) cpu.request_leave(&op);
    return value;
}
inline void port_write(Cpu& cpu, const Op& op, u16 port, unsigned width, u32 value) {
    cpu.sync_time(&op);
    cpu.ports.write(Port{port}, width, value);
    note_port_breakpoint(cpu, port, width);
    if (cpu.leave_requested) cpu.request_leave(&op);
}

} // namespace glassbox
