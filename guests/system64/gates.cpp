// Interrupts and exceptions through 64-bit gates: types, privilege, targets, IST, alignment, frames, flags, the IDT's
// limit, and what comes of a fault while another is delivered (SDM 2A, INT n; SDM 3A 6.12-6.15).
#include "guests/system64/system64.hpp"

namespace {

constexpr u16 target = first_free;
constexpr u64 handler_at = arena_begin + 0x2'0010, upper_half = 0xFFFF'8000'0000'0000;
constexpr u32 vector_in_use = 0x90;

/// What raises the vector. Gates' DPL is checked for software interrupts only; the EXT bit is set for all else.
struct Source {
    const char* name;
    u8 bytes[2];
    u32 length, vector;
    bool software, fault, has_error;
    u32 error;
};
constexpr Source source_int{"INT n", {0xCD, vector_in_use}, 2, vector_in_use, true, false, false, 0};
constexpr Source source_int3{"INT3", {0xCC}, 1, 3, true, false, false, 0};
constexpr Source source_int1{"INT1", {0xF1}, 1, db_vector, false, false, false, 0};
constexpr Source source_ud{"#UD", {0x0F, 0x0B}, 2, ud_vector, false, true, false, 0};
constexpr Source source_gp{"#GP", {0x8E, 0xD8}, 2, gp_vector, false, true, true, gdt_size};
constexpr Source source_into{"INTO", {0xCE}, 1, 4, true, false, false, 0}; // compatibility code only
constexpr u32 ext_of(const Source& s) { return s.software ? 0 : 1; }
constexpr u32 idt_error(const Source& s) { return s.vector * 8 + 2 + ext_of(s); }

u64 code_of(const Source& s) {
    const u8 bytes[] = {s.bytes[0], s.length == 2 ? s.bytes[1] : u8{0x90}, 0x0F, 0x0B};
    return code(bytes);
}

struct Gate {
    u32 type, dpl;
    bool present;
    u32 ist;
};
struct Target {
    u32 type, dpl, size;
    bool present;
};
constexpr Target usual_target{code_type, 0, size64, true};

Fault expected_of(const Source& s, const Gate& g, const Target& t, u32 cpl) {
    if (g.type != interrupt_gate && g.type != trap_gate) return {gp_vector, idt_error(s)};
    if (s.software && g.dpl < cpl) return {gp_vector, idt_error(s)};
    if (!g.present) return {np_vector, idt_error(s)};
    if (!is_code(t.type) || t.dpl > cpl || t.size != size64) return {gp_vector, target | ext_of(s)};
    return t.present ? none : Fault{np_vector, target | ext_of(s)};
}

struct Case {
    const Source& source;
    Gate gate;
    Target target;
    u32 cpl;
    bool wide = true;
    u64 flags = 2 | flag_cf | flag_of | flag_if;
    u64 offset = handler_at;
    u32 misaligned = 0;
};

void expect_frame(Report& report, const Source& s, const Context& c, u64 frame) {
    u64 at = frame;
    if (s.has_error) {
        report.expect("pushed error code", s.error, qword(at));
        at += 8;
    }
    report.expect("pushed RIP", c.rip + (s.fault ? 0 : s.length), qword(at));
    report.expect("pushed CS", c.cs, qword(at + 8));
    report.expect("pushed RFLAGS", c.rflags | (s.fault ? flag_rf : 0), qword(at + 16));
    report.expect("pushed RSP", c.rsp, qword(at + 24));
    report.expect("pushed SS", c.ss, qword(at + 32));
}

void expect_handler(Report& report, const Case& k, const Context& c, const Exit& e) {
    const u32 level = is_conforming(k.target.type) ? k.cpl : k.target.dpl;
    const bool inward = level != k.cpl;
    report.expect("RIP", k.offset + 2, e.rip);
    report.expect("CS", target | level, e.cs);
    report.expect("SS", inward ? level : c.ss, e.ss);
    u64 top = c.rsp;
    if (inward) top = tss.rsp[level];
    if (k.gate.ist != 0) top = tss.ist[k.gate.ist];
    const u64 frame = (top & ~u64{15}) - (k.source.has_error ? 48 : 40);
    report.expect("RSP", frame, e.rsp);
    u64 flags = c.rflags & ~(flag_tf | flag_nt | flag_rf | flag_vm);
    if (k.gate.type == interrupt_gate) flags &= ~flag_if;
    report.expect("RFLAGS", flags, e.rflags);
    expect_frame(report, k.source, c, frame);
}

void check(Report& report, u64 at, const Case& k) {
    const Source& s = k.source;
    const Wide standard = idt[s.vector];
    word(handler_at) = end_vector << 8 | 0xCD;
    gdt[target / 8] = descriptor(0xBAD0'0000, 0, k.target.type, k.target.dpl, k.target.present, k.target.size);
    set_gate(s.vector, target, k.offset, k.gate.type, k.gate.dpl, k.gate.present, k.gate.ist);
    Context c = k.wide ? ring(k.cpl, at) : ring32(k.cpl, at);
    c.rsp -= k.misaligned;
    c.rflags = k.flags;
    c.rax = gdt_size;
    const Fault fault = expected_of(s, k.gate, k.target, k.cpl);
    // #GP of #GP, and #NP of it, is a double fault.
    const bool doubles = fault.vector != end_vector && s.vector == gp_vector;
    const Exit e = run(c);
    idt[s.vector] = standard;
    if (fault.vector == end_vector) {
        report.expect_exit(e, end_vector, 0);
        expect_handler(report, k, c, e);
        return;
    }
    report.expect_exit(e, doubles ? df_vector : fault.vector, doubles ? 0 : fault.error);
    if (doubles) return;
    report.expect("CS", c.cs, e.cs);
    report.expect("RIP", c.rip, e.rip);
    report.expect("RSP", c.rsp, e.rsp);
    report.expect("SS", c.ss, e.ss);
    report.expect("RFLAGS", c.rflags | flag_rf, e.rflags);
}

void describe(Report& report, const Case& k) {
    report.describe("%s in %s code: gate type %02x DPL %u P %u IST %u, to type %02x DPL %u P %u L/D %u, CPL %u",
                    k.source.name, k.wide ? "64-bit" : "compatibility", k.gate.type, k.gate.dpl, k.gate.present,
                    k.gate.ist, k.target.type, k.target.dpl, k.target.present, k.target.size, k.cpl);
}

void matrix(Report& report, const Source& s, bool wide) {
    const u64 at = code_of(s);
    const auto go = [&](const Gate& g, const Target& t, u32 cpl) {
        if (!report.next()) return;
        const Case k{s, g, t, cpl, wide};
        describe(report, k);
        check(report, at, k);
    };
    for (u32 i = 0; i < 32 * 2 * 4 * 4; ++i) // every type of gate
        go({i >> 5, i >> 2 & 3, (i >> 4 & 1) != 0, 0}, usual_target, i & 3);
    for (u32 i = 0; i < 32 * 4 * 4 * 2 * 4; ++i) // every target
        go({interrupt_gate, 3, true, 0}, {i >> 7, i >> 2 & 3, i >> 5 & 3, (i >> 4 & 1) != 0}, i & 3);
    for (u32 i = 0; i < 8 * 2 * 2 * 4 * 4; ++i) // IST, to conforming and other code of each level
        go({i >> 5 & 1 ? trap_gate : interrupt_gate, 3, true, i >> 6},
           {i >> 4 & 1 ? conforming_type : code_type, i >> 2 & 3, size64, true}, i & 3);
}
void int_n(Report& report) { matrix(report, source_int, true); }
void int_n32(Report& report) { matrix(report, source_int, false); }
void int3(Report& report) { matrix(report, source_int3, true); }
void int1(Report& report) { matrix(report, source_int1, true); }
void into32(Report& report) { matrix(report, source_into, false); }
void exception(Report& report) { matrix(report, source_ud, true); }
void exception32(Report& report) { matrix(report, source_ud, false); }
void error_code(Report& report) { matrix(report, source_gp, true); }

/// Each way of the stack, from every misalignment: the frame lies on a multiple of 16 whatever it holds.
void alignment(Report& report) {
    for (const Source& s : {source_int, source_ud, source_gp}) {
        const u64 at = code_of(s);
        for (u32 m = 0; m < 16; ++m) {
            for (const u32 ist : {0u, 1u, 5u}) {
                for (u32 cpl = 0; cpl < 4; ++cpl) {
                    for (u32 level = 0; level <= cpl; ++level) {
                        if (!report.next()) continue;
                        report.describe("%s from %u to %u with stacks off by %u, IST %u", s.name, cpl, level, m, ist);
                        const Tss standard = tss;
                        if (ist != 0) tss.ist[ist] -= m;
                        if (level != 0 && level < cpl) tss.rsp[level] -= m;
                        if (level == 0 && cpl != 0) tss.rsp[0] -= m;
                        check(report, at,
                              {s,
                               {interrupt_gate, 3, true, ist},
                               {code_type, level, size64, true},
                               cpl,
                               true,
                               2 | flag_if,
                               handler_at,
                               m});
                        tss = standard;
                    }
                }
            }
        }
    }
}

/// Each flag before, in the frame and after, through each kind of gate.
void flags(Report& report) {
    constexpr u64 bits[] = {flag_if, flag_nt, flag_iopl, flag_df | flag_cf | 0x80, flag_ac | flag_id};
    for (const Source& s : {source_int, source_ud}) {
        const u64 at = code_of(s);
        for (const u32 type : {interrupt_gate, trap_gate}) {
            for (u32 set = 0; set < 32; ++set) {
                for (const u32 cpl : {0u, 1u, 3u}) {
                    for (const u32 level : {0u, 1u, 3u}) {
                        if (level > cpl || !report.next()) continue;
                        u64 image = 2;
                        for (u32 i = 0; i < 5; ++i) image |= set >> i & 1 ? bits[i] : 0;
                        report.describe("%s, gate type %x, RFLAGS %x, from %u to %u", s.name, type, image, cpl, level);
                        check(report, at, {s, {type, 3, true, 0}, {code_type, level, size64, true}, cpl, true, image});
                    }
                }
            }
        }
    }
}

/// The offset's 64 bits, selectors, and the IDT's limit.
void odd(Report& report) {
    top_table[256] = top_table[0]; // the first GiBs in the upper half too
    for (const Source& s : {source_int, source_int3, source_ud}) {
        const u64 at = code_of(s);
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            if (report.next()) {
                report.describe("%s to a handler in the upper half, CPL %u", s.name, cpl);
                check(report, at,
                      {s, {interrupt_gate, 3, true, 0}, usual_target, cpl, true, 2, handler_at | upper_half});
            }
            for (const u64 to : {u64{1} << 47, ~u64{0} << 48, u64{1} << 63, (~u64{0} << 47) - 1}) {
                if (!report.next()) continue;
                report.describe("%s to %x, CPL %u", s.name, to, cpl);
                const Wide standard = idt[s.vector];
                set_gate(s.vector, kernel_code, to, interrupt_gate, 3);
                const Context c = ring(cpl, at);
                const Exit e = run(c);
                idt[s.vector] = standard;
                report.expect_exit(e, gp_vector, ext_of(s));
                report.expect("RIP", c.rip, e.rip);
                report.expect("CS", c.cs, e.cs);
            }
            for (const u32 selector : {0u, 1u, 3u, u32{gdt_size}, u32{gdt_size} + 3, 4u, 0x104u, 0xFFF8u}) {
                if (!report.next()) continue;
                report.describe("%s through a gate whose selector is %x, CPL %u", s.name, selector, cpl);
                const Wide standard = idt[s.vector];
                ldt[0] = gdt[kernel_code / 8];
                word(handler_at) = end_vector << 8 | 0xCD;
                set_gate(s.vector, selector, handler_at, interrupt_gate, 3);
                const Context c = ring(cpl, at);
                const Exit e = run(c);
                idt[s.vector] = standard;
                const bool ok = selector == 4;
                report.expect_exit(e, ok ? end_vector : gp_vector, ok ? 0 : (selector & 0xFFFC) | ext_of(s));
                report.expect("CS", ok ? 4 : c.cs, e.cs);
            }
        }
    }
    top_table[256] = 0;
    for (const u32 vector : {0x90u, 0xC3u, 0xFEu, 0xFFu}) {
        const u8 bytes[] = {0xCD, static_cast<u8>(vector), 0xCD, end_vector};
        const u64 at = code(bytes);
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (const u32 limit :
                 {0x82Fu, vector * 16 - 1, vector * 16, vector * 16 + 7, vector * 16 + 14, vector * 16 + 15, 0xFFFu}) {
                if (!report.next()) continue;
                report.describe("INT %02x, IDT limit %x, CPL %u", vector, limit, cpl);
                set_gate(vector, kernel_code, stub(vector), interrupt_gate, 3);
                load_idt(limit, address(idt));
                const Context c = ring(cpl, at);
                const Exit e = run(c);
                load_idt(sizeof idt - 1, address(idt));
                const bool ok = limit >= vector * 16 + 15;
                report.expect_exit(e, ok ? vector : gp_vector, ok ? 0 : vector * 8 + 2);
                report.expect("RIP", c.rip + (ok ? 2 : 0), e.rip);
            }
        }
    }
    for (u32 ist = 0; ist < 8; ++ist) {
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (u32 level = 1; level <= cpl; ++level) {
                const u32 place = ist != 0 ? 0x1C + 8 * ist : 4 + 8 * level;
                for (const u32 limit : {place - 1, place, place + 6, place + 7}) {
                    const bool needed = ist != 0 || level != cpl;
                    if (!report.next()) continue;
                    report.describe("INT n from %u to %u, IST %u, TSS limit %x", cpl, level, ist, limit);
                    const u64 at = code_of(source_int);
                    gdt[target / 8] = descriptor(0, 0, code_type, level, true, size64);
                    word(handler_at) = end_vector << 8 | 0xCD;
                    const Wide standard = idt[vector_in_use];
                    set_gate(vector_in_use, target, handler_at, interrupt_gate, 3, true, ist);
                    set_wide(tss_selector, address(&tss), limit < 0xB ? 0xB : limit, tss_type);
                    load_task(tss_selector);
                    const Context c = ring(cpl, at);
                    const Exit e = run(c);
                    set_wide(tss_selector, address(&tss), sizeof tss - 1, tss_type);
                    load_task(tss_selector);
                    idt[vector_in_use] = standard;
                    const bool ok = !needed || limit >= place + 7;
                    report.expect_exit(e, ok ? end_vector : ts_vector, ok ? 0 : tss_selector);
                    report.expect("CS", ok ? target | level : c.cs, e.cs);
                }
            }
        }
    }
}

