// One row per encoding: the instruction set as a table that reads like the opcode maps of SDM 2, appendix A. Each
// family of cpu/ops holds its rows beside its semantics; cpu/decode/table.cpp gathers them. The decoder, CPUID gates,
// the opcode reference, the test generators and the coverage report all come from here.
#pragma once

#include "cpu/decode/insn.hpp"

#include <array>
#include <span>

namespace glassbox {

/// What an instruction is called and does to the arithmetic flags (SDM 1, appendix A); undefined ones are masked in
/// tests.
struct OpInfo {
    const char* mnemonic;
    u32 writes = 0;    ///< flags given a defined value
    u32 undefined = 0; ///< flags the manual leaves undefined
    u32 reads = 0;
};

/// Operands in the notation of SDM 2, A.2: E = ModRM r/m, G = ModRM reg, I = immediate, J = relative, O = offset, M =
/// memory only, R = register only, S = segment, C/D = control/debug, P/Q/N = MMX, V/W/U = XMM, X/Y = string, Z =
/// register in the opcode; b w d q dq v (operand size) z (operand size, at most 32) p (far pointer).
enum class Arg : u8 {
    none,
    Eb,
    Ew,
    Ed,
    Ev,
    Eq, ///< Ev: operand size; Ed: 32 bits always
    Gb,
    Gw,
    Gd,
    Gv,
    Ib,
    Ibs,
    Iw,
    Iz,
    Iv,
    Iq,  ///< Ibs: a byte sign-extended to the operand size
    one, ///< the constant 1
    Jb,
    Jz,
    Ap,
    Ob,
    Ov,
    M,
    Mb,
    Mw,
    Md,
    Mq,
    Mt,
    Mdq,
    Ma,
    Mp,
    Mv,
    Rd,
    Rv, ///< the register of r/m, whatever mod says (MOV to and from CR, DR)
    Sw,
    Cd,
    Dd,
    AL,
    CL,
    AX,
    eAX,
    DX, ///< AX: 16 bits always; eAX: operand size
    Zb,
    Zv, ///< register in the low three bits of the opcode
    Pq,
    Qd,
    Qq,
    Nq,
    Vx,
    Wd,
    Wq,
    Wx,
    Ux, ///< XMM registers, and memory of 4, 8 or 16 bytes
    ST0,
    STi,
    ES,
    CS,
    SS,
    DS,
    FS,
    GS,
    Xb,
    Xv,
    Yb,
    Yv,
    F,
    Ey, ///< 32 or 64 bits by REX.W or VEX.W, as the following
    Gy,
    By, ///< the general register of VEX.vvvv
    Ry, ///< the register of r/m
    My,
    Cy,
    Dy, ///< control and debug registers, 64 bits in 64-bit mode
    Rn, ///< the register of r/m in the mode's width, whatever mod says
    // Vx, Wx, Ux, Hx, Lx, Mx: 16 bytes, or 32 with VEX.L; dq is always 16, qq always 32
    Hx,
    Lx, ///< the register in bits 7-4 of an immediate byte
    Mx,
    Vdq,
    Wdq,
    Hdq,
    Udq,
    Ldq,
    Vqq,
    Wqq,
    Hqq,
    Mqq,
    Wb,
    Ww, ///< XMM register, or memory of 1 or 2 bytes
    Wh, ///< ... or of half the vector length
    Wo, ///< ... of a quarter
    We, ///< ... of an eighth
    Edb,
    Edw, ///< general register of 32 bits, or memory of 1 or 2 bytes
    Mvd,
    Mvq, ///< VSIB: one element each of 4 or 8 bytes
    Gn,  ///< in the mode's width, as Rn
    Ez,  ///< Ev, at most 32 bits
};

enum class Mod : u8 { any, memory, reg };
enum class Mandatory : u8 {
    any,
    none,
    p66,
    pF3,
    pF2,
    no_rep
}; ///< `any`: 66, F2 and F3 do not select the row; `no_rep`:
   ///< neither F2 nor F3

/// Where an encoding stands in the opcode maps.
struct At {
    u8 map = 0; ///< 0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A, 4: 0F 0F (3DNow!: the opcode follows the operands)
    u8 opcode = 0;
    i8 digit_ = -1; ///< ModRM.reg, or -1
    i8 rm_ = -1;    ///< ModRM.rm, or -1
    Mod mod = Mod::any;
    Mandatory mandatory = Mandatory::any;
    Encoding encoding = Encoding::legacy;
    i8 l_ = -1; ///< VEX.L, or -1: either
    i8 w_ = -1; ///< REX.W or VEX.W, or -1: either

