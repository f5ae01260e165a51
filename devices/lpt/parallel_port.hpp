// The PC's parallel port (IBM PC/AT Technical Reference, "Printer Adapter") with a printer that takes every byte: at
// the strobe it is busy for a moment, acknowledges, and the byte is in the sink. EPP and ECP modes are absent.
#pragma once

#include "bus/archive.hpp"
#include "bus/byte_sink.hpp"
#include "bus/irq_line.hpp"
#include "bus/port_bus.hpp"
#include "bus/scheduler.hpp"

namespace glassbox {

class ParallelPort : public IoDevice {
  public:
    /// `sink` may be null: then no printer is connected.
    ParallelPort(Scheduler& scheduler, IrqLine irq7, ByteSink* sink);
    /// LPT1 at 378h.
    void map(PortBus& ports);
    void reset();

    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64 offset, unsigned width) const override;
    void write(u64 offset, unsigned width, u64 value) override;
    void persist(Archive& archive);

    /// The registers as a debugger shows them: looking changes nothing.
    struct Registers {
        u8 data, status, control;
    };
    Registers registers() const { return {data_, status(), control_}; }

    static constexpr Time busy_time = 5 * microsecond, acknowledge_time = 3 * microsecond;

  private:
    enum Register : u64 { data_register, status_register, control_register };
    enum class Phase : u8 { ready, busy, acknowledging };

    u8 status() const;
    void write_control(u8 value);
    void next_phase();

    IrqLine irq_;
    ByteSink* sink_;
    Scheduler::Event phase_over_;
    Phase phase_ = Phase::ready;
    u8 data_ = 0, control_ = 0;
};

} // namespace glassbox
