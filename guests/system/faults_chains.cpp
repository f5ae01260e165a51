// Faults while faults are delivered, in a row (SDM 3A 6.15, table 6-5), and exceptions through task gates.
#include "guests/system/faults.hpp"

namespace faults {

namespace {

extern "C" const u8 chain_int[], chain_de[], chain_pf[], chain_ud[], chain_gp[];
asm(R"(
.intel_syntax noprefix
.text
chain_int: int 0x90
    int 0x80
chain_de: div ecx
    int 0x80
chain_pf: mov eax, [edx]
    int 0x80
chain_ud: ud2
chain_gp: mov ds, eax
    int 0x80
.att_syntax
)");

enum class Spoil : u8 { none, not_present, no_gate, absent_code, count };
const char* const spoil_names[] = {"good", "not present", "none", "to an absent descriptor"};
constexpr u32 spoils = static_cast<u32>(Spoil::count);
constexpr u8 raised_by[] = {0, 11, 13, 14};

constexpr u32 gdt_copy = absent_page - 0x200, on_absent_page = 0x208;

void spoil_gate(u8 vector, Spoil how) {
    if (how == Spoil::not_present) idt[vector] &= ~(1ull << 47);
    if (how == Spoil::no_gate) idt[vector] = 0;
    if (how == Spoil::absent_code) idt[vector] = gate(on_absent_page, stub(vector), 14, 3);
}

bool contributory(u8 v) { return v == 0 || (v >= 10 && v <= 13); }
bool doubles(u8 first, u8 second) {
    if (first == 14) return second == 14 || contributory(second);
    return contributory(first) && contributory(second);
}

struct Start {
    const char* name;
    const u8* code;
    u8 vector;
};
const Start starts[] = {
    {"INT 90h", chain_int, 0x90}, {"#UD", chain_ud, 6}, {"#DE", chain_de, 0}, {"#PF", chain_pf, 14}};

struct Outcome {
    u8 vector;
    u32 error;
};

/// What table 6-5 makes of the chain.
Outcome outcome(u8 vector, const Spoil (&by_vector)[256]) {
    u32 error = vector == 14 ? 0 : ~0u;
    bool software = vector == 0x90;
    for (;;) {
        const Spoil how = by_vector[vector];
        if (how == Spoil::none) return {vector, error};
        const u8 next = raised_by[static_cast<u32>(how)];
        if (doubles(vector, next)) return {8, 0};
        error = next == 14 ? 0 : vector * 8u + 2 + (software ? 0 : 1);
        software = false;
        vector = next;
    }
}

void chain(Report& report, const Start& start, const u32 (&how)[3], unsigned cpl) {
    reset_tables();
    Spoil by_vector[256] = {};
    u8 vector = start.vector;
    idt[vector] |= 3ull << 45;
    for (const u32 h : how) {
        if (h == 0) break;
        if (by_vector[vector] == Spoil::none) by_vector[vector] = static_cast<Spoil>(h);
        vector = raised_by[h];
    }
    for (u32 v = 0; v < 256; ++v) spoil_gate(static_cast<u8>(v), by_vector[v]);
    paging_on();
    memcpy(reinterpret_cast<void*>(gdt_copy), gdt, 0x200);
    load_gdt(gdt_copy, gdt_size - 1);
    Context c = ring(cpl, start.code);
    c.edx = absent_page;
    const Exit e = run(c);
    paging_off();
    reset_tables();

    const Outcome expected = outcome(start.vector, by_vector);
    report.expect_exit(e, expected.vector, expected.error);
    if (expected.vector != 8) report.expect("EIP", c.eip, e.eip);
}

} // namespace

void serial_chains(Report& report) {
    for (const Start& start : starts) {
        for (u32 first = 1; first < spoils; ++first) {
            for (u32 second = 0; second < spoils; ++second) {
                for (u32 third = 0; third < (second == 0 ? 1 : spoils); ++third) {
                    for (unsigned cpl = 0; cpl < 4; cpl += 3) {
                        if (!report.next()) continue;
                        report.describe("%s, gate %s, next gate %s, next gate %s, CPL %u", start.name,
                                        spoil_names[first], spoil_names[second], spoil_names[third], cpl);
                        chain(report, start, {first, second, third}, cpl);
                    }
                }
            }
        }
    }
}

// --- through a task gate
// ------------------------------------------------------------------------------------------------

namespace {

Tss other __attribute__((aligned(128)));
u32 other_stack[64];
constexpr u32 top = 32; // where its stack begins; above it is what the stub takes for a frame

struct Gated {
    const char* name;
    const u8* code;
    u8 vector;
    u32 error;
    u32 length; ///< of an instruction that is over
};
const Gated gated[] = {
    {"#DF", chain_gp, 8, 0, 0}, {"#GP", chain_gp, 13, beyond, 0}, {"#UD", chain_ud, 6, 0, 0},
    {"#DE", chain_de, 0, 0, 0}, {"#PF", chain_pf, 14, 0, 0},      {"INT 90h", chain_int, 0x90, 0, 2},
};

void through_task(Report& report, const Gated& g, unsigned cpl) {
    reset_tables();
    memset(&other, 0, sizeof other);
    memset(other_stack, 0, sizeof other_stack);
    other.eip = stub(g.vector);
    other.esp = address(&other_stack[top]);
    other.cs = kernel_code;
    other.ss = other.ds = other.es = other.fs = other.gs = kernel_data;
    other.eflags = 2;
    other.io_map = sizeof other;
    other_stack[top] = 0x1234'5678;
    other_stack[top + 1] = kernel_code;
    other_stack[top + 2] = 2;
    gdt[spare / 8] = descriptor(address(&other), sizeof other - 1, 9, 0, true, false);
    if (g.vector == 8) idt[13] = 0;
    idt[g.vector] = gate(spare, 0, 5, 3);
    paging_on();
    other.cr3 = read_cr3();
    change_cr0(0, cr0_ts);
    Context c = ring(cpl, g.code);
    c.eax = beyond;
    c.ebx = 0xB0B0'B0B0;
    c.edx = absent_page;
    c.ebp = 0xEB0B'B0BE;
    c.eflags = 0x803; // CF and OF, to be found in the old TSS
    const Exit e = run(c);
    const u32 cr0 = change_cr0(0, cr0_ts);
    const u32 new_type = static_cast<u32>(gdt[spare / 8] >> 40) & 31;
    const u32 old_type = static_cast<u32>(gdt[tss_selector / 8] >> 40) & 31;
    const Tss old = tss;
    paging_off();
    reset_tables();

    report.expect_exit(e, g.vector, g.error | (g.vector == 14 && cpl == 3 ? 4 : 0));
    constexpr u32 pushed = 8; // the code, or the stub's zero for it, and the vector
    report.expect("handler's ESP", address(&other_stack[top]) - pushed, e.handler_esp);
    if (g.vector != 8) { // an abort's are not defined
        report.expect("EIP in the old TSS", c.eip + g.length, old.eip);
        report.expect("EFLAGS in the old TSS", c.eflags | (g.length ? 0 : rf), old.eflags);
    }
    report.expect("CS in the old TSS", c.cs, old.cs & 0xFFFF);
    report.expect("SS in the old TSS", c.ss, old.ss & 0xFFFF);
    report.expect("ESP in the old TSS", c.esp, old.esp);
    report.expect("EBX in the old TSS", c.ebx, old.ebx);
    report.expect("EBP in the old TSS", c.ebp, old.ebp);
    report.expect("link", tss_selector, other.link & 0xFFFF);
    report.expect("new TSS is busy", 11, new_type);
    report.expect("old TSS is busy", 11, old_type);
    report.expect("CR0.TS", cr0_ts, cr0 & cr0_ts);
}

} // namespace

void double_fault_task(Report& report) {
    for (const Gated& g : gated) {
        for (unsigned cpl = 0; cpl < 4; ++cpl) {
            if (!report.next()) continue;
            report.describe("%s through a task gate, CPL %u", g.name, cpl);
            through_task(report, g, cpl);
        }
    }
}

} // namespace faults
