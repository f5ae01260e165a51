// Running, stopping, stop points.
#include "cpu/state.hpp"
#include "debugger/disassembly.hpp"
#include "debugger/gdb/stub.hpp"
#include "debugger/view.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace glassbox {

using gdb::Scanner;

namespace {
/// gdb's own numbers of signals.
constexpr unsigned sig_int = 2, sig_ill = 4, sig_trap = 5, sig_fpe = 8, sig_bus = 10, sig_segv = 11, sig_stop = 17;

/// What a program under Unix would be told of an exception (SDM volume 3, table 6-1).
unsigned signal_of_exception(u64 vector) {
    switch (vector) {
    case 0:
    case 16:
    case 19: return sig_fpe;
    case 6: return sig_ill;
    case 17: return sig_bus;
    case 4:
    case 5:
    case 8:
    case 10:
    case 11:
    case 12:
    case 13:
    case 14: return sig_segv;
    default: return sig_trap;
    }
}

std::string two_digits(unsigned value) { return {"0123456789abcdef"[value >> 4 & 15], "0123456789abcdef"[value & 15]}; }
} // namespace

// --- stops -----------------------------------------------------------------------------------------------------------

/// What gdb has asked for itself: a step, or its own stop points. Its reply says all.
bool GdbStub::expected(const Stop& stop) const {
    return (stop.kind == StopKind::step && !stop.given_up) || stop.kind == StopKind::history_end ||
           std::ranges::any_of(points_, [&](const auto& p) { return p.second.number == stop.number; });
}

unsigned GdbStub::signal_of(const Stop& stop) const {
    if (stop.kind == StopKind::interrupted) return sig_int;
    if (stop.kind == StopKind::triple_fault) return sig_segv;
    // A catchpoint for one exception was asked for: the signal says which.
    const StopPoint* point = stop.kind == StopKind::event ? debugger_.find(stop.number) : nullptr;
    const bool one = point && point->kind == StopPointKind::exception && point->first == point->last;
    if (one) return signal_of_exception(point->first);
    // While it steps gdb would take SIGTRAP for one more step that is done, and go on.
    return stepping_ && !expected(stop) ? sig_stop : sig_trap;
}

std::string GdbStub::stop_reply(const Stop& stop) const {
    if (stop.kind == StopKind::ended && stop.machine == StopReason::power_off) return "W00";
    if (stop.kind == StopKind::ended && stop.machine == StopReason::exit_port)
        return "W" + two_digits(debugger_.machine().exit_status());
    std::string text = "T" + two_digits(signal_of(stop)) + "thread:" + gdb::to_hex(u64{stop.processor} + 1) + ";";
    if (stop.kind == StopKind::history_end) text += stop.backwards ? "replaylog:begin;" : "replaylog:end;";
    for (const auto& [key, point] : points_) {
        if (stop.number == 0 || point.number != stop.number) continue;
        switch (point.type) {
        case '0': text += swbreak_ ? "swbreak:;" : ""; break;
        case '1': text += hwbreak_ ? "hwbreak:;" : ""; break;
        case '2': text += "watch:" + gdb::to_hex(point.address) + ";"; break;
        case '3': text += "rwatch:" + gdb::to_hex(point.address) + ";"; break;
        default: text += "awatch:" + gdb::to_hex(point.address) + ";"; break;
        }
    }
    return text;
}

/// The stop that gdb waits for. What its reply cannot say is said in words before it.
void GdbStub::report(const Stop& stop) {
    awaited_ = false;
    thread_ = stop.processor + 1;
    const bool told = expected(stop) || stop.kind == StopKind::interrupted || stop.kind == StopKind::start;
    if (!told && !stop.text.empty() && !asked_why_) console(stop.text + "\n");
    const bool asked = std::exchange(asked_why_, false);
    // Not after a step: gdb takes many that nobody sees.
    if (!asked && stop.kind != StopKind::step && stop.kind != StopKind::ended) show_code();
    reply(stop_reply(stop));
}

/// gdb disassembles as its description says. Where the code is of another width, we do it.
void GdbStub::show_code() {
    const Cpu& cpu = debugger_.machine().cpu(thread_ - 1);
    const unsigned bits = code_bits(cpu);
    const unsigned described = arch_ == gdb::Arch::x86_64 ? 64 : arch_ == gdb::Arch::i8086 ? 16 : 32;
    if (bits == described || wanted_ == gdb::Arch::by_mode) return; // then gdb is about to ask for another
    std::array<u8, 15> bytes{};
    const u64 pc = cpu.code_linear(cpu.ip);
    const std::size_t size = read_linear_quietly(cpu, pc, bytes);
    if (size == 0) return;
    const Disassembly line = disassemble(std::span(bytes).first(size), bits, cpu.ip);
    console(std::to_string(bits) + " bits, " + gdb::to_hex(u64{cpu.seg[CS].selector}) + ":" + gdb::to_hex(cpu.ip) +
            "  " + line.text + "\n");
}

void GdbStub::stopped(const Stop& stop) {
    if (awaited_) return report(stop);
    if (!monitoring_) return; // gdb knows nothing of this run
    monitoring_ = false;
    console(describe_stop(debugger_));
    ok();
}

void GdbStub::why_stopped_packet(Scanner&) {
    if (dead_ || detached_) return reply("W00");
    why_stopped();
}

void GdbStub::why_stopped() {
    if (debugger_.running()) { // asked to stop, and about to
        awaited_ = asked_why_ = true;
        debugger_.interrupt();
        return;
    }
    Stop stop = debugger_.stop();
    // Whose turn it was last tells nothing before the first one.
    for (unsigned i = 0; !debugger_.machine().cpu(stop.processor).runnable() && i < debugger_.machine().processors();
         ++i)
        stop.processor = i;
    thread_ = stop.processor + 1;
    std::string text = stop_reply(stop);
    if (text[0] == 'W') text = "T" + two_digits(sig_trap) + "thread:" + gdb::to_hex(u64{thread_}) + ";";
    reply(text);
}

