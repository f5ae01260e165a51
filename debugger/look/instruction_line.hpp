// One instruction as every part of the debugger shows it: where it is, its bytes, its text, what its operands and
// targets are called and hold.
#pragma once

#include "cpu/state.hpp"
#include "debugger/disassembly.hpp"

#include <optional>
#include <string>
#include <vector>

namespace glassbox {
class Symbols;
}

namespace glassbox::look {

/// Where code lies and how it is decoded.
struct CodePlace {
    u64 linear = 0;
    bool physical = false; ///< `linear` is a physical address
    unsigned bits = 16;    ///< 16, 32 or 64
    u16 selector = 0;
    u64 base = 0; ///< of the segment: offset = linear - base
};

struct InstructionLine {
    CodePlace place;
    u64 offset = 0; ///< in the segment
    std::vector<u8> bytes;
    DecodedInstruction decoded;
    std::string symbol; ///< "schedule+1ch", "" without symbols
    std::string source; ///< "sched.c:12"
    std::string target; ///< the symbol that a direct branch leads to
    std::string values; ///< of the instruction at CS:IP: "[00001F38] = 5, taken"
};

/// The instruction at CS:IP.
CodePlace current_place(const Cpu& cpu);
/// Code at a linear address, taken to be in the current code segment.
CodePlace place_at(const Cpu& cpu, u64 linear);

/// Reads and decodes; `symbols` may be null. With `values`, its operands are looked up as they are now.
InstructionLine instruction_line(const Cpu& cpu, const Symbols* symbols, const CodePlace& place, bool values = false);
/// The instruction at CS:IP with the values of its operands.
InstructionLine current_instruction(const Cpu& cpu, const Symbols* symbols);

/// "0000:7C00", "0008:C0101000", "FFFFFFFF81000000" (64-bit code: the selector says nothing).
std::string code_address(const InstructionLine& line);
/// "=> 0000:7C00  FA                    cli          ; boot+3": one line, without its end.
std::string to_text(const InstructionLine& line, bool marker = false);

/// The linear address of a memory operand with the registers as they are now.
struct OperandAddress {
    u64 offset = 0;
    u64 linear = 0;
};
std::optional<OperandAddress> operand_address(const Cpu& cpu, const MemoryOperand& operand, u64 next_ip);
/// Whether a conditional jump, LOOP or JCXZ would be taken now; nothing for other instructions.
std::optional<bool> branch_taken(const Cpu& cpu, const DecodedInstruction& instruction, unsigned bits);

} // namespace glassbox::look
