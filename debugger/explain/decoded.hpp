// The instruction at a moment, decoded by Zydis, with the values of its registers and the places of its operands.
#pragma once

#include "debugger/explain/memory.hpp"

#include <Zydis/Zydis.h>
#include <vector>

namespace glassbox::explain {

struct Decoded {
    bool valid = false; ///< Zydis knows it
    ZydisDecodedInstruction insn{};
    std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands{};
    std::array<u8, 16> bytes{};
    unsigned readable = 0; ///< bytes that there are
    unsigned length = 0;
    u64 ip = 0;
    std::string text; ///< "mov dword ptr [ebx+4], eax"

    static Decoded at(const Moment& m);
    std::span<const u8> code() const { return std::span(bytes).first(length); }
    u64 next() const { return ip + length; }
    bool is(std::initializer_list<ZydisMnemonic> list) const;
    /// The n-th operand that the text shows, or null.
    const ZydisDecodedOperand* shown(unsigned n) const;
    /// The first explicit memory operand, or null.
    const ZydisDecodedOperand* memory() const;
    /// Bytes of the operand size.
    unsigned width() const { return insn.operand_width / 8u; }
    bool repeats() const {
        return (insn.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)) != 0;
    }
};

/// A general register, a segment register or the instruction pointer; nothing for others.
std::optional<u64> register_value(const Moment& m, const Decoded& d, ZydisRegister reg);
std::string register_name(ZydisRegister reg);
unsigned segment_index(ZydisRegister reg);

/// Where a memory operand lies, with its origin in words.
Operand place_of(const Moment& m, const Decoded& d, const ZydisDecodedOperand& operand);
/// The value of a register, immediate or memory operand; nothing where it cannot be read.
std::optional<u64> value_of(const Moment& m, const Decoded& d, const ZydisDecodedOperand& operand);
/// Everything that it reads or writes in memory by explicit operands and string registers, in the order of the
/// processor; pushes and pops are not among them.
std::vector<Operand> memory_operands(const Moment& m, const Decoded& d);

} // namespace glassbox::explain
