// Executions of the past that look for something: from a checkpoint forwards, interval by interval, the latest first.
// Whoever looks is a PastObserver; the machine is anywhere in its history afterwards.
#pragma once

#include "debugger/control/impl.hpp"
#include "machine/history/pace.hpp"

namespace glassbox {

class Past {
  public:
    explicit Past(Debugger::Impl& impl);

    const Moment present; ///< where the machine was when this began

    /// Quietly: nobody hears of it.
    Expected<> go(const Moment& moment);
    /// To where the machine was when this began, which nobody can end.
    Expected<> home();
    Expected<> go(u64 count) { return go(Moment{count, 0}); }
    /// Executes up to `count` instructions (or, at that count, up to `time`), told to `observer`.
    Expected<> execute(PastObserver& observer, u64 count, Time time = 0);
    /// All intervals between checkpoints that lie before `end`, the latest first, until `done` after one of them.
    /// `begin` comes before each.
    Expected<> intervals(PastObserver& observer, u64 end, Time time, const std::function<void()>& begin,
                         const std::function<bool(u64 start)>& done);

    /// The instants before `end` at which the processor was about to execute an instruction: at least `wanted` of them,
    /// as far as there are so many, oldest first.
    Expected<std::vector<Point>> points_before(u64 end, unsigned processor, u64 wanted);
    /// The last one. The machine is there, if it is found.
    Expected<std::optional<Point>> previous(u64 end, unsigned processor);
    /// The call that `processor`'s function is in at `end`, with its stack at `stack`; or that a return ends.
    Expected<std::optional<CallTracker::Entry>> call_before(u64 end, unsigned processor, u64 stack,
                                                            const CallTracker::Return* by);
    /// The last execution of an address.
    Expected<std::optional<u64>> execution_before(u64 end, u64 linear, unsigned processor);

    struct Found {
        Hit hit;
        Moment moment;
    };
    /// The last instant after `start` and before now at which a stop point would have stopped.
    Expected<std::optional<Found>> stop_after(const Moment& start);

    /// Between two pieces of work. False: the user has had enough.
    bool told(double done);
    u64 slice() const { return pace_.slice(); } ///< as much as may be executed until then

  private:
    Expected<> go(const Moment& moment, const std::function<bool(double)>& progress);

    Debugger::Impl& impl_;
    const u64 earliest_;
    Pace pace_;
    bool cancelled_ = false;
};

} // namespace glassbox
