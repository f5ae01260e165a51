// What exceptions push: which EIP (faults their own, traps the next), RF, the error code, and frames of 16-bit gates
// (SDM 3A 6.5, 6.12.1, 6.13; SDM 3B 17.3.1.1).
#include "guests/system/faults.hpp"

namespace faults {

namespace {

extern "C" {
extern const u8 p_div8[], p_div16[], p_div32[], p_idiv[], p_aam[], p_int3[], p_int3_long[], p_into[], p_int1[];
extern const u8 p_bound[], p_ud2[], p_lock[], p_lea[], p_les[], p_movcs[], p_bound_reg[], p_far_reg[], p_ff7[];
extern const u8 p_int[], p_int_closed[], p_ds[], p_ds_limit[], p_hlt[], p_cs_write[], p_far_null[], p_ss_np[];
extern const u8 p_ss_null[], p_iret[], p_pf_read[], p_pf_write[], p_pf_rmw[], p_pf_push[], p_pf_call[], p_pf_movs[];
extern const u8 p_lldt[], p_ltr[], p_cr[], p_long[], p_cli[], p_in[], p_pop_mem[];
extern const u8 p_limits[];
}
asm(R"(
.intel_syntax noprefix
.text
p_div8: div cl
p_div16: div cx
p_div32: div ecx
p_idiv: idiv edi
p_aam: .byte 0xD4, 0
p_int3: int3
p_int3_long: .byte 0xCD, 3
p_into: into
p_int1: .byte 0xF1
p_bound: bound eax, [esi]
p_ud2: ud2
p_lock: .byte 0xF0, 0x90
p_lea: .byte 0x8D, 0xC0
p_les: .byte 0xC4, 0xC0
p_movcs: .byte 0x8E, 0xC8
p_bound_reg: .byte 0x62, 0xC0
p_far_reg: .byte 0xFF, 0xD8
p_ff7: .byte 0xFF, 0xF8
p_int: int 0x90
p_int_closed: int 0x91
p_ds: mov ds, eax
p_ds_limit: mov eax, [ecx - 1]
p_hlt: hlt
p_cs_write: mov cs:[esi], eax
p_far_null: .byte 0x9A, 0, 0, 0, 0, 0, 0
p_ss_np: mov ss, eax
p_ss_null: mov ss, ecx
p_iret: iretd
p_pf_read: mov eax, [edx]
p_pf_write: mov [edx], eax
p_pf_rmw: add [edx], eax
p_pf_push: push dword ptr [edx]
p_pf_call: call dword ptr [edx]
p_pf_movs: rep movsd
p_lldt: lldt ax
p_ltr: ltr ax
p_cr: mov cr0, ecx
p_long: .byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90
p_cli: cli
p_in: in al, 0x80
p_pop_mem: pop dword ptr [edx]
p_limits: .long 5, 9
.att_syntax
)");

constexpr u8 ring0 = 1, inner = 0xE, any = 0xF; // from which levels
constexpr u32 by_level = 0xFFFF'0000;           // page faults: the U bit is the CPL's

struct Event {
    const char* name;
    const u8* code;
    u8 vector;
    u32 error;  ///< or by_level | the code without U
    u32 length; ///< of a trap's instruction
    u8 levels = any;
    u16 selector = 0; ///< in EAX
};
constexpr u16 not_present = spare2;
const Event events[] = {
    {"DIV r8", p_div8, 0, 0, 0},
    {"DIV r16", p_div16, 0, 0, 0},
    {"DIV r32", p_div32, 0, 0, 0},
    {"IDIV overflow", p_idiv, 0, 0, 0},
    {"AAM 0", p_aam, 0, 0, 0},
    {"INT3", p_int3, 3, 0, 1},
    {"INT 3", p_int3_long, 3, 0, 2},
    {"INTO", p_into, 4, 0, 1},
    {"INT1", p_int1, 1, 0, 1},
    {"BOUND", p_bound, 5, 0, 0},
    {"UD2", p_ud2, 6, 0, 0},
    {"LOCK NOP", p_lock, 6, 0, 0},
    {"LEA of a register", p_lea, 6, 0, 0},
    {"LES of a register", p_les, 6, 0, 0},
    {"MOV to CS", p_movcs, 6, 0, 0},
    {"BOUND of a register", p_bound_reg, 6, 0, 0},
    {"far CALL of a register", p_far_reg, 6, 0, 0},
    {"FF /7", p_ff7, 6, 0, 0},
    {"INT 90h", p_int, 0x90, 0, 2},
    {"INT 91h, gate of ring 0", p_int_closed, 13, 0x91 * 8 + 2, 0, inner},
    {"MOV DS not present", p_ds, 11, not_present, 0, any, not_present},
    {"MOV DS beyond the GDT", p_ds, 13, beyond, 0, any, beyond},
    {"MOV DS beyond the LDT", p_ds, 13, beyond | 4, 0, any, beyond | 4},
    {"MOV DS with a TSS", p_ds, 13, tss_selector, 0, any, tss_selector},
    {"HLT", p_hlt, 13, 0, 0, inner},
    {"write to code", p_cs_write, 13, 0, 0},
    {"far CALL of a null selector", p_far_null, 13, 0, 0},
    {"MOV SS not present", p_ss_np, 12, not_present, 0, any, not_present},
    {"MOV SS null", p_ss_null, 13, 0, 0},
    {"IRET to a null TSS", p_iret, 10, 0, 0},
    {"page fault, read", p_pf_read, 14, by_level, 0},
    {"page fault, write", p_pf_write, 14, by_level | 2, 0},
    {"page fault, read and write", p_pf_rmw, 14, by_level | 2, 0},
    {"page fault, PUSH", p_pf_push, 14, by_level, 0},
    {"page fault, CALL", p_pf_call, 14, by_level, 0},
    {"page fault, POP", p_pop_mem, 14, by_level | 2, 0},
    {"LLDT", p_lldt, 13, 0, 0, inner},
    {"LTR", p_ltr, 13, 0, 0, inner},
    {"LTR of a data segment", p_ltr, 13, kernel_data, 0, ring0, kernel_data},
    {"LLDT of a TSS", p_lldt, 13, tss_selector, 0, ring0, tss_selector},
    {"MOV CR0", p_cr, 13, 0, 0, inner},
    {"CLI", p_cli, 13, 0, 0, inner},
    {"IN", p_in, 13, 0, 0, inner},
    {"16 bytes", p_long, 13, 0, 0},
};

Context prepare(const Event& event, unsigned cpl, u32 eflags) {
    reset_tables();
    gdt[not_present / 8] = descriptor(0, 0xFFFFF, 0x13, cpl, false);
    idt[0x90] |= 3ull << 45;
    idt[1] |= 3ull << 45;
    Context c = ring(cpl, event.code);
    c.eax = event.selector ? event.selector | cpl : 0;
    if (event.selector == tss_selector || event.selector == beyond || event.selector == (beyond | 4))
        c.eax = event.selector;
    c.edx = absent_page + 0x100;
    c.esi = address(p_limits);
    c.eflags = eflags | (event.code == p_iret ? nt : 0);
    if (event.code == p_into) c.eflags |= of;
    if (event.code == p_idiv) c.edx = 0x8000'0000, c.edi = 1;
    if (event.code == p_div8 || event.code == p_div16) c.eax = 0;
    return c;
}

void event_from(Report& report, const Event& event, unsigned cpl, u32 eflags) {
    const Context c = prepare(event, cpl, eflags);
    paging_on();
    const Exit e = run(c);
    paging_off();
    reset_tables();
    const u32 error = event.error & by_level ? (event.error & 0xFFFF) | (cpl == 3 ? 4 : 0) : event.error;
    report.expect_exit(e, event.vector, error);
    report.expect("EIP", c.eip + event.length, e.eip);
    report.expect("EFLAGS image", c.eflags | (event.length ? 0 : rf), e.eflags);
    report.expect("CS", c.cs, e.cs);
    report.expect("SS", c.ss, e.ss);
    report.expect("ESP", c.esp, e.esp);
    report.expect("EAX", c.eax, e.eax);
    report.expect("ECX", c.ecx, e.ecx);
    report.expect("EDX", c.edx, e.edx);
    report.expect("ESI", c.esi, e.esi);
    // The code or the stub's zero for it, and the stub's vector, come on top of the frame.
    const u32 frame = cpl == 0 ? c.esp - 20 : tss.esp0 - 28;
    report.expect("handler's ESP", frame, e.handler_esp);
    if (event.vector == 14) report.expect("CR2", c.edx, e.cr2);
}

/// A string instruction that a page fault ends: what it has done stays done, and the rest can go on.
void string_fault(Report& report, bool down, unsigned done) {
    reset_tables();
    paging_on();
    constexpr u32 source = absent_page + 0x1000;
    Context c = ring(3, p_pf_movs);
    c.ecx = 8;
    c.esi = source + 0x100;
    c.edi = down ? absent_page + 0x1000 + 4 * (done - 1) : absent_page - 4 * done;
    if (down) c.eflags |= 0x400;
    const Exit e = run(c);
    paging_off();
    const i32 moved = static_cast<i32>(4 * done) * (down ? -1 : 1);
    report.expect_exit(e, 14, 6);
    report.expect("EIP", c.eip, e.eip);
    report.expect("ECX", 8 - done, e.ecx);
    report.expect("ESI", c.esi + static_cast<u32>(moved), e.esi);
    report.expect("EDI", c.edi + static_cast<u32>(moved), e.edi);
    report.expect("CR2", down ? absent_page + 0xFFC : absent_page, e.cr2);
    report.expect("RF", rf, e.eflags & rf);
}

} // namespace

void pushed_state(Report& report) {
    for (const Event& event : events) {
        for (unsigned cpl = 0; cpl < 4; ++cpl) {
            for (const u32 eflags : {0x2u, 0xCD7u}) {
                if (!(event.levels >> cpl & 1) || !report.next()) continue;
                report.describe("%s, CPL %u, EFLAGS %x", event.name, cpl, eflags);
                event_from(report, event, cpl, eflags);
            }
        }
    }
    for (const bool down : {false, true}) {
        for (unsigned done = 0; done < 6; ++done) {
            if (!report.next()) continue;
            report.describe("REP MOVSD %s, fault after %u", down ? "down" : "up", done);
            string_fault(report, down, done);
        }
    }
}

// --- 16-bit gates
// -------------------------------------------------------------------------------------------------------

namespace {

extern "C" const u8 narrow_handler[];
asm(R"(
.intel_syntax noprefix
narrow_handler: int 0x80
.att_syntax
)");

/// The handler, in a segment that begins with it, ends with INT 80h: ESP then shows where the frame is.
void narrow_gate(Report& report, const Event& event, unsigned cpl, unsigned handler_level, u32 type) {
    const Context c = prepare(event, cpl, 0x2);
    gdt[spare / 8] = descriptor(address(narrow_handler), 0xFFF, 0x1B, handler_level);
    idt[event.vector] = gate(spare, 0, type, 3);
    paging_on();
    const Exit e = run(c);
    const bool has_error = event.vector == 8 || (event.vector >= 10 && event.vector <= 14);
    const u32 tops[] = {tss.esp0, tss.esp1, tss.esp2};
    const bool inward = handler_level < cpl;
    const u32 words = (has_error ? 4u : 3u) + (inward ? 2 : 0);
    const u32 esp = (inward ? tops[handler_level] : c.esp) - 2 * words;
    const u16* frame = reinterpret_cast<const u16*>(e.esp);
    paging_off();
    report.expect_exit(e, end_vector, 0);
    if (e.vector != end_vector) return reset_tables();
    report.expect("handler's ESP", esp, e.esp);
    report.expect("handler's CS", spare | handler_level, e.cs);
    report.expect("handler's flags", c.eflags, e.eflags);
    const u32 error = event.error & by_level ? (event.error & 0xFFFF) | (cpl == 3 ? 4 : 0) : event.error;
    if (has_error) report.expect("error code", error, *frame++);
    report.expect("IP", (c.eip + event.length) & 0xFFFF, frame[0]);
    report.expect("CS", c.cs, frame[1]);
    report.expect("FLAGS", c.eflags & 0xFFFF, frame[2]);
    if (inward) {
        report.expect("SP", c.esp & 0xFFFF, frame[3]);
        report.expect("SS", c.ss, frame[4]);
    }
    reset_tables();
}

} // namespace

void narrow_gates(Report& report) {
    for (const Event& event : events) {
        for (unsigned cpl = 0; cpl < 4; ++cpl) {
            for (unsigned level = 0; level <= cpl; ++level) {
                for (const u32 type : {6u, 7u}) {
                    if (!(event.levels >> cpl & 1) || event.code == p_iret || !report.next()) continue;
                    report.describe("%s, CPL %u, 16-bit %s gate to ring %u", event.name, cpl,
                                    type == 6 ? "interrupt" : "trap", level);
                    narrow_gate(report, event, cpl, level, type);
                }
            }
        }
    }
}

} // namespace faults
