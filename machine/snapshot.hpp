// Snapshots: magic, version, the machine's shape, chunks, RAM as compressed pages, checksum. A snapshot is checked as a
// whole before anything of the machine changes; if a component refuses its part later, the machine is put back as it
// was.
#pragma once

#include "bus/error.hpp"
#include "bus/page_pool.hpp"
#include "bus/types.hpp"

#include <span>
#include <string>
#include <vector>

namespace glassbox {

class Board;

/// A whole snapshot as it stands in a file.
std::vector<u8> take_snapshot(Board& board);
/// Refuses with a reason, and then the machine is as it was.
Expected<> restore_snapshot(Board& board, std::span<const u8> data);
/// Everything but RAM, as a sequence of chunks.
std::vector<u8> machine_state(Board& board);
/// The same with large memories (of the video adapter, of disks that keep their writes in memory) by reference.
std::vector<u8> machine_state(Board& board, const PagePool& pool, std::vector<SharedPage>& pages);
/// Puts back what `machine_state` returned; RAM is as it should be already. After a refusal the machine is undefined:
/// for states that this very program has taken from a machine of the same kind.
Expected<> restore_state(Board& board, std::span<const u8> state);
Expected<> restore_state(Board& board, std::span<const u8> state, const std::vector<SharedPage>& pages);

Expected<> save_snapshot(Board& board, const std::string& path);
Expected<> load_snapshot(Board& board, const std::string& path);
/// FNV-1a over everything a snapshot holds.
u64 hash_state(Board& board);

} // namespace glassbox
