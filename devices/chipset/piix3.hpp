// The 82371SB (PIIX3) PCI-to-ISA bridge (Intel data sheet 290550): 8086:7000 at 0:1.0. Steers the four PCI interrupts
// to ISA IRQs (PIRQRC, 2.3.10) and owns the reset control register CF9h (2.6.4).
//
// The board's PCI slots are wired so that pin p (0 = INTA#) of slot s is PIRQ (s + p - 1) mod 4. ISA timing, DMA type
// F and SMI registers are stored only.
#pragma once

#include "bus/pci.hpp"

#include <functional>

namespace glassbox {

class Piix3 : public PciFunction, public IrqSink, public IoDevice {
  public:
    struct Callbacks {
        /// CF9h: a hard reset of the whole board, or (false) a soft one of the processor alone. May be null.
        std::function<void(bool hard)> reset;
    };

    /// `isa_irqs` has inputs 0-15; PCI interrupts drive `first_input` + IRQ (give the router's PIRQ source).
    Piix3(PortBus& ports, MemoryMap& memory, IrqSink& isa_irqs, unsigned first_input, Callbacks callbacks);

    /// The wire of pin `pin` (0 = INTA#) of a PCI function: give it to `PciFunction::connect_interrupt`.
    IrqLine pci_line(unsigned slot, unsigned function, unsigned pin) {
        return {*this, (slot * 8 + function) * 4 + pin};
    }
    void set_irq(unsigned input, bool level) override;

    /// CF9h, called through `PciBus::set_reset_control(&piix3)`.
    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64, unsigned) const override { return reset_control_; }
    void write(u64 offset, unsigned width, u64 value) override;

    u8 reset_control() const { return reset_control_; } ///< CF9h

    void reset() override;
    void persist(Archive& archive);

  private:
    void config_written(u8 offset, unsigned width) override;
    void route();
    u16 routed_levels() const;

    IrqSink& isa_irqs_;
    unsigned first_input_;
    Callbacks callbacks_;
    std::array<u32, 32> pins_{}; // a word for each slot: function * 4 + pin
    u16 driven_ = 0;             // the ISA IRQs held high
    u8 reset_control_ = 0;
};

} // namespace glassbox
