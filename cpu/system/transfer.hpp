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
    u64 offset = 0;
    u8 cpl = 0;

    /// Whether it is 64-bit code.
    bool long64(const Cpu& cpu) const { return cpu.long_mode() && (cs.access & Segment::L) != 0; }
};

/// What Intel's and AMD's processors do differently is chosen by the model's vendor.
inline bool is_amd(const Cpu& cpu) { return cpu.model->vendor == "AuthenticAMD"; }

/// Makes CS:rIP and CPL those of `target`; next_ip is the new rIP. The caller calls update_mode afterwards.
void go(Cpu& cpu, const CodeTarget& target);
/// A real-mode or virtual-8086 destination: #GP(0) when the offset lies beyond the limit.
bool real_target(Cpu& cpu, u16 selector, u32 offset, CodeTarget& target);

/// A segment register as real mode or virtual-8086 mode loads it.
Segment real_segment(const Cpu& cpu, unsigned name, u16 selector);
Segment v86_segment(u16 selector);
/// A null selector's register: unusable.
Segment null_segment(const Segment& before, u16 selector);
/// The same, as an instruction loads it: whether the base that long mode's FS and GS show survives depends on the
/// model (Intel clears it; AMD keeps it, but for processors with NullSelectorClearsBase: APM 2 4.8.1, CPUID
/// 8000_0021h).
Segment load_null(const Cpu& cpu, unsigned name, u16 selector);

/// Checks a data-segment selector for `cpl` and sets its accessed bit (SDM 3A 5.5).
bool check_data_segment(Cpu& cpu, u16 selector, unsigned cpl, Blame blame, Segment& out);
/// Checks a stack-segment selector for `cpl` (SDM 3A 5.7). Null is refused with error code 0, unless `null_allowed`:
/// 64-bit code inside level 3 needs no stack segment (SDM 3A 5.4.1.1), but RPL must be right.
bool check_stack_segment(Cpu& cpu, u16 selector, unsigned cpl, Blame blame, Segment& out, bool null_allowed = false);
/// The code segment of a return or of a task whose selector's RPL is the new CPL.
bool check_return_code(Cpu& cpu, u16 selector, Blame blame, Descriptor& d);
/// Whether code of this segment may begin at `offset`: within the limit, or canonical in 64-bit code; else
/// #GP(`error`). `offset` loses what the code's mode does not look at.
bool check_offset(Cpu& cpu, const Descriptor& code, u64& offset, u32 error = 0);

/// SS:ESP for `cpl` from the current TSS, checked (SDM 3A 5.8.5, steps 1-3).
bool inner_stack(Cpu& cpu, unsigned cpl, u32 ext, Stack& out);
/// The same in long mode, where SS becomes null: RSP of level `cpl`, or, if `ist` is not zero, that of the interrupt
/// stack table (SDM 3A 6.14.4, 6.14.5, 7.7).
bool inner_stack64(Cpu& cpu, unsigned cpl, unsigned ist, u32 ext, Stack& out);
/// A null SS with the RPL of the new level.
Segment null_stack(const Cpu& cpu, unsigned cpl);

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
template <unsigned width> bool sysexit(Cpu& cpu, const Op& op);
bool syscall(Cpu& cpu, const Op& op);
template <unsigned width> bool sysret(Cpu& cpu, const Op& op);
bool swapgs(Cpu& cpu, const Op& op);
/// RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE.
template <unsigned name, unsigned width> bool read_base(Cpu& cpu, const Op& op);
template <unsigned name, unsigned width> bool write_base(Cpu& cpu, const Op& op);

} // namespace transfer
} // namespace glassbox
