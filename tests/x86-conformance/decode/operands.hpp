// An instruction's operands as two decoders see them, field by field.
#pragma once

#include "cpu/decode/insn.hpp"
#include "cpu/decode/row.hpp"

#include <Zydis/Zydis.h>
#include <array>
#include <span>
#include <string>
#include <vector>

namespace glassbox::conformance {

/// A field in which the decoders differ: its name, what Zydis says and what ours says.
struct Difference {
    std::string field, expected, got;
};

class OperandComparison {
  public:
    OperandComparison();

    /// True when all operands agree. `differences`, when asked for, gets those that do not.
    bool same(const Insn& ours, const ZydisDecodedInstruction& theirs, std::span<const ZydisDecodedOperand> operands,
              std::vector<Difference>* differences = nullptr) const;

  private:
    struct Register {
        OperandKind kind = OperandKind::none;
        u8 width = 0, number = 0; ///< as in Operand
        bool operator==(const Register&) const = default;
    };
    struct Context;

    bool same_operand(Context& c, unsigned index, const ZydisDecodedOperand& theirs) const;
    bool same_register(Context& c, const Operand& ours, const ZydisDecodedOperand& theirs) const;
    bool same_memory(Context& c, unsigned index, const ZydisDecodedOperand& theirs) const;
    bool same_immediate(Context& c, unsigned index, const ZydisDecodedOperand& theirs) const;
    static bool same_far_pointer(Context& c, const ZydisDecodedOperand& theirs);
    bool find_hidden_register(Context& c, unsigned index, std::span<const ZydisDecodedOperand> operands) const;
    bool find_implied(Context& c, unsigned index, std::span<const ZydisDecodedOperand> operands, u32& used) const;

    std::array<Register, ZYDIS_REGISTER_MAX_VALUE + 1> registers_{};
};

/// Bits of a memory operand, 0 when the row does not say (FXSAVE, LGDT).
unsigned memory_bits(Arg arg, unsigned opsize);
bool is_implied(Arg arg);

} // namespace glassbox::conformance
