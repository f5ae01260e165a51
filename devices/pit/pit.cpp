// The 8254's ports and its place in time. Counter 0's next edge is an event; counters 1 and 2 are only ever asked.
#include "devices/pit/pit.hpp"

namespace glassbox {

namespace {

void ignore_edge(bool) {}

} // namespace

Pit::Pit(Scheduler& scheduler, IrqLine irq0)
    : scheduler_(scheduler), irq0_(irq0), counters_{PitCounter(true), PitCounter(true), PitCounter(false)},
      edge_(scheduler, "pit.counter0", [this] {
          synchronize(0);
          reschedule();
      }) {}

void Pit::map(PortBus& ports) { ports.map("pit", {Port(0x40), 4}, *this); }

void Pit::reset() {
    counters_ = {PitCounter(true), PitCounter(true), PitCounter(false)};
    ticks_.fill(ticks_in(scheduler_.now(), frequency));
    irq0_level_ = false;
    irq0_.lower();
    edge_.cancel();
}

void Pit::synchronize(unsigned channel) {
    const u64 now = ticks_in(scheduler_.now(), frequency);
    if (now <= ticks_[channel]) return;
    const u64 pulses = now - ticks_[channel];
    ticks_[channel] = now;
    if (channel != 0) return counters_[channel].clock(pulses, ignore_edge);
    // Every edge reaches the line, also those that one slow instruction spans: an interrupt must not be lost.
    counters_[0].clock(pulses, [this](bool level) {
        irq0_level_ = level;
        irq0_.set(level);
    });
}

void Pit::reschedule() {
    if (counters_[0].out() != irq0_level_) {
        irq0_level_ = counters_[0].out();
        irq0_.set(irq0_level_);
    }
    const u64 pulses = counters_[0].pulses_to_edge();
    if (pulses == 0) return edge_.cancel();
    edge_.at(time_of(ticks_[0] + pulses, frequency));
}

void Pit::set_gate2(bool level) {
    synchronize(2);
    counters_[2].set_gate(level);
}

/// The counter as it is by now.
PitCounter Pit::current(unsigned channel) const {
    PitCounter counter = counters_[channel];
    const u64 now = ticks_in(scheduler_.now(), frequency);
    if (now > ticks_[channel]) counter.clock(now - ticks_[channel], ignore_edge);
    return counter;
}

bool Pit::output(unsigned channel) const { return channel <= 2 && current(channel).out(); }

bool Pit::refresh_toggle() const {
    // The refresh request is counter 1 as every BIOS programs it; one stopped or in a one-shot mode refreshes as if it
    // were.
    constexpr u64 usual_divisor = 18;
    const PitCounter counter = current(1);
    const bool periodic = counter.running() && (counter.mode() == 2 || counter.mode() == 3);
    const u64 divisor = periodic ? counter.divisor() : usual_divisor;
    return (ticks_in(scheduler_.now(), frequency) / divisor & 1) != 0;
}

u64 Pit::speaker_frequency() const {
    const PitCounter counter = current(2);
    const bool tone = counter.gate() && counter.mode() == 3 && counter.running();
    return tone ? (frequency + counter.divisor() / 2) / counter.divisor() : 0;
}

std::optional<u64> Pit::peek(u64 offset, unsigned width) const {
    (void)width;
    if (offset > 2) return 0xFF;
    return current(static_cast<unsigned>(offset)).read(); // of a copy
}

u64 Pit::read(u64 offset, unsigned width) {
    (void)width;
    if (offset > 2) return 0xFF; // the control word cannot be read
    const unsigned channel = static_cast<unsigned>(offset);
    synchronize(channel);
    const u8 value = counters_[channel].read();
    if (channel == 0) reschedule();
    return value;
}

void Pit::write(u64 offset, unsigned width, u64 value) {
    (void)width;
    if (offset > 3) return;
    if (offset == 3) return write_control(static_cast<u8>(value));
    const unsigned channel = static_cast<unsigned>(offset);
    synchronize(channel);
    counters_[channel].write(static_cast<u8>(value));
    if (channel == 0) reschedule();
}

void Pit::write_control(u8 value) {
    const unsigned select = value >> 6;
    if (select == 3) { // read-back: COUNT# and STATUS# are active low
        for (unsigned channel = 0; channel < 3; ++channel) {
            if ((value & (2u << channel)) == 0) continue;
            synchronize(channel);
            if ((value & 0x20) == 0) counters_[channel].latch_count();
            if ((value & 0x10) == 0) counters_[channel].latch_status();
        }
    } else {
        synchronize(select);
        if ((value & 0x30) == 0) {
            counters_[select].latch_count();
        } else {
            counters_[select].write_control(value);
        }
    }
    reschedule();
}

void Pit::persist(Archive& archive) {
    archive.chunk("pit", 1, [&](u32) {
        archive(counters_, ticks_, irq0_level_);
        for (u64 tick : ticks_)
            archive.require(tick <= ticks_in(never / 2, frequency), "a PIT counter is in the far future");
    });
}

} // namespace glassbox
