// The decoded instruction that handlers execute: 32 bytes, half a cache line. A block is a header followed by at most
// 32 of them and one terminator.
#pragma once

#include "bus/types.hpp"
#include "cpu/thread.hpp"

namespace glassbox {

struct OpFields {
    Handler handler;
    union {
        u64 imm;        ///< immediate, sign- or zero-extended as the instruction says
        const Op* link; ///< direct branches: the first op of the target's block, or null
    };
    union {
        i32 disp;  ///< displacement of a memory operand
        u32 epoch; ///< branches that leave the page: the epoch in which the links were made
    };
    u8 reg;   ///< byte offset in Cpu::gpr of the register operand (AH-BH: the odd byte)
    u8 base;  ///< byte offset of the r/m register, or of a memory operand's base; absolute_base: the operand's offset
              ///< is `imm`, and an immediate is in `disp` (sign-extended): see cpu/address.hpp
    u8 index; ///< byte offset of the index register; Cpu::zero_register when there is none
    u8 pos;   ///< position in the block, from 0: the header is op - pos - 2
    union {
        __extension__ struct {
            u32 imm2;  ///< second immediate: far selector, ENTER's level; VEX: the number of the register of vvvv
            u8 length; ///< bytes of the instruction
            u8 seg;    ///< segment of the memory operand
            u8 scale;  ///< shift of the index register
            u8 extra;  ///< memory operands: what addresses lack of the mode's full width: 16 with 16-bit addresses
                       ///< outside 64-bit mode, 32 with 32-bit addresses in it, else 0; other ops: their own use
        };
        const Op* fall; ///< conditional branches: the block of the next instruction, or null
    };
};
/// Op::base of a 64-bit operand whose offset does not depend on registers: RIP-relative, or MOV with a 64-bit offset.
inline constexpr u8 absolute_base = 8 * 17 + 1;
struct Op : OpFields {};
/// The same op on its first try: accesses succeed through the TLB or return false without a trace, and the handler
/// starts again on the slow road (see `handler` in cpu/exec.hpp). This keeps calls, and all that they cost, off the
/// fast road.
struct FastOp : OpFields {};
static_assert(sizeof(Op) == 32 && sizeof(FastOp) == 32);
inline const FastOp& fast(const Op* op) { return *reinterpret_cast<const FastOp*>(op); }

/// Precedes the ops of a block; as large as two ops, so that `op - pos - 2` finds it.
struct BlockHeader {
    u64 phys;  ///< physical address of the first byte
    u64 ip;    ///< EIP of the first byte: blocks are keyed by it too, so relative branches have constant targets
    u32 mode;  ///< the mode bits it was decoded in
    u16 bytes; ///< length of the code
    u8 count;  ///< instructions
    u8 flags;  ///< `split`: its one instruction crosses into another page
    u64 phys2; ///< the second page's address of a split instruction, else ~0
    BlockHeader* next_in_bucket;
    BlockHeader* next_in_page;
    BlockHeader* next_in_page2;
    u32 cs_base; ///< part of the key: links stay valid for whoever comes with the same base
    bool live;   ///< false once its code was overwritten

    static constexpr u8 split = 1;
    static constexpr u8 scratch = 2; ///< not in the cache: nothing may refer to it
    static constexpr u8 probed = 4;  ///< one instruction that the probe wants to hear of first; also scratch
    Op* ops() { return reinterpret_cast<Op*>(this + 1); }
    const Op* ops() const { return reinterpret_cast<const Op*>(this + 1); }
};
static_assert(sizeof(BlockHeader) == 64);

/// Op::index of a direct branch whose targets lie in its own page, so that its links need no epoch.
inline constexpr u8 branch_in_page = 1;

inline const BlockHeader& header_of(const Op* op) { return *reinterpret_cast<const BlockHeader*>(op - op->pos - 2); }

} // namespace glassbox
