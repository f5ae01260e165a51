// Loading segment registers in 64-bit and compatibility code: every descriptor into every register at every level, null
// selectors, what a load does to the bases, and the tables' ends (SDM 2B, MOV, POP, LFS; SDM 3A 3.4.4, 5.5-5.7).
#include "guests/system64/system64.hpp"

namespace {

enum Register : u32 { es, cs, ss, ds, fs, gs };
constexpr const char* register_names[] = {"ES", "CS", "SS", "DS", "FS", "GS"};
constexpr u16 target = first_free;
constexpr u32 base = 0x0012'3450;

enum class Way : u32 { mov, pop, far_pointer };
constexpr const char* way_names[] = {"MOV", "POP", "Lseg"};

/// The load, from AX, the stack or [RBX]; 0 where the mode has no such instruction.
u64 load_code(Way way, u32 r, bool wide) {
    const u8 end[] = {0xCD, end_vector};
    u8 bytes[8] = {};
    u32 n = 0;
    const auto put = [&](u8 b) { bytes[n++] = b; };
    switch (way) {
    case Way::mov:
        put(0x8E);
        put(static_cast<u8>(0xC0 | r << 3));
        break;
    case Way::pop:
        if (wide && r < fs) return 0;
        if (r >= fs) put(0x0F);
        put(r == fs ? 0xA1 : r == gs ? 0xA9 : static_cast<u8>(0x07 + 8 * r));
        break;
    case Way::far_pointer:
        if (wide && (r == es || r == ds)) return 0;
        if (r == es || r == ds) {
            put(r == es ? 0xC4 : 0xC5);
        } else {
            put(0x0F);
            put(r == ss ? 0xB2 : r == fs ? 0xB4 : 0xB5);
        }
        put(0x0B); // ECX, [RBX]
        break;
    }
    put(end[0]);
    put(end[1]);
    return code(bytes, sizeof bytes);
}

Fault expected_load(u32 r, u32 type, u32 dpl, bool present, u32 rpl, u32 cpl) {
    if (r == ss) {
        if (rpl != cpl || !is_writable_data(type) || dpl != cpl) return {gp_vector, target};
        return present ? none : Fault{ss_vector, target};
    }
    if (!is_readable(type)) return {gp_vector, target};
    if (!is_conforming(type) && (rpl > dpl || cpl > dpl)) return {gp_vector, target};
    return present ? none : Fault{np_vector, target};
}

u64 loaded(const Exit& e, u32 r) {
    switch (r) {
    case es: return e.es;
    case ss: return e.ss;
    case ds: return e.ds;
    case fs: return e.fs;
    default: return e.gs;
    }
}

Context start(u64 at, bool wide, u32 cpl, u64 selector) {
    Context c = wide ? ring(cpl, at) : ring32(cpl, at);
    c.rsp -= 0x40;
    c.rbx = arena_begin;
    c.rax = selector;
    qword(c.rsp) = selector;
    qword(c.rbx) = selector << 32 | 0x1122'3344;
    return c;
}

void matrix(Report& report, Way way, bool wide) {
    for (const u32 r : {es, ss, ds, fs, gs}) {
        const u64 at = load_code(way, r, wide);
        if (at == 0) continue;
        for (u32 i = 0; i < 32 * 2 * 4 * 4 * 4; ++i) {
            if (!report.next()) continue;
            const u32 cpl = i & 3, rpl = i >> 2 & 3, dpl = i >> 4 & 3, type = i >> 7;
            const bool present = i >> 6 & 1;
            report.describe("%s %s in %s code: type %02x DPL %u P %u, RPL %u CPL %u", way_names[u32(way)],
                            register_names[r], wide ? "64-bit" : "compatibility", type, dpl, present, rpl, cpl);
            const u64 d = is_expand_down(type) ? descriptor(base, 0, type, dpl, present, size32)
                                               : descriptor(base, 0xFFFFF, type, dpl, present, size32, true);
            gdt[target / 8] = d;
            const Context c = start(at, wide, cpl, target | rpl);
            const Exit e = run(c);
            const Fault fault = expected_load(r, type, dpl, present, rpl, cpl);
            report.expect_exit(e, fault.vector, fault.error);
            const bool done = fault.vector == end_vector;
            report.expect("selector", done ? target | rpl : loaded(Exit{c}, r), loaded(e, r));
            report.expect("FS base", done && r == fs ? base : 0, e.fs_base);
            report.expect("GS base", done && r == gs ? base : 0, e.gs_base);
            report.expect("descriptor", d | (done ? u64{1} << 40 : 0), gdt[target / 8]);
            report.expect("RSP", c.rsp + (done && way == Way::pop ? (wide ? 8 : 4) : 0), e.rsp);
            if (way == Way::far_pointer) report.expect("ECX", done ? 0x1122'3344 : 0, e.rcx);
        }
    }
}

void mov64(Report& report) { matrix(report, Way::mov, true); }
void mov32(Report& report) { matrix(report, Way::mov, false); }
void pop64(Report& report) { matrix(report, Way::pop, true); }
void pop32(Report& report) { matrix(report, Way::pop, false); }
void far64(Report& report) { matrix(report, Way::far_pointer, true); }
void far32(Report& report) { matrix(report, Way::far_pointer, false); }

/// Null selectors; SS takes one in 64-bit code outside level 3, with the level as RPL.
void null_selectors(Report& report) {
    for (u32 w = 0; w < 3; ++w) {
        for (const bool wide : {true, false}) {
            for (const u32 r : {es, ss, ds, fs, gs}) {
                const u64 at = load_code(Way{w}, r, wide);
                if (at == 0) continue;
                for (u32 i = 0; i < 16; ++i) {
                    if (!report.next()) continue;
                    const u32 cpl = i & 3, rpl = i >> 2;
                    report.describe("%s %s in %s code: null, RPL %u CPL %u", way_names[w], register_names[r],
                                    wide ? "64-bit" : "compatibility", rpl, cpl);
                    gdt[target / 8] = descriptor(base, 0xFFFFF, data_type, 3, true, size32, true);
                    Context c = start(at, wide, cpl, rpl);
                    c.fs = c.gs = target | 3;
                    const Exit e = run(c);
                    const Fault fault = r != ss || (wide && cpl != 3 && rpl == cpl) ? none : Fault{gp_vector, 0};
                    report.expect_exit(e, fault.vector, fault.error);
                    const bool done = fault.vector == end_vector, clears = features().null_clears_base;
                    report.expect("selector", done ? rpl : loaded(Exit{c}, r), loaded(e, r));
                    report.expect("FS base", r == fs && clears ? 0 : base, e.fs_base);
                    report.expect("GS base", r == gs && clears ? 0 : base, e.gs_base);
                }
            }
        }
    }
}

/// The ends of the two tables, and bases beyond what a descriptor can say.
void places(Report& report) {
    struct Place {
        const char* what;
        u32 selector;
        bool found;
    };
    constexpr Place list[] = {{"last GDT entry", gdt_size - 8, true},   {"beyond the GDT", gdt_size, false},
                              {"cut by the GDT's limit", 0x200, false}, {"first LDT entry", 4, true},
                              {"last LDT entry", 0xFC, true},           {"beyond the LDT", 0x104, false},
                              {"top selector", 0xFFF8, false}};
    for (const bool wide : {true, false}) {
        for (const u32 r : {es, ss, ds, fs, gs}) {
            const u64 at = load_code(Way::mov, r, wide);
            for (const Place& p : list) {
                for (u32 cpl = 0; cpl < 4; ++cpl) {
                    if (!report.next()) continue;
                    report.describe("MOV %s in %s code: %s, CPL %u", register_names[r],
                                    wide ? "64-bit" : "compatibility", p.what, cpl);
                    const u64 d = descriptor(base, 0xFFFFF, data_type, cpl, true, size32, true);
                    gdt[gdt_size / 8 - 1] = ldt[0] = ldt[31] = d;
                    if (p.selector == 0x200) load_gdt(0x206, address(gdt));
                    const Exit e = run(start(at, wide, cpl, p.selector | cpl));
                    load_gdt(gdt_size - 1, address(gdt));
                    report.expect_exit(e, p.found ? end_vector : gp_vector, p.found ? 0 : p.selector);
                }
            }
        }
    }
}

/// Bases and limits of CS, DS, ES and SS are without effect in 64-bit code; FS and GS have bases and no limits.
void ignored(Report& report) {
    struct Access {
        const char* name;
        u8 bytes[8];
        bool base;
    };
    constexpr Access accesses[] = {{"DS", {0x8B, 0x03, 0xCD, end_vector}, false},
                                   {"ES prefix", {0x26, 0x8B, 0x03, 0xCD, end_vector}, false},
                                   {"CS prefix", {0x2E, 0x8B, 0x03, 0xCD, end_vector}, false},
                                   {"SS prefix", {0x36, 0x8B, 0x03, 0xCD, end_vector}, false},
                                   {"FS", {0x64, 0x8B, 0x03, 0xCD, end_vector}, true},
                                   {"GS", {0x65, 0x8B, 0x03, 0xCD, end_vector}, true},
                                   {"DS store", {0x89, 0x0B, 0xCD, end_vector}, false},
                                   {"FS store", {0x64, 0x89, 0x0B, 0xCD, end_vector}, true}};
    constexpr u32 types[] = {0x11, 0x13, 0x15, 0x17, 0x1B, 0x1F};
    for (const Access& a : accesses) {
        const u64 at = code(a.bytes);
        for (const u32 type : types) {
            for (const u32 limit : {0u, 0xFFFu, 0xFFFFFu}) {
                for (const u32 cpl : {0u, 3u}) {
                    if (!report.next()) continue;
                    report.describe("access through %s of type %02x with limit %x, CPL %u", a.name, type, limit, cpl);
                    gdt[target / 8] = descriptor(0x10'0000, limit, type, 3, true, size32);
                    dword(arena_begin) = 0x1111'2222;
                    dword(arena_begin + 0x10'0000) = 0x3333'4444;
                    Context c = ring(cpl, at);
                    c.ds = c.es = c.fs = c.gs = target | 3;
                    c.rbx = arena_begin;
                    c.rcx = 0x5555'6666;
                    const Exit e = run(c);
                    report.expect_exit(e, end_vector, 0);
                    const u64 there = arena_begin + (a.base ? 0x10'0000 : 0);
                    if (a.bytes[0] == 0x89 || a.bytes[1] == 0x89)
                        report.expect("stored", 0x5555'6666, dword(there));
                    else
                        report.expect("EAX", dword(there), e.rax);
                }
            }
        }
    }
}

constexpr Form forms[] = {
    {"long/segments-mov", "SDM 2B MOV; 3A 5.6, 5.7", mov64},
    {"long/segments-mov-compatibility", "SDM 2B MOV; 3A 5.6, 5.7", mov32},
    {"long/segments-pop", "SDM 2B POP", pop64},
    {"long/segments-pop-compatibility", "SDM 2B POP", pop32},
    {"long/segments-far-pointer", "SDM 2A LSS, LFS, LGS", far64},
    {"long/segments-far-pointer-compatibility", "SDM 2A LDS, LES, LFS, LGS, LSS", far32},
    {"long/segments-null", "SDM 2B MOV; 3A 5.4.1.1", null_selectors},
    {"long/segments-places", "SDM 3A 3.5.1", places},
    {"long/segments-ignored", "SDM 3A 3.4.4", ignored},
};

} // namespace

Group segment_forms() { return group(forms); }
