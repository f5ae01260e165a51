// A stack that need not be the current one: the frames of gates, interrupts and far returns are checked as a whole
// before anything is written.
#pragma once

#include "mmu/access.hpp"

#include <span>

namespace glassbox {

struct Stack {
    Segment segment;
    u32 sp = 0;
    Privilege privilege = Privilege::current;
    u32 error = 0; ///< error code of #SS

    /// SS:ESP as they are.
    static Stack current(const Cpu& cpu) { return {cpu.seg[SS], cpu.r32(RSP), Privilege::current, 0}; }
    /// A stack of privilege `cpl`, entered from the current level or one further out.
    static Stack of(const Segment& ss, u32 esp, unsigned cpl, u32 error) {
        return {ss, esp, cpl == 3 ? Privilege::current : Privilege::supervisor, error};
    }

    u32 mask() const { return segment.big() ? 0xFFFF'FFFF : 0xFFFF; }

    /// The value of `width` bytes (2 or 4) `displacement` bytes above the top of the stack.
    bool peek(Cpu& cpu, unsigned width, u32 displacement, u32& value) const;
    /// Whether `count` values could be pushed; false with the fault raised.
    bool has_room(Cpu& cpu, unsigned width, std::size_t count) const;
    /// Pushes the values in order, each `width` bytes (2 or 4); nothing is written unless all can be.
    bool push(Cpu& cpu, unsigned width, std::span<const u32> values);
    /// Where a value of `width` bytes at `offset` is written; false with the fault raised.
    bool place(Cpu& cpu, u32 offset, unsigned width, u64& linear) const;
    void pop(u32 bytes) { sp += bytes; }
    /// Writes (E)SP, in the width of the stack segment.
    void commit_pointer(Cpu& cpu) const {
        if (segment.big())
            cpu.set_r32(RSP, sp);
        else
            cpu.set_r16(RSP, static_cast<u16>(sp));
    }
};

/// One value on or off the current stack, ESP included.
bool push_value(Cpu& cpu, unsigned width, u32 value);

} // namespace glassbox