void GdbStub::interrupt() {
    if (debugger_.running()) debugger_.interrupt();
}
void GdbStub::interrupt_packet(Scanner&) {
    ok();
    interrupt();
}

// --- going on --------------------------------------------------------------------------------------------------------

/// The client's interrupt ends it, and the machine is where it was.
Expected<> GdbStub::go_back(const Plan& plan, bool& ended) {
    const auto others = debugger_.progress;
    debugger_.progress = [&](double done) {
        ended |= interrupted_ && interrupted_();
        return !ended && (!others || others(done));
    };
    auto gone = debugger_.resume(plan);
    debugger_.progress = others;
    return gone;
}

/// A step of gdb's, forwards: hardware interrupts are passed over, unless it has said that it wants to see them.
void GdbStub::go_step(unsigned thread, u64 from, u64 to) {
    Plan plan;
    plan.kind = step_into_interrupts_ && from >= to ? Plan::Kind::step : Plan::Kind::step_range;
    plan.address = from;
    plan.count = plan.kind == Plan::Kind::step ? 1 : to > from ? to - from : 0;
    go(plan, thread);
}

void GdbStub::go(const Plan& plan, unsigned thread) {
    const bool back = plan.backwards;
    if (debugger_.running()) { // on the console's command
        awaited_ = plan.kind == Plan::Kind::continue_on && !back;
        if (awaited_) return;
        debugger_.interrupt();
    }
    stepping_ = plan.kind != Plan::Kind::continue_on;
    if (thread) debugger_.select_processor(thread - 1);
    awaited_ = true;
    bool ended = false;
    const auto begun = back ? go_back(plan, ended) : debugger_.resume(plan);
    if (!awaited_) return; // it has been carried out, and reported
    if (!begun) {
        awaited_ = false;
        console(begun.error().message + "\n");
        std::string text = "T" + two_digits(ended ? sig_int : sig_trap) +
                           "thread:" + gdb::to_hex(u64{debugger_.processor()} + 1) + ";";
        if (back && !ended) text += "replaylog:begin;";
        return reply(text);
    }
    if (!debugger_.running()) report(debugger_.stop());
}

void GdbStub::resume_at(Scanner& s, bool stepping) {
    if (!s.empty()) {
        const auto address = s.number();
        if (!address || !s.empty()) return malformed();
        Cpu& cpu = debugger_.machine().cpu((moving_ ? moving_ : thread_) - 1);
        for (const gdb::Register& r : registers_) {
            if (r.kind != gdb::Register::Kind::ip) continue;
            std::string bytes(r.bits / 8, '\0');
            for (unsigned i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(*address >> (8 * i));
            if (const auto done = gdb::write(cpu, r, bytes); !done) return error(done.error().message);
        }
        debugger_.changed();
    }
    const unsigned thread = moving_ ? moving_ : thread_;
    stepping ? go_step(thread, 0, 0) : go({}, thread);
}

void GdbStub::go_on(Scanner& s) { resume_at(s, false); }
void GdbStub::step(Scanner& s) { resume_at(s, true); }

/// The machine has no signals: whichever it is, nothing is delivered.
void GdbStub::go_on_signalled(Scanner& s) {
    if (!s.number()) return malformed();
    if (!s.empty() && !s.take(';')) return malformed();
    resume_at(s, false);
}
void GdbStub::step_signalled(Scanner& s) {
    if (!s.number()) return malformed();
    if (!s.empty() && !s.take(';')) return malformed();
    resume_at(s, true);
}

void GdbStub::backwards(Scanner& s) {
    const bool stepping = s.take('s');
    if ((!stepping && !s.take('c')) || !s.empty()) return unsupported();
    Plan plan;
    if (stepping) plan.kind = Plan::Kind::step;
    plan.backwards = true;
    go(plan, moving_ ? moving_ : thread_);
}

void GdbStub::actions(Scanner&) { reply("vCont;c;C;s;S;t;r"); }

/// The processors run side by side whatever is asked: the first step that is asked for decides when the machine stops.
void GdbStub::resume_threads(Scanner& s) {
    char chosen = 0;
    unsigned thread = 0;
    u64 from = 0, to = 0;
    if (!s.take(';')) return malformed();
    while (!s.empty()) {
        Scanner action(s.until(';'));
        const char kind = action.peek();
        if (action.empty()) return malformed();
        action.take(kind);
        u64 low = 0, high = 0;
        if (kind == 'C' || kind == 'S') {
            if (!action.number()) return malformed();
        } else if (kind == 'r') {
            const auto first = action.number();
            if (!first || !action.take(',')) return malformed();
            const auto end = action.number();
            if (!end) return malformed();
            low = *first, high = *end;
        } else if (kind != 'c' && kind != 's' && kind != 't') {
            return error("no such action");
        }
        unsigned which = 0;
        if (action.take(':')) {
            const auto number = thread_number(action);
            if (!number) return error("there is no such processor");
            which = *number;
        }
        if (!action.empty()) return malformed();
        const bool steps = kind == 's' || kind == 'S' || kind == 'r';
        const bool had = chosen == 's' || chosen == 'r';
        if (kind == 't' || had || (chosen && !steps)) continue;
        chosen = kind == 'r' ? 'r' : steps ? 's' : 'c';
        thread = which ? which : thread_;
        from = low, to = high;
    }
    switch (chosen) {
    case 'c': return go({}, thread);
    case 's':
    case 'r': return go_step(thread, from, to);
    default: return ok(); // it stands already
    }
}

} // namespace glassbox
