// The processors of a machine, each with its local APIC, and the order in which they execute: one after the other on
// the host's thread, a fixed number of instructions each, at virtual times that make them run side by side
// (docs/smp.md). Everything that decides whose turn it is counts instructions or is the guest's doing, so two runs
// interleave alike, however they are cut into calls of `run`.
#pragma once

#include "bus/archive.hpp"
#include "bus/interrupt_port.hpp"
#include "bus/irq_line.hpp"
#include "bus/scheduler.hpp"
#include "cpu/state.hpp"
#include "devices/lapic/lapic.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace glassbox {

/// Processor and local APIC refer to each other: the processor is built with this socket, into which the APIC is
/// plugged.
class ApicSocket final : public InterruptPort {
  public:
    void plug(LocalApic& apic) { apic_ = &apic; }
    u8 acknowledge() override { return apic_->acknowledge(); }
    u64 apic_base() const override { return apic_ ? apic_->apic_base() : 0; }
    bool set_apic_base(u64 value) override { return apic_->set_apic_base(value); }
    bool apic_enabled() const override { return apic_ && apic_->apic_enabled(); }
    u8 task_priority() const override { return apic_->task_priority(); }
    void set_task_priority(u8 value) override { apic_->set_task_priority(value); }
    bool read_x2apic(u32 msr, u64& value) override { return apic_->read_x2apic(msr, value); }
    bool write_x2apic(u32 msr, u64 value) override { return apic_->write_x2apic(msr, value); }
    u64 tsc_deadline() const override { return apic_->tsc_deadline(); }
    void set_tsc_deadline(u64 value) override { apic_->set_tsc_deadline(value); }
    void tsc_changed() override {
        if (apic_) apic_->tsc_changed();
    }
    InterruptPort* take_bus() override { return apic_ ? apic_->take_bus() : nullptr; }

  private:
    LocalApic* apic_ = nullptr;
};

class Processors final : public IrqSink {
  public:
    static constexpr unsigned most = 64;

    /// `external_vector` is the INTA cycle of the 8259 pair.
    Processors(unsigned count, const CpuModel& model, MemoryMap& memory, PortBus& ports, Scheduler& scheduler,
               ApicBus& apics, const std::function<u8()>& external_vector);

    unsigned count() const { return static_cast<unsigned>(all_.size()); }
    /// 0 is the bootstrap processor.
    Cpu& operator[](unsigned i) { return *all_[i]->cpu; }
    const Cpu& operator[](unsigned i) const { return *all_[i]->cpu; }
    LocalApic& apic(unsigned i) { return *all_[i]->apic; }
    const LocalApic& apic(unsigned i) const { return *all_[i]->apic; }
    /// The one that executes now, or did last.
    Cpu& current() { return *all_[turn_]->cpu; }
    const Cpu& current() const { return *all_[turn_]->cpu; }
    unsigned current_number() const { return turn_; }
    /// Ends the present `run` after the current instruction.
    void leave() { current().leave_requested = true; }

    /// Maps the local APICs' pages.
    void map(MemoryMap& memory);
    /// RESET# of every processor and its APIC.
    void reset();
    /// INIT# of all of them.
    void init();
    /// LINT0 (the 8259's INTR) and LINT1 (NMI) of every processor are wired together.
    void set_irq(unsigned pin, bool level) override;

    /// Whether any would execute something.
    bool any_runnable() const;
    /// Whether all sleep and no interrupt, known to them alone, could wake one.
    bool asleep_for_good() const;
    /// One that has shut down, or null.
    const Cpu* shut_down() const;

    /// Lets time pass while somebody is runnable: until an event is due, `until` or `max_instructions` is reached, or a
    /// turn is over.
    void run(Time until, u64 max_instructions);

    void persist(Archive& archive);
    /// The registers alone, for comparisons.
    void persist_processors(Archive& archive);

    /// Instructions of a turn while several processors are runnable, and while one is.
    static constexpr u64 turn_length = 5000, lone_turn_length = 1'000'000;

  private:
    struct Processor {
        ApicSocket socket;
        std::unique_ptr<Cpu> cpu;
        std::unique_ptr<LocalApic> apic;
    };

    u64 room(Time until, u64 max_instructions) const;
    void next_turn();
    void take_turn(u64 count);

    Scheduler& scheduler_;
    ApicBus& apics_;
    std::vector<std::unique_ptr<Processor>> all_;
    u32 turn_ = 0;         // whose turn it is
    u64 left_ = 0;         // instructions of it that are left
    bool company_ = false; // others were runnable when it began, or have been woken since
    bool passing_ = false; // the processor gave way: the rest of its turn passes as time alone
};

} // namespace glassbox
