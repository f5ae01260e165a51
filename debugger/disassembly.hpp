// The text of an instruction in Intel's notation, by Zydis, and what a debugger wants to know of it besides.
#pragma once

#include "bus/types.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace glassbox {

struct Disassembly {
    std::string text;
    std::size_t length = 0; ///< of the instruction; 1 for bytes that are none, 0 when there are no bytes
};

/// `bits`: 16, 32 or 64.
Disassembly disassemble(std::span<const u8> bytes, unsigned bits, u64 ip);

/// A memory operand that the text shows.
struct MemoryOperand {
    std::string segment, base, index; ///< register names; base and index may be empty, base may be "rip"
    unsigned scale = 1;
    i64 displacement = 0;
    unsigned address_bits = 32;
    unsigned size = 0; ///< bytes
    bool read = false, write = false;
    bool address_only = false; ///< LEA
};

enum class InstructionFlow : u8 { next, jump, conditional, call, ret, interrupt, interrupt_return, system_call, halt };

struct DecodedInstruction {
    bool valid = false;
    std::string text;
    std::string mnemonic; ///< small letters
    std::size_t length = 0;
    InstructionFlow flow = InstructionFlow::next;
    bool repeated = false;        ///< REP, REPE or REPNE
    std::optional<u64> target;    ///< of a direct near branch: an offset in CS
    std::optional<u16> target_cs; ///< of a direct far one
    std::vector<MemoryOperand> memory;
};
DecodedInstruction decode_instruction(std::span<const u8> bytes, unsigned bits, u64 ip);

} // namespace glassbox
