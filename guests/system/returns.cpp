// Returns in protected mode, for either instruction.
#include "guests/system/returns.hpp"

using namespace gates;

namespace returns {

namespace {

constexpr u32 outer_esp = arena_begin + 0x8000, outer_sp = 0x9000; ///< for returns of 32 and of 16 bits

Context start(const Return& r) {
    Context c = ring(r.cpl, r.instruction.code(r.wide, r.release));
    c.esp -= 0x40 + r.release;
    const u32 upper = r.wide ? 0xABCD'0000 : 0; // of a selector's slot: ignored
    const u32 frame[] = {target_offset, r.cs | upper, 2};
    for (u32 i = 0; i < r.instruction.slots; ++i) put_slot(c.esp, i, r.wide, frame[i]);
    const u32 outer = c.esp + r.release;
    put_slot(outer, r.instruction.slots, r.wide, r.wide ? outer_esp : outer_sp);
    put_slot(outer, r.instruction.slots + 1, r.wide, r.ss | upper);
    return c;
}

void expect_as_before(Report& report, const Context& c, const Exit& e) {
    report.expect("CS", c.cs, e.cs);
    report.expect("EIP", c.eip, e.eip);
    report.expect("ESP", c.esp, e.esp);
    report.expect("SS", c.ss, e.ss);
    report.expect("DS", c.ds, e.ds);
}

} // namespace

void check(Report& report, const Return& r, Fault fault) {
    const Context c = start(r);
    const Exit e = run(c);
    report.expect_exit(e, fault.vector, fault.error);
    if (fault.vector != end_vector) return expect_as_before(report, c, e);
    const bool outward = (r.cs & 3) > r.cpl;
    const u32 frame = r.instruction.slots * (r.wide ? 4 : 2);
    report.expect("CS", r.cs, e.cs);
    report.expect("EIP", target_offset + 2, e.eip);
    report.expect("SS", outward ? r.ss : c.ss, e.ss);
    report.expect("ESP", (outward ? (r.wide ? outer_esp : outer_sp) : c.esp + frame) + r.release, e.esp);
    report.expect("DS", outward ? 0 : c.ds, e.ds);
    report.expect("FS", outward ? 0 : c.fs, e.fs);
    report.expect("GS", outward ? 0 : c.gs, e.gs);
}

void code_segments(Report& report, const Instruction& instruction, bool wide) {
    put_target();
    for (u32 i = 0; i < 32 * 2 * 4 * 4 * 4; ++i) {
        if (!report.next()) continue;
        const u32 cpl = i & 3, rpl = i >> 2 & 3, dpl = i >> 4 & 3, type = i >> 7;
        const bool present = i >> 6 & 1;
        report.describe("%s, type %02x DPL %u P %u, RPL %u CPL %u", instruction.name, type, dpl, u32{present}, rpl,
                        cpl);
        const u64 d = target_descriptor(type, dpl, present);
        gdt[target_selector / 8] = d;
        const bool allowed = is_code(type) && rpl >= cpl && (is_conforming(type) ? dpl <= rpl : dpl == rpl);
        Fault fault = none;
        if (!allowed)
            fault = {gp_vector, target_selector};
        else if (!present)
            fault = {np_vector, target_selector};
        check(report, {instruction, wide, cpl, target_selector | rpl, flat_data(rpl)}, fault);
        const bool marked = fault.vector == end_vector;
        report.expect("descriptor", high(d) | (marked ? 0x100 : 0), high(gdt[target_selector / 8]));
    }
}

void stack_segments(Report& report, const Instruction& instruction) {
    put_target();
    for (u32 cpl = 0; cpl < 3; ++cpl) {
        for (u32 rpl = cpl + 1; rpl < 4; ++rpl) {
            gdt[target_selector / 8] = target_descriptor(code_type, rpl);
            for (u32 i = 0; i < 32 * 2 * 4 * 4; ++i) {
                if (!report.next()) continue;
                const u32 stack_rpl = i & 3, dpl = i >> 2 & 3, type = i >> 5;
                const bool present = i >> 4 & 1;
                report.describe("%s from %u to %u, stack type %02x DPL %u P %u RPL %u", instruction.name, cpl, rpl,
                                type, dpl, u32{present}, stack_rpl);
                const u64 d = whole(type, dpl, present);
                gdt[stack_selector / 8] = d;
                Fault fault = none;
                if (stack_rpl != rpl || dpl != rpl || !is_writable_data(type))
                    fault = {gp_vector, stack_selector};
                else if (!present)
                    fault = {ss_vector, stack_selector};
                check(report, {instruction, true, cpl, target_selector | rpl, stack_selector | stack_rpl}, fault);
                const bool marked = fault.vector == end_vector;
                report.expect("descriptor", high(d) | (marked ? 0x100 : 0), high(gdt[stack_selector / 8]));
            }
        }
    }
}

void selectors(Report& report, const Instruction& instruction) {
    put_target();
    for (const bool wide : {false, true}) {
        for (const Place& p : places) {
            for (const bool stack : {false, true}) {
                for (u32 i = 0; i < 16; ++i) {
                    if (!report.next()) continue;
                    const u32 cpl = i & 3, rpl = i >> 2;
                    report.describe("%s of %u bits from %u to %u, %s: %s", instruction.name, wide ? 32u : 16u, cpl, rpl,
                                    stack ? "SS" : "CS", p.what);
                    gdt[target_selector / 8] = target_descriptor(code_type, rpl);
                    put_in_places(stack ? whole(data_type, rpl) : gdt[target_selector / 8]);
                    const u32 cs = stack ? target_selector : p.selector;
                    const Return r{instruction, wide, cpl, cs | rpl, stack ? p.selector | rpl : flat_data(rpl)};
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

void data_segments(Report& report, const Instruction& instruction) {
    put_target();
    constexpr u16 data_selector = first_free + 0x18;
    for (const u32 type : {0x11u, 0x13u, 0x15u, 0x17u, 0x1Bu, 0x1Fu}) {
        for (u32 dpl = 0; dpl < 4; ++dpl) {
            for (u32 cpl = 0; cpl < 4; ++cpl) {
                for (u32 rpl = cpl; rpl < 4; ++rpl) {
                    for (u32 which = 0; which < 4; ++which) {
                        if (!report.next()) continue;
                        report.describe("%s from %u to %u, segment %u of type %02x DPL %u", instruction.name, cpl, rpl,
                                        which, type, dpl);
                        gdt[target_selector / 8] = target_descriptor(code_type, rpl);
                        gdt[data_selector / 8] = whole(type, dpl);
                        Context c = start({instruction, true, cpl, target_selector | rpl, flat_data(rpl)});
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

void check_limits(Report& report, const Instruction& instruction, bool wide, u32 rpl, u32 room, bool bad_cs,
                  bool bad_eip) {
    constexpr u32 cpl = 1, limit = 0xFFF, stack_base = arena_begin + 0x2000;
    const bool outward = rpl > cpl;
    report.describe("%s of %u bits from 1 to %u, %u bytes on the stack%s%s", instruction.name, wide ? 32u : 16u, rpl,
                    room, bad_cs ? ", CS not present" : "", bad_eip ? ", EIP beyond the limit" : "");
    gdt[target_selector / 8] = descriptor(target_base, bad_eip ? 0xF : 0xFFFF, code_type, rpl, !bad_cs);
    gdt[stack_selector / 8] = descriptor(stack_base, limit, data_type, cpl);
    Context c = ring(cpl, instruction.code(wide, 0));
    c.ss = stack_selector | cpl;
    c.esp = limit + 1 - room;
    const u32 at_stack = stack_base + c.esp;
    const u32 frame[] = {target_offset, target_selector | rpl, 2};
    for (u32 n = 0; n < instruction.slots; ++n) put_slot(at_stack, n, wide, frame[n]);
    put_slot(at_stack, instruction.slots, wide, outer_sp);
    put_slot(at_stack, instruction.slots + 1, wide, flat_data(rpl));
    const u32 size = wide ? 4 : 2;
    Fault fault = none;
    if (room < instruction.slots * size)
        fault = {ss_vector, 0};
    else if (bad_cs)
        fault = {np_vector, target_selector};
    else if (outward && room < (instruction.slots + 2) * size)
        fault = {ss_vector, 0};
    else if (bad_eip)
        fault = {gp_vector, 0};
    const Exit e = run(c);
    report.expect_exit(e, fault.vector, fault.error);
    const bool ok = fault.vector == end_vector;
    report.expect("CS", ok ? target_selector | rpl : c.cs, e.cs);
    report.expect("ESP", !ok ? c.esp : outward ? outer_sp : c.esp + instruction.slots * size, e.esp);
}

} // namespace

void limits(Report& report, const Instruction& instruction) {
    put_target();
    for (const bool wide : {false, true}) {
        for (u32 rpl = 1; rpl < 4; ++rpl) {
            for (u32 room = 0; room <= 4 * (instruction.slots + 2) + 2; ++room) {
                for (u32 i = 0; i < 4; ++i) {
                    if (!report.next()) continue;
                    check_limits(report, instruction, wide, rpl, room, i & 1, i >> 1);
                }
            }
        }
    }
    reset_tables();
}

} // namespace returns
