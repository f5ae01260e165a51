// Virtual time and the queue of what happens next. Time is the number of executed instructions times their duration
// plus the idle time that was skipped: no host clock reaches the guest from here. Events fire in order of
// (time, order of scheduling), between two instructions, at an exact instruction count.
#pragma once

#include "bus/archive.hpp"
#include "bus/types.hpp"

#include <functional>
#include <string>
#include <vector>

namespace glassbox {

class Scheduler {
  public:
    /// One thing that a device does at a time it chose. Construct it once, as a member of the device.
    class Event {
      public:
        /// `name` is unique on the board ("pit0.channel0") and identifies the event in snapshots.
        Event(Scheduler& scheduler, std::string name, std::function<void()> fire);
        ~Event();
        Event(const Event&) = delete;
        Event& operator=(const Event&) = delete;

        /// (Re)schedules the event; a time in the past fires before the next instruction.
        void at(Time when);
        void after(Time delay) { at(scheduler_.now() + delay); }
        void cancel() { at(never); }
        bool pending() const { return when_ != never; }
        Time when() const { return when_; }
        const std::string& name() const { return name_; }

      private:
        friend class Scheduler;
        Scheduler& scheduler_;
        std::string name_;
        std::function<void()> fire_;
        Time when_ = never;
        u64 sequence_ = 0;
    };

    /// `instructions_per_second`: the guest's speed in its own time, 1 to 10^12 (it is rounded to whole picoseconds).
    explicit Scheduler(u64 instructions_per_second = default_speed);

    Time now() const { return (instructions_ - mark_) * cost_ + idle_; }
    u64 instructions() const { return instructions_; }
    /// A processor's time for an instruction: also the period of its time-stamp counter.
    Time instruction_time() const { return picoseconds_; }

    /// `processors` of them run at the same time, though they execute one after the other: an instruction of any of
    /// them moves the time on by that part of its own (rounded down to whole picoseconds, at least one). docs/smp.md.
    void share_among(unsigned processors);
    /// How far an instruction moves the time on: `instruction_time()` while one processor runs.
    Time instruction_cost() const { return cost_; }

    /// The processor says how many instructions have been executed in all; called before a device can look at `now()`.
    void set_instructions(u64 count) { instructions_ = count; }
    /// Instructions that may run before the next event is due: 0 when one is due already.
    u64 instructions_to_next_event() const;
    Time next_event() const { return next_; }
    /// Fires all that is due. May schedule more, which fires too when due.
    void fire_due();
    /// Skips idle time: `now()` becomes `when` if that is in the future.
    void skip_to(Time when);

    /// Called when an event becomes the earliest one, so that a running processor can shorten its budget.
    std::function<void()> on_earlier;

    /// The pending events by time, for the debugger.
    std::vector<const Event*> pending() const;

    void persist(Archive& archive);

    static constexpr u64 default_speed = 500'000'000;

  private:
    void find_next();

    Time picoseconds_;
    Time cost_ = picoseconds_;
    u64 instructions_ = 0;
    u64 mark_ = 0;  // the count at which an instruction began to cost that
    Time idle_ = 0; // skipped, and what passed before the mark
    Time next_ = never;
    u64 sequence_ = 0;
    std::vector<Event*> events_;

  public:
    /// How much later than at `when` an event comes; null: not at all. The same answer each time it is asked.
    std::function<Time(const Event& event, Time when)> lateness;
};

} // namespace glassbox
