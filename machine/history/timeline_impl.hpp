// What is behind Timeline: the log of what came from outside, and the checkpoints. execution.cpp runs the machine along
// the log, timeline.cpp has what others ask for.
#pragma once

#include "machine/board.hpp"
#include "machine/history/future.hpp"
#include "machine/history/keeper.hpp"
#include "machine/history/spacing.hpp"
#include "machine/history/timeline.hpp"

#include <string>
#include <variant>
#include <vector>

namespace glassbox {

struct Timeline::Impl {
    /// What happened to the machine from outside, and when. `settled` as in Position: of the instant before it.
    struct Entry {
        Moment at;
        bool settled = false;
        /// An input, or what a person has made of the machine: a checkpoint, or a state that a recording knows.
        std::variant<Input, CheckpointRef, Future::State> what;
        Board::Medium medium{}; ///< of a MediaInput: the file may not be there any more when it is again
    };

    Impl(Machine& machine_, const HistoryOptions& options_)
        : machine(machine_), options(options_), spacing(options_), keeper(machine_.board()) {
        frontier = now();
        keeper.take(position(), true);
    }

    Machine& machine;
    HistoryOptions options;
    Spacing spacing;
    Keeper keeper;
    std::vector<Entry> log;
    u64 next = 0;        ///< entries of the log that have been applied
    bool settled = true; ///< the machine ran since
    bool arrived = true; ///< this is the first instant with this count of instructions
    Moment frontier;
    TimelineListener* listener = nullptr;
    bool replaying = false; ///< the frontier is a recording's end
    std::vector<Future::Expectation> expectations;
    std::size_t met = 0; ///< of the expectations
    std::optional<Divergence> divergence;
    std::string trouble; ///< why the history cannot be executed any more

    Moment now() const { return {machine.instructions(), machine.now()}; }
    Position position() const { return {now(), next, settled}; }

    StopReason execute(Time until, u64 count);
    StopReason advance(Time until, u64 count);
    void apply(const Entry& entry);
    void apply_pending();
    void lost(const std::string& reason);
    void drop_future();
    u64 next_checkpoint() const;
    void checkpoint_if_due();
    void meet_expectation();
    Expected<> inject(const Input& input);
    Expected<> restore(const CheckpointRef& checkpoint);
    CheckpointRef start_for(u64 instructions) const;
    Expected<> go_to(u64 instructions, const std::function<bool(double)>& progress);
};

} // namespace glassbox
