// INT n, INT3, INTO, INT1 and an exception through the IDT: each type of gate and target, privilege, presence, the
// frame and the flags (SDM 2A, INT n; SDM 3A, 6.12.1, 6.13). Task gates are in tasks.cpp.
#include "guests/system/gates.hpp"

namespace gates {

namespace {

/// What raises the vector. Gates' DPL is checked for software interrupts only; the EXT bit is set for all else.
struct Source {
    const char* name;
    u8 bytes[2];
    u32 length, vector;
    bool software, fault;
};
constexpr Source source_int{"INT n", {0xCD, vector_in_use}, 2, vector_in_use, true, false};
constexpr Source source_int3{"INT3", {0xCC}, 1, 3, true, false};
constexpr Source source_into{"INTO", {0xCE}, 1, 4, true, false};
constexpr Source source_int1{"INT1", {0xF1}, 1, 1, false, false};
constexpr Source source_ud{"#UD", {0x0F, 0x0B}, 2, ud_vector, false, true};

constexpr u32 ext_of(const Source& s) { return s.software ? 0 : 1; }
constexpr u32 idt_error(const Source& s) { return s.vector * 8 + 2 + ext_of(s); }
constexpr bool is_interrupt_gate(u32 type) { return (type & 7) == 6; }

struct Gate {
    u32 type, dpl;
    bool present;
};
struct Target {
    u32 type, dpl;
    bool present;
};

Fault expected_of(const Source& s, const Gate& g, const Target& t, u32 cpl) {
    if (g.type != interrupt_gate16 && g.type != trap_gate16 && g.type != interrupt_gate32 && g.type != trap_gate32)
        return {gp_vector, idt_error(s)};
    if (s.software && g.dpl < cpl) return {gp_vector, idt_error(s)};
    if (!g.present) return {np_vector, idt_error(s)};
    if (!is_code(t.type) || t.dpl > cpl) return {gp_vector, target_selector | ext_of(s)};
    return t.present ? none : Fault{np_vector, target_selector | ext_of(s)};
}

/// The state that the handler sees and the frame that it finds.
void expect_handler(Report& report, const Source& s, const Gate& g, const Target& t, const Context& c, const Exit& e) {
    const u32 cpl = c.cs & 3, level = is_conforming(t.type) ? cpl : t.dpl;
    const bool wide = g.type & 8, inward = level != cpl;
    report.expect("CS", target_selector | level, e.cs);
    report.expect("EIP", reached(g.type), e.eip);
    report.expect("SS", flat_data(level), e.ss);
    const u32 size = wide ? 4 : 2, slots = inward ? 5 : 3;
    report.expect("ESP", (inward ? inner_esp(level) : c.esp) - slots * size, e.esp);
    u32 flags = c.eflags & ~(flag_tf | flag_nt | flag_rf | flag_vm);
    if (is_interrupt_gate(g.type)) flags &= ~flag_if;
    report.expect("EFLAGS", flags, e.eflags);
    expect_slot(report, "pushed EIP", c.eip + (s.fault ? 0 : s.length), e.esp, 0, wide);
    expect_slot(report, "pushed CS", c.cs, e.esp, 1, wide, true);
    expect_slot(report, "pushed EFLAGS", c.eflags | (s.fault ? flag_rf : 0), e.esp, 2, wide);
    if (!inward) return;
    expect_slot(report, "pushed ESP", c.esp, e.esp, 3, wide);
    expect_slot(report, "pushed SS", c.ss, e.esp, 4, wide, true);
}

void check(Report& report, const Source& s, const void* at, const Gate& g, const Target& t, u32 cpl, u32 flags) {
    const u64 standard = idt[s.vector];
    idt[s.vector] = gate(target_selector, gate_offset, g.type, g.dpl, g.present);
    gdt[target_selector / 8] = target_descriptor(t.type, t.dpl, t.present);
    Context c = ring(cpl, at);
    c.eflags = flags;
    const Fault fault = expected_of(s, g, t, cpl);
    const Exit e = run(c);
    idt[s.vector] = standard;
    report.expect_exit(e, fault.vector, fault.error);
    if (fault.vector == end_vector) {
        expect_handler(report, s, g, t, c, e);
        return;
    }
    report.expect("CS", c.cs, e.cs);
    report.expect("EIP", c.eip, e.eip);
    report.expect("ESP", c.esp, e.esp);
    report.expect("EFLAGS", c.eflags | flag_rf, e.eflags);
}

void describe(Report& report, const Source& s, const Gate& g, const Target& t, u32 cpl) {
    report.describe("%s, gate type %02x DPL %u P %u to type %02x DPL %u P %u, CPL %u", s.name, g.type, g.dpl,
                    u32{g.present}, t.type, t.dpl, u32{t.present}, cpl);
}

constexpr u32 usual_flags = 2 | flag_cf | flag_of | flag_if;
constexpr u32 gate_types[] = {interrupt_gate16, trap_gate16, interrupt_gate32, trap_gate32};

const void* code_of(const Source& s) {
    const u8 bytes[] = {s.bytes[0], s.length == 2 ? s.bytes[1] : u8{0x90}, 0x0F, 0x0B};
    return code(bytes);
}

void matrix(Report& report, const Source& s) {
    put_target();
    const void* at = code_of(s);
    for (u32 i = 0; i < 32 * 2 * 4 * 4; ++i) { // what is no gate, or a task gate of another form
        const Gate g{i >> 5, i >> 2 & 3, (i >> 4 & 1) != 0};
        const u32 cpl = i & 3;
        if (g.type == task_gate || (g.type & 0x16) == 6 || !report.next()) continue;
        const Target t{code_type, 0, true};
        describe(report, s, g, t, cpl);
        check(report, s, at, g, t, cpl, usual_flags);
    }
    for (const u32 gate_type : gate_types) {
        for (u32 i = 0; i < 2 * 4 * 4 * 2 * 4 * 2; ++i) {
            if (!report.next()) continue;
            const u32 cpl = i & 3;
            const Gate g{gate_type, i >> 2 & 3, (i >> 4 & 1) != 0};
            const Target t{i >> 5 & 1 ? conforming_type : code_type, i >> 6 & 3, (i >> 8 & 1) != 0};
            describe(report, s, g, t, cpl);
            check(report, s, at, g, t, cpl, usual_flags);
        }
    }
}

void targets(Report& report, const Source& s) {
    put_target();
    const void* at = code_of(s);
    for (u32 i = 0; i < 32 * 2 * 4 * 4; ++i) {
        if (!report.next()) continue;
        const u32 cpl = i & 3;
        const Gate g{interrupt_gate32, 3, true};
        const Target t{i >> 5, i >> 2 & 3, (i >> 4 & 1) != 0};
        describe(report, s, g, t, cpl);
        check(report, s, at, g, t, cpl, usual_flags);
    }
    for (const Place& p : places) {
        for (u32 i = 0; i < 16; ++i) {
            if (!report.next()) continue;
            const u32 cpl = i & 3, rpl = i >> 2;
            report.describe("%s through a gate whose selector is %s, RPL %u, CPL %u", s.name, p.what, rpl, cpl);
            put_in_places(target_descriptor(code_type, cpl));
            const u64 standard = idt[s.vector];
            idt[s.vector] = gate(p.selector | rpl, gate_offset, interrupt_gate32, 3);
            const Context c = ring(cpl, at);
            const Exit e = run(c);
            idt[s.vector] = standard;
            report.expect_exit(e, p.found ? end_vector : gp_vector, p.found ? 0 : p.selector | ext_of(s));
            report.expect("CS", p.found ? p.selector | cpl : c.cs, e.cs);
        }
    }
    reset_tables();
}

} // namespace

void int_n(Report& report) { matrix(report, source_int); }
void int3(Report& report) { matrix(report, source_int3); }
void into(Report& report) { matrix(report, source_into); }
void int1(Report& report) { matrix(report, source_int1); }
void exception(Report& report) { matrix(report, source_ud); }
void int_targets(Report& report) { targets(report, source_int); }
void exception_targets(Report& report) { targets(report, source_ud); }

/// A gate that the IDT's limit cuts or leaves out; the target's EIP and the stack's room.
void idt_limit(Report& report) {
    for (const u32 vector : {0x81u, 0x90u, 0xC3u, 0xFEu, 0xFFu}) {
        const u8 bytes[] = {0xCD, static_cast<u8>(vector), 0xCD, 0x80};
        const void* at = code(bytes);
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (const u32 limit : {0x407u, vector * 8 - 1, vector * 8, vector * 8 + 6, vector * 8 + 7, 0x7FFu}) {
                if (!report.next()) continue;
                report.describe("INT %02x, IDT limit %x, CPL %u", vector, limit, cpl);
                idt[vector] = gate(kernel_code, stub(vector), interrupt_gate32, 3);
                load_idt(limit);
                const Context c = ring(cpl, at);
                const Exit e = run(c);
                load_idt(0x7FF);
                const bool ok = limit >= vector * 8 + 7;
                report.expect_exit(e, ok ? vector : gp_vector, ok ? 0 : vector * 8 + 2);
                report.expect("EIP", c.eip + (ok ? 2 : 0), e.eip);
            }
        }
    }
    put_target();
    for (const Source& s : {source_int, source_int3, source_into, source_int1, source_ud}) {
        const void* at = code_of(s);
        for (u32 room = 0; room <= 14; ++room) {
            for (const bool bad_eip : {false, true}) {
                if (!report.next()) continue; // level 3 to conforming code of level 3: its own stack is used
                report.describe("%s without a stack switch, room for %u bytes%s", s.name, room,
                                bad_eip ? ", target beyond its limit" : "");
                gdt[target_selector / 8] = descriptor(target_base, bad_eip ? 0xF : target_limit, code_type, 3);
                gdt[stack_selector / 8] = descriptor(arena_begin, 0x7FF, 0x17, 3);
                const u64 standard = idt[s.vector];
                idt[s.vector] = gate(target_selector, gate_offset, trap_gate32, 3);
                Context c = ring(3, at);
                c.ss = stack_selector | 3;
                c.esp = 0x800 + room;
                c.eflags |= flag_of;
                const Exit e = run(c);
                idt[s.vector] = standard;
                Fault fault = bad_eip ? Fault{gp_vector, ext_of(s)} : none;
                if (room < 12) fault = {ss_vector, ext_of(s)};
                report.expect_exit(e, fault.vector, fault.error);
                report.expect("ESP", c.esp - (fault.vector == end_vector ? 12 : 0), e.esp);
            }
        }
    }
    reset_tables();
}

/// Each flag before, in the frame and after, through each kind of gate.
void int_flags(Report& report) {
    put_target();
    constexpr u32 flags[] = {flag_if, flag_tf, flag_nt, flag_iopl, flag_df | flag_cf | 0x80, flag_ac | flag_id};
    for (const Source& s : {source_int, source_ud}) {
        const void* at = code_of(s);
        for (const u32 gate_type : gate_types) {
            for (u32 set = 0; set < 64; ++set) {
                for (const u32 cpl : {0u, 1u, 3u}) {
                    for (const u32 level : {0u, 1u, 3u}) {
                        if (level > cpl || !report.next()) continue;
                        u32 image = 2;
                        for (u32 i = 0; i < 6; ++i) image |= set >> i & 1 ? flags[i] : 0;
                        report.describe("%s, gate type %x, EFLAGS %x, from %u to %u", s.name, gate_type, image, cpl,
                                        level);
                        if ((image & flag_ac) && !features().cpuid) {
                            report.skip("needs a 486");
                            continue;
                        }
                        check(report, s, at, {gate_type, 3, true}, {code_type, level, true}, cpl, image);
                    }
                }
            }
        }
    }
}

} // namespace gates
