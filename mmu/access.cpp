// The slow side of memory access: page crossings, MMIO, code pages, watchpoints, alignment checks, and addresses that
// are not canonical.
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

/// Outside long mode there are no addresses beyond 4 GiB. In it, a frame that 32-bit code leaves on the stack of 64-bit
/// code may lie there.
u64 first_linear(const Cpu& cpu, u64 linear) { return cpu.long_mode() ? linear : static_cast<u32>(linear); }

/// Where an access goes on: those of 32-bit code wrap at 4 GiB.
u64 next_linear(const Cpu& cpu, u64 linear, u64 by, Privilege privilege) {
    const bool wide = privilege == Privilege::supervisor && cpu.long_mode();
    return wide ? linear + by : linear_after(cpu, linear, by);
}

/// In long mode both ends must be canonical (SDM 1 3.3.7.1, 3A 6.15).
bool canonical_access(Cpu& cpu, const Op* op, u64 linear, u64 size) {
    if (!cpu.long_mode() || (cpu.canonical(linear) && cpu.canonical(linear + size - 1))) return true;
    return cpu.raise(op && op->seg == SS ? Exception::SS : Exception::GP, 0, "the address is not canonical");
}

bool aligned_access(Cpu& cpu, u64 linear, u64 size, Privilege privilege) {
    const bool checked = cpu.class_tlb == &cpu.tlbs[static_cast<u8>(TlbClass::checked)];
    if (!checked || privilege != Privilege::current || size > 8 || (linear & (size - 1)) == 0) return true;
    return cpu.raise(Exception::AC, 0, "a misaligned access with alignment checking on");
}

bool translate_parts(Cpu& cpu, const Op* op, u64 linear, unsigned size, AccessKind kind, Privilege privilege,
                     Parts& parts) {
    linear = first_linear(cpu, linear);
    if (!canonical_access(cpu, op, linear, size) || !aligned_access(cpu, linear, size, privilege)) return false;
    const unsigned in_page = static_cast<unsigned>(page_size - (linear & page_mask));
    parts.linear[0] = linear;
    parts.size[0] = std::min(size, in_page);
    parts.count = 1;
    if (!translate(cpu, linear, kind, privilege, parts.phys[0])) return false;
    if (size > in_page) {
        parts.linear[1] = next_linear(cpu, linear, in_page, privilege);
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

/// Only an 8086 has such addresses; where they are 64 bits wide, the bit is one of the address.
bool is_wrapped(const Cpu& cpu, u64 linear) { return (linear & wrapped::flag) && cpu.has(Feature::only_8086); }

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
    if (is_wrapped(cpu, linear)) {
        const WrappedPieces w(linear, size);
        u64 high = 0;
        if (!slow_read(cpu, op, w.first, w.first_size, value, privilege) ||
            !slow_read(cpu, op, w.second, w.second_size, high, privilege))
            return false;
        value |= high << (8 * w.first_size);
        return true;
    }
    Parts parts;
    if (!translate_parts(cpu, op, linear, size, AccessKind::read, privilege, parts)) return false;
    value = read_part(cpu, op, parts.phys[0], parts.size[0]);
    if (parts.count == 2) value |= read_part(cpu, op, parts.phys[1], parts.size[1]) << (8 * parts.size[0]);
    note_data_breakpoints(cpu, op, parts.linear[0], size, false);
    return true;
}

bool slow_write(Cpu& cpu, const Op* op, u64 linear, unsigned size, u64 value, Privilege privilege) {
    if (is_wrapped(cpu, linear)) {
        const WrappedPieces w(linear, size);
        const u64 low = value & ((u64{1} << (8 * w.first_size)) - 1);
        return slow_write(cpu, op, w.first, w.first_size, low, privilege) &&
               slow_write(cpu, op, w.second, w.second_size, value >> (8 * w.first_size), privilege);
    }
    Parts parts;
    if (!translate_parts(cpu, op, linear, size, AccessKind::write, privilege, parts)) return false;
    write_part(cpu, op, parts.phys[0], parts.size[0], value);
    if (parts.count == 2) write_part(cpu, op, parts.phys[1], parts.size[1], value >> (8 * parts.size[0]));
    note_data_breakpoints(cpu, op, parts.linear[0], size, true);
    return true;
}

namespace {
bool probe(Cpu& cpu, const Op* op, u64 linear, u64 size, AccessKind kind, Privilege privilege) {
    if (size == 0) return true;
    if (is_wrapped(cpu, linear)) {
        const WrappedPieces w(linear, static_cast<unsigned>(size));
        return probe(cpu, op, w.first, w.first_size, kind, privilege) &&
               probe(cpu, op, w.second, w.second_size, kind, privilege);
    }
    linear = first_linear(cpu, linear);
    if (!canonical_access(cpu, op, linear, size) || !aligned_access(cpu, linear, size, privilege)) return false;
    for (u64 phys = 0;;) {
        if (!translate(cpu, linear, kind, privilege, phys)) return false;
        const u64 in_page = page_size - (linear & page_mask);
        if (size <= in_page) return true;
        size -= in_page;
        linear = next_linear(cpu, linear, in_page, privilege);
    }
}
} // namespace

bool probe_write(Cpu& cpu, u64 linear, u64 size, Privilege privilege, const Op* op) {
    return probe(cpu, op, linear, size, AccessKind::write, privilege);
}
bool probe_read(Cpu& cpu, u64 linear, u64 size, Privilege privilege, const Op* op) {
    return probe(cpu, op, linear, size, AccessKind::read, privilege);
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

namespace {
bool locate64(Cpu& cpu, unsigned segment, u64 offset, unsigned size, u64& linear) {
    linear = cpu.base64[segment] + offset;
    if (cpu.canonical(linear) && cpu.canonical(linear + size - 1)) return true;
    return cpu.raise(segment == SS ? Exception::SS : Exception::GP, 0, "the address is not canonical");
}
} // namespace

bool locate_read(Cpu& cpu, unsigned segment, u64 offset, unsigned size, u64& linear) {
    if (cpu.code64()) return locate64(cpu, segment, offset, size, linear);
    return segment_read(cpu, segment, static_cast<u32>(offset), size, linear);
}
bool locate_write(Cpu& cpu, unsigned segment, u64 offset, unsigned size, u64& linear) {
    if (cpu.code64()) return locate64(cpu, segment, offset, size, linear);
    return segment_write(cpu, segment, static_cast<u32>(offset), size, linear);
}

} // namespace glassbox
