// Interrupts and exceptions in virtual-8086 mode: IOPL, gates to level 0 and elsewhere, the long frame, and the
// redirection bitmap of VME (SDM 3A, 21.3; SDM 2A, INT n).
#include "guests/system/gates.hpp"

namespace gates {

namespace {

constexpr u32 code_at = 0x7000, stack_at = 0x8000, vme_bit = 1;

enum Source : u32 { by_int, by_int3, by_exception };
constexpr const char* source_names[] = {"INT n", "INT3", "#UD"};
constexpr u32 vectors[] = {vector_in_use, 3, ud_vector};

void put_code(Source s) {
    constexpr u8 bytes[][4] = {{0xCD, vector_in_use, 0x0F, 0x0B}, {0xCC, 0x0F, 0x0B}, {0x0F, 0x0B}};
    memcpy(reinterpret_cast<void*>(code_at), bytes[s], 4);
}
constexpr u32 length_of(Source s) { return s == by_int ? 2 : s == by_int3 ? 1 : 0; }

Context start(u32 iopl) {
    Context c = virtual_8086(code_at, stack_at);
    c.eflags = flag_vm | iopl << 12 | flag_if | 2 | flag_cf | flag_nt;
    c.esp = 0x100;
    c.ds = 0x1111;
    c.es = 0x2222;
    c.fs = 0x3333;
    c.gs = 0x4444;
    return c;
}

struct Case {
    u32 gate_type, gate_dpl, type, dpl, iopl;
    bool gate_present, present;
};

Fault expected_of(Source s, const Case& k) {
    const u32 ext = s == by_exception ? 1 : 0, idt_error = vectors[s] * 8 + 2 + ext;
    if (s == by_int && k.iopl < 3) return {gp_vector, 0};
    if (s != by_exception && k.gate_dpl < 3) return {gp_vector, idt_error};
    if (!k.gate_present) return {np_vector, idt_error};
    if (!is_code(k.type)) return {gp_vector, target_selector | ext};
    if (!k.present) return {np_vector, target_selector | ext};
    if (is_conforming(k.type) || k.dpl != 0) return {gp_vector, target_selector | ext};
    return none;
}

void check(Report& report, Source s, const Case& k) {
    const u32 vector = vectors[s];
    const u64 standard = idt[vector];
    idt[vector] = gate(target_selector, gate_offset, k.gate_type, k.gate_dpl, k.gate_present);
    gdt[target_selector / 8] = target_descriptor(k.type, k.dpl, k.present);
    const Context c = start(k.iopl);
    const Exit e = run(c);
    idt[vector] = standard;
    const Fault fault = expected_of(s, k);
    report.expect_exit(e, fault.vector, fault.error);
    if (fault.vector != end_vector) {
        report.expect("EFLAGS", c.eflags | flag_rf, e.eflags);
        report.expect("CS", c.cs, e.cs);
        report.expect("EIP", c.eip, e.eip);
        report.expect("GS", c.gs, e.gs);
        return;
    }
    const bool wide = k.gate_type & 8;
    report.expect("CS", target_selector, e.cs);
    report.expect("EIP", reached(k.gate_type), e.eip);
    report.expect("SS", flat_data(0), e.ss);
    report.expect("ESP", tss.esp0 - (wide ? 36 : 18), e.esp);
    const u32 cleared = flag_vm | flag_nt | flag_tf | (k.gate_type & 1 ? 0 : flag_if);
    report.expect("EFLAGS", c.eflags & ~cleared, e.eflags);
    report.expect("DS", 0, e.ds);
    report.expect("ES", 0, e.es);
    report.expect("FS", 0, e.fs);
    report.expect("GS", 0, e.gs);
    const u32 frame[] = {
        c.eip + length_of(s), c.cs, c.eflags | (s == by_exception ? flag_rf : 0), c.esp, c.ss, c.es, c.ds, c.fs, c.gs};
    constexpr const char* names[] = {"pushed EIP", "pushed CS", "pushed EFLAGS", "pushed ESP", "pushed SS",
                                     "pushed ES",  "pushed DS", "pushed FS",     "pushed GS"};
    for (u32 i = 0; i < 9; ++i) expect_slot(report, names[i], frame[i], e.esp, i, wide, i == 1 || i > 3);
}

void matrix(Report& report, Source s) {
    put_target();
    put_code(s);
    for (const u32 gate_type : {interrupt_gate16, trap_gate16, interrupt_gate32, trap_gate32}) {
        for (const u32 type : {code_type, conforming_type, data_type}) {
            for (u32 i = 0; i < 4 * 4 * 4 * 2 * 2; ++i) {
                if (!report.next()) continue;
                const Case k{gate_type, i & 3, type, i >> 2 & 3, i >> 4 & 3, (i >> 6 & 1) != 0, (i >> 7 & 1) != 0};
                report.describe("%s, IOPL %u, gate type %x DPL %u P %u to type %02x DPL %u P %u", source_names[s],
                                k.iopl, gate_type, k.gate_dpl, u32{k.gate_present}, type, k.dpl, u32{k.present});
                check(report, s, k);
            }
        }
    }
}

// --- VME
// ------------------------------------------------------------------------------------------------

constexpr u16 vme_task = first_free + 0x18;
constexpr u32 vme_tss = arena_begin + 0x3000, bitmap_at = vme_tss + 104, map_at = bitmap_at + 32;
constexpr u32 handler_ip = 0x40;

/// A TSS with a redirection bitmap (SDM 3A, figure 21-5): the 32 bytes before the I/O map.
void put_task(bool redirected) {
    memcpy(reinterpret_cast<void*>(vme_tss), &tss, sizeof tss);
    word(vme_tss + 102) = static_cast<u16>(map_at - vme_tss);
    // Every other bit says the opposite.
    memset(reinterpret_cast<void*>(bitmap_at), redirected ? 0xFF : 0, 32);
    byte(bitmap_at + vector_in_use / 8) ^= static_cast<u8>(1u << vector_in_use % 8);
    memset(reinterpret_cast<void*>(map_at), 0xFF, 16);
    gdt[vme_task / 8] = descriptor(vme_tss, map_at - vme_tss + 15, tss32_type, 0, true, false);
    load_task(vme_task);
}

/// SDM 3A, table 21-2. A clear bit sends INT n to the 8086 program's handler.
void check_vme(Report& report, bool redirected, u32 iopl, u32 flags) {
    put_task(redirected);
    put_code(by_int);
    word(code_at + handler_ip) = 0x0B0F; // UD2: an end that no IOPL forbids
    const u32 vector_at = vector_in_use * 4, standard = dword(vector_at);
    dword(vector_at) = code_at >> 4 << 16 | handler_ip;
    idt[vector_in_use] = gate(kernel_code, stub(vector_in_use), interrupt_gate32, 3);
    Context c = start(iopl);
    c.eflags = flag_vm | iopl << 12 | 2 | flags;
    write_cr4(read_cr4() | vme_bit);
    const Exit e = run(c);
    write_cr4(read_cr4() & ~vme_bit);
    dword(vector_at) = standard;
    load_task(tss_selector);
    if (!redirected) {
        report.expect_exit(e, iopl == 3 ? vector_in_use : gp_vector, 0);
        report.expect("EIP", c.eip + (iopl == 3 ? 2 : 0), e.eip);
        return;
    }
    report.expect_exit(e, ud_vector, 0);
    report.expect("EIP", handler_ip, e.eip);
    report.expect("CS", code_at >> 4, e.cs);
    report.expect("SP", c.esp - 6, e.esp);
    const u32 at = stack_at + e.esp;
    report.expect("pushed IP", c.eip + 2, word(at));
    report.expect("pushed CS", c.cs, word(at + 2));
    u32 image = c.eflags & 0xFFFF;
    if (iopl < 3) image = (image & ~flag_if) | flag_iopl | (c.eflags & flag_vif ? flag_if : 0);
    report.expect("pushed FLAGS", image, word(at + 4));
    const u32 cleared = flag_tf | (iopl < 3 ? flag_vif : flag_if);
    report.expect("EFLAGS", (c.eflags & ~cleared) | flag_rf, e.eflags);
}

} // namespace

void virtual_int(Report& report) { matrix(report, by_int); }
void virtual_int3(Report& report) { matrix(report, by_int3); }
void virtual_exception(Report& report) { matrix(report, by_exception); }

void virtual_vme(Report& report) {
    for (const bool redirected : {false, true}) {
        for (u32 iopl = 0; iopl < 4; ++iopl) {
            for (u32 set = 0; set < 32; ++set) {
                // With VIF and VIP a virtual interrupt would be due at once.
                if ((set & 6) == 6 || !report.next()) continue;
                const u32 flags = (set & 1 ? flag_if : 0) | (set & 2 ? flag_vif : 0) | (set & 4 ? flag_vip : 0) |
                                  (set & 8 ? flag_nt : 0) | (set & 16 ? flag_tf : 0);
                report.describe("VME, bit %u, IOPL %u, EFLAGS %x", redirected ? 0u : 1u, iopl, flags);
                if (!(features().edx & 2)) {
                    report.skip("no VME");
                    continue;
                }
                check_vme(report, redirected, iopl, flags);
            }
        }
    }
    reset_tables();
}

} // namespace gates
