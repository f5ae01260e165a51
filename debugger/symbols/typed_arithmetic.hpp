// C's arithmetic: conversions by type (C11 6.3.1), pointers (6.5.6).
#pragma once

#include "debugger/symbols/expression_tree.hpp"
#include "debugger/symbols/typed_value.hpp"

namespace glassbox {

/// A number as C computes with it.
struct TypedOperand {
    TypePtr type;       ///< null: a plain number
    u64 number = 0;     ///< as TypedValue::number
    unsigned width = 0; ///< of a plain number: the bits of its register or memory; 0: it was written, or computed
};

/// Two operands of which one has a type at least. The error is without its place.
Expected<TypedOperand> compute_typed(Operator op, const TypedOperand& left, const TypedOperand& right,
                                     unsigned code_bits);
/// -a, ~a, !a of one with a type.
Expected<TypedOperand> compute_typed(Operator op, const TypedOperand& operand, unsigned code_bits);
/// (type)a
Expected<TypedOperand> convert(const TypedOperand& operand, const TypePtr& type);
bool is_true(const TypedOperand& operand);
/// What a double is as a whole number, cut off, within 64 bits.
u64 whole_number(double value);

} // namespace glassbox
