// The local APIC (SDM 3A chapter 11): local vector table, timer, interprocessor interrupts, and the interrupt pins of
// the processor behind it. In xAPIC mode its registers are 4 KiB of memory at FEE00000h or where IA32_APIC_BASE says,
// and each processor sees its own there; in x2APIC mode (11.12) they are MSRs 800h-83Fh, and the page is gone.
//
// Globally disabled (IA32_APIC_BASE bit 11 clear, or a model without one), LINT0 and LINT1 are the processor's INTR and
// NMI pins. The version is 14h with six LVT entries.
//
// Deviations: EOI-broadcast suppression and CMCI are not in this model: their bits are reserved. SMIs are accepted and
// have no effect. The LINT polarity bits are stored
// only: lines carry assertion, not voltage. The bootstrap processor comes out of reset in the virtual wire mode that
// firmware would set up (MultiProcessor Specification 3.6.2.2: LINT0 ExtINT, LINT1 NMI), so that a guest without
// firmware gets its 8259 interrupts; the SDM's reset value of both is 10000h. Register accesses not aligned to 16 bytes
// read as zero.
#pragma once

#include "bus/archive.hpp"
#include "bus/interrupt_port.hpp"
#include "bus/io_device.hpp"
#include "bus/irq_line.hpp"
#include "bus/memory_map.hpp"
#include "bus/scheduler.hpp"
#include "devices/lapic/apic_bus.hpp"

#include <array>
#include <functional>
#include <optional>

namespace glassbox {

class LocalApic : public InterruptPort, public IoDevice, public IrqSink, public ApicAgent {
  public:
    struct Config {
        u32 id = 0; ///< of x2APIC mode; its low byte is that of xAPIC mode
        bool bootstrap = true;
        bool present = true;         ///< false: a processor model without a local APIC
        unsigned physical_bits = 36; ///< address bits of IA32_APIC_BASE
        bool x2apic = false;         ///< CPUID.1:ECX.21
        std::function<u64()> tsc{};  ///< the time-stamp counter, one tick an instruction's time, if the timer has
                                     ///< TSC-deadline mode (CPUID.1:ECX.24)
    };
    /// The timer counts this clock, in Hz, divided as the divide configuration register says: the bus clock (SDM 3A
    /// 11.5.4), which on every processor is slower than the time-stamp counter.
    static constexpr u64 timer_frequency = 100'000'000;

    /// `external_vector` is the INTA cycle of the 8259 pair.
    LocalApic(Scheduler& scheduler, CpuPins& pins, ApicBus& bus, std::function<u8()> external_vector, Config config);
    /// Maps the page. Of several processors' pages at one address, the active one's answers (ApicBus::set_active).
    void map(MemoryMap& memory);
    /// RESET#.
    void reset();
    /// INIT#: as reset, but IA32_APIC_BASE and the APIC ID stay.
    void init();

    /// LINT0 (the 8259's INTR) and LINT1 (NMI).
    void set_lint(unsigned pin, bool level);
    void set_irq(unsigned input, bool level) override { set_lint(input, level); }
    /// LINT0 is set up as NMI or INIT: the 8259 can wake a processor that has its interrupts off.
    bool lint0_wakes() const;

    // InterruptPort
    u8 acknowledge() override;
    u64 apic_base() const override { return base_; }
    bool set_apic_base(u64 value) override;
    bool apic_enabled() const override { return (base_ & base_enable) != 0; }
    /// The whole TPR; CR8 is its upper four bits.
    u8 task_priority() const override { return tpr_; }
    void set_task_priority(u8 value) override;
    bool read_x2apic(u32 msr, u64& value) override;
    bool write_x2apic(u32 msr, u64 value) override;
    u64 tsc_deadline() const override { return tsc_deadline_; }
    void set_tsc_deadline(u64 value) override;
    void tsc_changed() override { schedule_timer(); }
    InterruptPort* take_bus() override;

    // ApicAgent
    bool addressed_by(const ApicMessage& message) const override;
    bool accept(const ApicMessage& message) override;
    bool accepts_fixed() const override { return apic_enabled() && software_enabled(); }
    u8 arbitration_priority() const override;

    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64 offset, unsigned width) const override;
    void write(u64 offset, unsigned width, u64 value) override;
    void persist(Archive& archive);

