// The disagreements of two machines as names and values.
#pragma once

#include "machine/lockstep.hpp"

namespace glassbox {

struct Cpu;

/// Every register of one processor that a program or a kernel can see; the value is in `first`.
std::vector<LockstepDifference::Value> processor_values(const Cpu& cpu);
/// Every register that a program or a kernel can see, of every processor; the value is in `first`.
std::vector<LockstepDifference::Value> processor_values(Machine& machine);
/// Adds everything that differs to `found`.
void compare_machines(Machine& one, Machine& other, LockstepDifference& found);

} // namespace glassbox
