// SYSENTER and SYSEXIT: fixed flat segments, whatever the descriptor tables say (SDM 2B, SYSENTER, SYSEXIT; SDM 3A,
// 5.8.7).
#include "guests/system/gates.hpp"

namespace gates {

namespace {

constexpr u32 msr_cs = 0x174, msr_esp = 0x175, msr_eip = 0x176, sep_bit = 1u << 11, level_virtual = 4;
constexpr u32 kernel_esp_value = arena_begin + 0x7000, user_esp_value = arena_begin + 0x7800;
constexpr u32 selector_values[] = {0, 1, 3, kernel_code, kernel_code | 3, 0x1000, 0xFFE0, 0x1'0008};

bool has_sysenter() { return features().edx & sep_bit; }

void expect_refused(Report& report, const Context& c, const Exit& e) {
    report.expect_exit(e, gp_vector, 0);
    report.expect("CS", c.cs, e.cs);
    report.expect("EIP", c.eip, e.eip);
    report.expect("EFLAGS", c.eflags, e.eflags & ~flag_rf);
}

} // namespace

void sysenter(Report& report) {
    constexpr u32 virtual_code = 0x7000;
    constexpr u8 bytes[] = {0x0F, 0x34}, end[] = {0xCD, end_vector};
    const void* at = code(bytes);
    const void* target = code(end);
    for (u32 level = 0; level <= level_virtual; ++level) {
        for (const u32 selector : selector_values) {
            for (const u32 flags : {0u, flag_if | flag_cf, flag_iopl | flag_nt | flag_df}) {
                if (!report.next()) continue;
                report.describe("SYSENTER, level %u (4: virtual-8086), SYSENTER_CS %x, EFLAGS %x", level, selector,
                                flags);
                if (!has_sysenter()) {
                    report.skip("no SYSENTER");
                    continue;
                }
                memcpy(reinterpret_cast<void*>(virtual_code), bytes, sizeof bytes);
                Context c = level == level_virtual ? virtual_8086(virtual_code, 0x8000) : ring(level, at);
                c.eflags = flags | 2 | (level == level_virtual ? flag_vm : 0);
                write_msr(msr_cs, selector);
                write_msr(msr_esp, kernel_esp_value);
                write_msr(msr_eip, address(target));
                const Exit e = run(c);
                if ((selector & 0xFFFC) == 0) {
                    expect_refused(report, c, e);
                    continue;
                }
                report.expect_exit(e, end_vector, 0);
                report.expect("CS", selector & 0xFFFC, e.cs);
                report.expect("SS", (selector & 0xFFFC) + 8, e.ss);
                report.expect("EIP", address(target) + 2, e.eip);
                report.expect("ESP", kernel_esp_value, e.esp);
                report.expect("EFLAGS", c.eflags & ~(flag_vm | flag_if), e.eflags);
            }
        }
    }
    if (has_sysenter()) write_msr(msr_cs, 0);
}

void sysexit(Report& report) {
    constexpr u32 virtual_code = 0x7000;
    constexpr u8 bytes[] = {0x0F, 0x35}, end[] = {0xCD, end_vector};
    const void* at = code(bytes);
    const void* target = code(end);
    for (u32 level = 0; level <= level_virtual; ++level) {
        for (const u32 selector : selector_values) {
            for (const u32 flags : {0u, flag_if | flag_cf, flag_iopl | flag_nt | flag_df}) {
                if (!report.next()) continue;
                report.describe("SYSEXIT, level %u (4: virtual-8086), SYSENTER_CS %x, EFLAGS %x", level, selector,
                                flags);
                if (!has_sysenter()) {
                    report.skip("no SYSENTER");
                    continue;
                }
                memcpy(reinterpret_cast<void*>(virtual_code), bytes, sizeof bytes);
                Context c = level == level_virtual ? virtual_8086(virtual_code, 0x8000) : ring(level, at);
                c.eflags = flags | 2 | (level == level_virtual ? flag_vm : 0);
                c.ecx = user_esp_value;
                c.edx = address(target);
                write_msr(msr_cs, selector);
                const Exit e = run(c);
                if (level != 0 || (selector & 0xFFFC) == 0) {
                    expect_refused(report, c, e);
                    continue;
                }
                report.expect_exit(e, end_vector, 0);
                report.expect("CS", ((selector + 16) | 3) & 0xFFFF, e.cs);
                report.expect("SS", ((selector + 24) | 3) & 0xFFFF, e.ss);
                report.expect("EIP", address(target) + 2, e.eip);
                report.expect("ESP", user_esp_value, e.esp);
                report.expect("EFLAGS", c.eflags, e.eflags);
            }
        }
    }
    if (has_sysenter()) write_msr(msr_cs, 0);
}

} // namespace gates
