// Priorities, nesting, ends of interrupts, special modes, cascade and polling of the 8259A.
#include "guests/system/pic.hpp"

using namespace chips;

namespace pic {

namespace {

/// The master's inputs that can be raised at the same time: 2 is the slave's request, by IRQ 8.
constexpr unsigned inputs[] = {0, 1, 2, 4};
unsigned irq_of(unsigned chip, unsigned input) { return chip ? 8 + input : input == 2 ? 8 : input; }

/// Rank under "`lowest` is the lowest": 0 is the highest.
unsigned rank(unsigned input, unsigned lowest) { return (input + 7 - lowest) & 7; }
unsigned highest(u32 set, unsigned lowest) {
    unsigned best = 8;
    for (unsigned i = 0; i < 8; ++i) {
        if ((set >> i & 1) && (best == 8 || rank(i, lowest) < rank(best, lowest))) best = i;
    }
    return best;
}
u32 polled(u32 set, unsigned lowest) { return set ? 0x80 | highest(set, lowest) : 0; }

void raise_set(unsigned chip, u32 set) {
    for (unsigned i = 0; i < 8; ++i) {
        if (set >> i & 1) raise(irq_of(chip, i));
    }
}
void set_lowest(unsigned chip, unsigned lowest) { out8(commands[chip], static_cast<u8>(0xC0 | lowest)); }
void end(unsigned chip, unsigned input) { out8(commands[chip], static_cast<u8>(0x60 | input)); }
void end_everything() {
    for (unsigned i = 0; i < 8; ++i) end(1, i), end(0, i);
}
/// Brings a set into service, one after the other, so that each comes before those in service already.
void serve(unsigned chip, u32 set, unsigned lowest) {
    for (unsigned r = 8; r-- > 0;) {
        for (unsigned i = 0; i < 8; ++i) {
            if (!(set >> i & 1) || rank(i, lowest) != r) continue;
            raise(irq_of(chip, i));
            poll(chip);
        }
    }
}
void begin() {
    reset_tables();
    start_pics();
    out8(masks[0], 0);
    out8(masks[1], 0);
}
void finish() {
    end_everything();
    start_pics();
    stop_pics();
}

} // namespace

void priorities(Report& report) {
    for (unsigned chip = 0; chip < 2; ++chip) {
        for (unsigned lowest = 0; lowest < 8; ++lowest) {
            for (u32 pick = 1; pick < (chip ? 4u : 16u); ++pick) {
                if (!report.next()) continue;
                u32 set = 0;
                if (chip) {
                    set = (pick & 1) | (pick & 2) << 3;
                } else {
                    for (unsigned i = 0; i < 4; ++i) set |= (pick >> i & 1) << inputs[i];
                }
                report.describe("chip %u, IR%u the lowest, requests %02x", chip, lowest, set);
                begin();
                set_lowest(chip, lowest);
                raise_set(chip, set);
                report.expect("IRR", set, irr(chip));
                while (set) {
                    const u32 expected = polled(set, lowest);
                    report.expect("poll", expected, poll(chip));
                    end(chip, expected & 7);
                    set &= ~(1u << (expected & 7));
                }
                report.expect("last poll", 0, poll(chip));
                finish();
            }
        }
    }
}

void nesting(Report& report) {
    constexpr unsigned levels[] = {0, 1, 4};
    for (unsigned lowest = 0; lowest < 8; ++lowest) {
        for (const unsigned serving : levels) {
            for (const unsigned next : levels) {
                if (serving == next || !report.next()) continue;
                report.describe("IR%u the lowest, IR%u in service, IR%u requests", lowest, serving, next);
                begin();
                set_lowest(0, lowest);
                serve(0, 1u << serving, lowest);
                raise(next);
                const bool comes = rank(next, lowest) < rank(serving, lowest);
                report.expect("IRR", 1u << next, irr(0));
                const Exit e = accept();
                report.expect_exit(e, comes ? master_base + next : end_vector, 0);
                report.expect("ISR", (1u << serving) | (comes ? 1u << next : 0), isr(0));
                end(0, serving);
                end(0, next);
                if (!comes) report.expect_exit(accept(), master_base + next, 0);
                finish();
            }
        }
    }
}

// --- OCW2
// ----------------------------------------------------------------------------------------------------------------

namespace {

struct End {
    const char* name;
    u8 command;
    bool specific;
};
constexpr End ends_of[] = {{"no operation", 0x40, true},           {"non-specific EOI", 0x20, false},
                           {"specific EOI", 0x60, true},           {"rotate on non-specific EOI", 0xA0, false},
                           {"rotate on specific EOI", 0xE0, true}, {"set priority", 0xC0, true}};

void end_case(Report& report, const End& e, unsigned lowest, u32 set, unsigned named) {
    begin();
    set_lowest(0, lowest);
    serve(0, set, lowest);
    report.expect("ISR before", set, isr(0));
    out8(commands[0], static_cast<u8>(e.command | (e.specific ? named : 0)));
    u32 left = set;
    unsigned now_lowest = lowest;
    const bool ends = e.command & 0x20, rotates = e.command & 0x80;
    if (ends) {
        const unsigned level = e.specific ? named : highest(set, lowest);
        if (level < 8) {
            left &= ~(1u << level);
            if (rotates) now_lowest = level;
        }
    } else if (rotates) {
        now_lowest = named;
    }
    report.expect("ISR", left, isr(0));
    end_everything();
    for (const unsigned irq : {0u, 1u, 4u}) lower(irq);
    raise_set(0, 0x13);
    report.expect("then the highest of 0, 1 and 4", polled(0x13, now_lowest), poll(0));
    finish();
}

} // namespace

void ends(Report& report) {
    constexpr u32 sets[] = {0, 0x01, 0x10, 0x11, 0x13};
    for (const End& e : ends_of) {
        for (unsigned lowest = 0; lowest < 8; ++lowest) {
            for (const u32 set : sets) {
                for (const unsigned named : {0u, 1u, 4u}) {
                    if ((!e.specific && named) || !report.next()) continue;
                    report.describe("%s of IR%u, IR%u the lowest, ISR %02x", e.name, named, lowest, set);
                    end_case(report, e, lowest, set, named);
                }
            }
        }
    }
}

void automatic_end(Report& report) {
    for (const unsigned irq : {0u, 1u, 4u, 8u, 12u}) {
        for (unsigned rotate = 0; rotate < 3; ++rotate) {
            for (const bool by_poll : {false, true}) {
                if (!report.next()) continue;
                const char* const how[] = {"", ", rotating", ", rotating set and cleared"};
                report.describe("IRQ %u %s, AEOI%s", irq, by_poll ? "polled" : "accepted", how[rotate]);
                reset_tables();
                start_pics(3, 3);
                out8(masks[0], 0);
                out8(masks[1], 0);
                const unsigned chip = irq / 8;
                if (rotate) out8(commands[chip], 0x80);
                if (rotate == 2) out8(commands[chip], 0x00);
                raise(irq);
                if (by_poll) {
                    report.expect("poll", 0x80 | irq % 8, poll(chip));
                } else {
                    report.expect_exit(accept(), irq < 8 ? master_base + irq : slave_base + irq - 8, 0);
                }
                report.expect("ISR", 0, isr(chip));
                report.expect("ISR of the master", 0, isr(0));
                const unsigned lowest = rotate == 1 ? irq % 8 : 7;
                lower(0), lower(4), lower(8), lower(12);
                const u32 set = 0x11;
                raise_set(chip, set);
                report.expect("then the highest of 0 and 4", polled(set, lowest), poll(chip));
                finish();
            }
        }
    }
}

void special_mask(Report& report) {
    constexpr unsigned levels[] = {0, 1, 4};
    for (const unsigned serving : levels) {
        for (const unsigned next : levels) {
            for (unsigned bits = 0; bits < 4; ++bits) {
                if (serving == next || !report.next()) continue;
                const bool special = bits & 1, masked = bits & 2;
                report.describe("IR%u in service, masked %u, special mask mode %u, IR%u requests", serving, bits >> 1,
                                bits & 1, next);
                begin();
                serve(0, 1u << serving, 7);
                if (masked) out8(masks[0], static_cast<u8>(1u << serving));
                if (special) out8(commands[0], 0x68);
                raise(next);
                const bool comes = next < serving || (special && masked);
                report.expect_exit(accept(), comes ? master_base + next : end_vector, 0);
                report.expect("ISR", (1u << serving) | (comes ? 1u << next : 0), isr(0));
                if (special && comes) {
                    out8(commands[0], 0x48); // off again: the ISR is as it was
                    report.expect("ISR", (1u << serving) | (1u << next), isr(0));
                }
                finish();
            }
        }
    }
    // "Non-specific EOI will not clear an IS bit that is masked" in the special mask mode.
    for (const bool special : {false, true}) {
        if (!report.next()) continue;
        report.describe("non-specific EOI of a masked level, special mask mode %u", special ? 1u : 0u);
        begin();
        serve(0, 1, 7);
        out8(masks[0], 1);
        if (special) out8(commands[0], 0x68);
        out8(commands[0], 0x20);
        report.expect("ISR", special ? 1 : 0, isr(0));
        finish();
    }
}

// --- cascade
// -------------------------------------------------------------------------------------------------------------

namespace {

u32 vector_of(unsigned irq) { return irq < 8 ? master_base + irq : slave_base + irq - 8; }

/// `first` of the slave is in service; `next` requests after some ends.
void cascade_case(Report& report, unsigned first, unsigned next, unsigned ended, bool special) {
    reset_tables();
    start_pics(special ? 0x11 : 0x01);
    out8(masks[0], 0);
    out8(masks[1], 0);
    raise(first);
    report.expect_exit(accept(), vector_of(first), 0);
    report.expect("ISR of the slave", 1u << (first - 8), isr(1));
    report.expect("ISR of the master", 4, isr(0));
    if (ended & 1) out8(commands[1], 0x20);
    if (ended & 2) out8(commands[0], 0x20);
    raise(next);
    bool comes = true;
    if (next < 8) {
        comes = (ended & 2) || next < 2;
    } else {
        const bool slave_passes = (ended & 1) || next < first;
        comes = slave_passes && ((ended & 2) || special);
    }
    report.expect_exit(accept(), comes ? vector_of(next) : end_vector, 0);
    finish();
}

} // namespace

void cascade(Report& report) {
    for (const unsigned first : {8u, 12u}) {
        for (const unsigned next : {0u, 1u, 4u, 8u, 12u}) {
            if (next == first || (next == 1 && first == 12)) continue; // the same chip makes both
            for (unsigned ended = 0; ended < 4; ++ended) {
                for (const bool special : {false, true}) {
                    if (!report.next()) continue;
                    report.describe("IRQ %u in service%s%s%s, IRQ %u requests", first,
                                    ended & 1 ? ", ended at the slave" : "", ended & 2 ? ", ended at the master" : "",
                                    special ? ", special fully nested" : "", next);
                    cascade_case(report, first, next, ended, special);
                }
            }
        }
    }
    for (const unsigned irq : {8u, 12u}) {
        if (!report.next()) continue;
        report.describe("IRQ %u found by polling both", irq);
        begin();
        raise(irq);
        report.expect("IRR of the master", 4, irr(0));
        report.expect("poll of the master", 0x82, poll(0));
        report.expect("poll of the slave", 0x80 | (irq - 8), poll(1));
        report.expect("ISR of the master", 4, isr(0));
        report.expect("ISR of the slave", 1u << (irq - 8), isr(1));
        finish();
    }
    for (const unsigned irq : {8u, 12u}) {
        if (!report.next()) continue;
        report.describe("IRQ %u withdrawn: the master's request goes too", irq);
        begin();
        raise(irq);
        const u8 before = irr(0);
        lower(irq);
        report.expect("IRR of the master before", 4, before);
        report.expect("IRR of the master", 0, irr(0));
        report.expect_exit(accept(), end_vector, 0);
        finish();
    }
}

void polling(Report& report) {
    for (unsigned chip = 0; chip < 2; ++chip) {
        for (const u8 command : {u8{0x0C}, u8{0x0E}, u8{0x0F}}) {
            for (const bool request : {false, true}) {
                if (!report.next()) continue;
                report.describe("chip %u, OCW3 %02x, %s", chip, command, request ? "request" : "no request");
                begin();
                if (request) raise(chip ? 12 : 4);
                out8(commands[chip], 0x0A);
                out8(commands[chip], command);
                report.expect("poll", request ? 0x84 : 0, in8(commands[chip]));
                // The next read is of the register selected before.
                if (command != 0x0F) report.expect("IRR", 0, in8(commands[chip]));
                report.expect("ISR", request ? 0x10 : 0, isr(chip));
                out8(commands[chip], 0x20);
                report.expect("ISR after EOI", 0, isr(chip));
                finish();
            }
        }
        for (const u8 noop : {u8{0x08}, u8{0x09}}) { // RR clear: the selection stays
            for (const u8 select : {u8{0x0A}, u8{0x0B}}) {
                if (!report.next()) continue;
                report.describe("chip %u, OCW3 %02x after %02x", chip, noop, select);
                begin();
                out8(masks[chip], 0xFF);
                raise(chip ? 12 : 4);
                out8(commands[chip], select);
                out8(commands[chip], noop);
                report.expect("register", select == 0x0A ? 0x10 : 0, in8(commands[chip]));
                report.expect("once more", select == 0x0A ? 0x10 : 0, in8(commands[chip]));
                finish();
            }
        }
    }
}

} // namespace pic
