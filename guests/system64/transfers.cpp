// Far JMP, CALL and RET and IRET between 64-bit and compatibility code of all levels, and 64-bit call gates (SDM 2A,
// CALL, IRET, JMP; SDM 2B, RET; SDM 3A 5.8).
#include "guests/system64/system64.hpp"

namespace {

constexpr u16 target = first_free, gate_at = first_free + 8, stack_at = first_free + 0x20;
constexpr u32 offset = 0x10, base = arena_begin + 0x10000, limit = 0x2FFFF;
constexpr u64 pointer_at = arena_begin, outer_stack = arena_begin + 0x8000;

/// INT 80h where code with a base arrives, INT 81h where code without one does.
void put_target() {
    word(base + offset) = end_vector << 8 | 0xCD;
    word(offset) = other_end << 8 | 0xCD;
}
u64 target_descriptor(u32 type, u32 dpl, bool present, u32 size) {
    return descriptor(base, limit, type, dpl, present, size);
}
constexpr bool long_code(u32 type, u32 size) { return is_code(type) && size == size64; }

struct Code {
    u32 type, dpl, size;
    bool present;
};
/// A case's number as a descriptor, RPL and CPL.
struct Numbers {
    Code code;
    u32 rpl, cpl;
};
constexpr u32 number_count = 32 * 4 * 2 * 4 * 4 * 4;
constexpr Numbers numbers(u32 i) { return {{i >> 9, i >> 4 & 3, i >> 7 & 3, (i >> 6 & 1) != 0}, i >> 2 & 3, i & 3}; }

enum Way : u32 { jump, call };
/// JMP or CALL [EBX or RBX], as m16:32, m16:16 or m16:64.
u64 far_code(Way way, u32 prefix) {
    const u8 bytes[] = {static_cast<u8>(prefix), 0xFF, static_cast<u8>(way == call ? 0x1B : 0x2B), 0x0F, 0x0B};
    return prefix != 0 ? code(bytes) : code(bytes + 1, 4);
}
void put_pointer(u32 prefix, u64 selector, u64 to) {
    const u32 width = prefix == 0x66 ? 2 : prefix == 0x48 && !features().amd ? 8 : 4;
    qword(pointer_at) = to;
    word(pointer_at + width) = static_cast<u16>(selector);
}

/// Non-zero where the selector's descriptor lets a direct transfer in.
Fault expected_direct(const Numbers& n) {
    const Code& c = n.code;
    const bool allowed = is_code(c.type) && (is_conforming(c.type) ? c.dpl <= n.cpl : n.rpl <= n.cpl && c.dpl == n.cpl);
    if (!allowed || c.size == size_both) return {gp_vector, target};
    return c.present ? none : Fault{np_vector, target};
}

void direct(Report& report, Way way, bool wide) {
    put_target();
    const u64 at = far_code(way, 0);
    for (u32 i = 0; i < number_count; ++i) {
        const Numbers n = numbers(i);
        if (n.code.type == call_gate || !report.next()) continue; // gates: below
        report.describe("%s from %s code to type %02x DPL %u P %u L/D %u, RPL %u CPL %u", way == call ? "CALL" : "JMP",
                        wide ? "64-bit" : "compatibility", n.code.type, n.code.dpl, n.code.present, n.code.size, n.rpl,
                        n.cpl);
        gdt[target / 8] = target_descriptor(n.code.type, n.code.dpl, n.code.present, n.code.size);
        put_pointer(0, target | n.rpl, offset);
        Context c = wide ? ring(n.cpl, at) : ring32(n.cpl, at);
        c.rbx = pointer_at;
        const Exit e = run(c);
        const Fault fault = expected_direct(n);
        if (fault.vector != end_vector) {
            report.expect_exit(e, fault.vector, fault.error);
            report.expect("RIP", c.rip, e.rip);
            report.expect("CS", c.cs, e.cs);
            report.expect("RSP", c.rsp, e.rsp);
            continue;
        }
        report.expect_exit(e, long_code(n.code.type, n.code.size) ? other_end : end_vector, 0);
        report.expect("RIP", offset + 2, e.rip);
        report.expect("CS", target | n.cpl, e.cs);
        report.expect("SS", c.ss, e.ss);
        report.expect("RSP", c.rsp - (way == call ? 8 : 0), e.rsp);
        if (way != call) continue;
        report.expect("pushed EIP", c.rip + 2, dword(c.rsp - 8));
        report.expect("pushed CS", c.cs, word(c.rsp - 4));
    }
}
void jump64(Report& report) { direct(report, jump, true); }
void jump32(Report& report) { direct(report, jump, false); }
void call64(Report& report) { direct(report, call, true); }
void call32(Report& report) { direct(report, call, false); }

/// Offsets of each operand size: within the limit of compatibility code, canonical in 64-bit code.
void offsets(Report& report) {
    struct Offset {
        u64 value;
        bool in_limit;
    };
    constexpr Offset list[] = {{offset, true},
                               {limit, true},
                               {limit + 1, false},
                               {0xFFFF'FFF0, false},
                               {0x1'0000'0010, false},
                               {0x0000'7FFF'FFFF'FFF0, false},
                               {0x0000'8000'0000'0000, false},
                               {0xFFFF'7FFF'FFFF'FFFF, false},
                               {0xFFFF'8000'0000'0000, false},
                               {0x8000'0000'0000'0010, false}};
    for (const Way way : {jump, call}) {
        for (const u32 prefix : {0u, 0x66u, 0x48u}) {
            const u64 at = far_code(way, prefix);
            for (const Offset& o : list) {
                for (const u32 size : {size64, size32}) {
                    if (!report.next()) continue;
                    report.describe("%s with prefix %02x to %x in %s code", way == call ? "CALL" : "JMP", prefix,
                                    o.value, size == size64 ? "64-bit" : "compatibility");
                    put_target();
                    gdt[target / 8] = target_descriptor(code_type, 0, true, size);
                    put_pointer(prefix, target, o.value);
                    Context c = ring(0, at);
                    c.rbx = pointer_at;
                    const Exit e = run(c);
                    const u32 bits = prefix == 0x66 ? 16 : prefix == 0x48 && !features().amd ? 64 : 32;
                    const u64 to = bits == 64 ? o.value : o.value & ((u64{1} << bits) - 1);
                    const bool ok = size == size64 ? canonical(to) : to <= limit;
                    if (!ok) {
                        report.expect_exit(e, gp_vector, 0);
                        report.expect("RIP", c.rip, e.rip);
                        report.expect("RSP", c.rsp, e.rsp);
                    } else if (to == offset) {
                        report.expect("RIP", offset + 2, e.rip);
                    } else if (to >= u64{1} << 31) { // not mapped
                        report.expect_exit(e, pf_vector, 0);
                        report.expect("RIP", to, e.rip);
                        report.expect("CR2", to, e.cr2);
                        report.expect("CS", target, e.cs);
                    } else {
                        report.expect("CS", target, e.cs);
                    }
                    if (ok && way == call)
                        report.expect("frame",
                                      c.rsp - (bits == 16   ? 4
                                               : bits == 64 ? 16
                                                            : 8),
                                      e.vector == pf_vector || to == offset ? e.rsp
                                                                            : c.rsp - (bits == 16   ? 4
                                                                                       : bits == 64 ? 16
                                                                                                    : 8));
                }
            }
        }
    }
}

// --- returns ---------------------------------------------------------------------------------------------------------

enum class Return : u32 { retf, iret };

void put_frame(u64 at, u32 width, u32 index, u64 value) {
    if (width == 8)
        qword(at + 8 * index) = value;
    else
        dword(at + 4 * index) = static_cast<u32>(value);
}

struct Instruction {
    const char* name;
    Return kind;
    bool wide; ///< in 64-bit code
    u32 width; ///< of a slot
    u8 bytes[2];
};
constexpr Instruction instructions[] = {{"RETF in 64-bit code", Return::retf, true, 4, {0xCB}},
                                        {"RETFQ", Return::retf, true, 8, {0x48, 0xCB}},
                                        {"RETF in compatibility code", Return::retf, false, 4, {0xCB}},
                                        {"IRETD in 64-bit code", Return::iret, true, 4, {0xCF}},
                                        {"IRETQ", Return::iret, true, 8, {0x48, 0xCF}},
                                        {"IRETD in compatibility code", Return::iret, false, 4, {0xCF}}};

Context start(const Instruction& in, u32 cpl, u64 cs, u64 ip, u64 ss, u64 sp) {
    const u64 at = code(in.bytes);
    Context c = in.wide ? ring(cpl, at) : ring32(cpl, at);
    c.rsp -= 0x40;
    u32 n = 0;
    put_frame(c.rsp, in.width, n++, ip);
    put_frame(c.rsp, in.width, n++, cs);
    if (in.kind == Return::iret) put_frame(c.rsp, in.width, n++, 2);
    put_frame(c.rsp, in.width, n++, sp);
    put_frame(c.rsp, in.width, n, ss);
    return c;
}
/// Whether SS:RSP is taken from the frame: outward always, and by IRET of 64-bit code always.
constexpr bool takes_stack(const Instruction& in, u32 cpl, u32 rpl) {
    return rpl > cpl || (in.kind == Return::iret && in.wide);
}

void return_codes(Report& report, const Instruction& in) {
    put_target();
    for (u32 i = 0; i < number_count; ++i) {
        if (!report.next()) continue;
        const Numbers n = numbers(i);
        const Code& d = n.code;
        report.describe("%s to type %02x DPL %u P %u L/D %u, RPL %u CPL %u", in.name, d.type, d.dpl, d.present, d.size,
                        n.rpl, n.cpl);
        gdt[target / 8] = target_descriptor(d.type, d.dpl, d.present, d.size);
        const Context c = start(in, n.cpl, target | n.rpl, offset, flat_data(n.rpl), outer_stack);
        const Exit e = run(c);
        const bool allowed = is_code(d.type) && n.rpl >= n.cpl && d.size != size_both &&
                             (is_conforming(d.type) ? d.dpl <= n.rpl : d.dpl == n.rpl);
        if (!allowed || !d.present) {
            report.expect_exit(e, allowed ? np_vector : gp_vector, target);
            report.expect("RIP", c.rip, e.rip);
            report.expect("CS", c.cs, e.cs);
            report.expect("RSP", c.rsp, e.rsp);
            continue;
        }
        const bool switches = takes_stack(in, n.cpl, n.rpl), outward = n.rpl > n.cpl;
        report.expect_exit(e, long_code(d.type, d.size) ? other_end : end_vector, 0);
        report.expect("RIP", offset + 2, e.rip);
        report.expect("CS", target | n.rpl, e.cs);
        report.expect("SS", switches ? flat_data(n.rpl) : c.ss, e.ss);
        report.expect("RSP", switches ? outer_stack : c.rsp + in.width * (in.kind == Return::iret ? 3 : 2), e.rsp);
        report.expect("DS", outward ? 0 : c.ds, e.ds);
        report.expect("ES", outward ? 0 : c.es, e.es);
        report.expect("FS", outward ? 0 : c.fs, e.fs);
        report.expect("GS", outward ? 0 : c.gs, e.gs);
    }
}
template <u32 n> void codes(Report& report) { return_codes(report, instructions[n]); }

/// The stack segment of a return: every type, null ones, to 64-bit and compatibility code.
void return_stacks(Report& report, const Instruction& in) {
    put_target();
    for (u32 cpl = 0; cpl < 4; ++cpl) {
        for (u32 to = cpl; to < 4; ++to) {
            if (!takes_stack(in, cpl, to)) continue;
            for (const u32 size : {size64, size32}) {
                const auto check = [&](u64 selector, Fault fault) {
                    gdt[target / 8] = target_descriptor(code_type, to, true, size);
                    const Context c = start(in, cpl, target | to, offset, selector, outer_stack);
                    const Exit e = run(c);
                    if (fault.vector == end_vector) {
                        report.expect_exit(e, size == size64 ? other_end : end_vector, 0);
                        report.expect("SS", selector, e.ss);
                        report.expect("RSP", outer_stack, e.rsp);
                    } else {
                        report.expect_exit(e, fault.vector, fault.error);
                        report.expect("CS", c.cs, e.cs);
                        report.expect("RSP", c.rsp, e.rsp);
                    }
                };
                const char* mode = size == size64 ? "64-bit" : "compatibility";
                for (u32 i = 0; i < 32 * 2 * 4 * 4; ++i) {
                    if (!report.next()) continue;
                    const u32 type = i >> 5, dpl = i >> 2 & 3, rpl = i & 3;
                    const bool present = i >> 4 & 1;
                    report.describe("%s to %s code, level %u from %u: SS of type %02x DPL %u P %u, RPL %u", in.name,
                                    mode, to, cpl, type, dpl, present, rpl);
                    gdt[stack_at / 8] = is_expand_down(type) ? descriptor(0, 0, type, dpl, present, size32)
                                                             : descriptor(0, 0xFFFFF, type, dpl, present, size32, true);
                    Fault fault = present ? none : Fault{ss_vector, stack_at};
                    if (rpl != to || !is_writable_data(type) || dpl != to) fault = {gp_vector, stack_at};
                    check(stack_at | rpl, fault);
                }
                for (u32 rpl = 0; rpl < 4; ++rpl) {
                    if (!report.next()) continue;
                    report.describe("%s to %s code, level %u from %u: null SS, RPL %u", in.name, mode, to, cpl, rpl);
                    check(rpl, size == size64 && to != 3 && rpl == to ? none : Fault{gp_vector, 0});
                }
            }
        }
    }
}
template <u32 n> void stacks(Report& report) { return_stacks(report, instructions[n]); }

/// Null and absent code selectors, offsets, and frames on an address that is not canonical.
void return_odd(Report& report) {
    for (const Instruction& in : instructions) {
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (const u32 selector : {0u, 1u, 2u, 3u, u32{gdt_size}, 0x104u}) {
                if (!report.next()) continue;
                report.describe("%s to selector %x, CPL %u", in.name, selector, cpl);
                const u32 full = selector < 4 ? selector : selector | cpl;
                const Context c = start(in, cpl, full, offset, flat_data(cpl), outer_stack);
                const Exit e = run(c);
                report.expect_exit(e, gp_vector, full & 0xFFFC);
                report.expect("RIP", c.rip, e.rip);
            }
            for (const u64 to : {u64{limit} + 1, u64{1} << 32 | offset, u64{1} << 47, ~u64{0} << 47, ~u64{0} << 48}) {
                for (const u32 size : {size64, size32}) {
                    if (in.width == 4 && to >> 32 != 0) continue;
                    if (!report.next()) continue;
                    report.describe("%s to %x in %s code, CPL %u", in.name, to,
                                    size == size64 ? "64-bit" : "compatibility", cpl);
                    gdt[target / 8] = target_descriptor(code_type, cpl, true, size);
                    word(limit + 1) = other_end << 8 | 0xCD;
                    const Context c = start(in, cpl, target | cpl, to, flat_data(cpl), outer_stack);
                    const Exit e = run(c);
                    if (size == size32 || !canonical(to)) {
                        report.expect_exit(e, gp_vector, 0);
                        report.expect("RIP", c.rip, e.rip);
                        report.expect("RSP", c.rsp, e.rsp);
                    } else if (to >> 31 != 0) {
                        report.expect_exit(e, pf_vector, cpl == 3 ? 4 : 0);
                        report.expect("CR2", to, e.cr2);
                    } else {
                        report.expect_exit(e, other_end, 0);
                    }
                }
            }
            if (!in.wide) continue;
            for (const u64 sp : {u64{1} << 47, (u64{1} << 47) - 8, ~u64{0} << 48, (~u64{0} << 47) - 4}) {
                if (!report.next()) continue;
                report.describe("%s with RSP %x, CPL %u", in.name, sp, cpl);
                Context c = start(in, cpl, flat_code(cpl), offset, flat_data(cpl), outer_stack);
                c.rsp = sp;
                const Exit e = run(c);
                const bool first_is_canonical = canonical(sp) && canonical(sp + in.width - 1);
                if (first_is_canonical) { // the next slot is not; the first is not mapped: either may be noticed first
                    report.require("vector", e.vector == ss_vector || e.vector == pf_vector);
                } else {
                    report.expect_exit(e, ss_vector, 0);
                }
                report.expect("RIP", c.rip, e.rip);
            }
        }
    }
}

/// What an outward return leaves in the data segment registers: what the new level may use.
void return_segments(Report& report) {
    put_target();
    for (const Instruction& in : instructions) {
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (u32 to = cpl; to < 4; ++to) {
                for (const u32 type : {0x11u, 0x13u, 0x17u, 0x1Bu, 0x1Fu}) {
                    for (u32 dpl = cpl; dpl < 4; ++dpl) {
                        if (!report.next()) continue;
                        report.describe("%s from %u to %u with DS of type %02x DPL %u", in.name, cpl, to, type, dpl);
                        gdt[target / 8] = target_descriptor(code_type, to, true, size64);
                        gdt[stack_at / 8] = descriptor(0, 0xFFFFF, type, dpl, true, size32, true);
                        Context c = start(in, cpl, target | to, offset, flat_data(to), outer_stack);
                        c.ds = c.es = c.fs = c.gs = stack_at;
                        const Exit e = run(c);
                        report.expect_exit(e, other_end, 0);
                        const bool stays = to == cpl || is_conforming(type) || dpl >= to;
                        const u64 selector = stays ? stack_at : 0;
                        report.expect("DS", selector, e.ds);
                        report.expect("ES", selector, e.es);
                        report.expect("FS", selector, e.fs);
                        report.expect("GS", selector, e.gs);
                    }
                }
            }
        }
    }
}

/// The flags that IRETQ and POPFQ may change at each level (SDM 2A, IRET; 2B, POPF).
void return_flags(Report& report) {
    constexpr u64 bits[] = {flag_cf | flag_zf | flag_of | flag_df, flag_if, flag_iopl, flag_nt, flag_ac, flag_id};
    for (const bool popf : {false, true}) {
        const u8 bytes[] = {0x48, 0xCF}, pop[] = {0x9D, 0xCD, end_vector};
        const u64 at = popf ? code(pop) : code(bytes), end = code(pop + 1, 2);
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (const u64 io : {u64{0}, u64{0x1000}, u64{0x3000}}) {
                for (u32 set = 0; set < 64; ++set) {
                    for (const bool full : {false, true}) {
                        if (!report.next()) continue;
                        u64 image = 2;
                        for (u32 i = 0; i < 6; ++i) image |= set >> i & 1 ? bits[i] : 0;
                        const u64 before = 2 | io | (full ? flag_cf | flag_if | flag_ac : 0);
                        report.describe("%s of %x over %x, CPL %u", popf ? "POPFQ" : "IRETQ", image, before, cpl);
                        Context c = ring(cpl, at);
                        c.rsp -= 0x40;
                        c.rflags = before;
                        if (popf) {
                            qword(c.rsp) = image;
                        } else {
                            const u64 frame[] = {end, c.cs, image, outer_stack, c.ss};
                            for (u32 i = 0; i < 5; ++i) qword(c.rsp + 8 * i) = frame[i];
                        }
                        const Exit e = run(c);
                        u64 mask = flag_cf | flag_zf | flag_of | flag_df | flag_nt | flag_ac | flag_id;
                        if (cpl <= io >> 12) mask |= flag_if;
                        if (cpl == 0) mask |= flag_iopl;
                        report.expect_exit(e, end_vector, 0);
                        report.expect("RFLAGS", (before & ~mask) | (image & mask), e.rflags);
                    }
                }
            }
        }
    }
    const u8 bytes[] = {0x48, 0xCF};
    const u64 at = code(bytes);
    for (u32 cpl = 0; cpl < 4; ++cpl) {
        if (!report.next()) continue;
        report.describe("IRETQ with NT set, CPL %u", cpl);
        Context c = start(instructions[4], cpl, flat_code(cpl), offset, flat_data(cpl), outer_stack);
        c.rip = at;
        c.rflags |= flag_nt;
        const Exit e = run(c);
        report.expect_exit(e, gp_vector, 0);
        report.expect("RIP", at, e.rip);
    }
}

// --- call gates ------------------------------------------------------------------------------------------------------

struct GateCase {
    Way way;
    u32 gate_type, gate_dpl, rpl, cpl;
    bool gate_present;
    Code code;
};

Fault expected_gate(const GateCase& g) {
    if (g.gate_type != call_gate || g.gate_dpl < g.cpl || g.gate_dpl < g.rpl) return {gp_vector, gate_at};
    if (!g.gate_present) return {np_vector, gate_at};
    const Code& c = g.code;
    bool allowed = is_code(c.type) && c.dpl <= g.cpl;
    if (g.way == jump && allowed && !is_conforming(c.type)) allowed = c.dpl == g.cpl;
    if (!allowed || c.size != size64) return {gp_vector, target};
    return c.present ? none : Fault{np_vector, target};
}

void check_gate(Report& report, const GateCase& g, bool wide, u64 at) {
    report.describe("%s from %s code: gate type %x DPL %u P %u, RPL %u CPL %u, to type %02x DPL %u P %u L/D %u",
                    g.way == call ? "CALL" : "JMP", wide ? "64-bit" : "compatibility", g.gate_type, g.gate_dpl,
                    g.gate_present, g.rpl, g.cpl, g.code.type, g.code.dpl, g.code.present, g.code.size);
    gdt[target / 8] = target_descriptor(g.code.type, g.code.dpl, g.code.present, g.code.size);
    gdt[gate_at / 8] = gate(target | 3, offset, g.gate_type, g.gate_dpl, g.gate_present, 0x1F); // no parameters
    gdt[gate_at / 8 + 1] = 0;
    put_pointer(0, gate_at | g.rpl, 0xDEAD'0000);
    Context c = wide ? ring(g.cpl, at) : ring32(g.cpl, at);
    c.rbx = pointer_at;
    const Exit e = run(c);
    const Fault fault = expected_gate(g);
    if (fault.vector != end_vector) {
        report.expect_exit(e, fault.vector, fault.error);
        report.expect("RIP", c.rip, e.rip);
        report.expect("CS", c.cs, e.cs);
        report.expect("RSP", c.rsp, e.rsp);
        return;
    }
    const bool inward = !is_conforming(g.code.type) && g.code.dpl < g.cpl;
    const u32 level = inward ? g.code.dpl : g.cpl;
    report.expect_exit(e, other_end, 0);
    report.expect("RIP", offset + 2, e.rip);
    report.expect("CS", target | level, e.cs);
    report.expect("SS", inward ? level : c.ss, e.ss); // null with the level as RPL
    const u64 top = inward ? tss.rsp[level] : c.rsp;
    report.expect("RSP", g.way == jump ? c.rsp : top - (inward ? 32 : 16), e.rsp);
    if (g.way == jump) return;
    report.expect("pushed RIP", c.rip + 2, qword(e.rsp));
    report.expect("pushed CS", c.cs, qword(e.rsp + 8));
    if (!inward) return;
    report.expect("pushed RSP", c.rsp, qword(e.rsp + 16));
    report.expect("pushed SS", c.ss, qword(e.rsp + 24));
}

void gates(Report& report, Way way) {
    put_target();
    const u64 at = far_code(way, 0);
    for (const bool wide : {true, false}) {
        for (u32 i = 0; i < 16 * 4 * 4 * 4 * 2; ++i) { // every system type
            if (!report.next()) continue;
            check_gate(report,
                       {way, i >> 7, i & 3, i >> 2 & 3, i >> 4 & 3, (i >> 6 & 1) != 0, {code_type, 0, size64, true}},
                       wide, at);
        }
        for (u32 i = 0; i < 32 * 4 * 4 * 2 * 4; ++i) { // every target
            if (!report.next()) continue;
            check_gate(report, {way, call_gate, 3, 0, i & 3, true, {i >> 7, i >> 2 & 3, i >> 5 & 3, (i >> 4 & 1) != 0}},
                       wide, at);
        }
    }
}
void jump_gates(Report& report) { gates(report, jump); }
void call_gates(Report& report) { gates(report, call); }

/// The second half of a gate, offsets, and inner stacks.
void gate_halves(Report& report) {
    put_target();
    for (const Way way : {jump, call}) {
        const u64 at = far_code(way, 0);
        const auto check = [&](u32 cpl, u32 level, u64 selector, Fault fault) {
            gdt[target / 8] = target_descriptor(code_type, level, true, size64);
            put_pointer(0, selector, 0);
            Context c = ring(cpl, at);
            c.rbx = pointer_at;
            const Exit e = run(c);
            if (fault.vector != end_vector) {
                report.expect_exit(e, fault.vector, fault.error);
                report.expect("RIP", c.rip, e.rip);
                report.expect("RSP", c.rsp, e.rsp);
                report.expect("SS", c.ss, e.ss);
            } else {
                report.expect_exit(e, other_end, 0);
            }
        };
        const char* name = way == call ? "CALL" : "JMP";
        for (u32 bit = 32; bit < 64; ++bit) {
            if (!report.next()) continue;
            report.describe("%s through a gate with bit %u of its second half set", name, bit);
            gdt[gate_at / 8] = gate(target, offset, call_gate, 3);
            gdt[gate_at / 8 + 1] = u64{1} << bit;
            check(0, 0, gate_at, bit >= 40 && bit < 45 ? Fault{gp_vector, gate_at} : none);
        }
        for (const u64 to : {u64{1} << 47, ~u64{0} << 48, (~u64{0} << 47) - 1}) {
            for (u32 cpl = 0; cpl < 4; ++cpl) {
                if (!report.next()) continue;
                report.describe("%s through a gate to %x, CPL %u", name, to, cpl);
                gdt[gate_at / 8] = gate(target, to, call_gate, 3);
                gdt[gate_at / 8 + 1] = to >> 32;
                check(cpl, way == call ? 0 : cpl, gate_at, {gp_vector, 0});
            }
        }
        for (const u32 cut : {8u, 15u}) {
            if (!report.next()) continue;
            report.describe("%s through a gate of which the GDT's limit leaves %u bytes", name, cut);
            gdt[gdt_size / 8 - 2] = gate(target, offset, call_gate, 3);
            gdt[gdt_size / 8 - 1] = 0;
            load_gdt(gdt_size - 17 + cut, address(gdt));
            check(0, 0, gdt_size - 16, {gp_vector, gdt_size - 16});
            load_gdt(gdt_size - 1, address(gdt));
        }
        for (const u32 selector : {0u, 3u, u32{gdt_size}, 0x104u, u32{gdt_size} - 8}) {
            if (!report.next()) continue;
            report.describe("%s through a gate whose selector is %x", name, selector);
            gdt[gdt_size / 8 - 1] = 0;
            gdt[gate_at / 8] = gate(selector, offset, call_gate, 3);
            gdt[gate_at / 8 + 1] = 0;
            check(0, 0, gate_at, {gp_vector, selector & 0xFFFC});
        }
    }
    const u64 at = far_code(call, 0);
    for (u32 cpl = 1; cpl < 4; ++cpl) {
        for (u32 level = 0; level < cpl; ++level) {
            for (const u64 sp : {~u64{0} << 48, (u64{1} << 47) + 32, (u64{1} << 47) + 0x1000, u64{0}}) {
                if (!report.next()) continue;
                report.describe("CALL from %u to %u with RSP%u %x", cpl, level, level, sp);
                gdt[gate_at / 8] = gate(target, offset, call_gate, 3);
                gdt[gate_at / 8 + 1] = 0;
                gdt[target / 8] = target_descriptor(code_type, level, true, size64);
                put_pointer(0, gate_at, 0);
                Context c = ring(cpl, at);
                c.rbx = pointer_at;
                const u64 standard = tss.rsp[level];
                tss.rsp[level] = sp;
                const Exit e = run(c);
                tss.rsp[level] = standard;
                if (sp == 0) {
                    report.expect_exit(e, pf_vector, 2);
                    report.expect("CR2", ~u64{7}, e.cr2);
                } else {
                    report.expect_exit(e, ss_vector, 0);
                }
            }
            if (!report.next()) continue;
            report.describe("CALL from %u to %u, TSS ends before RSP%u", cpl, level, level);
            if (level == 0) {
                report.skip("the fault would need the same stack");
                continue;
            }
            gdt[gate_at / 8] = gate(target, offset, call_gate, 3);
            gdt[gate_at / 8 + 1] = 0;
            gdt[target / 8] = target_descriptor(code_type, level, true, size64);
            put_pointer(0, gate_at, 0);
            Context c = ring(cpl, at);
            c.rbx = pointer_at;
            set_wide(tss_selector, address(&tss), 4 + 8 * level + 6, tss_type);
            load_task(tss_selector);
            const Exit e = run(c);
            set_wide(tss_selector, address(&tss), sizeof tss - 1, tss_type);
            load_task(tss_selector);
            report.expect_exit(e, ts_vector, tss_selector);
        }
    }
}

constexpr Form forms[] = {
    {"long/jmp-direct", "SDM 2A JMP; 3A 5.8.1", jump64},
    {"long/jmp-direct-compatibility", "SDM 2A JMP; 3A 5.8.1", jump32},
    {"long/call-direct", "SDM 2A CALL; 3A 5.8.1", call64},
    {"long/call-direct-compatibility", "SDM 2A CALL; 3A 5.8.1", call32},
    {"long/far-offsets", "SDM 2A CALL, JMP", offsets},
    {"long/retf", "SDM 2B RET; 3A 5.8.6", codes<0>},
    {"long/retfq", "SDM 2B RET; 3A 5.8.6", codes<1>},
    {"long/retf-compatibility", "SDM 2B RET; 3A 5.8.6", codes<2>},
    {"long/iretd", "SDM 2A IRET; 3A 6.14.3", codes<3>},
    {"long/iretq", "SDM 2A IRET; 3A 6.14.3", codes<4>},
    {"long/iretd-compatibility", "SDM 2A IRET; 3A 6.14.3", codes<5>},
    {"long/retf-stack", "SDM 2B RET; 3A 5.8.6", stacks<0>},
    {"long/retfq-stack", "SDM 2B RET; 3A 5.8.6", stacks<1>},
    {"long/retf-stack-compatibility", "SDM 2B RET; 3A 5.8.6", stacks<2>},
    {"long/iretd-stack", "SDM 2A IRET; 3A 6.14.3", stacks<3>},
    {"long/iretq-stack", "SDM 2A IRET; 3A 6.14.3", stacks<4>},
    {"long/iretd-stack-compatibility", "SDM 2A IRET; 3A 6.14.3", stacks<5>},
    {"long/returns-odd", "SDM 2A IRET; 2B RET", return_odd},
    {"long/return-segments", "SDM 2B RET; 3A 5.8.6", return_segments},
    {"long/return-flags", "SDM 2A IRET; 2B POPF", return_flags},
    {"long/call-gate-jmp", "SDM 2A JMP; 3A 5.8.3.1", jump_gates},
    {"long/call-gate-call", "SDM 2A CALL; 3A 5.8.3.1, 5.8.5.1", call_gates},
    {"long/call-gate-halves", "SDM 3A 5.8.3.1, 5.8.5.1, 6.15", gate_halves},
};

} // namespace

Group transfer_forms() { return group(forms); }
