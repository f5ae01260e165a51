// Intel 8254 Programmable Interval Timer (data sheet 231164): three counters of 1193182 Hz at ports 40h-43h, with all
// six modes, both access patterns, BCD, counter latch and read-back. Nothing runs between accesses: a counter's state
// is kept as of one clock tick and brought forward in closed form, so periodic modes cannot drift.
//
// Deviations: the 8254 has no reset input and powers up undefined; here it powers up (and resets) stopped in mode 0. A
// counter that has never been loaded does not count. BCD digits above 9 have the value of their nibble.
#pragma once

#include "bus/archive.hpp"
#include "bus/io_device.hpp"
#include "bus/irq_line.hpp"
#include "bus/port_bus.hpp"
#include "bus/scheduler.hpp"

#include <array>
#include <functional>

namespace glassbox {

/// One counter, and nothing of time: `clock(n)` gives it n pulses of CLK.
class PitCounter {
  public:
    explicit PitCounter(bool gate) : gate_(gate) {}

    void write_control(u8 control);
    void write(u8 byte);
    u8 read();
    void latch_count();
    void latch_status();
    void set_gate(bool level);

    bool out() const { return out_; }
    bool gate() const { return gate_; }
    unsigned mode() const;
    /// The count register: what periodic modes divide by, 1 to 65536.
    u32 divisor() const;
    bool running() const { return started_ && counts(); }
    u32 count() const { return ce_; }
    // For a debugger: looking changes nothing.
    u8 control() const { return control_; } ///< RW1 RW0 M2 M1 M0 BCD
    u16 count_register() const { return cr_; }
    bool loaded() const { return written_; }        ///< a count has been written since the control word
    bool null_count() const { return null_count_; } ///< that the counting element has not seen
    u16 latched_count() const { return ol_; }
    unsigned latched_bytes() const { return latched_; } ///< of the latched count, still to be read
    bool status_latched() const { return status_latched_; }
    bool next_write_is_high() const { return write_high_; }
    bool next_read_is_high() const { return read_high_; }

    /// `edge(level)` is told of every change of OUT, in order.
    void clock(u64 pulses, const std::function<void(bool)>& edge);
    /// Pulses until OUT changes next, 0 if it will not.
    u64 pulses_to_edge() const;

    void persist(Archive& archive);

  private:
    u32 modulus() const { return (control_ & 1) != 0 ? 10000 : 65536; }
    unsigned access() const { return (control_ >> 4) & 3; }
    bool counts() const;
    void write_count(u16 value);
    void load();
    void load_square();
    u64 pulses_to_boundary() const;
    void step(u64 pulses);
    void step_periodic(u64 pulses);
    u64 period() const;
    u16 readable_count() const;

    u8 control_ = 0x30; // as last written: RW1 RW0 M2 M1 M0 BCD in bits 5-0
    u16 cr_ = 0;        // count register
    u32 ce_ = 0;        // counting element, 0 to the modulus
    u16 ol_ = 0;        // output latch
    u8 latched_ = 0;    // bytes of ol_ still to be read
    u8 status_ = 0;
    bool status_latched_ = false;
    u8 low_byte_ = 0; // the first byte of a two-byte write
    bool write_high_ = false, read_high_ = false;
    bool null_count_ = true; // CR holds a value that CE has not seen
    bool written_ = false;   // CR has been written since the control word
    bool started_ = false;   // CE has been loaded since the control word
    bool loading_ = false;   // the next pulse loads CE
    bool done_ = false;      // a one-shot mode has reached its terminal count
    bool odd_ = false;       // mode 3: an odd count was loaded
    bool gate_;
    bool out_ = false;
};

class Pit : public IoDevice {
  public:
    static constexpr u64 frequency = 1193182;

    /// `irq0` follows counter 0's OUT.
    Pit(Scheduler& scheduler, IrqLine irq0);
    void map(PortBus& ports);
    void reset();

    /// Port 61h bit 0.
    void set_gate2(bool level);
    bool gate2() const { return counters_[2].gate(); }
    /// OUT of a counter (0-2) now; port 61h bit 5 shows counter 2's.
    bool output(unsigned channel) const;
    /// Port 61h bit 4: changes with every refresh request of counter 1 (about 15 us).
    bool refresh_toggle() const;
    /// A counter as it is now, for a debugger.
    PitCounter counter(unsigned channel) const { return current(channel % 3); }
    /// What counter 2 would sound, in Hz; 0 while it makes no tone. Never changes the chip's state.
    u64 speaker_frequency() const;

    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64 offset, unsigned width) const override;
    void write(u64 offset, unsigned width, u64 value) override;
    void persist(Archive& archive);

  private:
    PitCounter current(unsigned channel) const;
    void synchronize(unsigned channel);
    void reschedule();
    void write_control(u8 value);

    Scheduler& scheduler_;
    IrqLine irq0_;
    bool irq0_level_ = false;
    std::array<PitCounter, 3> counters_;
    std::array<u64, 3> ticks_{}; // the clock tick that each counter's state belongs to
    Scheduler::Event edge_;
};

} // namespace glassbox
