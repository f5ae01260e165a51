// Call gates: privilege of gate and target, presence, the inner stack and the parameters copied to it (SDM 2A, CALL,
// JMP; SDM 3A, 5.8.3-5.8.5).
#include "guests/system/gates.hpp"

namespace gates {

namespace {

struct Case {
    u32 gate_type, gate_dpl, rpl, cpl, type, dpl;
    bool gate_present, present;
};

/// CALL's and JMP's pseudo-code for call gates.
Fault expected_of(Way way, const Case& k) {
    if (k.gate_dpl < k.cpl || k.gate_dpl < k.rpl) return {gp_vector, gate_selector};
    if (!k.gate_present) return {np_vector, gate_selector};
    if (!is_code(k.type) || k.dpl > k.cpl) return {gp_vector, target_selector};
    if (way == jump && !is_conforming(k.type) && k.dpl != k.cpl) return {gp_vector, target_selector};
    return k.present ? none : Fault{np_vector, target_selector};
}

bool goes_inward(const Case& k) { return !is_conforming(k.type) && k.dpl < k.cpl; }

void check_frame(Report& report, const Case& k, const Context& c, const Exit& e, u32 parameter_count) {
    const bool wide = k.gate_type & 8, inward = goes_inward(k);
    const u32 size = wide ? 4 : 2, slots = inward ? 4 + parameter_count : 2;
    report.expect("ESP", (inward ? inner_esp(k.dpl) : c.esp) - slots * size, e.esp);
    expect_slot(report, "return EIP", c.eip + far_length(call), e.esp, 0, wide);
    expect_slot(report, "return CS", c.cs, e.esp, 1, wide, true);
    if (!inward) return;
    expect_slot(report, "old ESP", c.esp, e.esp, 2 + parameter_count, wide);
    expect_slot(report, "old SS", c.ss, e.esp, 3 + parameter_count, wide, true);
}

void check(Report& report, Way way, const void* at, const Case& k, Fault fault, u32 parameter_count = 0) {
    gdt[gate_selector / 8] =
        gate(target_selector, gate_offset, k.gate_type, k.gate_dpl, k.gate_present, parameter_count);
    gdt[target_selector / 8] = target_descriptor(k.type, k.dpl, k.present);
    put_pointer(way, gate_selector | k.rpl, 0xDEAD'BEEF); // the offset of a pointer to a gate is ignored
    Context c = ring(k.cpl, at);
    c.ebx = pointer_at;
    c.esp -= 0x100;
    for (u32 i = 0; i < 32; ++i) dword(c.esp + 4 * i) = 0x1111'0001 * (i + 1);
    const Exit e = run(c);
    report.expect_exit(e, fault.vector, fault.error);
    if (fault.vector != end_vector) {
        report.expect("CS", c.cs, e.cs);
        report.expect("EIP", c.eip, e.eip);
        report.expect("ESP", c.esp, e.esp);
        report.expect("SS", c.ss, e.ss);
        return;
    }
    const u32 level = goes_inward(k) ? k.dpl : k.cpl;
    report.expect("CS", target_selector | level, e.cs);
    report.expect("EIP", reached(k.gate_type), e.eip);
    report.expect("SS", flat_data(level), e.ss);
    if (way == jump) {
        report.expect("ESP", c.esp, e.esp);
        return;
    }
    const bool wide = k.gate_type & 8;
    check_frame(report, k, c, e, parameter_count);
    for (u32 i = 0; goes_inward(k) && i < parameter_count; ++i) {
        const u32 expected = slot(c.esp, i, wide);
        expect_slot(report, "parameter", expected, e.esp, 2 + i, wide);
    }
}

void matrix(Report& report, u32 gate_type) {
    put_target();
    for (const Way way : {jump, call}) {
        const void* at = far_code(way);
        for (u32 i = 0; i < 4 * 4 * 4 * 4 * 2 * 2 * 2; ++i) {
            if (!report.next()) continue;
            const Case k{gate_type,
                         i & 3,
                         i >> 2 & 3,
                         i >> 4 & 3,
                         i >> 8 & 1 ? conforming_type : code_type,
                         i >> 6 & 3,
                         (i >> 9 & 1) != 0,
                         (i >> 10 & 1) != 0};
            report.describe("%s, gate type %x DPL %u P %u, RPL %u CPL %u, code type %02x DPL %u P %u", way_names[way],
                            gate_type, k.gate_dpl, u32{k.gate_present}, k.rpl, k.cpl, k.type, k.dpl, u32{k.present});
            check(report, way, at, k, expected_of(way, k));
        }
    }
}

} // namespace

void call_gates(Report& report) { matrix(report, call_gate32); }
void call_gates16(Report& report) { matrix(report, call_gate16); }

/// Every type of descriptor behind a gate.
void call_gate_targets(Report& report) {
    put_target();
    for (const Way way : {jump, call}) {
        const void* at = far_code(way);
        for (u32 i = 0; i < 32 * 2 * 4 * 4; ++i) {
            if (!report.next()) continue;
            const Case k{call_gate32, 3, 0, i & 3, i >> 5, i >> 2 & 3, true, (i >> 4 & 1) != 0};
            report.describe("%s through a gate to type %02x DPL %u P %u, CPL %u", way_names[way], k.type, k.dpl,
                            u32{k.present}, k.cpl);
            check(report, way, at, k, expected_of(way, k));
        }
    }
}

/// The selector in the gate. Its RPL plays no part: it is replaced by the new CPL.
void call_gate_selectors(Report& report) {
    put_target();
    for (const Way way : {jump, call}) {
        const void* at = far_code(way);
        for (const Place& p : places) {
            for (u32 i = 0; i < 16; ++i) {
                if (!report.next()) continue;
                const u32 cpl = i & 3, rpl = i >> 2;
                report.describe("%s through a gate whose selector is %s, RPL %u, CPL %u", way_names[way], p.what, rpl,
                                cpl);
                put_in_places(target_descriptor(code_type, cpl));
                gdt[gate_selector / 8] = gate(p.selector | rpl, gate_offset, call_gate32, 3);
                put_pointer(way, gate_selector, 0);
                Context c = ring(cpl, at);
                c.ebx = pointer_at;
                const Exit e = run(c);
                report.expect_exit(e, p.found ? end_vector : gp_vector, p.found ? 0 : p.selector);
                report.expect("CS", p.found ? p.selector | cpl : c.cs, e.cs);
                report.expect("EIP", p.found ? gate_offset + 2 : c.eip, e.eip);
            }
        }
    }
    reset_tables();
}

void parameters(Report& report) {
    put_target();
    const void* at = far_code(call);
    for (const u32 gate_type : {call_gate16, call_gate32}) {
        for (u32 count = 0; count < 32; ++count) {
            for (u32 cpl = 0; cpl < 4; ++cpl) {
                for (u32 dpl = 0; dpl <= cpl; ++dpl) {
                    for (const u32 type : {code_type, conforming_type}) {
                        if (!report.next()) continue;
                        report.describe("gate type %x with %u parameters, CPL %u to code type %02x DPL %u", gate_type,
                                        count, cpl, type, dpl);
                        check(report, call, at, {gate_type, 3, cpl, cpl, type, dpl, true, true}, none, count);
                    }
                }
            }
        }
    }
}

} // namespace gates
