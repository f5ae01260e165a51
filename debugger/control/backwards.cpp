// The commands of "Go", backwards: each finds the instant where it would have come from, and goes there.
//
// A step back leads to the last instant before now at which the processor was about to execute an instruction;
// deliveries of interrupts and repetitions of a string instruction count instructions, too, but are no such instants.
#include "debugger/control/past.hpp"
#include "debugger/hex.hpp"

#include <algorithm>
#include <unordered_map>

namespace glassbox {

namespace {

/// Where going back leads, and what is said there.
struct Goal {
    Moment moment;
    std::string text;
    StopKind kind = StopKind::step;
    std::optional<Hit> hit;
};
using MaybeGoal = Expected<std::optional<Goal>>; // nothing: the beginning of the history

Goal at(u64 count, std::string text = "step back") { return {Moment{count, 0}, std::move(text), StopKind::step, {}}; }

class Backwards {
  public:
    Backwards(Debugger::Impl& impl, Past& past, const Plan& plan)
        : d_(impl), past_(past), plan_(plan),
          who_(plan.any_processor ? impl.number_of(impl.machine.cpu()) : impl.selected) {}

    MaybeGoal find() {
        switch (plan_.kind) {
        case Plan::Kind::step:
        case Plan::Kind::step_range: return steps();
        case Plan::Kind::next: return nexts();
        case Plan::Kind::step_line: return lines(false);
        case Plan::Kind::next_line: return lines(true);
        case Plan::Kind::finish: return with_stops(finish());
        case Plan::Kind::until: return with_stops(until());
        case Plan::Kind::instructions: return instructions();
        case Plan::Kind::time: return time();
        case Plan::Kind::continue_on: return with_stops(std::optional<Goal>());
        }
        return std::optional<Goal>();
    }

  private:
    u64 now() const { return past_.present.instructions; }

    MaybeGoal steps() {
        const u64 wanted = std::max<u64>(plan_.count, 1);
        if (wanted == 1) {
            const auto point = past_.previous(now(), who_);
            if (!point) return tl::unexpected(point.error());
            return *point ? std::optional<Goal>(at((*point)->count)) : std::nullopt;
        }
        const auto points = past_.points_before(now(), who_, wanted);
        if (!points) return tl::unexpected(points.error());
        if (points->size() < wanted) return std::optional<Goal>();
        return std::optional<Goal>(at((*points)[points->size() - wanted].count));
    }

    /// An instruction that `next` has passed, and where it lies.
    struct Passed {
        u64 count = 0, ip = 0;
    };
    using MaybePassed = Expected<std::optional<Passed>>;

    /// The machine is at the instruction afterwards.
    MaybePassed instruction_before(u64 from) {
        const auto point = past_.previous(from, who_);
        if (!point) return tl::unexpected(point.error());
        if (!*point) return std::optional<Passed>();
        return std::optional<Passed>(Passed{(*point)->count, d_.machine.cpu(who_).ip});
    }

    /// What the return at which the machine stands came back from.
    Expected<std::optional<CallTracker::Entry>> call_of_return(u64 count) {
        const Cpu& cpu = d_.machine.cpu(who_);
        const auto by = CallTracker::return_at(cpu, flow_at(cpu));
        return past_.call_before(count, who_, stack_address(cpu), &by);
    }

    /// The instruction that began at that very count. Nothing: a delivery between two instructions, or a trap.
    MaybePassed begun_at(u64 count) {
        auto begun = instruction_before(count + 1);
        if (begun && *begun && (*begun)->count != count) return std::optional<Passed>();
        return begun;
    }

    /// An instruction that faulted and was started again behind the handler began the first time.
    Expected<u64> first_begun(Passed passed) {
        for (;;) {
            const auto before = instruction_before(passed.count);
            if (!before) return tl::unexpected(before.error());
            if (!*before || flow_at(d_.machine.cpu(who_)).flow != Flow::iret) return passed.count;
            const auto entry = call_of_return((*before)->count);
            if (!entry) return tl::unexpected(entry.error());
            if (!*entry || (*entry)->kind != CallTracker::Kind::delivery || (*entry)->hardware) return passed.count;
            const auto begun = begun_at((*entry)->count);
            if (!begun) return tl::unexpected(begun.error());
            if (!*begun || (*begun)->ip != passed.ip) return passed.count;
            passed.count = (*entry)->count;
        }
    }

