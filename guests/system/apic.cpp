// The local APIC's registers, and its life with and without the software enable bit (SDM 3A 11.4).
#include "guests/system/apic.hpp"

namespace apic {

u32 count(u32 set) {
    u32 n = 0;
    for (u32 vector = 0; vector < 256; ++vector) n += bit(set, vector);
    return n;
}

bool begin(Report& report) {
    if (!features().apic()) {
        report.skip("no local APIC");
        return false;
    }
    reset_tables();
    chips::start_pics();
    return true;
}

void finish() {
    for (u32 input = 0; input < 24; ++input) chips::io_apic(0x10 + 2 * input, masked);
    chips::start_apic();
    chips::stop_pics();
}

u32 errors() {
    local(esr) = 0;
    return local(esr) & 0xFF;
}

void unblock_nmi() {
    static constexpr u8 iret[] = {0xCF}, end[] = {0xCD, 0x80};
    Context c = ring(0, code(iret));
    c.esp -= 12;
    u32* frame = reinterpret_cast<u32*>(c.esp);
    frame[0] = reinterpret_cast<u32>(code(end));
    frame[1] = kernel_code;
    frame[2] = 2;
    run(c);
}

namespace {

struct Writable {
    const char* name;
    u32 offset, bits, fixed; ///< `fixed`: bits that read as ones
    u32 ignored = 0;         ///< bits that some processors have
    u32 needs = 0;           ///< the highest LVT entry that the version register must name
};
constexpr Writable writables[] = {
    {"TPR", tpr, 0xFF, 0},
    {"LDR", ldr, 0xFF00'0000, 0},
    {"DFR", dfr, 0xF000'0000, 0x0FFF'FFFF},
    {"SVR", svr, 0xFF, 0x100, 0x1200}, // enabled throughout; focus checking and EOI broadcast suppression
    {"LVT timer", lvt_timer, 0x3'00FF, 0, 0x4'0000},
    {"LVT thermal", lvt_thermal, 0x1'07FF, 0, 0, 5},
    {"LVT performance", lvt_performance, 0x1'07FF, 0, 0, 4},
    {"LVT LINT0", lint0, 0x1'A7FF, 0},
    {"LVT LINT1", lint1, 0x1'A7FF, 0},
    {"LVT error", lvt_error, 0x1'00FF, 0},
    {"ICR high", icr_high, 0xFF00'0000, 0},
    {"divide configuration", divide, 0x0B, 0},
    {"initial count", initial_count, 0xFFFF'FFFF, 0},
};
constexpr u32 read_only[] = {version, ppr, current_count};

u32 highest_lvt() { return local(version) >> 16 & 0xFF; }

} // namespace

void registers(Report& report) {
    constexpr u32 values[] = {0, 0xFFFF'FFFF, 0x5555'5555, 0xAAAA'AAAA, 0x0F0F'0F0F, 0x8000'0001};
    for (const Writable& w : writables) {
        for (const u32 value : values) {
            if (!report.next()) continue;
            report.describe("%s, %08x", w.name, value);
            if (!begin(report)) continue;
            if (w.needs > highest_lvt()) {
                report.skip("this APIC has no such entry");
            } else {
                // LVT entries: masked, and with a vector, so that nothing happens.
                const bool entry = w.offset >= lvt_timer && w.offset <= lvt_error;
                const u32 written = value | w.fixed | (entry ? masked | 0x20 : 0);
                local(w.offset) = written;
                const u32 got = local(w.offset);
                report.expect("register", (written & w.bits) | w.fixed, got & ~w.ignored);
            }
            local(w.offset) = w.offset == svr ? 0x1FFu : 0u;
            finish();
        }
    }
    for (u32 value = 0; value < 8; ++value) {
        if (!report.next()) continue;
        report.describe("ICR low, delivery mode fixed, to nobody, %x", value);
        if (!begin(report)) continue;
        local(icr_high) = 0x7E00'0000; // an APIC that is not there
        const u32 written = 0x40 | (value & 1 ? 0x4000 : 0) | (value & 2 ? 0x8000 : 0) | (value & 4 ? 0xFFF0'2000 : 0);
        local(icr) = written | 0x4000;
        report.expect("ICR", (written | 0x4000) & 0x000C'CFFF, local(icr));
        errors();
        errors();
        finish();
    }
    for (const u32 offset : read_only) {
        if (!report.next()) continue;
        report.describe("register %03x is read-only", offset);
        if (!begin(report)) continue;
        const u32 before = local(offset);
        local(offset) = ~before;
        report.expect("register", before, local(offset));
        finish();
    }
    for (const u32 set : {u32{isr}, u32{tmr}, u32{irr}}) {
        for (u32 word = 0; word < 8; ++word) {
            if (!report.next()) continue;
            report.describe("register %03x is read-only", set + 0x10 * word);
            if (!begin(report)) continue;
            local(set + 0x10 * word) = 0xFFFF'FFFF;
            report.expect("register", set == tmr ? local(set + 0x10 * word) : 0, local(set + 0x10 * word));
            report.require("no ones", local(set + 0x10 * word) != 0xFFFF'FFFF);
            finish();
        }
    }
    if (report.next()) {
        report.describe("version");
        if (begin(report)) {
            report.require("an integrated APIC: 10h-15h",
                           (local(version) & 0xFF) >= 0x10 && (local(version) & 0xFF) <= 0x15);
            report.require("LVT entries", highest_lvt() >= 3 && highest_lvt() <= 6);
            finish();
        }
    }
}

/// SDM 3A 11.4.7.2: "The mask bits for all the LVT entries are set. Attempts to reset these bits will be ignored."
void software_disable(Report& report) {
    constexpr u32 entries[] = {lvt_timer, lint0, lint1, lvt_error};
    for (const u32 entry : entries) {
        if (!report.next()) continue;
        report.describe("LVT %03x", entry);
        if (!begin(report)) continue;
        local(entry) = 0x40;
        report.expect("mask before", 0, local(entry) & masked);
        local(svr) = 0xFF;
        report.expect("mask", masked, local(entry) & masked);
        local(entry) = 0x41;
        report.expect("mask cannot be cleared", masked | 0x41, local(entry));
        local(svr) = 0x1FF;
        report.expect("mask when enabled again", masked | 0x41, local(entry));
        local(entry) = 0x41;
        report.expect("mask can be cleared", 0x41, local(entry));
        finish();
    }
    if (report.next()) {
        report.describe("a self interrupt while disabled is not accepted");
        if (begin(report)) {
            local(svr) = 0xFF;
            local(icr) = self | 0x41;
            report.expect("IRR", 0, count(irr));
            local(svr) = 0x1FF;
            report.expect_exit(chips::accept(), end_vector, 0);
            finish();
        }
    }
    if (report.next()) {
        report.describe("what is pending stays, and comes when enabled again");
        if (begin(report)) {
            local(icr) = self | 0x41;
            local(svr) = 0xFF;
            report.require("IRR", bit(irr, 0x41));
            local(svr) = 0x1FF;
            report.expect_exit(chips::accept(), 0x41, 0);
            finish();
        }
    }
    if (report.next()) {
        report.describe("NMIs are accepted while disabled");
        if (begin(report)) {
            local(svr) = 0xFF;
            local(icr_high) = own_id();
            static constexpr u8 send[] = {0xC7, 0x03, 0x00, 0x44, 0, 0, 0x90, 0x90, 0x90, 0x90, 0xCD, 0x80};
            Context c = ring(0, code(send));
            c.ebx = 0xFEE0'0000 + icr;
            report.expect_exit(run(c), 2, 0);
            unblock_nmi();
            local(svr) = 0x1FF;
            finish();
        }
    }
}

/// IA32_APIC_BASE (SDM 3A 11.4.4): the page can be moved.
void base_address(Report& report) {
    constexpr u32 base_msr = 0x1B;
    for (const u32 page : {0xFED8'0000u, 0xFEE1'0000u, 0x3800'0000u}) {
        if (!report.next()) continue;
        report.describe("the registers at %08x", page);
        if (!begin(report)) continue;
        const u64 before = read_msr(base_msr);
        local(tpr) = 0x50;
        write_msr(base_msr, (before & 0xFFF) | page);
        const u64 now = read_msr(base_msr);
        const u32 seen = *reinterpret_cast<volatile u32*>(page + tpr);
        *reinterpret_cast<volatile u32*>(page + tpr) = 0x30;
        write_msr(base_msr, before);
        report.expect("MSR", (static_cast<u32>(before) & 0xFFF) | page, static_cast<u32>(now));
        report.expect("TPR at the new place", 0x50, seen);
        report.expect("TPR at the old one again", 0x30, local(tpr));
        local(tpr) = 0;
        finish();
    }
    for (const u32 reserved : {1u, 0x80u, 0x200u}) {
        if (!report.next()) continue;
        report.describe("reserved bits %x", reserved);
        if (!begin(report)) continue;
        static constexpr u8 wrmsr[] = {0x0F, 0x30, 0xCD, 0x80};
        Context c = ring(0, code(wrmsr));
        const u64 base = read_msr(base_msr);
        c.ecx = base_msr;
        c.eax = static_cast<u32>(base) | reserved;
        c.edx = static_cast<u32>(base >> 32);
        report.expect_exit(run(c), 13, 0);
        finish();
    }
    if (report.next()) {
        report.describe("the reset value");
        if (begin(report)) {
            report.expect("MSR", 0xFEE0'0900, static_cast<u32>(read_msr(base_msr)));
            finish();
        }
    }
}

} // namespace apic

namespace {

constexpr Form forms[] = {
    {"apic/registers", "SDM 3A 11.4.1, table 11-1", apic::registers},
    {"apic/software-disable", "SDM 3A 11.4.7.2", apic::software_disable},
    {"apic/base-address", "SDM 3A 11.4.4", apic::base_address},
    {"apic/self-interrupts", "SDM 3A 11.6.1, 11.8.4", apic::self_interrupts},
    {"apic/task-priority", "SDM 3A 11.8.3.1", apic::task_priority},
    {"apic/processor-priority", "SDM 3A 11.8.3.1", apic::processor_priority},
    {"apic/nesting", "SDM 3A 11.8.4, 11.8.5", apic::nesting},
    {"apic/errors", "SDM 3A 11.5.3", apic::error_status},
    {"apic/destinations", "SDM 3A 11.6.2", apic::destinations},
    {"apic/local-pins", "SDM 3A 11.5.1", apic::local_pins},
    {"apic/timer", "SDM 3A 11.5.4", apic::timer},
    {"apic/timer-divisors", "SDM 3A 11.5.4", apic::timer_divisors},
    {"ioapic/registers", "82093AA 3.1, 3.2", apic::io_registers},
    {"ioapic/edges", "82093AA 3.2.4", apic::io_edges},
    {"ioapic/levels", "82093AA 3.2.4", apic::io_levels},
    {"ioapic/modes", "82093AA 3.2.4", apic::io_modes},
};

} // namespace

Group apic_forms() { return group(forms); }
