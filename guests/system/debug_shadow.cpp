// What is held off for an instruction: debug traps after loads of SS (SDM 3A 6.8.3), interrupts after STI (6.8.1); and
// how HLT ends. Interrupts come from IRQ 0, which the case has raised before.
#include "guests/system/debug.hpp"
#include "guests/system/faults.hpp"
#include "guests/system/pic.hpp"

namespace debug {

namespace {

alignas(16) u8 scratch[64];
constexpr u8 irq0 = chips::master_base;

struct Load {
    const char* name;
    u8 bytes[10];
    u32 length; ///< of the load
    bool holds; ///< LSS and loads of DS do not
};
// Behind the load: NOP, NOP, INT 80h. EAX has SS's selector, as have [EDX] and the top of the stack.
constexpr Load loads[] = {
    {"MOV SS, AX", {0x8E, 0xD0, 0x90, 0x90, 0xCD, 0x80}, 2, true},
    {"MOV SS, m16", {0x8E, 0x12, 0x90, 0x90, 0xCD, 0x80}, 2, true},
    {"POP SS", {0x17, 0x90, 0x90, 0xCD, 0x80}, 1, true},
    {"LSS", {0x0F, 0xB2, 0x62, 0x04, 0x90, 0x90, 0xCD, 0x80}, 4, false},
    {"MOV DS, AX", {0x8E, 0xD8, 0x90, 0x90, 0xCD, 0x80}, 2, false},
    {"MOV ES, m16", {0x8E, 0x02, 0x90, 0x90, 0xCD, 0x80}, 2, false},
    {"POP DS", {0x1F, 0x90, 0x90, 0xCD, 0x80}, 1, false},
};

Context loading(const Load& l, unsigned cpl) {
    reset_tables();
    Context c = ring(cpl, code(l.bytes));
    c.eax = flat_data(cpl);
    c.edx = address(scratch);
    c.esp -= 4;
    *reinterpret_cast<u32*>(c.esp) = flat_data(cpl);
    *reinterpret_cast<u32*>(scratch) = flat_data(cpl);
    *reinterpret_cast<u32*>(scratch + 4) = c.esp;
    *reinterpret_cast<u32*>(scratch + 8) = flat_data(cpl);
    return c;
}

} // namespace

void shadows(Report& report) {
    for (const Load& l : loads) {
        for (unsigned cpl = 0; cpl < 4; ++cpl) {
            const u32 held = l.holds ? 1 : 0;
            if (report.next()) {
                report.describe("%s with TF, CPL %u", l.name, cpl);
                Context c = loading(l, cpl);
                c.eflags |= tf;
                expect_debug(report, run_with(c, 0), bs, c.eip + l.length + held);
            }
            if (report.next()) {
                report.describe("%s, breakpoint on the next instruction, CPL %u", l.name, cpl);
                const Context c = loading(l, cpl);
                set_address(0, c.eip + l.length);
                const Debugged e = run_with(c, breakpoint(0, On::execute, 1));
                // "may not be triggered" (SDM 2, MOV)
                if (!l.holds || e.vector == 1) expect_debug(report, e, 1, c.eip + l.length);
                if (l.holds && e.vector != 1) report.expect_exit(e, end_vector, 0);
            }
            if (report.next()) {
                report.describe("%s, breakpoint on the second instruction behind it, CPL %u", l.name, cpl);
                const Context c = loading(l, cpl);
                set_address(0, c.eip + l.length + 1);
                expect_debug(report, run_with(c, breakpoint(0, On::execute, 1)), 1, c.eip + l.length + 1);
            }
            // At ring 0 the exception's own frame would lie on a popped operand.
            const bool pops = (l.bytes[0] & 0xF7) == 0x17;
            if (!(pops && cpl == 0) && report.next()) {
                report.describe("%s whose operand is watched, CPL %u", l.name, cpl);
                const Context c = loading(l, cpl);
                const bool memory = l.bytes[1] == 0x12 || l.bytes[1] == 0x02;
                const bool full = l.bytes[1] == 0xB2;
                set_address(1, pops ? c.esp : full ? c.edx + 4 : c.edx);
                const Debugged e = run_with(c, breakpoint(1, On::access, 2));
                if (pops || memory || full) {
                    expect_debug(report, e, 2, c.eip + l.length + held);
                } else {
                    report.expect_exit(e, end_vector, 0);
                }
            }
        }
    }
    // What the load has left pending comes behind INT: in the handler, before its first instruction.
    for (const u32 operand : {1u, 2u}) {
        for (unsigned cpl = 0; cpl < 4; cpl += 3) {
            if (!report.next()) continue;
            report.describe("%s whose operand is watched, then INT 90h, CPL %u", loads[operand].name, cpl);
            Context c = loading(loads[operand], cpl);
            u8 bytes[10];
            memcpy(bytes, loads[operand].bytes, sizeof bytes);
            bytes[loads[operand].length] = 0xCD;
            bytes[loads[operand].length + 1] = 0x90;
            c.eip = address(code(bytes));
            static constexpr u8 handler[] = {0x90, 0x90, 0xCD, 0x80};
            const u32 at = address(code(handler));
            idt[0x90] = gate(kernel_code, at, 14, 3);
            set_address(1, operand == 2 ? c.esp : c.edx);
            const Debugged e = run_with(c, breakpoint(1, On::access, 2));
            reset_tables();
            expect_debug(report, e, 2, at);
            report.expect("CS", kernel_code, e.cs);
        }
    }
}

// --- STI
// -----------------------------------------------------------------------------------------------------------------

namespace {

struct Enabled {
    const char* name;
    u8 bytes[10];
    u8 vector;
    u32 eip; ///< from the start
    u32 eflags = 0;
    u32 other_eip = ~0u; ///< as good
    bool ring0 = false;
    u32 hits = 0;
    u32 top = 0;
};
constexpr u32 watch_write = 1, watch_code = 2; // what DR0 is for, in `Enabled::eflags`'s high bits
constexpr u32 with_watch = 28;
constexpr Enabled enabled[] = {
    {"STI, NOP, NOP", {0xFB, 0x90, 0x90, 0xCD, 0x80}, irq0, 2},
    {"STI, CLI", {0xFB, 0xFA, 0x90, 0xCD, 0x80}, end_vector, 5},
    {"STI, STI, NOP", {0xFB, 0xFB, 0x90, 0xCD, 0x80}, irq0, 2},
    {"STI, POPFD without IF", {0xFB, 0x9D, 0x90, 0xCD, 0x80}, end_vector, 5, 0, ~0u, false, 0, 0x3002},
    {"STI, INT 90h", {0xFB, 0xCD, 0x90, 0xCD, 0x80}, 0x90, 3},
    {"STI, UD2", {0xFB, 0x0F, 0x0B}, 6, 1},
    {"STI, JMP", {0xFB, 0xEB, 0x02, 0, 0, 0x90, 0xCD, 0x80}, irq0, 5},
    {"STI, PUSHFD, NOP", {0xFB, 0x9C, 0x90, 0xCD, 0x80}, irq0, 2},
    {"STI, MOV SS, NOP, NOP", {0xFB, 0x8E, 0xD0, 0x90, 0x90, 0xCD, 0x80}, irq0, 3, 0, 4},
    {"STI, HLT", {0xFB, 0xF4, 0x90, 0xCD, 0x80}, irq0, 2, 0, ~0u, true},
    {"POPFD with IF", {0x9D, 0x90, 0xCD, 0x80}, irq0, 1, 0, ~0u, false, 0, 0x3202},
    {"POPFD with IF and TF", {0x9D, 0x90, 0xCD, 0x80}, irq0, 1, 0, ~0u, false, 0, 0x3302},
    {"POPFD with IF under TF", {0x9D, 0x90, 0xCD, 0x80}, 1, 1, tf, ~0u, false, bs, 0x3302},
    {"STI, NOP under TF", {0xFB, 0x90, 0x90, 0xCD, 0x80}, 1, 1, tf, ~0u, false, bs},
    {"STI, watched write", {0xFB, 0x89, 0x02, 0x90, 0xCD, 0x80}, 1, 3, watch_write << with_watch, ~0u, false, 1},
    {"STI, NOP, breakpoint", {0xFB, 0x90, 0x90, 0xCD, 0x80}, irq0, 2, watch_code << with_watch},
    {"IF set at once", {0x90, 0x90, 0xCD, 0x80}, irq0, 0, interrupts},
    {"IF set at once, TF too", {0x90, 0x90, 0xCD, 0x80}, irq0, 0, interrupts | tf},
    {"IF clear", {0x90, 0x90, 0xCD, 0x80}, end_vector, 4},
};

void enable(Report& report, const Enabled& s, unsigned cpl) {
    reset_tables();
    idt[0x90] |= 3ull << 45; // DPL 3
    chips::start_pics();
    chips::raise(0);
    chips::unmask(0);
    Context c = ring(cpl, code(s.bytes));
    c.eflags |= 0x3000 | (s.eflags & 0xFFFF); // IOPL 3
    c.eax = flat_data(cpl);
    c.edx = address(scratch);
    c.esp -= 4;
    *reinterpret_cast<u32*>(c.esp) = s.top;
    const u32 watch = s.eflags >> with_watch;
    u32 dr7 = 0;
    if (watch == watch_write) set_address(0, c.edx), dr7 = breakpoint(0, On::write, 4);
    if (watch == watch_code) set_address(0, c.eip + s.eip), dr7 = breakpoint(0, On::execute, 1);
    const Debugged e = run_with(c, dr7);
    out8(chips::commands[0], 0x20);
    chips::stop_pics();
    report.expect_exit(e, s.vector, 0);
    if (e.eip != c.eip + s.other_eip) report.expect("EIP", c.eip + s.eip, e.eip);
    report.expect("DR6", s.hits, e.hits());
    if (s.vector == irq0) report.expect("IF in the image", interrupts, e.eflags & interrupts);
}

/// A long string instruction is interrupted between two elements: RF is pushed, so that a breakpoint on it is not met
/// again when it goes on (SDM 3B 17.3.1.1).
void interrupted_string(Report& report) {
    constexpr u32 length = arena_end - arena_begin - 0x40'0000, from = arena_begin + 0x40'0000;
    reset_tables();
    chips::start_pics();
    chips::lower(0);
    chips::unmask(0);
    static constexpr u8 stos[] = {0xF3, 0xAA, 0xCD, 0x80};
    Context c = ring(0, code(stos));
    c.ecx = length;
    c.edi = from;
    c.eflags |= interrupts;
    out8(0x43, 0x30);
    out8(0x40, 0xC8); // 168 us
    out8(0x40, 0);
    const Debugged e = run_with(c, 0);
    out8(chips::commands[0], 0x20);
    chips::stop_pics();
    report.expect_exit(e, irq0, 0);
    report.expect("EIP", c.eip, e.eip);
    report.require("ECX is less than before", e.ecx < length);
    report.require("ECX is not 0", e.ecx > 0);
    report.expect("EDI", from + (length - e.ecx), e.edi);
    if (e.ecx < length) report.expect("RF", rf, e.eflags & rf);
}

} // namespace

void interrupt_shadows(Report& report) {
    for (const Enabled& s : enabled) {
        for (unsigned cpl = 0; cpl < 4; ++cpl) {
            if ((s.ring0 && cpl) || !report.next()) continue;
            report.describe("%s, CPL %u", s.name, cpl);
            enable(report, s, cpl);
        }
    }
    if (report.next()) {
        report.describe("REP STOSB, interrupted");
        interrupted_string(report);
    }
}

// --- HLT
// -----------------------------------------------------------------------------------------------------------------

namespace {

constexpr u8 halt[] = {0xF4, 0x90, 0xCD, 0x80};

/// Counter 0 in mode 0: IRQ 0 in `pulses`.
void alarm(u32 pulses) {
    out8(0x43, 0x30);
    out8(0x40, static_cast<u8>(pulses));
    out8(0x40, static_cast<u8>(pulses >> 8));
}

} // namespace

void halts(Report& report) {
    for (const u32 pulses : {50u, 1000u, 20000u}) {
        if (!report.next()) continue;
        report.describe("HLT with interrupts on, IRQ 0 after %u pulses", pulses);
        reset_tables();
        chips::start_pics();
        chips::unmask(0);
        static constexpr u8 sti_hlt[] = {0xFB, 0xF4, 0x90, 0xCD, 0x80};
        const Context c = ring(0, code(sti_hlt));
        alarm(pulses);
        const Exit e = run(c);
        out8(chips::commands[0], 0x20);
        chips::stop_pics();
        report.expect_exit(e, irq0, 0);
        report.expect("EIP", c.eip + 2, e.eip);
    }
    for (const u32 flags : {0u, interrupts}) {
        if (!report.next()) continue;
        report.describe("HLT, IF %u, ended by an NMI of the I/O APIC", flags >> 9);
        if (!features().apic()) {
            report.skip("no APIC");
            continue;
        }
        reset_tables();
        chips::start_pics();
        alarm(0xFFFF);
        chips::io_apic(0x15, chips::local(0x20) & 0xFF00'0000);
        chips::io_apic(0x14, 0x400); // input 2: NMI, edge
        Context c = ring(0, code(halt));
        c.eflags |= flags;
        alarm(1000);
        const Exit e = run(c);
        chips::io_apic(0x14, 1u << 16);
        static constexpr u8 iret[] = {0xCF}; // an NMI's handler ends with IRET: let the next NMI in
        Context unblock = ring(0, code(iret));
        static constexpr u8 end[] = {0xCD, 0x80};
        unblock.esp -= 12;
        u32* frame = reinterpret_cast<u32*>(unblock.esp);
        frame[0] = address(code(end));
        frame[1] = kernel_code;
        frame[2] = 2;
        run(unblock);
        chips::stop_pics();
        report.expect_exit(e, 2, 0);
        report.expect("EIP", c.eip + 1, e.eip);
        report.expect("IF in the image", flags, e.eflags & interrupts);
    }
    for (unsigned cpl = 1; cpl < 4; ++cpl) {
        if (!report.next()) continue;
        report.describe("HLT, CPL %u, IOPL 3", cpl);
        reset_tables();
        Context c = ring(cpl, code(halt));
        c.eflags |= 0x3000;
        const Exit e = run(c);
        report.expect_exit(e, 13, 0);
        report.expect("EIP", c.eip, e.eip);
    }
}

} // namespace debug
