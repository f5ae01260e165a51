// RET far: to the same and to outer levels, with every code and stack descriptor (SDM 2B, RET; SDM 3A, 5.8.6).
#include "guests/system/gates.hpp"

namespace gates {

namespace {

constexpr u32 outer_esp = arena_begin + 0x8000, outer_sp = 0x9000; ///< for returns of 32 and of 16 bits

const void* return_code(bool wide, u32 release = 0) {
    const u8 bytes[] = {0x66, 0xCA, static_cast<u8>(release), static_cast<u8>(release >> 8)};
    const u8 plain[] = {0x66, 0xCB};
    if (release) return wide ? code(bytes + 1, 3) : code(bytes, 4);
    return wide ? code(plain + 1, 1) : code(plain, 2);
}

struct Return {
    bool wide;
    const void* at;
    u32 cpl, cs, ss, eip = target_offset, release = 0;
    u32 rpl() const { return cs & 3; }
};

Context start(const Return& r) {
    Context c = ring(r.cpl, r.at);
    c.esp -= 0x40 + r.release;
    put_slot(c.esp, 0, r.wide, r.eip);
    put_slot(c.esp, 1, r.wide, r.cs | (r.wide ? 0xABCD'0000 : 0)); // the upper half of a selector's slot is ignored
    const u32 outer = c.esp + r.release;
    put_slot(outer, 2, r.wide, r.wide ? outer_esp : outer_sp);
    put_slot(outer, 3, r.wide, r.ss | (r.wide ? 0xABCD'0000 : 0));
    return c;
}

void check(Report& report, const Return& r, Fault fault) {
    const Context c = start(r);
    const Exit e = run(c);
    report.expect_exit(e, fault.vector, fault.error);
    if (fault.vector != end_vector) {
        report.expect("CS", c.cs, e.cs);
        report.expect("EIP", c.eip, e.eip);
        report.expect("ESP", c.esp, e.esp);
        report.expect("DS", c.ds, e.ds);
        return;
    }
    const bool outward = r.rpl() > r.cpl;
    report.expect("CS", r.cs, e.cs);
    report.expect("EIP", r.eip + 2, e.eip);
    report.expect("SS", outward ? r.ss : c.ss, e.ss);
    const u32 esp = outward ? (r.wide ? outer_esp : outer_sp) : c.esp + (r.wide ? 8 : 4);
    report.expect("ESP", esp + r.release, e.esp);
    report.expect("DS", outward ? 0 : c.ds, e.ds);
    report.expect("GS", outward ? 0 : c.gs, e.gs);
}

void matrix(Report& report, bool wide) {
    put_target();
    const void* at = return_code(wide);
    for (u32 i = 0; i < 32 * 2 * 4 * 4 * 4; ++i) {
        if (!report.next()) continue;
        const u32 cpl = i & 3, rpl = i >> 2 & 3, dpl = i >> 4 & 3, type = i >> 7;
        const bool present = i >> 6 & 1;
        report.describe("RETF, type %02x DPL %u P %u, RPL %u CPL %u", type, dpl, u32{present}, rpl, cpl);
        const u64 d = target_descriptor(type, dpl, present);
        gdt[target_selector / 8] = d;
        const bool allowed = is_code(type) && rpl >= cpl && (is_conforming(type) ? dpl <= rpl : dpl == rpl);
        Fault fault = none;
        if (!allowed)
            fault = {gp_vector, target_selector};
        else if (!present)
            fault = {np_vector, target_selector};
        check(report, {wide, at, cpl, target_selector | rpl, flat_data(rpl)}, fault);
        const bool marked = fault.vector == end_vector;
        report.expect("descriptor", high(d) | (marked ? 0x100 : 0), high(gdt[target_selector / 8]));
    }
}

} // namespace

void far_return(Report& report) { matrix(report, true); }
void far_return16(Report& report) { matrix(report, false); }

void far_return_stack(Report& report) {
    put_target();
    const void* at = return_code(true);
    for (u32 cpl = 0; cpl < 3; ++cpl) {
        for (u32 rpl = cpl + 1; rpl < 4; ++rpl) {
            gdt[target_selector / 8] = target_descriptor(code_type, rpl);
            for (u32 i = 0; i < 32 * 2 * 4 * 4; ++i) {
                if (!report.next()) continue;
                const u32 stack_rpl = i & 3, dpl = i >> 2 & 3, type = i >> 5;
                const bool present = i >> 4 & 1;
                report.describe("RETF from %u to %u, stack type %02x DPL %u P %u RPL %u", cpl, rpl, type, dpl,
                                u32{present}, stack_rpl);
                const u64 d = whole(type, dpl, present);
                gdt[stack_selector / 8] = d;
                Fault fault = none;
                if (stack_rpl != rpl || dpl != rpl || !is_writable_data(type))
                    fault = {gp_vector, stack_selector};
                else if (!present)
                    fault = {ss_vector, stack_selector};
                check(report, {true, at, cpl, target_selector | rpl, stack_selector | stack_rpl}, fault);
                const bool marked = fault.vector == end_vector;
                report.expect("descriptor", high(d) | (marked ? 0x100 : 0), high(gdt[stack_selector / 8]));
            }
        }
    }
}

void far_return_selectors(Report& report) {
    put_target();
    for (const bool wide : {false, true}) {
        const void* at = return_code(wide);
        for (const Place& p : places) {
            for (const bool stack : {false, true}) {
                for (u32 i = 0; i < 16; ++i) {
                    if (!report.next()) continue;
                    const u32 cpl = i & 3, rpl = i >> 2;
                    report.describe("RETF of %u bits from %u to %u, %s: %s", wide ? 32u : 16u, cpl, rpl,
                                    stack ? "SS" : "CS", p.what);
                    gdt[target_selector / 8] = target_descriptor(code_type, rpl);
                    put_in_places(stack ? whole(data_type, rpl) : gdt[target_selector / 8]);
                    const u32 cs = stack ? target_selector : p.selector;
                    Return r{wide, at, cpl, cs | rpl, stack ? p.selector | rpl : flat_data(rpl)};
                    Fault fault = none;
                    if (rpl < cpl)
                        fault = {gp_vector, cs};
                    else if (!p.found && (!stack || rpl > cpl))
                        fault = {gp_vector, p.selector};
                    check(report, r, fault);
                }
            }
        }
    }
    reset_tables();
}

/// RETF n releases bytes on both stacks.
void far_return_release(Report& report) {
    put_target();
    for (const bool wide : {false, true}) {
        for (const u32 release : {1u, 2u, 4u, 8u, 0x20u, 0x7Cu, 0x3F0u}) {
            const void* at = return_code(wide, release);
            for (u32 cpl = 0; cpl < 4; ++cpl) {
                for (u32 rpl = cpl; rpl < 4; ++rpl) {
                    if (!report.next()) continue;
                    report.describe("RETF %u of %u bits from %u to %u", release, wide ? 32u : 16u, cpl, rpl);
                    gdt[target_selector / 8] = target_descriptor(code_type, rpl);
                    check(report, {wide, at, cpl, target_selector | rpl, flat_data(rpl), target_offset, release}, none);
                }
            }
        }
    }
}

/// Data segments that the outer level may not use are gone after the return; conforming code stays.
void far_return_segments(Report& report) {
    put_target();
    const void* at = return_code(true);
    constexpr u16 data_selector = first_free + 0x18;
    for (const u32 type : {0x11u, 0x13u, 0x15u, 0x17u, 0x1Bu, 0x1Fu}) {
        for (u32 dpl = 0; dpl < 4; ++dpl) {
            for (u32 cpl = 0; cpl < 4; ++cpl) {
                for (u32 rpl = cpl; rpl < 4; ++rpl) {
                    for (u32 which = 0; which < 4; ++which) {
                        if (!report.next()) continue;
                        report.describe("RETF from %u to %u, segment %u of type %02x DPL %u", cpl, rpl, which, type,
                                        dpl);
                        gdt[target_selector / 8] = target_descriptor(code_type, rpl);
                        gdt[data_selector / 8] = whole(type, dpl);
                        Context c = start({true, at, cpl, target_selector | rpl, flat_data(rpl)});
                        c.ds = c.es = c.fs = c.gs = flat_data(3);
                        (which == 0 ? c.ds : which == 1 ? c.es : which == 2 ? c.fs : c.gs) = data_selector;
                        const Exit e = run(c);
                        report.expect_exit(e, end_vector, 0);
                        const u32 left = is_conforming(type) || dpl >= rpl ? data_selector : 0;
                        report.expect("DS", which == 0 ? left : flat_data(3), e.ds);
                        report.expect("ES", which == 1 ? left : flat_data(3), e.es);
                        report.expect("FS", which == 2 ? left : flat_data(3), e.fs);
                        report.expect("GS", which == 3 ? left : flat_data(3), e.gs);
                    }
                }
            }
        }
    }
    reset_tables();
}

namespace {

void check_limits(Report& report, bool wide, const void* at, u32 rpl, u32 room, bool bad_cs, bool bad_eip) {
    constexpr u32 cpl = 1, limit = 0xFFF, stack_base = arena_begin + 0x2000;
    const bool outward = rpl > cpl;
    report.describe("RETF of %u bits from 1 to %u, %u bytes on the stack%s%s", wide ? 32u : 16u, rpl, room,
                    bad_cs ? ", CS not present" : "", bad_eip ? ", EIP beyond the limit" : "");
    gdt[target_selector / 8] = descriptor(target_base, bad_eip ? 0xF : 0xFFFF, code_type, rpl, !bad_cs);
    gdt[stack_selector / 8] = descriptor(stack_base, limit, data_type, cpl);
    Context c = ring(cpl, at);
    c.ss = stack_selector | cpl;
    c.esp = limit + 1 - room;
    const u32 at_stack = stack_base + c.esp;
    put_slot(at_stack, 0, wide, target_offset);
    put_slot(at_stack, 1, wide, target_selector | rpl);
    put_slot(at_stack, 2, wide, outer_sp);
    put_slot(at_stack, 3, wide, flat_data(rpl));
    const u32 size = wide ? 4 : 2;
    Fault fault = none;
    if (room < 2 * size)
        fault = {ss_vector, 0};
    else if (bad_cs)
        fault = {np_vector, target_selector};
    else if (outward && room < 4 * size)
        fault = {ss_vector, 0};
    else if (bad_eip)
        fault = {gp_vector, 0};
    const Exit e = run(c);
    report.expect_exit(e, fault.vector, fault.error);
    const bool ok = fault.vector == end_vector;
    report.expect("CS", ok ? target_selector | rpl : c.cs, e.cs);
    report.expect("ESP", !ok ? c.esp : outward ? outer_sp : c.esp + 2 * size, e.esp);
}

} // namespace

/// The frame against the stack's limit and EIP against the code's, in the order of RET's pseudo-code.
void far_return_limits(Report& report) {
    put_target();
    for (const bool wide : {false, true}) {
        const void* at = return_code(wide);
        for (u32 rpl = 1; rpl < 4; ++rpl) {
            for (u32 room = 0; room <= 18; ++room) {
                for (u32 i = 0; i < 4; ++i) {
                    if (!report.next()) continue;
                    check_limits(report, wide, at, rpl, room, i & 1, i >> 1);
                }
            }
        }
    }
    reset_tables();
}

} // namespace gates
