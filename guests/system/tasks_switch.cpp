// Task switches that succeed: what is saved, what is loaded, links, busy bits, NT, TS, TR, LDTR, CR3, the trap bit
// (SDM 3A, 7.3, 7.4).
#include "guests/system/tasks.hpp"

namespace tasks {

namespace {

void expect_saved(Report& report, Source s, const Context& c, const View& a) {
    const u32 m = a.mask();
    report.expect("saved EIP", (c.eip + length_of(s)) & m, a.get(eip));
    const u32 flags = s == by_iret ? c.eflags & ~flag_nt : c.eflags;
    report.expect("saved EFLAGS", flags & m, a.get(eflags) & ~flag_rf);
    const u32 general[] = {c.eax, c.ecx, c.edx, c.ebx, c.esp, c.ebp, c.esi, c.edi};
    constexpr const char* general_names[] = {"saved EAX", "saved ECX", "saved EDX", "saved EBX",
                                             "saved ESP", "saved EBP", "saved ESI", "saved EDI"};
    for (u32 i = 0; i < 8; ++i) report.expect(general_names[i], general[i] & m, a.get(static_cast<Field>(eax + i)));
    const u32 segments[] = {c.es, c.cs, c.ss, c.ds, c.fs, c.gs};
    constexpr const char* segment_names[] = {"saved ES", "saved CS", "saved SS", "saved DS", "saved FS", "saved GS"};
    for (u32 i = 0; i < (a.wide ? 6 : 4); ++i)
        report.expect(segment_names[i], segments[i], a.get(static_cast<Field>(es + i)) & 0xFFFF);
}

/// `e` is how INT 80h, the new task's first instruction, found it.
void expect_loaded(Report& report, Source s, const Exit& e, const View& b, u32 image) {
    report.expect_exit(e, end_vector, 0);
    const u32 m = b.mask(), pushed = s == by_gp ? (b.wide ? 4 : 2) : 0;
    report.expect("EIP", target_offset + 2, e.eip);
    report.expect("EFLAGS", (image | (nests(s) ? flag_nt : 0)) & m, e.eflags & m);
    const u32 general[] = {e.eax, e.ecx, e.edx, e.ebx, e.esp + pushed, e.ebp, e.esi, e.edi};
    constexpr const char* names[] = {"EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"};
    for (u32 i = 0; i < 8; ++i) report.expect(names[i], b.get(static_cast<Field>(eax + i)), general[i] & m);
    report.expect("ES", b.get(es), e.es);
    report.expect("CS", b.get(cs), e.cs);
    report.expect("SS", b.get(ss), e.ss);
    report.expect("DS", b.get(ds), e.ds);
    if (b.wide) report.expect("FS", b.get(fs), e.fs);
    if (b.wide) report.expect("GS", b.get(gs), e.gs);
    if (!pushed) return;
    const u32 at = stack_base + (e.esp & 0xFFFF);
    report.expect("error code on the new stack", gp_error, b.wide ? dword(at) : word(at));
}

void expect_bookkeeping(Report& report, Source s, const View& a, const View& b) {
    report.expect("TR", b_selector, task_register() & 0xFFFCu);
    report.expect("LDTR", own_ldt, local_table() & 0xFFFCu);
    report.expect("CR0.TS", 1, read_cr0() >> 3 & 1);
    report.expect("old TSS's type", a.type() | (nests(s) ? busy : 0), descriptor_type(a_selector));
    report.expect("new TSS's type", b.type() | busy, descriptor_type(b_selector));
    report.expect("link", nests(s) ? a_selector : 0x7FF8, b.get(link) & 0xFFFF);
}

} // namespace

void switches(Report& report) {
    for (u32 i = 0; i < source_count * 2 * 2 * 4 * 4 * 2; ++i) {
        if (!report.next()) continue;
        const Source s = static_cast<Source>(i >> 7);
        const u32 old_cpl = i & 3, new_cpl = i >> 2 & 3;
        const View a{a_at, (i >> 4 & 1) != 0}, b{b_at, (i >> 5 & 1) != 0};
        const u32 image = 2 | flag_cf | 0x80 | (i >> 6 & 1 ? flag_nt | flag_df : flag_if);
        report.describe("%s, from level %u, %u-bit TSS, to level %u, %u-bit TSS, new EFLAGS %x", source_names[s],
                        old_cpl, a.wide ? 32u : 16u, new_cpl, b.wide ? 32u : 16u, image);
        build_current(a);
        build(b, new_cpl);
        b.set(eflags, image);
        put_descriptor(a_selector, a);
        put_descriptor(b_selector, b, 3, s == by_iret);
        load_task(a_selector);
        const Context c = prepare(s, old_cpl, a);
        const Exit e = run(c);
        expect_saved(report, s, c, a);
        expect_loaded(report, s, e, b, image);
        expect_bookkeeping(report, s, a, b);
        restore();
    }
    reset_tables();
}

// --- nesting
// ------------------------------------------------------------------------------------------------

namespace {

constexpr u32 c_pointer = pointer_at + 8, b_code = arena_begin + 0x400, c_code = arena_begin + 0x440;

/// A task at level 0 with flat segments and code of its own.
void build_flat(const View& v, u32 code_at, u32 stack) {
    build_current(v);
    v.set(eip, code_at);
    v.set(eflags, 2);
    v.set(esp, stack);
    v.set(cs, kernel_code);
    for (const Field f : {ss, ds, es, fs, gs}) v.set(f, kernel_data);
    v.set(ldt_field, 0);
}

} // namespace

/// A calls B, B calls C, and IRET leads back twice; then into B again, which goes on behind its IRET.
void nested(Report& report) {
    constexpr u8 b_bytes[] = {0x43,
                              0xFF,
                              0x1D,
                              c_pointer & 0xFF,
                              c_pointer >> 8 & 0xFF,
                              c_pointer >> 16 & 0xFF,
                              c_pointer >> 24,
                              0x43,
                              0xCF,
                              0x83,
                              0xC3,
                              0x10,
                              0xCF};                                     // INC EBX; CALL C; INC EBX; IRET;
                                                                         // ADD EBX, 16; IRET
    constexpr u8 c_bytes[] = {0x46, 0xCF, 0xEB, 0xFC};                   // INC ESI; IRET; JMP back
    constexpr u8 a_bytes[] = {0xFF, 0x1B, 0xFF, 0x1B, 0xCD, end_vector}; // CALL B; CALL B; INT 80h
    const void* code_a = code(a_bytes);
    for (u32 cpl = 0; cpl < 4; ++cpl) {
        for (u32 rounds = 1; rounds <= 2; ++rounds) {
            if (!report.next()) continue;
            report.describe("nested calls from level %u, %u rounds", cpl, rounds);
            memcpy(reinterpret_cast<void*>(b_code), b_bytes, sizeof b_bytes);
            memcpy(reinterpret_cast<void*>(c_code), c_bytes, sizeof c_bytes);
            const View a{a_at, true}, b{b_at, true}, c{c_at, true};
            build_current(a);
            build_flat(b, b_code, stack_base + 0x800);
            build_flat(c, c_code, stack_base + 0x700);
            put_descriptor(a_selector, a);
            put_descriptor(b_selector, b);
            put_descriptor(c_selector, c);
            dword(c_pointer) = 0;
            word(c_pointer + 4) = c_selector;
            load_task(a_selector);
            Context start = prepare(call_tss, cpl, a);
            start.eip = address(code_a) + (rounds == 1 ? 2 : 0);
            const Exit e = run(start);
            report.expect_exit(e, end_vector, 0);
            report.expect("EIP", address(code_a) + 6, e.eip);
            report.expect("EBX", start.ebx, e.ebx);
            report.expect("EFLAGS", start.eflags, e.eflags);
            report.expect("ESP", start.esp, e.esp);
            report.expect("TR", a_selector, task_register() & 0xFFFCu);
            report.expect("type of B", tss32_type, descriptor_type(b_selector));
            report.expect("type of C", tss32_type, descriptor_type(c_selector));
            report.expect("B's work", rounds == 1 ? 2 : 18, b.get(ebx));
            report.expect("C's work", 1, c.get(esi));
            report.expect("B's link", a_selector, b.get(link) & 0xFFFF);
            report.expect("C's link", b_selector, c.get(link) & 0xFFFF);
            report.expect("B's NT", 0, b.get(eflags) & flag_nt);
            restore();
        }
    }
    // No way back into a task that is busy: neither itself nor one that waits for a return.
    for (const Source s : {jump_tss, call_tss, jump_gate, call_gate, int_gate, by_ud}) {
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            if (!report.next()) continue;
            report.describe("%s to the current task, level %u", source_names[s], cpl);
            const View a{a_at, true};
            build_current(a);
            put_descriptor(a_selector, a);
            load_task(a_selector);
            const Context c = prepare(s, cpl, a);
            const u64 g = gate(a_selector, 0, task_gate, 3);
            gdt[task_gate_selector / 8] = g;
            if (s == int_gate) idt[vector_in_use] = g;
            if (s == by_ud) idt[ud_vector] = g;
            if (s <= call_tss) word(pointer_at + 4) = a_selector;
            const Exit e = run(c);
            report.expect_exit(e, gp_vector, a_selector | ext_of(s));
            report.expect("EIP", c.eip, e.eip);
            report.expect("TR", a_selector, task_register() & 0xFFFCu);
            restore();
        }
    }
    reset_tables();
}

