// The local APIC timer (SDM 3A 11.5.4): one-shot, periodic and TSC-deadline. Its count is a function of the time since
// it started; only the next expiry that somebody would notice is an event.
#include "devices/lapic/lapic.hpp"

namespace glassbox {

u64 LocalApic::timer_divisor() const {
    const unsigned code = (divide_ & 3) | (divide_ >> 1 & 4); // bits 3, 1, 0: 2, 4 ... 128, 1
    return code == 7 ? 1 : u64{2} << code;
}

/// Counts since timer_start_.
u64 LocalApic::timer_elapsed() const {
    const u64 now = timer_ticks();
    return now > timer_start_ ? (now - timer_start_) / timer_divisor() : 0;
}

u32 LocalApic::timer_count() const {
    if (first_count_ == 0) return 0;
    const u64 elapsed = timer_elapsed();
    if (elapsed < first_count_) return static_cast<u32>(first_count_ - elapsed);
    if (!periodic() || initial_count_ == 0) return 0;
    return static_cast<u32>(initial_count_ - (elapsed - first_count_) % initial_count_);
}

void LocalApic::start_timer(u32 count) {
    if (deadline_mode()) return; // "writes to the initial-count register are ignored"
    initial_count_ = first_count_ = count;
    timer_start_ = timer_ticks();
    schedule_timer();
}

/// Before the mode or the divisor changes: what is left of this period becomes the first one.
void LocalApic::rebase_timer() {
    first_count_ = timer_count();
    timer_start_ = timer_ticks();
}

/// 11.5.4.1: zero disarms; outside the mode writes are ignored.
void LocalApic::set_tsc_deadline(u64 value) {
    if (!deadline_mode()) return;
    tsc_deadline_ = value;
    schedule_timer();
}

/// The counter ticks at whole multiples of its period. A deadline beyond the end of time is none. A masked one expires
/// all the same, and the register becomes zero.
void LocalApic::schedule_deadline() {
    if (tsc_deadline_ == 0 || !config_.tsc) return timer_event_.cancel();
    const Time now = scheduler_.now(), period = scheduler_.instruction_time();
    const u64 counter = config_.tsc();
    if (counter >= tsc_deadline_) return timer_event_.at(now);
    const u64 ticks = now / period, left = tsc_deadline_ - counter;
    const u64 end = never / 2 / period;
    if (ticks >= end || left >= end - ticks) return timer_event_.cancel();
    timer_event_.at((ticks + left) * period);
}

void LocalApic::schedule_timer() {
    if (deadline_mode()) return schedule_deadline();
    if (first_count_ == 0 || (lvt_[timer] & lvt_masked) != 0) return timer_event_.cancel();
    const u64 divisor = timer_divisor();
    const u64 elapsed = timer_elapsed();
    u64 expiry = first_count_;
    if (elapsed >= expiry) {
        if (!periodic() || initial_count_ == 0) return timer_event_.cancel();
        expiry += ((elapsed - expiry) / initial_count_ + 1) * initial_count_;
    }
    timer_event_.at(time_of(timer_start_ + expiry * divisor, timer_frequency));
}

void LocalApic::timer_expired() {
    tsc_deadline_ = 0;
    deliver_lvt(timer);
    schedule_timer();
}

} // namespace glassbox
