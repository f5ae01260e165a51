// Two machines that must never differ, run side by side: the engine's proof against itself (docs/engine-proof.md). Both
// run to the same instruction; there the processors are compared, and every so often everything that a snapshot holds.
// At the first difference both go back to the last point where all was equal, and halving finds the instruction.
//
// Costs: a copy of the memory, and at every full comparison a pass over both machines' memories.
#pragma once

#include "machine/machine.hpp"

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace glassbox {

struct LockstepOptions {
    u64 every = 100'000;               ///< instructions between comparisons of the processors
    u64 checkpoint_every = 10'000'000; ///< instructions between comparisons of everything
};

/// What the two machines disagree about, and since when.
struct LockstepDifference {
    struct Value {
        std::string name;
        u64 before = 0; ///< in both, before the instruction
        u64 first = 0, second = 0;
        unsigned digits = 8;
    };
    struct Byte {
        u64 physical = 0;
        u8 first = 0, second = 0;
    };
    struct Place {
        u16 cs = 0;
        u64 ip = 0;
        bool big = false;      ///< CS.D: 32-bit code
        std::vector<u8> bytes; ///< the code at CS:EIP, as far as it can be read, at most 15 bytes
    };
    bool narrowed = false; ///< false: it did not happen again from the last checkpoint; only the values below are known
    u64 instruction = 0;   ///< how many instructions had been executed while all was equal
    u64 found_at = 0;      ///< where the comparison saw it
    /// The last instructions, as the first machine executes them one by one; the last of them made the difference, or
    /// completed the block that did: a shortcut that spans instructions is only taken when nothing stops inside.
    std::vector<Place> trail;
    std::string event; ///< what else that step was, if it was not just that instruction
    std::vector<Value> values;
    std::vector<Byte> memory;       ///< the first of them
    u64 memory_bytes = 0;           ///< how many in all
    std::vector<std::string> parts; ///< other components that differ, by their name in a snapshot
};

class Lockstep {
  public:
    /// Both are built alike and at the same point. They outlive this object.
    Lockstep(Machine& one, Machine& other, const LockstepOptions& options);

    /// As Machine::run, for both. `StopReason::diverged` when they differ, and then for ever.
    StopReason run(Time until, u64 max_instructions = ~u64{0});
    /// Into both; the error is the first one's.
    Expected<> inject(const Input& input);
    /// Both from the same file.
    Expected<> load(const std::string& path);
    /// Compares everything now. False: they differ.
    bool check();
    const std::optional<LockstepDifference>& difference() const { return difference_; }

    /// For tests of the detector: called for the second machine whenever it stands at exactly this instruction count,
    /// also while the difference is being narrowed down.
    void at_instruction(u64 count, std::function<void(Machine&)> action);

  private:
    struct Run {
        Time until;
        u64 max_instructions;
    };
    struct Checkpoint {
        u64 instruction = 0;
        std::vector<u8> state, ram;
    };

    StopReason run_one(Machine& machine, Time until, u64 max_instructions);
    bool processors_equal();
    bool everything_equal();
    void take_checkpoint();
    void differ();
    void narrow(LockstepDifference& found);
    /// Brings both to instruction `target` from the checkpoint; whether they are then equal.
    bool replay(u64 target);
    void put_back(Machine& machine);
    void record_trail(LockstepDifference& found);

    Machine& first_;
    Machine& second_;
    LockstepOptions options_;
    Checkpoint checkpoint_;
    std::vector<std::variant<Run, Input>> since_checkpoint_;
    std::optional<LockstepDifference> difference_;
    std::vector<std::pair<u64, std::function<void(Machine&)>>> actions_;
};

} // namespace glassbox