    consteval At vex() const {
        At a = *this;
        a.encoding = Encoding::vex;
        return a;
    }
    consteval At l(int n) const {
        At a = *this;
        a.l_ = static_cast<i8>(n);
        return a;
    }
    consteval At w(int n) const {
        At a = *this;
        a.w_ = static_cast<i8>(n);
        return a;
    }
    consteval At digit(int n) const {
        At a = *this;
        a.digit_ = static_cast<i8>(n);
        return a;
    }
    consteval At rm(int n) const {
        At a = *this;
        a.rm_ = static_cast<i8>(n);
        a.mod = Mod::reg;
        return a;
    }
    consteval At mem() const {
        At a = *this;
        a.mod = Mod::memory;
        return a;
    }
    consteval At reg() const {
        At a = *this;
        a.mod = Mod::reg;
        return a;
    }
    consteval At np() const {
        At a = *this;
        a.mandatory = Mandatory::none;
        return a;
    }
    consteval At p66() const {
        At a = *this;
        a.mandatory = Mandatory::p66;
        return a;
    }
    consteval At pF3() const {
        At a = *this;
        a.mandatory = Mandatory::pF3;
        return a;
    }
    consteval At no_rep() const {
        At a = *this;
        a.mandatory = Mandatory::no_rep;
        return a;
    }
    consteval At pF2() const {
        At a = *this;
        a.mandatory = Mandatory::pF2;
        return a;
    }
};
/// at(0x01), at(0x0FA2), at(0x0F38F0): the opcode as the manual prints it.
consteval At at(u32 opcode) {
    At a;
    a.opcode = static_cast<u8>(opcode);
    switch (opcode >> 8) {
    case 0: a.map = 0; break;
    case 0x0F: a.map = 1; break;
    case 0x0F38: a.map = 2; break;
    case 0x0F3A: a.map = 3; break;
    default: a.map = 4; break; // 0F0F
    }
    return a;
}

/// Attributes of a row.
namespace attr {
inline constexpr u32 lockable = 1;        ///< LOCK is allowed with a memory destination
inline constexpr u32 ends_block = 2;      ///< control leaves, or what follows must be looked up afresh
inline constexpr u32 string = 4;          ///< REP prefixes repeat it
inline constexpr u32 repeats = 8;         ///< ... and REPE/REPNE differ (CMPS, SCAS)
inline constexpr u32 protected_only = 16; ///< #UD in real and virtual-8086 mode
inline constexpr u32 modrm = 64;          ///< a ModRM byte follows although no operand uses it
inline constexpr u32 not_in_64 = 128;
inline constexpr u32 may_fault = 256; ///< even without a memory operand
inline constexpr u32 undocumented = 512;
inline constexpr u32 branch = 2048;            ///< relative jump: the builder works out the target
inline constexpr u32 flags_conditional = 4096; ///< may leave the flags alone (shifts by CL)
inline constexpr u32 opsize_fixed = 1024;      ///< 66 does not change the operand size (mandatory prefixes, x87)
inline constexpr u32 default64 = 8192;  ///< in 64-bit mode the operand size is 64 or 16 bits, never 32 (SDM 2 A.3, d64)
inline constexpr u32 force64 = 1 << 14; ///< ... always 64 bits (f64)
inline constexpr u32 only_64 = 1 << 15; ///< #UD outside 64-bit mode
inline constexpr u32 vex_no_vvvv = 1 << 16; ///< VEX.vvvv must be 1111b
inline constexpr u32 at_most_32 = 1 << 18;  ///< REX.W does not change the operand size (ports)
inline constexpr u32 rex_b = 1 << 17;       ///< only with REX.B
} // namespace attr

/// Picks the handler for a decoded instruction and fills the operand fields of `op` that the decoder has not: by
/// default those are imm, imm2, disp, base, index, scale, seg, extra and length. Null: #UD.
using Select = Handler (*)(const Insn& insn, Op& op);

struct Row {
    At at;
    std::array<Arg, 4> args{};
    const OpInfo* info = nullptr;
    Select select = nullptr;
    u32 attributes = 0;
    Feature feature = Feature::i8086;
};

/// The whole instruction set.
std::span<const Row* const> all_rows();
/// Rows that share map and opcode, most specific first; the decoder takes the first one that the model has.
std::span<const Row* const> rows_at(Encoding encoding, unsigned map, u8 opcode);
inline std::span<const Row* const> rows_at(unsigned map, u8 opcode) { return rows_at(Encoding::legacy, map, opcode); }

} // namespace glassbox
