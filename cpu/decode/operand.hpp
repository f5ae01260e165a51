// ModRM, SIB, displacements and immediates: the operands of an instruction (SDM 2A 2.1.3-2.1.5).
#pragma once

#include "cpu/decode/prefixes.hpp"
#include "cpu/decode/row.hpp"

namespace glassbox::decoding {

bool row_has_modrm(const Row& row);
/// What ModRM, SIB and the displacement say of a memory operand.
void read_memory_operand(Cursor& in, Insn& insn, const Prefixes& p, const FeatureSet& features);
/// The operand that a row's argument stands for. `first` is true until an immediate was read.
Operand resolve(Arg a, Cursor& in, Insn& insn, bool& first, i8 override_segment);

} // namespace glassbox::decoding
