// From bodies to handlers. A body is a struct with a static `run`:
//   void run(Cpu&, const Op&, Flags&)        cannot fault; falls through to the next op
//   bool run(Cpu&, const Op&, Flags&)        false: a fault is in cpu.fault and nothing has changed
//   bool run(Cpu&, const auto& op, Flags&)   the same, tried first with a FastOp: false then only means "not this way"
// and `handler<Body>` makes the threaded function of it. Cold functions, `bool fn(Cpu&, const Op&)`, see the whole
// machine in order: cpu.ip, cpu.next_ip and cpu.flags are valid; `cold<fn>` falls through after success, `cold_end<fn>`
// ends the block and continues at cpu.next_ip.
#pragma once

#include "cpu/block/op.hpp"
#include "cpu/decode/row.hpp"
#include "cpu/state.hpp"

#include <type_traits>

namespace glassbox {

// --- leaving (cpu/block/leave.cpp)
// -------------------------------------------------------------------------------------
GLASSBOX_HANDLER void leave_fault(Cpu& cpu, const Op* op, u64 result, u64 carries);
GLASSBOX_HANDLER void leave_after(Cpu& cpu, const Op* op, u64 result, u64 carries);
/// A repeated string instruction that has more to do.
GLASSBOX_HANDLER void leave_again(Cpu& cpu, const Op* op, u64 result, u64 carries);
GLASSBOX_HANDLER void leave_budget(Cpu& cpu, const Op* op, u64 result, u64 carries);
/// The block is over and cpu.ip is set.
GLASSBOX_HANDLER void leave_ended(Cpu& cpu, const Op* op, u64 result, u64 carries);
/// Terminates every block that does not end in a branch: continues at the following instruction.
GLASSBOX_HANDLER void block_end(Cpu& cpu, const Op* op, u64 result, u64 carries);
/// Replaces the handler after an op that asked to leave.
GLASSBOX_HANDLER void leave_before(Cpu& cpu, const Op* op, u64 result, u64 carries);

/// Goes on at `op`. In a trampoline build it returns to the loop that calls it.
#if defined(GLASSBOX_TRAMPOLINE)
#define GLASSBOX_GO(cpu, op, f)                                                                                        \
    do {                                                                                                               \
        (cpu).running = (op);                                                                                          \
        (cpu).thread_flags = (f);                                                                                      \
        return;                                                                                                        \
    } while (false)
#define GLASSBOX_LEAVE(function, cpu, op, f) return function(cpu, op, (f).result, (f).carries)
#else
#define GLASSBOX_GO(cpu, op, f) GLASSBOX_TAIL(op)->handler(cpu, op, (f).result, (f).carries)
#define GLASSBOX_LEAVE(function, cpu, op, f) GLASSBOX_TAIL function(cpu, op, (f).result, (f).carries)
#endif

/// A body whose `run` takes any kind of op can be tried on the fast road first.
template <class Body>
concept TwoSpeed = requires(Cpu& cpu, const FastOp& op, Flags& f) { Body::run(cpu, op, f); };

/// The slow road: faults are raised, TLB misses filled, devices reached.
template <class Body>
[[gnu::cold, gnu::noinline]] GLASSBOX_HANDLER void slow_handler(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    Flags f{result, carries};
    if (!Body::run(cpu, *op, f)) [[unlikely]]
        GLASSBOX_LEAVE(leave_fault, cpu, op, f);
    GLASSBOX_GO(cpu, op + 1, f);
}

template <class Body> GLASSBOX_HANDLER void handler(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    Flags f{result, carries};
    if constexpr (TwoSpeed<Body>) {
        if (!Body::run(cpu, fast(op), f)) [[unlikely]] {
            f = {result, carries};
            GLASSBOX_LEAVE(slow_handler<Body>, cpu, op, f);
        }
    } else if constexpr (std::is_void_v<decltype(Body::run(cpu, *op, f))>) {
        Body::run(cpu, *op, f);
    } else {
        if (!Body::run(cpu, *op, f)) [[unlikely]]
            GLASSBOX_LEAVE(leave_fault, cpu, op, f);
    }
    GLASSBOX_GO(cpu, op + 1, f);
}

/// Makes cpu.ip, cpu.next_ip and cpu.flags those of `op`.
void enter_cold(Cpu& cpu, const Op* op, const Flags& f);

using ColdFunction = bool (*)(Cpu& cpu, const Op& op);

template <ColdFunction fn> GLASSBOX_HANDLER void cold(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    enter_cold(cpu, op, Flags{result, carries});
    const bool ok = fn(cpu, *op);
    const Flags f = cpu.flags;
    if (!ok) [[unlikely]]
        GLASSBOX_LEAVE(leave_fault, cpu, op, f);
    if (cpu.leave_requested) [[unlikely]]
        GLASSBOX_LEAVE(leave_after, cpu, op, f);
    GLASSBOX_GO(cpu, op + 1, f);
}

template <ColdFunction fn> GLASSBOX_HANDLER void cold_end(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    enter_cold(cpu, op, Flags{result, carries});
    const bool ok = fn(cpu, *op);
    const Flags f = cpu.flags;
    if (!ok) [[unlikely]]
        GLASSBOX_LEAVE(leave_fault, cpu, op, f);
    cpu.ip = cpu.next_ip;
    GLASSBOX_LEAVE(leave_ended, cpu, op, f);
}

/// Rows of cold functions: one for every operand size, or one each for 16, 32 and 64 bits. The Op holds, besides the
/// memory operand, `base` = byte offset of the r/m register (register forms) and `reg` = number of ModRM.reg (not an
/// offset); immediates are found with `immediate_of`.
template <ColdFunction fn16, ColdFunction fn32, ColdFunction fn64, bool ends>
Handler select_cold(const Insn& insn, Op& op) {
    op.reg = static_cast<u8>(insn.reg_number());
    if (!insn.mem && insn.has_modrm) op.base = static_cast<u8>(8 * insn.rm_number());
    const auto pick = [&](Handler h16, Handler h32, Handler h64) {
        return insn.opsize == 2 ? h16 : insn.opsize == 4 ? h32 : h64;
    };
    if constexpr (ends)
        return pick(&cold_end<fn16>, &cold_end<fn32>, &cold_end<fn64>);
    else
        return pick(&cold<fn16>, &cold<fn32>, &cold<fn64>);
}

template <ColdFunction fn16, ColdFunction fn32 = fn16, ColdFunction fn64 = fn32>
consteval Row cold_row(const OpInfo& info, At at, std::array<Arg, 4> args = {}, u32 attributes = 0,
                       Feature feature = Feature::i8086) {
    return {at, args, &info, &select_cold<fn16, fn32, fn64, false>, attributes | attr::may_fault, feature};
}
template <ColdFunction fn16, ColdFunction fn32 = fn16, ColdFunction fn64 = fn32>
consteval Row cold_end_row(const OpInfo& info, At at, std::array<Arg, 4> args = {}, u32 attributes = 0,
                           Feature feature = Feature::i8086) {
    return {at,     args, &info, &select_cold<fn16, fn32, fn64, true>, attributes | attr::may_fault | attr::ends_block,
            feature};
}

} // namespace glassbox
