// A wire from a device to an interrupt controller. A device holds an IrqLine by value and sets its level.
#pragma once

#include "bus/types.hpp"

namespace glassbox {

/// Whatever has numbered interrupt inputs: a PIC, an I/O APIC, a router, a test.
class IrqSink {
  public:
    virtual ~IrqSink() = default;
    virtual void set_irq(unsigned input, bool level) = 0;
};

class IrqLine {
  public:
    IrqLine() = default; ///< not connected
    IrqLine(IrqSink& sink, unsigned input) : sink_(&sink), input_(input) {}

    void set(bool level) const {
        if (sink_) sink_->set_irq(input_, level);
    }
    void raise() const { set(true); }
    void lower() const { set(false); }

  private:
    IrqSink* sink_ = nullptr;
    unsigned input_ = 0;
};

} // namespace glassbox
