// The 8254 for the forms about it (Intel 8254 data sheet): counter 2, whose gate and output are bits of port 61h, under
// counter 0 as the clock that it is held against.
#pragma once

#include "guests/system/pic.hpp"

namespace pit {

constexpr u16 control = 0x43, port_b = 0x61;
constexpr u8 status_out = 0x80, status_null = 0x40;
constexpr u16 port_of(unsigned counter) { return static_cast<u16>(0x40 + counter); }
constexpr u8 word(unsigned counter, unsigned access, unsigned mode, bool bcd = false) {
    return static_cast<u8>(counter << 6 | access << 4 | mode << 1 | (bcd ? 1 : 0));
}

void program(unsigned counter, unsigned mode, u16 count, bool bcd = false);
void write_count(unsigned counter, u16 count);
u8 status(unsigned counter);
u16 latched(unsigned counter);
/// GATE 2; the speaker stays off.
void gate(bool level);
bool out2();

/// Counter 2's count and output, and counter 0's count, of the same moment.
struct Sample {
    u32 clock, count;
    u8 status;
};
Sample sample();
/// Waits until a count that was written has been loaded.
void wait_load(unsigned counter);
/// Starts counter 0 as a clock of 65536 pulses; IRQ 0 is masked.
void start_clock();
constexpr u16 elapsed(const Sample& from, const Sample& to) { return static_cast<u16>(from.clock - to.clock); }
/// Waits for counter 0 to have gone on by so many pulses (below 60000).
void wait(u32 pulses);

void control_words(Report& report);
void counts(Report& report);
void read_back(Report& report);
void modes(Report& report);
void gates(Report& report);
void new_counts(Report& report);
void interrupts(Report& report);
void speaker_port(Report& report);

} // namespace pit

namespace rtc {
void flags(Report& report);
void registers(Report& report);
void periodic(Report& report);
void update(Report& report);
void calendar(Report& report);
} // namespace rtc