/// INTO, and the other instructions that 64-bit mode lacks (SDM 1, 3.1; each instruction's page).
void invalid(Report& report) {
    constexpr u8 list[] = {0x06, 0x07, 0x0E, 0x16, 0x17, 0x1E, 0x1F, 0x27, 0x2F, 0x37,
                           0x3F, 0x60, 0x61, 0x82, 0x9A, 0xCE, 0xD4, 0xD5, 0xD6, 0xEA};
    for (const u8 opcode : list) {
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (const bool overflow : {false, true}) {
                if (!report.next()) continue;
                report.describe("opcode %02x in 64-bit code, CPL %u", opcode, cpl);
                const u8 bytes[] = {opcode, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xCD, end_vector};
                Context c = ring(cpl, code(bytes));
                c.rflags |= overflow ? flag_of : 0;
                const Exit e = run(c);
                report.expect_exit(e, ud_vector, 0);
                report.expect("RIP", c.rip, e.rip);
            }
        }
    }
}

// --- faults of faults ------------------------------------------------------------------------------------------------

enum class Class : u32 { benign, contributory, page };
struct First {
    const char* name;
    u8 bytes[4];
    u32 vector;
    Class kind;
    bool software;
};
constexpr u16 absent = first_free + 0x18;
/// EAX holds a selector that is not present, RBX an address that is not mapped, RCX is 0.
constexpr First firsts[] = {{"#DE", {0xF7, 0xF1}, 0, Class::contributory, false},
                            {"#UD", {0x0F, 0x0B}, ud_vector, Class::benign, false},
                            {"#NP", {0x8E, 0xD8}, np_vector, Class::contributory, false},
                            {"#SS", {0x8E, 0xD0}, ss_vector, Class::contributory, false},
                            {"#GP", {0x0F, 0x30}, gp_vector, Class::contributory, false}, // WRMSR, below
                            {"#PF", {0x8B, 0x03}, pf_vector, Class::page, false},
                            {"INT n", {0xCD, vector_in_use}, vector_in_use, Class::benign, true},
                            {"INT1", {0xF1}, db_vector, Class::benign, false}};
