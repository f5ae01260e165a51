// Bytes to Insn (SDM 2, chapter 2): prefixes, opcode maps, ModRM, SIB, displacement, immediates.
#pragma once

#include "cpu/decode/row.hpp"

#include <span>

namespace glassbox {

enum class DecodeStatus : u8 {
    ok,
    need_more, ///< the bytes end within the instruction
    invalid,   ///< #UD
    too_long,  ///< more bytes than the processor takes: #GP(0)
};

inline constexpr unsigned max_instruction_length = 15;
/// An 8086 repeats prefixes without limit. Here a run of them that makes an instruction longer than this loses its
/// first byte, which becomes an instruction of its own that does nothing.
inline constexpr unsigned max_instruction_length_8086 = 64;
/// 15 bytes; 10 on the 80286 (80286 Programmer's Reference, B.3).
unsigned max_length(const FeatureSet& features);

/// Decodes one instruction for `mode` (namespace mode). An encoding whose feature the model lacks is invalid.
DecodeStatus decode(std::span<const u8> bytes, u32 mode, const FeatureSet& features, Insn& insn);

} // namespace glassbox
