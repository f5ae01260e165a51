// A machine that promises no more than the manuals do (--hostile): memory and registers hold anything at power-on, and
// timers are as late as real ones. All of it follows from the seed, so a hostile run repeats like any other.
//
// What is undefined after power-on: RAM; the general registers up to the i486 (386 DX Programmer's Reference 10.1, i486
// Processor Programmer's Reference 10.1: all but DX and, after a self-test, EAX) and its x87 registers; the MTRRs but
// for their enable bits (SDM 3A 12.11.5); the machine-check banks and all model-specific registers that SDM 3A table
// 9-1 does not name, of which SYSENTER's and SYSCALL's matter. From the Pentium on the general, x87, MMX and XMM
// registers are zero (SDM 3A, table 9-1), and stay so. Of the chips:
//   8237A    addresses, counts, modes (231466, "Reset": the mask is set, command, status and request are clear), pages
//   8254     modes, counts, outputs (231164, "Programming the 8254")
//   8259A    vectors, mask and cascade before ICW1 (231468, "Programming the 8259A")
//   MC146818 RAM and alarm, but for the set-up of the board that firmware finds there
//   16550    divisor latch and scratch register (NS16550A, table I)
//   VGA      palette (IMSG171 data sheet), memory, and the registers that a mode sets
#pragma once

#include "bus/scheduler.hpp"
#include "cpu/state.hpp"

#include <functional>
#include <span>

namespace glassbox {
class MemoryMap;
class PortBus;
class Rtc;
} // namespace glassbox

namespace glassbox::hostile {

/// All of `ram`; the host then has to provide it.
void poison(std::span<u8> ram, u64 seed);
/// After a power-on reset.
void poison(Cpu& cpu, u64 seed);
/// The chips, through their ports, after a reset: whatever of them their data sheets leave undefined.
void poison(PortBus& ports, MemoryMap& memory, u64 seed);
/// What a set-up has not been made of: before the board's own.
void poison(Rtc& rtc, u64 seed);

/// How late a timer's interrupt comes at most: what 100 ppm of a crystal's tolerance are of 10 ms (Intel 8254 and
/// MC146818A data sheets leave the oscillator to the board; the ACPI specification's HPET has 500 ppm, 2.4.1).
inline constexpr Time most_late = microsecond;
/// For Scheduler::lateness: the PIT's, the RTC's, the HPET's and the local APICs' events come late, all others do not.
/// It depends on the event and its time alone, and so needs no place in snapshots.
std::function<Time(const Scheduler::Event&, Time)> late_timers(u64 seed);

} // namespace glassbox::hostile
