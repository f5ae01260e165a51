// Far transfers in virtual-8086 mode, which know no descriptors (SDM 2, JMP, CALL, RET: "real-address or virtual-8086
// mode"), and frames on stacks whose pointer has 16 bits (SDM 3A, 5.8.5; SDM 1, 6.2.3).
#include "guests/system/gates.hpp"

namespace gates {

namespace {

constexpr u32 code_at = 0x7000, stack_at = 0x8000, target_cs = 0x720, target_ip = 0x35;

struct Virtual {
    Way way;
    bool returns, immediate;
};

/// Puts the instruction at code_at and returns its length. 66h makes it one of 32 bits.
u32 put_virtual(const Virtual& v, u32 ip) {
    u8* out = reinterpret_cast<u8*>(code_at);
    const bool wide = !(v.way & 2), calls = v.way & 1;
    u32 n = 0;
    if (wide) out[n++] = 0x66;
    if (v.returns) {
        out[n++] = calls ? 0xCA : 0xCB; // RETF 6, RETF
        if (calls) out[n++] = 6, out[n++] = 0;
    } else if (v.immediate) {
        out[n++] = calls ? 0x9A : 0xEA;
        for (u32 i = 0; i < (wide ? 4 : 2); ++i) out[n++] = static_cast<u8>(ip >> 8 * i);
        out[n++] = target_cs & 0xFF;
        out[n++] = target_cs >> 8;
    } else {
        out[n++] = 0xFF;
        out[n++] = calls ? 0x1F : 0x2F; // [BX]
    }
    return n;
}

void check_virtual(Report& report, const Virtual& v, u32 ip) {
    const bool wide = !(v.way & 2), calls = v.way & 1, pushes = calls && !v.returns;
    const u32 size = wide ? 4 : 2, length = put_virtual(v, ip);
    word((target_cs << 4) + (ip & 0xFFFF)) = 0x0B0F; // UD2
    Context c = virtual_8086(code_at, stack_at);
    c.eflags = flag_vm | 2; // IOPL 0: it plays no part
    c.esp = 0x100;
    c.ebx = 0x40;
    c.ds = 0x900;
    dword(0x9040) = ip;
    word(0x9040 + size) = target_cs;
    const u32 top = stack_at + 0x100;
    if (v.returns) {
        dword(top) = ip;
        word(top + size) = target_cs;
    }
    const Exit e = run(c);
    const bool ok = ip <= 0xFFFF;
    report.expect_exit(e, ok ? ud_vector : gp_vector, 0);
    report.expect("CS", ok ? target_cs : c.cs, e.cs);
    report.expect("EIP", ok ? ip : c.eip, e.eip);
    u32 sp = c.esp;
    if (ok && pushes) sp -= 2 * size;
    if (ok && v.returns) sp += 2 * size + (calls ? 6 : 0);
    report.expect("SP", sp, e.esp);
    if (!ok || !pushes) return;
    expect_slot(report, "return IP", length, stack_at + e.esp, 0, wide);
    expect_slot(report, "return CS", c.cs, stack_at + e.esp, 1, wide, true);
}

} // namespace

void virtual_far(Report& report) {
    for (const Way way : {jump, call, jump16, call16}) {
        for (const u32 form : {0u, 1u, 2u}) {
            for (const u32 ip : {target_ip, 0xFFF0u, 0x1'0035u, 0xFFFF'FFFFu}) {
                if (((way & 2) && ip > 0xFFFF) || !report.next()) continue;
                constexpr const char* forms[] = {"through memory", "immediate", "as a RETF (with 6 bytes for CALL)"};
                report.describe("%s %s in virtual-8086 mode, IP %x", way_names[way], forms[form], ip);
                check_virtual(report, {way, form == 2, form == 1}, ip);
            }
        }
    }
}

/// A call gate and INT n from level 3 to level 1, with stacks of 16 and 32 bits on either side.
void small_stacks(Report& report) {
    constexpr u16 outer_selector = first_free + 0x18;
    constexpr u32 inner_base = arena_begin + 0x3'0000, outer_base = arena_begin + 0x5'0000;
    constexpr u8 int_bytes[] = {0xCD, vector_in_use, 0x0F, 0x0B};
    put_target();
    const Tss saved = tss;
    for (u32 i = 0; i < 2 * 2 * 2 * 2 * 3 * 2; ++i) {
        if (!report.next()) continue;
        const bool by_int = i & 1, wide = i >> 1 & 1, inner_big = i >> 2 & 1, outer_big = i >> 3 & 1;
        const u32 parameters = by_int ? 0 : i / 16 % 3 * 3;
        const bool at_top = i / 48 && !inner_big; // SP 0: the first push goes to the end of the segment
        const u32 inner = at_top ? 0 : 0x800, outer = 0x400, size = wide ? 4 : 2;
        report.describe("%s of %u bits, stacks of %u and %u bits, %u parameters, inner SP %x",
                        by_int ? "INT" : "call gate", wide ? 32u : 16u, outer_big ? 32u : 16u, inner_big ? 32u : 16u,
                        parameters, inner);
        gdt[target_selector / 8] = target_descriptor(code_type, 1);
        gdt[stack_selector / 8] = descriptor(inner_base, 0xFFFF, data_type, 1, true, inner_big);
        gdt[outer_selector / 8] = descriptor(outer_base, 0xFFFF, data_type, 3, true, outer_big);
        const u64 g = gate(target_selector, gate_offset, (wide ? 8u : 0u) | (by_int ? interrupt_gate16 : call_gate16),
                           3, true, parameters);
        gdt[gate_selector / 8] = g;
        idt[vector_in_use] = g;
        put_pointer(call, gate_selector, 0);
        set_inner_stack(1, stack_selector | 1, inner);
        Context c = ring(3, by_int ? code(int_bytes) : far_code(call));
        c.ebx = pointer_at;
        c.ss = outer_selector | 3;
        c.esp = outer;
        for (u32 k = 0; k < 8; ++k) dword(outer_base + outer + 4 * k) = 0x0101'1010 * (k + 1);
        const Exit e = run(c);
        tss = saved;
        report.expect_exit(e, end_vector, 0);
        const u32 slots = (by_int ? 5 : 4) + parameters, sp = (inner - slots * size) & 0xFFFF;
        report.expect("SS", stack_selector | 1, e.ss);
        report.expect("SP", sp, e.esp & 0xFFFF);
        const u32 frame = inner_base + sp;
        expect_slot(report, "return EIP", c.eip + 2, frame, 0, wide);
        expect_slot(report, "return CS", c.cs, frame, 1, wide, true);
        for (u32 k = 0; k < parameters; ++k)
            expect_slot(report, "parameter", slot(outer_base + outer, k, wide), frame, 2 + k, wide);
        expect_slot(report, "old SP", outer, frame, slots - 2, wide, true);
        expect_slot(report, "old SS", c.ss, frame, slots - 1, wide, true);
    }
    reset_tables();
}

} // namespace gates