    /// One `next` back from `from`; what returned before it is passed over.
    Expected<std::optional<u64>> next_before(u64 from) {
        for (;;) {
            const auto before = instruction_before(from);
            if (!before) return tl::unexpected(before.error());
            if (!*before) return std::optional<u64>();
            std::optional<Passed> passed = *before;
            if (is_return(flow_at(d_.machine.cpu(who_)).flow)) {
                const auto entry = call_of_return(passed->count);
                if (!entry) return tl::unexpected(entry.error());
                if (!*entry) return std::optional<u64>(passed->count); // it was called before the history begins
                passed.reset();
                // Between two instructions, or while the one that is next was tried the first time: on to what was
                // before.
                if (!(*entry)->hardware) {
                    if (const auto gone = past_.go(from); !gone) return tl::unexpected(gone.error());
                    const u64 ip = d_.machine.cpu(who_).ip;
                    const auto begun = begun_at((*entry)->count);
                    if (!begun) return tl::unexpected(begun.error());
                    if (*begun && (*begun)->ip != ip) passed = *begun;
                }
                from = (*entry)->count;
                if (!passed) continue;
            }
            const auto begun = first_begun(*passed);
            if (!begun) return tl::unexpected(begun.error());
            return std::optional<u64>(*begun);
        }
    }

    MaybeGoal nexts() {
        u64 count = now();
        for (u64 left = std::max<u64>(plan_.count, 1); left > 0; --left) {
            const auto before = next_before(count);
            if (!before) return tl::unexpected(before.error());
            if (!*before) return with_stops(std::optional<Goal>());
            count = **before;
        }
        return now() - count > 1 ? with_stops(std::optional<Goal>(at(count))) : std::optional<Goal>(at(count));
    }

    MaybeGoal finish() {
        const Cpu& cpu = d_.machine.cpu(who_);
        const auto call = past_.call_before(now(), who_, stack_address(cpu), nullptr);
        if (!call) return tl::unexpected(call.error());
        if (!*call) return std::optional<Goal>();
        const bool interrupt = (*call)->kind == CallTracker::Kind::delivery;
        return std::optional<Goal>(
            at((*call)->count, interrupt ? "back to where it was interrupted" : "back to the call"));
    }

    MaybeGoal until() {
        const auto count = past_.execution_before(now(), plan_.address, who_);
        if (!count) return tl::unexpected(count.error());
        if (!*count) return std::optional<Goal>();
        return std::optional<Goal>(at(**count, "back at " + capital_hex(plan_.address) + "h"));
    }

    MaybeGoal instructions() {
        const u64 earliest = d_.timeline.earliest().instructions;
        if (plan_.count > now() - earliest) return std::optional<Goal>();
        return std::optional<Goal>(at(now() - plan_.count, "back by " + std::to_string(plan_.count) +
                                                               (plan_.count == 1 ? " instruction" : " instructions")));
    }

    /// To the last checkpoint before that time, and forwards from there.
    MaybeGoal time() {
        if (plan_.time < d_.timeline.earliest().time) return std::optional<Goal>();
        u64 end = now();
        for (;;) {
            const auto start = d_.timeline.checkpoint_before(end);
            if (!start) return std::optional<Goal>();
            if (const auto gone = past_.go(*start); !gone) return tl::unexpected(gone.error());
            if (d_.machine.now() <= plan_.time) break;
            end = *start;
        }
        while (d_.machine.now() < plan_.time) {
            if (d_.timeline.run(plan_.time, d_.machine.instructions() + past_.slice()) != StopReason::limit) break;
            if (!past_.told(0)) return fail("cancelled: the machine is where it was");
        }
        return std::optional<Goal>(Goal{d_.timeline.now(), "the time is reached", StopKind::step, {}});
    }

