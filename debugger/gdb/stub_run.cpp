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
constexpr unsigned sig_int = 2, sig_trap = 5, sig_segv = 11;
constexpr u64 most_range_steps = 1000, longest_quick_step = 100'000;

std::string two_digits(unsigned value) { return {"0123456789abcdef"[value >> 4 & 15], "0123456789abcdef"[value & 15]}; }
} // namespace

// --- stops -----------------------------------------------------------------------------------------------------------

std::string GdbStub::stop_reply(const Stop& stop) const {
    if (stop.kind == StopKind::ended && stop.machine == StopReason::power_off) return "W00";
    if (stop.kind == StopKind::ended && stop.machine == StopReason::exit_port)
        return "W" + two_digits(debugger_.machine().exit_status());
    const unsigned signal = stop.kind == StopKind::interrupted    ? sig_int
                            : stop.kind == StopKind::triple_fault ? sig_segv
                                                                  : sig_trap;
    std::string text = "T" + two_digits(signal) + "thread:" + gdb::to_hex(u64{stop.processor} + 1) + ";";
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
    const bool told = stop.kind == StopKind::step || stop.kind == StopKind::interrupted ||
                      stop.kind == StopKind::start || stop.kind == StopKind::history_end ||
                      std::ranges::any_of(points_, [&](const auto& p) { return p.second.number == stop.number; });
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
    if (bits == described) return;
    std::array<u8, 15> bytes{};
    const u64 pc = cpu.code_linear(cpu.ip);
    const std::size_t size = read_linear_quietly(cpu, pc, bytes);
    if (size == 0) return;
    const Disassembly line = disassemble(std::span(bytes).first(size), bits, cpu.ip);
    console(std::to_string(bits) + " bits, " + gdb::to_hex(u64{cpu.seg[CS].selector}) + ":" + gdb::to_hex(cpu.ip) +
            "  " + line.text + "\n");
}

void GdbStub::stopped(const Stop& stop) {
    if (stepping_range_) return;
    if (awaited_) return report(stop);
    if (!monitoring_) return; // gdb knows nothing of this run
    monitoring_ = false;
    console(describe_stop(debugger_));
    ok();
}

void GdbStub::why_stopped(Scanner&) {
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

void GdbStub::go(Plan::Kind kind, unsigned thread, bool back) {
    Plan plan;
    plan.kind = kind;
    plan.backwards = back;
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
    go(stepping ? Plan::Kind::step : Plan::Kind::continue_on, moving_ ? moving_ : thread_, false);
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
    go(stepping ? Plan::Kind::step : Plan::Kind::continue_on, moving_ ? moving_ : thread_, true);
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
    case 'c': return go(Plan::Kind::continue_on, thread, false);
    case 's': return go(Plan::Kind::step, thread, false);
    case 'r': return range_step(thread, from, to);
    default: return ok(); // it stands already
    }
}

/// Steps until the instruction pointer leaves the range; gdb repeats the packet if it was not enough.
void GdbStub::range_step(unsigned thread, u64 from, u64 to) {
    const Cpu& cpu = debugger_.machine().cpu(thread - 1);
    Plan plan;
    plan.kind = Plan::Kind::step;
    stepping_range_ = true;
    Expected<> begun;
    for (u64 n = 0; n < most_range_steps && begun; ++n) {
        debugger_.select_processor(thread - 1);
        begun = debugger_.resume(plan);
        if (!begun) break;
        debugger_.run(never, debugger_.machine().instructions() + longest_quick_step);
        if (debugger_.running()) { // the processor waits for something: whenever it stops, that will do
            stepping_range_ = false;
            awaited_ = true;
            return;
        }
        const u64 pc = cpu.code_linear(cpu.ip);
        if (debugger_.stop().kind != StopKind::step || pc < from || pc >= to) break;
    }
    stepping_range_ = false;
    if (!begun) console(begun.error().message + "\n");
    report(debugger_.stop());
}

// --- stop points -----------------------------------------------------------------------------------------------------

bool GdbStub::point(Scanner& s, StopPoint& point, std::string& key) {
    const char type = s.peek();
    if (type < '0' || type > '4' || !s.take(type) || !s.take(',')) return false;
    const auto address = s.number();
    if (!address || !s.take(',')) return false;
    const auto length = s.number();
    if (!length) return false;
    constexpr StopPointKind kinds[] = {StopPointKind::execute, StopPointKind::execute, StopPointKind::change,
                                       StopPointKind::read, StopPointKind::access};
    point.kind = kinds[type - '0'];
    point.where.value = *address;
    // The length of a breakpoint is that of an instruction that gdb would put there.
    point.length = point.kind == StopPointKind::execute ? 1 : *length;
    point.hidden = true;
    key = std::string(1, type) + ',' + gdb::to_hex(*address) + ',' + gdb::to_hex(point.length);
    return true;
}

void GdbStub::insert(Scanner& s) {
    StopPoint wanted;
    std::string key;
    if (!s.empty() && (s.peek() < '0' || s.peek() > '4')) return unsupported();
    if (!point(s, wanted, key) || (!s.empty() && s.peek() != ';')) return malformed();
    if (s.rest().find("X") != std::string_view::npos) return error("conditions are gdb's own work");
    if (points_.contains(key)) return ok();
    const Point made{0, key[0], wanted.where.value};
    const auto number = debugger_.add(std::move(wanted));
    if (!number) return error(number.error().message);
    points_[key] = made;
    points_[key].number = *number;
    ok();
}

void GdbStub::remove(Scanner& s) {
    StopPoint wanted;
    std::string key;
    if (!s.empty() && (s.peek() < '0' || s.peek() > '4')) return unsupported();
    if (!point(s, wanted, key) || !s.empty()) return malformed();
    if (const auto found = points_.find(key); found != points_.end()) {
        debugger_.remove(found->second.number);
        points_.erase(found);
    }
    ok();
}

void GdbStub::remove_points() {
    for (const auto& [key, point] : points_) debugger_.remove(point.number);
    points_.clear();
}

// --- the end ---------------------------------------------------------------------------------------------------------

void GdbStub::detach(Scanner&) {
    awaited_ = monitoring_ = false;
    ok();
    finished_ = true; // what follows is the destructor's
}

void GdbStub::kill(Scanner&) { finished_ = killed_ = true; }

void GdbStub::kill_packet(Scanner&) {
    awaited_ = monitoring_ = false;
    ok();
    finished_ = killed_ = true;
}

} // namespace glassbox
