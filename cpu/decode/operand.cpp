#include "cpu/decode/operand.hpp"

#include <utility>

namespace glassbox::decoding {

namespace {

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

/// What SIB says. Without an index the scale means nothing; the 386 applies it to the base (SingleStepTests/80386).
/// Returns the base's number without its extension bit.
unsigned read_sib(Cursor& in, Insn& insn, const FeatureSet& features, bool& scaled_base) {
    const u8 sib = in.byte();
    const unsigned index = ((sib >> 3) & 7u) | ((insn.rex & 2u) << 2);
    if (insn.vsib) {
        insn.index = static_cast<u8>(index);
        insn.scale = static_cast<u8>(sib >> 6);
    } else if (index != 4) {
        insn.index = offset(index);
        insn.scale = static_cast<u8>(sib >> 6);
    } else if (features.has(Feature::only_386)) {
        insn.scale = static_cast<u8>(sib >> 6);
        scaled_base = true;
    }
    return sib & 7u;
}

/// 32- and 64-bit addressing (SDM 2A, tables 2-2 and 2-3).
void decode_memory32(Cursor& in, Insn& insn, i8 override_segment, const FeatureSet& features) {
    const unsigned mod = insn.mod_field();
    unsigned base = insn.rm_field();
    bool no_base = false, scaled_base = false;
    const bool has_sib = base == 4;
    if (has_sib) base = read_sib(in, insn, features, scaled_base);
    if (base == 5 && mod == 0) {
        no_base = true;
        insn.disp = static_cast<i32>(in.number(4));
        insn.rip_relative = !has_sib && insn.code64();
    } else if (mod == 1) {
        insn.disp = static_cast<i32>(in.signed_number(1));
    } else if (mod == 2) {
        insn.disp = static_cast<i32>(in.number(4));
    }
    base |= (insn.rex & 1u) << 3;
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
    case Arg::Ey:
    case Arg::Gy:
    case Arg::Ry:
    case Arg::My:
    case Arg::Cy:
    case Arg::Dy:
    case Arg::Rn:
    case Arg::Mx:
    case Arg::Vdq:
    case Arg::Wdq:
    case Arg::Udq:
    case Arg::Vqq:
    case Arg::Wqq:
    case Arg::Mqq:
    case Arg::Wb:
    case Arg::Ww:
    case Arg::Wh:
    case Arg::Wo:
    case Arg::We:
    case Arg::Edb:
    case Arg::Edw:
    case Arg::Mvd:
    case Arg::Mvq:
    case Arg::Gn:
    case Arg::Ez:
    case Arg::STi: return true;
    default: return false;
    }
}

/// Without REX, numbers 4 to 7 are AH, CH, DH and BH.
u8 byte_register(const Insn& insn, unsigned number) {
    return static_cast<u8>(number < 4 || insn.rex ? 8 * number : 8 * (number - 4) + 1);
}

Operand gpr_operand(const Insn& insn, unsigned number, unsigned width) {
    const u8 at = width == 1 ? byte_register(insn, number) : offset(number);
    return {OperandKind::reg, static_cast<u8>(width), at};
}

Operand rm_operand(const Insn& insn, unsigned width) {
    if (insn.mem) return {OperandKind::mem, static_cast<u8>(width), 0};
    return gpr_operand(insn, insn.rm_number(), width);
}

OperandKind vector_kind(unsigned width) { return width == 32 ? OperandKind::ymm : OperandKind::xmm; }
/// MMX registers have no extension bit.
Operand mmx_operand(const Insn& insn, unsigned width) {
    if (insn.mem) return {OperandKind::mem, static_cast<u8>(width), 0};
    return {OperandKind::mmx, static_cast<u8>(width), static_cast<u8>(insn.rm_field())};
}
/// The r/m operand: a vector register, or memory of `width` bytes.
Operand vector_operand(const Insn& insn, unsigned width) {
    if (insn.mem) return {OperandKind::mem, static_cast<u8>(width), 0};
    return {vector_kind(width), static_cast<u8>(width), static_cast<u8>(insn.rm_number())};
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

/// Reads `imm` for Arg::Lx: the register in its upper half.
Operand register_in_immediate(Cursor& in, Insn& insn, bool& first, unsigned width) {
    immediate(in, insn, first, 1, false);
    const u64 number = (insn.imm >> 4) & (insn.code64() ? 15u : 7u);
    return {vector_kind(width), static_cast<u8>(width), static_cast<u8>(number)};
}

/// MOV with an offset: as wide as an address.
Operand offset_operand(Cursor& in, Insn& insn, i8 override_segment, unsigned width) {
    insn.mem = true;
    insn.segment = segment_or(override_segment, DS);
    if (insn.code64()) {
        insn.absolute = true;
        insn.address = in.number(insn.addrsize);
    } else {
        insn.disp = static_cast<i32>(in.number(insn.addrsize));
    }
    return {OperandKind::mem, static_cast<u8>(width), 0};
}

Operand resolve_vector(Arg a, Cursor& in, Insn& insn, bool& first) {
    const unsigned x = insn.vector_bytes;
    const auto vector = [](unsigned number, unsigned width) {
        return Operand{vector_kind(width), static_cast<u8>(width), static_cast<u8>(number)};
    };
    switch (a) {
    case Arg::Pq: return {OperandKind::mmx, 8, static_cast<u8>(insn.reg_field())};
    case Arg::Qd: return mmx_operand(insn, 4);
    case Arg::Qq:
    case Arg::Nq: return mmx_operand(insn, 8);
    case Arg::Vx: return vector(insn.reg_number(), x);
    case Arg::Vdq: return vector(insn.reg_number(), 16);
    case Arg::Vqq: return vector(insn.reg_number(), 32);
    case Arg::Hx: return vector(insn.vvvv, x);
    case Arg::Hdq: return vector(insn.vvvv, 16);
    case Arg::Hqq: return vector(insn.vvvv, 32);
    case Arg::Lx: return register_in_immediate(in, insn, first, x);
    case Arg::Ldq: return register_in_immediate(in, insn, first, 16);
    case Arg::Wb: return vector_operand(insn, 1);
    case Arg::Ww: return vector_operand(insn, 2);
    case Arg::Wd: return vector_operand(insn, 4);
    case Arg::Wq: return vector_operand(insn, 8);
    case Arg::Wx:
    case Arg::Ux:
    case Arg::Mx: return vector_operand(insn, x);
    case Arg::Wdq:
    case Arg::Udq: return vector_operand(insn, 16);
    case Arg::Wqq:
    case Arg::Mqq: return vector_operand(insn, 32);
    case Arg::Wh: return vector_operand(insn, x / 2);
    case Arg::Wo: return vector_operand(insn, x / 4);
    case Arg::We: return vector_operand(insn, x / 8);
    case Arg::Mvd: return {OperandKind::mem, 4, 0};
    case Arg::Mvq: return {OperandKind::mem, 8, 0};
    default: return {};
    }
}

} // namespace

bool row_has_modrm(const Row& row) {
    if ((row.attributes & attr::modrm) || row.at.digit_ >= 0 || row.at.rm_ >= 0 || row.at.mod != Mod::any) return true;
    for (Arg a : row.args) {
        if (needs_modrm(a)) return true;
    }
    return false;
}

void read_memory_operand(Cursor& in, Insn& insn, const Prefixes& p, const FeatureSet& features) {
    if (insn.addrsize == 2)
        decode_memory16(in, insn, p.segment);
    else
        decode_memory32(in, insn, p.segment, features);
}

Operand resolve(Arg a, Cursor& in, Insn& insn, bool& first, i8 override_segment) {
    const unsigned v = insn.opsize;
    const unsigned y = insn.code64() && insn.rex_w() ? 8 : 4;
    const unsigned native = insn.code64() ? 8 : 4;
    const unsigned number = (insn.opcode & 7u) | ((insn.rex & 1u) << 3);
    const auto imm = [&](unsigned width, unsigned operand_width, bool is_signed) {
        immediate(in, insn, first, width, is_signed);
        return Operand{OperandKind::imm, static_cast<u8>(operand_width), 0};
    };
    const auto gpr = [&](unsigned n, unsigned width) { return gpr_operand(insn, n, width); };
    const auto reg_field = [&](OperandKind kind, unsigned width, unsigned n) {
        return Operand{kind, static_cast<u8>(width), static_cast<u8>(n)};
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
    case Arg::Ey:
    case Arg::My: return rm_operand(insn, y);
    case Arg::Ez: return rm_operand(insn, std::min(v, 4u));
    case Arg::Eq:
    case Arg::Mq: return rm_operand(insn, 8);
    case Arg::Edb: return rm_operand(insn, insn.mem ? 1 : 4);
    case Arg::Edw: return rm_operand(insn, insn.mem ? 2 : 4);
    case Arg::M:
    case Arg::Ma:
    case Arg::Mp:
    case Arg::Mt: return rm_operand(insn, v);
    case Arg::Mdq: return rm_operand(insn, 16);
    case Arg::Gb: return gpr(insn.reg_number(), 1);
    case Arg::Gw: return gpr(insn.reg_number(), 2);
    case Arg::Gd: return gpr(insn.reg_number(), 4);
    case Arg::Gv: return gpr(insn.reg_number(), v);
    case Arg::Gy: return gpr(insn.reg_number(), y);
    case Arg::Gn: return gpr(insn.reg_number(), native);
    case Arg::By: return gpr(insn.vvvv, y);
    case Arg::Rd: return gpr(insn.rm_number(), 4);
    case Arg::Rv: return gpr(insn.rm_number(), v);
    case Arg::Ry: return gpr(insn.rm_number(), y);
    case Arg::Rn: return gpr(insn.rm_number(), native);
    case Arg::Sw: return reg_field(OperandKind::segment, 2, insn.reg_field());
    case Arg::Cd: return reg_field(OperandKind::control, 4, insn.reg_number());
    case Arg::Dd: return reg_field(OperandKind::debug, 4, insn.reg_number());
    case Arg::Cy: return reg_field(OperandKind::control, native, insn.reg_number());
    case Arg::Dy: return reg_field(OperandKind::debug, native, insn.reg_number());
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
    case Arg::Ob: return offset_operand(in, insn, override_segment, 1);
    case Arg::Ov: return offset_operand(in, insn, override_segment, v);
    case Arg::AL: return gpr(RAX, 1);
    case Arg::CL: return gpr(RCX, 1);
    case Arg::AX: return gpr(RAX, 2);
    case Arg::eAX: return gpr(RAX, v);
    case Arg::DX: return gpr(RDX, 2);
    case Arg::Zb: return gpr(number, 1);
    case Arg::Zv: return gpr(number, v);
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
    case Arg::Yv:
    case Arg::F: return {OperandKind::implied, static_cast<u8>(v), 0};
    default: return resolve_vector(a, in, insn, first);
    }
}

} // namespace glassbox::decoding
