// New tasks whose segments are damaged (SDM 3A, 7.3, step 13 and table 7-1): the old task is saved and left, the fault
// is the new one's, at its first instruction. The handlers are tasks themselves (6.15, #TS): then the link says whose
// the fault was, and it matters little how much of the damaged task a handler could use.
#include "guests/system/tasks.hpp"

namespace tasks {

namespace {

constexpr Source sources[] = {jump_tss, call_gate, int_gate, by_ud, by_iret};

/// Tasks A and B as they should be; the caller damages B before `expect_fault`.
View set_up(bool wide, u32 new_cpl, Source s) {
    const View a{a_at, true}, b{b_at, wide};
    build_current(a);
    build(b, new_cpl);
    put_descriptor(a_selector, a);
    put_descriptor(b_selector, b, 3, s == by_iret);
    catch_faults();
    return b;
}

void expect_fault(Report& report, Source s, const View& b, Fault fault) {
    load_task(a_selector);
    const View a{a_at, true};
    const u32 start = b.get(eip), code_segment = b.get(cs);
    const Context c = prepare(s, 3, a);
    const Exit e = run(c);
    report.expect_exit(e, fault.vector, fault.error);
    if (fault.vector == end_vector) {
        report.expect("TR", b_selector, task_register() & 0xFFFCu);
    } else {
        report.expect("task of the fault", b_selector, raised_in(e.vector));
        report.expect("EIP of the fault", start, b.get(eip));
        report.expect("CS of the fault", code_segment & 0xFFFF, b.get(cs) & 0xFFFF);
        report.expect("new TSS's type", b.type() | busy, descriptor_type(b_selector));
    }
    report.expect("EIP of the old task", c.eip + length_of(s), a.get(eip));
    report.expect("old TSS's type", tss32_type | (nests(s) ? busy : 0), descriptor_type(a_selector));
    restore();
}

Fault with_ext(Source s, Fault fault) {
    return fault.vector == end_vector ? fault : Fault{fault.vector, fault.error | ext_of(s)};
}

} // namespace

/// Every descriptor that CS may lead to; the selector's RPL is the level of the new task.
void bad_code(Report& report) {
    for (const Source s : sources) {
        for (u32 i = 0; i < 32 * 2 * 4 * 4; ++i) {
            if (!report.next()) continue;
            const u32 rpl = i & 3, dpl = i >> 2 & 3, type = i >> 5;
            const bool present = i >> 4 & 1;
            report.describe("%s, new CS of type %02x DPL %u P %u RPL %u", source_names[s], type, dpl, u32{present},
                            rpl);
            const View b = set_up(i & 4, rpl, s);
            gdt[target_selector / 8] = gates::target_descriptor(type, dpl, present);
            Fault fault = none;
            if (!is_code(type) || (is_conforming(type) ? dpl > rpl : dpl != rpl))
                fault = {ts_vector, target_selector};
            else if (!present)
                fault = {np_vector, target_selector};
            expect_fault(report, s, b, with_ext(s, fault));
        }
    }
    reset_tables();
}

void bad_stack(Report& report) {
    for (const Source s : sources) {
        for (u32 i = 0; i < 32 * 2 * 4 * 4; ++i) {
            if (!report.next()) continue;
            const u32 dpl = i & 3, rpl = i >> 2 & 3, type = i >> 5, cpl = type & 1 ? 3 : dpl;
            const bool present = i >> 4 & 1;
            report.describe("%s to level %u, new SS of type %02x DPL %u P %u RPL %u", source_names[s], cpl, type, dpl,
                            u32{present}, rpl);
            const View b = set_up(i & 1, cpl, s);
            gdt[stack_selector / 8] =
                descriptor(stack_base, is_expand_down(type) ? 0 : 0xFFF, type, dpl, present, b.wide);
            b.set(ss, stack_selector | rpl);
            Fault fault = none;
            if (rpl != cpl || dpl != cpl || !is_writable_data(type))
                fault = {ts_vector, stack_selector};
            else if (!present)
                fault = {ss_vector, stack_selector};
            expect_fault(report, s, b, with_ext(s, fault));
        }
    }
    reset_tables();
}

void bad_data(Report& report) {
    for (const Field f : {ds, es, fs, gs}) {
        constexpr const char* names[] = {"ES", "CS", "SS", "DS", "FS", "GS"};
        for (const u32 cpl : {0u, 1u, 3u}) {
            for (u32 i = 0; i < 32 * 2 * 4 * 4; ++i) {
                if (!report.next()) continue;
                const u32 rpl = i & 3, dpl = i >> 2 & 3, type = i >> 5;
                const bool present = i >> 4 & 1;
                const Source s = sources[(type + dpl + rpl) % 5];
                report.describe("%s to level %u, new %s of type %02x DPL %u P %u RPL %u", source_names[s], cpl,
                                names[f - es], type, dpl, u32{present}, rpl);
                const View b = set_up(f >= fs || (i & 1), cpl, s);
                gdt[data_selector / 8] = whole(data_type, 3);
                const u16 damaged = handler_selector + 0x30;
                gdt[damaged / 8] = whole(type, dpl, present);
                b.set(ds, data_selector | 3);
                b.set(f, damaged | rpl);
                Fault fault = none;
                if (!is_readable(type) || (!is_conforming(type) && (dpl < cpl || dpl < rpl)))
                    fault = {ts_vector, damaged};
                else if (!present)
                    fault = {np_vector, damaged};
                expect_fault(report, s, b, with_ext(s, fault));
            }
        }
    }
    reset_tables();
}

void bad_ldt(Report& report) {
    for (const Source s : sources) {
        for (u32 i = 0; i < 32 * 2 * 2 * 4; ++i) {
            if (!report.next()) continue;
            const u32 type = i >> 4, dpl = i & 3;
            const bool present = i >> 2 & 1, wide = i >> 3 & 1;
            report.describe("%s, new LDT of type %02x DPL %u P %u", source_names[s], type, dpl, u32{present});
            const View b = set_up(wide, 3, s);
            gdt[own_ldt / 8] = descriptor(address(ldt), 0x7F, type, dpl, present, false);
            const Fault fault = type == ldt_type && present ? none : Fault{ts_vector, own_ldt};
            expect_fault(report, s, b, with_ext(s, fault));
        }
    }
    reset_tables();
}

/// Null selectors, selectors beyond the tables and into the LDT, in every field.
void bad_selectors(Report& report) {
    const struct {
        const char* what;
        u32 selector;
        bool found;
    } places[] = {
        {"null", 0, false},        {"beyond the GDT", gdt_size, false}, {"the top one", 0xFFF8, false},
        {"in the LDT", 0xC, true}, {"beyond the LDT", 0x84, false},     {"the top one of the LDT", 0xFFFC, false}};
    constexpr const char* names[] = {"ES", "CS", "SS", "DS", "FS", "GS", "LDT"};
    for (const Source s : sources) {
        for (const Field f : {es, cs, ss, ds, fs, gs, ldt_field}) {
            for (const auto& p : places) {
                for (u32 cpl = 0; cpl < 4; ++cpl) {
                    if (!report.next()) continue;
                    report.describe("%s to level %u, new %s: %s", source_names[s], cpl, names[f - es], p.what);
                    const View b = set_up(true, cpl, s);
                    const bool is_ldt = f == ldt_field;
                    b.set(f, p.selector | (is_ldt ? 0 : cpl));
                    ldt[1] = f == cs   ? gdt[target_selector / 8]
                             : f == ss ? gdt[stack_selector / 8]
                                       : whole(data_type, cpl);
                    bool ok = p.found && !is_ldt;
                    if (p.selector == 0 && f != cs && f != ss) ok = true;
                    expect_fault(report, s, b, ok ? none : with_ext(s, {ts_vector, p.selector}));
                }
            }
        }
    }
    reset_tables();
}

/// EIP beyond the new code segment, found when the switch is over.
void bad_eip(Report& report) {
    for (u32 i = 0; i < source_count; ++i) {
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (const u32 at : {target_offset, 0xFFFEu, 0xFFFFu, 0x1'0000u, 0xFFFF'FFFFu}) {
                const Source s = static_cast<Source>(i);
                if (s == by_gp || !report.next()) continue; // the #GP is to be another
                report.describe("%s to level %u, EIP %x, limit ffff", source_names[i], cpl, at);
                const View b = set_up(true, cpl, s);
                gdt[target_selector / 8] = descriptor(target_base, 0xFFFF, code_type, cpl);
                word(target_base + 0xFFFE) = 0x80CD;
                b.set(eip, at);
                const bool ok = at <= 0xFFFE;
                // At the limit the switch is right, but INT 80h does not fit: a fetch fault without EXT.
                const u32 ext = at > 0xFFFF ? ext_of(s) : 0;
                expect_fault(report, s, b, ok ? none : Fault{gp_vector, ext});
            }
        }
    }
    reset_tables();
}

