// Instructions about descriptors: LLDT, LTR, LAR, LSL, VERR, VERW, ARPL (SDM 2; SDM 3A, 2.4, 5.10), and where none of
// them exists or is allowed.
#include "guests/system/privilege.hpp"
#include "guests/system/segments.hpp"

namespace segments {

namespace {

constexpr u32 combinations = 32 * 2 * 4 * 4 * 4;
/// One descriptor, selector and level of the full matrix.
struct Combination {
    u32 type, dpl, rpl, cpl;
    bool present;
    explicit Combination(u32 i)
        : type(i >> 7), dpl(i >> 4 & 3), rpl(i >> 2 & 3), cpl(i & 3), present((i >> 6 & 1) != 0) {}
    void describe(Report& report, const char* what) const {
        report.describe("%s, type %02x DPL %u P %u, RPL %u CPL %u", what, type, dpl, u32{present}, rpl, cpl);
    }
};

constexpr u8 lldt_code[] = {0x0F, 0x00, 0xD0, 0x0F, 0x00, 0xC2, 0xCD, 0x80}; // LLDT AX; SLDT EDX
constexpr u8 ltr_code[] = {0x0F, 0x00, 0xD8, 0x0F, 0x00, 0xCA, 0xCD, 0x80};  // LTR AX; STR EDX
constexpr u8 lar_code[] = {0x0F, 0x02, 0xC8, 0xCD, 0x80};                    // LAR ECX, EAX
constexpr u8 lar16_code[] = {0x66, 0x0F, 0x02, 0xC8, 0xCD, 0x80};
constexpr u8 lsl_code[] = {0x0F, 0x03, 0xC8, 0xCD, 0x80}; // LSL ECX, EAX
constexpr u8 lsl16_code[] = {0x66, 0x0F, 0x03, 0xC8, 0xCD, 0x80};
constexpr u8 verr_code[] = {0x0F, 0x00, 0xE0, 0xCD, 0x80};       // VERR AX
constexpr u8 verw_code[] = {0x0F, 0x00, 0xE8, 0xCD, 0x80};       // VERW AX
constexpr u8 arpl_code[] = {0x63, 0xD1, 0xCD, 0x80};             // ARPL CX, DX
constexpr u8 arpl_memory_code[] = {0x63, 0x13, 0xCD, 0x80};      // ARPL [EBX], DX
constexpr u32 other_flags = flag_cf | flag_of | flag_df | 2 | 4; // that must stay

Exit load(const void* at, u32 selector, u32 cpl) {
    Context c = ring(cpl, at);
    c.eax = selector;
    return run(c);
}

void expect_descriptor(Report& report, u64 expected) {
    report.expect("descriptor, low", low(expected), low(gdt[first_free / 8]));
    report.expect("descriptor, high", high(expected), high(gdt[first_free / 8]));
}

} // namespace

void lldt(Report& report) {
    const void* at = code(lldt_code);
    for (u32 i = 0; i < combinations; ++i) {
        if (!report.next()) continue;
        const Combination k(i);
        k.describe(report, "LLDT");
        const u64 d = descriptor(address(ldt), sizeof ldt - 1, k.type, k.dpl, k.present);
        gdt[first_free / 8] = d;
        const Exit e = load(at, first_free | k.rpl, k.cpl);
        if (k.cpl != 0)
            report.expect_exit(e, gp_vector, 0);
        else if (k.type != ldt_type)
            report.expect_exit(e, gp_vector, first_free);
        else if (!k.present)
            report.expect_exit(e, np_vector, first_free);
        else
            report.expect_exit(e, end_vector, 0);
        if (e.vector == end_vector) report.expect("SLDT", first_free | k.rpl, e.edx);
        expect_descriptor(report, d);
        load_ldt(ldt_selector);
    }
}

void ltr(Report& report) {
    const void* at = code(ltr_code);
    for (u32 i = 0; i < combinations; ++i) {
        if (!report.next()) continue;
        const Combination k(i);
        k.describe(report, "LTR");
        const u64 d = descriptor(address(&tss), sizeof tss - 1, k.type, k.dpl, k.present, false);
        gdt[first_free / 8] = d;
        const Exit e = load(at, first_free | k.rpl, k.cpl);
        u64 after = d;
        if (k.cpl != 0)
            report.expect_exit(e, gp_vector, 0);
        else if (k.type != tss16_type && k.type != tss32_type)
            report.expect_exit(e, gp_vector, first_free);
        else if (!k.present)
            report.expect_exit(e, np_vector, first_free);
        else {
            report.expect_exit(e, end_vector, 0);
            report.expect("STR", first_free | k.rpl, e.edx);
            after |= u64{busy} << 40;
        }
        expect_descriptor(report, after);
        load_task(tss_selector);
    }
}

// --- LAR, LSL, VERR, VERW
// -----------------------------------------------------------------------------------------------

namespace {

/// SDM 2A, LAR: the types that it accepts. LSL takes no gates.
constexpr bool lar_accepts(u32 type) {
    constexpr u32 system = 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 9 | 1u << 11 | 1u << 12;
    return (type & 0x10) || (system >> type & 1);
}
constexpr bool lsl_accepts(u32 type) {
    constexpr u32 system = 1u << 1 | 1u << 2 | 1u << 3 | 1u << 9 | 1u << 11;
    return (type & 0x10) || (system >> type & 1);
}
constexpr bool verr_accepts(u32 type) { return is_readable(type); }
constexpr bool verw_accepts(u32 type) { return is_writable_data(type); }

constexpr Limit limits[] = {{0, false}, {0xFFFFF, false}, {0x12345, false},
                            {0, true},  {0xFFFFF, true},  {0x54321, true}};

constexpr u32 lar_defined = 0xFFF0'FFFF; // SDM 2A, LAR: bits 16-19 are undefined
constexpr u32 before = 0xA5A5'5A5A;

/// The instruction on a selector of the GDT's free entry or on one that finds nothing.
void check_inspection(Report& report, const void* at, u32 selector, u32 cpl, bool visible, u32 result,
                      u32 defined = ~0u) {
    Context c = ring(cpl, at);
    c.eax = 0xFFFF'0000 | selector; // only the low half is the selector
    c.ecx = before;
    c.eflags = other_flags | (visible ? 0 : flag_zf);
    const Exit e = run(c);
    report.expect_exit(e, end_vector, 0);
    report.expect("EFLAGS", other_flags | (visible ? flag_zf : 0), e.eflags);
    report.expect("ECX", (visible ? result : before) & defined, e.ecx & defined);
}

using Accepts = bool (*)(u32 type);
using Result = u32 (*)(u64 d, const Limit& limit);

void inspect(Report& report, const void* at, const char* name, Accepts accepts, Result result, u32 defined = ~0u) {
    constexpr u64 available_for_use = u64{1} << 52;
    for (u32 i = 0; i < combinations; ++i) {
        if (!report.next()) continue;
        const Combination k(i);
        k.describe(report, name);
        const Limit& limit = limits[(k.type + k.dpl + k.rpl) % 6];
        const u64 d = descriptor(0x1234'5678, limit.raw, k.type, k.dpl, k.present, k.rpl & 1, limit.granular) |
                      (k.cpl & 1 ? available_for_use : 0);
        gdt[first_free / 8] = d;
        const bool visible = accepts(k.type) && (is_conforming(k.type) || (k.dpl >= k.cpl && k.dpl >= k.rpl));
        check_inspection(report, at, first_free | k.rpl, k.cpl, visible, result(d, limit), defined);
        expect_descriptor(report, d);
    }
}

u32 rights(u64 d, const Limit&) { return high(d) & 0x00F0'FF00; }
u32 rights16(u64 d, const Limit&) { return (before & 0xFFFF'0000) | (high(d) & 0xFF00); }
u32 limit32(u64, const Limit& limit) { return limit.bytes(); }
u32 limit16(u64, const Limit& limit) { return (before & 0xFFFF'0000) | (limit.bytes() & 0xFFFF); }
u32 unchanged(u64, const Limit&) { return before; }

} // namespace

void lar(Report& report) { inspect(report, code(lar_code), "LAR", lar_accepts, rights, lar_defined); }
void lar16(Report& report) { inspect(report, code(lar16_code), "LAR, 16 bits", lar_accepts, rights16); }
void lsl(Report& report) { inspect(report, code(lsl_code), "LSL", lsl_accepts, limit32); }
void lsl16(Report& report) { inspect(report, code(lsl16_code), "LSL, 16 bits", lsl_accepts, limit16); }
void verr(Report& report) { inspect(report, code(verr_code), "VERR", verr_accepts, unchanged); }
void verw(Report& report) { inspect(report, code(verw_code), "VERW", verw_accepts, unchanged); }

// --- selectors that find nothing, or something in the LDT
// -----------------------------------------------------------------------------------------------

namespace {

struct Place {
    const char* what;
    u32 selector;
    bool found;
};
constexpr Place places[] = {
    {"null", 0, false},
    {"last GDT entry", gdt_size - 8, true},
    {"beyond the GDT", gdt_size, false},
    {"top selector", 0xFFF8, false},
    {"first LDT entry", 4, true},
    {"last LDT entry", 0xFC, true},
    {"beyond the LDT", 0x104, false},
    {"top LDT selector", 0xFFFC, false},
};

void loads_of_places(Report& report) {
    for (const bool task : {false, true}) {
        const void* at = task ? code(ltr_code) : code(lldt_code);
        gdt[gdt_size / 8 - 1] = ldt[0] = ldt[31] =
            descriptor(address(&tss), sizeof tss - 1, task ? tss32_type : ldt_type, 0);
        for (const Place& p : places) {
            for (u32 i = 0; i < 16; ++i) {
                if (!report.next()) continue;
                const u32 cpl = i & 3, rpl = i >> 2;
                report.describe("%s, %s, RPL %u CPL %u", task ? "LTR" : "LLDT", p.what, rpl, cpl);
                const Exit e = load(at, p.selector | rpl, cpl);
                const bool null = p.selector == 0;
                const bool ok = cpl == 0 && ((p.found && !(p.selector & 4)) || (null && !task));
                report.expect_exit(e, ok ? end_vector : gp_vector, ok || cpl != 0 ? 0 : p.selector);
                if (ok) report.expect("selector", p.selector, e.edx & 0xFFFC);
                if (task) {
                    load_task(tss_selector);
                    gdt[gdt_size / 8 - 1] &= ~(u64{busy} << 40);
                } else {
                    load_ldt(ldt_selector);
                }
            }
        }
    }
}

void inspections_of_places(Report& report) {
    const struct {
        const char* name;
        const void* at;
        u32 result;
    } instructions[] = {{"LAR", code(lar_code), 0xC0F300},
                        {"LSL", code(lsl_code), 0x0FFF'FFFF},
                        {"VERR", code(verr_code), before},
                        {"VERW", code(verw_code), before}};
    // A limit of zero in bits 16-19, which LAR leaves undefined.
    const u64 d = descriptor(0, 0xFFFF, data_type, 3, true, true, true);
    gdt[gdt_size / 8 - 1] = ldt[0] = ldt[31] = d;
    for (const auto& instruction : instructions) {
        for (const Place& p : places) {
            for (u32 i = 0; i < 16; ++i) {
                if (!report.next()) continue;
                const u32 cpl = i & 3, rpl = i >> 2;
                report.describe("%s, %s, RPL %u CPL %u", instruction.name, p.what, rpl, cpl);
                check_inspection(report, instruction.at, p.selector | rpl, cpl, p.found, instruction.result);
            }
        }
    }
}

} // namespace

void table_selectors(Report& report) {
    loads_of_places(report);
    inspections_of_places(report);
    reset_tables();
}

// --- ARPL, and who may do what
// -----------------------------------------------------------------------------------------------

void arpl(Report& report) {
    constexpr u32 uppers[] = {0, 0xFFFC, 0x1234, 0xFFFF'0008};
    for (const bool memory : {false, true}) {
        const void* at = memory ? code(arpl_memory_code) : code(arpl_code);
        for (u32 i = 0; i < 4 * 4 * 4 * 4; ++i) {
            if (!report.next()) continue;
            const u32 cpl = i & 3, from = i >> 2 & 3, to = i >> 4 & 3, upper = uppers[i >> 6];
            report.describe("ARPL %s, RPL %u to %u, CPL %u", memory ? "memory" : "register", to, from, cpl);
            const bool raises = to < from;
            Context c = ring(cpl, at);
            c.ebx = arena_begin;
            c.ecx = dword(arena_begin) = upper | to;
            c.edx = 0x7774 | from;
            c.eflags = other_flags | (raises ? 0 : flag_zf);
            const Exit e = run(c);
            report.expect_exit(e, end_vector, 0);
            report.expect("EFLAGS", other_flags | (raises ? flag_zf : 0), e.eflags);
            report.expect("destination", upper | (raises ? from : to), memory ? dword(arena_begin) : e.ecx);
        }
    }
}

namespace {

/// Instructions that level 0 alone may execute (SDM 3A, 5.9), and those that virtual-8086 mode does not know (21.2.2).
struct Restricted {
    const char* name;
    u8 bytes[4];
    u32 outer_vector, virtual_vector; ///< end_vector: allowed
    bool needs_486 = false;
};
constexpr Restricted restricted[] = {
    {"SLDT", {0x0F, 0x00, 0xC0}, end_vector, ud_vector},
    {"STR", {0x0F, 0x00, 0xC8}, end_vector, ud_vector},
    {"LLDT", {0x0F, 0x00, 0xD0}, gp_vector, ud_vector},
    {"LTR", {0x0F, 0x00, 0xD8}, gp_vector, ud_vector},
    {"VERR", {0x0F, 0x00, 0xE0}, end_vector, ud_vector},
    {"VERW", {0x0F, 0x00, 0xE8}, end_vector, ud_vector},
    {"LAR", {0x0F, 0x02, 0xC0}, end_vector, ud_vector},
    {"LSL", {0x0F, 0x03, 0xC0}, end_vector, ud_vector},
    {"ARPL", {0x63, 0xC0, 0x90}, end_vector, ud_vector},
    {"SGDT", {0x0F, 0x01, 0x07}, end_vector, end_vector},
    {"SIDT", {0x0F, 0x01, 0x0F}, end_vector, end_vector},
    {"LGDT", {0x0F, 0x01, 0x17}, gp_vector, gp_vector},
    {"LIDT", {0x0F, 0x01, 0x1F}, gp_vector, gp_vector},
    {"SMSW", {0x0F, 0x01, 0xE0}, end_vector, end_vector},
    {"LMSW", {0x0F, 0x01, 0xF0}, gp_vector, gp_vector},
    {"INVLPG", {0x0F, 0x01, 0x3F}, gp_vector, gp_vector, true},
    {"CLTS", {0x0F, 0x06, 0x90}, gp_vector, gp_vector},
    {"HLT", {0xF4, 0x90, 0x90}, gp_vector, gp_vector},
    {"INVD", {0x0F, 0x08, 0x90}, gp_vector, gp_vector, true},
    {"WBINVD", {0x0F, 0x09, 0x90}, gp_vector, gp_vector, true},
    {"MOV EAX, CR0", {0x0F, 0x20, 0xC0}, gp_vector, gp_vector},
    {"MOV EAX, CR2", {0x0F, 0x20, 0xD0}, gp_vector, gp_vector},
    {"MOV EAX, CR3", {0x0F, 0x20, 0xD8}, gp_vector, gp_vector},
    {"MOV CR0, EAX", {0x0F, 0x22, 0xC0}, gp_vector, gp_vector},
    {"MOV CR2, EAX", {0x0F, 0x22, 0xD0}, gp_vector, gp_vector},
    {"MOV CR3, EAX", {0x0F, 0x22, 0xD8}, gp_vector, gp_vector},
    {"MOV EAX, DR0", {0x0F, 0x21, 0xC0}, gp_vector, gp_vector},
    {"MOV EAX, DR6", {0x0F, 0x21, 0xF0}, gp_vector, gp_vector},
    {"MOV EAX, DR7", {0x0F, 0x21, 0xF8}, gp_vector, gp_vector},
    {"MOV DR0, EAX", {0x0F, 0x23, 0xC0}, gp_vector, gp_vector},
    {"MOV DR7, EAX", {0x0F, 0x23, 0xF8}, gp_vector, gp_vector},
};

} // namespace

void only_protected(Report& report) {
    constexpr u32 virtual_code = 0x7000, level_virtual = 4;
    for (const Restricted& r : restricted) {
        u8 bytes[6];
        memcpy(bytes, r.bytes, 3);
        bytes[3] = 0xCD;
        bytes[4] = end_vector;
        const void* at = code(bytes);
        for (u32 level = 1; level <= level_virtual; ++level) {
            if (!report.next()) continue;
            report.describe(level == level_virtual ? "%s in virtual-8086 mode" : "%s at level %u", r.name, level);
            if (r.needs_486 && !features().cpuid) {
                report.skip("needs a 486");
                continue;
            }
            memcpy(reinterpret_cast<void*>(virtual_code), bytes, sizeof bytes);
            Context c = level == level_virtual ? virtual_8086(virtual_code, 0x8000) : ring(level, at);
            c.edi = c.ebx = level == level_virtual ? 0x80 : arena_begin;
            const Exit e = run(c);
            report.expect_exit(e, level == level_virtual ? r.virtual_vector : r.outer_vector, 0);
            if (e.vector != end_vector) report.expect("EIP", c.eip, e.eip);
        }
    }
}

} // namespace segments
