// The x87 and its exceptions: device not available by CR0's EM, MP and TS, errors that wait for the next waiting
// instruction, and the AT's way to report them through IRQ 13 (SDM 3A 2.5, 6.15; SDM 1 8.6, 8.7).
#include "guests/system/faults.hpp"
#include "guests/system/pic.hpp"

namespace faults {

namespace {

alignas(16) u8 operand[256];

enum class Needs : u8 { x87, wait, mmx, sse };
struct Instruction {
    const char* name;
    u8 bytes[6];
    Needs needs;
};
constexpr Instruction instructions[] = {
    {"FADD m32", {0xD8, 0x02, 0xCD, 0x80}, Needs::x87},
    {"FLD m32", {0xD9, 0x02, 0xCD, 0x80}, Needs::x87},
    {"FIADD m32", {0xDA, 0x02, 0xCD, 0x80}, Needs::x87},
    {"FILD m32", {0xDB, 0x02, 0xCD, 0x80}, Needs::x87},
    {"FADD m64", {0xDC, 0x02, 0xCD, 0x80}, Needs::x87},
    {"FLD m64", {0xDD, 0x02, 0xCD, 0x80}, Needs::x87},
    {"FIADD m16", {0xDE, 0x02, 0xCD, 0x80}, Needs::x87},
    {"FILD m16", {0xDF, 0x02, 0xCD, 0x80}, Needs::x87},
    {"FADD st1", {0xD8, 0xC1, 0xCD, 0x80}, Needs::x87},
    {"FLD1", {0xD9, 0xE8, 0xCD, 0x80}, Needs::x87},
    {"FNOP", {0xD9, 0xD0, 0xCD, 0x80}, Needs::x87},
    {"FUCOMPP", {0xDA, 0xE9, 0xCD, 0x80}, Needs::x87},
    {"FNINIT", {0xDB, 0xE3, 0xCD, 0x80}, Needs::x87},
    {"FNCLEX", {0xDB, 0xE2, 0xCD, 0x80}, Needs::x87},
    {"FFREE st0", {0xDD, 0xC0, 0xCD, 0x80}, Needs::x87},
    {"FNSTCW", {0xD9, 0x3A, 0xCD, 0x80}, Needs::x87},
    {"FNSTSW m16", {0xDD, 0x3A, 0xCD, 0x80}, Needs::x87},
    {"FNSTSW AX", {0xDF, 0xE0, 0xCD, 0x80}, Needs::x87},
    {"FNSTENV", {0xD9, 0x32, 0xCD, 0x80}, Needs::x87},
    {"FNSAVE", {0xDD, 0x32, 0xCD, 0x80}, Needs::x87},
    {"FWAIT", {0x9B, 0xCD, 0x80}, Needs::wait},
    {"EMMS", {0x0F, 0x77, 0xCD, 0x80}, Needs::mmx},
    {"MOVD mm0", {0x0F, 0x6E, 0xC0, 0xCD, 0x80}, Needs::mmx},
    {"PADDB mm0", {0x0F, 0xFC, 0xC1, 0xCD, 0x80}, Needs::mmx},
    {"MOVUPS xmm0", {0x0F, 0x10, 0x02, 0xCD, 0x80}, Needs::sse},
    {"ADDPS xmm0", {0x0F, 0x58, 0xC1, 0xCD, 0x80}, Needs::sse},
};

const char* missing(Needs needs) {
    const u32 bits = features().edx;
    if (needs == Needs::mmx && !(bits >> 23 & 1)) return "no MMX";
    if (needs == Needs::sse && !(bits >> 25 & 1)) return "no SSE";
    if (!(bits & 1)) return "no x87 unit in CPUID";
    return nullptr;
}

constexpr u32 osfxsr = 0x200;

u32 expected_vector(Needs needs, u32 cr0) {
    const bool em = cr0 & cr0_em, ts = cr0 & cr0_ts, mp = cr0 & cr0_mp;
    if (needs == Needs::wait) return ts && mp ? 7 : end_vector;
    if (needs == Needs::x87) return em || ts ? 7 : end_vector;
    return em ? 6 : ts ? 7 : end_vector;
}

} // namespace

void fpu_available(Report& report) {
    for (const Instruction& i : instructions) {
        for (u32 bits = 0; bits < 8; ++bits) {
            for (unsigned cpl = 0; cpl < 4; ++cpl) {
                if (!report.next()) continue;
                const u32 wanted = (bits & 1 ? cr0_mp : 0) | (bits & 2 ? cr0_em : 0) | (bits & 4 ? cr0_ts : 0);
                report.describe("%s, MP %u EM %u TS %u, CPL %u", i.name, bits & 1, bits >> 1 & 1, bits >> 2, cpl);
                if (const char* why = missing(i.needs)) {
                    report.skip(why);
                    continue;
                }
                const u32 before = change_cr0(cr0_ne, cr0_em | cr0_ts | cr0_mp);
                asm volatile("fninit");
                if (i.needs == Needs::sse) write_cr4(read_cr4() | osfxsr);
                change_cr0(wanted, 0);
                Context c = ring(cpl, code(i.bytes));
                c.edx = address(operand);
                const Exit e = run(c);
                write_cr0(before);
                if (i.needs == Needs::sse) write_cr4(read_cr4() & ~osfxsr);
                const u32 vector = expected_vector(i.needs, wanted);
                report.expect_exit(e, vector, 0);
                if (vector != end_vector) report.expect("EIP", c.eip, e.eip);
            }
        }
    }
}

// --- errors
// -------------------------------------------------------------------------------------------------------------

namespace {

extern "C" {
extern const u8 mf_ie[], mf_de[], mf_ze[], mf_oe[], mf_ue[], mf_pe[];
extern const u8 mf_fwait[], mf_fld1[], mf_fadd[], mf_fnop[], mf_fld[], mf_fst[], mf_fldcw[], mf_fldenv[], mf_emms[];
extern const u8 mf_fninit[], mf_fnclex[], mf_fnstcw[], mf_fnstsw[], mf_fnstsw_ax[], mf_fnstenv[], mf_fnsave[];
extern const u8 mf_nop[], mf_out[];
}
// EBX is where to go on, EDX points to 256 bytes of scratch.
asm(R"(
.intel_syntax noprefix
.text
.macro mf_begin cw
    fninit
    mov word ptr [edx], \cw
    fldcw [edx]
.endm
mf_ie: mf_begin 0x37E
    fldz
    fldz
    fdivp st(1), st
    jmp ebx
mf_de: mf_begin 0x37D
    mov dword ptr [edx], 1
    mov dword ptr [edx + 4], 0
    mov word ptr [edx + 8], 0
    fld tbyte ptr [edx]
    fld1
    faddp st(1), st
    jmp ebx
mf_ze: mf_begin 0x37B
    fld1
    fldz
    .byte 0xDE, 0xF9
    jmp ebx
mf_oe: mf_begin 0x377
    mov dword ptr [edx], 0
    mov dword ptr [edx + 4], 0x80000000
    mov word ptr [edx + 8], 0x7FFE
    fld tbyte ptr [edx]
    fmul st, st(0)
    jmp ebx
mf_ue: mf_begin 0x36F
    mov dword ptr [edx], 0
    mov dword ptr [edx + 4], 0x80000000
    mov word ptr [edx + 8], 1
    fld tbyte ptr [edx]
    fmul st, st(0)
    jmp ebx
mf_pe: mf_begin 0x35F
    fld1
    fldpi
    .byte 0xDE, 0xF9
    jmp ebx
mf_fwait: fwait
    int 0x80
mf_fld1: fld1
    int 0x80
mf_fadd: fadd st, st(1)
    int 0x80
mf_fnop: fnop
    int 0x80
mf_fld: fld dword ptr [edx]
    int 0x80
mf_fst: fst dword ptr [edx]
    int 0x80
mf_fldcw: fldcw [edx]
    int 0x80
mf_fldenv: fldenv [edx]
    int 0x80
mf_emms: emms
    int 0x80
mf_fninit: fninit
    fwait
    int 0x80
mf_fnclex: fnclex
    fwait
    int 0x80
mf_fnstcw: fnstcw [edx]
    fwait
    int 0x80
mf_fnstsw: fnstsw [edx]
    fwait
    int 0x80
mf_fnstsw_ax: fnstsw ax
    fwait
    int 0x80
mf_fnstenv: fnstenv [edx]
    fwait
    int 0x80
mf_fnsave: fnsave [edx]
    fwait
    int 0x80
mf_nop: nop
    int 0x80
mf_out: out 0xF0, al
    fwait
    int 0x80
.att_syntax
)");

struct Error {
    const char* name;
    const u8* code;
    u32 flag;
};
const Error errors[] = {{"invalid operation", mf_ie, 1}, {"denormal operand", mf_de, 2}, {"division by zero", mf_ze, 4},
                        {"overflow", mf_oe, 8},          {"underflow", mf_ue, 16},       {"precision", mf_pe, 32}};

struct Follower {
    const char* name;
    const u8* code;
    i32 fault_at; ///< offset of the instruction that reports the error; negative for none
};
const Follower followers[] = {
    {"FWAIT", mf_fwait, 0},
    {"FLD1", mf_fld1, 0},
    {"FADD", mf_fadd, 0},
    {"FNOP", mf_fnop, 0},
    {"FLD m32", mf_fld, 0},
    {"FST m32", mf_fst, 0},
    {"FLDCW", mf_fldcw, 0},
    {"FLDENV", mf_fldenv, 0},
    {"EMMS", mf_emms, 0},
    {"FNINIT, FWAIT", mf_fninit, -1},
    {"FNCLEX, FWAIT", mf_fnclex, -1},
    {"FNSTCW, FWAIT", mf_fnstcw, 2},
    {"FNSTSW, FWAIT", mf_fnstsw, 2},
    {"FNSTSW AX, FWAIT", mf_fnstsw_ax, 2},
    {"FNSTENV, FWAIT", mf_fnstenv, -1},
    {"FNSAVE, FWAIT", mf_fnsave, -1},
    {"NOP", mf_nop, -1},
};

Context error_context(const Error& error, const u8* then, unsigned cpl) {
    Context c = ring(cpl, error.code);
    c.ebx = address(then);
    c.edx = address(operand);
    return c;
}

} // namespace

void fpu_errors(Report& report) {
    for (const Error& error : errors) {
        for (const Follower& f : followers) {
            for (const u32 ts : {0u, 8u}) {
                for (unsigned cpl = 0; cpl < 4; cpl += 3) {
                    // With TS set only after the error: a second context goes on where the first one ended.
                    if (!report.next()) continue;
                    report.describe("%s, then %s, TS %u, CPL %u", error.name, f.name, ts >> 3, cpl);
                    if (const char* why = missing(f.code == mf_emms ? Needs::mmx : Needs::x87)) {
                        report.skip(why);
                        continue;
                    }
                    const u32 before = change_cr0(cr0_ne, cr0_em | cr0_ts | cr0_mp);
                    reset_tables();
                    const Exit raised = run(error_context(error, mf_nop, cpl));
                    u16 status = 0;
                    asm volatile("fnstsw %0" : "=m"(status));
                    change_cr0(ts, 0);
                    Context c = error_context(error, f.code, cpl);
                    c.eip = address(f.code);
                    const Exit e = run(c);
                    change_cr0(0, cr0_ts);
                    asm volatile("fninit");
                    write_cr0(before);
                    report.expect_exit(raised, end_vector, 0);
                    report.expect("status word", 0x80u | error.flag, status & (0x80u | error.flag));
                    const bool x87_first = f.code != mf_nop;
                    const u32 vector = ts && x87_first  ? (f.code == mf_fwait ? 16 : 7)
                                       : f.fault_at < 0 ? end_vector
                                                        : 16;
                    report.expect_exit(e, vector, 0);
                    if (vector == 16) report.expect("EIP", c.eip + static_cast<u32>(f.fault_at), e.eip);
                    if (vector == 7) report.expect("EIP", c.eip, e.eip);
                }
            }
        }
    }
}

/// NE clear: the error asserts FERR#, which is IRQ 13; the processor waits for it at the next waiting instruction.
void fpu_errors_irq13(Report& report) {
    for (const Error& error : errors) {
        for (const Follower& f : followers) {
            if (f.fault_at != 0) continue; // the others do not wait: nobody can say when the interrupt comes
            if (!report.next()) continue;
            report.describe("%s, then %s", error.name, f.name);
            if (const char* why = missing(f.code == mf_emms ? Needs::mmx : Needs::x87)) {
                report.skip(why);
                continue;
            }
            const u32 before = change_cr0(0, cr0_ne | cr0_em | cr0_ts | cr0_mp);
            asm volatile("fninit");
            out8(0xF0, 0);
            reset_tables();
            chips::start_pics();
            chips::unmask(13);
            Context c = error_context(error, f.code, 0);
            c.eflags |= interrupts;
            const Exit e = run(c);
            const u8 in_service = chips::isr(1);
            asm volatile("fnclex");
            out8(0xF0, 0);
            const u8 requests = chips::irr(1);
            asm volatile("fninit");
            chips::stop_pics();
            write_cr0(before);
            report.expect_exit(e, chips::slave_base + 5, 0);
            // FERR# may interrupt at once, before the jump (FFh), or where the processor waits.
            const bool in_time = e.eip == address(f.code) || (e.eip >= address(mf_ie) && e.eip < address(mf_fwait) &&
                                                              *reinterpret_cast<const u8*>(e.eip) == 0xFF);
            report.require("EIP after the error and not after what waits", in_time);
            report.expect("ISR of the slave", 0x20, in_service);
            report.expect("IRR of the slave after port F0h", 0, requests & 0x20);
        }
    }
    // Port F0h asserts IGNNE#: waiting instructions go on although the error is still pending.
    for (const Error& error : errors) {
        if (!report.next()) continue;
        report.describe("%s, then OUT F0h and FWAIT", error.name);
        const u32 before = change_cr0(0, cr0_ne | cr0_em | cr0_ts | cr0_mp);
        asm volatile("fninit");
        reset_tables();
        chips::start_pics();
        const Exit e = run(error_context(error, mf_out, 0));
        const u8 requests = chips::irr(1);
        asm volatile("fnclex");
        asm volatile("fninit");
        chips::stop_pics();
        write_cr0(before);
        report.expect_exit(e, end_vector, 0);
        report.expect("IRR of the slave", 0, requests & 0x20);
    }
}

} // namespace faults
