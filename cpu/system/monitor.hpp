// MONITOR and MWAIT, and the instructions on cache lines and counters that came with 64-bit processors.
#pragma once

#include "cpu/block/op.hpp"
#include "cpu/system/system.hpp"

namespace glassbox::control {

bool monitor(Cpu& cpu, const Op& op);
bool mwait(Cpu& cpu, const Op& op);
bool clzero(Cpu& cpu, const Op& op);
bool flush_line(Cpu& cpu, const Op& op); ///< CLFLUSHOPT, CLWB
bool rdtscp(Cpu& cpu, const Op& op);
bool rdpid(Cpu& cpu, const Op& op);
bool rdpru(Cpu& cpu, const Op& op);

} // namespace glassbox::control
