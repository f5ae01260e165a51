// A stack that need not be the current one: the frames of gates, interrupts and far returns are checked as a whole
// before anything is written.
#pragma once

#include "mmu/access.hpp"

#include <span>

namespace glassbox {

struct Stack {
    Segment segment;
    u64 sp = 0;
    Privilege privilege = Privilege::current;
    u32 error = 0;       ///< error code of #SS
    bool long64 = false; ///< of 64-bit code: no segment, only addresses that must be canonical

    /// SS:rSP as they are.
    static Stack current(const Cpu& cpu) {
        const bool long64 = cpu.code64();
        return {cpu.seg[SS], long64 ? cpu.gpr[RSP] : cpu.r32(RSP), Privilege::current, 0, long64};
    }
    /// A stack of privilege `cpl`, entered from the current level or one further out.
    static Stack of(const Segment& ss, u64 sp, unsigned cpl, u32 error, bool long64 = false) {
        return {ss, sp, cpl == 3 ? Privilege::current : Privilege::supervisor, error, long64};
    }

    u64 mask() const { return long64 ? ~u64{0} : segment.big() ? 0xFFFF'FFFF : 0xFFFF; }

    /// The value of `width` bytes (2, 4 or 8) `displacement` bytes above the top of the stack.
    bool peek(Cpu& cpu, unsigned width, u32 displacement, u64& value) const;
    /// Whether `count` values could be pushed; false with the fault raised.
    bool has_room(Cpu& cpu, unsigned width, std::size_t count) const;
    /// Pushes the values in order, each `width` bytes (2, 4 or 8); nothing is written unless all can be.
    bool push(Cpu& cpu, unsigned width, std::span<const u64> values);
    /// Where a value of `width` bytes at `offset` is read or written; false with the fault raised.
    bool find(Cpu& cpu, u64 offset, unsigned width, u64& linear) const;
    bool place(Cpu& cpu, u64 offset, unsigned width, u64& linear) const;
    void pop(u32 bytes) { sp += bytes; }
    /// Writes (R/E)SP, in the width of the stack.
    void commit_pointer(Cpu& cpu) const {
        if (long64)
            cpu.gpr[RSP] = sp;
        else if (segment.big())
            cpu.set_r32(RSP, static_cast<u32>(sp));
        else
            cpu.set_r16(RSP, static_cast<u16>(sp));
    }

  private:
    bool canonical(Cpu& cpu, u64 offset, unsigned width) const;
};

/// One value on or off the current stack, the stack pointer included.
bool push_value(Cpu& cpu, unsigned width, u64 value);

} // namespace glassbox
