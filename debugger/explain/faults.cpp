// Faults that have happened: one, the chain that shut a processor down, and what would happen next.
#include "debugger/explain/faults.hpp"

#include "debugger/explain/delivery.hpp"
#include "debugger/explain/explain.hpp"
#include "debugger/explain/summary.hpp"
#include "debugger/hex.hpp"
#include "machine/autopsy.hpp"
#include "machine/board.hpp"

#include <algorithm>
#include <vector>

namespace glassbox {

namespace {

using namespace explain;

std::string title(const Fault& f, bool with_error) {
    std::string text =
        vector_name(static_cast<u8>(f.vector)) + " (" + std::string(vector_title(static_cast<u8>(f.vector))) + ")";
    if (f.has_error && with_error) text += ", error code " + h(f.error, 4);
    if (f.vector == Exception::PF) text += ", CR2 = " + h(f.cr2, f.cr2 >> 32 ? 16 : 8);
    return text;
}

std::string grouped(u64 number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
    return digits;
}

/// "at 0008:00101234 <main+4h>, 32-bit protected mode, CPL 0, after 1,234 instructions".
std::string place(const Story& story, const Moment& m) {
    return "at " + far_words(m.seg[CS].selector, m.ip, m.offset_digits()) + story.name(m.code_linear(m.ip)) + ", " +
           m.mode_words() + ", CPL " + std::to_string(m.cpl) + ", after " + grouped(m.instructions) +
           (m.instructions == 1 ? " instruction" : " instructions");
}

void tell_bytes(Story& story, const Decoded& d) {
    if (d.readable == 0) {
        story.line("(the bytes of the instruction cannot be read)");
        return;
    }
    std::string bytes = hex_bytes(d.code(), true);
    story.line(bytes + (bytes.size() < 24 ? std::string(24 - bytes.size(), ' ') : "  ") + d.text);
}

Finding tell_failed_delivery(Story& story, const Moment& m, const Cpu::Delivering& e, const Fault& fault) {
    const Event event{static_cast<u8>(e.vector), e.kind, e.has_error, e.error};
    Story attempt = story.fresh();
    const Verdict v = tell_delivery(attempt, m, event);
    if (!v || !v->agrees(fault)) return {Match::none, v};
    story.append(attempt);
    return {v->why == (fault.why ? fault.why : "") ? Match::exact : Match::agrees, v};
}

/// What a fault of this kind often comes from.
void tell_suspicion(Story& story, const Moment& m, const Fault& fault, const Cpu::Delivering& during) {
    const bool hardware = during.vector >= 0 && during.kind == InterruptKind::hardware;
    if (hardware && during.vector >= 8 && during.vector < 16 && !m.real_mode())
        story.say(
            "Vectors 08h to 0Fh belong to exceptions in protected mode; an interrupt there is what the 8259 sends "
            "for IRQ 0 to 7 while it is still programmed as the BIOS left it",
            "3A 6.2");
    if (fault.vector == Exception::PF && (fault.error & 1) == 0 && fault.cr2 < page_size && during.vector < 0)
        story.say("An address below 1000h: a null pointer, or a member of one");
    if (fault.vector == Exception::PF && during.vector < 0 && fault.cr2 == m.code_linear(m.ip))
        story.say("The address is that of the instruction: what led execution here (a jump, a call, a return address) "
                  "is to be looked for, or the page tables lack the code");
}

/// The reasons of one fault.
Finding tell_fault(Story& story, const Moment& m, const Fault& fault, const Cpu::Delivering& during, const Decoded& d) {
    Finding found;
    if (during.vector >= 0) {
        const bool own = during.kind == InterruptKind::software || during.kind == InterruptKind::int3 ||
                         during.kind == InterruptKind::into || during.kind == InterruptKind::icebp;
        story.say(own ? event_words(during) + " looks up its vector:"
                      : "It arose while " + event_words(during) + " was being delivered:",
                  m.real_mode() ? "3A 20.1.4" : "3A 6.12");
        Story::Indented in(story);
        tell_suspicion(story, m, fault, during);
        found = tell_failed_delivery(story, m, during, fault);
        if (found.match == Match::none) found.match = tell_reason(story, m, fault);
        return found;
    }
    tell_suspicion(story, m, fault, during);
    found = tell_instruction(story, m, d, &fault);
    if (found.match == Match::none) found.match = tell_reason(story, m, fault);
    return found;
}

// --- combinations ----------------------------------------------------------------------------------------------------

enum class FaultClass : u8 { benign, contributory, page_fault };
FaultClass class_of(Exception e) {
    switch (e) {
    case Exception::DE:
    case Exception::TS:
    case Exception::NP:
    case Exception::SS:
    case Exception::GP: return FaultClass::contributory;
    case Exception::PF: return FaultClass::page_fault;
    default: return FaultClass::benign;
    }
}

const char* class_words(FaultClass c) {
    switch (c) {
    case FaultClass::contributory: return "contributory";
    case FaultClass::page_fault: return "a page fault";
    default: return "benign";
    }
}

/// SDM 3A, table 6-5.
bool makes_double(Exception first, Exception second) {
    const FaultClass a = class_of(first), b = class_of(second);
    if (b == FaultClass::benign) return false;
    return a == FaultClass::page_fault || (a == FaultClass::contributory && b == FaultClass::contributory);
}

void tell_combination(Story& story, const Fault& first, const Fault& second) {
    const std::string a = vector_name(static_cast<u8>(first.vector)), b = vector_name(static_cast<u8>(second.vector));
    const FaultClass one = class_of(first.vector), two = class_of(second.vector);
    std::string both = a + " is " + class_words(one) + " and " + b + " is " + class_words(two);
    if (one == FaultClass::contributory && two == one) both = "Both are contributory";
    if (one == FaultClass::page_fault && two == one) both = "Both are page faults";
    story.say(both + ": " +
                  (makes_double(first.vector, second.vector)
                       ? "the second, while the first is being delivered, makes a double fault"
                       : "they are handled one after the other"),
              "3A 6.15, table 6-5");
}

constexpr const char* ordinals[] = {"first", "second", "third", "fourth"};

/// The lines of a story as sentences: what is indented behind a line that is no deeper belongs to it.
std::vector<std::string> sentences(std::string_view text) {
    std::vector<std::string> all;
    std::size_t depth = 0;
    while (!text.empty()) {
        const std::size_t end = text.find('\n') + 1;
        const std::string_view line = text.substr(0, end);
        const std::size_t indent = line.find_first_not_of(' ');
        if (!all.empty() && indent == depth + 2 && all.back().back() == '\n' &&
            all.back().find(":\n") == std::string::npos && !line.substr(indent).starts_with("page-") &&
            !line.substr(indent).starts_with("PM")) {
            all.back() += line;
        } else {
            all.emplace_back(line);
            depth = indent;
        }
        text.remove_prefix(end);
    }
    return all;
}

/// Leaves out what the story has said of the fault before: the second delivery often goes the way of the first.
std::string without_repetition(std::string_view before, const std::string& text) {
    const auto all = sentences(text);
    std::string result;
    for (std::size_t i = 0; i < all.size();) {
        std::size_t same = 0;
        while (i + same < all.size() && all[i + same].find("→") == std::string::npos &&
               before.find("\n" + all[i + same]) != std::string::npos)
            ++same;
        if (same < 3) {
            result += all[i++];
            continue;
        }
        result += std::string(all[i].find_first_not_of(' '), ' ') + "(" + std::to_string(same) + " steps as before)\n";
        i += same;
    }
    return result;
}

/// Where history is worth asking: the memory that decided the first two faults, and the tables that are not there.
void gather(Evidence& evidence, const Moment& m, std::span<const Link> chain) {
    evidence.instructions = m.instructions;
    evidence.gdt_missing = missing_gdt(m);
    evidence.idt_missing = !missing_idt(m).empty();
    for (const Link& link : chain.first(std::min<std::size_t>(chain.size(), 2))) {
        const bool twice = !evidence.places.empty() && evidence.places.front().phys == link.cited.phys;
        const bool no_table = evidence.idt_missing && link.during.vector >= 0;
        if (link.cited.size != 0 && !twice && !no_table) evidence.places.push_back(link.cited);
    }
}

/// Fills in what it came down to.
void tell_link(Story& story, const Moment& m, const Decoded& d, std::span<Link> chain, std::size_t i) {
    const Fault& f = chain[i].fault;
    const Cpu::Delivering& during = chain[i].during;
    story.line(std::to_string(i + 1) + ". The " + ordinals[i] + " fault: " + title(f, story.error_codes));
    Story::Indented in(story);
    if (i == 0) {
        story.say(place(story, m) + ":");
        Story::Indented deeper(story);
        tell_bytes(story, d);
    }
    tell_fault(story, m, f, during, d);
    chain[i].decisive = story.decisive();
    chain[i].cited = story.cited();
    if (i != 0 && during.vector != 8) tell_combination(story, chain[i - 1].fault, f);
}

/// The faults as the processor has kept them: three. When the second was handled after the first one (table 6-5), there
/// was one more before the last, which the tables tell.
std::vector<Link> chain_of(const Cpu& cpu, const Moment& m) {
    std::vector<Link> chain;
    for (unsigned i = 0; i < cpu.fault_chain_length; ++i)
        chain.push_back({cpu.fault_chain[i], cpu.fault_chain_during[i], {}, {}});
    if (chain.size() != 3 || chain[2].during.vector != 8 || makes_double(chain[0].fault.vector, chain[1].fault.vector))
        return chain;
    const Fault& second = chain[1].fault;
    const Cpu::Delivering event{static_cast<i16>(second.vector), InterruptKind::exception, second.has_error,
                                second.error};
    Story unheard;
    const Verdict v =
        tell_delivery(unheard, m, {static_cast<u8>(event.vector), event.kind, event.has_error, event.error});
    if (v && makes_double(second.vector, v->vector))
        chain.insert(chain.begin() + 2, {Fault{v->vector, v->has_error, v->error, v->cr2, ""}, event, {}, {}});
    return chain;
}

void tell_chain(Story& story, const Cpu& cpu, const Board* board, Evidence& evidence) {
    const Moment m = Moment::of(cpu);
    const Decoded d = Decoded::at(m);
    story.error_codes = !m.real_mode();
    std::vector<Link> chain = chain_of(cpu, m);
    Story links = story.fresh();
    for (std::size_t i = 0; i < chain.size(); ++i) {
        Story link = story.fresh();
        tell_link(link, m, d, chain, i);
        Story shortened = story.fresh();
        shortened.append_text(without_repetition(links.text(), link.text()));
        links.gap();
        links.append(shortened);
    }
    gather(evidence, m, chain);
    tell_summary(story, m, d, chain, board);
    story.gap();
    story.say("The processor has shut down after a triple fault", "3A 6.15, interrupt 8");
    if (chain.empty()) {
        story.say("Which faults led to it was not seen: the machine was loaded in this state");
        return;
    }
    story.gap();
    story.append(links);
    story.gap();
    if (chain.back().during.vector == 8)
        story.conclude(
            "a fault while a double fault is being delivered (a triple fault) shuts the processor down until "
            "RESET, INIT or NMI",
            "3A 6.15, interrupt 8");
    else
        story.conclude("the processor shuts down", "3A 6.15, interrupt 8");
}

std::string shutdown_story(const Cpu& cpu, const AddressNames& names, const Board* board, Evidence& evidence) {
    Story story(names);
    if (!cpu.shutdown) return "The processor is not shut down.\n";
    tell_chain(story, cpu, board, evidence);
    return story.text();
}

} // namespace

Finding explain::tell_record(Story& story, const FaultRecord& record) {
    const Moment& m = record.moment;
    story.error_codes = !m.real_mode();
    story.line(title(record.fault, story.error_codes));
    story.say(place(story, m) + ":");
    const Decoded d = Decoded::at(m);
    Story::Indented in(story);
    {
        Story::Indented deeper(story);
        tell_bytes(story, d);
    }
    const Finding found = tell_fault(story, m, record.fault, record.during, d);
    for (const std::string& guess : guesses(story, m, d, {record.fault, record.during})) story.say("A guess: " + guess);
    return found;
}

std::string explain_shutdown(const Cpu& cpu, const AddressNames& names) {
    Evidence unused;
    return shutdown_story(cpu, names, nullptr, unused);
}

std::string explain_fault(const FaultRecord& record, const AddressNames& names) {
    Evidence unused;
    return explain_fault(record, names, unused);
}

std::string explain_fault(const FaultRecord& record, const AddressNames& names, Evidence& evidence) {
    Story story(names);
    tell_record(story, record);
    const Link link{record.fault, record.during, {}, story.cited()};
    gather(evidence, record.moment, std::span(&link, 1));
    return story.text();
}

std::string explain_fault(const Cpu& cpu, const Fault& fault, const AddressNames& names) {
    return explain_fault({fault, cpu.failed_delivery, Moment::of(cpu)}, names);
}

std::string explain_next(const Cpu& cpu, const AddressNames& names) {
    Story story(names);
    const Moment m = Moment::of(cpu);
    const Decoded d = Decoded::at(m);
    story.error_codes = !m.real_mode();
    story.say("The instruction " + place(story, m) + ":");
    Story::Indented in(story);
    {
        Story::Indented deeper(story);
        tell_bytes(story, d);
    }
    const Finding found = tell_instruction(story, m, d, nullptr);
    if (!found.verdict) story.say("Nothing that is checked before it executes denies it");
    if (executes_zeroes(d)) story.say(std::string("A guess: ") + zeroes_guess);
    return story.text();
}

std::string explain_sleep(Machine& machine, const Cpu& cpu, const AddressNames& names) {
    Story story(names);
    const Moment m = Moment::of(cpu);
    story.say("The processor stands " + place(story, m));
    if (!cpu.halted) return story.text();
    const bool enabled = (m.eflags & eflags::IF) != 0;
    story.say("It has executed HLT with EFLAGS.IF = " + std::string(enabled ? "1" : "0") +
                  (enabled ? ", and waits for an interrupt" : ", and nothing that could wake it is going to happen"),
              "2A HLT");
    tell_sleep(story, m, machine.board());
    return story.text();
}

std::string explain_triple_fault(Machine& machine, const AddressNames& names) {
    Evidence unused;
    return explain_triple_fault(machine, names, unused);
}

std::string summarize_triple_fault(Machine& machine, const AddressNames& names) {
    std::string text = explain_triple_fault(machine, names);
    text.resize(std::min(text.find("\n\n"), text.size()));
    return text;
}

std::string explain_triple_fault(Machine& machine, const AddressNames& names, Evidence& evidence) {
    const Board& board = machine.board();
    const Cpu* shut = board.processors.shut_down();
    std::string text;
    if (shut != nullptr) {
        if (board.processors.count() > 1) text = "Processor " + std::to_string(shut->apic_id) + ":\n";
        text += shutdown_story(*shut, names, &board, evidence);
    } else {
        text += explain_sleep(machine, board.processors.current(), names);
    }
    return text + '\n' + register_dump(shut != nullptr ? *shut : board.processors.current());
}

} // namespace glassbox
