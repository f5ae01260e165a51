// What the x87 instructions have in common: when they may run, the pointers they leave behind, stack faults, and how
// exceptions reach the program (SDM 1, 8.1.8, 8.5 to 8.7; SDM 3A, 2.5 and 9.2).
//
// Every row keeps its own address in Op::imm and its 11-bit opcode in Op::imm2, so that the last-instruction pointers
// cost two stores.
// Exceptions: with CR0.NE the next waiting instruction raises #MF. Without, FERR# rises with the exception and the
// board makes IRQ 13 of it; execution leaves after the instruction so that the interrupt comes at once. Deviation: a
// waiting instruction that finds FERR# raised goes on, as if the board held IGNNE#, instead of freezing.
#pragma once

#include "cpu/exec.hpp"
#include "cpu/fpu/softfloat/values.hpp"
#include "cpu/operands.hpp"

namespace glassbox::x87 {

using softfloat::F32;
using softfloat::F64;
using softfloat::F80;
using softfloat::FloatEnv;

// --- may it run -----------------------------------------------------------------------------------------------------
/// CR0.EM or CR0.TS: #NM. False with the fault raised.
bool refuse_device(Cpu& cpu);
/// A pending unmasked exception at a waiting instruction. False with #MF raised; true with CR0.NE clear.
bool refuse_pending(Cpu& cpu);

inline bool available(Cpu& cpu) { return (cpu.cr0 & (cr0::EM | cr0::TS)) == 0 || refuse_device(cpu); }
/// For all but the control instructions that do not wait.
inline bool ready(Cpu& cpu) {
    if (!available(cpu)) return false;
    return !cpu.fpu.pending() || refuse_pending(cpu);
}

// --- last-instruction pointers --------------------------------------------------------------------------------------
inline void note(Cpu& cpu, const Op& op) {
    cpu.fpu.instruction_pointer = op.imm;
    cpu.fpu.instruction_selector = cpu.seg[CS].selector;
    cpu.fpu.opcode = static_cast<u16>(op.imm2);
}
inline void note_with_data(Cpu& cpu, const Op& op) {
    note(cpu, op);
    // Of an operand whose offset is `imm`, the instruction's address follows from it.
    if (op.base == absolute_base) cpu.fpu.instruction_pointer = op.imm - op.length - static_cast<u64>(i64{op.disp});
    cpu.fpu.data_pointer = effective_offset(cpu, op);
    cpu.fpu.data_selector = cpu.seg[op.seg].selector;
}

// --- exceptions -----------------------------------------------------------------------------------------------------
/// FERR# follows the pending exceptions, where the board listens to it.
void update_ferr(Cpu& cpu);
[[gnu::cold, gnu::noinline]] void report_unmasked(Cpu& cpu, const Op& op);

/// Takes over flags and C1. False: an unmasked exception keeps the result from being written.
inline bool settle(Cpu& cpu, const Op& op, const FloatEnv& env) {
    FpuState& f = cpu.fpu;
    f.status = static_cast<u16>((f.status & ~FpuState::c1) | env.flags | (env.rounded_up ? FpuState::c1 : 0));
    if ((env.flags & ~env.masks) == 0) [[likely]]
        return true;
    report_unmasked(cpu, op);
    return !env.suppressed();
}

/// An empty register was read (C1 = 0) or a full one pushed over (C1 = 1). True when masked: the operation then
/// delivers the indefinite.
bool stack_fault(Cpu& cpu, const Op& op, bool overflow);
inline bool stack_underflow(Cpu& cpu, const Op& op) { return stack_fault(cpu, op, false); }
inline bool stack_overflow(Cpu& cpu, const Op& op) { return stack_fault(cpu, op, true); }

inline F80 indefinite() { return softfloat::indefinite<F80>(); }
inline void clear_c1(Cpu& cpu) { cpu.fpu.status = static_cast<u16>(cpu.fpu.status & ~FpuState::c1); }
inline void set_conditions(Cpu& cpu, u16 bits) {
    cpu.fpu.status = static_cast<u16>((cpu.fpu.status & ~FpuState::conditions) | bits);
}
/// Pushes, or answers the stack overflow.
inline void push_or_fault(Cpu& cpu, const Op& op, F80 value) {
    if (!cpu.fpu.empty(7)) [[unlikely]] {
        if (stack_overflow(cpu, op)) cpu.fpu.push(indefinite());
        return;
    }
    cpu.fpu.push(value);
}

// --- rows -----------------------------------------------------------------------------------------------------------
inline void fill(const Insn& insn, Op& op) {
    op.imm2 = (insn.opcode & 7u) << 8 | insn.modrm;
    if (insn.absolute)
        op.disp = insn.disp;
    else
        op.imm = insn.ip;
}
/// Registers only: Op::reg is the number i of ST(i).
template <class Body> Handler select_register(const Insn& insn, Op& op) {
    fill(insn, op);
    op.reg = static_cast<u8>(insn.rm_field());
    return &handler<Body>;
}
template <template <class Ea> class Body> Handler select_memory(const Insn& insn, Op& op) {
    fill(insn, op);
    return with_address(insn, [&]<class Ea>() -> Handler { return &handler<Body<Ea>>; });
}
consteval Row row(const OpInfo& info, At at, std::array<Arg, 4> args, Select select, u32 attributes = 0,
                  Feature feature = Feature::fpu) {
    return {at, args, &info, select, attributes | attr::may_fault | attr::modrm, feature};
}
template <class Body> consteval Row on_registers(const OpInfo& info, At at, std::array<Arg, 4> args, u32 attributes = 0,
                                                 Feature feature = Feature::fpu) {
    return row(info, at, args, &select_register<Body>, attributes, feature);
}
template <template <class Ea> class Body>
consteval Row on_memory(const OpInfo& info, At at, Arg memory, Feature feature = Feature::fpu) {
    return row(info, at.mem(), {memory}, &select_memory<Body>, 0, feature);
}

// The parts of the table; families::fpu() joins them.
std::span<const Row> arithmetic_rows();
std::span<const Row> compare_rows();
std::span<const Row> transfer_rows();
std::span<const Row> control_rows();
std::span<const Row> transcendental_rows();

} // namespace glassbox::x87
