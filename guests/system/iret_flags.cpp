// The flags that IRET loads at each CPL and IOPL, and returns to and from virtual-8086 mode (SDM 2A, IRET; SDM 3A,
// 21.2.5, 21.2.7, 21.3.3.4).
#include "guests/system/iret.hpp"

using namespace gates;

namespace iret {

namespace {

constexpr u32 images[] = {2,
                          0xD7 | flag_of | flag_df,
                          flag_if | 2,
                          flag_tf | 2,
                          flag_nt | 2,
                          flag_iopl | 2,
                          0x1000 | flag_if | 2,
                          0x2000 | flag_nt | 3,
                          flag_ac | 2,
                          flag_id | flag_if | 2,
                          flag_vif | 2,
                          flag_vip | 2,
                          flag_vif | flag_vip | flag_iopl | 2,
                          flag_vm | 2,
                          flag_vm | flag_if | flag_iopl | flag_ac | 2,
                          0x003C'7FD7};
constexpr u32 outer_sp = 0x9000;
constexpr u32 currents[] = {2, flag_if | 0xD7 | flag_of, flag_ac | flag_id | flag_df | 2, flag_vif | 2, flag_vip | 2};

} // namespace

/// Every image at every level onto several states, to the same level and to level 3.
void flags(Report& report) {
    put_target();
    const u32 existing = existing_flags();
    for (const bool wide : {false, true}) {
        const void* at = iret_code(wide);
        for (u32 i = 0; i < 4 * 4 * 2; ++i) {
            const u32 cpl = i & 3, iopl = i >> 2 & 3, rpl = i >> 4 ? 3 : cpl;
            for (const u32 current : currents) {
                for (const u32 image : images) {
                    const bool to_virtual_mode = wide && cpl == 0 && (image & flag_vm);
                    if ((i >> 4 && cpl == 3) || to_virtual_mode || !report.next()) continue;
                    const u32 before = (current | iopl << 12) & existing;
                    report.describe("IRET of %u bits from %u to %u, EFLAGS %x, image %x", wide ? 32u : 16u, cpl, rpl,
                                    before, image);
                    gdt[target_selector / 8] = target_descriptor(code_type, rpl);
                    Context c = ring(cpl, at);
                    c.esp -= 0x40;
                    c.eflags = before;
                    const u32 frame[] = {target_offset, target_selector | rpl, image, outer_sp, flat_data(rpl)};
                    for (u32 k = 0; k < 5; ++k) put_slot(c.esp, k, wide, frame[k]);
                    u32 mask = always_loaded;
                    if (wide) mask |= flag_ac | flag_id;
                    if (cpl <= iopl) mask |= flag_if;
                    if (cpl == 0) mask |= flag_iopl | (wide ? flag_vif | flag_vip : 0);
                    mask &= existing;
                    const Exit e = run(c);
                    report.expect_exit(e, end_vector, 0);
                    report.expect("CS", target_selector | rpl, e.cs);
                    report.expect("EFLAGS", (before & ~mask) | (image & mask) | 2, e.eflags & ~flag_rf);
                }
            }
        }
    }
}

namespace {

/// The nine doublewords that lead from level 0 into virtual-8086 mode.
struct VirtualFrame {
    u32 eip = virtual_code & 15, cs = virtual_code >> 4, eflags = flag_vm | 2, esp = virtual_sp,
        ss = virtual_stack >> 4, es = 0x1111, ds = 0x2222, fs = 0x3333, gs = 0x4444;
};

} // namespace

void to_virtual(Report& report) {
    const void* at = iret_code(true);
    word(virtual_code) = 0x0B0F; // UD2
    const u32 existing = existing_flags();
    for (const u32 upper : {0u, 0xFFFF'0000u}) {
        for (const u32 esp : {0u, 0x100u, 0xFFFFu, 0x1234'0100u}) {
            for (u32 iopl = 0; iopl < 4; ++iopl) {
                for (const u32 set : {0u, flag_if, flag_tf, flag_nt, flag_ac | flag_id, flag_vif, flag_vip, 0xDD5u}) {
                    if (!report.next()) continue;
                    VirtualFrame f;
                    f.eflags |= iopl << 12 | set;
                    f.esp = esp;
                    for (u32* s : {&f.cs, &f.ss, &f.es, &f.ds, &f.fs, &f.gs}) *s |= upper;
                    report.describe("to virtual-8086 mode, EFLAGS %x, ESP %x, selectors' upper halves %x", f.eflags,
                                    esp, upper >> 16);
                    Context c = ring(0, at);
                    c.esp -= 0x40;
                    memcpy(reinterpret_cast<void*>(c.esp), &f, sizeof f);
                    const Exit e = run(c);
                    report.expect_exit(e, ud_vector, 0);
                    report.expect("EFLAGS", f.eflags & existing, e.eflags & ~flag_rf);
                    report.expect("CS", f.cs & 0xFFFF, e.cs);
                    report.expect("EIP", f.eip, e.eip);
                    report.expect("SS", f.ss & 0xFFFF, e.ss & 0xFFFF);
                    report.expect("ESP", esp, e.esp);
                    report.expect("ES", 0x1111, e.es & 0xFFFF);
                    report.expect("DS", 0x2222, e.ds & 0xFFFF);
                    report.expect("FS", 0x3333, e.fs & 0xFFFF);
                    report.expect("GS", 0x4444, e.gs & 0xFFFF);
                }
            }
        }
    }
}

/// A frame that the stack cuts, and an EIP that virtual-8086 code does not have.
void to_virtual_limits(Report& report) {
    constexpr u32 limit = 0xFFF, stack_base = arena_begin + 0x2000;
    const void* at = iret_code(true);
    word(virtual_code) = 0x0B0F;
    for (u32 room = 0; room <= 40; ++room) {
        for (const u32 eip : {0u, 0x1'0000u, 0xFFFF'FFFFu}) {
            if (!report.next()) continue;
            report.describe("to virtual-8086 mode, %u bytes on the stack, EIP %x", room, eip);
            gdt[stack_selector / 8] = descriptor(stack_base, limit, data_type, 0);
            VirtualFrame f;
            f.eip = eip;
            Context c = ring(0, at);
            c.ss = stack_selector;
            c.esp = limit + 1 - room;
            // Level 0's stack is both what is tested and what takes the fault: below ESP there is room. The context
            // itself is entered on it too, so the frame is put there by the context: it lies above ESP.
            memcpy(reinterpret_cast<void*>(stack_base + c.esp), &f, sizeof f);
            const Exit e = run(c);
            const bool fits = room >= 36, ok = fits && eip < 0x10000;
            report.expect_exit(e, ok ? ud_vector : fits ? gp_vector : ss_vector, 0);
            report.expect("CS", ok ? f.cs : c.cs, e.cs);
            report.expect("EIP", ok ? f.eip : c.eip, e.eip);
        }
    }
    reset_tables();
}

namespace {

struct VirtualReturn {
    bool wide, vme;
    u32 before, image, ip;
    u32 iopl() const { return before >> 12 & 3; }
};

/// SDM 2A, IRET: "return from virtual-8086 mode"; with VME and IOPL < 3 IF goes to VIF (SDM 3A, 21.3.3.4).
bool expected_flags(const VirtualReturn& r, u32& flags) {
    u32 mask = always_loaded;
    if (r.iopl() == 3) {
        mask |= flag_if | (r.wide ? flag_ac | flag_id : 0);
        mask &= existing_flags();
        flags = (r.before & ~mask) | (r.image & mask);
        return true;
    }
    if (!r.vme || r.wide) return false;
    const bool enables = r.image & flag_if;
    if ((r.image & flag_tf) || (enables && (r.before & flag_vip))) return false;
    flags = (r.before & ~(mask | flag_vif)) | (r.image & mask) | (enables ? flag_vif : 0);
    return true;
}

void check_from_virtual(Report& report, const VirtualReturn& r) {
    constexpr u8 bytes[] = {0x66, 0xCF};
    Context c = r.wide ? virtual_context(bytes, 2, r.before) : virtual_context(bytes + 1, 1, r.before);
    constexpr u32 target_cs = 0x720;
    word((target_cs << 4) + (r.ip & 0xFFFF)) = 0x0B0F;
    const u32 at = virtual_stack + virtual_sp;
    const u32 frame[] = {r.ip, target_cs, r.image};
    for (u32 i = 0; i < 3; ++i) put_slot(at, i, r.wide, frame[i]);
    if (r.vme) write_cr4(read_cr4() | cr4_vme);
    const Exit e = run(c);
    if (r.vme) write_cr4(read_cr4() & ~cr4_vme);
    u32 flags = 0;
    const bool ok = expected_flags(r, flags) && (!r.wide || r.ip <= 0xFFFF);
    report.expect_exit(e, ok ? ud_vector : gp_vector, 0);
    report.expect("CS", ok ? target_cs : c.cs, e.cs);
    report.expect("EIP", ok ? r.ip : c.eip, e.eip);
    report.expect("SP", ok ? c.esp + (r.wide ? 12 : 6) : c.esp, e.esp);
    report.expect("EFLAGS", (ok ? flags : c.eflags) | flag_vm | 2, e.eflags & ~flag_rf);
}

} // namespace

void from_virtual(Report& report) {
    const u32 existing = existing_flags();
    for (u32 i = 0; i < 2 * 2 * 4; ++i) {
        const bool wide = i & 1, vme = i >> 1 & 1;
        for (const u32 current : {currents[0], currents[1], currents[2], currents[3], currents[4], flag_nt | 2}) {
            for (const u32 image : images) {
                for (const u32 ip : {0x10u, 0x1'0010u}) {
                    if ((!wide && ip > 0xFFFF) || !report.next()) continue;
                    const u32 before = ((current | (i >> 2) << 12) & existing) | flag_vm;
                    report.describe("IRET of %u bits in virtual-8086 mode, VME %u, EFLAGS %x, image %x, EIP %x",
                                    wide ? 32u : 16u, u32{vme}, before, image, ip);
                    if (vme && !has_vme()) {
                        report.skip("no VME");
                        continue;
                    }
                    check_from_virtual(report, {wide, vme, before, image, ip});
                }
            }
        }
    }
}

} // namespace iret
