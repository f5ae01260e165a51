// Byte strings to ask the decoder about: for a row of the opcode table, its opcode under every prefix, size, register
// and kind of address that a selector may look at.
#pragma once

#include "cpu/decode/row.hpp"

#include <array>
#include <vector>

namespace glassbox::conformance {

/// The bits of namespace mode that selectors look at, in all combinations that are worth asking for: the commonest
/// first, then real mode, at last 64-bit mode. Compatibility mode decodes as protected mode does.
const std::vector<u32>& modes_of(const Row& row);

using EncodingBytes = std::array<u8, 15>;

/// A ModRM byte and what follows it.
struct OperandBytes {
    std::array<u8, 6> bytes{};
    u8 count = 0;
    bool plain = false; ///< with an extension prefix these are enough
};

/// What stands before the operands: prefixes, escape bytes and the opcode, or VEX.
struct OpcodeBytes {
    std::array<u8, 8> bytes{};
    u8 count = 0;
    bool extended = false; ///< REX, or VEX with R, X and B
};

/// `wide`: the processor knows 66 and 67.
std::vector<OpcodeBytes> opcodes_of(const Row& row, u32 mode_bits, bool wide);
/// Those that the row's own demands on ModRM leave.
std::vector<OperandBytes> operands_for(const Row& row);

/// `rest` fills displacements and immediates.
EncodingBytes put_together(const Row& row, const OpcodeBytes& opcode, const OperandBytes& operand, u8 rest);

} // namespace glassbox::conformance
