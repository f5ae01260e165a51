// A machine that can go back. While it runs, checkpoints are kept (the pages that have changed, and the rest of the
// state) and the inputs are logged; any moment between the first checkpoint and the frontier is reached by restoring
// the checkpoint before it and executing again (docs/history.md).
//
// Keeping history changes nothing that the guest can see: checkpoints hold the TLBs too, which a guest can tell from a
// fresh walk when it changes its paging structures without a flush.
#pragma once

#include "machine/machine.hpp"

#include <functional>
#include <memory>
#include <optional>

namespace glassbox {

struct Future;
class TimelineListener;

/// An instant between two instructions. Time may pass without instructions (a halted machine), so both count.
struct Moment {
    u64 instructions = 0;
    Time time = 0;
    auto operator<=>(const Moment&) const = default;
};

struct HistoryOptions {
    u64 memory_budget = u64{1} << 30; ///< of the host, for checkpoints; older ones are thinned out to stay below it
    u64 spacing = 40'000'000;         ///< instructions between checkpoints, at least
    unsigned percent = 3;             ///< of the time that checkpoints may take, else they are fewer; 0: no matter
    double poll_interval = 0.01;      ///< seconds of the host's between two questions whether long work is to go on
};

class Timeline {
  public:
    /// The machine outlives the timeline. Until `begin` it only passes calls on: nothing is kept, nothing costs.
    explicit Timeline(Machine& machine);
    ~Timeline();
    Timeline(const Timeline&) = delete;
    Timeline& operator=(const Timeline&) = delete;

    Machine& machine() { return machine_; }
    /// Takes the first checkpoint, of this instant.
    void begin(const HistoryOptions& options);
    bool active() const;
    /// As `begin` unless a history is being kept; then this instant becomes its first, and what was before is dropped.
    void begin_here();

    /// As Machine::run. Behind the frontier, what was injected then is injected again at its instants, checkpoints fall
    /// on the same ones, and the machine's output does not reach the host a second time.
    StopReason run(Time until, u64 max_instructions = ~u64{0});
    /// As Machine::inject, and logged. Behind the frontier it begins another future: the present one is dropped.
    Expected<> inject(const Input& input);
    /// Somebody has changed the machine by hand: what comes after now is dropped, and this instant gets a checkpoint
    /// that executions of the history continue from.
    void changed_by_hand();

    /// Board::commit_media: the files change, so the past, which reads them as they were, is dropped. Refused where
    /// somebody else needs them as they were.
    Expected<> commit_media();

    Moment now() const;
    Moment earliest() const;
    Moment frontier() const; ///< the furthest that was executed
    bool at_frontier() const { return now() == frontier(); }

    /// The state as it was when the count of executed instructions became `instructions`; forwards up to the frontier.
    /// The error says why it cannot be reached. No probe or observer hears of the execution. `progress` is told of long
    /// ways from 0 to 1, and ends it by returning false: the machine is then as it was before the call.
    Expected<> go_to(u64 instructions, const std::function<bool(double)>& progress = {});
    /// The latest checkpoint strictly before that count: where an execution that looks for something begins.
    std::optional<u64> checkpoint_before(u64 instructions) const;
    double poll_interval() const; ///< of the options

    /// Executions follow a recording up to its end, where `run` stops: nothing is injected until `leave_future`. For a
    /// timeline that has just begun.
    void load_future(Future future);
    bool replaying() const;
    /// From now on the machine is live again: what the recording says of later is dropped.
    void leave_future();
    /// Between two counts of instructions the machine went another way than the recording says.
    struct Divergence {
        u64 after = 0, before = 0;
    };
    std::optional<Divergence> diverged() const;
    /// Null: nobody. It outlives the timeline or is taken away before.
    void set_listener(TimelineListener* listener);
    u64 entries() const; ///< of the log that have been applied: inputs and changes by hand

    struct Statistics {
        std::size_t checkpoints = 0, pages = 0;
        u64 memory = 0; ///< bytes that the history takes
    };
    Statistics statistics() const;

  private:
    struct Impl;
    Machine& machine_;
    std::unique_ptr<Impl> impl_;
};

} // namespace glassbox
