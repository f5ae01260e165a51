// Running forwards: the loop around Timeline::run, and what is done between two instructions.
#include "debugger/control/impl.hpp"
#include "debugger/view.hpp"
#include "machine/board.hpp"

#include <algorithm>
#include <utility>

namespace glassbox {

namespace {
constexpr std::size_t most_past_stops = 100'000;
}

Debugger::Impl::Impl(Debugger& debugger, Machine& machine_, Timeline& timeline_)
    : self(debugger), machine(machine_), timeline(timeline_) {
    begin_unplanned();
}

Debugger::Impl::~Impl() { disconnect(); }

void Debugger::Impl::begin_unplanned() {
    active = {};
    every = tracking = false;
    arrival = {};
}

/// Listens exactly as far as something is armed.
void Debugger::Impl::connect() {
    if (entered && !faults_attached && !observer) {
        machine.attach(static_cast<Probe&>(self.faults));
        faults_attached = true;
    }
    if (tracer && !observer) tracer->listen(true);
    const bool armed = !observer || observer->points();
    const bool flow =
        observer ? observer->flow() || observer->address() || observer->every() : tracking || arrival.armed || every;
    const bool wanted = (armed && (points.any_of_cpu() || magic)) || flow;
    const bool bus_wanted = armed && (points.any_of_bus() || points.any_of_memory()); // DMA
    const bool every_wanted = observer ? observer->every() : every;
    if (wanted != attached) {
        wanted ? machine.attach(static_cast<Probe&>(*this)) : machine.detach(static_cast<Probe&>(*this));
        attached = wanted;
        if (!wanted) every_attached = false;
    } else if (attached && questions_changed) {
        machine.probes_changed();
    }
    questions_changed = false;
    if (bus_wanted != bus_attached) {
        bus_wanted ? machine.attach(static_cast<BusProbe&>(*this)) : machine.detach(static_cast<BusProbe&>(*this));
        bus_attached = bus_wanted;
    }
    if (attached && every_wanted != every_attached) {
        machine.set_every_instruction(*this, every_wanted);
        every_attached = every_wanted;
    }
}

void Debugger::Impl::disconnect() {
    if (tracer) tracer->listen(false);
    if (faults_attached) machine.detach(static_cast<Probe&>(self.faults));
    faults_attached = false;
    if (attached) machine.detach(static_cast<Probe&>(*this));
    if (bus_attached) machine.detach(static_cast<BusProbe&>(*this));
    attached = bus_attached = every_attached = false;
}

/// Whose turn it is; after one that sleeps, or waits for a SIPI, comes the next one that does not.
unsigned Debugger::Impl::next_to_execute() const {
    const unsigned number = number_of(machine.cpu()), count = machine.processors();
    for (unsigned i = 0; i < count; ++i) {
        if (machine.cpu((number + i) % count).runnable()) return (number + i) % count;
    }
    return number;
}

Stop Debugger::Impl::stop_here(StopKind kind, std::string text) {
    Stop made;
    made.kind = kind;
    const bool unprovoked = kind == StopKind::start || kind == StopKind::interrupted;
    made.processor = unprovoked ? next_to_execute() : number_of(machine.cpu());
    made.text = std::move(text);
    made.moment = timeline.now();
    return made;
}

void Debugger::Impl::halt(Stop stop_) {
    if (tracer) {
        tracer->settle();
        tracer->listen(false);
    }
    running = false;
    entered = true;
    begin_unplanned();
    stop = std::move(stop_);
    selected = stop.processor;
    skip_count = stop.moment.instructions;
    if (past.size() >= most_past_stops) past.erase(past.begin(), past.begin() + most_past_stops / 2);
    past.push_back(stop);
    tell_stopped();
}

void Debugger::Impl::tell_stopped() {
    const std::vector<StopListener*> told = listeners; // who is told may go
    for (StopListener* listener : told) {
        if (std::ranges::find(listeners, listener) != listeners.end()) listener->stopped(stop);
    }
}

void Debugger::Impl::interrupt(StopKind kind) {
    entered = true;
    if (in_run) {
        interrupt_wanted = kind;
        ask();
        return;
    }
    if (!running) return;
    const char* text = kind == StopKind::start          ? "the debugger begins"
                       : kind == StopKind::triple_fault ? "triple fault"
                                                        : "interrupted";
    halt(stop_here(kind, text));
}

Expected<> Debugger::Impl::resume(const Plan& plan) {
    if (running && entered) return fail("the machine is running");
    if (plan.backwards) return backwards(plan);
    if (plan.kind == Plan::Kind::time && plan.time <= machine.now()) return fail("that time is over already");
    entered = true;
    skip_count = machine.instructions();
    if (skip_fault_count != skip_count) skip_fault_count = ~u64{0};
    hits.clear();
    asked = false;
    interrupt_wanted.reset();
    start_plan(plan);
    questions_changed = true;
    if (points.has(StopPointKind::mode)) {
        for (unsigned i = 0; i < machine.processors(); ++i) modes[i] = mode_name(machine.cpu(i));
    }
    running = true;
    const std::vector<StopListener*> told = listeners;
    for (StopListener* listener : told) listener->resumed();
    return {};
}

StopReason Debugger::Impl::run(Time until, u64 max_instructions) {
    for (;;) {
        if (!running || recording_over()) return StopReason::breakpoint;
        connect();
        in_run = true;
        const StopReason reason =
            timeline.run(std::min(until, active.deadline), std::min(max_instructions, active.target));
        in_run = false;
        switch (reason) {
        case StopReason::breakpoint:
            if (settle(true)) return StopReason::breakpoint;
            continue;
        case StopReason::limit:
            if (settle(false)) return StopReason::breakpoint;
            if (limit_reached()) return StopReason::breakpoint;
            if (machine.now() < until && machine.instructions() < max_instructions) continue; // a later deadline
            return StopReason::limit;
        default: {
            request_left |= std::exchange(asked, false);
            const bool stopped = settle_hits();
            return stopped ? StopReason::breakpoint : ended(reason);
        }
        }
    }
}

/// What repeats a recording has nothing to do behind its end, or where it went another way.
bool Debugger::Impl::recording_over() {
    if (!entered || !timeline.replaying()) return false;
    if (const auto diverged = timeline.diverged()) {
        halt(stop_here(StopKind::history_end, "the machine went another way than the recording, between instructions " +
                                                  std::to_string(diverged->after) + " and " +
                                                  std::to_string(diverged->before)));
        return true;
    }
    if (!timeline.at_frontier()) return false;
    halt(stop_here(StopKind::history_end, "the end of the recording ('live' goes on from here)"));
    return true;
}

/// A plan that ends by itself at a time or a count.
bool Debugger::Impl::limit_reached() {
    if (machine.instructions() >= active.target ||
        (machine.now() >= active.deadline && active.plan.kind == Plan::Kind::time)) {
        halt(stop_here(StopKind::step, plan_text()));
        return true;
    }
    if (machine.now() < active.deadline) return false;
    Stop made =
        stop_here(StopKind::step, "processor " + std::to_string(active.who) + " has executed nothing for 10 seconds");
    if (machine.cpu(active.who).halted) made.text += ": it is halted, and no interrupt came";
    made.processor = active.who;
    made.given_up = true;
    halt(std::move(made));
    return true;
}

StopReason Debugger::Impl::ended(StopReason reason) {
    if (!entered) return reason;
    Stop made = stop_here(StopKind::ended, "");
    made.machine = reason;
    switch (reason) {
    case StopReason::power_off: made.text = "the guest has powered off"; break;
    case StopReason::exit_port:
        made.text = "the guest wrote to the exit port: status " + std::to_string(machine.exit_status());
        break;
    case StopReason::triple_fault:
        made.kind = StopKind::triple_fault;
        made.text = "triple fault: the processor has shut down";
        for (unsigned i = 0; i < machine.processors(); ++i) {
            if (machine.cpu(i).shutdown) made.processor = i;
        }
        break;
    case StopReason::diverged: made.text = "the two machines differ"; break;
    case StopReason::idle_forever:
        made.text = "the machine is halted for ever: interrupts are off, and nothing else can wake it";
        break;
    default: break;
    }
    halt(std::move(made));
    return reason;
}

/// Between two instructions: what follows from what the callbacks noted. True: the machine is stopped.
bool Debugger::Impl::settle(bool requested) {
    const bool ours = std::exchange(asked, false);
    // A run that ended for another reason than our request leaves the request to the next one.
    const bool owed = std::exchange(request_left, ours && !requested) && !ours;
    if (settle_hits()) return true;
    if (active.over) {
        Stop made = stop_here(StopKind::step, plan_text());
        made.processor = active.who;
        halt(std::move(made));
        return true;
    }
    if (interrupt_wanted) {
        const StopKind kind = *std::exchange(interrupt_wanted, std::nullopt);
        halt(stop_here(kind, "interrupted"));
        return true;
    }
    if (delivery) {
        pass_over_delivery();
    } else if (replan_wanted) {
        replan();
    } else if (std::exchange(aimed, false)) {
        questions_changed = true;
    } else if (requested && !ours && !owed) { // another probe's wish
        const std::string reason = std::exchange(self.request_reason, {});
        halt(stop_here(StopKind::interrupted, reason.empty() ? "stopped on request" : reason));
        return true;
    }
    return false;
}

/// An interrupt came during `next`: its handler is passed over.
void Debugger::Impl::pass_over_delivery() {
    const Delivered seen = *std::exchange(delivery, std::nullopt);
    Cpu& cpu = machine.cpu(active.who);
    const auto frame = delivered_frame(cpu, seen.from_ip);
    u64 base = code_base;
    if (frame && (cpu.real_mode() || frame->v86)) {
        base = u64{frame->cs} << 4;
    } else if (frame && frame->cs == cpu.seg[CS].selector) {
        base = cpu.seg[CS].base;
    }
    const u64 ip = frame ? frame->ip : seen.from_ip;
    wait_for(cpu.long_mode() ? ip : static_cast<u32>(base + ip), frame ? frame->sp : 0, cpu);
    arrival.any_stack = !frame; // in another task: whenever this one goes on
    arrival.any_cpl = true;
    arrival.returns = frame ? Arrival::Returns::far : Arrival::Returns::none;
    if (seen.early) active.again = arrival.linear;
}

bool Debugger::Impl::settle_hits() {
    if (hits.empty()) return false;
    const std::vector<Hit> seen = std::exchange(hits, {});
    std::optional<Stop> made;
    for (const Hit& hit : seen) {
        StopPoint* point = hit.number ? points.find(hit.number) : nullptr;
        if (hit.number && !point) continue;
        std::string trouble;
        if (point && !hit.checked && !accepts(*point, hit.processor, trouble)) continue;
        Stop one = stop_for(point, hit);
        if (!trouble.empty()) one.text += " (" + trouble + ")";
        if (!made) {
            made = std::move(one);
        } else {
            if (made->text != one.text) made->text += "; " + one.text;
            std::ranges::move(one.commands, std::back_inserter(made->commands));
        }
        if (point && point->temporary) points.remove(hit.number), questions_changed = true;
    }
    if (!made) return false;
    halt(std::move(*made));
    return true;
}

} // namespace glassbox
