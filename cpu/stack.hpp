// Implicit stack accesses of ordinary instructions. FlatStack: SS flat and 32 bits wide. Stack64: 64-bit mode.
// AnyStack: everything else, with limits and a 16- or 32-bit stack pointer.
#pragma once

#include "cpu/decode/insn.hpp"
#include "mmu/access.hpp"

namespace glassbox {

struct FlatStack {
    static u32 pointer(const Cpu& cpu) { return cpu.r32(RSP); }
    static u32 moved(const Cpu&, u32 sp, u32 by) { return sp + by; }
    static void set(Cpu& cpu, u32 sp) { cpu.set_r32(RSP, sp); }
    static bool read(Cpu&, const auto&, u32 sp, unsigned, u64& linear) {
        linear = sp;
        return true;
    }
    static bool write(Cpu&, const auto&, u32 sp, unsigned, u64& linear) {
        linear = sp;
        return true;
    }
};

/// An address that is not canonical is #SS here (SDM 3A 6.15); on the first try it only misses.
struct Stack64 {
    static u64 pointer(const Cpu& cpu) { return cpu.gpr[RSP]; }
    static u64 moved(const Cpu&, u64 sp, u64 by) { return sp + by; }
    static void set(Cpu& cpu, u64 sp) { cpu.gpr[RSP] = sp; }
    static bool read(Cpu&, const FastOp&, u64 sp, unsigned, u64& linear) {
        linear = sp;
        return true;
    }
    static bool read(Cpu& cpu, const Op&, u64 sp, unsigned size, u64& linear) {
        return locate_read(cpu, SS, sp, size, linear);
    }
    static bool write(Cpu& cpu, const auto& op, u64 sp, unsigned size, u64& linear) {
        return read(cpu, op, sp, size, linear);
    }
};

struct AnyStack {
    static u32 mask(const Cpu& cpu) { return cpu.seg[SS].big() ? 0xFFFF'FFFF : 0xFFFF; }
    static u32 pointer(const Cpu& cpu) { return cpu.r32(RSP) & mask(cpu); }
    static u32 moved(const Cpu& cpu, u32 sp, u32 by) { return (sp + by) & mask(cpu); }
    static void set(Cpu& cpu, u32 sp) {
        if (cpu.seg[SS].big())
            cpu.set_r32(RSP, sp);
        else
            cpu.set_r16(RSP, static_cast<u16>(sp));
    }
    static bool read(Cpu& cpu, const auto&, u32 sp, unsigned size, u64& linear) {
        return segment_read(cpu, SS, sp, size, linear);
    }
    static bool write(Cpu& cpu, const auto&, u32 sp, unsigned size, u64& linear) {
        return segment_write(cpu, SS, sp, size, linear);
    }
};

inline bool flat_stack(u32 mode_bits) {
    return (mode_bits & (mode::flat_ss | mode::stack32)) == (mode::flat_ss | mode::stack32);
}

/// Pushes; SP moves only when the store succeeded.
template <Word T, class Stack> inline bool push(Cpu& cpu, const auto& op, T value) {
    const auto sp = Stack::moved(cpu, Stack::pointer(cpu), static_cast<decltype(Stack::pointer(cpu))>(0 - sizeof(T)));
    u64 linear = 0;
    if (!Stack::write(cpu, op, sp, sizeof(T), linear) || !store<T>(cpu, op, linear, value)) return false;
    Stack::set(cpu, sp);
    return true;
}
/// Reads the top of the stack without moving SP.
template <Word T, class Stack> inline bool top(Cpu& cpu, const auto& op, T& value) {
    u64 linear = 0;
    return Stack::read(cpu, op, Stack::pointer(cpu), sizeof(T), linear) && load<T>(cpu, op, linear, value);
}
template <Word T, class Stack> inline void drop(Cpu& cpu, u32 extra = 0) {
    const auto sp = Stack::pointer(cpu);
    Stack::set(cpu, Stack::moved(cpu, sp, static_cast<decltype(Stack::pointer(cpu))>(sizeof(T) + extra)));
}

template <Word T, class Stack> struct PushReg {
    static bool run(Cpu& cpu, const auto& op, Flags&) { return push<T, Stack>(cpu, op, cpu.reg<T>(op.reg)); }
};
template <Word T, class Stack> struct PopReg {
    static bool run(Cpu& cpu, const auto& op, Flags&) {
        T value;
        if (!top<T, Stack>(cpu, op, value)) return false;
        drop<T, Stack>(cpu);
        cpu.set_reg<T>(op.reg, value); // POP SP: the popped value wins
        return true;
    }
};
/// Calls `pick.template operator()<T, Stack>()` with the operand's type and the kind of stack.
template <class F> Handler with_stack(const Insn& insn, F&& pick) {
    if (insn.mode & mode::long64)
        return insn.opsize == 2 ? pick.template operator()<u16, Stack64>() : pick.template operator()<u64, Stack64>();
    if (flat_stack(insn.mode))
        return insn.opsize == 2 ? pick.template operator()<u16, FlatStack>()
                                : pick.template operator()<u32, FlatStack>();
    return insn.opsize == 2 ? pick.template operator()<u16, AnyStack>() : pick.template operator()<u32, AnyStack>();
}

} // namespace glassbox
