#include "cpu/decode/decoder.hpp"

#include <algorithm>
#include <utility>

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
    /// The next byte, left where it is; 0 at the end, and then it has run out.
    u8 peek() const { return at_ < bytes_.size() ? bytes_[at_] : u8{0}; }
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
    u8 rex = 0; ///< counts only right before the opcode
    i8 segment = -1;
};

/// Consumes one prefix; false when `b` is none.
bool take_prefix(u8 b, Prefixes& p, bool has_386, bool code64) {
    if (code64 && (b & 0xF0) == 0x40) {
        p.rex = b;
        return true;
    }
    const auto override_segment = [&](i8 name) {
        if (!code64 || name >= FS) p.segment = name; // the others have no meaning in 64-bit mode
        return true;
    };
    const u8 rex = std::exchange(p.rex, u8{0});
    switch (b) {
    case 0x26: return override_segment(ES);
    case 0x2E: return override_segment(CS);
    case 0x36: return override_segment(SS);
    case 0x3E: return override_segment(DS);
    case 0x64:
        if (has_386) return override_segment(FS);
        break;
    case 0x65:
        if (has_386) return override_segment(GS);
        break;
    case 0x66:
        if (has_386) return p.opsize = true;
        break;
    case 0x67:
        if (has_386) return p.addrsize = true;
        break;
    case 0xF0: return p.lock = true;
    case 0xF1: // LOCK again on the 8086; without effect on an 80286 that no in-circuit emulator listens to
        if (!has_386) return true;
        break;
    case 0xF2:
    case 0xF3: p.rep = b; return true;
    default: break;
    }
    p.rex = rex;
    return false;
}

/// Consumes prefixes; returns the first other byte.
u8 read_prefixes(Cursor& in, Prefixes& p, const FeatureSet& features, bool code64, unsigned longest) {
    const bool has_386 = features.has(Feature::i386);
    for (;;) {
        const u8 b = in.byte();
        if (in.ran_out() || in.at() > longest || !take_prefix(b, p, has_386, code64)) return b;
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

bool row_has_modrm(const Row& row) {
    if ((row.attributes & attr::modrm) || row.at.digit_ >= 0 || row.at.rm_ >= 0 || row.at.mod != Mod::any) return true;
    for (Arg a : row.args) {
        if (needs_modrm(a)) return true;
    }
    return false;
}

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

const Row* find_row(const Insn& insn, const Prefixes& p, const FeatureSet& features) {
    for (const Row* row : rows_at(insn.encoding, insn.map, insn.opcode)) {
        if (features.has(row->feature) && matches(*row, insn, p)) return row;
    }
    return nullptr;
}

/// Whether C4 or C5 introduces a VEX prefix: always in 64-bit mode, elsewhere where LDS and LES have no register form.
/// In real and virtual-8086 mode that form stays undefined.
bool is_vex(const Insn& insn, u8 next) {
    if (insn.opcode != 0xC4 && insn.opcode != 0xC5) return false;
    if (insn.code64()) return true;
    return next >= 0xC0 && (insn.mode & mode::protected_mode) && !(insn.mode & mode::v86);
}

/// The VEX prefix from its second byte on (SDM 2A 2.3.5), as if it were REX, 66, F2, F3 and the opcode map.
void read_vex(Cursor& in, Insn& insn, Prefixes& p) {
    const bool three_bytes = insn.opcode == 0xC4;
    const u8 first = in.byte();
    const u8 last = three_bytes ? in.byte() : first;
    insn.encoding = Encoding::vex;
    insn.map = three_bytes ? first & 0x1F : 1;
    unsigned rex = 0x40u | (static_cast<unsigned>(~first >> 7) & 1) << 2;
    if (three_bytes) rex |= (static_cast<unsigned>(~first >> 5) & 3) | ((last & 0x80u) >> 4);
    insn.vvvv = static_cast<u8>((~last >> 3) & 15);
    if (!insn.code64()) rex &= 0x48; // R and X are 1 here anyway, B is ignored, and so is the top bit of vvvv: below
    insn.rex = static_cast<u8>(rex);
    insn.vector_bytes = (last & 4) ? 32 : 16;
    static constexpr u8 reps[] = {0, 0, 0xF3, 0xF2};
    p.opsize = (last & 3) == 1;
    p.rep = reps[last & 3];
    insn.opcode = in.byte();
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

void read_memory_operand(Cursor& in, Insn& insn, const Prefixes& p, const FeatureSet& features) {
    if (insn.addrsize == 2)
        decode_memory16(in, insn, p.segment);
    else
        decode_memory32(in, insn, p.segment, features);
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
