// Initialisation, vectors, masks, trigger modes and status of the 8259A.
#include "guests/system/pic.hpp"

using namespace chips;

namespace pic {

namespace {

constexpr unsigned lines[] = {0, 1, 4, 8, 12};

void end_all() {
    for (u8 level = 0; level < 8; ++level) {
        out8(commands[1], 0x60 | level);
        out8(commands[0], 0x60 | level);
    }
}

} // namespace

void vectors(Report& report) {
    for (u32 base = 0x20; base < 0x100; base += 8) {
        for (const unsigned irq : lines) {
            if (base == end_vector || !report.next()) continue;
            report.describe("IRQ %u, ICW2 %02x", irq, base);
            reset_tables();
            start_pics();
            const unsigned chip = irq / 8;
            out8(commands[chip], 0x11);
            out8(masks[chip], static_cast<u8>(base | 5)); // in 8086 mode the low bits are the level's
            out8(masks[chip], chip ? 2 : 4);
            out8(masks[chip], 1);
            out8(masks[chip], 0xFF);
            unmask(2);
            unmask(irq);
            raise(irq);
            const Exit e = accept();
            end_all();
            stop_pics();
            report.expect_exit(e, base + irq % 8, 0);
        }
    }
}

// --- initialisation
// --------------------------------------------------------------------------------------------------------

namespace {

struct Sequence {
    const char* name;
    u8 icw1;
    u8 words; ///< how many ICWs follow before OCW1 is at the odd port
};
constexpr Sequence sequences[] = {{"ICW1-ICW4", 0x11, 3},
                                  {"single: ICW1, ICW2, ICW4", 0x13, 2},
                                  {"no ICW4: ICW1-ICW3", 0x10, 2},
                                  {"single, no ICW4: ICW1, ICW2", 0x12, 1}};

void initialise(unsigned chip, u8 icw1 = 0x11) {
    out8(commands[chip], icw1);
    out8(masks[chip], chip ? slave_base : master_base);
    out8(masks[chip], chip ? 2 : 4);
    out8(masks[chip], 1);
}

struct Reset {
    const char* name;
    void (*run)(Report&, unsigned chip);
};
unsigned line_of(unsigned chip) { return chip ? 12 : 4; }

const Reset resets[] = {
    {"clears the mask",
     [](Report& report, unsigned chip) {
         out8(masks[chip], 0xFF);
         initialise(chip);
         report.expect("IMR", 0, in8(masks[chip]));
     }},
    {"clears the mask at ICW1 already",
     [](Report& report, unsigned chip) {
         raise(line_of(chip));
         out8(masks[chip], 0xFF);
         initialise(chip);
         out8(masks[chip], 0xFF);
         report.expect("IMR", 0xFF, in8(masks[chip]));
     }},
    {"clears what is in service",
     [](Report& report, unsigned chip) {
         out8(masks[chip], 0);
         raise(line_of(chip));
         const u8 polled = poll(chip);
         const u8 before = isr(chip);
         initialise(chip);
         report.expect("poll", 0x84, polled);
         report.expect("ISR before", 0x10, before);
         report.expect("ISR", 0, isr(chip));
     }},
    {"selects the IRR for reading",
     [](Report& report, unsigned chip) {
         out8(masks[chip], 0xFF);
         out8(commands[chip], 0x0B);
         initialise(chip);
         out8(masks[chip], 0xFF);
         raise(line_of(chip));
         report.expect("IRR", 0x10, in8(commands[chip]));
     }},
    {"resets the edge detection: a line that is high must fall and rise",
     [](Report& report, unsigned chip) {
         out8(masks[chip], 0xFF);
         raise(line_of(chip));
         initialise(chip);
         out8(masks[chip], 0xFF);
         report.expect("IRR", 0, irr(chip));
         lower(line_of(chip));
         raise(line_of(chip));
         report.expect("IRR after another edge", 0x10, irr(chip));
     }},
    {"makes IR7 the lowest",
     [](Report& report, unsigned chip) {
         out8(commands[chip], 0xC0); // IR0 the lowest
         initialise(chip);
         out8(masks[chip], 0);
         if (chip) {
             raise(8), raise(12);
         } else {
             raise(0), raise(4);
         }
         report.expect("poll", 0x80, poll(chip));
     }},
    {"ends the special mask mode",
     [](Report& report, unsigned chip) {
         out8(commands[chip], 0x68);
         initialise(chip);
         out8(masks[chip], 0);
         raise(chip ? 8 : 0);
         report.expect("poll", 0x80, poll(chip));
         out8(masks[chip], 1);
         raise(line_of(chip));
         report.expect("poll of a lower level", 0, poll(chip));
     }},
    {"without AEOI in ICW4 ends the automatic end",
     [](Report& report, unsigned chip) {
         out8(commands[chip], 0x11);
         out8(masks[chip], chip ? slave_base : master_base);
         out8(masks[chip], chip ? 2 : 4);
         out8(masks[chip], 3);
         initialise(chip);
         out8(masks[chip], 0);
         raise(line_of(chip));
         report.expect("poll", 0x84, poll(chip));
         report.expect("ISR", 0x10, isr(chip));
     }},
};

} // namespace

void initialisation(Report& report) {
    for (unsigned chip = 0; chip < 2; ++chip) {
        for (const Sequence& s : sequences) {
            for (u32 restart = 0; restart <= s.words; ++restart) {
                if (!report.next()) continue;
                report.describe("chip %u, %s, begun again after %u words", chip, s.name, restart);
                start_pics();
                out8(commands[chip], s.icw1);
                for (u32 i = 0; i < restart; ++i) out8(masks[chip], 0x20);
                out8(commands[chip], s.icw1);
                for (u32 i = 0; i < s.words; ++i) out8(masks[chip], static_cast<u8>(i == 2 ? 1 : 0x20));
                out8(masks[chip], 0xA5);
                report.expect("IMR", 0xA5, in8(masks[chip]));
                out8(masks[chip], 0xFF);
                report.expect("IMR", 0xFF, in8(masks[chip]));
                start_pics();
            }
        }
        for (const Reset& r : resets) {
            if (!report.next()) continue;
            report.describe("chip %u, ICW1 %s", chip, r.name);
            reset_tables();
            start_pics();
            r.run(report, chip);
            end_all();
            start_pics();
        }
    }
}

// --- masks
// ---------------------------------------------------------------------------------------------------------------

void masking(Report& report) {
    for (unsigned chip = 0; chip < 2; ++chip) {
        for (u32 value = 0; value < 256; value += value & 0xF ? 1 : 15) {
            if (!report.next()) continue;
            report.describe("chip %u, IMR %02x", chip, value);
            start_pics();
            out8(masks[chip], static_cast<u8>(value));
            report.expect("IMR", value, in8(masks[chip]));
            stop_pics();
        }
    }
    for (const unsigned irq : lines) {
        for (unsigned masked = 0; masked < 4; ++masked) {
            if (!report.next()) continue;
            report.describe("IRQ %u, its mask %u, the cascade's mask %u", irq, masked & 1, masked >> 1);
            reset_tables();
            start_pics();
            if (!(masked & 1)) unmask(irq);
            if (masked & 2) out8(masks[0], in8(masks[0]) | 4);
            raise(irq);
            const u8 request = irr(irq / 8), cascaded = irr(0);
            const Exit e = accept();
            const bool blocked = (masked & 1) || (irq >= 8 && (masked & 2));
            report.expect_exit(e, blocked ? end_vector : irq < 8 ? master_base + irq : slave_base + irq - 8, 0);
            report.expect("IRR", 1u << irq % 8, request);
            if (irq >= 8) report.expect("IRR of the master", masked & 1 ? 0 : 4, cascaded);
            // Unmasked now, it comes.
            if (blocked) {
                unmask(irq);
                unmask(2);
                report.expect_exit(accept(), irq < 8 ? master_base + irq : slave_base + irq - 8, 0);
            }
            end_all();
            stop_pics();
        }
    }
    // A mask does not touch what is in service.
    for (const unsigned irq : lines) {
        if (!report.next()) continue;
        report.describe("IRQ %u masked while in service", irq);
        reset_tables();
        start_pics();
        unmask(irq);
        raise(irq);
        accept();
        out8(masks[irq / 8], 0xFF);
        report.expect("ISR", 1u << irq % 8, isr(irq / 8));
        if (irq >= 8) report.expect("ISR of the master", 4, isr(0));
        end_all();
        stop_pics();
    }
}

// --- triggers
// ------------------------------------------------------------------------------------------------------------

namespace {

u32 vector_of(unsigned irq) { return irq < 8 ? master_base + irq : slave_base + irq - 8; }

void end(unsigned irq) {
    if (irq >= 8) out8(commands[1], 0x20);
    out8(commands[0], 0x20);
}

void edge(Report& report, unsigned irq) {
    const u32 bit = 1u << irq % 8;
    unmask(irq);
    raise(irq);
    report.expect_exit(accept(), vector_of(irq), 0);
    report.expect("IRR after the acknowledge", 0, irr(irq / 8) & bit);
    report.expect("ISR", bit, isr(irq / 8));
    end(irq);
    report.expect("ISR after the end", 0, isr(irq / 8));
    report.expect_exit(accept(), end_vector, 0); // still high: no second interrupt
    lower(irq);
    report.expect_exit(accept(), end_vector, 0);
    raise(irq);
    report.expect_exit(accept(), vector_of(irq), 0);
    end(irq);
}

void edge_withdrawn(Report& report, unsigned irq) {
    raise(irq);
    report.expect("IRR while high", 1u << irq % 8, irr(irq / 8));
    lower(irq);
    report.expect("IRR after the fall", 0, irr(irq / 8));
    unmask(irq);
    report.expect_exit(accept(), end_vector, 0);
}

void edge_in_service(Report& report, unsigned irq) {
    unmask(irq);
    raise(irq);
    report.expect_exit(accept(), vector_of(irq), 0);
    lower(irq);
    raise(irq); // a second request waits for the end of the first
    report.expect("IRR", 1u << irq % 8, irr(irq / 8));
    report.expect_exit(accept(), end_vector, 0);
    end(irq);
    report.expect_exit(accept(), vector_of(irq), 0);
    end(irq);
}

void level(Report& report, unsigned irq) {
    const u32 bit = 1u << irq % 8;
    out8(elcr[irq / 8], static_cast<u8>(bit));
    unmask(irq);
    raise(irq);
    report.expect_exit(accept(), vector_of(irq), 0);
    report.expect("IRR while high", bit, irr(irq / 8) & bit);
    report.expect_exit(accept(), end_vector, 0);
    end(irq);
    report.expect_exit(accept(), vector_of(irq), 0); // still high: again
    lower(irq);
    report.expect("IRR while low", 0, irr(irq / 8) & bit);
    end(irq);
    report.expect_exit(accept(), end_vector, 0);
}

/// The bit of ICW1 has no function in this chipset: ELCR decides (82371SB 2.5.1).
void icw1_trigger(Report& report, unsigned irq) {
    const unsigned chip = irq / 8;
    out8(commands[chip], 0x19);
    out8(masks[chip], chip ? slave_base : master_base);
    out8(masks[chip], chip ? 2 : 4);
    out8(masks[chip], 1);
    out8(masks[chip], 0xFF);
    unmask(2);
    edge(report, irq);
}

struct Trigger {
    const char* name;
    void (*run)(Report&, unsigned irq);
    bool level;
};
constexpr Trigger trigger_cases[] = {{"edge", edge, false},
                                     {"edge, withdrawn", edge_withdrawn, false},
                                     {"edge, again in service", edge_in_service, false},
                                     {"level", level, true},
                                     {"edge, with LTIM set", icw1_trigger, false}};

} // namespace

void triggers(Report& report) {
    for (const Trigger& t : trigger_cases) {
        for (const unsigned irq : lines) {
            if (t.level && irq != 4 && irq != 12) continue; // the others are always edges
            if (!report.next()) continue;
            report.describe("IRQ %u, %s", irq, t.name);
            reset_tables();
            start_pics();
            t.run(report, irq);
            end_all();
            start_pics();
            stop_pics();
        }
    }
}

void trigger_registers(Report& report) {
    constexpr u8 writable[] = {0xF8, 0xDE};
    for (unsigned chip = 0; chip < 2; ++chip) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            for (const bool inverse : {false, true}) {
                if (!report.next()) continue;
                const u8 value = static_cast<u8>((1u << bit) ^ (inverse ? 0xFF : 0));
                report.describe("ELCR%u, %02x", chip + 1, value);
                out8(elcr[chip], value);
                report.expect("ELCR", value & writable[chip], in8(elcr[chip]));
                out8(elcr[chip], 0);
                report.expect("ELCR", 0, in8(elcr[chip]));
            }
        }
    }
}

} // namespace pic
