// The table of far transfers and interrupts: directly, through gates, back, and into virtual levels.
#include "guests/system/gates.hpp"

namespace {

constexpr Form forms[] = {
    {"gates/jmp-direct", "SDM 2A JMP; 3A 5.8.1", gates::jump_direct},
    {"gates/call-direct", "SDM 2A CALL; 3A 5.8.1", gates::call_direct},
    {"gates/jmp16-direct", "SDM 2A JMP; 3A 5.8.1", gates::jump16_direct},
    {"gates/call16-direct", "SDM 2A CALL; 3A 5.8.1", gates::call16_direct},
    {"gates/direct-selectors", "SDM 2A JMP, CALL", gates::direct_selectors},
    {"gates/direct-limits", "SDM 2A JMP, CALL", gates::direct_limits},
    {"gates/immediate", "SDM 2A JMP, CALL", gates::immediate},
    {"gates/call-gate", "SDM 3A 5.8.3-5.8.5", gates::call_gates},
    {"gates/call-gate16", "SDM 3A 5.8.3-5.8.5", gates::call_gates16},
    {"gates/call-gate-targets", "SDM 2A CALL", gates::call_gate_targets},
    {"gates/call-gate-selectors", "SDM 2A CALL", gates::call_gate_selectors},
    {"gates/parameters", "SDM 3A 5.8.5", gates::parameters},
    {"gates/inner-stack-call", "SDM 2A CALL; 3A 6.15 #TS", gates::inner_stack_call},
    {"gates/inner-stack-int", "SDM 2A INT n; 3A 6.15 #TS", gates::inner_stack_int},
    {"gates/inner-stack-exception", "SDM 2A INT n; 3A 6.13", gates::inner_stack_exception},
    {"gates/inner-stack-selectors", "SDM 2A CALL, INT n", gates::inner_stack_selectors},
    {"gates/inner-stack-room", "SDM 2A CALL, INT n", gates::inner_stack_room},
    {"gates/short-tss", "SDM 2A CALL, INT n", gates::short_tss},
    {"gates/retf", "SDM 2B RET; 3A 5.8.6", gates::far_return},
    {"gates/retf16", "SDM 2B RET; 3A 5.8.6", gates::far_return16},
    {"gates/retf-stack", "SDM 2B RET; 3A 5.8.6", gates::far_return_stack},
    {"gates/retf-selectors", "SDM 2B RET", gates::far_return_selectors},
    {"gates/retf-release", "SDM 2B RET", gates::far_return_release},
    {"gates/retf-segments", "SDM 2B RET; 3A 5.8.6", gates::far_return_segments},
    {"gates/retf-limits", "SDM 2B RET", gates::far_return_limits},
    {"gates/int-n", "SDM 2A INT n; 3A 6.12.1", gates::int_n},
    {"gates/int3", "SDM 2A INT3; 3A 6.12.1", gates::int3},
    {"gates/into", "SDM 2A INTO; 3A 6.12.1", gates::into},
    {"gates/int1", "SDM 2A INT1; 3A 6.13", gates::int1},
    {"gates/exception", "SDM 3A 6.12.1, 6.13", gates::exception},
    {"gates/int-targets", "SDM 2A INT n", gates::int_targets},
    {"gates/exception-targets", "SDM 2A INT n; 3A 6.13", gates::exception_targets},
    {"gates/idt-limit", "SDM 2A INT n; 3A 6.13", gates::idt_limit},
    {"gates/int-flags", "SDM 3A 6.12.1.3", gates::int_flags},
    {"gates/small-stacks", "SDM 3A 5.8.5; 1 6.2.3", gates::small_stacks},
    {"gates/virtual-far", "SDM 2A JMP, CALL; 2B RET", gates::virtual_far},
    {"gates/paged", "SDM 3A 4.6.1, 6.15 #PF", gates::paged},
    {"gates/sysenter", "SDM 2B SYSENTER; 3A 5.8.7", gates::sysenter},
    {"gates/sysexit", "SDM 2B SYSEXIT; 3A 5.8.7", gates::sysexit},
    {"gates/virtual-int", "SDM 3A 21.3.1, 21.3.2", gates::virtual_int},
    {"gates/virtual-int3", "SDM 3A 21.3.1", gates::virtual_int3},
    {"gates/virtual-exception", "SDM 3A 21.3.1", gates::virtual_exception},
    {"gates/virtual-vme", "SDM 3A 21.3.3", gates::virtual_vme},
};

} // namespace

Group gate_forms() { return group(forms); }
