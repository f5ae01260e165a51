// What the entries of the table of known differences share: where a case's operands and stack are, and ways to bring
// both sides together.
#pragma once

#include "tests/x86-conformance/host/known.hpp"

#include "cpu/decode/row.hpp"

#include <cstring>
#include <string_view>

namespace glassbox::conformance::host {

inline constexpr int db = 1, ud = 6, ss = 12, gp = 13, pf = 14, mf = 16, ac = 17, xm = 19;

template <class... Names> bool named(const Situation& s, Names... names) {
    const std::string_view name = s.row.info->mnemonic;
    return ((name == names) || ...);
}
inline bool faulted(const Situation& s) { return !s.completed; }
inline bool memory_fault(int vector) { return vector == gp || vector == ss || vector == pf || vector == ac; }
inline bool within(u64 linear, u64 from, u64 size) { return linear - from < size; }

u16 status_of(const Output& out);
/// The outcome of an exception and all that goes with it.
void take_exception(Situation& s);
void take_memory(Situation& s);
u64 selector_base(u16 selector);
u64 segment_base(const Input& in, unsigned segment);
bool wide_stack(const Input& in);
/// The linear address of the stack's top, and what is at a distance from it.
u64 stack_top(const Input& in);
u64 stack_at_distance(const Input& in, u64 distance);
/// Of the operand in memory.
u64 operand_offset(const Situation& s);
u64 operand_linear(const Situation& s);
/// Bytes of the vector operand in memory; 0 if there is none, or a narrower one.
unsigned vector_operand_size(const Situation& s);
/// FXSAVE, XSAVE and their kin.
bool is_wide_image(const Situation& s);
bool is_xsave_image(const Situation& s);
/// Whether it must be aligned.
bool wants_alignment(const Situation& s);
/// What the data region holds there before the instruction.
u16 data_word(const Input& in, u64 linear);
/// Takes bytes of the data region out of the comparison.
void ignore_memory(Situation& s, u64 linear, u32 size);

/// Entries for 64-bit code and for what VEX encodes.
std::span<const KnownDifference> known_in_long_mode();

} // namespace glassbox::conformance::host
