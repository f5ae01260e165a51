// The fast ways in and out: SYSCALL, SYSRET, SYSENTER, SYSEXIT from and to 64-bit and compatibility code, and SWAPGS
// (SDM 2B; SDM 3A 5.8.7, 5.8.8; AMD64 APM 3 for what AMD does otherwise).
#include "guests/system64/system64.hpp"

namespace {

constexpr u64 entry = arena_begin + 0x4'0000, entry32 = entry + 0x100, user = arena_begin + 0x5'0000,
              user_stack = arena_begin + 0x6'0000;

/// SCE on while it lives; the MSRs at zero afterwards.
struct Syscalls {
    u64 efer = read_msr(msr::efer);
    Syscalls() {
        write_msr(msr::efer, efer | efer_sce);
        word(entry) = word(user) = end_vector << 8 | 0xCD;
        word(entry32) = other_end << 8 | 0xCD;
        write_msr(msr::lstar, entry);
        write_msr(msr::cstar, entry32);
        write_msr(msr::fmask, 0);
    }
    ~Syscalls() {
        write_msr(msr::efer, efer);
        for (const u32 m : {msr::star, msr::lstar, msr::cstar, msr::fmask}) write_msr(m, 0);
        for (const u32 m : {msr::sysenter_cs, msr::sysenter_esp, msr::sysenter_eip}) write_msr(m, 0);
    }
};

constexpr u8 syscall_bytes[] = {0x0F, 0x05, 0x0F, 0x0B};
constexpr u8 sysret_bytes[] = {0x0F, 0x07, 0x0F, 0x0B}, sysretq_bytes[] = {0x48, 0x0F, 0x07, 0x0F, 0x0B};
constexpr u64 all_flags =
    flag_cf | flag_zf | 0x80 | flag_if | flag_df | flag_of | flag_iopl | flag_nt | flag_ac | flag_id;

/// Selectors, RCX, R11 and the flags' mask, from each level and mode.
void syscall(Report& report) {
    const Syscalls on;
    const u64 at = code(syscall_bytes);
    constexpr u64 masks[] = {0, flag_if, flag_df | flag_ac, flag_nt | flag_iopl, all_flags, ~u64{0} >> 32, 0x3F'7FD5};
    constexpr u64 images[] = {2, 2 | flag_if, 2 | flag_cf | flag_of | flag_df, 2 | all_flags};
    for (const u64 star : {u64{0x08}, u64{0x0B}, u64{0x28}, u64{0x100}, u64{0xFFF0}, u64{0}}) {
        for (const u64 mask : masks) {
            for (const u64 flags : images) {
                for (u32 cpl = 0; cpl < 4; ++cpl) {
                    for (const bool wide : {true, false}) {
                        if (!report.next()) continue;
                        report.describe("SYSCALL in %s code, STAR[47:32] %x, FMASK %x, RFLAGS %x, CPL %u",
                                        wide ? "64-bit" : "compatibility", star, mask, flags, cpl);
                        write_msr(msr::star, 0xABCD'0000'1234'5678 | star << 32);
                        write_msr(msr::fmask, mask);
                        Context c = wide ? ring(cpl, at) : ring32(cpl, at);
                        c.rflags = flags;
                        c.rcx = c.r11 = 0x9999'9999'9999'9999;
                        const Exit e = run(c);
                        if (!wide && !features().amd) {
                            report.expect_exit(e, ud_vector, 0);
                            report.expect("RIP", c.rip, e.rip);
                            report.expect("RCX", wide ? c.rcx : c.rcx, e.rcx);
                            continue;
                        }
                        report.expect_exit(e, wide ? end_vector : other_end, 0);
                        report.expect("RIP", (wide ? entry : entry32) + 2, e.rip);
                        report.expect("CS", star & 0xFFFC, e.cs);
                        report.expect("SS", ((star & 0xFFFC) + 8) & 0xFFFF, e.ss);
                        report.expect("RCX", c.rip + 2, e.rcx);
                        report.expect("R11", flags, e.r11);
                        report.expect("RFLAGS", (flags & ~mask) | 2, e.rflags);
                        report.expect("RSP", c.rsp, e.rsp);
                        report.expect("DS", c.ds, e.ds);
                    }
                }
            }
        }
    }
}

/// Without SCE there is no SYSCALL or SYSRET, whatever the level.
void disabled(Report& report) {
    const u64 efer = read_msr(msr::efer);
    write_msr(msr::efer, efer & ~efer_sce);
    for (u32 cpl = 0; cpl < 4; ++cpl) {
        for (const bool wide : {true, false}) {
            for (u32 n = 0; n < 3; ++n) {
                if (n == 2 && !wide) continue;
                if (!report.next()) continue;
                report.describe("%s without EFER.SCE, CPL %u", n == 0 ? "SYSCALL" : n == 1 ? "SYSRET" : "SYSRETQ", cpl);
                const u64 at = n == 0 ? code(syscall_bytes) : n == 1 ? code(sysret_bytes) : code(sysretq_bytes);
                const Context c = wide ? ring(cpl, at) : ring32(cpl, at);
                const Exit e = run(c);
                report.expect_exit(e, ud_vector, 0);
                report.expect("RIP", c.rip, e.rip);
            }
        }
    }
    write_msr(msr::efer, efer);
}

/// Where SYSRET goes, with which selectors and flags.
void sysret(Report& report) {
    const Syscalls on;
    constexpr u64 images[] = {0, 2, flag_if, 2 | all_flags, ~u64{0} & ~flag_tf, flag_rf | flag_vm, flag_nt | flag_iopl};
    for (const u64 star : {u64{0x08}, u64{0x0B}, u64{0x1B}, u64{0x28}, u64{0x100}, u64{0x30}}) {
        for (const u64 flags : images) {
            for (const bool quad : {false, true}) {
                for (u32 cpl = 0; cpl < 4; ++cpl) {
                    for (const bool wide : {true, false}) {
                        if ((!wide && quad) || !report.next()) continue;
                        report.describe("%s in %s code, STAR[63:48] %x, R11 %x, CPL %u", quad ? "SYSRETQ" : "SYSRET",
                                        wide ? "64-bit" : "compatibility", star, flags, cpl);
                        write_msr(msr::star, star << 48 | u64{0x1111} << 32);
                        const u64 at = quad ? code(sysretq_bytes) : code(sysret_bytes);
                        Context c = wide ? ring(cpl, at) : ring32(cpl, at);
                        c.rcx = quad ? user : user | 0xFFFF'FFFF'0000'0000;
                        c.r11 = flags;
                        const Exit e = run(c);
                        if (!wide && !features().amd) {
                            report.expect_exit(e, ud_vector, 0);
                            continue;
                        }
                        if (cpl != 0) {
                            report.expect_exit(e, gp_vector, 0);
                            report.expect("RIP", c.rip, e.rip);
                            continue;
                        }
                        const u64 selector = star & 0xFFFC;
                        report.expect_exit(e, end_vector, 0);
                        report.expect("RIP", user + 2, e.rip);
                        report.expect("CS", (selector + (quad ? 16 : 0)) | 3, e.cs);
                        report.expect("SS", (selector + 8) | 3, e.ss);
                        report.expect("RFLAGS", (flags & 0x3C'7FD7) | 2, e.rflags);
                        report.expect("RSP", c.rsp, e.rsp);
                        report.expect("DS", c.ds, e.ds);
                    }
                }
            }
        }
    }
}

/// SYSRETQ to an address that is not canonical: Intel #GP at level 0 with nothing changed, AMD at level 3. SYSRET of 32
/// bits takes ECX.
void sysret_canonical(Report& report) {
    const Syscalls on;
    write_msr(msr::star, u64{0x28} << 48);
    for (const u64 to : {u64{1} << 47, ~u64{0} << 48, u64{1} << 63, (~u64{0} << 47) - 1, u64{0x0123'4567'89AB'CDEF}}) {
        for (const bool quad : {false, true}) {
            for (const bool flag : {false, true}) {
                if (!report.next()) continue;
                report.describe("%s to %x, R11 %x", quad ? "SYSRETQ" : "SYSRET", to, flag ? 0x202u : 2u);
                const u64 at = quad ? code(sysretq_bytes) : code(sysret_bytes);
                Context c = ring(0, at);
                const u64 there = quad ? to : (to & ~u64{0xFFFF'FFFF}) | user;
                c.rcx = there;
                c.r11 = flag ? 2 | flag_if : 2;
                const Exit e = run(c);
                if (!quad) {
                    report.expect_exit(e, end_vector, 0);
                    report.expect("RIP", user + 2, e.rip);
                    continue;
                }
                report.expect_exit(e, gp_vector, 0);
                if (features().amd) {
                    report.expect("RIP", there, e.rip);
                    report.expect("CS", 0x3B, e.cs);
                } else {
                    report.expect("RIP", c.rip, e.rip);
                    report.expect("CS", c.cs, e.cs);
                    report.expect("SS", c.ss, e.ss);
                    report.expect("RSP", c.rsp, e.rsp);
                    report.expect("RFLAGS", c.rflags | flag_rf, e.rflags);
                }
            }
        }
    }
}

/// The hidden parts: flat segments of level 0 and 3 whatever the descriptors say.
void hidden(Report& report) {
    const Syscalls on;
    for (const u32 type : {0x10u, 0x18u, 0x12u, 0x02u, 0x00u}) {
        if (!report.next()) continue;
        report.describe("SYSCALL and SYSRET over descriptors of type %02x", type);
        for (u16 s = 0x100; s < 0x128; s = static_cast<u16>(s + 8))
            gdt[s / 8] = descriptor(0x1000, 0xFF, type, 1, false, size16);
        write_msr(msr::star, u64{0x100} << 32 | u64{0x100} << 48);
        const u8 back[] = {0x48, 0x0F, 0x07}; // at the entry
        memcpy(reinterpret_cast<void*>(entry), back, sizeof back);
        const u8 bytes[] = {0x0F, 0x05, 0xCD, end_vector};
        const Context c = ring(3, code(bytes));
        const Exit e = run(c);
        word(entry) = end_vector << 8 | 0xCD;
        report.expect_exit(e, end_vector, 0);
        report.expect("CS", 0x113, e.cs);
        report.expect("SS", 0x10B, e.ss);
        report.expect("RIP", c.rip + 4, e.rip);
    }
}

// --- SYSENTER --------------------------------------------------------------------------------------------------------

constexpr u8 sysenter_bytes[] = {0x0F, 0x34, 0x0F, 0x0B};
constexpr u8 sysexit_bytes[] = {0x0F, 0x35, 0x0F, 0x0B}, sysexitq_bytes[] = {0x48, 0x0F, 0x35, 0x0F, 0x0B};
constexpr u64 inner_stack = arena_begin + 0x7'0000;

void sysenter(Report& report) {
    const Syscalls on;
    for (const u64 cs : {u64{0x08}, u64{0x0B}, u64{0x28}, u64{0x10108}, u64{0}, u64{3}, u64{0x10000}}) {
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (const u64 flags : {u64{2}, 2 | flag_if | flag_cf, 2 | flag_if | flag_iopl | flag_nt | flag_df}) {
                for (const bool wide : {true, false}) {
                    if (!report.next()) continue;
                    report.describe("SYSENTER in %s code, SYSENTER_CS %x, RFLAGS %x, CPL %u",
                                    wide ? "64-bit" : "compatibility", cs, flags, cpl);
                    write_msr(msr::sysenter_cs, cs);
                    if (!features().amd) {
                        write_msr(msr::sysenter_eip, entry);
                        write_msr(msr::sysenter_esp, inner_stack);
                    }
                    const u64 at = code(sysenter_bytes);
                    Context c = wide ? ring(cpl, at) : ring32(cpl, at);
                    c.rflags = flags;
                    const Exit e = run(c);
                    if (features().amd || (cs & 0xFFFC) == 0) {
                        report.expect_exit(e, features().amd ? ud_vector : gp_vector, 0);
                        report.expect("RIP", c.rip, e.rip);
                        continue;
                    }
                    report.expect_exit(e, end_vector, 0);
                    report.expect("RIP", entry + 2, e.rip);
                    report.expect("CS", cs & 0xFFFC, e.cs);
                    report.expect("SS", (cs & 0xFFFC) + 8, e.ss);
                    report.expect("RSP", inner_stack, e.rsp);
                    report.expect("RFLAGS", flags & ~flag_if, e.rflags);
                    report.expect("DS", c.ds, e.ds);
                }
            }
        }
    }
    if (report.next()) {
        report.describe("SYSENTER with RIP and RSP of 64 bits");
        if (features().amd) {
            report.skip("AMD has no SYSENTER in long mode");
        } else {
            top_table[256] = top_table[0];
            write_msr(msr::sysenter_cs, 8);
            write_msr(msr::sysenter_eip, entry | ~u64{0} << 47);
            write_msr(msr::sysenter_esp, inner_stack | ~u64{0} << 47);
            const Context c = ring32(3, code(sysenter_bytes));
            const Exit e = run(c);
            top_table[256] = 0;
            report.expect_exit(e, end_vector, 0);
            report.expect("RIP", (entry | ~u64{0} << 47) + 2, e.rip);
            report.expect("RSP", inner_stack | ~u64{0} << 47, e.rsp);
        }
    }
}

void sysexit(Report& report) {
    const Syscalls on;
    for (const u64 cs : {u64{0x08}, u64{0x0B}, u64{0x28}, u64{0}, u64{3}}) {
        for (const bool quad : {false, true}) {
            for (u32 cpl = 0; cpl < 4; ++cpl) {
                for (const u64 odd : {u64{0}, u64{1} << 47, u64{1} << 63}) {
                    for (const bool stack : {false, true}) {
                        if (!report.next()) continue;
                        report.describe("%s, SYSENTER_CS %x, %s + %x, CPL %u", quad ? "SYSEXITQ" : "SYSEXIT", cs,
                                        stack ? "RCX" : "RDX", odd, cpl);
                        write_msr(msr::sysenter_cs, cs);
                        const u64 at = quad ? code(sysexitq_bytes) : code(sysexit_bytes);
                        Context c = ring(cpl, at);
                        c.rdx = user | (stack ? 0 : odd);
                        c.rcx = user_stack | (stack ? odd : 0);
                        c.rflags = 2 | flag_cf;
                        const Exit e = run(c);
                        if (features().amd) {
                            report.expect_exit(e, ud_vector, 0);
                            continue;
                        }
                        if (cpl != 0 || (cs & 0xFFFC) == 0 || (quad && odd != 0)) {
                            report.expect_exit(e, gp_vector, 0);
                            report.expect("RIP", c.rip, e.rip);
                            report.expect("CS", c.cs, e.cs);
                            report.expect("RSP", c.rsp, e.rsp);
                            continue;
                        }
                        const u64 selector = cs & 0xFFFC;
                        report.expect_exit(e, end_vector, 0);
                        report.expect("RIP", user + 2, e.rip);
                        report.expect("RSP", user_stack, e.rsp);
                        report.expect("CS", (selector + (quad ? 32 : 16)) | 3, e.cs);
                        report.expect("SS", (selector + (quad ? 40 : 24)) | 3, e.ss);
                        report.expect("RFLAGS", c.rflags, e.rflags);
                    }
                }
            }
        }
    }
}

/// SWAPGS: level 0 of 64-bit code only.
void swapgs(Report& report) {
    const u8 bytes[] = {0x0F, 0x01, 0xF8, 0xCD, end_vector};
    const u64 at = code(bytes);
    for (const bool wide : {true, false}) {
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (const u64 other : {u64{0}, u64{0x1234'5678}, ~u64{0} << 47, (u64{1} << 47) - 1}) {
                if (!report.next()) continue;
                report.describe("SWAPGS in %s code, kernel base %x, CPL %u", wide ? "64-bit" : "compatibility", other,
                                cpl);
                gdt[first_free / 8] = descriptor(0x8765'4320, 0xFFFFF, data_type, 3, true, size32, true);
                write_msr(msr::kernel_gs_base, other);
                Context c = wide ? ring(cpl, at) : ring32(cpl, at);
                c.gs = first_free | 3;
                const Exit e = run(c);
                const bool done = wide && cpl == 0;
                report.expect_exit(e, done ? end_vector : wide ? gp_vector : ud_vector, 0);
                report.expect("GS base", done ? other : 0x8765'4320, e.gs_base);
                report.expect("kernel's GS base", done ? 0x8765'4320 : other, e.kernel_gs_base);
                report.expect("GS", c.gs, e.gs);
            }
        }
    }
    write_msr(msr::kernel_gs_base, 0);
}

constexpr Form forms[] = {
    {"long/syscall", "SDM 2B SYSCALL; 3A 5.8.8", syscall},
    {"long/syscall-disabled", "SDM 2B SYSCALL, SYSRET", disabled},
    {"long/sysret", "SDM 2B SYSRET; 3A 5.8.8", sysret},
    {"long/sysret-canonical", "SDM 2B SYSRET; APM 3 SYSRET", sysret_canonical},
    {"long/syscall-hidden", "SDM 3A 5.8.8", hidden},
    {"long/sysenter", "SDM 2B SYSENTER; 3A 5.8.7", sysenter},
    {"long/sysexit", "SDM 2B SYSEXIT; 3A 5.8.7.1", sysexit},
    {"long/swapgs", "SDM 2B SWAPGS; 3A 5.8.8", swapgs},
};

} // namespace

Group syscall_forms() { return group(forms); }
