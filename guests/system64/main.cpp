// The order of the groups, and the kernel's first and last act.
#include "guests/system64/report.hpp"

extern "C" void kernel_main(const u32* multiboot);

namespace {

constexpr u32 has_command_line = 4, command_line_at = 4; // multiboot 0.6.96, 3.3: flags bit 2, offset 16
constexpr u16 exit_port = 0xF4;

using Forms = Group (*)();
constexpr Forms groups[] = {segment_forms, transfer_forms, gate_forms,    canonical_forms, syscall_forms,
                            paging_forms,  tlb_forms,      control_forms, debug_forms,     apic_forms};

void mask_interrupts() {
    out8(0x21, 0xFF);
    out8(0xA1, 0xFF);
}

} // namespace

extern "C" void kernel_main(const u32* multiboot) {
    const char* line =
        (multiboot[0] & has_command_line) ? reinterpret_cast<const char*>(u64{multiboot[command_line_at]}) : "";
    Report report;
    configure(report, line);
    mask_interrupts();
    reset_tables();
    for (const Forms forms : groups) {
        const Group g = forms();
        for (u32 i = 0; i < g.count; ++i) {
            if (chosen(line, g.forms[i].name)) run_form(report, g.forms[i]);
        }
    }
    end_of_report();
    out8(exit_port, 0);
}
