// What the block builder says about a single decoded instruction, for whoever else has to know.
#pragma once

#include "cpu/block/op.hpp"
#include "cpu/decode/insn.hpp"

namespace glassbox {

/// Whether it may raise a fault that depends on what it works on: flags are visible before it.
bool can_fault(const Insn& insn);

/// A RIP-relative operand gets its address, once insn.ip is known.
void resolve_absolute(Insn& insn);

/// What every op has before its row's `select` picks a handler and changes what it needs otherwise.
void fill_operands(const Insn& insn, Op& op);

} // namespace glassbox
