#include "debugger/explain/summary.hpp"

#include "cpu/system/system.hpp"
#include "machine/board.hpp"

namespace glassbox::explain {

namespace {

/// So that it goes on behind a colon: "The gate's P bit" begins with a small letter, "CR3" does not.
std::string continued(std::string text) {
    const bool word =
        text.size() > 1 && text[0] >= 'A' && text[0] <= 'Z' && (text[1] == ' ' || (text[1] >= 'a' && text[1] <= 'z'));
    if (word) text[0] = static_cast<char>(text[0] + 32);
    return text;
}

bool by_program(const Cpu::Delivering& e) {
    return e.kind == InterruptKind::software || e.kind == InterruptKind::int3 || e.kind == InterruptKind::into ||
           e.kind == InterruptKind::icebp;
}

std::string reason(const Moment& m, const Link& link) {
    if (link.during.vector >= 0) {
        const std::string missing = missing_idt(m);
        if (!missing.empty()) return "no IDT has been loaded (" + missing + ")";
        if (m.cpl == 3 && m.tr.selector == 0 && link.fault.vector == Exception::TS)
            return "no TSS has been loaded (TR is 0), so that ring 0 has no stack";
    }
    std::string text = continued(link.decisive);
    if (text.empty()) text = link.fault.why ? link.fault.why : "";
    if (link.fault.vector != Exception::PF) return text;
    const char* access = (link.fault.error & 16) || (link.during.vector < 0 && link.fault.cr2 == m.code_linear(m.ip))
                             ? "the instruction fetch from "
                         : (link.fault.error & 2) ? "the write to "
                                                  : "the read from ";
    return access + h(link.fault.cr2, m.long_mode() ? 16 : 8) + " was denied, because " + text;
}

std::string numbered(unsigned line) {
    static constexpr const char* names[16] = {"the timer",
                                              "the keyboard",
                                              "",
                                              "COM2",
                                              "COM1",
                                              "",
                                              "the floppy drive",
                                              "",
                                              "the clock",
                                              "",
                                              "",
                                              "",
                                              "the mouse",
                                              "the x87 unit",
                                              "the first IDE channel",
                                              "the second IDE channel"};
    return "IRQ " + std::to_string(line) + (*names[line] ? std::string(", ") + names[line] : std::string());
}

/// The lines that are in service and have not been ended, as the 8259s see it.
void tell_in_service(Story& story, const Moment& m, const Board& board) {
    const Pic8259* chips[] = {&board.pic.master(), &board.pic.slave()};
    for (unsigned chip = 0; chip < 2; ++chip) {
        const auto registers = chips[chip]->registers();
        for (unsigned level = 0; level < 8; ++level) {
            if ((chips[chip]->isr() >> level & 1) == 0 || (chip == 0 && chips[0]->cascades(level))) continue;
            const unsigned vector = registers.vector_base | level;
            story.say(numbered(chip * 8 + level) + ", is in service in the 8259 as vector " + h(vector, 2) +
                          ": the handler has sent no end of interrupt (OUT 20h, 20h), and until it does no line of the "
                          "same or a lower priority is let through",
                      "8259A data sheet, End of Interrupt");
            if (m.protected_mode() && is_exception(vector))
                story.say("A guess: the 8259 is still programmed as the BIOS left it, and what looked like " +
                          vector_name(vector) + " was this interrupt");
        }
    }
}

} // namespace

std::string event_words(const Cpu::Delivering& e) {
    const unsigned vector = static_cast<unsigned>(e.vector);
    switch (e.kind) {
    case InterruptKind::software: return "INT " + h(vector, 2);
    case InterruptKind::int3: return "INT3";
    case InterruptKind::into: return "INTO";
    case InterruptKind::icebp: return "INT1";
    case InterruptKind::exception: return vector_name(vector);
    default: return vector == 2 ? "an NMI" : "external interrupt " + h(vector, 2);
    }
}

std::string interrupt_source(const Board* board, unsigned vector) {
    if (board == nullptr) return {};
    const Pic8259* chips[] = {&board->pic.master(), &board->pic.slave()};
    for (unsigned chip = 0; chip < 2; ++chip) {
        if ((chips[chip]->isr() >> (vector & 7) & 1) != 0 && chips[chip]->registers().vector_base == (vector & 0xF8))
            return numbered(chip * 8 + (vector & 7));
    }
    return {};
}

void tell_summary(Story& story, const Moment& m, const Decoded& d, std::span<const Link> chain, const Board* board) {
    if (chain.empty()) return;
    const Link& first = chain.front();
    const std::string place =
        "at " + far_words(m.seg[CS].selector, m.ip, m.offset_digits()) + story.name(m.code_linear(m.ip));
    std::string text = "Triple fault: ";
    if (first.during.vector < 0) {
        const bool fetched = first.fault.vector != Exception::PF || first.fault.cr2 != m.code_linear(m.ip);
        text += vector_name(static_cast<u8>(first.fault.vector));
        if (first.fault.has_error && story.error_codes) text += " (error code " + h(first.fault.error, 4) + ")";
        text += " " + place + (d.valid && fetched ? " (" + d.text + ")" : "");
    } else {
        const std::string line = interrupt_source(board, static_cast<unsigned>(first.during.vector));
        text +=
            event_words(first.during) + (line.empty() ? "" : " (" + line + ")") + " could not be delivered " + place;
        if (!by_program(first.during) && m.protected_mode() && first.during.kind == InterruptKind::hardware &&
            !missing_idt(m).empty())
            text += ", where interrupts are on (EFLAGS.IF = 1)";
    }
    const std::string why = reason(m, first);
    if (!why.empty()) text += ": " + why;
    story.say(text);
    if (chain.size() > 1) {
        const std::string then = reason(m, chain[1]);
        if (then != why && !then.empty())
            story.say(vector_name(static_cast<u8>(first.fault.vector)) + " could not be delivered: " + then);
    }
    auto found = guesses(story, m, d, {first.fault, first.during});
    if (found.empty() && chain.size() > 1) found = guesses(story, m, d, {chain[1].fault, chain[1].during});
    for (const std::string& guess : found) story.say("A guess: " + guess);
}

void tell_sleep(Story& story, const Moment& m, const Board& board) {
    tell_in_service(story, m, board);
    const StackPlace place = StackPlace::current(m);
    const unsigned width = place.long64 ? 8 : 4;
    const auto slot = [&](unsigned n) {
        const u64 offset = (place.sp + u64{n} * width) & place.mask();
        return m.number(place.long64 ? offset : static_cast<u32>(place.segment.base + offset), width);
    };
    const auto cs = slot(0), flags = slot(1);
    const bool frame = m.protected_mode() && cs && flags && *cs == m.seg[CS].selector &&
                       (*flags & ~u64{0x27'7FD7}) == 0 && (*flags & (eflags::IF | 2)) == (eflags::IF | 2);
    if (frame && (m.eflags & eflags::IF) == 0)
        story.say("A guess: a handler has ended with RET instead of IRET: on the stack lie " + h(*cs, 4) + " and " +
                  h(*flags, 8) +
                  ", as CS and EFLAGS are pushed, and the interrupts that this EFLAGS would switch on again stay off");
}

} // namespace glassbox::explain
