// Bytes to Insn (SDM 2, chapter 2): prefixes, opcode maps, ModRM, SIB, displacement, immediates.
#pragma once

#include "cpu/decode/row.hpp"

#include <span>

namespace glassbox {

enum class DecodeStatus : u8 {
    ok,
    need_more, ///< the bytes end within the instruction
    invalid,   ///< #UD
    too_long,  ///< more than 15 bytes: #GP(0)
};

inline constexpr unsigned max_instruction_length = 15;

/// Decodes one instruction for `mode` (namespace mode). An encoding whose feature the model lacks is invalid.
DecodeStatus decode(std::span<const u8> bytes, u32 mode, const FeatureSet& features, Insn& insn);

} // namespace glassbox
