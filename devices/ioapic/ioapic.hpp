// Intel 82093AA I/O Advanced Programmable Interrupt Controller (data sheet 290566): 24 inputs, each with a redirection
// entry, behind an index and a data register at FEC00000h.
//
// Deviations: the polarity bit is stored only, because an IrqLine carries assertion and not voltage: a PCI line that is
// asserted (low) interrupts however the entry describes it. Messages arrive at once, so the delivery status reads idle.
// SMI entries have no effect.
#pragma once

#include "bus/archive.hpp"
#include "bus/io_device.hpp"
#include "bus/irq_line.hpp"
#include "bus/memory_map.hpp"
#include "devices/lapic/apic_bus.hpp"

#include <array>

namespace glassbox {

class IoApic : public IoDevice, public IrqSink, public ApicListener {
  public:
    static constexpr unsigned inputs = 24;
    /// IOAPICVER (3.2.2): the last entry, and the chip's version.
    static constexpr u32 version = 0x11 | (inputs - 1) << 16;

    explicit IoApic(ApicBus& bus);
    void map(MemoryMap& memory);
    void reset();

    /// Inputs 0-23, as the board wires them: ISA interrupts 1-15 at their number, the timer at 2 (and the 8259 at 0).
    void set_irq(unsigned input, bool level) override;

    // ApicListener
    void end_of_interrupt(u8 vector) override;
    void retry() override;

    // For a debugger: looking changes nothing.
    u8 id() const { return id_; }
    u8 selected_register() const { return select_; }
    bool line(unsigned input) const { return input < inputs && (lines_ >> input & 1) != 0; }

    u64 redirection(unsigned input) const { return input < inputs ? entries_[input] : 0; }

    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64 offset, unsigned width) const override;
    void write(u64 offset, unsigned width, u64 value) override;
    void persist(Archive& archive);

  private:
    u32 read_register() const;
    void write_register(u32 value);
    void write_entry(unsigned input, bool high, u32 value);
    bool send(unsigned input);
    void evaluate_level(unsigned input);

    ApicBus& bus_;
    u8 select_ = 0;
    u8 id_ = 0; // 4 bits
    std::array<u64, inputs> entries_{};
    u32 lines_ = 0;
};

} // namespace glassbox
