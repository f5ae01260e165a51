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

struct Attempt {
    u32 level, selector;
    Context context; ///< at the instruction, on that level with those flags
};

/// Calls `run_one` for each level, SYSENTER_CS and set of flags. `bytes`: the instruction.
void attempts(Report& report, const char* name, const u8 (&bytes)[2], void (*run_one)(Report&, const Attempt&)) {
    constexpr u32 virtual_code = 0x7000;
    const void* at = code(bytes);
    for (u32 level = 0; level <= level_virtual; ++level) {
        for (const u32 selector : selector_values) {
            for (const u32 flags : {0u, flag_if | flag_cf, flag_iopl | flag_nt | flag_df}) {
                if (!report.next()) continue;
                report.describe("%s, level %u (4: virtual-8086), SYSENTER_CS %x, EFLAGS %x", name, level, selector,
                                flags);
                if (!has_sysenter()) {
                    report.skip("no SYSENTER");
                    continue;
                }
                memcpy(reinterpret_cast<void*>(virtual_code), bytes, sizeof bytes);
                Context c = level == level_virtual ? virtual_8086(virtual_code, 0x8000) : ring(level, at);
                c.eflags = flags | 2 | (level == level_virtual ? flag_vm : 0);
                write_msr(msr_cs, selector);
                run_one(report, {level, selector, c});
            }
        }
    }
    if (has_sysenter()) write_msr(msr_cs, 0);
}

const void* target() {
    constexpr u8 end[] = {0xCD, end_vector};
    return code(end);
}

void enter(Report& report, const Attempt& a) {
    const u32 eip = address(target());
    write_msr(msr_esp, kernel_esp_value);
    write_msr(msr_eip, eip);
    const Context& c = a.context;
    const Exit e = run(c);
    if ((a.selector & 0xFFFC) == 0) return expect_refused(report, c, e);
    report.expect_exit(e, end_vector, 0);
    report.expect("CS", a.selector & 0xFFFC, e.cs);
    report.expect("SS", (a.selector & 0xFFFC) + 8, e.ss);
    report.expect("EIP", eip + 2, e.eip);
    report.expect("ESP", kernel_esp_value, e.esp);
    report.expect("EFLAGS", c.eflags & ~(flag_vm | flag_if), e.eflags);
}

void leave(Report& report, const Attempt& a) {
    Context c = a.context;
    c.ecx = user_esp_value;
    c.edx = address(target());
    const Exit e = run(c);
    if (a.level != 0 || (a.selector & 0xFFFC) == 0) return expect_refused(report, c, e);
    report.expect_exit(e, end_vector, 0);
    report.expect("CS", ((a.selector + 16) | 3) & 0xFFFF, e.cs);
    report.expect("SS", ((a.selector + 24) | 3) & 0xFFFF, e.ss);
    report.expect("EIP", c.edx + 2, e.eip);
    report.expect("ESP", user_esp_value, e.esp);
    report.expect("EFLAGS", c.eflags, e.eflags);
}

} // namespace

void sysenter(Report& report) { attempts(report, "SYSENTER", {0x0F, 0x34}, enter); }
void sysexit(Report& report) { attempts(report, "SYSEXIT", {0x0F, 0x35}, leave); }

} // namespace gates
