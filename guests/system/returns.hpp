// What RET far and IRET have in common: a return in protected mode, to the same or to an outer level (SDM 2A, IRET:
// "protected-mode return"; SDM 2B, RET; SDM 3A, 5.8.6). Each form runs the same matrix for either instruction.
#pragma once

#include "guests/system/gates.hpp"

namespace returns {

struct Instruction {
    const char* name;
    u32 slots; ///< of the frame before the outer ESP and SS: EIP, CS and, for IRET, EFLAGS
    const void* (*code)(bool wide, u32 release);
};

struct Return {
    const Instruction& instruction;
    bool wide;
    u32 cpl, cs, ss, release = 0; ///< release: the bytes that RET n takes off both stacks
};

/// Runs it and compares with `fault`, or with a whole return.
void check(Report& report, const Return& r, gates::Fault fault);

void code_segments(Report& report, const Instruction& instruction, bool wide);
void stack_segments(Report& report, const Instruction& instruction);
void selectors(Report& report, const Instruction& instruction);
/// Data segments that the outer level may not use are gone after the return; conforming code stays.
void data_segments(Report& report, const Instruction& instruction);
/// The frame against the stack's limit and EIP against the code's, in the order of the pseudo-code.
void limits(Report& report, const Instruction& instruction);

} // namespace returns
