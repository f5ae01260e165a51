// The table of returns from interrupts, and of the instructions that see or change IF and IOPL.
#include "guests/system/iret.hpp"

namespace {

constexpr Form forms[] = {
    {"iret/code", "SDM 2A IRET; 3A 5.8.6", iret::code_segments},
    {"iret/code16", "SDM 2A IRET; 3A 5.8.6", iret::code_segments16},
    {"iret/stack", "SDM 2A IRET", iret::stack_segments},
    {"iret/selectors", "SDM 2A IRET", iret::selectors},
    {"iret/segments", "SDM 2A IRET; 3A 5.8.6", iret::data_segments},
    {"iret/limits", "SDM 2A IRET", iret::limits},
    {"iret/flags", "SDM 2A IRET", iret::flags},
    {"iret/to-virtual", "SDM 2A IRET; 3A 21.2.5", iret::to_virtual},
    {"iret/to-virtual-limits", "SDM 2A IRET", iret::to_virtual_limits},
    {"iret/from-virtual", "SDM 2A IRET; 3A 21.2.7, 21.3.3.4", iret::from_virtual},
    {"iret/popf", "SDM 2B POPF", iret::popf},
    {"iret/popf-virtual", "SDM 2B POPF; 3A 21.2.7, 21.3.3.4", iret::popf_virtual},
    {"iret/pushf", "SDM 2B PUSHF; 3A 21.2.7", iret::pushf},
    {"iret/cli-sti", "SDM 2A CLI; 2B STI; 3A 21.3, 21.4", iret::cli_sti},
};

} // namespace

Group iret_forms() { return group(forms); }
