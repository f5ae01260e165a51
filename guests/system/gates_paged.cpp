// Paging under the tables and stacks that transfers use: implicit accesses are a supervisor's whatever the CPL is (SDM
// 3A, 4.6.1), and a page fault leaves everything as it was (SDM 3A, 6.15 #PF).
#include "guests/system/gates.hpp"

namespace gates {

namespace {

constexpr u32 directory = arena_begin + 0x80'0000, tables = directory + 0x2000, pages_mapped = 8 * 1024;
constexpr u32 own_ldt_at = arena_begin + 0x20'0000, inner_stack_at = arena_begin + 0x21'0000;
constexpr u32 pf_vector = 14, write_protect = 0x1'0000, paging = 0x8000'0000;
constexpr u16 own_ldt = first_free + 0x20;
constexpr u32 present = 1, writable = 2, user = 4;

enum Slot : u32 { data_slot, code_slot, gate_slot, inner_slot };
constexpr u16 selector_of(Slot s) { return static_cast<u16>(s * 8 | 4); } // in the LDT

struct Operation {
    const char* name;
    u8 bytes[4];
    u32 length;
    Slot slot;   ///< the descriptor that is read first
    bool marks;  ///< sets an accessed bit in the LDT
    bool inward; ///< pushes on level 1's stack
    bool local;  ///< uses the LDT at all
};
constexpr Operation operations[] = {
    {"MOV ES", {0x8E, 0xC0}, 2, data_slot, true, false, true},
    {"LAR", {0x0F, 0x02, 0xC8}, 3, data_slot, false, false, true},
    {"VERR", {0x0F, 0x00, 0xE0}, 3, data_slot, false, false, true},
    {"far JMP", {0xFF, 0x2B}, 2, code_slot, true, false, true},
    {"far CALL", {0xFF, 0x1B}, 2, code_slot, true, false, true},
    {"RETF", {0xCB}, 1, code_slot, true, false, true},
    {"IRET", {0xCF}, 1, code_slot, true, false, true},
    {"CALL through a gate", {0xFF, 0x1B}, 2, gate_slot, true, true, true},
    {"INT", {0xCD, vector_in_use}, 2, data_slot, false, true, false},
};

u32& entry_of(u32 linear) { return dword(tables + 4 * (linear >> 12)); }

/// All of memory one to one; only what level 3 itself touches is a user's.
void map() {
    for (u32 page = 0; page < pages_mapped; ++page) dword(tables + 4 * page) = page << 12 | present | writable;
    memset(reinterpret_cast<void*>(directory), 0, 4096);
    for (u32 i = 0; i < pages_mapped / 1024; ++i) dword(directory + 4 * i) = (tables + 4096 * i) | 7;
}
void allow(u32 linear) { entry_of(linear) |= user; }

void fill_ldt() {
    u64* entries = reinterpret_cast<u64*>(own_ldt_at);
    entries[data_slot] = whole(0x12, 3); // not accessed yet
    entries[code_slot] = descriptor(target_base, target_limit, 0x1A, 3);
    entries[gate_slot] = gate(selector_of(inner_slot), target_offset, call_gate32, 3);
    entries[inner_slot] = descriptor(target_base, target_limit, 0x1A, 1);
}

Context prepare(const Operation& o) {
    u8 bytes[6];
    memcpy(bytes, o.bytes, o.length);
    bytes[o.length] = 0xCD;
    bytes[o.length + 1] = end_vector;
    Context c = ring(3, code(bytes, o.length + 2));
    c.esp -= 0x40;
    c.eax = selector_of(data_slot) | 3;
    c.ebx = pointer_at;
    const u32 frame[] = {target_offset, static_cast<u32>(selector_of(code_slot) | 3), 2};
    for (u32 i = 0; i < 3; ++i) dword(c.esp + 4 * i) = frame[i];
    put_pointer(call, selector_of(o.slot) | 3, target_offset);
    allow(c.eip);
    allow(c.eip + 8);
    allow(c.esp);
    allow(pointer_at);
    allow(target_base);
    return c;
}

enum Damage : u32 { sound, missing, read_only, protected_read_only };
constexpr const char* damage_names[] = {"sound", "missing", "read-only", "read-only with CR0.WP"};

u32 flags_of(Damage d, u32 level) { return level | (d == missing ? 0 : present) | (d >= read_only ? 0 : writable); }

/// The error code of a supervisor's access to such a page; ~0 when it is allowed.
u32 error_of(Damage d, bool writes) {
    if (d == missing) return writes ? 2 : 0;
    return d == protected_read_only && writes ? 3 : ~0u;
}

void check(Report& report, const Operation& o, Damage table, Damage stack, u32 level) {
    map();
    fill_ldt();
    gdt[own_ldt / 8] = descriptor(own_ldt_at, 0xFF, ldt_type, 0, true, false);
    gdt[target_selector / 8] = target_descriptor(code_type, 1);
    idt[vector_in_use] = gate(target_selector, target_offset, interrupt_gate32, 3);
    load_ldt(own_ldt);
    const Tss saved = tss;
    set_inner_stack(1, flat_data(1), inner_stack_at + 0x800);
    const Context c = prepare(o);
    entry_of(own_ldt_at) = own_ldt_at | flags_of(table, level);
    entry_of(inner_stack_at) = inner_stack_at | flags_of(stack, level);
    const u32 standard_cr3 = read_cr3(), standard_cr0 = read_cr0();
    const bool protects = table == protected_read_only || stack == protected_read_only;
    write_cr3(directory);
    write_cr0(standard_cr0 | paging | (protects ? write_protect : 0));
    const Exit e = run(c);
    write_cr0(standard_cr0);
    write_cr3(standard_cr3);
    tss = saved;
    load_ldt(ldt_selector);

    u32 error = ~0u, page = own_ldt_at;
    if (o.local) error = error_of(table, false);
    if (error == ~0u && o.local && o.marks) error = error_of(table, true);
    if (error == ~0u && o.inward) error = error_of(stack, true), page = inner_stack_at;
    const bool ok = error == ~0u;
    report.expect_exit(e, ok ? end_vector : pf_vector, ok ? 0 : error);
    if (ok) {
        if (o.inward) report.expect("CPL", 1, e.cs & 3);
        if (o.local && o.marks) {
            const Slot marked = o.inward ? inner_slot : o.slot;
            report.expect("accessed", 1, dword(own_ldt_at + 8 * marked + 4) >> 8 & 1);
        }
        return;
    }
    report.expect("page of the fault", page, e.cr2 & 0xFFFF'F000);
    report.expect("CS", c.cs, e.cs);
    report.expect("EIP", c.eip, e.eip);
    report.expect("ESP", c.esp, e.esp);
    report.expect("ES", c.es, e.es);
    if (page == own_ldt_at && error != 3) report.expect("CR2", own_ldt_at + 8 * o.slot, e.cr2 & ~7u);
}

} // namespace

void paged(Report& report) {
    put_target();
    for (const Operation& o : operations) {
        for (const u32 level : {0u, user}) {
            for (u32 i = 0; i < 7; ++i) {
                const Damage table = i < 4 ? static_cast<Damage>(i) : sound;
                const Damage stack = i < 4 ? sound : static_cast<Damage>(i - 3);
                if (!report.next()) continue;
                report.describe("%s at level 3, LDT's page %s, level 1's stack %s, pages of a %s", o.name,
                                damage_names[table], damage_names[stack], level ? "user" : "supervisor");
                if (!features().cpuid && (table == protected_read_only || stack == protected_read_only)) {
                    report.skip("no CR0.WP");
                    continue;
                }
                check(report, o, table, stack, level);
            }
        }
    }
    reset_tables();
}

} // namespace gates
