// Instruction breakpoints and the resume flag (SDM 3B 17.3.1.1), the debug registers themselves (17.2), and general
// detection (17.3.1.3).
#include "guests/system/debug.hpp"
#include "guests/system/faults.hpp"

namespace debug {

namespace {

extern "C" const u8 code_line[], code_at1[], code_at4[], code_at9[], code_at11[], code_jump[], code_target[],
    code_rep[];
extern "C" const u8 code_ud[], code_hlt[], code_prefixed[], code_after_prefix[];
asm(R"(
.intel_syntax noprefix
.text
code_line: nop
code_at1: mov eax, ebx
    nop
code_at4: mov ecx, 0x12345678
code_at9: add eax, ecx
code_at11: int 0x80
code_jump: jmp code_target
    ud2
code_target: nop
    int 0x80
code_rep: rep movsb
    int 0x80
code_ud: ud2
code_hlt: hlt
    int 0x80
code_prefixed: .byte 0x26
code_after_prefix: mov eax, [edx]
    int 0x80
.att_syntax
)");

alignas(16) u8 scratch[64];

struct Place {
    const char* name;
    const u8* start;
    const u8* at;
    bool hit;
};
const Place places[] = {
    {"first instruction", code_line, code_line, true},
    {"second instruction", code_line, code_at1, true},
    {"second byte of an instruction", code_line, code_at1 + 1, false},
    {"third instruction", code_line, code_at4, true},
    {"immediate of an instruction", code_line, code_at4 + 3, false},
    {"fourth instruction", code_line, code_at9, true},
    {"INT", code_line, code_at11, true},
    {"second byte of INT", code_line, code_at11 + 1, false},
    {"jump", code_jump, code_jump, true},
    {"target of a jump", code_jump, code_target, true},
    {"instruction that is jumped over", code_jump, code_jump + 2, false},
    {"REP MOVSB", code_rep, code_rep, true},
    {"undefined instruction", code_ud, code_ud, true},
    {"prefix", code_prefixed, code_prefixed, true},
    {"byte after a prefix", code_prefixed, code_after_prefix, false},
};

Context at(const u8* start, unsigned cpl) {
    Context c = ring(cpl, start);
    c.ecx = 3;
    c.esi = address(scratch);
    c.edi = address(scratch) + 32;
    c.edx = address(scratch);
    return c;
}

} // namespace

void code_breakpoints(Report& report) {
    for (const Place& p : places) {
        for (unsigned n = 0; n < 4; ++n) {
            for (unsigned cpl = 0; cpl < 4; ++cpl) {
                if (!report.next()) continue;
                report.describe("DR%u on the %s, CPL %u", n, p.name, cpl);
                set_address(n, address(p.at));
                const Debugged e = run_with(at(p.start, cpl), breakpoint(n, On::execute, 1));
                if (p.hit) {
                    expect_debug(report, e, 1u << n, address(p.at));
                    report.expect("RF", 0, e.eflags & rf);
                } else {
                    report.expect_exit(e, end_vector, 0);
                    report.expect("DR6", 0, e.hits());
                }
            }
        }
    }
}

/// RF set: the breakpoint of the first instruction is passed over, that of any later one is not.
void resume_flag(Report& report) {
    for (const Place& p : places) {
        for (unsigned cpl = 0; cpl < 4; cpl += 3) {
            if (!report.next()) continue;
            report.describe("RF set, DR1 on the %s, CPL %u", p.name, cpl);
            set_address(1, address(p.at));
            Context c = at(p.start, cpl);
            c.eflags |= rf;
            const Debugged e = run_with(c, breakpoint(1, On::execute, 1));
            if (p.hit && p.at != p.start) {
                expect_debug(report, e, 2, address(p.at));
            } else {
                report.expect("vector", p.start == code_ud ? 6 : end_vector, e.vector);
                report.expect("DR6", 0, e.hits());
            }
        }
    }
    // Data breakpoints and single steps do not care for RF.
    for (unsigned way = 0; way < 2; ++way) {
        if (!report.next()) continue;
        report.describe("RF set, %s", way ? "single step" : "data breakpoint");
        Context c = at(code_prefixed, 3);
        c.eflags |= rf | (way ? tf : 0);
        set_address(0, address(scratch));
        const Debugged e = run_with(c, way ? 0 : breakpoint(0, On::access, 4));
        expect_debug(report, e, way ? bs : 1, address(code_after_prefix) + 2);
        report.expect("RF in the image", 0, e.eflags & rf);
    }
    // A fault in the middle of a string instruction, one at its start: both push RF, so that the breakpoint on it is
    // not met again.
    for (unsigned done = 0; done < 3; ++done) {
        if (!report.next()) continue;
        report.describe("RF set, breakpoint on a REP MOVSB that faults after %u", done);
        faults::paging_on();
        set_address(0, address(code_rep));
        Context c = at(code_rep, 3);
        c.edi = faults::absent_page - done;
        c.eflags |= rf;
        const Debugged e = run_with(c, breakpoint(0, On::execute, 1));
        faults::paging_off();
        report.expect_exit(e, 14, 6);
        report.expect("ECX", 3 - done, e.ecx);
        report.expect("RF", rf, e.eflags & rf);
        report.expect("DR6", 0, e.hits());
    }
    // RF is not seen by PUSHF, and not set by POPF.
    static constexpr u8 pushf[] = {0x9C, 0x58, 0xCD, 0x80}, popf[] = {0x9D, 0x90, 0xCD, 0x80};
    if (report.next()) {
        report.describe("PUSHFD with RF set");
        Context c = ring(0, code(pushf));
        c.eflags |= rf;
        report.expect("image", 2, run_with(c, 0).eax);
    }
    if (report.next()) {
        report.describe("POPFD with RF in the image, breakpoint on the next instruction");
        Context c = ring(0, code(popf));
        c.esp -= 4;
        *reinterpret_cast<u32*>(c.esp) = 2 | rf;
        set_address(0, c.eip + 1);
        expect_debug(report, run_with(c, breakpoint(0, On::execute, 1)), 1, c.eip + 1);
    }
}

// --- the registers
// ---------------------------------------------------------------------------------------------------------

namespace {

extern "C" const u8 *const dr_reads[], *const dr_writes[];
asm(R"(
.intel_syntax noprefix
.text
.macro dr_pair n
dr_read\n: .byte 0x0F, 0x21, 0xC0 + 8 * \n
    int 0x80
dr_write\n: .byte 0x0F, 0x23, 0xC0 + 8 * \n
    int 0x80
.endm
dr_pair 0
dr_pair 1
dr_pair 2
dr_pair 3
dr_pair 4
dr_pair 5
dr_pair 6
dr_pair 7
.section .rodata
.globl dr_reads
dr_reads: .long dr_read0, dr_read1, dr_read2, dr_read3, dr_read4, dr_read5, dr_read6, dr_read7
.globl dr_writes
dr_writes: .long dr_write0, dr_write1, dr_write2, dr_write3, dr_write4, dr_write5, dr_write6, dr_write7
.text
.att_syntax
)");

bool has_de() { return features().cpuid && (features().edx >> 2 & 1); }
void set_de(bool on) {
    if (has_de()) write_cr4(on ? read_cr4() | cr4_de : read_cr4() & ~cr4_de);
}

/// DR6 bits 12 and 16 (RTM) and up read as before; DR7 bit 10 is one, 12, 14 and 15 are zero.
u32 read_back(unsigned n, u32 value) {
    if (n == 6 || n == 4) return (value & 0xE00F) | dr6_fixed;
    if (n == 7 || n == 5) return (value & 0xFFFF'23FF) | 0x400;
    return value;
}

void write_and_read(Report& report, unsigned write, unsigned read, u32 value) {
    write_dr6(dr6_fixed);
    write_dr7(0x400);
    Context c = ring(0, dr_writes[write]);
    c.eax = value & ~gd;
    const Exit written = run(c);
    c.eip = address(dr_reads[read]);
    c.eax = 0;
    const Exit e = run(c);
    write_dr7(0x400);
    write_dr6(dr6_fixed);
    report.expect_exit(written, end_vector, 0);
    report.expect_exit(e, end_vector, 0);
    report.expect("register", read_back(write, value & ~gd), e.eax);
}

} // namespace

void registers(Report& report) {
    // Values whose DR7 half enables nothing that could be hit: the addresses are odd corners of nowhere.
    constexpr u32 values[] = {0, 0xFFFF'FFFF, 0x5555'5555, 0xAAAA'AAAA, 0x0000'FFFF, 0xFFFF'0000, 0x0000'D800, 0xE00F};
    for (unsigned n = 0; n < 8; ++n) {
        for (const u32 value : values) {
            if (!report.next()) continue;
            report.describe("DR%u, %08x", n, value);
            set_de(false);
            for (unsigned k = 0; k < 4; ++k) set_address(k, 0xFFFF'F000);
            write_and_read(report, n, n, value);
        }
    }
    for (const u32 value : {0xE00Fu, 0u, 0x4002u}) {
        for (unsigned n = 4; n < 8; ++n) {
            if (!report.next()) continue;
            const unsigned alias = n < 6 ? n + 2 : n - 2;
            report.describe("written as DR%u, read as DR%u, %08x", n, alias, value);
            set_de(false);
            write_and_read(report, n, alias, value);
        }
    }
    for (unsigned n = 0; n < 8; ++n) {
        for (unsigned cpl = 0; cpl < 4; ++cpl) {
            for (unsigned de = 0; de < 2; ++de) {
                for (const bool write : {false, true}) {
                    if (!report.next()) continue;
                    report.describe("MOV %s DR%u, CPL %u, DE %u", write ? "to" : "from", n, cpl, de);
                    if (de && !has_de()) {
                        report.skip("no CR4.DE");
                        continue;
                    }
                    set_de(de != 0);
                    Context c = ring(cpl, write ? dr_writes[n] : dr_reads[n]);
                    c.eax = (n & 5) == 5 ? 0x400 : 0;
                    const Exit e = run(c);
                    set_de(false);
                    write_dr6(dr6_fixed);
                    write_dr7(0x400);
                    const bool undefined = de && (n == 4 || n == 5);
                    if (undefined && cpl) { // both apply; the manual does not say which comes first
                        report.require("#UD or #GP", e.vector == 6 || e.vector == 13);
                    } else {
                        report.expect_exit(e, undefined ? 6 : cpl ? 13 : end_vector, 0);
                    }
                }
            }
        }
    }
}

void general_detect(Report& report) {
    for (unsigned n = 0; n < 8; ++n) {
        for (const bool write : {false, true}) {
            if (!report.next()) continue;
            report.describe("GD set, MOV %s DR%u", write ? "to" : "from", n);
            set_de(false);
            Context c = ring(0, write ? dr_writes[n] : dr_reads[n]);
            c.eax = 0x0BAD'0000;
            const Debugged e = run_with(c, gd);
            expect_debug(report, e, bd, c.eip);
            report.expect("EAX", c.eax, e.eax);
            report.expect("DR7: GD is off for the handler", 0x400, e.dr7);
            report.expect("RF", rf, e.eflags & rf);
        }
    }
    for (unsigned cpl = 1; cpl < 4; ++cpl) {
        if (!report.next()) continue;
        report.describe("GD set, MOV from DR7, CPL %u", cpl);
        const Exit e = [&] {
            write_dr7(gd | 0x400);
            const Exit result = run(ring(cpl, dr_reads[7]));
            // GD is still on: the first access is a #DB of the kernel's own, and turns it off.
            const Exit detected = run(ring(0, dr_reads[7]));
            report.expect("then #DB at ring 0", 1, detected.vector);
            write_dr7(0x400);
            write_dr6(dr6_fixed);
            return result;
        }();
        report.expect_exit(e, 13, 0);
    }
    // Any debug exception clears GD.
    if (report.next()) {
        report.describe("GD set, single step");
        Context c = ring(0, code_line);
        c.eflags |= tf;
        const Debugged e = run_with(c, gd);
        expect_debug(report, e, bs, c.eip + 1);
        report.expect("DR7", 0x400, e.dr7);
    }
}

// --- enables
// -------------------------------------------------------------------------------------------------------------

void enables(Report& report) {
    for (unsigned n = 0; n < 4; ++n) {
        for (unsigned bits = 0; bits < 16; ++bits) {
            if (!report.next()) continue;
            const bool local = bits & 1, global = bits & 2;
            report.describe("DR%u with L %u G %u, LE %u GE %u", n, bits & 1, bits >> 1 & 1, bits >> 2 & 1, bits >> 3);
            for (unsigned k = 0; k < 4; ++k) set_address(k, k == n ? address(code_at9) : 0xFFFF'F000);
            const u32 dr7 = breakpoint(n, On::execute, 1, local, global) | (bits & 4 ? le : 0) | (bits & 8 ? ge : 0);
            const Debugged e = run_with(at(code_line, bits & 3), dr7);
            report.expect("DR7", dr7 | 0x400, e.dr7);
            if (local || global)
                expect_debug(report, e, 1u << n, address(code_at9));
            else
                report.expect_exit(e, end_vector, 0);
        }
    }
    // Several at the same place: all of those enabled are reported.
    for (unsigned set = 1; set < 16; ++set) {
        if (!report.next()) continue;
        report.describe("registers %x on one instruction", set);
        u32 dr7 = 0;
        for (unsigned n = 0; n < 4; ++n) {
            set_address(n, set >> n & 1 ? address(code_at4) : 0xFFFF'F000);
            if (set >> n & 1) dr7 |= breakpoint(n, On::execute, 1, n & 1, !(n & 1));
        }
        expect_debug(report, run_with(at(code_line, 3), dr7), set, address(code_at4));
    }
    // The bits of DR6 stay until software clears them.
    for (unsigned stale = 0; stale < 16; stale += 2) {
        if (!report.next()) continue;
        report.describe("bits %x of DR6 set before", stale);
        set_address(0, address(code_at4));
        write_dr6(dr6_fixed | (stale & 8 ? bt : 0) | (stale & 4 ? bs : 0) | (stale & 2 ? bd : 0));
        write_dr7(breakpoint(0, On::execute, 1) | 0x400);
        const Exit e = run(at(code_line, 0));
        const u32 dr6 = read_dr6();
        write_dr7(0x400);
        write_dr6(dr6_fixed);
        report.expect("vector", 1, e.vector);
        report.expect("DR6", dr6_fixed | 1 | (stale & 8 ? bt : 0) | (stale & 4 ? bs : 0) | (stale & 2 ? bd : 0), dr6);
    }
}

} // namespace debug
