// What a machine that has stopped for good looks like, without a debugger: the faults in one line each, and the
// registers. debugger/explain tells the whole story.
#pragma once

#include <string>

namespace glassbox {

class Board;
struct Cpu;

/// The chain of faults and the registers of the processor that shut down, or of the current one.
std::string describe_stop(const Board& board);
/// The registers alone, in lines.
std::string register_dump(const Cpu& cpu);

} // namespace glassbox