/// T in a 32-bit TSS: a debug exception before the first instruction, with BT in DR6.
void trap_bit(Report& report) {
    constexpr u32 bt = 0x8000;
    for (u32 i = 0; i < source_count * 4 * 2; ++i) {
        if (!report.next()) continue;
        const Source s = static_cast<Source>(i >> 3);
        const u32 cpl = i & 3;
        const bool trap = i >> 2 & 1;
        report.describe("%s to a task of level %u with T %u", source_names[s], cpl, u32{trap});
        const View a{a_at, true}, b{b_at, true};
        build_current(a);
        build(b, cpl);
        word(b_at + 0x64) = trap;
        put_descriptor(a_selector, a);
        put_descriptor(b_selector, b, 3, s == by_iret);
        load_task(a_selector);
        write_dr6(0);
        const Exit e = run(prepare(s, 0, a));
        report.expect_exit(e, trap ? 1 : end_vector, 0);
        report.expect("CS", target_selector | cpl, e.cs);
        report.expect("EIP", target_offset + (trap ? 0 : 2), e.eip);
        report.expect("DR6.BT", trap ? bt : 0, read_dr6() & bt);
        report.expect("TR", b_selector, task_register() & 0xFFFCu);
        write_dr6(0);
        restore();
    }
    reset_tables();
}

