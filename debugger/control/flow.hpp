// What an instruction does to the flow of control, as far as stepping cares: by its bytes, without executing anything.
#pragma once

#include "bus/types.hpp"

#include <optional>

namespace glassbox {

struct Cpu;
struct Insn;

enum class Flow : u8 {
    other,
    call,      ///< near CALL
    call_far,  ///< CALL to another segment
    interrupt, ///< INT n, INT3, INTO, INT1
    ret,       ///< near RET
    ret_far,
    iret,
    syscall,
    sysenter,
    sysret,
    sysexit,
    loop,       ///< LOOP, LOOPE, LOOPNE
    repetition, ///< a string instruction with REP
    halt,
};

struct FlowInsn {
    Flow flow = Flow::other;
    unsigned length = 0;   ///< bytes; 0: they cannot be read or are no instruction
    unsigned opsize = 2;   ///< of the operands: 2, 4 or 8: what CALL pushes and RET pops
    unsigned pops = 0;     ///< RET n: bytes that it takes off the stack besides
    bool backward = false; ///< loop: to itself or to an address before it
};

/// The instruction at the processor's CS:IP.
FlowInsn flow_at(const Cpu& cpu);
/// As the decoder has it.
Flow flow_of(const Insn& insn);

/// The linear address of the instruction that the processor executes next, and of the top of its stack.
u64 code_address(const Cpu& cpu);
u64 stack_address(const Cpu& cpu);

/// What an interrupt pushed, or IRET is about to pop: the frame at SS:SP.
struct InterruptFrame {
    u64 ip = 0;
    u16 cs = 0;
    u64 sp = 0;       ///< linear, of the interrupted code: where its stack ended
    bool v86 = false; ///< it was in virtual-8086 mode
};
/// `width`: of a slot of the frame, 2, 4 or 8 bytes. `skip`: bytes above it (an error code).
std::optional<InterruptFrame> interrupt_frame(const Cpu& cpu, unsigned width, unsigned skip = 0);
/// The frame that a delivery has just pushed, whose slots are as wide as makes `from_ip` fit.
std::optional<InterruptFrame> delivered_frame(const Cpu& cpu, u64 from_ip);

/// Where the return instruction at CS:IP leads: the code, and the stack as it will be. Nothing: it is none, its frame
/// cannot be read, or it ends a task (IRET with NT).
struct ReturnTarget {
    u64 ip = 0;
    u64 linear = 0;
    u64 stack = 0; ///< linear
    u8 cpl = 0;
};
std::optional<ReturnTarget> return_target(const Cpu& cpu, const FlowInsn& insn);
/// RET, IRET, SYSRET and their like.
bool is_return(Flow flow);
bool is_call(Flow flow); ///< what a return comes back from, but for interrupts

/// Memory through the processor's present translation; false when a byte cannot be read.
bool peek(const Cpu& cpu, u64 linear, unsigned size, u64& value);

} // namespace glassbox
