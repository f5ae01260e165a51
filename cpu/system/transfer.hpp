// What far jumps, calls, returns, interrupts and task switches share.
#pragma once

#include "cpu/block/op.hpp"
#include "cpu/system/descriptor.hpp"
#include "cpu/system/stack.hpp"
#include "cpu/system/system.hpp"

namespace glassbox {

/// A checked destination: nothing is changed until `go`.
struct CodeTarget {
    Segment cs;
    u32 offset = 0;
    u8 cpl = 0;
};

/// Makes CS:EIP and CPL those of `target`; ip and next_ip are the new EIP. The caller calls update_mode afterwards.
void go(Cpu& cpu, const CodeTarget& target);
/// A real-mode or virtual-8086 destination: #GP(0) when the offset lies beyond the limit.
bool real_target(Cpu& cpu, u16 selector, u32 offset, CodeTarget& target);

/// A segment register as real mode or virtual-8086 mode loads it.
Segment real_segment(const Cpu& cpu, unsigned name, u16 selector);
Segment v86_segment(u16 selector);
/// A null selector's register: unusable.
Segment null_segment(const Segment& before, u16 selector);

/// Checks a data-segment selector for `cpl` and sets its accessed bit (SDM 3A 5.5).
bool check_data_segment(Cpu& cpu, u16 selector, unsigned cpl, Blame blame, Segment& out);
/// Checks a stack-segment selector for `cpl` (SDM 3A 5.7). Null is refused with selector 0.
bool check_stack_segment(Cpu& cpu, u16 selector, unsigned cpl, Blame blame, Segment& out);
/// The code segment of a return or of a task whose selector's RPL is the new CPL.
bool check_return_code(Cpu& cpu, u16 selector, Blame blame, Descriptor& d);

/// SS:ESP for `cpl` from the current TSS, checked (SDM 3A 5.8.5, steps 1-3).
bool inner_stack(Cpu& cpu, unsigned cpl, u32 ext, Stack& out);

enum class TaskSource : u8 { jump, call, interrupt, iret };
struct TaskRequest {
    TaskSource source = TaskSource::jump;
    u32 saved_eip = 0;
    u32 saved_rf = 0; ///< ORed into the saved EFLAGS: RF for faults
    u32 ext = 0;
    bool has_error = false;
    u32 error = 0;
};
/// Switches to the task of `selector`, whose descriptor has been found right for the source (SDM 3A 7.3). Faults that
/// belong to the new task are delivered in it before this returns true.
bool switch_task(Cpu& cpu, u16 selector, const Descriptor& tss, const TaskRequest& request);
/// Follows a task gate or a TSS selector: type and presence checks, then the switch.
bool enter_task(Cpu& cpu, u16 tss_selector, const TaskRequest& request);

/// Nulls data segments that the new, outer CPL may not use (SDM 3A 5.8.6).
void drop_inner_segments(Cpu& cpu);

// --- instructions ---------------------------------------------------------------------------------------------------
namespace transfer {

template <unsigned width> bool jmp_far_immediate(Cpu& cpu, const Op& op);
template <unsigned width> bool jmp_far_memory(Cpu& cpu, const Op& op);
template <unsigned width> bool call_far_immediate(Cpu& cpu, const Op& op);
template <unsigned width> bool call_far_memory(Cpu& cpu, const Op& op);
template <unsigned width> bool ret_far(Cpu& cpu, const Op& op);
template <unsigned width> bool ret_far_immediate(Cpu& cpu, const Op& op);
template <unsigned width> bool iret(Cpu& cpu, const Op& op);
bool int_n(Cpu& cpu, const Op& op);
bool int3(Cpu& cpu, const Op& op);
bool into(Cpu& cpu, const Op& op);
bool icebp(Cpu& cpu, const Op& op);
template <unsigned width> bool bound(Cpu& cpu, const Op& op);

bool mov_to_segment_register(Cpu& cpu, const Op& op);
bool mov_to_segment_memory(Cpu& cpu, const Op& op);
template <unsigned width> bool mov_from_segment_register(Cpu& cpu, const Op& op);
bool mov_from_segment_memory(Cpu& cpu, const Op& op);
template <unsigned name, unsigned width> bool push_segment(Cpu& cpu, const Op& op);
template <unsigned name, unsigned width> bool pop_segment(Cpu& cpu, const Op& op);
/// LES, LDS, LSS, LFS, LGS.
template <unsigned name, unsigned width> bool load_far_pointer(Cpu& cpu, const Op& op);

bool pop_cs(Cpu& cpu, const Op& op); ///< 0F on the 8086
/// LES and LDS, and far JMP and CALL, with a register operand on the 8086: what they do hangs on internal registers of
/// the chip that no program can know; here they do nothing.
bool pointer_from_register(Cpu& cpu, const Op& op);
bool far_through_register(Cpu& cpu, const Op& op);

bool sysenter(Cpu& cpu, const Op& op);
bool sysexit(Cpu& cpu, const Op& op);

} // namespace transfer
} // namespace glassbox
