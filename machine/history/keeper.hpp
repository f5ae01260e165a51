// Takes checkpoints of a machine, keeps them in order within a budget, and puts the machine back to one of them.
#pragma once

#include "machine/history/ram_history.hpp"

#include <memory>
#include <vector>

namespace glassbox {

class Board;

using CheckpointRef = std::shared_ptr<Checkpoint>;

class Keeper {
  public:
    explicit Keeper(Board& board);
    ~Keeper();

    /// Of the machine as it is. One at this very position takes the place of the new one.
    CheckpointRef take(const Position& position, bool arrival, bool by_hand = false);
    /// The machine becomes what it was.
    Expected<> restore(const CheckpointRef& to);
    /// Those later than `position` are forgotten.
    void drop_after(const Position& position);
    void drop(const CheckpointRef& checkpoint);
    /// Thins out until the budget is kept: near `here` and the end they stay dense, and distances double with age.
    void thin(u64 budget, u64 here);
    const std::vector<CheckpointRef>& list() const { return list_; } ///< by position
    /// The latest at or before `position`; null: none.
    CheckpointRef at_or_before(const Position& position) const;
    /// The first after it.
    CheckpointRef after(const Position& position) const;
    u64 memory() const;
    u64 pages() const { return pool_.pages(); }

  private:
    using Place = std::vector<CheckpointRef>::const_iterator;
    Place place_after(const Position& position) const;
    void remove(Place place);
    Pieces cut(std::span<const u8> bytes, const Pieces* like) const;
    std::vector<u8> joined(const Pieces& pieces) const;
    /// Pages in which RAM may differ from what it was at `at`.
    std::vector<u32> suspects(const Checkpoint* at);
    void start_from(const CheckpointRef& base);
    std::vector<u8> engine_state();

    Board& board_;
    PagePool pool_;
    RamHistory ram_;
    std::vector<CheckpointRef> list_;
    CheckpointRef base_; ///< RAM is as it was then, but for the pages written since
    DirtyPages dirty_;
    std::vector<u8> suspected_; ///< of `suspects`: which pages are in the list already
};

} // namespace glassbox
