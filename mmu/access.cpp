// The slow side of memory access: page crossings, MMIO, code pages, watchpoints, alignment checks; and TLB upkeep.
#include "mmu/access.hpp"

#include "cpu/block/cache.hpp"
#include "cpu/system/system.hpp"

#include <algorithm>

namespace glassbox {

namespace {

/// An access cut at page boundaries: at most two parts.
struct Parts {
    u64 linear[2];
    u64 phys[2];
    unsigned size[2];
    unsigned count;
};

bool misaligned(const Cpu& cpu, u64 linear, unsigned size, Privilege privilege) {
    return cpu.class_tlb == &cpu.tlbs[static_cast<u8>(TlbClass::checked)] && privilege == Privilege::current &&
           (linear & (size - 1)) != 0 && size <= 8;
}

bool translate_parts(Cpu& cpu, u64 linear, unsigned size, AccessKind kind, Privilege privilege, Parts& parts) {
    linear = static_cast<u32>(linear);
    if (misaligned(cpu, linear, size, privilege))
        return cpu.raise(Exception::AC, 0, "a misaligned access with alignment checking on");
    const unsigned in_page = static_cast<unsigned>(page_size - (linear & page_mask));
    parts.linear[0] = linear;
    parts.size[0] = std::min(size, in_page);
    parts.count = 1;
    if (!translate(cpu, linear, kind, privilege, parts.phys[0])) return false;
    if (size > in_page) {
        parts.linear[1] = static_cast<u32>(linear + in_page);
        parts.size[1] = size - in_page;
        parts.count = 2;
        if (!translate(cpu, parts.linear[1], kind, privilege, parts.phys[1])) return false;
    }
    return true;
}

/// Host memory is reached directly; anything else may look at the time or ask the processor to stop.
u64 read_part(Cpu& cpu, const Op* op, u64 phys, unsigned size) {
    if (const u8* page = cpu.memory.page_for_read(PhysAddress{phys})) {
        u64 value = 0;
        std::memcpy(&value, page + (phys & page_mask), size);
        return value;
    }
    if (op) cpu.sync_time(op);
    const u64 value = cpu.memory.read(PhysAddress{phys}, size);
    if (cpu.leave_requested && op) cpu.request_leave(op);
    return value;
}

void write_part(Cpu& cpu, const Op* op, u64 phys, unsigned size, u64 value) {
    if (u8* page = cpu.memory.page_for_write(PhysAddress{phys})) {
        std::memcpy(page + (phys & page_mask), &value, size);
        if (cpu.blocks->written(cpu, phys, size)) {
            cpu.leave_requested = true;
            if (op) cpu.request_leave(op);
        }
        return;
    }
    if (op) cpu.sync_time(op);
    cpu.memory.write(PhysAddress{phys}, size, value);
    if (cpu.leave_requested && op) cpu.request_leave(op);
}

void note_data_breakpoints(Cpu& cpu, const Op* op, u64 linear, unsigned size, bool write) {
    if ((cpu.dr[7] & 0xFF) == 0) return;
    const u64 hits = data_breakpoint_hits(cpu, linear, size, write);
    if (hits == 0) return;
    cpu.pending_debug |= hits;
    cpu.leave_requested = true;
    if (op) cpu.request_leave(op);
}

/// The two pieces of an access that wraps within its segment.
struct WrappedPieces {
    u64 first, second;
    unsigned first_size, second_size;
    WrappedPieces(u64 linear, unsigned size)
        : first(static_cast<u32>(linear)), second(static_cast<u32>(first - (0x1'0000 - (linear >> 32 & 15)))),
          first_size(static_cast<unsigned>(linear >> 32) & 15), second_size(size - first_size) {}
};

} // namespace

bool slow_read(Cpu& cpu, const Op* op, u64 linear, unsigned size, u64& value, Privilege privilege) {
    if (linear & wrapped::flag) {
        const WrappedPieces w(linear, size);
        u64 high = 0;
        if (!slow_read(cpu, op, w.first, w.first_size, value, privilege) ||
            !slow_read(cpu, op, w.second, w.second_size, high, privilege))
            return false;
        value |= high << (8 * w.first_size);
        return true;
    }
    Parts parts;
    if (!translate_parts(cpu, linear, size, AccessKind::read, privilege, parts)) return false;
    value = read_part(cpu, op, parts.phys[0], parts.size[0]);
    if (parts.count == 2) value |= read_part(cpu, op, parts.phys[1], parts.size[1]) << (8 * parts.size[0]);
    note_data_breakpoints(cpu, op, linear, size, false);
    return true;
}

bool slow_write(Cpu& cpu, const Op* op, u64 linear, unsigned size, u64 value, Privilege privilege) {
    if (linear & wrapped::flag) {
        const WrappedPieces w(linear, size);
        const u64 low = value & ((u64{1} << (8 * w.first_size)) - 1);
        return slow_write(cpu, op, w.first, w.first_size, low, privilege) &&
               slow_write(cpu, op, w.second, w.second_size, value >> (8 * w.first_size), privilege);
    }
    Parts parts;
    if (!translate_parts(cpu, linear, size, AccessKind::write, privilege, parts)) return false;
    write_part(cpu, op, parts.phys[0], parts.size[0], value);
    if (parts.count == 2) write_part(cpu, op, parts.phys[1], parts.size[1], value >> (8 * parts.size[0]));
    note_data_breakpoints(cpu, op, linear, size, true);
    return true;
}

namespace {
bool probe(Cpu& cpu, u64 linear, u64 size, AccessKind kind, Privilege privilege) {
    if (size == 0) return true;
    if (linear & wrapped::flag) {
        const WrappedPieces w(linear, static_cast<unsigned>(size));
        return probe(cpu, w.first, w.first_size, kind, privilege) &&
               probe(cpu, w.second, w.second_size, kind, privilege);
    }
    if (size <= 8 && misaligned(cpu, linear, static_cast<unsigned>(size), privilege))
        return cpu.raise(Exception::AC, 0, "a misaligned access with alignment checking on");
    u64 phys = 0;
    for (u64 at = linear; at < linear + size; at = (at & ~page_mask) + page_size) {
        if (!translate(cpu, static_cast<u32>(at), kind, privilege, phys)) return false;
    }
    return true;
}
} // namespace

bool probe_write(Cpu& cpu, u64 linear, u64 size, Privilege privilege) {
    return probe(cpu, linear, size, AccessKind::write, privilege);
}
bool probe_read(Cpu& cpu, u64 linear, u64 size, Privilege privilege) {
    return probe(cpu, linear, size, AccessKind::read, privilege);
}

namespace {
/// True on an 8086: the access as it wraps within its segment.
bool wraps_in_segment(const Cpu& cpu, const Segment& s, u32 offset, unsigned size, u64& linear) {
    if (!cpu.has(Feature::only_8086)) return false;
    offset &= 0xFFFF;
    linear = s.base + offset;
    if (offset + size > 0x1'0000) linear = wrapped::at(linear, 0x1'0000 - offset);
    return true;
}
/// In real mode the 80286 has exception 13 alone for what lies outside a segment (80286 Programmer's Reference, 5.4).
Exception stack_exception(const Cpu& cpu) {
    return cpu.real_mode() && !cpu.has(Feature::i386) ? Exception::GP : Exception::SS;
}
} // namespace

bool outside_segment(Cpu& cpu, unsigned segment, u32 offset, unsigned size, u64& linear) {
    const char* why = "the offset is outside the segment, or the segment does not allow the access";
    if (wraps_in_segment(cpu, cpu.seg[segment], offset, size, linear)) return true;
    return cpu.raise(segment == SS ? stack_exception(cpu) : Exception::GP, 0, why);
}

bool outside_stack(Cpu& cpu, const Segment& s, u32 offset, unsigned size, u32 error, u64& linear) {
    if (wraps_in_segment(cpu, s, offset, size, linear)) return true;
    return cpu.raise(stack_exception(cpu), error, "stack limit exceeded");
}

void Cpu::flush_tlb(bool keep_global) {
    for (FetchTable& table : fetch_tlbs) table.forget(keep_global);
    for (TlbTable& table : tlbs) {
        if (!keep_global) {
            table.entries.fill(TlbEntry{});
            table.global.fill(0);
            large_regions.fill(0);
            continue;
        }
        for (unsigned i = 0; i < TlbTable::size; ++i) {
            if (!table.global[i]) table.entries[i] = TlbEntry{};
        }
    }
    bump_epoch();
}

void Cpu::flush_page(u64 linear) {
    linear = static_cast<u32>(linear);
    const u64 region = linear >> 22;
    const bool large = ((large_regions[region >> 6] >> (region & 63)) & 1) != 0;
    for (TlbTable& table : tlbs) {
        table.at(linear) = TlbEntry{};
        if (!large) continue; // INVLPG drops a large page whole, wherever it points into it (SDM 3A 4.10.4.1)
        for (TlbEntry& e : table.entries) {
            if (e.read_tag >> 22 == region || e.write_tag >> 22 == region) e = TlbEntry{};
        }
    }
    bool executed = large;
    for (FetchTable& table : fetch_tlbs) {
        executed |= table.forget_page(linear);
        if (large) table.forget_region(region);
    }
    if (executed) bump_epoch();
}

void Cpu::debug_registers_changed() { flush_tlb(false); }

void Cpu::memory_written(PhysAddress start, u64 size) {
    if (blocks->written(*this, start.value, size)) leave_requested = true;
}

void Cpu::map_changed() {
    forget_blocks();
    flush_tlb(false);
    leave_requested = true;
}

} // namespace glassbox
