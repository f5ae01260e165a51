// A machine that promises no more than the manuals do (--hostile): memory and registers hold anything at power-on, and
// timers are as late as real ones. All of it follows from the seed, so a hostile run repeats like any other.
//
// What is undefined after power-on: RAM; the general registers up to the i486 (386 DX Programmer's Reference 10.1, i486
// Processor Programmer's Reference 10.1: all but DX and, after a self-test, EAX) and its x87 registers; the MTRRs but
// for their enable bits (SDM 3A 12.11.5). From the Pentium on the general registers are zero (SDM 3A, table 9-1), and
// stay so.
#pragma once

#include "bus/scheduler.hpp"
#include "cpu/state.hpp"

#include <functional>
#include <span>

namespace glassbox::hostile {

/// All of `ram`; the host then has to provide it.
void poison(std::span<u8> ram, u64 seed);
/// After a power-on reset.
void poison(Cpu& cpu, u64 seed);

/// How late a timer's interrupt comes at most: what 100 ppm of a crystal's tolerance are of 10 ms (Intel 8254 and
/// MC146818A data sheets leave the oscillator to the board; the ACPI specification's HPET has 500 ppm, 2.4.1).
inline constexpr Time most_late = microsecond;
/// For Scheduler::lateness: the PIT's, the RTC's, the HPET's and the local APICs' events come late, all others do not.
/// It depends on the event and its time alone, and so needs no place in snapshots.
std::function<Time(const Scheduler::Event&, Time)> late_timers(u64 seed);

} // namespace glassbox::hostile
