// Breakpoints that a program sets for itself: MOV to a debug register serializes, so the next instruction is watched
// already (SDM 3A 8.3); and breakpoints in string instructions, element by element (SDM 3B 17.3.1.2).
#include "guests/system/debug.hpp"
#include "guests/system/faults.hpp"

namespace debug {

namespace {

extern "C" const u8 fl_dr7[], fl_dr7_next[], fl_dr0[], fl_dr0_next[], fl_cr4[], fl_cr4_next[], fl_loop[], fl_loop_at[];
// EAX: for the register; EDX: what is written to, or a port.
asm(R"(
.intel_syntax noprefix
.text
fl_dr7: mov dr7, eax
fl_dr7_next: mov [edx], ecx
    nop
    nop
    mov [edx], ecx
    nop
    int 0x80
fl_dr0: mov dr0, eax
fl_dr0_next: mov [edx], ecx
    nop
    nop
    mov [edx], ecx
    nop
    int 0x80
fl_cr4: mov cr4, eax
fl_cr4_next: out dx, al
    nop
    nop
    int 0x80
fl_loop: mov ecx, 10
1:  cmp ecx, 5
    jne 2f
    mov dr7, eax
2:  nop
fl_loop_at: inc ebx
    loop 1b
    int 0x80
.att_syntax
)");

alignas(64) u8 target[64];
constexpr u32 offsets[] = {0, 2, 3, 4, 6}; // of the five instructions behind the first

} // namespace

void in_flight(Report& report) {
    for (u32 i = 0; i < 5; ++i) {
        for (const bool moved : {false, true}) { // DR7 is written last, or DR0
            if (!report.next()) continue;
            report.describe("%s sets a breakpoint on instruction %u behind it", moved ? "MOV DR0" : "MOV DR7", i + 1);
            Context c = ring(0, moved ? fl_dr0 : fl_dr7);
            const u32 at = (moved ? address(fl_dr0_next) : address(fl_dr7_next)) + offsets[i];
            const u32 dr7 = breakpoint(0, On::execute, 1, false, true) | 0x400;
            set_address(0, moved ? 0xFFFF'F000 : at);
            c.eax = moved ? at : dr7;
            c.edx = address(target);
            expect_debug(report, run_with(c, moved ? dr7 : 0), 1, at);
        }
        if (report.next()) {
            report.describe("MOV DR7 takes the breakpoint on instruction %u behind it away", i + 1);
            Context c = ring(0, fl_dr7);
            set_address(0, address(fl_dr7_next) + offsets[i]);
            c.eax = 0x400;
            c.edx = address(target);
            const Debugged e = run_with(c, breakpoint(0, On::execute, 1));
            report.expect_exit(e, end_vector, 0);
            report.expect("DR6", 0, e.hits());
        }
    }
    for (const bool moved : {false, true}) {
        for (const On on : {On::write, On::access}) {
            if (!report.next()) continue;
            report.describe("%s watches what the next instruction writes", moved ? "MOV DR0" : "MOV DR7");
            Context c = ring(0, moved ? fl_dr0 : fl_dr7);
            const u32 dr7 = breakpoint(0, on, 4, false, true) | 0x400;
            set_address(0, moved ? 0xFFFF'F000 : address(target));
            c.eax = moved ? address(target) : dr7;
            c.edx = address(target);
            expect_debug(report, run_with(c, moved ? dr7 : 0), 1,
                         (moved ? address(fl_dr0_next) : address(fl_dr7_next)) + 2);
        }
    }
    if (report.next()) {
        report.describe("MOV DR7 takes a data breakpoint away before the next instruction");
        Context c = ring(0, fl_dr7);
        set_address(0, address(target));
        c.eax = 0x400;
        c.edx = address(target);
        report.expect_exit(run_with(c, breakpoint(0, On::write, 4)), end_vector, 0);
    }
    for (const bool on : {false, true}) {
        if (!report.next()) continue;
        report.describe("MOV CR4 %s DE before OUT to a watched port", on ? "sets" : "clears");
        if (!features().cpuid || !(features().edx >> 2 & 1)) {
            report.skip("no CR4.DE");
            continue;
        }
        const u32 before = read_cr4();
        write_cr4(on ? before & ~cr4_de : before | cr4_de);
        Context c = ring(0, fl_cr4);
        c.eax = on ? before | cr4_de : before & ~cr4_de;
        c.edx = 0x80;
        set_address(2, 0x80);
        const Debugged e = run_with(c, breakpoint(2, On::port, 1));
        write_cr4(before & ~cr4_de);
        if (on)
            expect_debug(report, e, 4, address(fl_cr4_next) + 1);
        else
            report.expect_exit(e, end_vector, 0);
    }
    // A loop that has run already: its code is known, the breakpoint is not.
    for (const bool warm : {false, true}) {
        if (!report.next()) continue;
        report.describe("MOV DR7 in a loop%s", warm ? " that has run before" : "");
        Context c = ring(0, fl_loop);
        c.eax = 0x400;
        if (warm) run(c);
        set_address(0, address(fl_loop_at));
        c.eax = breakpoint(0, On::execute, 1, false, true) | 0x400;
        const Debugged e = run_with(c, 0);
        expect_debug(report, e, 1, address(fl_loop_at));
        report.expect("ECX", 5, e.ecx);
        report.expect("EBX", 5, e.ebx);
    }
}

// --- strings
// -------------------------------------------------------------------------------------------------------------

namespace {

struct String {
    const char* name;
    u8 bytes[6];
    u32 length, size;
    bool reads, writes;
    bool port = false;
};
constexpr String strings[] = {
    {"REP MOVSB", {0xF3, 0xA4, 0xCD, 0x80}, 2, 1, true, true},
    {"REP MOVSW", {0xF3, 0x66, 0xA5, 0xCD, 0x80}, 3, 2, true, true},
    {"REP MOVSD", {0xF3, 0xA5, 0xCD, 0x80}, 2, 4, true, true},
    {"REP STOSB", {0xF3, 0xAA, 0xCD, 0x80}, 2, 1, false, true},
    {"REP STOSD", {0xF3, 0xAB, 0xCD, 0x80}, 2, 4, false, true},
    {"REP LODSB", {0xF3, 0xAC, 0xCD, 0x80}, 2, 1, true, false},
    {"REP LODSD", {0xF3, 0xAD, 0xCD, 0x80}, 2, 4, true, false},
    {"REPNE SCASB", {0xF2, 0xAE, 0xCD, 0x80}, 2, 1, false, false},
    {"REPE CMPSW", {0xF3, 0x66, 0xA7, 0xCD, 0x80}, 3, 2, true, false},
    {"REP OUTSB", {0xF3, 0x6E, 0xCD, 0x80}, 2, 1, true, false, true},
    {"REP INSB", {0xF3, 0x6C, 0xCD, 0x80}, 2, 1, false, true, true},
};
constexpr u32 elements = 6, source = faults::absent_page + 0x2000, destination = source + 0x3000;

/// `element` counts in the direction of the move; what is watched is its first byte.
void watched_string(Report& report, const String& s, u32 element, bool of_source, bool down, u32 shift) {
    reset_tables();
    const u32 first = shift; // from a page's edge backwards
    Context c = ring(0, code(s.bytes));
    memset(reinterpret_cast<void*>(source - 64), 0, 128);
    memset(reinterpret_cast<void*>(destination - 64), 0, 128);
    c.ecx = elements;
    c.edx = 0x80;
    c.eax = 0x0101'0101; // SCAS does not find it
    const u32 bytes = (elements - 1) * s.size;
    c.esi = source - first + (down ? bytes : 0);
    c.edi = destination - first + (down ? bytes : 0);
    if (down) c.eflags |= 0x400;
    const u32 step = element * s.size;
    const u32 watched = (of_source ? c.esi : c.edi) + (down ? 0 - step : step);
    set_address(1, watched);
    const bool reads_destination = s.bytes[1] == 0xAE || s.bytes[2] == 0xA7;
    const bool write_only = !of_source && s.writes;
    const Debugged e = run_with(c, breakpoint(1, write_only ? On::write : On::access, 1));
    const bool seen = of_source ? s.reads : s.writes || reads_destination;
    if (!seen) {
        report.expect_exit(e, end_vector, 0);
        return;
    }
    const bool last = element + 1 == elements;
    report.expect("vector", 1, e.vector);
    report.expect("DR6", 2, e.hits());
    report.expect("ECX", elements - 1 - element, e.ecx);
    report.expect("EIP", c.eip + (last ? s.length : 0), e.eip);
    report.expect("RF", last ? 0 : rf, e.eflags & rf);
}

} // namespace

void string_elements(Report& report) {
    for (const String& s : strings) {
        for (u32 element = 0; element < elements; ++element) {
            for (const bool of_source : {false, true}) {
                for (const bool down : {false, true}) {
                    for (const u32 shift : {0u, 7u}) {
                        if (!report.next()) continue;
                        report.describe("%s %s, %s of element %u watched, %u bytes before a page's edge", s.name,
                                        down ? "down" : "up", of_source ? "source" : "destination", element, shift);
                        watched_string(report, s, element, of_source, down, shift);
                    }
                }
            }
        }
    }
}

} // namespace debug