// --- CR3
// ------------------------------------------------------------------------------------------------

namespace {

constexpr u32 directories[] = {arena_begin + 0x80'0000, arena_begin + 0x80'1000}, tables = arena_begin + 0x80'2000,
              own_table = arena_begin + 0x80'A000, window = arena_begin + 0x70'0000, pages_mapped = 8 * 1024;

/// Both directories map 32 MiB one to one, but the window leads to another page in the second.
void map_spaces() {
    for (u32 page = 0; page < pages_mapped; ++page) dword(tables + 4 * page) = page << 12 | 7;
    for (const u32 directory : directories) {
        memset(reinterpret_cast<void*>(directory), 0, 4096);
        for (u32 i = 0; i < pages_mapped / 1024; ++i) dword(directory + 4 * i) = (tables + 4096 * i) | 7;
    }
    const u32 slot = window >> 22;
    memcpy(reinterpret_cast<void*>(own_table), reinterpret_cast<void*>(tables + 4096 * slot), 4096);
    dword(own_table + 4 * (window >> 12 & 1023)) = (window + 4096) | 7;
    dword(directories[1] + 4 * slot) = own_table | 7;
    dword(window) = 0x1111'1111;
    dword(window + 4096) = 0x2222'2222;
}

} // namespace

/// With paging on a 32-bit TSS brings its own CR3, a 16-bit TSS leaves it.
void page_directory(Report& report) {
    constexpr u32 paging = 0x8000'0000;
    const u8 bytes[] = {0xA1, window & 0xFF, window >> 8 & 0xFF, window >> 16 & 0xFF, window >> 24, 0xCD, end_vector};
    for (u32 i = 0; i < source_count * 2 * 4; ++i) {
        if (!report.next()) continue;
        const Source s = static_cast<Source>(i >> 3);
        const u32 cpl = i & 3;
        const bool wide = i >> 2 & 1;
        report.describe("%s to a task of level %u with a directory of its own, %u-bit TSS", source_names[s], cpl,
                        wide ? 32u : 16u);
        map_spaces();
        const View a{a_at, true}, b{b_at, wide};
        build_current(a);
        build(b, cpl);
        memcpy(reinterpret_cast<void*>(target_base + target_offset), bytes, sizeof bytes); // MOV EAX, [window]
        if (wide) dword(b_at + 0x1C) = directories[1];
        put_descriptor(a_selector, a);
        put_descriptor(b_selector, b, 3, s == by_iret);
        load_task(a_selector);
        const Context c = prepare(s, 3, a);
        const u32 standard = read_cr3();
        write_cr3(directories[0]);
        write_cr0(read_cr0() | paging);
        (void)*reinterpret_cast<volatile u32*>(window); // into the TLB
        const Exit e = run(c);
        const u32 now = read_cr3();
        write_cr0(read_cr0() & ~paging);
        write_cr3(standard);
        report.expect_exit(e, end_vector, 0);
        report.expect("CR3", directories[wide], now);
        report.expect("what the window shows", wide ? 0x2222'2222 : 0x1111'1111, e.eax);
        restore();
    }
    reset_tables();
}

} // namespace tasks