    /// The beginning of the line that ran before this one, or of this one when now is in the middle of it.
    MaybeGoal lines(bool over) {
        const Cpu& cpu = d_.machine.cpu(who_);
        const auto line = d_.symbols.line_at(code_address(cpu));
        if (!line) return over ? nexts() : steps();
        const u64 stack = stack_address(cpu);
        std::unordered_map<u64, std::optional<SourceLine>> known;
        const auto line_of = [&](u64 linear) -> const std::optional<SourceLine>& {
            const auto [found, fresh] = known.try_emplace(linear);
            if (fresh) found->second = d_.symbols.line_at(linear);
            return found->second;
        };
        for (u64 wanted = 4096;; wanted *= 16) {
            const auto points = past_.points_before(now(), who_, wanted);
            if (!points) return tl::unexpected(points.error());
            std::optional<u64> first;
            std::optional<SourceLine> run;
            bool complete = false;
            for (std::size_t i = points->size(); i-- > 0 && !complete;) {
                const Point& p = (*points)[i];
                if (over && p.stack < stack) continue; // in a call
                const auto& here = line_of(p.linear);
                if (!here) continue;
                if (!run) run = here;
                complete = here->file != run->file || here->line != run->line;
                if (!complete) first = p.count;
            }
            if (first && (complete || points->size() < wanted)) return with_stops(std::optional<Goal>(at(*first)));
            if (points->size() < wanted || wanted > 1'000'000) return std::optional<Goal>();
        }
    }

    /// Stop points on the way stop it.
    MaybeGoal with_stops(MaybeGoal goal) {
        if (!goal || (!d_.points.any() && !d_.magic)) return goal;
        const Moment start = *goal ? (*goal)->moment : Moment{};
        const auto found = past_.stop_after(start);
        if (!found) return tl::unexpected(found.error());
        if (!*found) return goal;
        Goal stop{(*found)->moment, {}, StopKind::breakpoint, (*found)->hit};
        return std::optional<Goal>(std::move(stop));
    }

    Debugger::Impl& d_;
    Past& past_;
    const Plan& plan_;
    unsigned who_;
};

} // namespace

Expected<> Debugger::Impl::go_to(const Moment& moment) {
    if (running && entered) return fail("the machine is running");
    if (!timeline.active()) return fail("no history is being kept, so there is no way back");
    Past search(*this);
    if (const auto gone = search.go(moment); !gone) {
        (void)search.home();
        return gone;
    }
    entered = true;
    halt(stop_here(StopKind::step, "at instruction " + std::to_string(machine.instructions())));
    return {};
}

Expected<> Debugger::Impl::backwards(const Plan& plan) {
    if (!timeline.active()) return fail("no history is being kept, so there is no way back");
    if (plan.kind == Plan::Kind::time && plan.time >= machine.now()) return fail("that time has not come yet");
    entered = true;
    const unsigned who = selected;
    Past search(*this);
    auto goal = Backwards(*this, search, plan).find();
    Expected<> gone;
    if (goal) gone = search.go(*goal ? (*goal)->moment : timeline.earliest());
    if (!goal || !gone) {
        std::string why = goal ? gone.error().message : goal.error().message;
        (void)search.home();
        return fail(why);
    }
    const std::vector<StopListener*> told = listeners;
    for (StopListener* listener : told) listener->resumed();
    Stop made;
    if (!*goal) {
        made = stop_here(StopKind::history_end, "the beginning of the history: there is nothing before");
    } else if ((*goal)->hit) {
        made = stop_for(points.find((*goal)->hit->number), *(*goal)->hit);
        if (!(*goal)->hit->before)
            made.text += (*goal)->hit->device ? " (going back: before the device did it)"
                                              : " (going back: before the instruction that did it)";
    } else {
        made = stop_here((*goal)->kind, (*goal)->text);
        made.processor = who;
    }
    made.backwards = true;
    halt(std::move(made));
    return {};
}

} // namespace glassbox
