// POPF, PUSHF, CLI and STI at each CPL and IOPL, in virtual-8086 mode, with VME and PVI (SDM 2; SDM 3A, 21.2.7, 21.3,
// 21.4).
#include "guests/system/iret.hpp"

namespace iret {

namespace {

constexpr u32 images[] = {2,
                          0xD7 | flag_of | flag_df,
                          flag_if | 2,
                          flag_tf | 2,
                          flag_nt | flag_if | 2,
                          flag_iopl | 2,
                          0x1000 | flag_if | 3,
                          flag_ac | flag_id | 2,
                          flag_vif | flag_vip | 2,
                          flag_vm | flag_rf | 2,
                          0x003F'7ED7,
                          0x003F'7FD7};
constexpr u32 currents[] = {2,
                            flag_if | 0xD7,
                            flag_nt | flag_df | 2,
                            flag_ac | flag_id | 2,
                            flag_vif | 2,
                            flag_vip | 2,
                            flag_vif | flag_if | 2};

constexpr u8 popf_bytes[] = {0x66, 0x9D, 0xCD, end_vector}, pushf_bytes[] = {0x66, 0x9C, 0xCD, end_vector};

void set_cr4(u32 bits, bool on) {
    if (has_vme()) write_cr4(on ? read_cr4() | bits : read_cr4() & ~bits);
}

} // namespace

void popf(Report& report) {
    const u32 existing = existing_flags();
    for (const bool wide : {false, true}) {
        const void* at = wide ? code(popf_bytes + 1, 3) : code(popf_bytes, 4);
        for (u32 i = 0; i < 4 * 4 * 2; ++i) {
            const u32 cpl = i & 3, iopl = i >> 2 & 3;
            const bool pvi = i >> 4;
            for (const u32 current : currents) {
                for (const u32 image : images) {
                    if (!report.next()) continue;
                    const u32 before = (current | iopl << 12) & existing;
                    report.describe("POPF of %u bits, CPL %u, PVI %u, EFLAGS %x, image %x", wide ? 32u : 16u, cpl,
                                    u32{pvi}, before, image);
                    if (pvi && !has_vme()) {
                        report.skip("no PVI");
                        continue;
                    }
                    Context c = ring(cpl, at);
                    c.esp -= 16;
                    c.eflags = before;
                    dword(c.esp) = image;
                    u32 mask = always_loaded | (wide ? flag_ac | flag_id : 0); // VIF, VIP, VM stay; RF is cleared
                    if (cpl <= iopl) mask |= flag_if;
                    if (cpl == 0) mask |= flag_iopl;
                    mask &= existing;
                    if (pvi) set_cr4(cr4_pvi, true);
                    const Exit e = run(c);
                    if (pvi) set_cr4(cr4_pvi, false);
                    report.expect_exit(e, end_vector, 0);
                    report.expect("EFLAGS", (before & ~mask) | (image & mask), e.eflags);
                    report.expect("ESP", c.esp + (wide ? 4 : 2), e.esp);
                }
            }
        }
    }
}

void popf_virtual(Report& report) {
    constexpr u8 bytes[] = {0x66, 0x9D};
    const u32 existing = existing_flags();
    for (u32 i = 0; i < 2 * 2 * 4; ++i) {
        const bool wide = i & 1, vme = i >> 1 & 1;
        const u32 iopl = i >> 2;
        for (const u32 current : currents) {
            for (const u32 image : images) {
                if (!report.next()) continue;
                const u32 before = ((current | iopl << 12) & existing) | flag_vm;
                report.describe("POPF of %u bits in virtual-8086 mode, VME %u, EFLAGS %x, image %x", wide ? 32u : 16u,
                                u32{vme}, before, image);
                if (vme && !has_vme()) {
                    report.skip("no VME");
                    continue;
                }
                const bool enables = image & flag_if;
                const bool virtualized = iopl < 3 && vme && !wide;
                bool ok = iopl == 3 || virtualized;
                if (virtualized && ((image & flag_tf) || (enables && (before & flag_vip)))) ok = false;
                u32 mask = always_loaded | (wide ? flag_ac | flag_id : 0) | (virtualized ? flag_vif : flag_if);
                mask &= existing;
                u32 loaded = image & mask;
                if (virtualized) loaded = (loaded & ~flag_vif) | (enables ? flag_vif : 0);
                const Context c = wide ? virtual_context(bytes, 2, before) : virtual_context(bytes + 1, 1, before);
                dword(virtual_stack + virtual_sp) = image;
                if (vme) set_cr4(cr4_vme, true);
                const Exit e = run(c);
                if (vme) set_cr4(cr4_vme, false);
                report.expect_exit(e, ok ? ud_vector : gp_vector, 0);
                report.expect("EFLAGS", ok ? (before & ~mask) | loaded : before, e.eflags & ~flag_rf);
                report.expect("SP", c.esp + (ok ? wide ? 4 : 2 : 0), e.esp);
            }
        }
    }
}

/// What PUSHF writes: VM and RF are 0; with VME below IOPL 3, IOPL reads as 3 and IF is VIF.
void pushf(Report& report) {
    constexpr u8 virtual_bytes[] = {0x66, 0x9C};
    constexpr u32 level_virtual = 4;
    const u32 existing = existing_flags();
    for (u32 i = 0; i < 2 * 2 * 4 * 5; ++i) {
        const bool wide = i & 1, extended = i >> 1 & 1;
        const u32 iopl = i >> 2 & 3, level = i >> 4;
        const void* at = wide ? code(pushf_bytes + 1, 3) : code(pushf_bytes, 4);
        for (const u32 current : currents) {
            if (!report.next()) continue;
            const bool is_virtual = level == level_virtual;
            const u32 before = ((current | iopl << 12) & existing) | (is_virtual ? flag_vm : 0);
            report.describe("PUSHF of %u bits, level %u (4: virtual-8086), VME and PVI %u, EFLAGS %x", wide ? 32u : 16u,
                            level, u32{extended}, before);
            if (extended && !has_vme()) {
                report.skip("no VME");
                continue;
            }
            Context c = ring(level & 3, at);
            c.esp -= 16;
            c.eflags = before;
            // The operand size is 16 bits there unless a prefix says so.
            if (is_virtual)
                c = wide ? virtual_context(virtual_bytes, 2, before) : virtual_context(virtual_bytes + 1, 1, before);
            const bool limited = is_virtual && iopl < 3, ok = !limited || (extended && !wide);
            u32 image = before & ~(flag_vm | flag_rf);
            if (limited) image = (image & ~flag_if) | flag_iopl | (before & flag_vif ? flag_if : 0);
            if (extended) set_cr4(cr4_vme | cr4_pvi, true);
            const Exit e = run(c);
            if (extended) set_cr4(cr4_vme | cr4_pvi, false);
            report.expect_exit(e, !ok ? gp_vector : is_virtual ? ud_vector : end_vector, 0);
            report.expect("EFLAGS", before, e.eflags & ~flag_rf);
            report.expect("ESP", c.esp - (ok ? wide ? 4 : 2 : 0), e.esp);
            if (!ok) continue;
            const u32 pushed = dword(is_virtual ? virtual_stack + e.esp : e.esp), mask = wide ? ~0u : 0xFFFF;
            report.expect("image", image & mask, pushed & mask);
        }
    }
}

/// SDM 2A, CLI, and 2B, STI: the decision tables.
void cli_sti(Report& report) {
    constexpr u32 level_virtual = 4;
    const u32 existing = existing_flags();
    for (const bool sets : {false, true}) {
        const u8 bytes[] = {static_cast<u8>(sets ? 0xFB : 0xFA), 0xCD, end_vector};
        const void* at = code(bytes);
        for (u32 i = 0; i < 2 * 2 * 4 * 5; ++i) {
            const bool vme = i & 1, pvi = i >> 1 & 1;
            const u32 iopl = i >> 2 & 3, level = i >> 4;
            for (const u32 current : currents) {
                if (!report.next()) continue;
                const bool is_virtual = level == level_virtual;
                const u32 before = ((current | iopl << 12) & existing) | (is_virtual ? flag_vm : 0);
                report.describe("%s, level %u (4: virtual-8086), VME %u PVI %u, EFLAGS %x", sets ? "STI" : "CLI", level,
                                u32{vme}, u32{pvi}, before);
                if ((vme || pvi) && !has_vme()) {
                    report.skip("no VME or PVI");
                    continue;
                }
                Context c = ring(level & 3, at);
                c.eflags = before;
                if (is_virtual) c = virtual_context(bytes, 1, before);
                const bool real = is_virtual ? iopl == 3 : level <= iopl;
                const bool virtualized = !real && (is_virtual ? vme : level == 3 && pvi);
                const bool ok = real || (virtualized && !(sets && (before & flag_vip)));
                const u32 flag = real ? flag_if : flag_vif;
                const u32 after = !ok ? before : sets ? before | flag : before & ~flag;
                if (vme) set_cr4(cr4_vme, true);
                if (pvi) set_cr4(cr4_pvi, true);
                const Exit e = run(c);
                set_cr4(cr4_vme | cr4_pvi, false);
                report.expect_exit(e, !ok ? gp_vector : is_virtual ? ud_vector : end_vector, 0);
                report.expect("EFLAGS", after, e.eflags & ~flag_rf);
                if (!ok) report.expect("EIP", c.eip, e.eip);
            }
        }
    }
}

} // namespace iret
