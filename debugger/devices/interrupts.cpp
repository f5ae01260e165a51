// The 8259A pair (data sheet 231468), the local APIC (SDM 3A chapter 11), the 82093AA I/O APIC (data sheet 290566) and
// the wires between them.
#include "debugger/devices/sheet.hpp"
#include "debugger/devices/show.hpp"
#include "machine/board.hpp"

#include <array>

namespace glassbox {

namespace {

std::string priority_list(unsigned lowest) {
    std::string text;
    for (unsigned i = 1; i <= 8; ++i) text += (i > 1 ? " " : "") + std::string("IR") + std::to_string((lowest + i) & 7);
    return text;
}

std::string icw3_words(const Pic8259& chip, bool master) {
    if (chip.registers().single) return "not used: single";
    return master ? "slaves on " + number_list(chip.registers().icw3, "IR")
                  : "slave " + std::to_string(chip.slave_id()) + " of the cascade";
}

void show_chip(Sheet& sheet, const Pic8259& chip, bool master) {
    const Pic8259::Registers r = chip.registers();
    sheet.title(master ? "8259A master (ports 20h-21h, ELCR 4D0h): IRQ 0-7"
                       : "8259A slave (ports A0h-A1h, ELCR 4D1h): IRQ 8-15");
    sheet.row("inputs", r.lines, 2, number_list(r.lines, "IR") + (r.lines ? " high" : ""));
    sheet.row("IRR", chip.irr(), 2, number_list(chip.irr(), "IR") + (chip.irr() ? " requested" : ""));
    sheet.row("ISR", chip.isr(), 2, number_list(chip.isr(), "IR") + (chip.isr() ? " in service (no EOI yet)" : ""));
    sheet.row("IMR", chip.imr(), 2, number_list(chip.imr(), "IR") + (chip.imr() ? " masked" : ""));
    sheet.row("ELCR", chip.elcr(), 2,
              chip.elcr() ? number_list(chip.elcr(), "IR") + " level-triggered" : "all edge-triggered");
    sheet.row("ICW2", r.vector_base, 2, "vectors " + hexh(r.vector_base, 2) + "-" + hexh(r.vector_base + 7u, 2));
    sheet.row("ICW3", r.icw3, 2, icw3_words(chip, master));
    const unsigned icw4 = 1u | unsigned{r.automatic_eoi} << 1 | unsigned{r.special_fully_nested} << 4;
    sheet.row("ICW4", icw4, 2,
              bit_names(u64{r.automatic_eoi} | u64{r.special_fully_nested} << 1,
                        {{1, "AEOI: automatic EOI", "normal EOI"}, {2, "SFNM: special fully nested", "fully nested"}},
                        ", "));
    sheet.row("OCW2", "priority",
              priority_list(r.lowest_priority) + (r.rotate_on_automatic_eoi ? ", rotates on AEOI" : ""));
    sheet.row("OCW3", "modes",
              bit_names(u64{r.special_mask} | u64{r.read_isr} << 1 | u64{chip.polled()} << 2,
                        {{1, "SMM: special mask", "no special mask"},
                         {2, "reads show ISR", "reads show IRR"},
                         {4, "the next read polls"}},
                        ", "));
    if (r.next_icw)
        sheet.row("initialization", "ICW" + std::to_string(r.next_icw), "is awaited: no interrupt until then");
}

/// What the INTA cycle would do now.
std::string acknowledge_words(const PicPair& pic) {
    const auto first = pic.master().registers().next;
    if (!first) return "low: nothing to acknowledge";
    unsigned irq = *first;
    u8 vector = pic.master().vector(irq);
    if (pic.master().cascades(irq)) {
        const auto second = pic.slave().registers().next;
        irq = 8 + second.value_or(7);
        vector = pic.slave().vector(second.value_or(7));
        if (!second)
            return "high: the slave's request has gone, a spurious IRQ 15 would come as vector " + hexh(vector, 2);
    }
    return "high: next IRQ " + std::to_string(irq) + " (" + irq_name(irq) + "), vector " + hexh(vector, 2);
}

const char* delivery_name(unsigned mode) {
    constexpr std::array names{"fixed", "lowest priority", "SMI", "reserved", "NMI", "INIT", "start-up", "ExtINT"};
    return names[mode & 7];
}

std::string vector_list(const std::array<u32, 8>& set) {
    std::string text;
    for (unsigned vector = 0; vector < 256; ++vector) {
        if ((set[vector / 32] >> vector % 32 & 1) == 0) continue;
        if (!text.empty()) text += ' ';
        text += hexh(vector, 2);
    }
    return text.empty() ? "none" : text;
}

std::string lvt_words(unsigned entry, u32 value) {
    constexpr unsigned timer = 0, lint0 = 3, lint1 = 4, error = 5;
    std::string text = (value & 0x10000) ? "masked, " : "";
    if (entry == timer) {
        constexpr std::array modes{"one-shot", "periodic", "TSC-deadline", "reserved"};
        text += modes[value >> 17 & 3];
        return text + ", vector " + hexh(value & 0xFF, 2);
    }
    if (entry == error) return text + "fixed, vector " + hexh(value & 0xFF, 2);
    const unsigned mode = value >> 8 & 7;
    text += delivery_name(mode);
    if (mode == 0) text += ", vector " + hexh(value & 0xFF, 2);
    if (entry == lint0 || entry == lint1) {
        text += (value & 0x8000) ? ", level" : ", edge";
        text += (value & 0x2000) ? ", active low" : ", active high";
        if (value & 0x4000) text += ", remote IRR";
    }
    return text;
}

std::string icr_words(const LocalApic::Registers& r) {
    constexpr std::array shorthands{"", ", to itself", ", to all", ", to all but itself"};
    const u32 low = r.icr_low;
    std::string text = std::string(delivery_name(low >> 8 & 7)) + ", vector " + hexh(low & 0xFF, 2);
    text += (low & 0x4000) ? ", assert" : ", de-assert";
    text += (low & 0x8000) ? ", level" : ", edge";
    const unsigned shorthand = low >> 18 & 3;
    if (shorthand) return text + shorthands[shorthand];
    const u32 destination = r.x2apic ? r.icr_high : r.icr_high >> 24;
    return text + ", to " + ((low & 0x800) ? "logical " : "APIC ID ") + hexh(destination, 2);
}

void show_apic_timer(Sheet& sheet, const LocalApic::Registers& r) {
    sheet.row("initial count", r.initial_count, 8);
    sheet.row("current count", r.current_count, 8,
              r.current_count
                  ? duration(time_of(u64{r.current_count} * r.divisor, LocalApic::timer_frequency)) + " left"
                  : "stopped");
    sheet.row("divide config", r.divide, 8, "bus clock (100 MHz) / " + std::to_string(r.divisor));
    if (r.tsc_deadline) sheet.row("TSC_DEADLINE", hex_digits(r.tsc_deadline, 16));
}

std::string isa_source(unsigned input) {
    if (input == 2) return "IRQ 0 timer";
    if (input == 0) return "(8259 INTR, not wired)";
    if (input >= 16) return input >= 20 ? "HPET" : "";
    return "IRQ " + std::to_string(input) + " " + irq_name(input);
}

std::string drivers_words(u16 drivers) {
    return bit_names(drivers, {{1, "device"},
                               {2, "PCI"},
                               {4, "SCI"},
                               {8, "COM1"},
                               {0x10, "COM2"},
                               {0x20, "COM3"},
                               {0x40, "COM4"},
                               {1u << IsaIrqRouter::pulse, "a pulse by hand"},
                               {1u << IsaIrqRouter::by_hand, "by hand"},
                               {0x8000, "test device"}});
}

} // namespace

const char* irq_name(unsigned irq) {
    constexpr std::array names{"timer",  "keyboard",  "cascade",     "COM2/COM4",    "COM1/COM3", "LPT2",
                               "floppy", "LPT1",      "RTC",         "ACPI",         "PCI",       "PCI",
                               "mouse",  "x87 error", "primary IDE", "secondary IDE"};
    return irq < names.size() ? names[irq] : "?";
}

void show_pic(const Board& board, std::string& out) {
    Sheet sheet(out);
    show_chip(sheet, board.pic.master(), true);
    show_chip(sheet, board.pic.slave(), false);
    sheet.title("INTR: " + acknowledge_words(board.pic));
}

void show_apic(const Board& board, unsigned processor, std::string& out) {
    const LocalApic& apic = board.processors.apic(processor);
    Sheet sheet(out);
    const std::string name = "Local APIC of processor " + std::to_string(processor);
    if (!apic.apic_enabled()) {
        sheet.title(name + ": disabled (IA32_APIC_BASE bit 11): LINT0 is INTR, LINT1 is NMI");
        sheet.row("IA32_APIC_BASE", hex_digits(apic.apic_base(), 16));
        return;
    }
    const LocalApic::Registers r = apic.registers();
    sheet.title(name + (r.x2apic ? " (x2APIC mode, MSRs 800h-83Fh)"
                                 : " (xAPIC mode, at " + hexh(apic.apic_base() & ~page_mask, 8) + ")"));
    sheet.row("IA32_APIC_BASE", hex_digits(apic.apic_base(), 16),
              (apic.apic_base() & 0x100) ? "bootstrap processor" : "application processor");
    sheet.row("ID", r.id, 8, "APIC ID " + hexh(r.x2apic ? r.id : r.id >> 24, 2));
    sheet.row("version", r.version, 8, "LVT entries 0-" + std::to_string(r.version >> 16 & 0xFF));
    sheet.row("TPR", r.tpr, 2, "task priority class " + std::to_string(r.tpr >> 4));
    sheet.row("APR", r.apr, 2, "arbitration priority");
    sheet.row("PPR", r.ppr, 2, "processor priority: takes vectors from " + hexh(((r.ppr >> 4) + 1u) * 16, 2));
    sheet.row("LDR", r.ldr, 8, r.x2apic ? "logical ID" : "logical ID " + hexh(r.ldr >> 24, 2));
    if (!r.x2apic)
        sheet.row("DFR", r.dfr, 8,
                  r.dfr >> 28 == 15  ? "flat model"
                  : r.dfr >> 28 == 0 ? "cluster model"
                                     : "reserved model");
    sheet.row("SVR", r.svr, 8,
              "spurious vector " + hexh(r.svr & 0xFF, 2) +
                  ((r.svr & 0x100) ? ", APIC software-enabled" : ", APIC software-disabled"));
    sheet.row("ISR", "vectors", vector_list(r.isr));
    sheet.row("TMR", "vectors", vector_list(r.tmr));
    sheet.row("IRR", "vectors", vector_list(r.irr));
    sheet.row(
        "ESR", r.esr, 8,
        bit_names(
            r.esr,
            {{0x20, "send illegal vector"}, {0x40, "received illegal vector"}, {0x80, "illegal register address"}},
            ", "));
    sheet.row("ICR", hex_digits(u64{r.icr_high} << 32 | r.icr_low, 16), {});
    sheet.row("", "", icr_words(r));
    constexpr std::array entries{"LVT timer", "LVT thermal", "LVT performance", "LVT LINT0", "LVT LINT1", "LVT error"};
    for (unsigned i = 0; i < entries.size(); ++i) sheet.row(entries[i], r.lvt[i], 8, lvt_words(i, r.lvt[i]));
    show_apic_timer(sheet, r);
    sheet.row("LINT0 pin", r.lint[0] ? "high" : "low", "the 8259's INTR");
    sheet.row("LINT1 pin", r.lint[1] ? "high" : "low", "NMI");
    sheet.row("to processor", r.intr ? "INTR" : "-",
              r.deliverable ? "vector " + hexh(*r.deliverable, 2) + " next"
              : r.intr      ? "from the 8259 (ExtINT)"
                            : "nothing to deliver");
}

void show_io_apic(const Board& board, std::string& out) {
    const IoApic& apic = board.io_apic;
    Sheet sheet(out);
    sheet.title("I/O APIC 82093AA (at FEC00000h), ID " + std::to_string(apic.id()) + ", IOREGSEL " +
                hexh(apic.selected_register(), 2));
    sheet.row("ID", u64{apic.id()} << 24, 8, "APIC ID " + std::to_string(apic.id()));
    sheet.row("version", IoApic::version, 8,
              "82093AA (11h), entries 0-" + std::to_string(IoApic::version >> 16 & 0xFF));
    sheet.row("arbitration ID", u64{apic.id()} << 24, 8);
    std::vector<std::vector<std::string>> rows{
        {"input", "entry", "mask", "vector", "delivery", "destination", "trigger", "polarity", "IRR", "wire", "from"}};
    for (unsigned i = 0; i < IoApic::inputs; ++i) {
        const u64 e = apic.redirection(i);
        const std::string destination = ((e & 0x800) ? "logical " : "APIC ") + hexh(e >> 56, 2);
        rows.push_back({std::to_string(i), hex_digits(e, 16), (e & 0x10000) ? "masked" : "-", hexh(e & 0xFF, 2),
                        delivery_name(e >> 8 & 7), destination, (e & 0x8000) ? "level" : "edge",
                        (e & 0x2000) ? "low" : "high", (e & 0x4000) ? "1" : "0", apic.line(i) ? "high" : "low",
                        isa_source(i)});
    }
    sheet.table(rows);
}

void show_irqs(const Board& board, std::string& out) {
    Sheet sheet(out);
    sheet.title("ISA interrupt wires");
    std::vector<std::vector<std::string>> rows{
        {"IRQ", "usual owner", "wire", "driven by", "8259A", "vector", "I/O APIC"}};
    for (unsigned irq = 0; irq < 16; ++irq) {
        const Pic8259& chip = irq < 8 ? board.pic.master() : board.pic.slave();
        const unsigned level = irq % 8, input = irq == 0 ? 2 : irq;
        const u64 entry = board.io_apic.redirection(input);
        const std::string state = bit_names(u64{(chip.irr() >> level & 1u)} | (chip.isr() >> level & 1u) << 1 |
                                                (chip.imr() >> level & 1u) << 2,
                                            {{4, "masked"}, {1, "requested"}, {2, "in service"}}, ", ");
        std::string route =
            (entry & 0x10000) ? "masked" : std::string(delivery_name(entry >> 8 & 7)) + " " + hexh(entry & 0xFF, 2);
        if (entry & 0x4000) route += ", awaits EOI";
        if (irq == 2) route = "(input 2 is IRQ 0)";
        rows.push_back({std::to_string(irq), irq_name(irq), board.isa_irqs.level(irq) ? "high" : "low",
                        drivers_words(board.isa_irqs.drivers(irq)), state, hexh(chip.vector(level), 2), route});
    }
    sheet.table(rows);
    sheet.line("");
    sheet.line("  8259A pair: INTR " + acknowledge_words(board.pic));
    for (unsigned i = 0; i < board.processors.count(); ++i) {
        const LocalApic::Registers r = board.processors.apic(i).registers();
        if (!board.processors.apic(i).apic_enabled()) continue;
        sheet.line("  local APIC " + std::to_string(i) + ": requested " + vector_list(r.irr) + "; in service " +
                   vector_list(r.isr));
    }
}

} // namespace glassbox
