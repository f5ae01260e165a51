// Debug exceptions: breakpoints on data, code and ports, single steps, the registers, and what is held off after STI
// and loads of SS (SDM 3B 17.2, 17.3; SDM 3A 6.8, 6.9).
#include "guests/system/debug.hpp"

namespace debug {

void set_address(unsigned n, u32 address) {
    switch (n) {
    case 0: return write_dr0(address);
    case 1: return write_dr1(address);
    case 2: return write_dr2(address);
    default: return write_dr3(address);
    }
}

Debugged run_with(const Context& context, u32 dr7) {
    write_dr6(dr6_fixed);
    write_dr7(dr7 | 0x400);
    Debugged d;
    static_cast<Exit&>(d) = run(context);
    d.dr6 = read_dr6();
    d.dr7 = read_dr7();
    write_dr7(0x400);
    write_dr6(dr6_fixed);
    return d;
}

void expect_debug(Report& report, const Debugged& e, u32 hits, u32 eip) {
    report.expect("vector", 1, e.vector);
    report.expect("DR6", dr6_fixed | hits, e.dr6);
    report.expect("EIP", eip, e.eip);
}

} // namespace debug

namespace {

constexpr Form forms[] = {
    {"debug/data", "SDM 3B 17.2.5, table 17-2", debug::data},
    {"debug/data-instructions", "SDM 3B 17.3.1.2", debug::data_instructions},
    {"debug/data-page-edge", "SDM 3B 17.2.5", debug::data_page_edge},
    {"debug/code", "SDM 3B 17.3.1.1", debug::code_breakpoints},
    {"debug/resume-flag", "SDM 3B 17.3.1.1", debug::resume_flag},
    {"debug/ports", "SDM 3B 17.2.4, 17.3.1.2", debug::ports},
    {"debug/registers", "SDM 3B 17.2", debug::registers},
    {"debug/general-detect", "SDM 3B 17.3.1.3", debug::general_detect},
    {"debug/enables", "SDM 3B 17.2.4", debug::enables},
    {"debug/single-step", "SDM 3B 17.3.1.4", debug::single_step},
    {"debug/step-gates", "SDM 3B 17.3.1.4; SDM 3A 6.12.1.2", debug::step_gates},
    {"debug/stack-shadow", "SDM 3A 6.8.3", debug::shadows},
    {"debug/interrupt-shadow", "SDM 3A 6.8.1; SDM 2 STI", debug::interrupt_shadows},
    {"debug/halt", "SDM 2 HLT", debug::halts},
    {"debug/combined", "SDM 3A 6.9, table 6-2", debug::combined},
    {"debug/priorities", "SDM 3A 6.9, table 6-2", debug::priorities},
    {"debug/task-trap", "SDM 3B 17.3.1.5", debug::task_trap},
    {"debug/virtual-8086", "SDM 3B 17.3; SDM 3A 20.1", debug::virtual_8086_mode},
    {"debug/linear-addresses", "SDM 3B 17.2.1", debug::linear_addresses},
    {"debug/in-flight", "SDM 3A 8.3; SDM 3B 17.2", debug::in_flight},
    {"debug/string-elements", "SDM 3B 17.3.1.2", debug::string_elements},
};

} // namespace

Group debug_forms() { return group(forms); }
