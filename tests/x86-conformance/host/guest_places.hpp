// Where the guest's things lie in its memory.
#pragma once

#include "tests/x86-conformance/host/layout.hpp"

namespace glassbox::conformance::host {

// Physical memory.
inline constexpr u32 ram_size = 1u << 20, root_table = 0x1000, first_table = 0x2000, system_phys = 0x4'0000,
                     code_phys = 0x5'0000, data_phys = 0x6'0000;

// Offsets in the system's pages.
inline constexpr u32 gdt_at = 0, ldt_at = 0x100, tss_at = 0x200, idt_at = page, stack_top = 3 * page,
                     handlers_at = 3 * page;
static_assert(handlers_at + 256 <= system_size);
/// The system's pages in long mode: where kernels are.
inline constexpr u64 long_system = kernel_start + system_at;

} // namespace glassbox::conformance::host
