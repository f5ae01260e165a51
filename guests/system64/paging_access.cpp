// Accesses that are more than one page's business: operands and code across two pages, and what the processor itself
// reads and writes in descriptor tables, TSS and handlers' stacks, which counts as level 0's whoever runs (SDM 3A 4.6,
// 4.7). Two pages side by side: the first is always good.
#include "guests/system64/paging_access.hpp"

namespace paging {

namespace {

constexpr u64 tables = arena_begin + 0x10'0000, frame = arena_begin + 0x20'0000, region = u64{1} << 39,
              second = region + 0x1000;
constexpr u64 present = 1, writable = 2, user = 4;
constexpr u32 error_present = 1, error_write = 2, error_user = 4;
constexpr u64 cr0_wp = 1 << 16;

void map(u64 first_rights, u64 second_rights) {
    memset(reinterpret_cast<void*>(tables), 0, 0x3000);
    top_table[1] = tables | present | writable | user;
    qword(tables) = (tables + 0x1000) | present | writable | user;
    qword(tables + 0x1000) = (tables + 0x2000) | present | writable | user;
    qword(tables + 0x2000) = frame | first_rights;
    qword(tables + 0x2008) = (frame + 0x1000) | second_rights;
    write_cr3(read_cr3());
}
void unmap() {
    top_table[1] = 0;
    write_cr3(read_cr3());
}

struct PageState {
    const char* name;
    u64 rights;
};
constexpr PageState states[] = {{"absent", 0},
                                {"supervisor, read-only", present},
                                {"supervisor, writable", present | writable},
                                {"user, read-only", present | user},
                                {"user, writable", present | writable | user}};

struct Access {
    const char* name;
    u8 length, bytes[5];
    u32 size;
    bool write, stack;
};
constexpr Access accesses[] = {{"MOV r16, m", 3, {0x66, 0x8B, 0x0B}, 2, false, false},
                               {"MOV r32, m", 2, {0x8B, 0x0B}, 4, false, false},
                               {"MOV r64, m", 3, {0x48, 0x8B, 0x0B}, 8, false, false},
                               {"MOV m, r16", 3, {0x66, 0x89, 0x0B}, 2, true, false},
                               {"MOV m, r32", 2, {0x89, 0x0B}, 4, true, false},
                               {"MOV m, r64", 3, {0x48, 0x89, 0x0B}, 8, true, false},
                               {"ADD m, r64", 3, {0x48, 0x01, 0x0B}, 8, true, false},
                               {"LOCK XADD m, r64", 5, {0xF0, 0x48, 0x0F, 0xC1, 0x0B}, 8, true, false},
                               {"XCHG m, r32", 2, {0x87, 0x0B}, 4, true, false},
                               {"PUSH r64", 1, {0x51}, 8, true, true},
                               {"POP r64", 1, {0x59}, 8, false, true}};

} // namespace

/// One page of two denies: the address reported is the first byte in it that was wanted, and nothing has been written.
void crossing(Report& report) {
    for (const Access& a : accesses) {
        u8 bytes[8] = {};
        memcpy(bytes, a.bytes, a.length);
        bytes[a.length] = 0xCD;
        bytes[a.length + 1] = end_vector;
        const u64 at = code(bytes);
        for (u32 before = 1; before < a.size; ++before) {
            for (const PageState& state : states) {
                for (const bool swapped : {false, true}) {
                    for (const u32 cpl : {0u, 3u}) {
                        if (!report.next()) continue;
                        report.describe("%s with %u of %u bytes in the first page, the %s page %s, CPL %u", a.name,
                                        before, a.size, swapped ? "first" : "second", state.name, cpl);
                        constexpr u64 all = present | writable | user;
                        map(swapped ? state.rights : all, swapped ? all : state.rights);
                        const u64 place = second - before;
                        qword(frame + 0x1000 - before) = 0x1122'3344'5566'7788;
                        Context c = ring(cpl, at);
                        c.rbx = place;
                        c.rcx = 0x9999'9999'9999'9999;
                        if (a.stack) c.rsp = place + (a.write ? 8 : 0);
                        const Exit e = run(c);
                        const bool denied = (state.rights & present) == 0 || (cpl == 3 && (state.rights & user) == 0) ||
                                            (a.write && (state.rights & writable) == 0);
                        if (!denied) {
                            // INT 80h at level 0 pushes on the same stack, which may be here.
                            if (!(a.stack && cpl == 0)) report.expect_exit(e, end_vector, 0);
                            unmap();
                            continue;
                        }
                        report.expect_exit(e, pf_vector,
                                           (state.rights & present ? error_present : 0) | (a.write ? error_write : 0) |
                                               (cpl == 3 ? error_user : 0));
                        report.expect("CR2", swapped ? place : second, e.cr2);
                        report.expect("RIP", c.rip, e.rip);
                        report.expect("RSP", c.rsp, e.rsp);
                        report.expect("RCX", c.rcx, e.rcx);
                        report.expect("memory", 0x1122'3344'5566'7788, qword(frame + 0x1000 - before));
                        unmap();
                    }
                }
            }
        }
    }
}

/// Code whose end lies in a page that cannot be fetched from: RIP at its beginning, CR2 at the page's.
void crossing_code(Report& report) {
    const u8 long_move[] = {0x48, 0xB8, 1, 2, 3, 4, 5, 6, 7, 8, 0xCD, end_vector}; // MOV RAX, imm64
    for (u32 before = 1; before <= 12; ++before) {
        for (const PageState& state : states) {
            for (const u32 cpl : {0u, 3u}) {
                for (const bool execute : {false, true}) {
                    if (!report.next()) continue;
                    report.describe("MOV RAX, imm64 with %u bytes in the first page, the second %s, XD %u, CPL %u",
                                    before, state.name, !execute, cpl);
                    if (!execute && !features().nx) {
                        report.skip("needs NX");
                        continue;
                    }
                    const u64 efer = read_msr(msr::efer);
                    if (!execute) write_msr(msr::efer, efer | efer_nxe);
                    const u64 forbids = execute || state.rights == 0 ? 0 : u64{1} << 63;
                    map(present | writable | user, state.rights | forbids);
                    memcpy(reinterpret_cast<void*>(frame + 0x1000 - before), long_move, sizeof long_move);
                    const Context c = ring(cpl, second - before);
                    const Exit e = run(c);
                    if (!execute) write_msr(msr::efer, efer);
                    const bool denied =
                        (state.rights & present) == 0 || forbids != 0 || (cpl == 3 && (state.rights & user) == 0);
                    unmap();
                    if (!denied) {
                        report.expect_exit(e, end_vector, 0);
                        continue;
                    }
                    if (before == 12) { // all of it is in the first page
                        report.expect_exit(e, end_vector, 0);
                        continue;
                    }
                    report.expect_exit(e, pf_vector,
                                       (state.rights & present ? error_present : 0) | (cpl == 3 ? error_user : 0) |
                                           (execute ? 0 : 16));
                    report.expect("CR2", second, e.cr2);
                    report.expect("RIP", before >= 10 ? second - before + 10 : second - before, e.rip);
                }
            }
        }
    }
}

namespace {

enum Structure : u32 { gdt_read, gdt_accessed, idt_read, tss_read, handler_stack, structure_count };
constexpr const char* structure_names[] = {"descriptor in the GDT", "accessed bit in the GDT", "gate in the IDT",
                                           "IST pointer in the TSS", "handler's stack"};
constexpr u32 int_vector = 0x90, breakpoint_vector = 3;

/// Puts the structure across the two pages, so that the case alone needs the second.
void place(Structure s) {
    switch (s) {
    case gdt_read:
    case gdt_accessed:
        memcpy(reinterpret_cast<void*>(frame + 0x1000 - gdt_size), gdt, gdt_size);
        qword(frame + 0x1000) =
            descriptor(0, 0xFFFFF, s == gdt_read ? data_type : data_type & ~1u, 3, true, size32, true);
        load_gdt(gdt_size + 7, second - gdt_size);
        break;
    case idt_read:
        memcpy(reinterpret_cast<void*>(frame + 0x800), idt, sizeof idt);
        load_idt(sizeof idt - 1, region + 0x800);
        break;
    case tss_read:
        memcpy(reinterpret_cast<void*>(frame + 0x1000 - 0x24), &tss, sizeof tss);
        set_wide(tss_selector, second - 0x24, sizeof tss - 1, tss_type);
        load_task(tss_selector);
        break;
    default: break;
    }
}

} // namespace

/// What the processor looks up by itself.
void implicit(Report& report) {
    const u8 load[] = {0x8E, 0xD8, 0xCC}, interrupt[] = {0xCD, int_vector, 0x0F, 0x0B};
    for (u32 n = 0; n < structure_count; ++n) {
        const Structure structure = static_cast<Structure>(n);
        const bool by_load = structure <= gdt_accessed, stack = structure == handler_stack;
        const u64 at = by_load ? code(load) : code(interrupt);
        for (const PageState& state : states) {
            for (u32 m = 0; m < 16; ++m) {
                const bool wp = m & 1, smap = m & 2, ac = m & 4;
                const u32 cpl = m & 8 ? 3 : 0;
                // Whether a push of an interrupt's delivery is an implicit access is not said.
                if ((stack && smap && (state.rights & user) != 0) || !report.next()) continue;
                report.describe("%s in a page that is %s: CPL %u, WP %u, SMAP %u, AC %u", structure_names[n],
                                state.name, cpl, wp, smap, ac);
                if (smap && !features().smap) {
                    report.skip("needs SMAP");
                    continue;
                }
                reset_tables();
                set_gate(int_vector, kernel_code, stub(int_vector), interrupt_gate, 3, true, by_load ? 0 : 3);
                for (u32 v = df_vector; v <= pf_vector; ++v) idt[v].low &= ~(u64{7} << 32); // no IST for these
                if (stack) tss.ist[3] = second + 0x800;
                map(present | writable, state.rights);
                place(structure);
                Context c = ring(cpl, at + (cpl == 3 ? alias : 0));
                if (cpl == 3) c.rsp += alias;
                c.rax = gdt_size | 3;
                c.rflags |= ac ? flag_ac : 0;
                const u64 cr0 = read_cr0();
                protect_kernel(true);
                if (!wp) write_cr0(cr0 & ~cr0_wp);
                if (smap) write_cr4(read_cr4() | cr4::smap);
                const Exit e = run(c);
                if (smap) write_cr4(read_cr4() & ~cr4::smap);
                write_cr0(cr0);
                protect_kernel(false);
                reset_tables();
                unmap();
                const bool absent = (state.rights & present) == 0, shut = smap && (state.rights & user) != 0;
                const bool writes = structure == gdt_accessed || stack;
                const bool denied_write = writes && wp && (state.rights & writable) == 0;
                if (absent || shut || denied_write) {
                    // The descriptor is read before its accessed bit is written.
                    const bool write = stack || (!absent && !shut);
                    report.expect_exit(e, pf_vector, (absent ? 0 : error_present) | (write ? error_write : 0));
                    report.expect("CR2's page", second >> 12, e.cr2 >> 12);
                    report.expect("RIP", c.rip, e.rip);
                    report.expect("CS", c.cs, e.cs);
                } else {
                    report.expect_exit(e, by_load ? breakpoint_vector : int_vector, 0);
                }
            }
        }
    }
}

} // namespace paging
