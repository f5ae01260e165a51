// A decoded instruction, between the bytes and the Op: what the selectors of cpu/ops look at to pick a handler.
#pragma once

#include "cpu/state.hpp"

#include <array>

namespace glassbox {

struct Row;

enum class OperandKind : u8 { none, reg, mem, imm, segment, control, debug, mmx, xmm, ymm, st, implied };
/// How the opcode is introduced. EVEX has its place in the table and in Insn (`evex` bytes), but no row yet.
enum class Encoding : u8 { legacy, vex, evex };

struct Operand {
    OperandKind kind = OperandKind::none;
    u8 width = 0;  ///< bytes
    u8 number = 0; ///< register number; for `reg`, the byte offset in Cpu::gpr
};

struct Insn {
    const Row* row = nullptr;
    u32 mode = 0;
    u8 length = 0;
    u8 opsize = 2;   ///< operand size in bytes: 2, 4 or 8
    u8 addrsize = 2; ///< address size in bytes: 2, 4 or 8
    u8 segment = DS; ///< of the memory operand, override applied
    bool lock = false;
    u8 rep = 0; ///< F3h, F2h or 0, whichever prefix came last
    u8 opcode = 0;
    bool has_modrm = false;
    u8 modrm = 0;
    // memory operand
    bool mem = false;
    u8 base = 8 * zero_gpr,
       index = 8 * zero_gpr; ///< byte offsets in Cpu::gpr; index of VSIB: a vector register's number
    bool vsib = false;
    u8 scale = 0;
    i32 disp = 0;
    bool rip_relative = false; ///< disp counts from the next instruction
    bool absolute = false;     ///< the offset is `address`, whatever base, index and disp say (RIP-relative once the
                               ///< builder has resolved it, and MOV with a 64-bit offset)
    u64 address = 0;
    u64 imm = 0;
    u32 imm2 = 0;
    // REX, VEX (SDM 2A 2.2.1, 2.3)
    Encoding encoding = Encoding::legacy;
    u8 map = 0;
    u8 rex = 0;           ///< the prefix, 40h-4Fh, or 0; with VEX, its W R X B bits as REX has them
    u8 vvvv = 0;          ///< the register that VEX.vvvv names
    u8 vector_bytes = 16; ///< 16 or 32 by VEX.L; 16 without VEX
    std::array<Operand, 4> operand{};

    // what the block builder adds
    u64 ip = 0;              ///< of the first byte
    u64 target = 0;          ///< of a relative branch
    bool in_page = false;    ///< a branch's target and its fall-through lie in the block's page
    bool flags_dead = false; ///< nobody can see the flags that it writes

    bool rex_w() const { return (rex & 8) != 0; }
    /// With the extension bits of REX or VEX.
    unsigned reg_number() const { return reg_field() | ((rex & 4u) << 1); }
    unsigned rm_number() const { return rm_field() | ((rex & 1u) << 3); }
    bool code64() const { return (mode & mode::long64) != 0; }
    unsigned reg_field() const { return (modrm >> 3) & 7u; }
    unsigned rm_field() const { return modrm & 7u; }
    unsigned mod_field() const { return modrm >> 6; }
};

} // namespace glassbox
