#include "debugger/explain/past.hpp"

#include "cpu/decode/insn.hpp"
#include "cpu/decode/row.hpp"
#include "debugger/debugger.hpp"
#include "debugger/explain/decoded.hpp"

#include <algorithm>
#include <optional>

namespace glassbox::explain {

namespace {

/// An instruction that has done it.
struct Doer {
    u64 count = 0;
    std::string place, text;
};

std::string counted_with_commas(u64 number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
    return digits;
}

/// Keeps the last doers of what executes up to a count.
class Witness final : public Probe {
  public:
    Witness(const Evidence& evidence, const AddressNames& names)
        : evidence_(evidence), names_(names), writers(evidence.places.size()) {}

    bool wants(Cpu&, u64, u64, const Insn& insn) override {
        if (insn.row == nullptr) return false;
        const std::string_view name = insn.row->info->mnemonic;
        return (evidence_.gdt_missing && name == "lgdt") || (evidence_.idt_missing && name == "lidt");
    }
    bool before_instruction(Cpu& cpu) override {
        const Moment m = Moment::of(cpu);
        const Decoded d = Decoded::at(m);
        if (m.instructions >= evidence_.instructions) return false;
        if (d.is({ZYDIS_MNEMONIC_LGDT})) lgdt = doer(m, d);
        if (d.is({ZYDIS_MNEMONIC_LIDT})) lidt = doer(m, d);
        return false;
    }
    bool watches(Cpu&, u64, u64 phys_page) override {
        return std::any_of(evidence_.places.begin(), evidence_.places.end(), [&](const Cited& place) {
            return place.phys < phys_page + page_size && place.phys + place.size > phys_page;
        });
    }
    void accessed(Cpu& cpu, const MemoryAccess& access) override {
        if (!access.write || access.system || cpu.scheduler.instructions() > evidence_.instructions) return;
        for (std::size_t i = 0; i < writers.size(); ++i) {
            const Cited& place = evidence_.places[i];
            if (access.phys >= place.phys + place.size || place.phys >= access.phys + access.size) continue;
            const Moment m = Moment::of(cpu);
            writers[i] = doer(m, Decoded::at(m));
        }
    }

  private:
    const Evidence& evidence_;
    const AddressNames& names_;

    Doer doer(const Moment& m, const Decoded& d) const {
        const u64 linear = m.code_linear(m.ip);
        const bool firmware = linear >= 0xE'0000 && linear < 0x10'0000;
        const std::string name = names_ && !firmware ? names_(linear) : std::string();
        return {m.instructions,
                far_words(m.seg[CS].selector, m.ip, m.offset_digits()) + (name.empty() ? "" : " <" + name + ">") +
                    (firmware ? ", in the firmware" : ""),
                d.valid ? d.text : "?"};
    }

  public:
    std::vector<std::optional<Doer>> writers;
    std::optional<Doer> lgdt, lidt;

    bool complete() const {
        return std::all_of(writers.begin(), writers.end(), [](const auto& w) { return w.has_value(); }) &&
               (lgdt || !evidence_.gdt_missing) && (lidt || !evidence_.idt_missing);
    }
};

/// Executes what lies between `begin` and `end` again while the witness hears of it.
Expected<> listen(Debugger& debugger, Witness& witness, u64 begin, u64 end) {
    Timeline& timeline = debugger.timeline();
    Machine& machine = debugger.machine();
    if (auto gone = timeline.go_to(begin, debugger.progress); !gone) return gone;
    machine.attach(witness);
    constexpr unsigned most_idle = 100;
    for (unsigned idle = 0; machine.instructions() < end && idle < most_idle;) {
        const u64 before = machine.instructions();
        (void)timeline.run(never, end);
        idle = machine.instructions() == before ? idle + 1 : 0;
    }
    machine.detach(witness);
    return {};
}

struct Telling {
    Story story;
    const Evidence& evidence;
    bool from_power_on;
    u64 searched;

    void tell(const std::string& what, const char* deed, const std::optional<Doer>& doer) {
        if (doer)
            return story.say(what + " was " + deed + " last at " + doer->place + " (" + doer->text + "), " +
                             counted_with_commas(evidence.instructions - doer->count) + " instructions before");
        story.say((from_power_on ? "Since power-on no instruction has "
                                 : "In the last " + counted_with_commas(searched) + " instructions none has ") +
                  deed + " " + what);
    }
};

} // namespace

std::string tell_past(Debugger& debugger, const Evidence& evidence) {
    Timeline& timeline = debugger.timeline();
    if (!timeline.active() || (evidence.places.empty() && !evidence.gdt_missing && !evidence.idt_missing)) return {};
    const AddressNames names = names_of(debugger);
    const glassbox::Moment now = timeline.now();
    debugger.look_away();
    constexpr u64 most_span = u64{1} << 28;
    const u64 possible = evidence.instructions - std::min(timeline.earliest().instructions, evidence.instructions);
    u64 span = u64{1} << 16;
    std::optional<Witness> witness;
    Expected<> result;
    do {
        span = std::min({span * 16, most_span, possible});
        witness.emplace(evidence, names);
        result = listen(debugger, *witness, evidence.instructions - span, evidence.instructions);
    } while (result && !witness->complete() && span < std::min(most_span, possible));
    if (timeline.go_to(now.instructions) && timeline.now().time < now.time) (void)timeline.run(now.time);
    if (!result) return {};

    Telling telling{Story(names), evidence, span == possible && timeline.earliest().instructions == 0, span};
    for (std::size_t i = 0; i < evidence.places.size(); ++i)
        telling.tell(evidence.places[i].what, "written", witness->writers[i]);
    if (evidence.gdt_missing) telling.tell("LGDT", "executed", witness->lgdt);
    if (evidence.idt_missing) telling.tell("LIDT", "executed", witness->lidt);
    Story story;
    story.line("In the past:");
    Story::Indented in(story);
    story.append(telling.story);
    return story.text();
}

} // namespace glassbox::explain
