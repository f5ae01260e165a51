// Virtual-8086 tasks: switched to by every route, left through task gates, returned to by IRET (SDM 3A, 21.2.5, 21.3.1,
// 7.4).
#include "guests/system/tasks.hpp"

namespace tasks {

namespace {
constexpr u32 code_at = 0x7000, stack_at = 0x8000;
}

/// A new EFLAGS with VM set: segments are loaded as virtual-8086 mode has them, no descriptor is looked at.
void virtual_task(Report& report) {
    for (u32 i = 0; i < source_count * 4; ++i) {
        const Source s = static_cast<Source>(i >> 2);
        const u32 iopl = i & 3;
        if (s == by_ud || !report.next()) continue; // #UD ends the case
        report.describe("%s to a virtual-8086 task, IOPL %u", source_names[s], iopl);
        const View a{a_at, true}, b{b_at, true};
        build_current(a);
        build(b, 3);
        word(code_at) = 0x0B0F; // UD2
        b.set(eip, 0);
        b.set(eflags, flag_vm | iopl << 12 | 2 | flag_cf);
        b.set(esp, 0x100);
        constexpr u32 selectors[] = {0x1111, code_at >> 4, 0x800, 0x2222, 0x3333, 0x4444};
        for (u32 k = 0; k < 6; ++k) b.set(static_cast<Field>(es + k), selectors[k]);
        put_descriptor(a_selector, a);
        put_descriptor(b_selector, b, 3, s == by_iret);
        load_task(a_selector);
        const Exit e = run(prepare(s, 0, a));
        report.expect_exit(e, ud_vector, 0);
        report.expect("CS", selectors[1], e.cs);
        report.expect("EIP", 0, e.eip);
        report.expect("SS", selectors[2], e.ss & 0xFFFF);
        report.expect("SP", 0x100 - (s == by_gp ? 4 : 0), e.esp);
        report.expect("ES", selectors[0], e.es & 0xFFFF);
        report.expect("DS", selectors[3], e.ds & 0xFFFF);
        report.expect("FS", selectors[4], e.fs & 0xFFFF);
        report.expect("GS", selectors[5], e.gs & 0xFFFF);
        const u32 nt = nests(s) ? flag_nt : 0;
        report.expect("EFLAGS", flag_vm | iopl << 12 | 2 | flag_cf | nt, e.eflags & ~flag_rf);
        restore();
    }
    reset_tables();
}

/// Out of virtual-8086 mode by INT n or #UD, and back with the handler task's IRET.
void from_virtual(Report& report) {
    constexpr u32 return_offset = 0x40;
    for (u32 i = 0; i < 2 * 2 * 2 * 4; ++i) {
        if (!report.next()) continue;
        const bool wide = i & 1, returns = i >> 1 & 1;
        const Source s = i >> 2 & 1 ? by_ud : int_gate;
        const u32 iopl = i >> 3;
        const View a{a_at, true}, b{b_at, wide};
        report.describe("%s in virtual-8086 mode, IOPL %u, %u-bit TSS%s", source_names[s], iopl, wide ? 32u : 16u,
                        returns ? ", and back" : "");
        build_current(a);
        build(b, 0);
        if (returns) b.set(eip, return_offset);
        byte(target_base + return_offset) = 0xCF; // IRET
        put_descriptor(a_selector, a);
        put_descriptor(b_selector, b);
        load_task(a_selector);
        prepare(s, 0, a);
        constexpr u8 bytes[][4] = {{0xCD, vector_in_use, 0x0F, 0x0B}, {0x0F, 0x0B}};
        memcpy(reinterpret_cast<void*>(code_at), bytes[s == by_ud], 4);
        Context c = virtual_8086(code_at, stack_at);
        c.eflags = flag_vm | iopl << 12 | flag_if | 2 | flag_cf;
        c.esp = 0x100;
        c.ds = 0x1111, c.es = 0x2222, c.fs = 0x3333, c.gs = 0x4444;
        c.ebx = 0x1234'5678;
        if (s == by_ud && returns) { // the way back leads to UD2 again, whose gate is no task's any more then
            byte(target_base + return_offset) = 0xC7; // MOV dword [idt + 6 * 8 + 4], what a gate that is no task's has
            byte(target_base + return_offset + 1) = 0x05;
            dword(target_base + return_offset + 2) = address(&idt[ud_vector]);
            const u64 plain = gate(kernel_code, stub(ud_vector), interrupt_gate32, 0);
            dword(target_base + return_offset + 6) = low(plain);
            byte(target_base + return_offset + 10) = 0xC7;
            byte(target_base + return_offset + 11) = 0x05;
            dword(target_base + return_offset + 12) = address(&idt[ud_vector]) + 4;
            dword(target_base + return_offset + 16) = high(plain);
            byte(target_base + return_offset + 20) = 0xCF;
        }
        const Exit e = run(c);
        const bool refused = s == int_gate && iopl < 3;
        const u32 saved = c.eip + (s == int_gate ? 2 : 0);
        report.expect_exit(e, refused ? gp_vector : returns ? ud_vector : end_vector, 0);
        report.expect("TR", refused || returns ? a_selector : b_selector, task_register() & 0xFFFCu);
        if (refused || returns) {
            report.expect("EIP", refused ? c.eip : saved, e.eip);
            report.expect("CS", c.cs, e.cs);
            report.expect("EFLAGS", c.eflags, e.eflags & ~flag_rf);
            report.expect("SP", c.esp, e.esp);
            report.expect("DS", c.ds, e.ds & 0xFFFF);
            report.expect("GS", c.gs, e.gs & 0xFFFF);
            report.expect("EBX", c.ebx, e.ebx);
        }
        if (!refused) {
            report.expect("saved EIP", saved, a.get(eip));
            report.expect("saved EFLAGS", c.eflags, a.get(eflags) & ~flag_rf);
            report.expect("saved CS", c.cs, a.get(cs) & 0xFFFF);
            report.expect("saved SS", c.ss, a.get(ss) & 0xFFFF);
            report.expect("saved ES", c.es, a.get(es) & 0xFFFF);
            report.expect("saved FS", c.fs, a.get(fs) & 0xFFFF);
            report.expect("link", a_selector, b.get(link) & 0xFFFF);
            report.expect("type of B", b.type() | (returns ? 0 : busy), descriptor_type(b_selector));
        }
        restore();
    }
    reset_tables();
}

} // namespace tasks
