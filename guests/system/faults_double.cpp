// The double-fault matrix (SDM 3A, table 6-5): each kind of first event, and while it is delivered each kind of second
// fault. Benign: the second is delivered. Contributory and contributory, page fault and any: #DF with error code 0.
#include "guests/system/faults.hpp"
#include "guests/system/pic.hpp"

namespace faults {

namespace {

enum class Kind : u8 { benign, contributory, page_fault };

extern "C" {
extern const u8 first_int[], first_int3[], first_into[], first_bound[], first_ud[], first_icebp[], first_step[];
extern const u8 first_nm[], first_mf[], first_mf_at[], first_ac[], first_de[], first_iret[], first_ds[], first_ss[];
extern const u8 first_pf[], bound_limits[];
}
asm(R"(
.intel_syntax noprefix
.text
first_int: int 0x90
    int 0x80
first_int3: int3
    int 0x80
first_into: into
    int 0x80
first_bound: bound eax, [edx]
    int 0x80
first_ud: ud2
first_icebp: .byte 0xF1
    int 0x80
first_step: nop
    int 0x80
first_nm: fld1
    int 0x80
first_mf: fninit
    push 0x37B
    fldcw [esp]
    pop eax
    fld1
    fldz
    fdivp st(1), st
first_mf_at: fwait
    int 0x80
first_ac: mov eax, [edx]
    int 0x80
first_de: div ecx
    int 0x80
first_iret: iretd
first_ds: mov ds, eax
    int 0x80
first_ss: mov ss, eax
    int 0x80
first_pf: mov eax, [edx]
    int 0x80
bound_limits: .long 5, 9
.att_syntax
)");

struct First {
    const char* name;
    const u8* code;
    const u8* fault_at; ///< EIP that a second fault pushes: an event by an instruction is undone with it
    u8 vector;
    Kind kind;
    bool by_instruction; ///< INT n, INT3, INTO: EXT is 0, and the gate's DPL counts
    u32 trap_length = 0; ///< of an instruction that is over before a trap
    u32 eflags = 0, cr0 = 0;
    u16 selector = 0; ///< in EAX
    bool cpl3_only = false;
};

constexpr u8 step_vector = 1;
const First firsts[] = {
    {"INT 90h", first_int, first_int, 0x90, Kind::benign, true},
    {"INT3", first_int3, first_int3, 3, Kind::benign, true},
    {"INTO", first_into, first_into, 4, Kind::benign, true, 0, of},
    {"INT1", first_icebp, first_icebp, 1, Kind::benign, false},
    {"single step", first_step, first_step, step_vector, Kind::benign, false, 1, tf},
    {"#BR", first_bound, first_bound, 5, Kind::benign, false},
    {"#UD", first_ud, first_ud, 6, Kind::benign, false},
    {"#NM", first_nm, first_nm, 7, Kind::benign, false, 0, 0, cr0_em},
    {"#MF", first_mf, first_mf_at, 16, Kind::benign, false, 0, 0, cr0_ne},
    {"#AC", first_ac, first_ac, 17, Kind::benign, false, 0, ac, cr0_am, 0, true},
    {"IRQ 0", first_int, first_int, chips::master_base, Kind::benign, false, 0, interrupts},
    {"#DE", first_de, first_de, 0, Kind::contributory, false},
    {"#TS", first_iret, first_iret, 10, Kind::contributory, false, 0, nt},
    {"#NP", first_ds, first_ds, 11, Kind::contributory, false, 0, 0, 0, spare2},
    {"#SS", first_ss, first_ss, 12, Kind::contributory, false, 0, 0, 0, spare2},
    {"#GP", first_ds, first_ds, 13, Kind::contributory, false, 0, 0, 0, beyond},
    {"#PF", first_pf, first_pf, 14, Kind::page_fault, false},
};

/// What a way to spoil a gate leads to. `selector_error` is with EXT clear; 1 stands for none but EXT.
struct Second {
    const char* name;
    u8 vector;
    u32 error;      ///< without EXT
    bool names_idt; ///< the error code names the gate
    bool inner;     ///< through ring 1's stack: from ring 3 only
    void (*set)(u8 vector);
};

constexpr u32 trap_gate = 15;
void to(u8 vector, u16 selector, u32 offset = 0) {
    idt[vector] = gate(selector, offset ? offset : stub(vector), 14, 3);
}
void to_ring1(u8 vector) { to(vector, flat_code(1)); }
void new_limit(u16 selector, u32 limit) { gdt[selector / 8] = descriptor(0, limit, 0x13, 1); }

/// A copy of the GDT whose upper half lies on the absent page; one of the IDT likewise, by vector.
constexpr u32 gdt_copy = absent_page - 0x200, on_absent_page = 0x208;
constexpr u32 idt_low_absent = absent_page + 0x1000 - 7 * 8; // vectors 0-6 are on the absent page
constexpr u32 idt_high_absent = absent_page - 0x88 * 8;      // vectors from 88h are

void absent_descriptor(u8 vector) {
    memcpy(reinterpret_cast<void*>(gdt_copy), gdt, 0x200);
    load_gdt(gdt_copy, gdt_size - 1);
    to(vector, on_absent_page);
}

void absent_gate(u8 vector) {
    const bool low = vector < 7;
    const u32 base = low ? idt_low_absent : idt_high_absent;
    page(absent_page, true);
    memcpy(reinterpret_cast<void*>(base), idt, sizeof idt);
    page(absent_page, false);
    load_idt(base, sizeof idt - 1);
}

constexpr Second seconds[] = {
    {"gate of type 0", 13, 0, true, false, [](u8 v) { idt[v] = 0; }},
    {"call gate", 13, 0, true, false, [](u8 v) { idt[v] = gate(kernel_code, stub(v), 12, 3); }},
    {"LDT descriptor", 13, 0, true, false, [](u8 v) { idt[v] = descriptor(0, 0xFFFF, 2, 3); }},
    {"code descriptor in the IDT", 13, 0, true, false, [](u8 v) { idt[v] = descriptor(0, 0xFFFFF, 0x1B, 3); }},
    {"interrupt gate not present", 11, 0, true, false, [](u8 v) { idt[v] = gate(kernel_code, stub(v), 14, 3, false); }},
    {"trap gate not present", 11, 0, true, false,
     [](u8 v) { idt[v] = gate(kernel_code, stub(v), trap_gate, 3, false); }},
    {"task gate not present", 11, 0, true, false, [](u8 v) { idt[v] = gate(tss_selector, 0, 5, 3, false); }},
    {"task gate to a busy TSS", 13, tss_selector, false, false, [](u8 v) { idt[v] = gate(tss_selector, 0, 5, 3); }},
    {"task gate to the LDT", 13, 0x5C, false, false, [](u8 v) { idt[v] = gate(0x5C, 0, 5, 3); }},
    {"task gate to a data segment", 13, kernel_data, false, false, [](u8 v) { idt[v] = gate(kernel_data, 0, 5, 3); }},
    {"task gate to a TSS not present", 11, spare, false, false,
     [](u8 v) { gdt[spare / 8] = descriptor(0, 0x67, 9, 0, false), idt[v] = gate(spare, 0, 5, 3); }},
    {"task gate to a short TSS", 10, spare, false, false,
     [](u8 v) { gdt[spare / 8] = descriptor(arena_begin, 0x66, 9, 0), idt[v] = gate(spare, 0, 5, 3); }},
    {"null selector", 13, 0, false, false, [](u8 v) { to(v, 0); }},
    {"null selector with an RPL", 13, 0, false, false, [](u8 v) { to(v, 3); }},
    {"selector beyond the GDT", 13, beyond, false, false, [](u8 v) { to(v, beyond); }},
    {"selector beyond the LDT", 13, beyond | 4, false, false, [](u8 v) { to(v, beyond | 4); }},
    {"data segment", 13, kernel_data, false, false, [](u8 v) { to(v, kernel_data); }},
    {"system segment", 13, tss_selector, false, false, [](u8 v) { to(v, tss_selector); }},
    {"code segment not present", 11, spare, false, false,
     [](u8 v) { gdt[spare / 8] = descriptor(0, 0xFFFFF, 0x1B, 0, false, true, true), to(v, spare); }},
    {"offset beyond the limit", 13, 0, false, false,
     [](u8 v) { gdt[spare / 8] = descriptor(0, 0xFFFF, 0x1B, 0), to(v, spare, 0x1'0000); }},
    {"descriptor on an absent page", 14, 0, false, false, absent_descriptor},
    {"gate on an absent page", 14, 0, false, false, absent_gate},
    {"null inner SS", 10, 0, false, true, [](u8 v) { tss.ss1 = 0, to_ring1(v); }},
    {"inner SS beyond the GDT", 10, beyond, false, true, [](u8 v) { tss.ss1 = beyond | 1, to_ring1(v); }},
    {"inner SS with RPL 0", 10, 0x20, false, true, [](u8 v) { tss.ss1 = 0x20, to_ring1(v); }},
    {"inner SS with DPL 2", 10, 0x30, false, true, [](u8 v) { tss.ss1 = 0x31, to_ring1(v); }},
    {"inner SS is code", 10, 0x18, false, true, [](u8 v) { tss.ss1 = 0x19, to_ring1(v); }},
    {"inner SS is read-only", 10, spare, false, true,
     [](u8 v) { gdt[spare / 8] = descriptor(0, 0xFFFFF, 0x11, 1), tss.ss1 = spare | 1, to_ring1(v); }},
    {"inner SS not present", 12, spare, false, true,
     [](u8 v) { gdt[spare / 8] = descriptor(0, 0xFFFFF, 0x13, 1, false), tss.ss1 = spare | 1, to_ring1(v); }},
    {"inner stack too small", 12, spare, false, true,
     [](u8 v) { new_limit(spare, 0xFFFF), tss.ss1 = spare | 1, tss.esp1 = 16, to_ring1(v); }},
    {"inner stack on an absent page", 14, 2, false, true, [](u8 v) { tss.esp1 = absent_page + 0x800, to_ring1(v); }},
    {"TSS without ring 1's stack", 10, tss_selector, false, true,
     [](u8 v) {
         gdt[tss_selector / 8] = descriptor(address(&tss), 0x10, 9, 0, true, false);
         reload_task();
         to_ring1(v);
     }},
};

bool applies(const First& first, const Second& second, unsigned cpl) {
    if (first.cpl3_only && cpl != 3) return false;
    if (second.inner && cpl < 2) return false;
    if (second.set == absent_gate) return first.vector < 7 || first.vector >= 0x88;
    return true;
}

void one(Report& report, const First& first, const Second& second, unsigned cpl) {
    reset_tables();
    const bool interrupt = first.vector == chips::master_base;
    if (interrupt) {
        chips::start_pics();
        chips::raise(0);
        chips::unmask(0);
    }
    idt[first.vector] |= 3ull << 45; // DPL 3: only the way to spoil it is to matter
    gdt[spare2 / 8] = descriptor(0, 0xFFFFF, 0x13, cpl, false);
    paging_on();
    second.set(first.vector);
    const u32 cr0 = change_cr0(first.cr0, 0);
    Context c = ring(cpl, first.code);
    c.eflags |= first.eflags;
    c.eax = first.selector | cpl;
    c.edx = first.vector == 5 ? address(bound_limits) : first.vector == 17 ? absent_page + 0x1001 : absent_page + 0x10;
    const Exit e = run(c);
    write_cr0(cr0);
    paging_off();
    reset_tables();
    if (interrupt) {
        out8(chips::commands[0], 0x20);
        chips::stop_pics();
    }

    const Kind kind = second.vector == 14 ? Kind::page_fault : Kind::contributory;
    const bool doubles =
        (first.kind == Kind::contributory && kind == Kind::contributory) || first.kind == Kind::page_fault;
    const u32 ext = first.by_instruction || kind == Kind::page_fault ? 0 : 1;
    const u32 error = (second.names_idt ? first.vector * 8u + 2 : second.error) + ext;
    if (doubles) return report.expect_exit(e, 8, 0);
    report.expect_exit(e, second.vector, error);
    report.expect("EIP", address(first.fault_at) + first.trap_length, e.eip);
    report.expect("CS", flat_code(cpl), e.cs);
    report.expect("SS", flat_data(cpl), e.ss);
    report.expect("ESP", c.esp, e.esp);
    report.expect("RF", rf, e.eflags & rf);
    if (kind != Kind::page_fault) return;
    const u32 cr2 = second.inner ? absent_page + 0x7FC
                    : second.set == absent_gate
                        ? (first.vector < 7 ? idt_low_absent : idt_high_absent) + first.vector * 8
                        : gdt_copy + on_absent_page;
    report.expect("CR2", cr2, e.cr2);
}

} // namespace

void double_faults(Report& report) {
    for (const First& first : firsts) {
        for (const Second& second : seconds) {
            for (unsigned cpl = 0; cpl < 4; ++cpl) {
                if (!applies(first, second, cpl) || !report.next()) continue;
                report.describe("%s through %s, CPL %u", first.name, second.name, cpl);
                if (first.vector >= 16 && first.vector <= 17 && !features().cpuid) {
                    report.skip("neither CR0.NE nor an alignment check before the 486");
                    continue;
                }
                one(report, first, second, cpl);
            }
        }
    }
}

// --- shutdowns

namespace {

extern "C" {
extern const u8 shut_idt[], shut_idt_int[], shut_cr3[];
}
asm(R"(
.intel_syntax noprefix
shut_idt: lidt [edx]
    ud2
shut_idt_int: lidt [edx]
    int 0x80
shut_cr3: mov cr3, edx
    int 0x80
.att_syntax
)");

struct __attribute__((packed)) {
    u16 limit;
    u32 base;
} no_idt{};

/// #GP whose gate is none is a double fault; and this is what becomes of the double fault's gate.
void double_fault_spoiled(Report& report, const Second& way, unsigned cpl) {
    reset_tables();
    paging_on();
    idt[13] = 0;
    way.set(8);
    report.expect_shutdown();
    Context c = ring(cpl, first_ds);
    c.eax = beyond;
    run(c);
    paging_off();
    reset_tables();
}

struct Shutdown {
    const char* name;
    const u8* code;
    unsigned cpl;
    void (*set)();
};
void no_handlers() { load_idt(0, 0); }
void absent_idt() { load_idt(absent_page, 0x7FF); }
void absent_inner_stack() { tss.esp0 = absent_page + 0x800; }
void absent_stack_and_page() { idt[14] = 0; }
void empty_directory() { memset(reinterpret_cast<void*>(absent_page - 0x2000), 0, 4096); }
const Shutdown others[] = {
    {"LIDT with limit 0, then #UD", shut_idt, 0, [] {}},
    {"LIDT with limit 0, then INT", shut_idt_int, 0, [] {}},
    {"#DE without an IDT", first_de, 0, no_handlers},
    {"INT3 without an IDT", first_int3, 0, no_handlers},
    {"INT3 without an IDT, CPL 3", first_int3, 3, no_handlers},
    {"#PF without an IDT", first_pf, 0, no_handlers},
    {"IDT ends before the double fault", first_ds, 0, [] { load_idt(address(idt), 8 * 8 - 1); }},
    {"IDT ends inside the double fault's gate", first_ds, 0, [] { load_idt(address(idt), 8 * 8 + 6); }},
    {"#UD with the IDT on an absent page", first_ud, 0, absent_idt},
    {"INT with the IDT on an absent page, CPL 3", first_int, 3, absent_idt},
    {"#UD from CPL 3, ring 0's stack on an absent page", first_ud, 3, absent_inner_stack},
    {"#PF from CPL 3, ring 0's stack on an absent page", first_pf, 3, absent_inner_stack},
    {"#GP from CPL 3, ring 0's stack selector null", first_ds, 3, [] { tss.ss0 = 0; }},
    {"#PF twice, double fault's gate none", first_pf, 0, [] { absent_stack_and_page(), idt[8] = 0; }},
    {"CR3 with an empty directory", shut_cr3, 0, empty_directory},
};

void other_shutdown(Report& report, const Shutdown& s) {
    reset_tables();
    paging_on();
    s.set();
    report.expect_shutdown();
    Context c = ring(s.cpl, s.code);
    c.eax = beyond;
    c.edx = s.code == shut_cr3 ? absent_page - 0x2000 : s.code == first_pf ? absent_page : address(&no_idt);
    run(c);
    paging_off();
    reset_tables();
}

} // namespace

void shutdowns(Report& report) {
    for (const Second& way : seconds) {
        if (way.set == absent_gate) continue;
        for (unsigned cpl = way.inner ? 3 : 0; cpl < 4; cpl += 3) {
            if (!report.next()) continue;
            report.describe("#DF through %s, CPL %u", way.name, cpl);
            double_fault_spoiled(report, way, cpl);
        }
    }
    for (const Shutdown& s : others) {
        if (!report.next()) continue;
        report.describe("%s", s.name);
        other_shutdown(report, s);
    }
}

} // namespace faults