/// Interrupt gates as handlers, where enough of the new task is sound: level 0's stack comes from the new TSS.
void plain_handlers(Report& report) {
    for (const Source s : sources) {
        for (const Field f : {es, ds, fs, gs, ldt_field}) {
            for (const bool present : {false, true}) {
                for (u32 cpl = 1; cpl < 4; ++cpl) {
                    if (!report.next()) continue;
                    report.describe("%s to level %u, field %u %s", source_names[s], cpl, u32{f},
                                    present ? "of a wrong type" : "not present");
                    const View a{a_at, true}, b = set_up(true, cpl, s);
                    restore(); // no handler tasks
                    const u16 damaged = handler_selector + 0x30;
                    gdt[damaged / 8] = f == ldt_field
                                           ? descriptor(address(ldt), 0x7F, present ? 1u : ldt_type, 0, present)
                                           : whole(present ? 0x19 : data_type, 3, present);
                    b.set(f, damaged);
                    load_task(a_selector);
                    const Context c = prepare(s, 3, a);
                    const Exit e = run(c);
                    const u32 vector = f == ldt_field || present ? ts_vector : np_vector;
                    report.expect_exit(e, vector, damaged | ext_of(s));
                    report.expect("CS", target_selector | cpl, e.cs);
                    report.expect("EIP", target_offset, e.eip);
                    report.expect("ESP", first_sp, e.esp);
                    report.expect("SS", stack_selector | cpl, e.ss);
                    report.expect("EBX", b.get(ebx), e.ebx);
                    report.expect("TR", b_selector, task_register() & 0xFFFCu);
                    report.expect("CR0.TS", 1, read_cr0() >> 3 & 1);
                    restore();
                }
            }
        }
    }
    reset_tables();
}

} // namespace tasks
