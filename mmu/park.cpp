// Parking and unparking tags; what breakpoints (SDM 3B 17.2.5), probes, decoded code and checkpoints ask of the TLB.
#include "mmu/park.hpp"

#include "cpu/block/cache.hpp"
#include "cpu/probe.hpp"

namespace glassbox {

namespace {

/// Whether an enabled data or I/O breakpoint lies in or next to the page: such pages always go the slow way.
bool data_breakpoint_in_page(const Cpu& cpu, u64 page) {
    if ((cpu.dr[7] & 0xFF) == 0) return false;
    for (unsigned i = 0; i < 4; ++i) {
        const bool enabled = ((cpu.dr[7] >> (2 * i)) & 3) != 0;
        const bool data = ((cpu.dr[7] >> (16 + 4 * i)) & 1) != 0; // R/W 01 or 11
        if (enabled && data && ((cpu.dr[i] & ~page_mask) == page || ((cpu.dr[i] + 7) & ~page_mask) == page))
            return true;
    }
    return false;
}

u64 when(bool holds, u64 reason) { return holds ? reason : 0; }

const u8* host_of(const TlbEntry& e) { return reinterpret_cast<const u8*>(e.page() + e.addend); }

/// Only where the entry reaches host memory.
u64 write_reasons(const Cpu& cpu, const TlbEntry& e) {
    return when(cpu.memory.is_clean(host_of(e)), parked::clean) | when(cpu.blocks->has_code(e.phys), parked::code);
}

} // namespace

void set_tags(Cpu& cpu, TlbEntry& e, u64 page, bool may_write) {
    const bool watched = cpu.probe && cpu.probe->watches(cpu, page, e.phys);
    const u64 reasons = when(watched, parked::watched) | when(data_breakpoint_in_page(cpu, page), parked::breakpoint);
    const u8* host = cpu.memory.page_for_read(PhysAddress{e.phys});
    e.addend = host ? reinterpret_cast<u64>(host) - page : 0;
    e.read_tag = page | reasons | when(!host, parked::device);
    e.write_tag = TlbEntry::no_tag;
    if (!may_write) return;
    const bool both = host && cpu.memory.page_for_write(PhysAddress{e.phys}) == host;
    e.write_tag = page | reasons | (both ? write_reasons(cpu, e) : parked::device);
}

void write_done(Cpu& cpu, TlbEntry& e, u64 linear) {
    constexpr u64 ours = parked::clean | parked::code;
    if (!TlbEntry::allows(e.write_tag, linear & ~page_mask) || (e.write_tag & ours) == 0) return;
    if ((e.write_tag & parked::device) == 0) e.write_tag = (e.write_tag & ~ours) | write_reasons(cpu, e);
}

void park_write_tags(Cpu& cpu) {
    for (TlbTable& table : cpu.tlbs) {
        table.for_each([&](TlbEntry& e) {
            if (e.write_tag == TlbEntry::no_tag || (e.write_tag & parked::device) != 0) return;
            e.write_tag = (e.write_tag & ~parked::clean) | when(cpu.memory.is_clean(host_of(e)), parked::clean);
        });
    }
}

void ask_watches_again(Cpu& cpu) {
    for (TlbTable& table : cpu.tlbs) {
        table.for_each([&](TlbEntry& e) {
            const u64 reason = when(cpu.probe && cpu.probe->watches(cpu, e.page(), e.phys), parked::watched);
            e.read_tag = (e.read_tag & ~parked::watched) | reason;
            if (e.write_tag != TlbEntry::no_tag) e.write_tag = (e.write_tag & ~parked::watched) | reason;
        });
    }
}

} // namespace glassbox
