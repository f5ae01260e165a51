// Effective and linear addresses of a memory operand.
// Outside 64-bit mode:
//   EaBase<u32>, EaFull<u32>  flat segment, 32-bit addressing: nothing to check
//   EaSeg                     everything else: 16-bit addressing, a base that is not zero, a limit
// In 64-bit mode, where only FS and GS have a base and no segment has a limit (SDM 1 3.3.4):
//   EaBase<u64>, EaFull<u64>  no base, 64-bit addressing
//   EaAbsolute                an offset that is known when the block is built: RIP-relative, MOV's 64-bit offsets
//   EaAny64                   everything else: FS, GS, 32-bit addressing
// An address that is not canonical matches no TLB entry; the slow road refuses it (mmu/access.cpp).
#pragma once

#include "cpu/state.hpp"

namespace glassbox {

/// The offset within the segment: base + index * scale + displacement, in the width of the address size. Outside 64-bit
/// mode.
inline u32 offset_of(const Cpu& cpu, const OpFields& op) {
    const u32 sum = cpu.reg<u32>(op.base) + (cpu.reg<u32>(op.index) << op.scale) + static_cast<u32>(op.disp);
    return sum & (~u32{0} >> op.extra);
}

/// The same in 64-bit mode, but for operands with `absolute_base`.
inline u64 offset64_of(const Cpu& cpu, const OpFields& op) {
    const u64 sum = cpu.reg<u64>(op.base) + (cpu.reg<u64>(op.index) << op.scale) + static_cast<u64>(i64{op.disp});
    return sum & (~u64{0} >> op.extra);
}
/// All-ones in the width of the address size.
inline u64 address_mask(const Cpu& cpu, const OpFields& op) {
    return (cpu.code64() ? ~u64{0} : u64{0xFFFF'FFFF}) >> op.extra;
}
/// The offset of a memory operand in any mode, for cold code.
inline u64 effective_offset(const Cpu& cpu, const OpFields& op) {
    if (!cpu.code64()) return offset_of(cpu, op);
    return op.base == absolute_base ? op.imm : offset64_of(cpu, op);
}
/// The immediate of an instruction that may have a memory operand, in any mode, for cold code.
inline u64 immediate_of(const OpFields& op) {
    return op.base == absolute_base ? static_cast<u64>(i64{op.disp}) : op.imm;
}

/// The offset `by` bytes on: the second half of a far pointer, of a pair of bounds, of a table register's image. It
/// wraps in the address size, as the offset itself does (80286 Programmer's Reference, LDS: FFFFh and FFFDh fault,
/// FFFEh not).
inline u64 offset_after(const Cpu& cpu, const OpFields& op, u64 offset, u32 by) {
    return (offset + by) & address_mask(cpu, op);
}

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

/// Segmentation of implicit operands (strings, XLAT, bit strings) in any mode. What is not canonical, `load` and
/// `store` refuse.
inline bool any_read(Cpu& cpu, unsigned segment, u64 offset, unsigned size, u64& linear) {
    if (!cpu.code64()) return segment_read(cpu, segment, static_cast<u32>(offset), size, linear);
    linear = cpu.base64[segment] + offset;
    return true;
}
inline bool any_write(Cpu& cpu, unsigned segment, u64 offset, unsigned size, u64& linear) {
    if (!cpu.code64()) return segment_write(cpu, segment, static_cast<u32>(offset), size, linear);
    linear = cpu.base64[segment] + offset;
    return true;
}

/// Segmentation in any mode, for cold code: in 64-bit mode #GP(0), or #SS(0), for an address that is not canonical.
bool locate_read(Cpu& cpu, unsigned segment, u64 offset, unsigned size, u64& linear);
bool locate_write(Cpu& cpu, unsigned segment, u64 offset, unsigned size, u64& linear);

/// Where a memory operand lies, and the immediate that may stand beside it.
struct ImmediateInPlace {
    static u64 immediate(const OpFields& op) { return op.imm; }
};
template <class A> struct EaBase : ImmediateInPlace { // A: the width of an address, u32 or u64
    static bool read(Cpu& cpu, const OpFields& op, unsigned, u64& linear) {
        linear = static_cast<A>(cpu.reg<A>(op.base) + static_cast<A>(op.disp));
        return true;
    }
    static bool write(Cpu& cpu, const OpFields& op, unsigned size, u64& linear) { return read(cpu, op, size, linear); }
};
template <class A> struct EaFull : ImmediateInPlace {
    static bool read(Cpu& cpu, const OpFields& op, unsigned, u64& linear) {
        linear = static_cast<A>(cpu.reg<A>(op.base) + (cpu.reg<A>(op.index) << op.scale) + static_cast<A>(op.disp));
        return true;
    }
    static bool write(Cpu& cpu, const OpFields& op, unsigned size, u64& linear) { return read(cpu, op, size, linear); }
};
struct EaAbsolute {
    static u64 immediate(const OpFields& op) { return static_cast<u64>(i64{op.disp}); }
    static bool read(Cpu& cpu, const OpFields& op, unsigned, u64& linear) {
        linear = cpu.base64[op.seg] + op.imm;
        return true;
    }
    static bool write(Cpu& cpu, const OpFields& op, unsigned size, u64& linear) { return read(cpu, op, size, linear); }
};
struct EaAny64 : ImmediateInPlace {
    static bool read(Cpu& cpu, const OpFields& op, unsigned, u64& linear) {
        linear = cpu.base64[op.seg] + offset64_of(cpu, op);
        return true;
    }
    static bool write(Cpu& cpu, const OpFields& op, unsigned size, u64& linear) { return read(cpu, op, size, linear); }
};
struct EaSeg : ImmediateInPlace {
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
