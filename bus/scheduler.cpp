#include "bus/scheduler.hpp"

#include <algorithm>
#include <utility>

namespace glassbox {

Scheduler::Event::Event(Scheduler& scheduler, std::string name, std::function<void()> fire)
    : scheduler_(scheduler), name_(std::move(name)), fire_(std::move(fire)) {
    scheduler_.events_.push_back(this);
}

Scheduler::Event::~Event() {
    std::erase(scheduler_.events_, this);
    scheduler_.find_next();
}

void Scheduler::Event::at(Time when) {
    if (scheduler_.lateness && when < never / 2) when += scheduler_.lateness(*this, when);
    const bool was_next = when_ == scheduler_.next_;
    when_ = when;
    sequence_ = ++scheduler_.sequence_;
    if (when < scheduler_.next_) {
        scheduler_.next_ = when;
        if (scheduler_.on_earlier) scheduler_.on_earlier();
    } else if (was_next) {
        scheduler_.find_next();
    }
}

Scheduler::Scheduler(u64 instructions_per_second)
    : picoseconds_(std::max<u64>(1, second / std::max<u64>(1, instructions_per_second))) {}

u64 Scheduler::instructions_to_next_event() const {
    if (next_ == never) return ~u64{0} >> 2;
    const Time present = now();
    if (next_ <= present) return 0;
    return (next_ - present + cost_ - 1) / cost_;
}

void Scheduler::share_among(unsigned processors) {
    const Time cost = std::max<Time>(1, picoseconds_ / std::max(processors, 1u));
    if (cost == cost_) return;
    idle_ = now();
    mark_ = instructions_;
    cost_ = cost;
}

void Scheduler::find_next() {
    next_ = never;
    for (const Event* event : events_) next_ = std::min(next_, event->when_);
}

void Scheduler::fire_due() {
    while (next_ <= now()) {
        Event* due = nullptr;
        for (Event* event : events_) {
            if (event->when_ > now()) continue;
            if (!due || std::pair(event->when_, event->sequence_) < std::pair(due->when_, due->sequence_)) due = event;
        }
        if (!due) break;
        due->when_ = never;
        find_next();
        due->fire_();
    }
}

void Scheduler::skip_to(Time when) {
    if (when > now()) idle_ += when - now();
}

std::vector<const Scheduler::Event*> Scheduler::pending() const {
    std::vector<const Event*> list;
    for (const Event* event : events_) {
        if (event->pending()) list.push_back(event);
    }
    std::sort(list.begin(), list.end(), [](const Event* a, const Event* b) {
        return std::pair(a->when_, a->sequence_) < std::pair(b->when_, b->sequence_);
    });
    return list;
}

void Scheduler::persist(Archive& archive) {
    const bool one_processor = mark_ == 0 && cost_ == picoseconds_;
    archive.chunk("scheduler", archive.loading() || !one_processor ? 2 : 1, [&](u32 version) {
        archive(picoseconds_, instructions_, idle_, sequence_);
        archive.require(picoseconds_ > 0 && picoseconds_ <= second, "an instruction's duration is out of range");
        if (version >= 2)
            archive(cost_, mark_);
        else
            cost_ = picoseconds_, mark_ = 0;
        archive.require(cost_ > 0 && cost_ <= picoseconds_ && mark_ <= instructions_,
                        "the processors' share of the time is out of range");
        u32 count = static_cast<u32>(events_.size());
        archive(count);
        archive.require(count == events_.size(), "the board has other events than the snapshot");
        for (Event* event : events_) {
            std::string name = event->name_;
            archive(name, event->when_, event->sequence_);
            archive.require(name == event->name_, "expected the event '" + event->name_ + "'");
        }
        if (archive.loading()) find_next();
    });
}

} // namespace glassbox
