// From one block into the next: direct jumps through links, indirect ones through the jump cache.
#pragma once

#include "cpu/exec.hpp"

namespace glassbox {

/// The taken, or the other, way of a branch that has no valid link: finds it in the jump cache and links it, or leaves.
GLASSBOX_HANDLER void follow_taken(Cpu& cpu, const Op* op, u64 result, u64 carries);
GLASSBOX_HANDLER void follow_fall(Cpu& cpu, const Op* op, u64 result, u64 carries);
/// Leaves with cpu.ip set by the handler: the main loop looks for the block.
GLASSBOX_HANDLER void leave_lookup(Cpu& cpu, const Op* op, u64 result, u64 carries);

inline unsigned instructions_in(const Op* entry) { return (reinterpret_cast<const BlockHeader*>(entry) - 1)->count; }

inline unsigned jump_slot(u64 ip) { return static_cast<unsigned>(ip ^ (ip >> 12)) & (Cpu::jump_cache_size - 1); }

/// The cached block at `ip`, or null.
inline const Op* find_jump(const Cpu& cpu, u64 ip) {
    const Cpu::JumpEntry& e = cpu.jump_cache[jump_slot(ip)];
    return e.key == cpu.jump_key(ip) && e.mode_and_epoch == cpu.mode_and_epoch() ? e.op : nullptr;
}

/// The same for an entry of an older epoch that still holds; it is brought into the present one.
const Op* find_jump_again(Cpu& cpu, u64 ip);

/// The address after the last instruction of the block that `op` belongs to.
inline u64 block_end_ip(const Op* op) {
    const BlockHeader& h = header_of(op);
    return (h.ip + h.bytes) & mode::ip_mask(h.mode);
}

/// Enters a block, charging its instructions first.
#define GLASSBOX_ENTER(cpu, entry, f)                                                                                  \
    do {                                                                                                               \
        const Op* const entry_ = (entry);                                                                              \
        (cpu).budget -= instructions_in(entry_);                                                                       \
        if ((cpu).budget < 0) [[unlikely]]                                                                             \
            GLASSBOX_LEAVE(leave_budget, cpu, entry_, f);                                                              \
        GLASSBOX_GO(cpu, entry_, f);                                                                                   \
    } while (false)

/// Ends a handler with a jump to an address that is known only now.
#define GLASSBOX_JUMP(cpu, op, f, target)                                                                              \
    do {                                                                                                               \
        const u64 target_ = (target);                                                                                  \
        if (const Op* const found_ = find_jump(cpu, target_)) [[likely]]                                               \
            GLASSBOX_ENTER(cpu, found_, f);                                                                            \
        (cpu).ip = target_;                                                                                            \
        GLASSBOX_LEAVE(leave_lookup, cpu, op, f);                                                                      \
    } while (false)

/// Ends a handler with the taken way of the direct branch `op`.
#define GLASSBOX_TAKE(cpu, op, f, in_page)                                                                             \
    do {                                                                                                               \
        if (!(in_page) && (op)->epoch != (cpu).epoch) [[unlikely]]                                                     \
            GLASSBOX_LEAVE(follow_taken, cpu, op, f);                                                                  \
        if (!(op)->link) [[unlikely]]                                                                                  \
            GLASSBOX_LEAVE(follow_taken, cpu, op, f);                                                                  \
        GLASSBOX_ENTER(cpu, (op)->link, f);                                                                            \
    } while (false)

#define GLASSBOX_FALL(cpu, op, f, in_page)                                                                             \
    do {                                                                                                               \
        if (!(in_page) && (op)->epoch != (cpu).epoch) [[unlikely]]                                                     \
            GLASSBOX_LEAVE(follow_fall, cpu, op, f);                                                                   \
        if (!(op)->fall) [[unlikely]]                                                                                  \
            GLASSBOX_LEAVE(follow_fall, cpu, op, f);                                                                   \
        GLASSBOX_ENTER(cpu, (op)->fall, f);                                                                            \
    } while (false)

} // namespace glassbox