enum class Second : u32 { gate_absent, gate_type, null_selector, code_absent, stack_odd, stack_unmapped, count };
constexpr const char* second_names[] = {"whose gate is not present",      "whose gate is of type 12",
                                        "whose gate has a null selector", "whose code is not present",
                                        "whose IST is not canonical",     "whose IST is not mapped"};
constexpr u64 unmapped = 0x7FFF'0000'0000;

/// Breaks the gate of the vector; what delivering it then raises.
Fault break_gate(u32 vector, Second how, bool software) {
    const u32 ext = software ? 0 : 1, idt_code = vector * 8 + 2 + ext;
    const u64 at = stub(vector);
    switch (how) {
    case Second::gate_absent: set_gate(vector, kernel_code, at, interrupt_gate, 3, false); return {np_vector, idt_code};
    case Second::gate_type: set_gate(vector, kernel_code, at, call_gate, 3); return {gp_vector, idt_code};
    case Second::null_selector: set_gate(vector, 0, at, interrupt_gate, 3); return {gp_vector, ext};
    case Second::code_absent:
        gdt[target / 8] = descriptor(0, 0, code_type, 0, false, size64);
        set_gate(vector, target, at, interrupt_gate, 3);
        return {np_vector, target | ext};
    case Second::stack_odd:
        tss.ist[3] = u64{1} << 48;
        set_gate(vector, kernel_code, at, interrupt_gate, 3, true, 3);
        return {ss_vector, ext};
    default:
        tss.ist[3] = unmapped;
        set_gate(vector, kernel_code, at, interrupt_gate, 3, true, 3);
        return {pf_vector, 2};
    }
}

