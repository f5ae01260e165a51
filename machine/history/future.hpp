// What a recording knows of a machine's future, and who is told of its past as it happens.
#pragma once

#include "machine/board.hpp"
#include "machine/history/timeline.hpp"

#include <functional>
#include <variant>
#include <vector>

namespace glassbox {

struct Checkpoint;

struct Future {
    /// Puts a machine into a state that a person has made of it.
    using State = std::function<Expected<>(Machine&)>;
    struct Entry {
        Moment at;
        bool settled = false; ///< the machine ran between the entry before and this one
        std::variant<Input, State> what;
        Board::Medium medium{}; ///< of a MediaInput
    };
    /// What the machine's digest is when the count of instructions becomes this.
    struct Expectation {
        u64 instructions = 0;
        u64 digest = 0;
    };
    std::vector<Entry> entries;
    std::vector<Expectation> expectations; ///< by count
    Moment frontier;
};

/// Told of what happens at the frontier of a timeline.
class TimelineListener {
  public:
    virtual ~TimelineListener() = default;
    virtual void injected(const Moment& at, bool settled, const Input& input) = 0;
    virtual void changed_by_hand(const Moment& at, bool settled) = 0;
    /// What comes after `entries` entries of the log, and after `now`, has never happened.
    virtual void future_dropped(const Moment& now, u64 entries) = 0;
    virtual void checkpoint(const Checkpoint& checkpoint) = 0;
};

} // namespace glassbox
