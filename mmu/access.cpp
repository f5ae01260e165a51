// The slow side of memory access: page crossings, MMIO, code pages, watchpoints, alignment checks, and addresses that
// are not canonical.
#include "mmu/access.hpp"

#include "cpu/block/cache.hpp"
#include "cpu/probe.hpp"
#include "cpu/system/system.hpp"
#include "mmu/park.hpp"

#include <algorithm>
#include <array>
#include <span>

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
    return cpu.memory.read(PhysAddress{phys}, size);
}

void write_part(Cpu& cpu, const Op* op, u64 phys, unsigned size, u64 value) {
    if (u8* page = cpu.memory.page_for_write(PhysAddress{phys})) {
        cpu.memory.mark_dirty(page);
        std::memcpy(page + (phys & page_mask), &value, size);
        if (cpu.blocks->written(cpu, phys, size)) cpu.leave_requested = true;
        return;
    }
    if (op) cpu.sync_time(op);
    cpu.memory.write(PhysAddress{phys}, size, value);
}

void note_data_breakpoints(Cpu& cpu, u64 linear, unsigned size, bool write) {
    if ((cpu.dr[7] & 0xFF) == 0) return;
    const u64 hits = data_breakpoint_hits(cpu, linear, size, write);
    if (hits == 0) return;
    cpu.pending_debug |= hits;
    cpu.leave_requested = true;
}

u64 address_of(const Op* op) {
    const BlockHeader& h = header_of(op);
    u64 ip = h.ip;
    for (const Op* o = h.ops(); o != op; ++o) ip += o->length;
    return ip & mode::ip_mask(h.mode);
}

/// What the probe hears of an access.
class Report {
  public:
    Report(Cpu& cpu, const Op* op, const Parts& parts, bool write, Privilege privilege)
        : cpu_(cpu), op_(op), parts_(parts), write_(write), privilege_(privilege) {
        if (cpu.probe) [[unlikely]]
            ask();
    }
    void tell(u64 value) {
        if (heard_[0] | heard_[1]) [[unlikely]]
            tell_parts(value);
    }

  private:
    /// The entries know; where nothing is ever filled in (#AC), the probe is asked.
    bool watched(u64 linear, u64 phys) const {
        const u64 page = linear & ~page_mask;
        const TlbEntry& e = table_of(cpu_, privilege_).at(linear);
        if (TlbEntry::allows(e.read_tag, page)) return (e.read_tag & parked::watched) != 0;
        return cpu_.probe->watches(cpu_, page, phys & ~page_mask);
    }
    [[gnu::cold, gnu::noinline]] void ask() {
        for (unsigned i = 0; i < parts_.count; ++i) {
            const PhysAddress phys{parts_.phys[i]};
            if (!(heard_[i] = watched(parts_.linear[i], phys.value))) continue;
            plain_[i] = (write_ ? cpu_.memory.page_for_write(phys) : cpu_.memory.page_for_read(phys)) != nullptr;
            if (!write_) continue;
            const u8* page = plain_[i] ? cpu_.memory.page_for_read(phys) : nullptr;
            std::array<u8, 8> bytes{};
            if (page) std::memcpy(bytes.data(), page + (phys.value & page_mask), parts_.size[i]);
            known_[i] = page || cpu_.memory.peek_block(phys, std::span(bytes).first(parts_.size[i])) == parts_.size[i];
            std::memcpy(&before_[i], bytes.data(), bytes.size());
        }
    }
    [[gnu::cold, gnu::noinline]] void tell_parts(u64 value) {
        const u64 ip = cpu_.ip; // a branch may have set it already
        if (op_) {
            cpu_.sync_time(op_);
            cpu_.ip = address_of(op_);
        }
        for (unsigned i = 0; i < parts_.count; ++i) {
            const u64 all = ~u64{0} >> (64 - 8 * parts_.size[i]);
            const u64 part = (i == 0 ? value : value >> (8 * parts_.size[0])) & all;
            if (!heard_[i] || !cpu_.probe) continue;
            cpu_.probe->accessed(cpu_, {.linear = parts_.linear[i],
                                        .phys = parts_.phys[i],
                                        .size = parts_.size[i],
                                        .write = write_,
                                        .system = privilege_ == Privilege::supervisor,
                                        .value = part,
                                        .before = known_[i] ? before_[i] : part,
                                        .device = !plain_[i]});
        }
        cpu_.ip = ip;
    }

    Cpu& cpu_;
    const Op* op_;
    const Parts& parts_;
    bool write_;
    Privilege privilege_;
    bool heard_[2]{}, plain_[2]{}, known_[2]{};
    u64 before_[2]{};
};

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
    Report report(cpu, op, parts, false, privilege);
    value = read_part(cpu, op, parts.phys[0], parts.size[0]);
    if (parts.count == 2) value |= read_part(cpu, op, parts.phys[1], parts.size[1]) << (8 * parts.size[0]);
    note_data_breakpoints(cpu, parts.linear[0], size, false);
    report.tell(value);
    if (cpu.leave_requested && op) cpu.request_leave(op);
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
    Report report(cpu, op, parts, true, privilege);
    write_part(cpu, op, parts.phys[0], parts.size[0], value);
    if (parts.count == 2) write_part(cpu, op, parts.phys[1], parts.size[1], value >> (8 * parts.size[0]));
    note_data_breakpoints(cpu, parts.linear[0], size, true);
    for (unsigned i = 0; i < parts.count; ++i)
        write_done(cpu, table_of(cpu, privilege).at(parts.linear[i]), parts.linear[i]);
    report.tell(value);
    if (cpu.leave_requested && op) cpu.request_leave(op);
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
