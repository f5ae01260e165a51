// The six modes of the 8254, held against counter 0 as a clock: the count and OUT at many moments; gates; new counts.
#include "guests/system/pit.hpp"

namespace pit {

namespace {

u32 binary(u16 bcd) { return (bcd >> 12) * 1000u + (bcd >> 8 & 15) * 100u + (bcd >> 4 & 15) * 10u + (bcd & 15u); }

constexpr u32 slack = 3; // pulses between what happens and what is seen

struct State {
    u32 count;
    bool out;
    bool sure; ///< not next to an edge
};

u32 minus(u32 from, u32 pulses, u32 modulus) { return (from + modulus - pulses % modulus) % modulus; }
bool near(u32 a, u32 b, u32 modulus, u32 within) {
    const u32 d = (a + modulus - b) % modulus;
    return d <= within || modulus - d <= within;
}

/// The mode's definition: `pulses` after the count `n` was loaded with the gate high.
State expected(unsigned mode, u32 n, u32 pulses, u32 modulus) {
    switch (mode) {
    case 0:
    case 1: return {minus(n, pulses, modulus), pulses >= n, !near(pulses, n, ~0u, slack)};
    case 4:
    case 5: return {minus(n, pulses, modulus), true, !near(pulses, n, ~0u, slack)};
    case 2: {
        const u32 phase = pulses % n;
        return {n - phase, true, phase > slack && phase + slack < n};
    }
    default: {
        const u32 high = (n + 1) / 2, phase = pulses % n;
        const bool out = phase < high;
        const u32 in_half = out ? phase : phase - high;
        const bool sure = in_half > slack && in_half + slack < n / 2;
        return {(n & ~1u) - 2 * in_half, out, sure};
    }
    }
}

struct Run {
    unsigned mode;
    u16 count;
    bool bcd;
};

void start(const Run& r) {
    start_clock();
    gate(r.mode != 1 && r.mode != 5);
    program(2, r.mode, r.count, r.bcd);
    gate(true); // the trigger of modes 1 and 5
}

void follow(Report& report, const Run& r) {
    const u32 n = r.bcd ? binary(r.count) : r.count;
    const u32 modulus = r.bcd ? 10000 : 0x10000;
    start(r);
    wait(8);
    const Sample first = sample();
    const u32 step = r.mode == 3 ? 2 : 1;
    const u32 seen = r.bcd ? binary(first.count) : first.count;
    const u32 offset = ((r.mode == 3 ? n & ~1u : n) - seen) / step; // pulses from the load to the first sample
    report.require("it has begun to count", offset < 60 && !(first.status & status_null));
    u32 total = 0;
    Sample last = first;
    while (total < 2 * n + 100) {
        const Sample now = sample();
        total += elapsed(last, now);
        last = now;
        const State e = expected(r.mode, n, offset + total, modulus);
        if (!e.sure) continue;
        const u32 count = r.bcd ? binary(now.count) : now.count;
        const bool right = near(count, e.count, modulus, 2 * step);
        const bool out = now.status & status_out;
        if (right && out == e.out) continue;
        report.expect("pulses since the load, for what follows", 0, offset + total);
        report.expect("count", e.count, count);
        report.expect("OUT", e.out, out);
        return;
    }
}

} // namespace

void modes(Report& report) {
    constexpr u16 binary_counts[] = {400, 601, 1000, 5001}, bcd_counts[] = {0x0400, 0x0601, 0x3000};
    for (unsigned mode = 0; mode < 6; ++mode) {
        for (unsigned i = 0; i < 7; ++i) {
            if (!report.next()) continue;
            const bool bcd = i >= 4;
            const Run r{mode, bcd ? bcd_counts[i - 4] : binary_counts[i], bcd};
            report.describe("mode %u, count %x%s", mode, r.count, bcd ? " BCD" : "");
            follow(report, r);
            gate(false);
        }
    }
    // A count of 0 is the largest: 65536, or 10000 in BCD.
    for (unsigned mode = 0; mode < 6; ++mode) {
        for (const bool bcd : {false, true}) {
            if (!report.next()) continue;
            report.describe("mode %u, count 0%s", mode, bcd ? " BCD" : "");
            start({mode, 0, bcd});
            wait(500);
            const Sample s = sample();
            const u32 count = bcd ? binary(s.count) : s.count;
            const u32 gone = (bcd ? 10000u : 0x10000u) - count;
            const u32 each = mode == 3 ? 2 : 1;
            report.require("count", gone >= 490 * each && gone < 800 * each);
            report.expect("OUT", mode > 1 ? status_out : 0, s.status & status_out);
            gate(false);
        }
    }
    // The smallest counts: OUT rises after one pulse, or it never rests.
    for (const unsigned mode : {0u, 1u}) {
        for (u16 count = 1; count < 4; ++count) {
            if (!report.next()) continue;
            report.describe("mode %u, count %u", mode, count);
            start({mode, count, false});
            wait(20);
            report.expect("OUT", status_out, status(2) & status_out);
            gate(false);
        }
    }
}

// --- gates
// ---------------------------------------------------------------------------------------------------------------

void gates(Report& report) {
    for (unsigned mode = 0; mode < 6; ++mode) {
        for (const u32 before : {100u, 700u}) {
            if (!report.next()) continue;
            report.describe("mode %u, count 3000, gate low after %u pulses", mode, before);
            start({mode, 3000, false});
            wait(before);
            gate(false);
            wait(6);
            const Sample low = sample();
            wait(300);
            const Sample later = sample();
            const bool stops = mode != 1 && mode != 5;
            if (stops) {
                report.expect("count stands still", low.count, later.count);
            } else {
                report.require("count goes on", near(low.count, later.count + elapsed(low, later), 0x10000, 2));
            }
            // Modes 2 and 3: OUT is high at once. Mode 0 and 1: still low. Mode 4 and 5: high.
            report.expect("OUT with the gate low", mode < 2 ? 0 : status_out, low.status & status_out);
            gate(true);
            wait(6);
            const Sample again = sample();
            const u32 each = mode == 3 ? 2 : 1;
            if (mode == 0 || mode == 4) { // goes on from where it was
                report.require("goes on", later.count - again.count < 100u);
            } else { // the rising edge loads the count again
                report.require("begins again", 3000u - again.count < 100u * each);
            }
            gate(false);
        }
    }
    // The gate before the count: what each mode does with a count that is written while the gate is low.
    for (unsigned mode = 0; mode < 6; ++mode) {
        for (const bool level : {false, true}) {
            if (!report.next()) continue;
            report.describe("mode %u, count written with the gate %s for good", mode, level ? "high" : "low");
            start_clock();
            gate(level);
            wait(4);
            program(2, mode, 2000);
            wait(200);
            const Sample a = sample();
            wait(50);
            const Sample b = sample();
            const bool triggered = mode == 1 || mode == 5; // loads on an edge only
            report.expect("null count", triggered ? status_null : 0, a.status & status_null);
            if (!triggered && !level) report.expect("count is loaded and waits", 2000, a.count);
            if (!triggered && level) report.require("it counts", a.count < 1950 && b.count < a.count);
            report.expect("OUT", mode ? status_out : 0, b.status & status_out);
            gate(false);
        }
    }
    // Retriggering modes 1 and 5 again and again: OUT of mode 1 stays low.
    for (const unsigned mode : {1u, 5u}) {
        if (!report.next()) continue;
        report.describe("mode %u, count 500, triggered every 300 pulses", mode);
        start({mode, 500, false});
        for (u32 i = 0; i < 5; ++i) {
            wait(300);
            report.expect("OUT", mode == 1 ? 0 : status_out, status(2) & status_out);
            gate(false);
            gate(true);
        }
        wait(600);
        report.expect("OUT at last", status_out, status(2) & status_out);
        gate(false);
    }
}

// --- new counts
// ----------------------------------------------------------------------------------------------------------

void new_counts(Report& report) {
    for (unsigned mode = 0; mode < 6; ++mode) {
        for (const u16 next : {u16{1000}, u16{20000}}) {
            if (!report.next()) continue;
            report.describe("mode %u, count 4000, then %u while it counts", mode, next);
            start({mode, 4000, false});
            wait(mode == 3 ? 300 : 600);
            const Sample before = sample();
            write_count(2, next);
            wait(6);
            const Sample after = sample();
            const bool at_once = mode == 0 || mode == 4;
            if (at_once) {
                report.require("counts from the new one", next - after.count < 100u);
                report.expect("null count", 0, after.status & status_null);
            } else {
                report.require("counts on", before.count - after.count < 200u);
                report.expect("null count", status_null, after.status & status_null);
            }
            // Modes 2 and 3 take it at the end of the period or half-cycle, 1 and 5 with the next trigger.
            if (mode == 2 || mode == 3) {
                wait(mode == 2 ? 3500 : 1800);
                const Sample later = sample();
                report.expect("null count later", 0, later.status & status_null);
                report.require("count later", later.count <= next && (next == 1000 || later.count > 4000));
            }
            if (mode == 1 || mode == 5) {
                wait(4000);
                report.expect("null count without a trigger", status_null, status(2) & status_null);
                gate(false);
                gate(true);
                wait(6);
                const Sample triggered = sample();
                report.require("count after the trigger", next - triggered.count < 100u);
                report.expect("null count after the trigger", 0, triggered.status & status_null);
            }
            gate(false);
        }
    }
    // Mode 0: the first byte stops the counter, and OUT falls; the second one lets it go on.
    if (report.next()) {
        report.describe("mode 0, first byte of a new count");
        start({0, 100, false});
        wait(200);
        report.expect("OUT before", status_out, status(2) & status_out);
        out8(port_of(2), 0x10);
        wait(4);
        const Sample a = sample();
        wait(100);
        const Sample b = sample();
        report.expect("OUT", 0, b.status & status_out);
        report.expect("count stands still", a.count, b.count);
        out8(port_of(2), 0x27);
        wait(6);
        report.require("counts from the new one", 0x2710u - sample().count < 100u);
        gate(false);
    }
}

} // namespace pit
