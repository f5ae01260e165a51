// Bodies of MOV and LEA, shared by their handlers and by the paired ones.
#pragma once

#include "cpu/operands.hpp"

namespace glassbox {

template <Word T> struct MovRegReg {
    static void run(Cpu& cpu, const Op& op, Flags&) { cpu.set_reg<T>(op.reg, cpu.reg<T>(op.base)); }
};
template <Word T> struct MovRegImm {
    static void run(Cpu& cpu, const Op& op, Flags&) { cpu.set_reg<T>(op.reg, static_cast<T>(op.imm)); }
};
template <Word T, class Ea> struct MovRegMem {
    static bool run(Cpu& cpu, const auto& op, Flags&) {
        u64 linear = 0;
        T value;
        if (!Ea::read(cpu, op, sizeof(T), linear) || !load<T>(cpu, op, linear, value)) return false;
        cpu.set_reg<T>(op.reg, value);
        return true;
    }
};
template <Word T, class Ea, bool immediate> struct MovMem {
    static bool run(Cpu& cpu, const auto& op, Flags&) {
        u64 linear = 0;
        if (!Ea::write(cpu, op, sizeof(T), linear)) return false;
        return store<T>(cpu, op, linear, immediate ? static_cast<T>(Ea::immediate(op)) : cpu.reg<T>(op.reg));
    }
};

template <Word T> struct Lea {
    static void run(Cpu& cpu, const Op& op, Flags&) { cpu.set_reg<T>(op.reg, static_cast<T>(offset_of(cpu, op))); }
};
template <Word T> struct Lea64 { // in 64-bit mode
    static void run(Cpu& cpu, const Op& op, Flags&) { cpu.set_reg<T>(op.reg, static_cast<T>(offset64_of(cpu, op))); }
};
/// Operand and address are of the same size, 32 or 64 bits.
template <Word T> struct LeaBase {
    static void run(Cpu& cpu, const Op& op, Flags&) {
        cpu.set_reg<T>(op.reg, cpu.reg<T>(op.base) + static_cast<T>(op.disp));
    }
};
} // namespace glassbox
