// Two Intel 8259A Programmable Interrupt Controllers (data sheet 231468) as the PC cascades them: the master at ports
// 20h-21h, the slave on its input 2 at A0h-A1h, with the edge/level control registers 4D0h-4D1h of the PIIX3 (82371SB).
//
// Deviations: MCS-80/85 mode (ICW4 bit 0 clear) answers with the 8086's vectors; the buffered-mode bits have no pins to
// drive. ICW1's LTIM has no function: the ELCR replaces it (82371SB 2.5.1).
#pragma once

#include "bus/archive.hpp"
#include "bus/io_device.hpp"
#include "bus/irq_line.hpp"
#include "bus/port_bus.hpp"

#include <array>
#include <optional>

namespace glassbox {

/// One 8259A without its ports' wiring. Inputs and registers are bit masks, bit n = IRn.
class Pic8259 {
  public:
    void reset();
    void set_input(unsigned input, bool level);
    void set_elcr(u8 mask) { elcr_ = mask; }

    u8 read(bool a0);
    u8 peek(bool a0) const; ///< what `read` would return
    void write(bool a0, u8 value);

    /// The INT output.
    bool interrupt() const { return requested().has_value(); }
    /// The first INTA pulse: the level that is now in service, or nothing when the request has gone (a default IR7).
    std::optional<unsigned> acknowledge();
    /// The byte of the second INTA pulse.
    u8 vector(unsigned level) const { return static_cast<u8>(vector_base_ | level); }

    u8 irr() const;
    u8 isr() const { return isr_; }
    u8 imr() const { return imr_; }
    u8 elcr() const { return elcr_; }
    bool polled() const { return poll_; } ///< the next read acknowledges
    bool cascades(unsigned level) const { return !single_ && (icw3_ >> level & 1) != 0; }
    u8 slave_id() const { return icw3_ & 7; }

    /// The chip as a debugger shows it: looking changes nothing.
    struct Registers {
        u8 lines;           ///< the inputs' levels
        u8 vector_base;     ///< ICW2, bits 7-3
        u8 icw3;            ///< of the master a mask of slaves, of a slave its number
        u8 next_icw;        ///< 2, 3 or 4 during initialization, else 0
        u8 lowest_priority; ///< the level
        bool single, automatic_eoi, special_fully_nested, rotate_on_automatic_eoi, special_mask, read_isr;
        std::optional<unsigned> next; ///< the level that an INTA cycle would take
    };
    Registers registers() const {
        return {lines_,
                vector_base_,
                icw3_,
                next_icw_,
                lowest_,
                single_,
                automatic_eoi_,
                special_fully_nested_,
                rotate_on_automatic_eoi_,
                special_mask_,
                read_isr_,
                requested()};
    }

    void persist(Archive& archive);

  private:
    bool initializing() const { return next_icw_ != 0; }
    /// The level that an INTA cycle would take.
    std::optional<unsigned> requested() const { return initializing() ? std::nullopt : highest(); }
    unsigned rank(unsigned level) const { return (level - lowest_ - 1) & 7; } // 0 is the highest priority
    std::optional<unsigned> first_of(u8 mask) const;
    std::optional<unsigned> highest() const;
    void write_icw1(u8 value);
    void write_ocw2(u8 value);
    void write_ocw3(u8 value);
    void write_data(u8 value);

    u8 lines_ = 0; // the inputs' levels
    u8 edges_ = 0; // rising edges not yet acknowledged, whose line is still high
    u8 isr_ = 0, imr_ = 0;
    u8 elcr_ = 0;
    u8 vector_base_ = 0;
    u8 icw3_ = 0;
    u8 next_icw_ = 0; // 2, 3 or 4 during initialization
    u8 lowest_ = 7;   // the level of lowest priority
    bool single_ = false, needs_icw4_ = false;
    bool automatic_eoi_ = false, special_fully_nested_ = false, rotate_on_automatic_eoi_ = false;
    bool special_mask_ = false, read_isr_ = false, poll_ = false;
};

class PicPair : public IoDevice, public IrqSink {
  public:
    /// `intr` is the master's INT output: the processor's INTR pin or the local APIC's LINT0.
    explicit PicPair(IrqLine intr) : intr_(intr) {}
    void map(PortBus& ports);
    void reset();

    /// Inputs 0-15; input 2 is the cascade and ignored.
    void set_irq(unsigned input, bool level) override;
    /// Whether the input's request is up and nothing masks it: an INTA cycle will take it.
    bool waits_for(unsigned input) const;
    struct Interrupt {
        u8 vector;
        std::optional<unsigned> input; ///< whose request was taken; nothing: it has vanished
    };
    /// The INTA cycle of the whole pair. The vector is that of IR7 or IR15 when the request has vanished.
    Interrupt take();
    u8 acknowledge();
    bool intr() const { return intr_level_; }

    const Pic8259& master() const { return chips_[0]; }
    const Pic8259& slave() const { return chips_[1]; }

    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64 offset, unsigned width) const override;
    void write(u64 offset, unsigned width, u64 value) override;
    void persist(Archive& archive);

  private:
    void update();
    void pulse_cascade();

    std::array<Pic8259, 2> chips_;
    IrqLine intr_;
    bool intr_level_ = false;
};

} // namespace glassbox
