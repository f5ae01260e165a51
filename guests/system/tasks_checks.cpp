// What a task switch checks before it leaves the old task: gates, TSS descriptors, links, sizes (SDM 3A, 7.3, table
// 7-1; SDM 2A, CALL, JMP, INT n, IRET). The fault is the old task's, which is as if nothing had been tried.
#include "guests/system/tasks.hpp"

namespace tasks {

namespace {

constexpr bool is_available(u32 type) { return type == tss16_type || type == tss32_type; }
constexpr bool is_busy(u32 type) { return type == (tss16_type | busy) || type == (tss32_type | busy); }

/// Task B of the size that its descriptor's type says, and A, the current one.
View set_up(u32 type, u32 new_cpl) {
    const View a{a_at, true}, b{b_at, (type & 8) != 0};
    build_current(a);
    build(b, new_cpl);
    put_descriptor(a_selector, a);
    return b;
}

void expect_outcome(Report& report, const Context& c, const Exit& e, Fault fault) {
    report.expect_exit(e, fault.vector, fault.error);
    const bool switched = fault.vector == end_vector;
    report.expect("TR", switched ? b_selector : a_selector, task_register() & 0xFFFCu);
    if (switched) {
        report.expect("CS", target_selector, e.cs & 0xFFFC);
        return;
    }
    report.expect("CS", c.cs, e.cs);
    report.expect("EIP", c.eip, e.eip);
    report.expect("EFLAGS", c.eflags, e.eflags & ~flag_rf);
    report.expect("ESP", c.esp, e.esp);
    report.expect("EBP", c.ebp, e.ebp);
    report.expect("old TSS's type", tss32_type | busy, descriptor_type(a_selector));
    report.expect("CR0.TS", 0, read_cr0() >> 3 & 1);
    report.expect("nothing saved", 0, dword(a_at + 0x20));
}

} // namespace

/// JMP and CALL to a TSS: type, presence, DPL against CPL and RPL.
void tss_descriptors(Report& report) {
    for (const Source s : {jump_tss, call_tss}) {
        for (const u32 type : {1u, 3u, 9u, 11u}) {
            for (u32 i = 0; i < 2 * 4 * 4 * 4; ++i) {
                if (!report.next()) continue;
                const u32 cpl = i & 3, rpl = i >> 2 & 3, dpl = i >> 4 & 3;
                const bool present = i >> 6 & 1;
                report.describe("%s, type %x DPL %u P %u, RPL %u CPL %u", source_names[s], type, dpl, u32{present}, rpl,
                                cpl);
                const View b = set_up(type, cpl);
                const u64 d = descriptor(b.at, b.limit(), type, dpl, present, false);
                gdt[b_selector / 8] = d;
                load_task(a_selector);
                const Context c = prepare(s, cpl, {a_at, true});
                word(pointer_at + 4) = static_cast<u16>(b_selector | rpl);
                Fault fault = none;
                if (dpl < cpl || dpl < rpl || !is_available(type))
                    fault = {gp_vector, b_selector};
                else if (!present)
                    fault = {np_vector, b_selector};
                const Exit e = run(c);
                expect_outcome(report, c, e, fault);
                const u32 after = fault.vector == end_vector ? type | busy : type;
                report.expect("new TSS's type", after, descriptor_type(b_selector));
                restore();
            }
        }
    }
    reset_tables();
}

/// JMP and CALL through a task gate: the gate's DPL counts, the TSS's does not.
void task_gates(Report& report) {
    for (const Source s : {jump_gate, call_gate}) {
        for (const u32 type : {0u, 1u, 2u, 3u, 5u, 9u, 11u, 12u, 0x13u, 0x1Bu}) {
            for (u32 i = 0; i < 2 * 2 * 4 * 4 * 4; ++i) {
                if (!report.next()) continue;
                const u32 cpl = i & 3, rpl = i >> 2 & 3, dpl = i >> 4 & 3;
                const bool gate_present = i >> 6 & 1, present = i >> 7 & 1;
                report.describe("%s DPL %u P %u, to type %02x P %u, RPL %u CPL %u", source_names[s], dpl,
                                u32{gate_present}, type, u32{present}, rpl, cpl);
                const View b = set_up(type, cpl);
                gdt[b_selector / 8] = descriptor(b.at, b.limit(), type, (rpl + dpl) & 3, present, false);
                load_task(a_selector);
                const Context c = prepare(s, cpl, {a_at, true});
                gdt[task_gate_selector / 8] = gate(b_selector | 3, 0xDEAD'BEEF, task_gate, dpl, gate_present);
                word(pointer_at + 4) = static_cast<u16>(task_gate_selector | rpl);
                Fault fault = none;
                if (dpl < cpl || dpl < rpl)
                    fault = {gp_vector, task_gate_selector};
                else if (!gate_present)
                    fault = {np_vector, task_gate_selector};
                else if (!is_available(type))
                    fault = {gp_vector, b_selector};
                else if (!present)
                    fault = {np_vector, b_selector};
                expect_outcome(report, c, run(c), fault);
                restore();
            }
        }
    }
    reset_tables();
}

/// Task gates of the IDT: INT n checks the gate's DPL, an exception does not and sets EXT.
void interrupt_task_gates(Report& report) {
    for (const Source s : {int_gate, by_ud}) {
        const u32 vector = s == int_gate ? vector_in_use : ud_vector, ext = ext_of(s);
        for (u32 type = 0; type < 32; ++type) {
            for (u32 i = 0; i < 2 * 2 * 4 * 4; ++i) {
                const u32 cpl = i & 3, dpl = i >> 2 & 3;
                const bool gate_present = i >> 4 & 1, present = i >> 5 & 1;
                if (!report.next()) continue;
                report.describe("%s through a task gate DPL %u P %u, to type %02x P %u, CPL %u", source_names[s], dpl,
                                u32{gate_present}, type, u32{present}, cpl);
                const View b = set_up(type, cpl);
                gdt[b_selector / 8] = descriptor(b.at, b.limit(), type, cpl, present, false);
                load_task(a_selector);
                const Context c = prepare(s, cpl, {a_at, true});
                idt[vector] = gate(b_selector | 3, 0xDEAD'BEEF, task_gate, dpl, gate_present);
                Fault fault = none;
                if (s == int_gate && dpl < cpl)
                    fault = {gp_vector, vector * 8 + 2};
                else if (!gate_present)
                    fault = {np_vector, vector * 8 + 2 + ext};
                else if (!is_available(type))
                    fault = {gp_vector, b_selector | ext};
                else if (!present)
                    fault = {np_vector, b_selector | ext};
                expect_outcome(report, c, run(c), fault);
                restore();
            }
        }
    }
    reset_tables();
}

/// The TSS selector in a gate: null, in the LDT, beyond the GDT.
void gate_selectors(Report& report) {
    const struct {
        const char* what;
        u32 selector;
    } places[] = {{"null", 0},
                  {"in the LDT", 0x14},
                  {"beyond the LDT", 0x104},
                  {"beyond the GDT", gdt_size},
                  {"the top one", 0xFFF8}};
    for (const Source s : {jump_gate, call_gate, int_gate, by_ud}) {
        for (const auto& p : places) {
            for (u32 i = 0; i < 16; ++i) {
                if (!report.next()) continue;
                const u32 cpl = i & 3, rpl = i >> 2;
                report.describe("%s whose selector is %s, RPL %u, CPL %u", source_names[s], p.what, rpl, cpl);
                const View b = set_up(tss32_type, cpl);
                put_descriptor(b_selector, b);
                for (u64& entry : ldt) entry = gdt[b_selector / 8];
                load_task(a_selector);
                const Context c = prepare(s, cpl, {a_at, true});
                const u64 g = gate(p.selector | rpl, 0, task_gate, 3);
                gdt[task_gate_selector / 8] = g;
                if (s >= int_gate) idt[s == int_gate ? vector_in_use : ud_vector] = g;
                expect_outcome(report, c, run(c), {gp_vector, p.selector | ext_of(s)});
                restore();
            }
        }
    }
    reset_tables();
}

/// IRET with NT set: the link must lead to a busy TSS in the GDT.
void return_links(Report& report) {
    for (u32 type = 0; type < 32; ++type) {
        for (u32 i = 0; i < 2 * 4 * 4; ++i) {
            if (!report.next()) continue;
            const u32 cpl = i & 3, dpl = i >> 2 & 3;
            const bool present = i >> 4 & 1;
            report.describe("IRET to type %02x DPL %u P %u, CPL %u", type, dpl, u32{present}, cpl);
            const View b = set_up(type, cpl);
            gdt[b_selector / 8] = descriptor(b.at, b.limit(), type, dpl, present, false);
            load_task(a_selector);
            const Context c = prepare(by_iret, cpl, {a_at, true});
            Fault fault = none;
            if (!is_busy(type))
                fault = {ts_vector, b_selector};
            else if (!present)
                fault = {np_vector, b_selector};
            expect_outcome(report, c, run(c), fault);
            restore();
        }
    }
    for (const u32 selector : {0u, 0x14u, 0x104u, u32{gdt_size}, 0xFFF8u, 0xFFFCu}) {
        for (u32 i = 0; i < 16; ++i) {
            if (!report.next()) continue;
            const u32 cpl = i & 3, rpl = i >> 2;
            report.describe("IRET, link %x, CPL %u", selector | rpl, cpl);
            const View b = set_up(tss32_type, cpl);
            put_descriptor(b_selector, b, 3, true);
            for (u64& entry : ldt) entry = gdt[b_selector / 8];
            const View a{a_at, true};
            load_task(a_selector);
            const Context c = prepare(by_iret, cpl, a);
            a.set(link, selector | rpl);
            expect_outcome(report, c, run(c), {ts_vector, selector});
            restore();
        }
    }
    reset_tables();
}

void short_tss(Report& report) {
    for (u32 s = 0; s < source_count; ++s) {
        for (const bool wide : {false, true}) {
            const u32 least = wide ? 0x67 : 0x2B;
            for (const u32 limit : {0u, 1u, 0x2Au, least - 4, least - 1, least, least + 1, 0xFFFFu}) {
                for (const u32 cpl : {0u, 3u}) {
                    if (!report.next()) continue;
                    const Source source = static_cast<Source>(s);
                    report.describe("%s, %u-bit TSS of limit %x, CPL %u", source_names[s], wide ? 32u : 16u, limit,
                                    cpl);
                    const View b = set_up(wide ? tss32_type : tss16_type, cpl);
                    gdt[b_selector / 8] =
                        descriptor(b.at, limit, b.type() | (source == by_iret ? busy : 0), 3, true, false);
                    load_task(a_selector);
                    const Context c = prepare(source, cpl, {a_at, true});
                    const bool ok = limit >= least;
                    Fault fault{ts_vector, b_selector | ext_of(source)};
                    if (source == by_gp) fault = {df_vector, 0}; // #TS on the way to #GP's handler
                    expect_outcome(report, c, run(c), ok ? none : fault);
                    restore();
                }
            }
        }
    }
    reset_tables();
}

/// A double fault's handler is a task, as the manual advises: error code 0, link to the task that failed.
void double_fault(Report& report) {
    for (const bool wide : {false, true}) {
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (const u32 way : {0u, 1u, 2u}) {
                if ((way == 2 && cpl == 0) || !report.next()) continue; // level 0 keeps its stack
                constexpr const char* ways[] = {"#GP through a gate that is not present",
                                                "#GP through a gate to a data segment", "#GP beyond level 0's stack"};
                report.describe("#DF to a task, %u-bit TSS, CPL %u: %s", wide ? 32u : 16u, cpl, ways[way]);
                const View a{a_at, true}, b{b_at, wide};
                build_current(a);
                build(b, 0);
                put_descriptor(a_selector, a);
                put_descriptor(b_selector, b);
                load_task(a_selector);
                const Context c = prepare(by_gp, cpl, a);
                idt[df_vector] = gate(b_selector, 0, task_gate, 0);
                idt[gp_vector] =
                    gate(way == 1 ? kernel_data : kernel_code, stub(gp_vector), interrupt_gate32, 0, way != 0);
                if (way == 2) dword(a_at + 8) = 0;
                const Exit e = run(c);
                report.expect_exit(e, end_vector, 0);
                report.expect("TR", b_selector, task_register() & 0xFFFCu);
                report.expect("link", a_selector, b.get(link) & 0xFFFF);
                report.expect("saved EIP", c.eip, a.get(eip));
                report.expect("saved CS", c.cs, a.get(cs) & 0xFFFF);
                report.expect("ESP", first_sp - (wide ? 4 : 2), e.esp & b.mask());
                const u32 at = stack_base + (e.esp & 0xFFFF);
                report.expect("error code", 0, wide ? dword(at) : word(at));
                restore();
            }
        }
    }
    reset_tables();
}

} // namespace tasks