Context start(const First& f, u32 cpl) {
    u8 bytes[6] = {f.bytes[0], f.bytes[1], 0x0F, 0x0B};
    Context c = ring(cpl, code(bytes));
    const bool stack = f.vector == ss_vector;
    gdt[absent / 8] = descriptor(0, 0xFFFFF, data_type, stack ? cpl : 3, false, size32, true);
    c.rax = absent | (stack ? cpl : 3);
    c.rbx = unmapped + 0x123000;
    if (f.vector == gp_vector) c.rcx = msr::fs_base, c.rdx = 0x8000'0000; // not canonical
    return c;
}

void chains(Report& report) {
    for (const First& f : firsts) {
        for (u32 n = 0; n < static_cast<u32>(Second::count); ++n) {
            for (u32 cpl = 0; cpl < 4; ++cpl) {
                if (!report.next()) continue;
                report.describe("%s %s, CPL %u", f.name, second_names[n], cpl);
                // The fault of the second must have a gate of its own.
                const Context c = start(f, cpl);
                const Fault second = break_gate(f.vector, static_cast<Second>(n), f.software);
                const Class kind = second.vector == pf_vector ? Class::page : Class::contributory;
                const bool doubles = f.kind == Class::page || (f.kind == kind && kind == Class::contributory);
                const Exit e = run(c);
                report.expect_exit(e, doubles ? df_vector : second.vector, doubles ? 0 : second.error);
                if (!doubles) report.expect("RIP", c.rip, e.rip);
                if (second.vector == pf_vector) report.expect("CR2", unmapped - 8, e.cr2);
                reset_tables();
            }
        }
    }
}

