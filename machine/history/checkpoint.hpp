// One instant of a machine's history, and where instants lie.
#pragma once

#include "bus/page_pool.hpp"
#include "machine/board.hpp"
#include "machine/history/timeline.hpp"

#include <vector>

namespace glassbox {

/// A moment, and how many entries of the log have been applied: several may happen at one moment. `settled`: the
/// machine was run since the last of them, which lets the devices do what is due, though no instruction may fit.
struct Position {
    Moment moment;
    u64 entries = 0;
    bool settled = false;
    auto operator<=>(const Position&) const = default;
};

/// Bytes in pieces of a page, those that are as they were before being shared with the checkpoint before.
struct Pieces {
    u64 size = 0;
    std::vector<SharedPage> pages;
};

/// What of a processor is neither the guest's state nor derived from it: the story of its shutdown.
struct FaultStory {
    decltype(Cpu::fault_chain) chain;
    decltype(Cpu::fault_chain_during) during;
    unsigned length = 0;
};

struct Checkpoint {
    Position position;
    bool arrival = false; ///< the first instant with this count of instructions
    bool by_hand = false; ///< somebody has changed the machine: executions jump here, and it is never thinned out
    Pieces state;         ///< everything but RAM
    Pieces engine;        ///< what the processors remember of translations
    std::vector<SharedPage> devices; ///< pages that the state refers to: video memory, written blocks of disks
    OutputGates::Positions output{};
    std::vector<FaultStory> stories; ///< one a processor
    Board::Media media;              ///< what lies in the drives whose media change
    u64 ram_digest = 0;              ///< of all pages
    std::vector<u32> ram;            ///< pages of RAM that differ from the checkpoint before

    u64 instructions() const { return position.moment.instructions; }
};

/// Of everything that the guest could observe at that instant: what two runs are compared by.
u64 digest_of(const Checkpoint& checkpoint);

} // namespace glassbox
