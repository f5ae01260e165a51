#include "debugger/look/last.hpp"

#include "cpu/probe.hpp"
#include "cpu/system/system.hpp"
#include "debugger/debugger.hpp"
#include "debugger/look/instruction_line.hpp"
#include "debugger/look/text.hpp"

#include <deque>

namespace glassbox::look {

namespace {

struct Executed {
    u64 count = 0;
    u64 repetitions = 1; ///< of a string instruction: each counts
    unsigned processor = 0;
    InstructionLine line;
    u64 after = 0; ///< linear address of the instruction that would follow
    std::string event;
};

/// Keeps the last lines of what executes.
class Listener final : public Probe {
  public:
    Listener(Debugger& debugger, std::size_t most, bool branches)
        : debugger_(debugger), symbols_(debugger.symbols().empty() ? nullptr : &debugger.symbols()), most_(most),
          branches_(branches) {}

    bool before_instruction(Cpu& cpu) override {
        const unsigned number = number_of(cpu);
        Executed& before = pending_[number];
        const u64 linear = cpu.code_linear(cpu.ip);
        if (before.line.decoded.repeated && before.line.place.linear == linear) {
            ++before.repetitions;
            if (!branches_ && !lines.empty() && lines.back().count == before.count) ++lines.back().repetitions;
            return false;
        }
        Executed now{cpu.scheduler.instructions(), 1, number, {}, 0, {}};
        now.line = instruction_line(cpu, symbols_, current_place(cpu), !branches_);
        now.after = now.line.place.linear + now.line.decoded.length;
        settle(number, &now);
        pending_[number] = std::move(now);
        if (!branches_) add(pending_[number]);
        return false;
    }
    void delivered(Cpu& cpu, u8 vector, InterruptKind kind, u64) override {
        const unsigned number = number_of(cpu);
        Executed event;
        event.count = cpu.scheduler.instructions();
        event.processor = number;
        event.event = std::string(kind == InterruptKind::exception ? "exception " : "interrupt ") + prose(vector) +
                      " is delivered";
        settle(number, nullptr);
        if (number < pending_.size()) pending_[number].line.decoded.valid = false;
        add(event);
    }

    std::deque<Executed> lines;

  private:
    unsigned number_of(const Cpu& cpu) {
        unsigned number = 0;
        while (number + 1 < debugger_.machine().processors() && &debugger_.machine().cpu(number) != &cpu) ++number;
        if (pending_.size() <= number) pending_.resize(number + 1);
        return number;
    }
    /// The instruction before is known to have branched when the next is not the one behind it.
    void settle(unsigned number, const Executed* next) {
        Executed& before = pending_[number];
        if (!branches_ || !before.line.decoded.valid || !next) return;
        if (before.after == next->line.place.linear) return;
        before.event =
            "to " + code_address(next->line) + (next->line.symbol.empty() ? "" : " <" + next->line.symbol + ">");
        add(before);
    }
    void add(const Executed& what) {
        lines.push_back(what);
        if (lines.size() > most_) lines.pop_front();
    }

    Debugger& debugger_;
    const Symbols* symbols_;
    std::size_t most_;
    bool branches_;
    std::vector<Executed> pending_;
};

std::string line_text(const Executed& e, bool branches, bool several) {
    std::string text = right(std::to_string(e.count), 12) + (several ? " #" + std::to_string(e.processor) : "") + " ";
    if (!e.line.decoded.valid && !e.event.empty() && e.line.bytes.empty()) return text + "   -- " + e.event;
    const std::string times = e.repetitions > 1 ? "  (" + std::to_string(e.repetitions) + " times)" : std::string();
    if (!branches) return text + to_text(e.line) + times;
    return text + "   " + left(code_address(e.line), 16) + "  " + left(e.line.decoded.text, 32) + "  " + e.event;
}

/// Executes the last `span` instructions before `now` again while the listener hears of them.
Expected<> listen(Debugger& debugger, Listener& listener, const Moment& now, u64 span) {
    Timeline& timeline = debugger.timeline();
    Machine& machine = debugger.machine();
    if (auto gone = timeline.go_to(now.instructions - span, debugger.progress); !gone) return gone;
    machine.attach(listener);
    machine.set_every_instruction(listener, true);
    // Stop points of the debugger may end a run early; a halted machine may not move at all.
    constexpr unsigned most_idle = 100;
    for (unsigned idle = 0; machine.instructions() < now.instructions && idle < most_idle;) {
        const u64 before_run = machine.instructions();
        (void)timeline.run(never, now.instructions);
        idle = machine.instructions() == before_run ? idle + 1 : 0;
    }
    machine.set_every_instruction(listener, false);
    machine.detach(listener);
    return {};
}

} // namespace

Expected<> write_last(Debugger& debugger, u64 count, bool branches, std::string& out) {
    Timeline& timeline = debugger.timeline();
    Machine& machine = debugger.machine();
    if (!timeline.active()) return fail("no history is kept, so there is no way back (see help history)");
    const Moment now = timeline.now();
    debugger.look_away();
    // How far back so many lie, nobody knows: repetitions of string instructions count, and branches are rare.
    constexpr u64 most_span = 1 << 18;
    u64 span = branches ? count * 8 : count;
    std::deque<Executed> lines;
    bool all = false;
    Expected<> result;
    do {
        span = std::min(span, most_span);
        const u64 possible = now.instructions - std::min(timeline.earliest().instructions, now.instructions);
        all = span >= possible || span == most_span;
        Listener listener(debugger, static_cast<std::size_t>(count), branches);
        result = listen(debugger, listener, now, std::min(span, possible));
        lines = std::move(listener.lines);
        span *= 16;
    } while (result && lines.size() < count && !all);
    // To the picosecond: while a processor is halted, time passes without instructions.
    auto back = debugger.timeline().go_to(now.instructions);
    if (back && debugger.timeline().now().time < now.time) (void)debugger.timeline().run(now.time);
    if (!result) return result;
    if (!back) return back;
    for (const Executed& e : lines) out += line_text(e, branches, machine.processors() > 1) + "\n";
    if (lines.empty())
        out += branches ? "  no branch in what was executed last\n" : "  nothing has been executed yet\n";
    return {};
}

} // namespace glassbox::look
