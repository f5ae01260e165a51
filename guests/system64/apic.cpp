// The local APIC as 64-bit kernels use it: registers as MSRs in x2APIC mode, the mode's transitions, CR8, interrupts
// sent to oneself, and the timer's deadline (SDM 3A 10.5.4.1, 10.8.6, 10.12).
#include "guests/system64/system64.hpp"

namespace {

constexpr u32 apic_base = 0x1B, tsc_deadline = 0x6E0, id = 0x802, version = 0x803, tpr = 0x808, eoi = 0x80B,
              ldr = 0x80D, svr = 0x80F, isr = 0x810, irr = 0x820, esr = 0x828, icr = 0x830, lvt_timer = 0x832,
              current_count = 0x839, divide = 0x83E, self_ipi = 0x83F;
constexpr u64 enable = 0x800, extended = 0x400;
constexpr u32 vector = 0xA5;

Exit write_register(u32 index, u64 value) {
    const u8 bytes[] = {0x0F, 0x30, 0xCD, end_vector};
    Context c = ring(0, code(bytes));
    c.rcx = index;
    c.rax = static_cast<u32>(value);
    c.rdx = value >> 32;
    return run(c);
}
Exit read_register(u32 index) {
    const u8 bytes[] = {0x0F, 0x32, 0xCD, end_vector};
    Context c = ring(0, code(bytes));
    c.rcx = index;
    return run(c);
}
/// Waits with interrupts on, for what comes: STI, HLT, INT 80h; or no longer than two instructions.
Exit accept(bool halt) {
    const u8 wait[] = {0xFB, 0xF4, 0xCD, end_vector}, look[] = {0xFB, 0x90, 0x90, 0xCD, end_vector};
    return run(ring(0, halt ? code(wait) : code(look)));
}

/// x2APIC mode while it lives; the software enable is on.
struct X2Apic {
    u64 before = read_msr(apic_base);
    X2Apic() {
        write_msr(apic_base, before | extended | enable);
        write_msr(svr, 0x1FF);
    }
    ~X2Apic() {
        write_msr(apic_base, before & ~(extended | enable)); // there is no other way back
        write_msr(apic_base, before);
    }
};
/// Skips the case where there is no x2APIC.
bool have(Report& report) {
    if (features().x2apic) return true;
    report.skip("needs x2APIC");
    return false;
}

enum Kind : u32 { absent, read_only, write_only, both, either };
constexpr Kind kind_of(u32 index) {
    if (index >= 0x810 && index <= 0x827) return read_only;
    switch (index) {
    case id:
    case version:
    case 0x80A:
    case ldr:
    case current_count: return read_only;
    case eoi:
    case self_ipi: return write_only;
    case 0x82F: return either; // LVT CMCI, with MCG_CAP
    case tpr:
    case svr:
    case esr:
    case icr:
    case 0x838:
    case divide: return both;
    default: return index >= lvt_timer && index <= 0x837 ? both : absent;
    }
}

/// Table 10-6: who may be read, who written.
void map(Report& report) {
    for (u32 index = 0x800; index < 0x880; ++index) {
        for (const bool write : {false, true}) {
            if (!report.next()) continue;
            report.describe("%s of x2APIC register %x", write ? "WRMSR" : "RDMSR", index);
            if (!have(report)) continue;
            const Kind kind = kind_of(index);
            if (kind == either) {
                report.skip("depends on MCG_CAP");
                continue;
            }
            const X2Apic on;
            u64 value = 0;
            if (index == icr || index == self_ipi) value = index == icr ? 0x4'0000 | vector : vector;
            if (index == svr) value = 0x1FF;
            if (index >= lvt_timer && index <= 0x837) value = 0x1'0000;
            const Exit e = write ? write_register(index, value) : read_register(index);
            const bool ok = kind == both || kind == (write ? write_only : read_only);
            report.expect_exit(e, ok ? end_vector : gp_vector, 0);
        }
    }
}

/// Reserved bits are refused, not ignored; only the command register has an upper half.
void reserved(Report& report) {
    struct Register {
        u32 index;
        u64 base, good; ///< bits that may be set beside the base
    };
    constexpr Register list[] = {
        {tpr, 0, 0xFF}, {eoi, 0, 0}, {esr, 0, 0}, {divide, 0, 0xB}, {self_ipi, vector, 0xFF}, {0x838, 0, 0xFFFF'FFFF}};
    for (const Register& r : list) {
        for (u32 bit = 0; bit < 64; ++bit) {
            if (!report.next()) continue;
            report.describe("WRMSR %x with bit %u set", r.index, bit);
            if (!have(report)) continue;
            if (r.index == self_ipi && bit < 8) {
                report.skip("another vector");
                continue;
            }
            const X2Apic on;
            const Exit e = write_register(r.index, r.base | u64{1} << bit);
            report.expect_exit(e, r.good >> bit & 1 ? end_vector : gp_vector, 0);
        }
    }
    if (report.next()) {
        report.describe("LDR follows from the ID");
        if (have(report)) {
            const X2Apic on;
            const u64 number = read_msr(id);
            report.expect("LDR", (number >> 4) << 16 | u64{1} << (number & 15), read_msr(ldr));
        }
    }
}

/// Figure 10-27: which state leads to which.
void transitions(Report& report) {
    constexpr u64 states[] = {0, enable, enable | extended, extended};
    constexpr const char* names[] = {"off", "xAPIC", "x2APIC", "EXTD without EN"};
    for (u32 from = 0; from < 3; ++from) {
        for (u32 to = 0; to < 4; ++to) {
            if (!report.next()) continue;
            report.describe("IA32_APIC_BASE from %s to %s", names[from], names[to]);
            if (!have(report)) continue;
            const u64 standard = read_msr(apic_base), base = standard & ~(enable | extended);
            if (from == 0) write_msr(apic_base, base);
            if (from == 2) write_msr(apic_base, base | enable), write_msr(apic_base, base | states[2]);
            const Exit e = write_register(apic_base, base | states[to]);
            const u64 now = read_msr(apic_base);
            const bool ok = to != 3 && !(from == 0 && to == 2) && !(from == 2 && to == 1);
            report.expect_exit(e, ok ? end_vector : gp_vector, 0);
            report.expect("IA32_APIC_BASE", base | states[ok ? to : from], now);
            write_msr(apic_base, base);
            write_msr(apic_base, standard);
        }
    }
}

/// CR8 is the task priority's class; interrupts of its class and below wait.
void priority(Report& report) {
    for (u32 value = 0; value < 16; ++value) {
        if (!report.next()) continue;
        report.describe("CR8 %u and the task-priority register", value);
        if (!have(report)) continue;
        const X2Apic on;
        write_cr8(value);
        report.expect("TPR", value << 4, read_msr(tpr));
        write_msr(tpr, 0xFF & ~(value << 4));
        report.expect("CR8", 15 & ~value, read_cr8());
        write_cr8(0);
    }
    for (const bool by_command : {false, true}) {
        for (u32 number = 0x10; number < 0x100; number += 0x0F) {
            for (u32 value = 0; value < 16; ++value) {
                if (!report.next()) continue;
                report.describe("vector %x by %s with CR8 %u", number, by_command ? "ICR" : "SELF IPI", value);
                if (!have(report)) continue;
                const X2Apic on;
                write_cr8(value);
                write_msr(by_command ? icr : self_ipi, by_command ? 0x4'0000 | number : number);
                report.expect("IRR", 1, read_msr(irr + number / 32) >> (number % 32) & 1);
                const bool comes = number >> 4 > value;
                const Exit e = accept(false);
                report.expect_exit(e, comes ? number : end_vector, 0);
                report.expect("ISR", comes, read_msr(isr + number / 32) >> (number % 32) & 1);
                write_cr8(0);
                if (!comes) report.expect_exit(accept(false), number, 0);
                write_msr(eoi, 0);
                report.expect("ISR after EOI", 0, read_msr(isr + number / 32) >> (number % 32) & 1);
            }
        }
    }
}

/// The deadline: only in its mode, once, and gone when it has passed (10.5.4.1).
void deadline(Report& report) {
    constexpr u64 mode = u64{2} << 17;
    const auto clock = [] {
        u32 low, high;
        asm volatile("rdtsc" : "=a"(low), "=d"(high));
        return low | u64{high} << 32;
    };
    for (u32 n = 0; n < 6; ++n) {
        if (!report.next()) continue;
        constexpr const char* names[] = {"ahead, with HLT",  "already past",          "taken back with 0",
                                         "in one-shot mode", "ahead, and waited for", "masked"};
        report.describe("deadline %s", names[n]);
        if (!have(report)) continue;
        if (!features().tsc_deadline) {
            report.skip("needs the TSC deadline");
            continue;
        }
        const X2Apic on;
        write_msr(lvt_timer, vector | (n == 3 ? 0 : mode) | (n == 5 ? 0x1'0000 : 0));
        const u64 at = n == 1 ? 1 : clock() + (n == 2 ? 1'000'000'000 : 100'000);
        write_msr(tsc_deadline, at);
        if (n == 3) report.expect("ignored", 0, read_msr(tsc_deadline));
        if (n == 2) {
            report.expect("armed", at, read_msr(tsc_deadline));
            write_msr(tsc_deadline, 0);
            report.expect("disarmed", 0, read_msr(tsc_deadline));
        }
        const bool comes = n == 0 || n == 1 || n == 4;
        if (n != 0)
            while (clock() < at + 1000 && n != 2) {
            }
        const Exit e = accept(n == 0);
        report.expect_exit(e, comes ? vector : end_vector, 0);
        if (n == 0) report.require("not too soon", clock() >= at);
        if (n != 3 && n != 2) report.expect("passed", 0, read_msr(tsc_deadline));
        if (comes) write_msr(eoi, 0);
        write_msr(lvt_timer, 0x1'0000);
    }
}

constexpr Form forms[] = {
    {"long/x2apic-registers", "SDM 3A 10.12.1.2, table 10-6", map},
    {"long/x2apic-reserved", "SDM 3A 10.12.1.3, 10.12.10.2", reserved},
    {"long/x2apic-transitions", "SDM 3A 10.12.5, figure 10-27", transitions},
    {"long/x2apic-priority", "SDM 3A 10.8.3.1, 10.8.6, 10.12.11", priority},
    {"long/tsc-deadline", "SDM 3A 10.5.4.1", deadline},
};

} // namespace

Group apic_forms() { return group(forms); }
