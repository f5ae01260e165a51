#include "cpu/decode/decoder.hpp"

#include "cpu/decode/operand.hpp"

#include <algorithm>

namespace glassbox {

using namespace decoding;

namespace {

/// Whether the prefixes select the row.
bool prefixes_match(const Row& row, const Insn& insn, const Prefixes& p) {
    switch (row.at.mandatory) {
    case Mandatory::any: return true;
    case Mandatory::none: return p.rep == 0 && !p.opsize;
    case Mandatory::p66: return p.rep == 0 && p.opsize;
    case Mandatory::pF3: return p.rep == 0xF3;
    case Mandatory::pF2: return p.rep == 0xF2;
    case Mandatory::no_rep: return p.rep == 0;
    }
    return insn.rep == p.rep;
}

/// Whether the row exists in this mode, whatever follows the opcode.
bool in_mode(const Row& row, const Insn& insn) {
    return !(row.attributes & (insn.code64() ? attr::not_in_64 : attr::only_64)) &&
           (!(row.attributes & attr::rex_b) || (insn.rex & 1));
}

bool matches(const Row& row, const Insn& insn, const Prefixes& p) {
    const u8 modrm = insn.modrm;
    if (!in_mode(row, insn)) return false;
    if (row.at.digit_ >= 0 && ((modrm >> 3) & 7) != row.at.digit_) return false;
    if (row.at.rm_ >= 0 && (modrm & 7) != row.at.rm_) return false;
    if (row.at.mod == Mod::memory && modrm >= 0xC0) return false;
    if (row.at.mod == Mod::reg && modrm < 0xC0) return false;
    if (row.at.w_ >= 0 && (row.at.w_ != 0) != insn.rex_w()) return false;
    if (row.at.l_ >= 0 && (row.at.l_ != 0) != (insn.vector_bytes == 32)) return false;
    if ((row.attributes & attr::vex_no_vvvv) && insn.vvvv != 0) return false;
    return prefixes_match(row, insn, p);
}

const Row* find_row(const Insn& insn, const Prefixes& p, const FeatureSet& features) {
    for (const Row* row : rows_at(insn.encoding, insn.map, insn.opcode)) {
        if (features.has(row->feature) && matches(*row, insn, p)) return row;
    }
    return nullptr;
}

/// The opcode and its map.
void read_opcode(Cursor& in, Insn& insn, const FeatureSet& features) {
    if (insn.opcode != 0x0F || !features.has(Feature::i286)) return;
    insn.map = 1;
    insn.opcode = in.byte();
    if (insn.opcode == 0x38 || insn.opcode == 0x3A) {
        insn.map = insn.opcode == 0x38 ? 2 : 3;
        insn.opcode = in.byte();
    } else if (insn.opcode == 0x0F && features.has(Feature::now3d)) {
        insn.map = 4;
    }
}

/// Operand and address size before the row has its say (SDM 1, tables 3-3 and 3-4).
void set_sizes(Insn& insn, const Prefixes& p) {
    if (insn.code64()) {
        insn.opsize = insn.rex_w() ? 8 : p.opsize ? 2 : 4;
        insn.addrsize = p.addrsize ? 4 : 8;
    } else {
        const bool code32 = (insn.mode & mode::code32) != 0;
        insn.opsize = code32 != p.opsize ? 4 : 2;
        insn.addrsize = code32 != p.addrsize ? 4 : 2;
    }
}
void adjust_operand_size(Insn& insn, const Row& row) {
    if (insn.code64()) {
        if ((row.attributes & attr::opsize_fixed) && insn.opsize == 2) insn.opsize = 4;
        if (((row.attributes & attr::default64) && insn.opsize == 4) || (row.attributes & attr::force64))
            insn.opsize = 8;
        if ((row.attributes & attr::at_most_32) && insn.opsize == 8) insn.opsize = 4;
    } else if (row.attributes & attr::opsize_fixed) {
        insn.opsize = (insn.mode & mode::code32) ? 4 : 2;
    }
}

/// An instruction of one byte that does nothing.
void drop_first_byte(Insn& insn) {
    const u32 mode_bits = insn.mode;
    insn = Insn{};
    insn.mode = mode_bits;
    insn.opcode = 0x90;
    insn.row = rows_at(0, insn.opcode).front();
    insn.length = 1;
}

} // namespace

unsigned max_length(const FeatureSet& features) {
    if (features.has(Feature::only_8086)) return max_instruction_length_8086;
    return features.has(Feature::only_286) ? 10 : max_instruction_length;
}

DecodeStatus decode(std::span<const u8> bytes, u32 mode_bits, const FeatureSet& features, Insn& insn) {
    const unsigned longest = max_length(features);
    Cursor in(bytes.first(std::min<std::size_t>(bytes.size(), longest + 1)));
    insn = Insn{};
    insn.mode = mode_bits;
    const auto finish = [&](DecodeStatus status) {
        insn.length = static_cast<u8>(in.at());
        if (in.at() <= longest && !in.ran_out()) return status;
        if (in.at() <= longest && bytes.size() <= longest) return DecodeStatus::need_more;
        if (!features.has(Feature::only_8086)) return DecodeStatus::too_long;
        drop_first_byte(insn);
        return DecodeStatus::ok;
    };

    Prefixes p;
    insn.opcode = read_prefixes(in, p, features, insn.code64(), longest);
    insn.segment = segment_or(p.segment, DS);
    insn.lock = p.lock;
    insn.rex = p.rex;
    if (is_vex(insn, in.peek())) {
        const bool refused = p.lock || p.rep || p.opsize || p.rex;
        read_vex(in, insn, p);
        if (in.ran_out()) return finish(DecodeStatus::need_more);
        if (refused || insn.map == 0 || insn.map > 3) return finish(DecodeStatus::invalid);
    } else {
        read_opcode(in, insn, features);
        if (in.ran_out()) return finish(DecodeStatus::need_more);
    }
    insn.rep = p.rep;
    set_sizes(insn, p);

    if (insn.map == 4) { // 3DNow!: the opcode comes last
        insn.has_modrm = true;
        insn.modrm = in.byte();
        insn.mem = insn.mod_field() != 3;
        if (insn.mem) read_memory_operand(in, insn, p, features);
        insn.opcode = in.byte();
        if (in.ran_out()) return finish(DecodeStatus::need_more);
    } else {
        const auto candidates = rows_at(insn.encoding, insn.map, insn.opcode);
        const auto first_row = std::ranges::find_if(
            candidates, [&](const Row* r) { return features.has(r->feature) && in_mode(*r, insn); });
        if (first_row == candidates.end()) return finish(DecodeStatus::invalid);
        insn.has_modrm = row_has_modrm(**first_row);
        if (insn.has_modrm) {
            insn.modrm = in.byte();
            if (in.ran_out()) return finish(DecodeStatus::need_more);
        }
    }
    const Row* row = find_row(insn, p, features);
    if (!row) return finish(DecodeStatus::invalid);
    insn.row = row;
    if (!insn.code64()) insn.vvvv &= 7; // but 1111b must be 1111b: so the processors have it (seen on Zen)
    adjust_operand_size(insn, *row);

    bool register_only = false; // MOV to and from CR and DR ignores mod
    for (Arg a : row->args) {
        register_only = register_only || a == Arg::Rd || a == Arg::Rv || a == Arg::Rn;
        insn.vsib = insn.vsib || a == Arg::Mvd || a == Arg::Mvq;
    }
    if (insn.map != 4) {
        insn.mem = insn.has_modrm && insn.mod_field() != 3 && !register_only;
        if (insn.vsib && insn.rm_field() != 4) return finish(DecodeStatus::invalid);
        if (insn.mem) read_memory_operand(in, insn, p, features);
    }
    bool first = true;
    for (unsigned i = 0; i < row->args.size(); ++i) insn.operand[i] = resolve(row->args[i], in, insn, first, p.segment);

    for (const Operand& operand : insn.operand) { // REX.R can name registers that there are not
        if (operand.kind == OperandKind::debug && operand.number > 7) return finish(DecodeStatus::invalid);
        if (operand.kind == OperandKind::control && operand.number > 8) return finish(DecodeStatus::invalid);
    }
    const bool system_mode = !(mode_bits & mode::protected_mode) || (mode_bits & mode::v86);
    if ((row->attributes & attr::protected_only) && system_mode) return finish(DecodeStatus::invalid);
    // Before the 386 LOCK goes with every instruction.
    if (insn.lock && features.has(Feature::i386) &&
        !((row->attributes & attr::lockable) && insn.operand[0].kind == OperandKind::mem))
        return finish(DecodeStatus::invalid);
    return finish(DecodeStatus::ok);
}

} // namespace glassbox