    /// The registers as a debugger shows them (SDM 3A table 11-1): looking changes nothing.
    struct Registers {
        u32 id, version, ldr, dfr, svr, esr, icr_low, icr_high, initial_count, current_count, divide;
        u8 tpr, ppr, apr;
        std::array<u32, 6> lvt; ///< timer, thermal, performance, LINT0, LINT1, error
        std::array<u32, 8> isr, tmr, irr;
        u64 divisor, tsc_deadline;
        std::array<bool, 2> lint; ///< the pins' levels
        bool x2apic, intr, external_message;
        std::optional<u8> deliverable; ///< the vector that the processor would get
    };
    Registers registers() const {
        return {extended() ? config_.id : u32{id_} << 24,
                0x00050014,
                extended() ? logical_id() : ldr_,
                dfr_,
                svr_,
                esr_,
                icr_low_,
                icr_high_,
                initial_count_,
                timer_count(),
                divide_,
                tpr_,
                processor_priority(),
                arbitration_priority(),
                lvt_,
                isr_,
                tmr_,
                irr_,
                timer_divisor(),
                tsc_deadline_,
                lint_,
                extended(),
                intr_,
                external_message_,
                deliverable()};
    }

  private:
    enum Lvt : unsigned { timer, thermal, performance, lint0, lint1, error, lvt_entries };
    enum ErrorBit : u8 { send_illegal_vector = 0x20, receive_illegal_vector = 0x40, illegal_register = 0x80 };
    using Vectors = std::array<u32, 8>; // a bit for each of 256 vectors

    static constexpr u64 base_bootstrap = 1u << 8, base_extended = 1u << 10, base_enable = 1u << 11;
    static constexpr u32 lvt_masked = 1u << 16, lvt_periodic = 1u << 17, lvt_deadline = 1u << 18;
    static constexpr u32 lvt_level = 1u << 15, lvt_remote_irr = 1u << 14;

    // lapic.cpp: what comes in and what goes to the processor
    void reset_registers();
    bool extended() const { return (base_ & base_extended) != 0; }
    u32 logical_id() const { return (config_.id >> 4 << 16) | 1u << (config_.id & 15); } // of x2APIC mode
    bool software_enabled() const { return (svr_ & 0x100) != 0; }
    bool external_pending() const;
    std::optional<u8> deliverable() const;
    u8 processor_priority() const;
    void update_pins();
    void accept_vector(u8 vector, bool level);
    void raise_error(ErrorBit bit);
    void deliver_lvt(Lvt entry);
    void evaluate_lint(unsigned pin);
    void end_of_interrupt();
    void move_page();

    // registers.cpp
    LocalApic* page_owner();
    const LocalApic* page_owner() const;
    void write_page(u64 offset, unsigned width, u64 value);
    u32 read_register(unsigned index);
    std::optional<u32> peek_register(unsigned index) const;
    u32 read_vectors(unsigned index) const;
    void write_register(unsigned index, u32 value);
    void write_spurious(u32 value);
    void write_lvt(Lvt entry, u32 value);
    void send_interrupt();
    u32 lvt_writable(unsigned entry) const;
    bool write_extended(unsigned index, u64 value);

    // timer.cpp
    u64 timer_ticks() const { return ticks_in(scheduler_.now(), timer_frequency); }
    u64 timer_divisor() const;
    u64 timer_elapsed() const;
    bool periodic() const { return (lvt_[timer] & lvt_periodic) != 0; }
    bool deadline_mode() const { return (lvt_[timer] & (lvt_deadline | lvt_periodic)) == lvt_deadline; }
    u32 timer_count() const;
    void start_timer(u32 count);
    void rebase_timer();
    void schedule_timer();
    void schedule_deadline();
    void timer_expired();

    Scheduler& scheduler_;
    CpuPins& pins_;
    ApicBus& bus_;
    std::function<u8()> external_vector_;
    Config config_;
    MemoryMap* memory_ = nullptr;
    MemoryMap::RegionId region_ = 0;

    u64 base_ = 0;
    u8 id_ = 0, tpr_ = 0;
    u32 ldr_ = 0, dfr_ = ~0u, svr_ = 0xFF;
    Vectors isr_{}, tmr_{}, irr_{};
    u8 esr_ = 0, errors_ = 0; // the register, and what the next write to it will show
    u32 icr_low_ = 0, icr_high_ = 0;
    std::array<u32, lvt_entries> lvt_{};
    u32 divide_ = 0;
    u32 initial_count_ = 0;
    u32 first_count_ = 0;           // of the period that began at timer_start_; later ones have initial_count_
    u64 timer_start_ = 0;           // in ticks of timer_frequency
    u64 tsc_deadline_ = 0;          // 0: not armed
    bool external_message_ = false; // an ExtINT message has come from an I/O APIC
    std::array<bool, 2> lint_{};
    bool intr_ = false;
    Scheduler::Event timer_event_;
};

} // namespace glassbox
