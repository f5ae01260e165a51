// JMP and CALL to another code segment without a gate (SDM 2A, JMP, CALL; SDM 3A, 5.8.1).
#include "guests/system/gates.hpp"

namespace gates {

namespace {

/// Task switches and call gates are other forms.
constexpr bool leads_elsewhere(u32 type) {
    return type == tss16_type || type == tss32_type || type == task_gate || type == call_gate16 || type == call_gate32;
}

Fault expected_of(u32 type, bool present, u32 dpl, u32 rpl, u32 cpl) {
    const bool allowed = is_code(type) && (is_conforming(type) ? dpl <= cpl : dpl == cpl && rpl <= cpl);
    if (!allowed) return {gp_vector, target_selector};
    return present ? none : Fault{np_vector, target_selector};
}

/// A transfer that has ended; `c` is how it began.
void expect_transfer(Report& report, Way way, const Context& c, const Exit& e, Fault fault, u32 selector) {
    report.expect_exit(e, fault.vector, fault.error);
    const u32 cpl = c.cs & 3;
    if (fault.vector != end_vector) {
        report.expect("CS", c.cs, e.cs);
        report.expect("EIP", c.eip, e.eip);
        report.expect("ESP", c.esp, e.esp);
        return;
    }
    report.expect("CS", (selector & 0xFFFC) | cpl, e.cs);
    report.expect("EIP", target_offset + 2, e.eip);
    const bool wide = !(way & 2), pushes = way & 1;
    report.expect("ESP", c.esp - (pushes ? wide ? 8 : 4 : 0), e.esp);
    if (!pushes) return;
    expect_slot(report, "return EIP", c.eip + far_length(way), e.esp, 0, wide);
    expect_slot(report, "return CS", c.cs, e.esp, 1, wide, true);
}

void direct(Report& report, Way way) {
    const void* at = far_code(way);
    put_target();
    for (u32 i = 0; i < 32 * 2 * 4 * 4 * 4; ++i) {
        const u32 cpl = i & 3, rpl = i >> 2 & 3, dpl = i >> 4 & 3, type = i >> 7;
        const bool present = i >> 6 & 1;
        if (leads_elsewhere(type) || !report.next()) continue;
        report.describe("%s, type %02x DPL %u P %u, RPL %u CPL %u", way_names[way], type, dpl, u32{present}, rpl, cpl);
        const u64 d = target_descriptor(type, dpl, present);
        gdt[target_selector / 8] = d;
        put_pointer(way, target_selector | rpl, target_offset);
        Context c = ring(cpl, at);
        c.ebx = pointer_at;
        const Fault fault = expected_of(type, present, dpl, rpl, cpl);
        expect_transfer(report, way, c, run(c), fault, target_selector);
        const u64 accessed = fault.vector == end_vector ? u64{1} << 40 : 0;
        report.expect("descriptor", high(d | accessed), high(gdt[target_selector / 8]));
    }
}

} // namespace

void jump_direct(Report& report) { direct(report, jump); }
void call_direct(Report& report) { direct(report, call); }
void jump16_direct(Report& report) { direct(report, jump16); }
void call16_direct(Report& report) { direct(report, call16); }

void direct_selectors(Report& report) {
    put_target();
    for (const Way way : {jump, call, jump16, call16}) {
        const void* at = far_code(way);
        for (const Place& p : places) {
            for (u32 i = 0; i < 16; ++i) {
                if (!report.next()) continue;
                const u32 cpl = i & 3, rpl = i >> 2;
                report.describe("%s, %s, RPL %u CPL %u", way_names[way], p.what, rpl, cpl);
                put_in_places(target_descriptor(code_type, cpl));
                put_pointer(way, p.selector | rpl, target_offset);
                Context c = ring(cpl, at);
                c.ebx = pointer_at;
                const bool ok = p.found && rpl <= cpl;
                expect_transfer(report, way, c, run(c), ok ? none : Fault{gp_vector, p.selector}, p.selector);
            }
        }
    }
    reset_tables();
}

/// The new EIP against the new segment's limit, the stack against its own, and which of both comes first.
void direct_limits(Report& report) {
    put_target();
    constexpr u32 roomy = 0x100;
    for (const Way way : {jump, call, jump16, call16}) {
        const void* at = far_code(way);
        for (const u32 limit : {target_offset - 1, target_offset, target_offset + 1, target_offset + 2}) {
            for (const u32 room : {0u, 2u, 3u, 4u, 7u, 8u, roomy}) {
                if (!report.next()) continue;
                report.describe("%s, limit %x, room for %u bytes on the stack", way_names[way], limit, room);
                gdt[target_selector / 8] = descriptor(target_base, limit, code_type, 3);
                gdt[stack_selector / 8] = descriptor(arena_begin, 0x7FF, 0x17, 3); // expand-down: 800h is the lowest
                put_pointer(way, target_selector | 3, target_offset);
                Context c = ring(3, at);
                c.ebx = pointer_at;
                c.ss = stack_selector | 3;
                c.esp = 0x800 + room;
                const bool wide = !(way & 2), pushes = way & 1;
                const bool fits = !pushes || room >= (wide ? 8 : 4);
                const Exit e = run(c);
                if (!fits)
                    report.expect_exit(e, ss_vector, 0);
                else
                    report.expect_exit(e, limit > target_offset ? end_vector : gp_vector, 0);
                // With the limit at the first byte of INT 80h the transfer is right and the fetch is not.
                const bool arrives = fits && limit >= target_offset, ends = fits && limit > target_offset;
                report.expect("CS", arrives ? target_selector | 3 : c.cs, e.cs);
                report.expect("EIP", ends ? target_offset + 2 : arrives ? target_offset : c.eip, e.eip);
                report.expect("ESP", c.esp - (arrives && pushes ? wide ? 8 : 4 : 0), e.esp);
            }
        }
    }
    reset_tables();
}

/// JMP and CALL ptr16:32 and ptr16:16.
void immediate(Report& report) {
    put_target();
    gdt[target_selector / 8] = target_descriptor(code_type, 0);
    for (const Way way : {jump, call, jump16, call16}) {
        const u32 wide = way & 2 ? 0 : 1;
        u8 bytes[10] = {0x66};
        u32 n = wide ? 0 : 1;
        bytes[n++] = way & 1 ? 0x9A : 0xEA;
        bytes[n++] = target_offset;
        bytes[n++] = 0;
        if (wide) bytes[n++] = 0;
        if (wide) bytes[n++] = 0;
        bytes[n++] = target_selector & 0xFF;
        bytes[n++] = target_selector >> 8;
        const void* at = code(bytes, n);
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            if (!report.next()) continue;
            report.describe("%s with an immediate pointer, CPL %u", way_names[way], cpl);
            gdt[target_selector / 8] = target_descriptor(code_type, cpl);
            Context c = ring(cpl, at);
            const Exit e = run(c);
            report.expect_exit(e, end_vector, 0);
            report.expect("CS", target_selector | cpl, e.cs);
            report.expect("EIP", target_offset + 2, e.eip);
            if (!(way & 1)) continue;
            expect_slot(report, "return EIP", c.eip + n, e.esp, 0, wide);
            expect_slot(report, "return CS", c.cs, e.esp, 1, wide, true);
        }
    }
}

} // namespace gates
