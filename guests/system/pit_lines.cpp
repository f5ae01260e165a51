// Counter 0's interrupts, and port 61h.
#include "guests/system/pit.hpp"

using namespace chips;

namespace pit {

namespace {

u8 requested() { return irr(0) & 1; }

/// How many rising edges of OUT 0 come in so many pulses, counter 2 being the clock.
u32 edges_in(u32 pulses) {
    u32 edges = 0;
    gate(true);
    program(2, 2, 0);
    wait_load(2);
    u16 from = latched(2);
    u32 total = 0;
    while (total < pulses) {
        const u16 now = latched(2);
        total += static_cast<u16>(from - now);
        from = now;
        if (poll(0) & 0x80) {
            ++edges;
            out8(commands[0], 0x20);
        }
    }
    gate(false);
    return edges;
}

} // namespace

void interrupts(Report& report) {
    for (unsigned mode = 0; mode < 6; ++mode) {
        for (const u16 count : {u16{200}, u16{1001}}) {
            if (!report.next()) continue;
            report.describe("mode %u, count %u", mode, count);
            reset_tables();
            start_pics();
            lower(0);
            unmask(0);
            out8(commands[0], 0x20);
            program(0, mode, count);
            const bool periodic = mode == 2 || mode == 3;
            // The control word alone takes OUT high in every mode but 0.
            const u32 at_once = mode ? 1 : 0;
            const u32 edges = edges_in(10 * count + count / 2);
            // Mode 4's strobe ends with an edge; modes 1 and 5 are never triggered: counter 0's gate is always high.
            const u32 later = mode == 0 || mode == 4 ? 1 : 0;
            if (periodic)
                report.require("ten edges", edges >= 10 && edges <= 12);
            else
                report.expect("edges", at_once + later, edges);
            stop_pics();
        }
    }
    for (unsigned mode = 0; mode < 6; ++mode) {
        if (!report.next()) continue;
        report.describe("control word for mode %u while OUT is low", mode);
        reset_tables();
        start_pics();
        lower(0);
        report.expect("request before", 0, requested());
        out8(control, word(0, 3, mode));
        report.expect("OUT", mode ? status_out : 0, status(0) & status_out);
        report.expect("request", mode ? 1 : 0, requested());
        stop_pics();
    }
    for (unsigned mode = 1; mode < 6; ++mode) {
        if (!report.next()) continue;
        report.describe("control word for mode 0 while mode %u requests", mode);
        reset_tables();
        start_pics();
        lower(0);
        out8(control, word(0, 3, mode));
        report.expect("request before", 1, requested());
        out8(control, word(0, 3, 0));
        report.expect("OUT", 0, status(0) & status_out);
        report.expect("request", 0, requested());
        stop_pics();
    }
    for (const u16 count : {u16{100}, u16{1000}, u16{10000}}) {
        if (!report.next()) continue;
        report.describe("mode 0, count %u: an interrupt, once", count);
        reset_tables();
        start_pics();
        lower(0);
        unmask(0);
        program(0, 0, count);
        static constexpr u8 wait_for_it[] = {0xFB, 0xF4, 0xCD, 0x80};
        const Exit e = run(ring(0, code(wait_for_it)));
        const u16 left = latched(0);
        report.expect_exit(e, master_base, 0);
        report.require("the counter has just passed 0", left == 0 || left > 0x10000 - 200);
        out8(commands[0], 0x20);
        report.expect_exit(accept(), end_vector, 0);
        stop_pics();
    }
}

void speaker_port(Report& report) {
    for (u32 value = 0; value < 16; ++value) {
        if (!report.next()) continue;
        report.describe("port 61h, %02x", value);
        out8(port_b, static_cast<u8>(value));
        report.expect("bits 0-3", value, in8(port_b) & 0xF);
        report.expect("bits 6-7", 0, in8(port_b) & 0xC0);
        out8(port_b, 0);
    }
    for (const u32 value : {0xF0u, 0xFFu}) {
        if (!report.next()) continue;
        report.describe("port 61h, %02x: the status bits are read-only", value);
        program(2, 0, 100); // OUT 2 low, and the gate is low
        out8(port_b, static_cast<u8>(value & 0xFE));
        report.expect("bit 5", 0, in8(port_b) & 0x20);
        report.expect("bits 6-7", 0, in8(port_b) & 0xC0);
        out8(port_b, 0);
    }
    for (unsigned mode = 0; mode < 6; ++mode) {
        if (!report.next()) continue;
        report.describe("OUT 2 at bit 5 after the control word for mode %u", mode);
        gate(false);
        out8(control, word(2, 3, mode));
        report.expect("bit 5", mode ? 0x20 : 0, in8(port_b) & 0x20);
    }
    // Refresh: with the usual 18 pulses, the bit changes at each.
    for (const u16 count : {u16{18}, u16{100}}) {
        if (!report.next()) continue;
        report.describe("refresh every %u pulses", count);
        start_clock();
        program(1, 2, count);
        wait(300);
        const u16 from = latched(0);
        u32 changes = 0, now = from;
        u8 last = in8(port_b) & 0x10;
        while (static_cast<u16>(from - now) < 20 * count) {
            const u8 bit = in8(port_b) & 0x10;
            if (bit != last) ++changes;
            last = bit;
            now = latched(0);
        }
        program(1, 2, 18);
        report.expect("about twenty changes", 20, changes);
    }
}

} // namespace pit
