// The 8254 (Intel data sheet 231164) and its counter 2 behind port 61h; the MC146818A clock.
#include "guests/system/pit.hpp"

namespace pit {

void write_count(unsigned counter, u16 count) {
    out8(port_of(counter), static_cast<u8>(count));
    out8(port_of(counter), static_cast<u8>(count >> 8));
}

void program(unsigned counter, unsigned mode, u16 count, bool bcd) {
    out8(control, word(counter, 3, mode, bcd));
    write_count(counter, count);
}

u8 status(unsigned counter) {
    out8(control, static_cast<u8>(0xE0 | 2u << counter));
    return in8(port_of(counter));
}

u16 latched(unsigned counter) {
    out8(control, static_cast<u8>(counter << 6));
    const u8 low = in8(port_of(counter));
    return static_cast<u16>(low | in8(port_of(counter)) << 8);
}

void gate(bool level) { out8(port_b, level ? 1 : 0); }
bool out2() { return in8(port_b) & 0x20; }

Sample sample() {
    out8(control, 0xC0 | 2 | 8); // status and count of counters 0 and 2
    Sample s{};
    in8(port_of(0)); // its status
    s.clock = in8(port_of(0));
    s.clock = static_cast<u16>(s.clock | in8(port_of(0)) << 8);
    s.status = in8(port_of(2));
    s.count = in8(port_of(2));
    s.count = static_cast<u16>(s.count | in8(port_of(2)) << 8);
    return s;
}

void start_clock() {
    out8(chips::masks[0], 0xFF);
    program(0, 2, 0);
    wait_load(0);
}

void wait_load(unsigned counter) {
    while (status(counter) & status_null) {
    }
}

void wait(u32 pulses) {
    const u16 from = latched(0);
    while (static_cast<u16>(from - latched(0)) < pulses) {
    }
}

} // namespace pit

namespace {

constexpr Form forms[] = {
    {"pit/control-words", "8254, Control Word Format; Read-Back Command", pit::control_words},
    {"pit/counts", "8254, Write Operations; Read Operations", pit::counts},
    {"pit/read-back", "8254, Counter Latch Command; Read-Back Command", pit::read_back},
    {"pit/modes", "8254, Mode Definitions", pit::modes},
    {"pit/gates", "8254, Gate Pin Operations Summary", pit::gates},
    {"pit/new-counts", "8254, Mode Definitions", pit::new_counts},
    {"pit/interrupts", "8254, Mode Definitions; 82371SB 3.6", pit::interrupts},
    {"pit/port-61h", "82371SB 2.5.3.1", pit::speaker_port},
    {"rtc/flags", "MC146818A, Register C", rtc::flags},
    {"rtc/registers", "MC146818A, Registers", rtc::registers},
    {"rtc/periodic", "MC146818A, Periodic Interrupt Selection", rtc::periodic},
    {"rtc/update", "MC146818A, Update Cycle; Alarm", rtc::update},
    {"rtc/calendar", "MC146818A, Time, Calendar and Alarm", rtc::calendar},
};

} // namespace

Group pit_forms() { return group(forms); }
