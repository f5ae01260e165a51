#include "cpu/decode/decoder.hpp"

#include <algorithm>

namespace glassbox {

namespace {

/// Reads bytes and remembers when they ran out.
class Cursor {
  public:
    explicit Cursor(std::span<const u8> bytes) : bytes_(bytes) {}
    u8 byte() {
        if (at_ >= bytes_.size()) {
            short_ = true;
            return 0;
        }
        return bytes_[at_++];
    }
    u64 number(unsigned width) {
        u64 value = 0;
        for (unsigned i = 0; i < width; ++i) value |= u64{byte()} << (8 * i);
        return value;
    }
    i64 signed_number(unsigned width) {
        const u64 value = number(width);
        const unsigned shift = 64 - 8 * width;
        return static_cast<i64>(value << shift) >> shift;
    }
    unsigned at() const { return at_; }
    bool ran_out() const { return short_; }

  private:
    std::span<const u8> bytes_;
    unsigned at_ = 0;
    bool short_ = false;
};

struct Prefixes {
    bool opsize = false, addrsize = false, lock = false;
    u8 rep = 0;
    i8 segment = -1;
};

/// Consumes prefixes; returns the first other byte.
u8 read_prefixes(Cursor& in, Prefixes& p, const FeatureSet& features, unsigned longest) {
    const bool has_386 = features.has(Feature::i386);
    for (;;) {
        const u8 b = in.byte();
        if (in.ran_out() || in.at() > longest) return b;
        switch (b) {
        case 0x26: p.segment = ES; break;
        case 0x2E: p.segment = CS; break;
        case 0x36: p.segment = SS; break;
        case 0x3E: p.segment = DS; break;
        case 0x64:
            if (!has_386) return b;
            p.segment = FS;
            break;
        case 0x65:
            if (!has_386) return b;
            p.segment = GS;
            break;
        case 0x66:
            if (!has_386) return b;
            p.opsize = true;
            break;
        case 0x67:
            if (!has_386) return b;
            p.addrsize = true;
            break;
        case 0xF0: p.lock = true; break;
        case 0xF1: // LOCK again on the 8086; without effect on an 80286 that no in-circuit emulator listens to
            if (has_386) return b;
            break;
        case 0xF2:
        case 0xF3: p.rep = b; break;
        default: return b;
        }
    }
}

u8 segment_or(i8 override_segment, SegmentName usual) {
    return override_segment >= 0 ? static_cast<u8>(override_segment) : static_cast<u8>(usual);
}

constexpr u8 offset(unsigned number) { return static_cast<u8>(8 * number); }

void decode_memory16(Cursor& in, Insn& insn, i8 override_segment) {
    static constexpr u8 none = zero_gpr;
    static constexpr u8 bases[8] = {RBX, RBX, RBP, RBP, none, none, RBP, RBX};
    static constexpr u8 indexes[8] = {RSI, RDI, RSI, RDI, RSI, RDI, none, none};
    const unsigned mod = insn.mod_field(), rm = insn.rm_field();
    bool stack = bases[rm] == RBP;
    insn.base = offset(bases[rm]);
    insn.index = offset(indexes[rm]);
    if (bases[rm] == none) std::swap(insn.base, insn.index);
    if (mod == 0 && rm == 6) {
        insn.base = offset(none);
        insn.disp = static_cast<i32>(in.number(2));
        stack = false;
    } else if (mod == 1) {
        insn.disp = static_cast<i32>(in.signed_number(1));
    } else if (mod == 2) {
        insn.disp = static_cast<i32>(in.signed_number(2));
    }
    insn.segment = segment_or(override_segment, stack ? SS : DS);
}

/// Without an index the scale means nothing; the 386 applies it to the base (SingleStepTests/80386).
void decode_memory32(Cursor& in, Insn& insn, i8 override_segment, const FeatureSet& features) {
    const unsigned mod = insn.mod_field(), rm = insn.rm_field();
    unsigned base = rm;
    bool no_base = false, scaled_base = false;
    if (rm == 4) {
        const u8 sib = in.byte();
        base = sib & 7u;
        const unsigned index = (sib >> 3) & 7u;
        if (index != 4) {
            insn.index = offset(index);
            insn.scale = static_cast<u8>(sib >> 6);
        } else if (features.has(Feature::only_386)) {
            insn.scale = static_cast<u8>(sib >> 6);
            scaled_base = true;
        }
    }
    if (base == 5 && mod == 0) {
        no_base = true;
        insn.disp = static_cast<i32>(in.number(4));
    } else if (mod == 1) {
        insn.disp = static_cast<i32>(in.signed_number(1));
    } else if (mod == 2) {
        insn.disp = static_cast<i32>(in.number(4));
    }
    if (!no_base) (scaled_base ? insn.index : insn.base) = offset(base);
    const bool stack = !no_base && (base == RSP || base == RBP);
    insn.segment = segment_or(override_segment, stack ? SS : DS);
}

bool needs_modrm(Arg a) {
    switch (a) {
    case Arg::Eb:
    case Arg::Ew:
    case Arg::Ed:
    case Arg::Ev:
    case Arg::Eq:
    case Arg::Gb:
    case Arg::Gw:
    case Arg::Gd:
    case Arg::Gv:
    case Arg::M:
    case Arg::Mb:
    case Arg::Mw:
    case Arg::Md:
    case Arg::Mq:
    case Arg::Mt:
    case Arg::Mdq:
    case Arg::Ma:
    case Arg::Mp:
    case Arg::Mv:
    case Arg::Rd:
    case Arg::Rv:
    case Arg::Sw:
    case Arg::Cd:
    case Arg::Dd:
    case Arg::Pq:
    case Arg::Qd:
    case Arg::Qq:
    case Arg::Nq:
    case Arg::Vx:
    case Arg::Wd:
    case Arg::Wq:
    case Arg::Wx:
    case Arg::Ux:
    case Arg::STi: return true;
    default: return false;
    }
}

bool row_has_modrm(const Row& row) {
    if ((row.attributes & attr::modrm) || row.at.digit_ >= 0 || row.at.rm_ >= 0 || row.at.mod != Mod::any) return true;
    for (Arg a : row.args) {
        if (needs_modrm(a)) return true;
    }
    return false;
}

bool matches(const Row& row, const Prefixes& p, u8 modrm) {
    if (row.at.digit_ >= 0 && ((modrm >> 3) & 7) != row.at.digit_) return false;
    if (row.at.rm_ >= 0 && (modrm & 7) != row.at.rm_) return false;
    if (row.at.mod == Mod::memory && modrm >= 0xC0) return false;
    if (row.at.mod == Mod::reg && modrm < 0xC0) return false;
    switch (row.at.mandatory) {
    case Mandatory::any: return true;
    case Mandatory::none: return p.rep == 0 && !p.opsize;
    case Mandatory::p66: return p.rep == 0 && p.opsize;
    case Mandatory::pF3: return p.rep == 0xF3;
    case Mandatory::pF2: return p.rep == 0xF2;
    }
    return false;
}

u8 byte_register(unsigned number) { return static_cast<u8>(number < 4 ? 8 * number : 8 * (number - 4) + 1); }

Operand gpr_operand(unsigned number, unsigned width) {
    const u8 at = width == 1 ? byte_register(number) : offset(number);
    return {OperandKind::reg, static_cast<u8>(width), at};
}

Operand rm_operand(const Insn& insn, unsigned width) {
    if (insn.mem) return {OperandKind::mem, static_cast<u8>(width), 0};
    return gpr_operand(insn.rm_field(), width);
}

Operand vector_operand(const Insn& insn, OperandKind kind, unsigned width) {
    if (insn.mem) return {OperandKind::mem, static_cast<u8>(width), 0};
    return {kind, static_cast<u8>(width), static_cast<u8>(insn.rm_field())};
}

/// Reads an immediate into the first free place.
void immediate(Cursor& in, Insn& insn, bool& first, unsigned width, bool is_signed) {
    const u64 value = is_signed ? static_cast<u64>(in.signed_number(width)) : in.number(width);
    if (first)
        insn.imm = value;
    else
        insn.imm2 = static_cast<u32>(value);
    first = false;
}

Operand resolve(Arg a, Cursor& in, Insn& insn, bool& first, i8 override_segment) {
    const unsigned v = insn.opsize;
    const u8 number = static_cast<u8>(insn.opcode & 7);
    const auto imm = [&](unsigned width, unsigned operand_width, bool is_signed) {
        immediate(in, insn, first, width, is_signed);
        return Operand{OperandKind::imm, static_cast<u8>(operand_width), 0};
    };
    const auto reg_field = [&](OperandKind kind, unsigned width) {
        return Operand{kind, static_cast<u8>(width), static_cast<u8>(insn.reg_field())};
    };
    switch (a) {
    case Arg::none: return {};
    case Arg::Eb:
    case Arg::Mb: return rm_operand(insn, 1);
    case Arg::Ew:
    case Arg::Mw: return rm_operand(insn, 2);
    case Arg::Ed:
    case Arg::Md: return rm_operand(insn, 4);
    case Arg::Ev:
    case Arg::Mv: return rm_operand(insn, v);
    case Arg::Eq:
    case Arg::Mq: return rm_operand(insn, 8);
    case Arg::M:
    case Arg::Ma:
    case Arg::Mp:
    case Arg::Mt: return rm_operand(insn, v);
    case Arg::Mdq: return rm_operand(insn, 16);
    case Arg::Gb: return gpr_operand(insn.reg_field(), 1);
    case Arg::Gw: return gpr_operand(insn.reg_field(), 2);
    case Arg::Gd: return gpr_operand(insn.reg_field(), 4);
    case Arg::Gv: return gpr_operand(insn.reg_field(), v);
    case Arg::Rd: return gpr_operand(insn.rm_field(), 4);
    case Arg::Rv: return gpr_operand(insn.rm_field(), v);
    case Arg::Sw: return reg_field(OperandKind::segment, 2);
    case Arg::Cd: return reg_field(OperandKind::control, 4);
    case Arg::Dd: return reg_field(OperandKind::debug, 4);
    case Arg::Ib: return imm(1, 1, false);
    case Arg::Ibs: return imm(1, v, true);
    case Arg::Iw: return imm(2, 2, false);
    case Arg::Iz: return imm(v == 2 ? 2 : 4, v, true);
    case Arg::Iv: return imm(v, v, false);
    case Arg::Iq: return imm(8, 8, false);
    case Arg::one: insn.imm = 1; return {OperandKind::imm, 1, 0};
    case Arg::Jb: return imm(1, v, true);
    case Arg::Jz: return imm(v == 2 ? 2 : 4, v, true);
    case Arg::Ap: {
        insn.imm = in.number(v);
        insn.imm2 = static_cast<u32>(in.number(2));
        return {OperandKind::imm, static_cast<u8>(v), 0};
    }
    case Arg::Ob:
    case Arg::Ov: {
        insn.mem = true;
        insn.disp = static_cast<i32>(in.number(insn.addrsize));
        insn.segment = segment_or(override_segment, DS);
        return {OperandKind::mem, static_cast<u8>(a == Arg::Ob ? 1 : v), 0};
    }
    case Arg::AL: return gpr_operand(RAX, 1);
    case Arg::CL: return gpr_operand(RCX, 1);
    case Arg::AX: return gpr_operand(RAX, 2);
    case Arg::eAX: return gpr_operand(RAX, v);
    case Arg::DX: return gpr_operand(RDX, 2);
    case Arg::Zb: return gpr_operand(number, 1);
    case Arg::Zv: return gpr_operand(number, v);
    case Arg::Pq: return reg_field(OperandKind::mmx, 8);
    case Arg::Qd: return vector_operand(insn, OperandKind::mmx, 4);
    case Arg::Qq: return vector_operand(insn, OperandKind::mmx, 8);
    case Arg::Nq: return vector_operand(insn, OperandKind::mmx, 8);
    case Arg::Vx: return reg_field(OperandKind::xmm, 16);
    case Arg::Wd: return vector_operand(insn, OperandKind::xmm, 4);
    case Arg::Wq: return vector_operand(insn, OperandKind::xmm, 8);
    case Arg::Wx:
    case Arg::Ux: return vector_operand(insn, OperandKind::xmm, 16);
    case Arg::ST0: return {OperandKind::st, 10, 0};
    case Arg::STi: return {OperandKind::st, 10, static_cast<u8>(insn.rm_field())};
    case Arg::ES:
    case Arg::CS:
    case Arg::SS:
    case Arg::DS:
    case Arg::FS:
    case Arg::GS: return {OperandKind::segment, 2, static_cast<u8>(static_cast<u8>(a) - static_cast<u8>(Arg::ES))};
    case Arg::Xb:
    case Arg::Yb: return {OperandKind::implied, 1, 0};
    case Arg::Xv:
    case Arg::Yv: return {OperandKind::implied, static_cast<u8>(v), 0};
    case Arg::F: return {OperandKind::implied, static_cast<u8>(v), 0};
    }
    return {};
}

const Row* find_row(unsigned map, const Insn& insn, const Prefixes& p, const FeatureSet& features) {
    for (const Row* row : rows_at(map, insn.opcode)) {
        if (features.has(row->feature) && matches(*row, p, insn.modrm)) return row;
    }
    return nullptr;
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
    insn.opcode = read_prefixes(in, p, features, longest);
    const bool code32 = (mode_bits & mode::code32) != 0;
    insn.opsize = code32 != p.opsize ? 4 : 2;
    insn.addrsize = code32 != p.addrsize ? 4 : 2;
    insn.segment = segment_or(p.segment, DS);
    insn.lock = p.lock;
    insn.rep = p.rep;

    unsigned map = 0;
    if (insn.opcode == 0x0F && features.has(Feature::i286)) {
        map = 1;
        insn.opcode = in.byte();
        if (insn.opcode == 0x38 || insn.opcode == 0x3A) {
            map = insn.opcode == 0x38 ? 2 : 3;
            insn.opcode = in.byte();
        }
    }
    if (in.ran_out()) return finish(DecodeStatus::need_more);
    const auto candidates = rows_at(map, insn.opcode);
    const auto first_row = std::ranges::find_if(candidates, [&](const Row* r) { return features.has(r->feature); });
    if (first_row == candidates.end()) return finish(DecodeStatus::invalid);
    insn.has_modrm = row_has_modrm(**first_row);
    if (insn.has_modrm) {
        insn.modrm = in.byte();
        if (in.ran_out()) return finish(DecodeStatus::need_more);
    }
    const Row* row = find_row(map, insn, p, features);
    if (!row) return finish(DecodeStatus::invalid);
    insn.row = row;
    if (row->attributes & attr::opsize_fixed) insn.opsize = code32 ? 4 : 2;

    bool register_only = false; // MOV to and from CR and DR ignores mod
    for (Arg a : row->args) register_only = register_only || a == Arg::Rd || a == Arg::Rv;
    insn.mem = insn.has_modrm && insn.mod_field() != 3 && !register_only;
    if (insn.mem) {
        if (insn.addrsize == 2)
            decode_memory16(in, insn, p.segment);
        else
            decode_memory32(in, insn, p.segment, features);
    }
    bool first = true;
    for (unsigned i = 0; i < row->args.size(); ++i) insn.operand[i] = resolve(row->args[i], in, insn, first, p.segment);

    const bool system_mode = !(mode_bits & mode::protected_mode) || (mode_bits & mode::v86);
    if ((row->attributes & attr::protected_only) && system_mode) return finish(DecodeStatus::invalid);
    // Before the 386 LOCK goes with every instruction.
    if (insn.lock && features.has(Feature::i386) &&
        !((row->attributes & attr::lockable) && insn.operand[0].kind == OperandKind::mem))
        return finish(DecodeStatus::invalid);
    return finish(DecodeStatus::ok);
}

} // namespace glassbox
