#include "cpu/decode/undefined.hpp"

#include <string_view>

namespace glassbox {

namespace {

bool is_double_shift(const Row& row) { return row.at.map == 1 && (row.at.opcode & 0xF6) == 0xA4; }

bool is_shift(const Row& row) {
    if (row.at.map != 0 || !(row.attributes & attr::flags_conditional)) return false;
    const unsigned opcode = row.at.opcode;
    if ((opcode & 0xFE) != 0xC0 && (opcode & 0xFC) != 0xD0) return false;
    return row.at.digit_ != 6 || std::string_view(row.info->mnemonic).starts_with("sh"); // no SETMO
}

bool is_bswap(const Row& row) { return row.at.map == 1 && row.at.opcode >= 0xC8 && row.at.opcode <= 0xCF; }

u32 count_of(const Insn& insn, bool by_cl, u8 cl, const FeatureSet& features) {
    const u32 count = by_cl ? cl : static_cast<u8>(insn.imm);
    if (!features.has(Feature::i186)) return count; // the 8086 uses all of CL
    return count & (insn.operand[0].width == 8 ? 63 : 31);
}

Undefined after_shift(const Insn& insn, u32 count) {
    const Row& row = *insn.row;
    if (count == 0) return {};
    const u32 width = 8u * insn.operand[0].width;
    u32 flags = row.info->undefined;
    if (count != 1) flags |= eflags::OF;
    const bool left_or_logical = row.at.digit_ >= 4 && row.at.digit_ != 7; // SAR goes on with the sign
    if (left_or_logical && count >= width) flags |= eflags::CF;
    return {flags, false};
}

Undefined after_double_shift(const Insn& insn, u32 count) {
    if (count == 0) return {};
    if (count > 8u * insn.operand[0].width) return {eflags::arithmetic, true};
    return {insn.row->info->undefined | (count != 1 ? eflags::OF : 0), false};
}

} // namespace

Undefined undefined_after(const Insn& insn, u8 cl, const FeatureSet& features) {
    const Row& row = *insn.row;
    if (is_double_shift(row)) return after_double_shift(insn, count_of(insn, (row.at.opcode & 1) != 0, cl, features));
    if (is_shift(row)) return after_shift(insn, count_of(insn, row.at.opcode >= 0xD2, cl, features));
    return {row.info->undefined, is_bswap(row) && insn.opsize == 2};
}

u32 undefined_after_fault(const Insn& insn, u8 vector) {
    const bool divides = insn.row->at.map == 0 && ((insn.row->at.opcode & 0xFE) == 0xF6 || insn.row->at.opcode == 0xD4);
    return vector == 0 && divides ? insn.row->info->undefined : 0;
}

} // namespace glassbox
