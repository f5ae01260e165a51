// Snapshots: magic, version, the machine's shape, chunks, RAM as compressed pages, checksum. A snapshot is checked as a
// whole before anything of the machine changes; if a component refuses its part later, the machine is put back as it was.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"

#include <string>

namespace glassbox {

class Board;

Expected<> save_snapshot(Board& board, const std::string& path);
Expected<> load_snapshot(Board& board, const std::string& path);
/// FNV-1a over everything a snapshot holds.
u64 hash_state(Board& board);
/// Registers and the chain of faults, for people.
std::string describe_stop(const Board& board);

} // namespace glassbox
