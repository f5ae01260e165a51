// The 8254's registers: control words and status, counts in binary and BCD through both doors, latches, read-back.
#include "guests/system/pit.hpp"

namespace pit {

namespace {

/// Counter 2 stopped by its gate: in mode 0 the count is loaded all the same, and stays.
void freeze(u8 control_word, u16 count) {
    gate(false);
    out8(control, control_word);
    const unsigned access = control_word >> 4 & 3;
    if (access & 1) out8(port_of(2), static_cast<u8>(count));
    if (access & 2) out8(port_of(2), static_cast<u8>(count >> 8));
    wait(4);
}

} // namespace

void control_words(Report& report) {
    for (unsigned counter = 0; counter < 3; ++counter) {
        for (unsigned mode = 0; mode < 8; ++mode) {
            for (unsigned access = 1; access < 4; ++access) {
                for (const bool bcd : {false, true}) {
                    if (!report.next()) continue;
                    report.describe("counter %u, access %u, mode %u%s", counter, access, mode, bcd ? ", BCD" : "");
                    out8(chips::masks[0], 0xFF);
                    gate(false);
                    out8(control, word(counter, access, mode, bcd));
                    const u8 read = status(counter);
                    report.expect("what was programmed", word(0, access, mode, bcd), read & 0x3F);
                    report.expect("null count", status_null, read & status_null);
                    report.expect("OUT", mode ? status_out : 0, read & status_out);
                    program(1, 2, 18);
                    start_clock();
                }
            }
        }
    }
}

void counts(Report& report) {
    constexpr u16 values[] = {1, 2, 0x12, 0x99, 0x100, 0x1234, 0x5678, 0x8000, 0x9999, 0xABCD, 0xFF00, 0xFFFF, 0};
    for (const u16 value : values) {
        for (unsigned access = 1; access < 4; ++access) {
            for (const bool bcd : {false, true}) {
                if (bcd && ((value & 0xF) > 9 || (value >> 4 & 0xF) > 9 || (value >> 8 & 0xF) > 9 || value >> 12 > 9))
                    continue;
                if (!report.next()) continue;
                report.describe("count %04x, access %u%s", value, access, bcd ? ", BCD" : "");
                start_clock();
                freeze(word(2, access, 0, bcd), value);
                const u8 low = static_cast<u8>(value), high = static_cast<u8>(value >> 8);
                report.expect("status", word(0, access, 0, bcd), status(2));
                // Twice: without a latch, and with one.
                for (unsigned latch = 0; latch < 2; ++latch) {
                    if (latch) out8(control, 0x80);
                    if (access & 1) report.expect("low byte", low, in8(port_of(2)));
                    if (access & 2) report.expect("high byte", high, in8(port_of(2)));
                }
                // With one door only, each read is the same byte.
                if (access != 3) report.expect("again", access == 1 ? low : high, in8(port_of(2)));
                gate(false);
            }
        }
    }
    // The byte that is not written is 0.
    for (unsigned access = 1; access < 3; ++access) {
        if (!report.next()) continue;
        report.describe("access %u after a full count", access);
        start_clock();
        freeze(word(2, 3, 0), 0xFFFF);
        freeze(word(2, access, 0), 0x3333);
        out8(control, 0x80);
        report.expect("byte", 0x33, in8(port_of(2)));
        // Count from there: with the other byte 0, counter and clock agree.
        gate(true);
        const u16 from = latched(0);
        while (!out2() && static_cast<u16>(from - latched(0)) < 0x4000) {
        }
        const u32 took = static_cast<u16>(from - latched(0));
        const u32 expected = access == 1 ? 0x33 : 0x3300;
        report.require("the time until OUT rises", took + 4 >= expected && took <= expected + 100);
        gate(false);
    }
    // Reading and writing have their own order of bytes.
    if (report.next()) {
        report.describe("a write between the two reads");
        start_clock();
        freeze(word(2, 3, 0), 0x1234);
        report.expect("low", 0x34, in8(port_of(2)));
        out8(port_of(2), 0x78);
        report.expect("high", 0x12, in8(port_of(2)));
        out8(port_of(2), 0x56);
        wait(4);
        report.expect("new low", 0x78, in8(port_of(2)));
        report.expect("new high", 0x56, in8(port_of(2)));
    }
    // A control word puts both back to the low byte.
    for (const bool reading : {false, true}) {
        if (!report.next()) continue;
        report.describe("a control word between two %s", reading ? "reads" : "writes");
        start_clock();
        freeze(word(2, 3, 0), 0x1234);
        if (reading)
            in8(port_of(2));
        else
            out8(port_of(2), 0x99);
        freeze(word(2, 3, 0), 0x5678);
        report.expect("low", 0x78, in8(port_of(2)));
        report.expect("high", 0x56, in8(port_of(2)));
    }
}

void read_back(Report& report) {
    // Which of status and count is latched, by which bits of the command.
    for (unsigned bits = 0; bits < 4; ++bits) {
        for (unsigned selected = 0; selected < 8; ++selected) {
            if (!report.next()) continue;
            const bool count = !(bits & 2), state = !(bits & 1), mine = selected & 4;
            report.describe("read-back %02x", 0xC0 | bits << 4 | selected << 1);
            start_clock();
            freeze(word(2, 3, 0), 0x1234);
            out8(control, static_cast<u8>(0xC0 | bits << 4 | selected << 1));
            for (u32 i = 0; (selected & 1) && i < (count ? 2u : 0u) + (state ? 1u : 0u); ++i)
                in8(port_of(0)); // the clock's
            if (mine && state) report.expect("status", word(0, 3, 0), in8(port_of(2)));
            // A latched count stays although the counter goes on; else the bytes are those of the moment.
            if (mine && count) {
                gate(true);
                wait(500);
                gate(false);
                report.expect("low", 0x34, in8(port_of(2)));
                report.expect("high", 0x12, in8(port_of(2)));
                const u32 low = in8(port_of(2));
                const u32 now = low | static_cast<u32>(in8(port_of(2))) << 8;
                report.require("then what counter holds now", now < 0x1234 - 490 && now > 0x1234 - 2000);
            } else {
                report.expect("low", 0x34, in8(port_of(2)));
                report.expect("high", 0x12, in8(port_of(2)));
            }
            for (unsigned other = 0; other < 2; ++other) { // nothing is left behind in the others
                out8(control, word(other, 3, 2));
                write_count(other, other ? 18 : 0);
            }
        }
    }
    // The second of two latches is ignored until the first has been read, by either command.
    for (unsigned commands = 0; commands < 4; ++commands) {
        if (!report.next()) continue;
        report.describe("%s, then %s", commands & 1 ? "read-back" : "latch", commands & 2 ? "read-back" : "latch");
        start_clock();
        freeze(word(2, 3, 0), 0x2222);
        out8(control, commands & 1 ? 0xD8 : 0x80);
        gate(true);
        wait(300);
        gate(false);
        out8(control, commands & 2 ? 0xD8 : 0x80);
        report.expect("low", 0x22, in8(port_of(2)));
        report.expect("high", 0x22, in8(port_of(2)));
    }
    // Status likewise: the first holds.
    if (report.next()) {
        report.describe("status latched twice");
        start_clock();
        gate(false);
        out8(control, word(2, 3, 0));
        out8(control, 0xE8);
        write_count(2, 0x10);
        wait(4);
        out8(control, 0xE8);
        report.expect("first status", word(0, 3, 0) | status_null, in8(port_of(2)));
        report.expect("status now", word(0, 3, 0), status(2));
    }
    // A latch in the middle of a read of two bytes gives the high one next.
    if (report.next()) {
        report.describe("latch between low and high byte");
        start_clock();
        freeze(word(2, 3, 0), 0x4321);
        report.expect("low", 0x21, in8(port_of(2)));
        out8(control, 0xE8); // status
        report.expect("status", word(0, 3, 0), in8(port_of(2)));
        report.expect("high", 0x43, in8(port_of(2)));
    }
    // Status and count latched by two commands: status comes first, whatever the order.
    for (const bool status_first : {false, true}) {
        if (!report.next()) continue;
        report.describe("%s latched first", status_first ? "status" : "count");
        start_clock();
        freeze(word(2, 3, 0), 0x4321);
        out8(control, status_first ? 0xE8 : 0xD8);
        out8(control, status_first ? 0xD8 : 0xE8);
        report.expect("status", word(0, 3, 0), in8(port_of(2)));
        report.expect("low", 0x21, in8(port_of(2)));
        report.expect("high", 0x43, in8(port_of(2)));
    }
    // A control word takes latches away.
    if (report.next()) {
        report.describe("control word after a latch");
        start_clock();
        freeze(word(2, 3, 0), 0x4321);
        out8(control, 0xC8);
        freeze(word(2, 3, 0), 0x8765);
        report.expect("low", 0x65, in8(port_of(2)));
        report.expect("high", 0x87, in8(port_of(2)));
    }
}

} // namespace pit
