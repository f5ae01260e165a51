// The checks that interrupts, far transfers, segment loads and task switches share, in words (SDM 3A chapters 5 to 7).
// Each speaks of what it looks at, and writes the conclusion when it denies.
#pragma once

#include "debugger/explain/memory.hpp"

namespace glassbox::explain {

/// Raises what was found wrong, in words.
Verdict refuse(Story& story, const Denial& denial);

Verdict tell_data_segment(Story& story, const Moment& m, u16 selector, unsigned cpl, Blamed blamed);
Verdict tell_stack_segment(Story& story, const Moment& m, u16 selector, unsigned cpl, Blamed blamed, Segment& out,
                           bool null_allowed = false);
/// The code segment of a return: its RPL is the new privilege level.
Verdict tell_return_code(Story& story, const Moment& m, u16 selector, Blamed blamed, Descriptor& out);
/// Whether code may begin at `offset`.
Verdict tell_offset(Story& story, const Moment& m, const Descriptor& code, u64 offset, u32 error = 0);
/// Long mode: the upper half of a 16-byte descriptor (SDM 3A 5.8.3.1).
Verdict tell_upper_half(Story& story, const Moment& m, u16 selector, const Descriptor& d);
/// The accessed bit of a descriptor is about to be set in memory.
Verdict tell_accessed(Story& story, const Moment& m, u16 selector, const Descriptor& d);

/// SS:ESP of the current TSS for privilege level `cpl`.
Verdict tell_inner_stack(Story& story, const Moment& m, unsigned cpl, u32 ext, StackPlace& out);
/// Long mode: RSPn, or ISTn.
Verdict tell_inner_stack64(Story& story, const Moment& m, unsigned cpl, unsigned ist, u32 ext, StackPlace& out);

/// A task gate's TSS, and the switch up to where the new task has begun.
Verdict tell_task_gate(Story& story, const Moment& m, u16 tss_selector, u32 ext);
Verdict tell_task_switch(Story& story, const Moment& m, u16 selector, const Descriptor& tss, u32 ext);

} // namespace glassbox::explain
