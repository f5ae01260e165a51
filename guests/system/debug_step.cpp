// The single-step trap (SDM 3B 17.3.1.4): after which instructions it comes, where, and how it goes with interrupts,
// task switches and other debug exceptions.
#include "guests/system/debug.hpp"

namespace debug {

namespace {

alignas(16) u8 scratch[64];

struct Stepped {
    const char* name;
    u8 bytes[10];
    u32 eip; ///< after the step, from the start
    u32 pushed_eflags = tf | 2;
    u32 ecx = 3;
    u32 top = 0; ///< what is on the stack
    u32 eflags = 0;
    bool ring0 = false;
};
constexpr u32 zf = 0x40, df = 0x400, cf = 1;
constexpr Stepped steps[] = {
    {"NOP", {0x90, 0xCD, 0x80}, 1},
    {"MOV", {0x89, 0xC8, 0xCD, 0x80}, 2},
    {"MOV from memory", {0x8B, 0x02, 0xCD, 0x80}, 2},
    {"CLD", {0xFC, 0xCD, 0x80}, 1},
    {"STC", {0xF9, 0xCD, 0x80}, 1, tf | 2 | cf},
    {"STD", {0xFD, 0xCD, 0x80}, 1, tf | 2 | df},
    {"JMP", {0xEB, 0x02, 0, 0, 0x90, 0xCD, 0x80}, 4},
    {"JMP to itself", {0xEB, 0xFE, 0xCD, 0x80}, 0},
    {"JZ taken", {0x74, 0x02, 0, 0, 0xCD, 0x80}, 4, tf | 2 | zf, 3, 0, zf},
    {"JZ not taken", {0x74, 0x02, 0xCD, 0x80}, 2},
    {"LOOP taken", {0xE2, 0x02, 0, 0, 0xCD, 0x80}, 4},
    {"LOOP not taken", {0xE2, 0x02, 0xCD, 0x80}, 2, tf | 2, 1},
    {"JECXZ taken", {0xE3, 0x02, 0, 0, 0xCD, 0x80}, 4, tf | 2, 0},
    {"CALL", {0xE8, 1, 0, 0, 0, 0x90, 0xCD, 0x80}, 6},
    {"PUSH", {0x50, 0xCD, 0x80}, 1},
    {"POP", {0x58, 0xCD, 0x80}, 1},
    {"PUSHFD", {0x9C, 0xCD, 0x80}, 1},
    {"POPFD that keeps TF", {0x9D, 0x90, 0xCD, 0x80}, 1, tf | 2, 3, tf | 2},
    {"POPFD that clears TF", {0x9D, 0x90, 0xCD, 0x80}, 1, 2, 3, 2},
    {"PUSHAD", {0x60, 0xCD, 0x80}, 1},
    {"ENTER", {0xC8, 0, 0, 0, 0xCD, 0x80}, 4},
    {"LODSB", {0xAC, 0xCD, 0x80}, 1},
    {"REP MOVSB, first of 3", {0xF3, 0xA4, 0xCD, 0x80}, 0, tf | 2 | rf},
    {"REP MOVSB, last", {0xF3, 0xA4, 0xCD, 0x80}, 2, tf | 2, 1},
    {"REP MOVSB, none", {0xF3, 0xA4, 0xCD, 0x80}, 2, tf | 2, 0},
    {"REP STOSD, first of 3", {0xF3, 0xAB, 0xCD, 0x80}, 0, tf | 2 | rf},
    {"REP LODSW, first of 3", {0xF3, 0x66, 0xAD, 0xCD, 0x80}, 0, tf | 2 | rf},
    {"REPNE SCASB, found", {0xF2, 0xAE, 0xCD, 0x80}, 2, tf | 0x46},
    {"REPE SCASB, first of 3", {0xF3, 0xAE, 0xCD, 0x80}, 0, tf | 0x46 | rf},
    {"REPE CMPSB, first of 3", {0xF3, 0xA6, 0xCD, 0x80}, 0, tf | 0x46 | rf},
    {"REP OUTSB, first of 3", {0xF3, 0x6E, 0xCD, 0x80}, 0, tf | 2 | rf, 3, 0, 0, true},
    {"REP INSB, first of 3", {0xF3, 0x6C, 0xCD, 0x80}, 0, tf | 2 | rf, 3, 0, 0, true},
    {"MOV DS", {0x8E, 0xD8, 0xCD, 0x80}, 2},
    {"LSS", {0x0F, 0xB2, 0x22, 0xCD, 0x80}, 3},
    {"FNINIT", {0xDB, 0xE3, 0xCD, 0x80}, 2},
    {"INTO without OF", {0xCE, 0xCD, 0x80}, 1},
    {"BOUND within", {0x62, 0x02, 0xCD, 0x80}, 2},
    {"CLI", {0xFA, 0xCD, 0x80}, 1, tf | 2, 3, 0, 0, true},
    {"STI", {0xFB, 0x90, 0xCD, 0x80}, 1, tf | 2 | interrupts, 3, 0, 0, true},
    {"IN", {0xE4, 0x80, 0xCD, 0x80}, 2, tf | 2, 3, 0, 0, true},
    {"OUT", {0xE6, 0x80, 0xCD, 0x80}, 2, tf | 2, 3, 0, 0, true},
    {"CLTS", {0x0F, 0x06, 0xCD, 0x80}, 2, tf | 2, 3, 0, 0, true},
    {"MOV from CR0", {0x0F, 0x20, 0xC0, 0xCD, 0x80}, 3, tf | 2, 3, 0, 0, true},
    {"MOV from DR0", {0x0F, 0x21, 0xC0, 0xCD, 0x80}, 3, tf | 2, 3, 0, 0, true},
    {"LGDT", {0x0F, 0x01, 0x12, 0xCD, 0x80}, 3, tf | 2, 3, 0, 0, true},
    {"HLT", {0xF4, 0xCD, 0x80}, 1, tf | 2, 3, 0, 0, true},
};

struct __attribute__((packed)) TableRegister {
    u16 limit;
    u32 base;
};

void step(Report& report, const Stepped& s, unsigned cpl) {
    reset_tables();
    memset(scratch, 0, sizeof scratch);
    Context c = ring(cpl, code(s.bytes));
    c.ecx = s.ecx;
    c.edx = c.esi = address(scratch);
    c.edi = address(scratch) + 32;
    c.eflags |= s.eflags | tf;
    c.esp -= 4;
    *reinterpret_cast<u32*>(c.esp) = s.top;
    if (s.bytes[0] == 0x0F && s.bytes[1] == 0xB2) { // LSS ESP from [EDX]: the stack that it has
        *reinterpret_cast<u32*>(scratch) = c.esp;
        *reinterpret_cast<u16*>(scratch + 4) = flat_data(cpl);
    }
    if (s.bytes[0] == 0x0F && s.bytes[1] == 0x01)
        *reinterpret_cast<TableRegister*>(scratch) = {gdt_size - 1, address(gdt)};
    if (s.bytes[0] == 0xF3 && (s.bytes[1] & 0xFE) == 0x6C) { // port 80h: nothing happens there
        c.edx = 0x80;
        out8(0x80, 0);
    }
    const Debugged e = run_with(c, 0);
    expect_debug(report, e, bs, c.eip + s.eip);
    report.expect("EFLAGS image", s.pushed_eflags, e.eflags);
    report.expect("ECX", s.ecx - (s.bytes[0] == 0xE2 || ((s.bytes[0] & 0xFE) == 0xF2 && s.ecx) ? 1 : 0), e.ecx);
}

} // namespace

void single_step(Report& report) {
    for (const Stepped& s : steps) {
        for (unsigned cpl = 0; cpl < 4; ++cpl) {
            if ((s.ring0 && cpl) || !report.next()) continue;
            report.describe("%s, CPL %u", s.name, cpl);
            step(report, s, cpl);
        }
    }
}

// --- TF and gates, POPF, IRET
// -----------------------------------------------------------------------------------------

namespace {

extern "C" {
extern const u8 st_popf[], st_popf_next[], st_iret[], st_int[], st_int_after[], st_int3[], st_into[], st_ud[], st_de[];
extern const u8 st_handler[], st_handler_return[], st_return2[], st_iret_clear[], st_iret_clear_at[];
}
asm(R"(
.intel_syntax noprefix
.text
st_popf: push 0x102
    popfd
st_popf_next: nop
    int 0x80
st_iret: pushfd
    or dword ptr [esp], 0x100
    .byte 0x0E # PUSH CS
    .byte 0x68
    .long st_return # PUSH imm32
    iretd
st_return: nop
st_return2: nop
    int 0x80
st_int: int 0x90
st_int_after: nop
    nop
    int 0x80
st_int3: int3
    nop
    int 0x80
st_into: into
    nop
    int 0x80
st_ud: ud2
st_de: div ecx
    int 0x80
st_handler: nop
    nop
    int 0x80
st_handler_return: iretd
st_iret_clear: iretd
st_iret_clear_at: nop
    int 0x80
.att_syntax
)");

struct Gate {
    const char* name;
    const u8* code;
    u8 vector;
    u32 length; ///< of the instruction, when the handler returns behind it
    u32 eflags = 0;
};
const Gate gates[] = {{"INT 90h", st_int, 0x90, 2},
                      {"INT3", st_int3, 3, 1},
                      {"INTO", st_into, 4, 1, 0x800},
                      {"#UD", st_ud, 6, 0},
                      {"#DE", st_de, 0, 0}};

} // namespace

void step_gates(Report& report) {
    for (unsigned cpl = 0; cpl < 4; ++cpl) {
        if (report.next()) {
            report.describe("POPFD sets TF: the trap is after the next instruction, CPL %u", cpl);
            reset_tables();
            expect_debug(report, run_with(ring(cpl, st_popf), 0), bs, address(st_popf_next) + 1);
        }
        if (report.next()) {
            report.describe("IRETD sets TF: the trap is after the next instruction, CPL %u", cpl);
            reset_tables();
            expect_debug(report, run_with(ring(cpl, st_iret), 0), bs, address(st_return2));
        }
        if (report.next()) {
            report.describe("IRETD clears TF: its own trap still comes, CPL %u", cpl);
            reset_tables();
            Context c = ring(cpl, st_iret_clear);
            c.esp -= 12;
            u32* frame = reinterpret_cast<u32*>(c.esp);
            frame[0] = address(st_iret_clear_at);
            frame[1] = c.cs;
            frame[2] = 2;
            c.eflags |= tf;
            const Debugged e = run_with(c, 0);
            expect_debug(report, e, bs, address(st_iret_clear_at));
            report.expect("EFLAGS image", 2, e.eflags);
        }
    }
    for (const Gate& g : gates) {
        for (const u32 type : {14u, 15u}) {
            for (unsigned cpl = 0; cpl < 4; ++cpl) {
                for (const bool returns : {false, true}) {
                    if ((returns && !g.length) || !report.next()) continue;
                    report.describe("%s with TF through %s gate, CPL %u: %s", g.name,
                                    type == 14 ? "an interrupt" : "a trap", cpl,
                                    returns ? "trap behind the instruction after IRETD" : "no trap in the handler");
                    reset_tables();
                    idt[g.vector] = gate(kernel_code, address(returns ? st_handler_return : st_handler), type, 3);
                    Context c = ring(cpl, g.code);
                    c.eflags |= tf | g.eflags;
                    const Debugged e = run_with(c, 0);
                    reset_tables();
                    if (returns) {
                        expect_debug(report, e, bs, c.eip + g.length + 1);
                        report.expect("CS", c.cs, e.cs);
                        report.expect("TF", tf, e.eflags & tf);
                    } else {
                        report.expect_exit(e, end_vector, 0);
                        report.expect("DR6", 0, e.hits());
                        report.expect("EIP", address(st_handler) + 4, e.eip);
                        report.expect("TF in the handler", 0, e.eflags & tf);
                    }
                }
            }
        }
    }
    // The #DB handler itself runs with TF clear, through either gate.
    for (const u32 type : {14u, 15u}) {
        if (!report.next()) continue;
        report.describe("handler of the single step, gate type %u", type);
        reset_tables();
        idt[1] = gate(kernel_code, address(st_handler), type, 0);
        Context c = ring(3, st_int_after);
        c.eflags |= tf | interrupts;
        const Debugged e = run_with(c, 0);
        reset_tables();
        report.expect_exit(e, end_vector, 0);
        report.expect("EFLAGS in the handler", type == 14 ? 2 : 2 | interrupts, e.eflags);
        report.expect("DR6", bs, e.hits());
    }
    // INT1 sets nothing in DR6, and comes behind itself.
    for (unsigned cpl = 0; cpl < 4; ++cpl) {
        if (!report.next()) continue;
        report.describe("INT1, CPL %u", cpl);
        reset_tables();
        static constexpr u8 icebp[] = {0xF1, 0xCD, 0x80};
        Context c = ring(cpl, code(icebp));
        expect_debug(report, run_with(c, 0), 0, c.eip + 1);
    }
}

} // namespace debug
