// Segments: the kernel's own descriptor table, and the task state segment.
#pragma once

#include "types.hpp"

/// Selectors: index * 8, plus the privilege level that is asked for in the low two bits.
constexpr u16 kernel_code = 0x08, kernel_data = 0x10, user_code = 0x18 | 3, user_data = 0x20 | 3, task_state = 0x28;

void segments_start();
/// When the processor comes from ring 3 to ring 0, it loads its stack pointer from the task state segment.
void set_kernel_stack(u32 top);
