// Debug exceptions together, and against other events: what is reported, and what comes first (SDM 3A 6.9, table 6-2);
// the T flag of a task (SDM 3B 17.3.1.5).
#include "guests/system/debug.hpp"
#include "guests/system/faults.hpp"

namespace debug {

namespace {
alignas(16) u8 scratch[64];
}

// --- several at once
// -----------------------------------------------------------------------------------------------------

void combined(Report& report) {
    static constexpr u8 write_dword[] = {0x89, 0x02, 0x90, 0xCD, 0x80};
    static constexpr u8 movs[] = {0xF3, 0xA5, 0x90, 0xCD, 0x80};
    for (unsigned set = 0; set < 16; ++set) {
        for (const bool stepping : {false, true}) {
            if (!report.next()) continue;
            report.describe("write seen by registers %x, TF %u", set, stepping ? 1u : 0u);
            reset_tables();
            u32 dr7 = 0;
            for (unsigned n = 0; n < 4; ++n) {
                set_address(n, address(scratch) + n);
                if (set >> n & 1) dr7 |= breakpoint(n, n & 1 ? On::access : On::write, 1);
            }
            Context c = ring(3, code(write_dword));
            c.edx = address(scratch);
            if (stepping) c.eflags |= tf;
            const Debugged e = run_with(c, dr7);
            if (set == 0 && !stepping) {
                report.expect_exit(e, end_vector, 0);
                continue;
            }
            report.expect("vector", 1, e.vector);
            report.expect("EIP", c.eip + 2, e.eip);
            report.expect("BS", stepping ? bs : 0, e.dr6 & bs);
            // Those that are not enabled may be reported too (SDM 3B 17.2.3).
            report.expect("B0-B3 of the enabled ones", set, e.dr6 & set);
        }
    }
    // A string instruction stops after the element that was hit, with RF set unless it was the last.
    for (u32 element = 0; element < 4; ++element) {
        for (const bool source : {false, true}) {
            if (!report.next()) continue;
            report.describe("REP MOVSD of 4, %s of element %u watched", source ? "source" : "destination", element);
            reset_tables();
            set_address(3, address(scratch) + (source ? 0 : 32) + 4 * element);
            Context c = ring(3, code(movs));
            c.ecx = 4;
            c.esi = address(scratch);
            c.edi = address(scratch) + 32;
            const Debugged e = run_with(c, breakpoint(3, source ? On::access : On::write, 4));
            const bool last = element == 3;
            // Some processors report one or more elements later ("fast strings"): then only that it is reported counts.
            expect_debug(report, e, 8, c.eip + (last ? 2 : 0));
            report.expect("ECX", 3 - element, e.ecx);
            report.expect("RF", last ? 0 : rf, e.eflags & rf);
        }
    }
}

// --- before what it comes
// ----------------------------------------------------------------------------------------------

namespace {

struct Priority {
    const char* name;
    void (*set)(Context&, u32& dr7);
    u8 vector;
    u32 error, hits, eip; ///< EIP from the start
};
constexpr u8 ud2[] = {0x0F, 0x0B}, hlt[] = {0xF4}, read_absent[] = {0x8B, 0x02, 0xCD, 0x80};
constexpr u8 write_ud[] = {0x89, 0x02, 0x0F, 0x0B}, nop_ud[] = {0x90, 0x0F, 0x0B};
constexpr u8 push_absent[] = {0xFF, 0x32, 0xCD, 0x80}, nop_nop[] = {0x90, 0x90, 0xCD, 0x80};

void break_on(Context& c, u32& dr7, const void* at) {
    c.eip = address(at);
    set_address(0, c.eip);
    dr7 = breakpoint(0, On::execute, 1);
}
const Priority order[] = {
    {"code breakpoint before #UD", [](Context& c, u32& dr7) { break_on(c, dr7, code(ud2)); }, 1, 0, 1, 0},
    {"code breakpoint before #GP of HLT", [](Context& c, u32& dr7) { break_on(c, dr7, code(hlt)); }, 1, 0, 1, 0},
    {"code breakpoint before a data page fault",
     [](Context& c, u32& dr7) { break_on(c, dr7, code(read_absent)), c.edx = faults::absent_page; }, 1, 0, 1, 0},
    {"code breakpoint before the page fault of its own fetch",
     [](Context& c, u32& dr7) { break_on(c, dr7, reinterpret_cast<const void*>(faults::absent_page + 16)); }, 1, 0, 1,
     0},
    {"RF, then the page fault of the fetch",
     [](Context& c, u32& dr7) {
         break_on(c, dr7, reinterpret_cast<const void*>(faults::absent_page + 16)), c.eflags |= rf;
     },
     14, 4, 0, 0},
    {"RF, then #UD", [](Context& c, u32& dr7) { break_on(c, dr7, code(ud2)), c.eflags |= rf; }, 6, 0, 0, 0},
    {"data trap before the next instruction's #UD",
     [](Context& c, u32& dr7) {
         c.eip = address(code(write_ud));
         c.edx = address(scratch);
         set_address(0, c.edx);
         dr7 = breakpoint(0, On::write, 1);
     },
     1, 0, 1, 2},
    {"single step before the next instruction's #UD",
     [](Context& c, u32&) { c.eip = address(code(nop_ud)), c.eflags |= tf; }, 1, 0, bs, 1},
    {"single step before the next fetch's page fault",
     [](Context& c, u32&) {
         c.eip = faults::absent_page - 1;
         *reinterpret_cast<u8*>(c.eip) = 0x90;
         c.eflags |= tf;
     },
     1, 0, bs, 1},
    {"fault of a stepped instruction: no trap",
     [](Context& c, u32&) { c.eip = address(code(read_absent)), c.edx = faults::absent_page, c.eflags |= tf; }, 14, 4,
     0, 0},
    {"#UD of a stepped instruction: no trap", [](Context& c, u32&) { c.eip = address(code(ud2)), c.eflags |= tf; }, 6,
     0, 0, 0},
    {"watched read whose push faults: no trap",
     [](Context& c, u32& dr7) {
         c.eip = address(code(push_absent));
         c.edx = address(scratch);
         c.esp = faults::absent_page + 0x800;
         set_address(0, c.edx);
         dr7 = breakpoint(0, On::access, 4);
     },
     14, 6, 0, 0},
    {"single step, then the breakpoint on the next instruction",
     [](Context& c, u32& dr7) {
         break_on(c, dr7, code(nop_nop));
         set_address(0, c.eip + 1);
         c.eflags |= tf;
     },
     1, 0, bs, 1},
};

} // namespace

void priorities(Report& report) {
    for (const Priority& p : order) {
        if (!report.next()) continue;
        report.describe("%s", p.name);
        reset_tables();
        faults::paging_on();
        Context c = ring(3, code(nop_nop));
        u32 dr7 = 0;
        p.set(c, dr7);
        const Debugged e = run_with(c, dr7);
        faults::paging_off();
        report.expect("vector", p.vector, e.vector);
        report.expect("error code", p.error, e.error);
        report.expect("EIP", c.eip + p.eip, e.eip);
        // With a trap pending, B0 may already tell of the breakpoint on the next instruction.
        report.expect("DR6", p.hits, e.hits() & (p.hits & bs ? ~15u : ~0u));
    }
}

// --- a task's T flag
// ----------------------------------------------------------------------------------------------------

namespace {
Tss trapped __attribute__((aligned(128)));
u32 trapped_stack[64];
extern "C" const u8 task_code[];
asm(R"(
.intel_syntax noprefix
task_code: nop
    int 0x80
.att_syntax
)");
} // namespace

void task_trap(Report& report) {
    for (unsigned trap = 0; trap < 2; ++trap) {
        for (const u32 flags : {0u, tf}) {
            for (const bool by_call : {false, true}) {
                if (!report.next()) continue;
                report.describe("%s to a task with T %u, TF %u", by_call ? "CALL" : "JMP", trap, flags >> 8);
                reset_tables();
                memset(&trapped, 0, sizeof trapped);
                trapped.eip = address(task_code);
                trapped.esp = address(trapped_stack + 64);
                trapped.cs = kernel_code;
                trapped.ss = trapped.ds = trapped.es = trapped.fs = trapped.gs = kernel_data;
                trapped.eflags = 2 | flags;
                trapped.trap = static_cast<u16>(trap);
                trapped.io_map = sizeof trapped;
                gdt[spare / 8] = descriptor(address(&trapped), sizeof trapped - 1, 9, 0, true, false);
                const u8 go[] = {static_cast<u8>(by_call ? 0x9A : 0xEA), 0, 0, 0, 0, spare, 0, 0xCD, 0x80};
                set_address(0, 0xFFFF'F000);
                const u32 dr7 = breakpoint(0, On::access, 1, true, true); // L0 and G0
                const Debugged e = run_with(ring(0, code(go)), dr7);
                reset_tables();
                faults::change_cr0(0, faults::cr0_ts);
                report.expect("DR7: the switch clears L0-L3", (dr7 & ~0x55u) | 0x400, e.dr7);
                if (trap) {
                    report.expect("vector", 1, e.vector);
                    report.expect("DR6", bt, e.hits());
                    report.expect("EIP", address(task_code), e.eip);
                } else if (flags) {
                    expect_debug(report, e, bs, address(task_code) + 1);
                } else {
                    report.expect_exit(e, end_vector, 0);
                    report.expect("DR6", 0, e.hits());
                }
            }
        }
    }
}

} // namespace debug