/// A double fault that cannot be delivered shuts the processor down.
void triple(Report& report) {
    for (const u32 cpl : {0u, 3u}) {
        for (const u32 first : {4u, 5u}) {
            for (u32 n = 0; n < static_cast<u32>(Second::count); ++n) {
                if (!report.next()) continue;
                report.describe("%s, then #DF %s, CPL %u", firsts[first].name, second_names[n], cpl);
                const Context c = start(firsts[first], cpl);
                break_gate(firsts[first].vector, Second::gate_absent, false);
                break_gate(df_vector, static_cast<Second>(n), false);
                report.expect_shutdown();
                run(c);
                reset_tables();
            }
        }
    }
}

constexpr Form forms[] = {
    {"long/int-n", "SDM 2A INT n; 3A 6.14", int_n},
    {"long/int-n-compatibility", "SDM 2A INT n; 3A 6.14", int_n32},
    {"long/int3", "SDM 2A INT3; 3A 6.14", int3},
    {"long/int1", "SDM 2A INT1; 3A 6.13, 6.14", int1},
    {"long/into-compatibility", "SDM 2A INTO; 3A 6.14", into32},
    {"long/exception", "SDM 3A 6.12.1, 6.14", exception},
    {"long/exception-compatibility", "SDM 3A 6.12.1, 6.14", exception32},
    {"long/exception-error-code", "SDM 3A 6.13, 6.14", error_code},
    {"long/gate-alignment", "SDM 3A 6.14.2, 6.14.5", alignment},
    {"long/gate-flags", "SDM 3A 6.12.1.3", flags},
    {"long/gate-odd", "SDM 3A 6.14.1; 2A INT n", odd},
    {"long/invalid-opcodes", "SDM 2, each instruction", invalid},
    {"long/double-fault", "SDM 3A 6.15, table 6-5", chains},
    {"long/triple-fault", "SDM 3A 6.15 (#DF)", triple},
};

} // namespace

Group gate_forms() { return group(forms); }
