// What an instruction leaves undefined: the bits that no suite may compare, and that no guest may rely on. The flags of
// a row come from the opcode table (OpInfo::undefined); what depends on the operands, the shift counts, is worked out
// here (SDM 2: SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD, BSWAP). It holds for an instruction that completes; one
// that faults has changed nothing, but that a division leaves its flags undefined when it ends in #DE too
// (`undefined_after_fault`).
#pragma once

#include "cpu/decode/row.hpp"

namespace glassbox {

struct Undefined {
    u32 flags = 0;       ///< bits of EFLAGS without a defined value
    bool result = false; ///< the destination has none either
};

/// Of a decoded instruction about to run with this CL, on a processor with these features.
Undefined undefined_after(const Insn& insn, u8 cl, const FeatureSet& features);

/// The flags that are undefined after it has ended in exception `vector`, in EFLAGS and in the image pushed.
u32 undefined_after_fault(const Insn& insn, u8 vector);

} // namespace glassbox
