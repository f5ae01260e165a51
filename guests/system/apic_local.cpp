// Interrupts that the local APIC's processor sends itself: acceptance, priorities, errors, destinations, and its two
// pins.
#include "guests/system/apic.hpp"

using namespace chips;

namespace apic {

void self_interrupts(Report& report) {
    for (u32 vector = 0x20; vector < 0x100; ++vector) {
        if (vector == end_vector || !report.next()) continue;
        report.describe("vector %02x", vector);
        if (!begin(report)) continue;
        local(icr) = self | vector;
        report.require("IRR", bit(irr, vector));
        report.expect("vectors in the IRR", 1, count(irr));
        report.expect("delivery status", 0, local(icr) & 0x1000);
        report.expect_exit(accept(), vector, 0);
        report.require("IRR after the acknowledge", !bit(irr, vector));
        report.require("ISR", bit(isr, vector));
        report.require("TMR: an edge", !bit(tmr, vector));
        local(eoi) = 0;
        report.expect("ISR after the EOI", 0, count(isr));
        report.expect_exit(accept(), end_vector, 0);
        finish();
    }
}

void task_priority(Report& report) {
    for (u32 priority = 0; priority < 16; ++priority) {
        for (u32 priority_class = 2; priority_class < 16; ++priority_class) {
            if (priority_class == 8 || !report.next()) continue;
            const u32 vector = priority_class << 4 | 5, value = priority << 4 | 0xA;
            report.describe("TPR %02x, vector %02x", value, vector);
            if (!begin(report)) continue;
            local(tpr) = value;
            local(icr) = self | vector;
            report.expect("PPR", value, local(ppr));
            const bool comes = priority_class > priority;
            report.expect_exit(accept(), comes ? vector : end_vector, 0);
            if (!comes) {
                report.require("IRR", bit(irr, vector));
                local(tpr) = 0;
                report.expect_exit(accept(), vector, 0);
            }
            finish();
        }
    }
}

/// The class of the PPR is the larger of the TPR's and that of what is in service; the lower half is the TPR's where
/// its class is the larger, and 0 where the other is.
void processor_priority(Report& report) {
    for (u32 serving = 3; serving < 16; serving += 2) {
        for (u32 priority = 0; priority < 16; ++priority) {
            if (!report.next()) continue;
            const u32 vector = serving << 4 | 1, value = priority << 4 | 7;
            report.describe("vector %02x in service, TPR %02x", vector, value);
            if (!begin(report)) continue;
            local(icr) = self | vector;
            report.expect_exit(accept(), vector, 0);
            local(tpr) = value;
            const u32 got = local(ppr);
            if (priority == serving) {
                report.expect("class of the PPR", serving, got >> 4);
            } else {
                report.expect("PPR", priority > serving ? value : serving << 4, got);
            }
            local(eoi) = 0;
            report.expect("PPR after the EOI", value, local(ppr));
            finish();
        }
    }
}

namespace {
constexpr u32 vectors[] = {0x31, 0x38, 0x52, 0x75, 0x76, 0xC3, 0xFF};
} // namespace

void nesting(Report& report) {
    for (const u32 serving : vectors) {
        for (const u32 next : vectors) {
            if (!report.next()) continue;
            report.describe("vector %02x in service, %02x requested", serving, next);
            if (!begin(report)) continue;
            local(icr) = self | serving;
            report.expect_exit(accept(), serving, 0);
            local(icr) = self | next;
            local(icr) = self | next; // twice is once
            const bool comes = next >> 4 > serving >> 4;
            report.expect_exit(accept(), comes ? next : end_vector, 0);
            report.require("ISR", bit(isr, serving));
            local(eoi) = 0; // of the highest
            report.require("ISR after the EOI", comes ? bit(isr, serving) && !bit(isr, next) : !bit(isr, serving));
            report.expect_exit(accept(), comes ? end_vector : next, 0);
            report.expect("IRR", 0, count(irr));
            finish();
        }
    }
    // Three at once come from the highest to the lowest.
    for (u32 i = 0; i + 2 < sizeof vectors / sizeof *vectors; ++i) {
        for (u32 order = 0; order < 3; ++order) {
            if (!report.next()) continue;
            report.describe("vectors %02x, %02x and %02x pending", vectors[i], vectors[i + 1], vectors[i + 2]);
            if (!begin(report)) continue;
            for (u32 k = 0; k < 3; ++k) local(icr) = self | vectors[i + (k + order) % 3];
            for (u32 k = 3; k-- > 0;) {
                report.expect_exit(accept(), vectors[i + k], 0);
                local(eoi) = 0;
            }
            report.expect_exit(accept(), end_vector, 0);
            finish();
        }
    }
    if (report.next()) {
        report.describe("an EOI with nothing in service");
        if (begin(report)) {
            local(icr) = self | 0x41;
            local(eoi) = 0;
            report.require("IRR", bit(irr, 0x41));
            report.expect_exit(accept(), 0x41, 0);
            finish();
        }
    }
}

void error_status(Report& report) {
    for (u32 vector = 0; vector < 16; ++vector) {
        for (const bool interrupt : {false, true}) {
            if (!report.next()) continue;
            report.describe("self interrupt with vector %02x, error interrupt %s", vector, interrupt ? "on" : "masked");
            if (!begin(report)) continue;
            errors();
            errors();
            if (interrupt) local(lvt_error) = 0x6E;
            local(icr) = self | vector;
            report.expect("IRR but for the error's", 0, count(irr) - (bit(irr, 0x6E) ? 1u : 0u));
            report.expect("ESR before a write to it", 0, local(esr) & 0xFF);
            report.expect("send illegal vector", 0x20, errors() & 0x20);
            report.expect("cleared by the next write", 0, errors());
            report.expect_exit(accept(), interrupt ? 0x6E : end_vector, 0);
            finish();
        }
    }
    for (u32 vector = 0; vector < 16; vector += 5) {
        if (!report.next()) continue;
        report.describe("timer with vector %02x", vector);
        if (!begin(report)) continue;
        errors();
        errors();
        local(divide) = 0xB;
        local(lvt_timer) = vector;
        local(initial_count) = 1;
        for (u32 i = 0; i < 100000 && local(current_count); ++i) {
        }
        for (u32 i = 0; i < 1000; ++i) read(id);
        local(lvt_timer) = masked;
        report.expect("receive illegal vector", 0x40, errors() & 0x40);
        report.expect("IRR", 0, count(irr));
        finish();
    }
}

// --- destinations
// ---------------------------------------------------------------------------------------------------------

namespace {

struct Destination {
    const char* name;
    u32 ldr, dfr, target, icr; ///< `target` in the upper byte
    bool meant;
};
constexpr u32 logical = 0x800, lowest = 0x100, flat = 0xFFFF'FFFF, cluster = 0x0FFF'FFFF;
constexpr Destination targets[] = {
    {"physical broadcast", 0, flat, 0xFF00'0000, 0, true},
    {"physical, another", 0, flat, 0x7E00'0000, 0, false},
    {"flat, own bit", 0x0100'0000, flat, 0x0100'0000, logical, true},
    {"flat, own bit of two", 0x0300'0000, flat, 0x0200'0000, logical, true},
    {"flat, another bit", 0x0100'0000, flat, 0x0200'0000, logical, false},
    {"flat, several bits", 0x8000'0000, flat, 0xC000'0000, logical, true},
    {"flat, all", 0x0100'0000, flat, 0xFF00'0000, logical, true},
    {"flat, no bit of its own", 0, flat, 0x0F00'0000, logical, false},
    {"flat, lowest priority", 0x0100'0000, flat, 0x0100'0000, logical | lowest, true},
    {"flat, lowest priority, another bit", 0x0100'0000, flat, 0x0400'0000, logical | lowest, false},
    {"cluster, own", 0x2100'0000, cluster, 0x2100'0000, logical, true},
    {"cluster, several members", 0x2400'0000, cluster, 0x2F00'0000, logical, true},
    {"cluster, another member", 0x2100'0000, cluster, 0x2200'0000, logical, false},
    {"cluster, another cluster", 0x2100'0000, cluster, 0x3100'0000, logical, false},
    {"cluster, all of all clusters", 0x2100'0000, cluster, 0xFF00'0000, logical, true},
    {"shorthand self", 0, flat, 0x7E00'0000, 0x4'0000, true},
    {"shorthand all", 0, flat, 0x7E00'0000, 0x8'0000, true},
    {"shorthand all but self", 0, flat, 0xFF00'0000, 0xC'0000, false},
};

} // namespace

void destinations(Report& report) {
    for (const Destination& d : targets) {
        for (const u32 vector : {0x41u, 0xF2u}) {
            if (!report.next()) continue;
            report.describe("%s, vector %02x", d.name, vector);
            if (!begin(report)) continue;
            local(dfr) = d.dfr;
            local(ldr) = d.ldr;
            local(icr_high) = d.target;
            local(icr) = d.icr | 0x4000 | vector;
            report.require("IRR", bit(irr, vector) == d.meant);
            report.expect_exit(accept(), d.meant ? vector : end_vector, 0);
            finish();
        }
    }
    if (report.next()) {
        report.describe("physical, own ID");
        if (begin(report)) {
            local(icr_high) = own_id();
            local(icr) = 0x4041;
            report.expect_exit(accept(), 0x41, 0);
            finish();
        }
    }
}

// --- pins
// ----------------------------------------------------------------------------------------------------------------

/// LINT0 is the 8259's INTR: IRQ 4 drives it.
void local_pins(Report& report) {
    for (const u32 priority : {0x00u, 0xFFu}) {
        for (const bool mask : {false, true}) {
            if (!report.next()) continue;
            report.describe("LINT0 ExtINT, masked %u, TPR %02x", mask ? 1u : 0u, priority);
            if (!begin(report)) continue;
            local(tpr) = priority;
            local(lint0) = 0x700 | (mask ? masked : 0);
            unmask(4);
            raise(4);
            report.expect_exit(accept(), mask ? end_vector : master_base + 4, 0);
            report.expect("IRR", 0, count(irr));
            report.expect("ISR", 0, count(isr));
            out8(commands[0], 0x64);
            finish();
        }
    }
    for (const bool mask : {false, true}) {
        if (!report.next()) continue;
        report.describe("LINT0 fixed, edge, masked %u", mask ? 1u : 0u);
        if (!begin(report)) continue;
        local(lint0) = 0x5C | (mask ? masked : 0);
        unmask(4);
        raise(4);
        report.expect_exit(accept(), mask ? end_vector : 0x5C, 0);
        report.expect("the 8259 still requests", 0x10, chips::irr(0));
        local(eoi) = 0;
        report.expect_exit(accept(), end_vector, 0); // the line has not moved
        poll(0);
        out8(commands[0], 0x64);
        finish();
    }
    if (report.next()) {
        report.describe("LINT0 fixed, level");
        if (begin(report)) {
            local(lint0) = 0x5C | level;
            unmask(4);
            raise(4);
            report.expect("remote IRR", remote_irr, local(lint0) & remote_irr);
            report.expect_exit(accept(), 0x5C, 0);
            report.require("TMR", bit(tmr, 0x5C));
            local(eoi) = 0;
            report.expect("remote IRR again: the line is still high", remote_irr, local(lint0) & remote_irr);
            report.expect_exit(accept(), 0x5C, 0);
            poll(0);
            out8(commands[0], 0x64);
            local(eoi) = 0;
            report.expect("remote IRR", 0, local(lint0) & remote_irr);
            report.expect_exit(accept(), end_vector, 0);
            finish();
        }
    }
    if (report.next()) {
        report.describe("LINT0 NMI");
        if (begin(report)) {
            local(lint0) = 0x400;
            unmask(4);
            static constexpr u8 enable[] = {0xEE, 0x90, 0x90, 0x90, 0x90, 0xCD, 0x80}; // OUT DX, AL: the UART's IER
            lower(4);
            out8(0x3FC, 8);
            Context c = ring(0, code(enable));
            c.edx = 0x3F9;
            c.eax = 2;
            const Exit e = run(c);
            report.expect_exit(e, 2, 0);
            unblock_nmi();
            poll(0);
            out8(commands[0], 0x64);
            finish();
        }
    }
}

} // namespace apic
