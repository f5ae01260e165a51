// How an AT reports x87 errors (82371SB data sheet 2.5.5; SDM 1, D.2): FERR# raises IRQ 13; a write to port F0h takes
// the request down and asserts IGNNE# until FERR# has gone. The processor here never waits for IGNNE#.
#pragma once

#include "bus/archive.hpp"
#include "bus/irq_line.hpp"
#include "bus/port_bus.hpp"

namespace glassbox {

class CoprocessorError : public IoDevice {
  public:
    explicit CoprocessorError(IrqLine irq13) : irq13_(irq13) {}
    void map(PortBus& ports) { ports.map("coprocessor error", {Port{0xF0}, 1}, *this); }

    /// The processor's FERR# pin.
    void set_ferr(bool level) {
        ferr_ = level;
        if (!level) ignored_ = false;
        irq13_.set(ferr_ && !ignored_);
    }

    u64 read(u64, unsigned) override { return 0xFF; }
    std::optional<u64> peek(u64, unsigned) const override { return 0xFF; }
    void write(u64, unsigned, u64) override {
        ignored_ = ferr_;
        irq13_.lower();
    }
    bool ferr() const { return ferr_; }
    bool ignne() const { return ignored_; }
    void reset() {
        ferr_ = ignored_ = false;
        irq13_.lower();
    }
    void persist(Archive& archive) {
        archive.chunk("coprocessor error", 1, [&](u32) { archive(ferr_, ignored_); });
    }

  private:
    IrqLine irq13_;
    bool ferr_ = false;
    bool ignored_ = false; ///< IGNNE#
};

} // namespace glassbox
