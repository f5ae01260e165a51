// MONITOR and MWAIT (SDM 2; SDM 3A 8.10), CLFLUSHOPT, CLWB, CLZERO, RDTSCP, RDPID, RDPRU, WBNOINVD (SDM 2; APM 3), and
// the prefetches of 3DNow!.
//
// MWAIT halts until an interrupt, or until the monitored line differs from what MONITOR saw: a store of the same bytes
// does not end it, which no waiter can tell from a store that came before MONITOR. MWAIT's hints and extensions
// (CPUID.5:ECX) are absent. MONITORX and MWAITX are absent too. Caches are not modelled: CLFLUSHOPT and CLWB only have
// their faults, WBNOINVD its privilege.
#include "cpu/system/monitor.hpp"

#include "cpu/exec.hpp"
#include "cpu/ops/families.hpp"
#include "cpu/system/control.hpp"
#include "mmu/access.hpp"

#include <cstring>

namespace glassbox {

namespace {
const u8* monitored_line(const Cpu& cpu) {
    const u64 page = cpu.monitor.line & ~u64{0xFFF};
    const u8* host = cpu.memory.page_for_read(PhysAddress(page));
    return host ? host + (cpu.monitor.line & 0xFFF & ~(Cpu::Monitor::line_size - 1)) : nullptr;
}
} // namespace

bool monitored_line_changed(const Cpu& cpu) {
    if (!cpu.monitor.waiting) return false;
    const u8* line = monitored_line(cpu);
    return !line || std::memcmp(line, cpu.monitor.seen.data(), Cpu::Monitor::line_size) != 0;
}

namespace control {

namespace {

/// DS:rAX, or another segment by a prefix; the width of rAX is the address size, which the selector puts into imm2.
u64 offset_in_rax(const Cpu& cpu, const Op& op) {
    return op.imm2 == 8 ? cpu.gpr[RAX] : op.imm2 == 4 ? cpu.r32(RAX) : cpu.r16(RAX);
}

bool may_monitor(Cpu& cpu) {
    const bool disabled = cpu.model->intel() && (cpu.msrs.misc_enable >> 18 & 1) == 0;
    if (cpu.cpl != 0 || disabled) return cpu.ud("MONITOR or MWAIT outside level 0, or disabled");
    return true;
}

bool no_extensions(Cpu& cpu) {
    const u64 extensions = cpu.code64() ? cpu.gpr[RCX] : cpu.r32(RCX);
    return extensions == 0 || cpu.gp(0, "extension of MONITOR or MWAIT");
}

void set_edx_eax(Cpu& cpu, u64 value) {
    cpu.set_r32(RAX, static_cast<u32>(value));
    cpu.set_r32(RDX, static_cast<u32>(value >> 32));
}

} // namespace

bool monitor(Cpu& cpu, const Op& op) {
    u64 linear = 0, phys = 0;
    if (!may_monitor(cpu) || !no_extensions(cpu)) return false;
    if (!locate_read(cpu, op.seg, offset_in_rax(cpu, op), 1, linear) ||
        !translate(cpu, linear, AccessKind::read, Privilege::current, phys))
        return false;
    cpu.monitor.line = phys & ~(Cpu::Monitor::line_size - 1);
    const u8* line = monitored_line(cpu);
    cpu.monitor.armed = line != nullptr; // only write-back memory can be watched
    if (line) std::memcpy(cpu.monitor.seen.data(), line, Cpu::Monitor::line_size);
    return true;
}

bool mwait(Cpu& cpu, const Op&) {
    if (!may_monitor(cpu) || !no_extensions(cpu)) return false;
    if (!cpu.monitor.armed) return true;
    cpu.monitor.armed = false;
    cpu.monitor.waiting = true;
    cpu.halted = !monitored_line_changed(cpu);
    return true;
}

bool clzero(Cpu& cpu, const Op& op) {
    constexpr u64 size = Cpu::Monitor::line_size;
    u64 linear = 0;
    // A base may be anything: it is the linear address that is rounded down, and all of the line must be within limits.
    const u64 offset = offset_in_rax(cpu, op);
    if (!locate_write(cpu, op.seg, offset, 1, linear)) return false;
    if (!locate_write(cpu, op.seg, offset - (linear & (size - 1)), size, linear)) return false;
    // The line lies in one page: the first write meets every fault.
    for (u64 at = 0; at < size; at += 8) {
        if (!write_linear<u64>(cpu, linear + at, 0)) return false;
    }
    return true;
}

/// CLFLUSH, CLFLUSHOPT and CLWB fault like a load of one byte, but may name an execute-only segment (SDM 2A, CLFLUSH).
bool flush_line(Cpu& cpu, const Op& op) {
    const Segment& s = cpu.seg[op.seg];
    const u64 offset = effective_offset(cpu, op);
    u64 linear = 0, phys = 0;
    const bool execute_only = !cpu.code64() && cpu.protected_mode() && s.usable() && !s.is_readable();
    if (execute_only && offset <= s.limit)
        linear = static_cast<u32>(s.base + offset);
    else if (!locate_read(cpu, op.seg, offset, 1, linear))
        return false;
    return translate(cpu, linear, AccessKind::read, Privilege::current, phys);
}

bool rdtscp(Cpu& cpu, const Op& op) {
    if (!rdtsc(cpu, op)) return false;
    cpu.set_r32(RCX, static_cast<u32>(cpu.msrs.tsc_aux));
    return true;
}

bool rdpid(Cpu& cpu, const Op& op) {
    cpu.set_reg<u64>(op.base, cpu.msrs.tsc_aux);
    return true;
}

/// MPERF and APERF, which both count like the time-stamp counter.
bool rdpru(Cpu& cpu, const Op&) {
    if ((cpu.cr4 & cr4::TSD) != 0 && cpu.cpl != 0) return cpu.ud("RDPRU with CR4.TSD");
    const bool present = cpu.r32(RCX) <= 1;
    set_edx_eax(cpu, present ? cpu.tsc() : 0);
    cpu.flags.load(present ? eflags::CF : 0);
    return true;
}

} // namespace control

namespace families {

namespace {

using enum Arg;
using enum Feature;
using namespace control;

constexpr OpInfo monitor_info{"monitor"}, mwait_info{"mwait"}, clflush_info{"clflush"}, clzero_info{"clzero"},
    clflushopt_info{"clflushopt"}, clwb_info{"clwb"}, rdtscp_info{"rdtscp"}, rdpid_info{"rdpid"},
    rdpru_info{"rdpru", eflags::OSZAPC}, wbnoinvd_info{"wbnoinvd"}, nop_info{"nop"};

template <ColdFunction fn> Handler select_rax(const Insn& insn, Op& op) {
    op.seg = insn.segment;
    op.imm2 = insn.addrsize;
    return &cold<fn>;
}
template <ColdFunction fn> consteval Row rax_row(const OpInfo& info, At place, Feature feature) {
    return {place, {}, &info, &select_rax<fn>, attr::may_fault, feature};
}

struct Nop {
    static void run(Cpu&, const Op&, Flags&) {}
};
Handler select_nop(const Insn&, Op&) { return &handler<Nop>; }

constexpr Row rows[] = {
    rax_row<control::monitor>(monitor_info, at(0x0F01).digit(1).rm(0).np(), Feature::monitor),
    cold_end_row<mwait>(mwait_info, at(0x0F01).digit(1).rm(1).np(), {}, 0, Feature::monitor),
    cold_row<control::rdtscp>(rdtscp_info, at(0x0F01).digit(7).rm(1), {}, 0, Feature::rdtscp),
    rax_row<control::clzero>(clzero_info, at(0x0F01).digit(7).rm(4), Feature::clzero),
    cold_row<control::rdpru>(rdpru_info, at(0x0F01).digit(7).rm(5), {}, 0, Feature::rdpru),
    cold_row<control::rdpid>(rdpid_info, at(0x0FC7).digit(7).reg().pF3(), {Rn}, attr::opsize_fixed, Feature::rdpid),
    cold_row<cache_control>(wbnoinvd_info, at(0x0F09).pF3(), {}, 0, wbnoinvd),
    cold_row<flush_line>(clflush_info, at(0x0FAE).digit(7).mem().np(), {Mb}, attr::opsize_fixed, clflush),
    cold_row<flush_line>(clflushopt_info, at(0x0FAE).digit(7).mem().p66(), {Mb}, attr::opsize_fixed, clflushopt),
    cold_row<flush_line>(clwb_info, at(0x0FAE).digit(6).mem().p66(), {Mb}, attr::opsize_fixed, clwb),
    // 64-bit processors without PREFETCHW take it as a NOP (SDM 2B, PREFETCHW).
    {at(0x0F0D).mem(), {M}, &nop_info, &select_nop, 0, long_mode},
};

} // namespace

std::span<const Row> hints() { return rows; }

} // namespace families
} // namespace glassbox
