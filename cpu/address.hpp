// Effective and linear addresses of a memory operand.
//   EaBase, EaFull  flat segment, 32-bit addressing: nothing to check
//   EaSeg           everything else: 16-bit addressing, a base that is not zero, a limit
#pragma once

#include "cpu/state.hpp"

namespace glassbox {

/// The offset within the segment: base + index * scale + displacement, in the width of the address size.
inline u32 offset_of(const Cpu& cpu, const OpFields& op) {
    const u32 sum = cpu.reg<u32>(op.base) + (cpu.reg<u32>(op.index) << op.scale) + static_cast<u32>(op.disp);
    return sum & (~u32{0} >> op.extra);
}

/// The offset `by` bytes on: the second half of a far pointer, of a pair of bounds, of a table register's image. It
/// wraps in the address size, as the offset itself does (80286 Programmer's Reference, LDS: FFFFh and FFFDh fault,
/// FFFEh not).
inline u32 offset_after(const OpFields& op, u32 offset, u32 by) { return (offset + by) & (~u32{0} >> op.extra); }

/// Offsets of an 8086 wrap within 64 KiB, and a word at FFFFh continues at offset 0 of its segment. No linear address
/// can say so; this one, which no TLB entry matches, tells the slow road where to cut (mmu/access.cpp).
namespace wrapped {
inline constexpr u64 flag = u64{1} << 62;
inline constexpr u64 at(u64 linear, unsigned bytes_before) { return flag | (u64{bytes_before} << 32) | linear; }
} // namespace wrapped

/// An access that the segment's ranges do not allow: #GP(0) or #SS(0), on an 80286 in real mode always exception 13. An
/// 8086 knows no limits: true, with `linear` as above.
[[gnu::cold, gnu::noinline]] bool outside_segment(Cpu& cpu, unsigned segment, u32 offset, unsigned size, u64& linear);
/// The same for a stack that need not be the current one, with the error code of its #SS.
[[gnu::cold, gnu::noinline]] bool outside_stack(Cpu& cpu, const Segment& s, u32 offset, unsigned size, u32 error,
                                                u64& linear);

/// Segmentation for one access: false with the fault raised. `linear` wraps at 4 GiB.
inline bool segment_read(Cpu& cpu, unsigned segment, u32 offset, unsigned size, u64& linear) {
    const Segment& s = cpu.seg[segment];
    if (!s.readable_at(offset, size)) [[unlikely]]
        return outside_segment(cpu, segment, offset, size, linear);
    linear = static_cast<u32>(s.base + offset);
    return true;
}
inline bool segment_write(Cpu& cpu, unsigned segment, u32 offset, unsigned size, u64& linear) {
    const Segment& s = cpu.seg[segment];
    if (!s.writable_at(offset, size)) [[unlikely]]
        return outside_segment(cpu, segment, offset, size, linear);
    linear = static_cast<u32>(s.base + offset);
    return true;
}

struct EaBase {
    static bool read(Cpu& cpu, const OpFields& op, unsigned, u64& linear) {
        linear = cpu.reg<u32>(op.base) + static_cast<u32>(op.disp);
        return true;
    }
    static bool write(Cpu& cpu, const OpFields& op, unsigned size, u64& linear) { return read(cpu, op, size, linear); }
};
struct EaFull {
    static bool read(Cpu& cpu, const OpFields& op, unsigned, u64& linear) {
        linear = cpu.reg<u32>(op.base) + (cpu.reg<u32>(op.index) << op.scale) + static_cast<u32>(op.disp);
        return true;
    }
    static bool write(Cpu& cpu, const OpFields& op, unsigned size, u64& linear) { return read(cpu, op, size, linear); }
};
struct EaSeg {
    static bool read(Cpu& cpu, const Op& op, unsigned size, u64& linear) {
        return segment_read(cpu, op.seg, offset_of(cpu, op), size, linear);
    }
    static bool write(Cpu& cpu, const Op& op, unsigned size, u64& linear) {
        return segment_write(cpu, op.seg, offset_of(cpu, op), size, linear);
    }
    static bool read(Cpu& cpu, const FastOp& op, unsigned size, u64& linear) {
        const Segment& s = cpu.seg[op.seg];
        const u32 offset = offset_of(cpu, op);
        linear = static_cast<u32>(s.base + offset);
        return s.readable_at(offset, size);
    }
    static bool write(Cpu& cpu, const FastOp& op, unsigned size, u64& linear) {
        const Segment& s = cpu.seg[op.seg];
        const u32 offset = offset_of(cpu, op);
        linear = static_cast<u32>(s.base + offset);
        return s.writable_at(offset, size);
    }
};

} // namespace glassbox
