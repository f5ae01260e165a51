// Loading segment registers: every descriptor type, privilege and presence as MOV, POP and the far-pointer loads check
// them, what selectors find, and the accessed bit (SDM 2, MOV, POP, LDS; SDM 3A, 3.4.5.1, 5.4-5.7).
#include "guests/system/segments.hpp"

#include "guests/system/privilege.hpp"

using namespace segments;

namespace {

enum Via : u32 { mov, pop, far_pointer };
constexpr const char* via_names[] = {"MOV", "POP", "far pointer to"};
constexpr u32 pointer_offset = 0x12345678, pointer_at = arena_begin;

/// MOV sreg, AX; POP sreg; L?S ECX, [EBX]; then the end.
const void* loader(Register reg, Via via) {
    constexpr u8 pops[][2] = {{0x07}, {}, {0x17}, {0x1F}, {0x0F, 0xA1}, {0x0F, 0xA9}};
    constexpr u8 pointers[][2] = {{0xC4}, {}, {0x0F, 0xB2}, {0xC5}, {0x0F, 0xB4}, {0x0F, 0xB5}};
    u8 bytes[8];
    u32 n = 0;
    if (via == mov) {
        bytes[n++] = 0x8E;
        bytes[n++] = static_cast<u8>(0xC0 | reg << 3);
    } else {
        const u8(&op)[2] = via == pop ? pops[reg] : pointers[reg];
        bytes[n++] = op[0];
        if (op[0] == 0x0F) bytes[n++] = op[1];
        if (via == far_pointer) bytes[n++] = 0x0B;
    }
    bytes[n++] = 0xCD;
    bytes[n++] = end_vector;
    return code(bytes, n);
}

struct Fault {
    u32 vector, error;
};
constexpr Fault none{end_vector, 0};

/// MOV's pseudo-code for a selector that finds its descriptor.
Fault expected_of(Register reg, u32 type, bool present, u32 dpl, u32 rpl, u32 cpl, u32 error) {
    if (reg == SS) {
        if (rpl != cpl || dpl != cpl || !is_writable_data(type)) return {gp_vector, error};
        return present ? none : Fault{ss_vector, error};
    }
    if (!is_readable(type)) return {gp_vector, error};
    if (!is_conforming(type) && (rpl > dpl || cpl > dpl)) return {gp_vector, error};
    return present ? none : Fault{np_vector, error};
}

/// Loads `selector` at `cpl` and compares with what must come of it.
void check_load(Report& report, const void* at, Register reg, Via via, u32 selector, u32 cpl, Fault fault) {
    Context c = ring(cpl, at);
    c.eax = selector;
    c.ebx = pointer_at;
    dword(pointer_at) = pointer_offset;
    dword(pointer_at + 4) = selector;
    if (via == pop) dword(c.esp -= 4) = selector;
    const Exit e = run(c);
    report.expect_exit(e, fault.vector, fault.error);
    const bool ok = fault.vector == end_vector;
    report.expect(register_names[reg], ok ? selector : register_of(c, reg), register_of(e, reg));
    const bool popped = via == pop && ok;
    // At level 0 without a stack switch ESP is only comparable when the stack is the same one.
    report.expect("ESP", popped ? c.esp + 4 : c.esp, e.esp);
    report.expect("ECX", via == far_pointer && ok ? pointer_offset : 0, e.ecx);
    if (!ok) report.expect("EIP", c.eip, e.eip);
}

template <Register reg, Via via> void load(Report& report) {
    const void* at = loader(reg, via);
    for (u32 i = 0; i < 32 * 2 * 4 * 4 * 4; ++i) {
        if (!report.next()) continue;
        const u32 cpl = i & 3, rpl = i >> 2 & 3, dpl = i >> 4 & 3, type = i >> 7;
        const bool present = i >> 6 & 1;
        report.describe("%s %s, type %02x DPL %u P %u, RPL %u CPL %u", via_names[via], register_names[reg], type, dpl,
                        u32{present}, rpl, cpl);
        const u64 d = whole(type, dpl, present);
        gdt[first_free / 8] = d;
        const Fault fault = expected_of(reg, type, present, dpl, rpl, cpl, first_free);
        check_load(report, at, reg, via, first_free | rpl, cpl, fault);
        const bool marked = fault.vector == end_vector;
        report.expect("descriptor, low", low(d), low(gdt[first_free / 8]));
        report.expect("descriptor, high", high(d) | (marked ? 0x100 : 0), high(gdt[first_free / 8]));
    }
}

/// Where selectors lead: nowhere, beyond a table, to its last entry, into the LDT, which may be missing.
struct SelectorCase {
    const char* what;
    u32 selector, gdt_limit, ldt_limit; ///< LDT limit 0: no LDT
    bool found;
};
constexpr SelectorCase selector_cases[] = {
    {"null", 0, gdt_size - 1, 0xFF, false},
    {"GDT entry", first_free, gdt_size - 1, 0xFF, true},
    {"last GDT entry", first_free, first_free + 7, 0xFF, true},
    {"cut last GDT entry", first_free, first_free + 6, 0xFF, false},
    {"entry of which only a byte is in the GDT", first_free, first_free, 0xFF, false},
    {"beyond the GDT", gdt_size, gdt_size - 1, 0xFF, false},
    {"far beyond the GDT", 0xFFF8, gdt_size - 1, 0xFF, false},
    {"first LDT entry", 4, gdt_size - 1, 0xFF, true},
    {"LDT entry", 0x14, gdt_size - 1, 0xFF, true},
    {"last LDT entry", 0x14, gdt_size - 1, 0x17, true},
    {"cut last LDT entry", 0x14, gdt_size - 1, 0x16, false},
    {"beyond the LDT", 0x104, gdt_size - 1, 0xFF, false},
    {"far beyond the LDT", 0xFFFC, gdt_size - 1, 0xFF, false},
    {"first entry without an LDT", 4, gdt_size - 1, 0, false},
    {"entry without an LDT", 0x14, gdt_size - 1, 0, false},
};

void prepare_tables(const SelectorCase& s, u64 d) {
    memset(gdt + first_free / 8, 0, gdt_size - first_free);
    if (s.selector < gdt_size && s.selector >= first_free && !(s.selector & 4)) gdt[s.selector / 8] = d;
    for (u64& entry : ldt) entry = d;
    gdt[ldt_selector / 8] = descriptor(address(ldt), s.ldt_limit, ldt_type, 0, true, false);
    load_ldt(s.ldt_limit ? ldt_selector : 0);
    load_gdt(s.gdt_limit);
}

void selectors(Report& report) {
    for (u32 via = mov; via <= far_pointer; ++via) {
        for (const Register reg : {ES, SS, DS, FS, GS}) {
            const void* at = loader(reg, static_cast<Via>(via));
            for (const SelectorCase& s : selector_cases) {
                for (u32 i = 0; i < 16; ++i) {
                    if (!report.next()) continue;
                    const u32 cpl = i & 3, rpl = i >> 2;
                    report.describe("%s %s, %s, RPL %u CPL %u", via_names[via], register_names[reg], s.what, rpl, cpl);
                    prepare_tables(s, whole(data_type, cpl));
                    Fault fault{gp_vector, s.selector};
                    if (s.found)
                        fault = expected_of(reg, data_type, true, cpl, rpl, cpl, s.selector);
                    else if (s.selector == 0 && reg != SS)
                        fault = none;
                    check_load(report, at, reg, static_cast<Via>(via), s.selector | rpl, cpl, fault);
                    load_gdt(gdt_size - 1);
                }
            }
        }
    }
    reset_tables();
}

/// CS cannot be loaded so, and registers 6 and 7 do not exist: #UD, before the selector is looked at.
void no_register(Report& report) {
    for (const u32 reg : {1u, 6u, 7u}) {
        const u8 bytes[] = {0x8E, static_cast<u8>(0xC0 | reg << 3), 0xCD, 0x80};
        const void* at = code(bytes);
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (const u32 selector : {0u, u32{flat_data(3)}, 0xFFFFu}) {
                if (!report.next()) continue;
                report.describe("MOV to segment register %u, selector %x, CPL %u", reg, selector, cpl);
                Context c = ring(cpl, at);
                c.eax = selector;
                const Exit e = run(c);
                report.expect_exit(e, ud_vector, 0);
                report.expect("EIP", c.eip, e.eip);
            }
        }
    }
}

