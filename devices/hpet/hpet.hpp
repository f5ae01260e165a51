// High Precision Event Timer (IA-PC HPET specification 1.0a): a 64-bit counter of 100 MHz and three comparators at
// FED00000h, each one-shot or periodic and 32 or 64 bits wide, routed to I/O APIC inputs 20-23 or, by legacy
// replacement, to IRQ 0 and IRQ 8.
//
// Deviations: an edge interrupt's line stays asserted until just before the next one, because an 8259 forgets a request
// that is taken back. A comparator set to exactly the present count matches after the counter has wrapped. Interrupt
// messages over the front-side bus are not offered (bit 15 of a timer's configuration is 0).
#pragma once

#include "bus/archive.hpp"
#include "bus/io_device.hpp"
#include "bus/irq_line.hpp"
#include "bus/memory_map.hpp"
#include "bus/scheduler.hpp"
#include "devices/hpet/legacy_router.hpp"

#include <array>

namespace glassbox {

class Hpet : public IoDevice {
  public:
    static constexpr u64 frequency = 100'000'000;
    static constexpr u64 base_address = 0xFED00000;
    static constexpr unsigned timers = 3;
    /// The upper half of a timer's configuration: which I/O APIC inputs it can use.
    static constexpr u32 route_capabilities = 0x00F00000;

    /// `inputs` are the I/O APIC's.
    Hpet(Scheduler& scheduler, IrqSink& inputs, LegacyRouter& legacy);
    void map(MemoryMap& memory);
    void reset();
    /// The General Capabilities register, whose lower half ACPI's HPET table repeats.
    static u64 capabilities();

    u64 read(u64 offset, unsigned width) override;
    std::optional<u64> peek(u64 offset, unsigned width) const override;
    void write(u64 offset, unsigned width, u64 value) override;
    void persist(Archive& archive);

    /// The registers as a debugger shows them: looking changes nothing.
    struct Registers {
        struct Comparator {
            u32 configuration;
            u64 comparator, period;
        };
        u32 configuration, status;
        u64 counter;
        std::array<Comparator, timers> comparators;
    };
    Registers registers() const {
        Registers r{configuration_, status_, counter(), {}};
        for (unsigned i = 0; i < timers; ++i)
            r.comparators[i] = {timers_[i].configuration, timers_[i].comparator, timers_[i].period};
        return r;
    }

  private:
    struct Timer {
        u32 configuration = 0; // the writable bits but for the value-set bit
        bool value_set = false;
        bool edge = false; // an edge interrupt's line is up
        u64 comparator = ~u64{0}, period = 0;
        bool wide() const;
        bool periodic() const;
        u64 mask() const { return wide() ? ~u64{0} : 0xFFFFFFFF; }
        void persist(Archive& a) { a(configuration, value_set, edge, comparator, period); }
    };

    bool enabled() const { return (configuration_ & 1) != 0; }
    u64 ticks() const { return ticks_in(scheduler_.now(), frequency); }
    u64 counter() const { return enabled() ? counter_ + (ticks() - started_) : counter_; }
    u64 read_register(unsigned offset) const;
    void write_register(unsigned offset, u64 value, u64 written);
    void write_configuration(u64 value);
    void write_timer(unsigned index, u64 value);
    void write_comparator(unsigned index, u64 value, u64 written);
    void schedule(unsigned index);
    void schedule_all();
    void match(unsigned index);
    void drive();

    Scheduler& scheduler_;
    IrqSink& inputs_;
    LegacyRouter& legacy_;
    u32 configuration_ = 0;
    u32 status_ = 0;
    u64 counter_ = 0; // the main counter when it was last started, stopped or written
    u64 started_ = 0; // the clock tick of that
    std::array<Timer, timers> timers_{};
    u32 driven_ = 0; // I/O APIC inputs held up
    std::array<bool, 2> legacy_driven_{};
    std::array<Scheduler::Event, timers> events_;
};

} // namespace glassbox
