// The sixteen ISA interrupt wires: each goes to an input of the 8259 pair and of the I/O APIC (82371SB data sheet,
// 3.8; MP specification 1.4, 5.1: IRQ 0 is I/O APIC input 2). Several drivers may share a wire, as PCI interrupts and
// the SCI do: each has a source of its own, and the wire is high while any source is.
#pragma once

#include "bus/archive.hpp"
#include "bus/irq_line.hpp"
#include "bus/probe.hpp"

#include <array>

namespace glassbox {

class IsaIrqRouter : public IrqSink {
  public:
    static constexpr unsigned sources = 16;
    /// The sources the board's devices use; those from `first_free` on are for whoever shares a wire.
    enum Source : unsigned { isa = 0, pirq = 1, sci = 2, first_free = 3, pulse = sources - 3, by_hand = sources - 2 };

    /// `io_apic` may be null. Both see every change of level.
    IsaIrqRouter(IrqSink& pic, IrqSink* io_apic) : pic_(pic), io_apic_(io_apic) {}

    /// The wire of ISA IRQ `irq` (0-15) for one driver of it.
    IrqLine line(unsigned irq, unsigned source = isa) { return {*this, source * 16 + irq}; }
    /// `input` is source * 16 + IRQ.
    void set_irq(unsigned input, bool level) override;
    bool level(unsigned irq) const { return levels_.at(irq) != 0; }
    /// An INTA cycle has taken the wire's request: whoever pulses it lets go.
    void acknowledged(unsigned irq) {
        if (levels_.at(irq) >> pulse & 1) set_irq(pulse * 16 + irq, false);
    }
    /// A bit for each source that holds the wire high.
    u16 drivers(unsigned irq) const { return levels_.at(irq); }

    BusProbe* probe = nullptr; ///< null: nobody listens

    void persist(Archive& archive);

  private:
    IrqSink& pic_;
    IrqSink* io_apic_;
    std::array<u16, 16> levels_{}; // a bit for each source
};

} // namespace glassbox