/// Virtual-8086 mode looks at no descriptor (SDM 3A, 21.2.1): every selector loads and is a base.
void check_virtual(Report& report, Register reg, u32 selector, u32 code_at) {
    const u8 bytes[] = {0x8E, static_cast<u8>(0xC0 | reg << 3), override_prefixes[reg], 0x8A, 0x1F, 0xCD,
                        0x80}; // MOV BL, [BX]
    memcpy(reinterpret_cast<void*>(code_at), bytes, sizeof bytes);
    Context c = virtual_8086(code_at, 0x8000);
    c.eax = selector;
    c.ebx = 0x20;
    c.esp = 0x100;
    const u32 target = (selector << 4) + 0x20;
    const u8 before = byte(target);
    byte(target) = 0xA5;
    const Exit e = run(c);
    byte(target) = before;
    report.expect_exit(e, end_vector, 0);
    report.expect(register_names[reg], selector, register_of(e, reg));
    report.expect("BL", 0xA5, e.ebx);
}

void virtual_loads(Report& report) {
    constexpr u32 code_at = 0x7000;
    for (const u32 selector : {0x60u, 0x63u, 0x900u, 0x1237u, 0x7FFFu, 0x8888u}) {
        for (const Register reg : {ES, SS, DS, FS, GS}) {
            if (!report.next()) continue;
            report.describe("virtual-8086: MOV %s, selector %x", register_names[reg], selector);
            check_virtual(report, reg, selector, code_at);
        }
    }
}

constexpr Form forms[] = {
    {"segments/mov-es", "SDM 2B MOV; 3A 5.6", load<ES, mov>},
    {"segments/mov-ss", "SDM 2B MOV; 3A 5.7", load<SS, mov>},
    {"segments/mov-ds", "SDM 2B MOV; 3A 5.6", load<DS, mov>},
    {"segments/mov-fs", "SDM 2B MOV; 3A 5.6", load<FS, mov>},
    {"segments/mov-gs", "SDM 2B MOV; 3A 5.6", load<GS, mov>},
    {"segments/pop-es", "SDM 2B POP; 3A 5.6", load<ES, pop>},
    {"segments/pop-ss", "SDM 2B POP; 3A 5.7", load<SS, pop>},
    {"segments/pop-ds", "SDM 2B POP; 3A 5.6", load<DS, pop>},
    {"segments/pop-fs", "SDM 2B POP; 3A 5.6", load<FS, pop>},
    {"segments/pop-gs", "SDM 2B POP; 3A 5.6", load<GS, pop>},
    {"segments/les", "SDM 2A LES; 3A 5.6", load<ES, far_pointer>},
    {"segments/lss", "SDM 2A LSS; 3A 5.7", load<SS, far_pointer>},
    {"segments/lds", "SDM 2A LDS; 3A 5.6", load<DS, far_pointer>},
    {"segments/lfs", "SDM 2A LFS; 3A 5.6", load<FS, far_pointer>},
    {"segments/lgs", "SDM 2A LGS; 3A 5.6", load<GS, far_pointer>},
    {"segments/selectors", "SDM 3A 3.4.2, 3.5.1", selectors},
    {"segments/no-register", "SDM 2B MOV", no_register},
    {"segments/virtual-8086", "SDM 3A 21.2.1", virtual_loads},
    {"segments/operand-sizes", "SDM 2B MOV, PUSH, POP", segments::operand_sizes},
    {"segments/cached", "SDM 3A 3.4.3", segments::cached},
    {"segments/conforming-level", "SDM 3A 5.8.1.2", segments::conforming_level},
    {"segments/lldt", "SDM 2A LLDT", segments::lldt},
    {"segments/ltr", "SDM 2A LTR", segments::ltr},
    {"segments/table-selectors", "SDM 2A LLDT, LTR", segments::table_selectors},
    {"segments/lar", "SDM 2A LAR", segments::lar},
    {"segments/lar16", "SDM 2A LAR", segments::lar16},
    {"segments/lsl", "SDM 2A LSL", segments::lsl},
    {"segments/lsl16", "SDM 2A LSL", segments::lsl16},
    {"segments/verr", "SDM 2B VERR", segments::verr},
    {"segments/verw", "SDM 2B VERW", segments::verw},
    {"segments/arpl", "SDM 2A ARPL", segments::arpl},
    {"segments/only-protected", "SDM 3A 21.2.2", segments::only_protected},
    {"segments/limits-ds", "SDM 3A 5.3, 5.5", segments::limits_ds},
    {"segments/limits-es", "SDM 3A 5.3, 5.5", segments::limits_es},
    {"segments/limits-fs", "SDM 3A 5.3, 5.5", segments::limits_fs},
    {"segments/limits-gs", "SDM 3A 5.3, 5.5", segments::limits_gs},
    {"segments/limits-ss", "SDM 3A 5.3, 5.5", segments::limits_ss},
    {"segments/limits-cs", "SDM 3A 5.3, 5.5", segments::limits_cs},
    {"segments/null-access", "SDM 3A 5.4.1", segments::null_access},
    {"segments/stack-limits", "SDM 3A 5.3, 6.15 #SS", segments::stack_limits},
    {"segments/fetch-limit", "SDM 3A 5.3", segments::fetch_limit},
    {"segments/jump-limit", "SDM 2A JMP, CALL; 2B RET", segments::jump_limit},
};

} // namespace

Group segment_forms() { return group(forms); }
