#include "debugger/explain/fault_log.hpp"

namespace glassbox {

namespace {
/// Whether the machine has gone back since, or stands at the same fault.
bool replaced(const explain::Moment& before, const explain::Moment& now) {
    return before.instructions > now.instructions || (before.instructions == now.instructions && before.cpu == now.cpu);
}
} // namespace

bool FaultLog::faulting(Cpu& cpu, const Fault& fault) {
    FaultRecord record{fault, cpu.failed_delivery, explain::Moment::of(cpu)};
    // A fault that was held back, or one that is executed a second time, is not another one.
    while (!records_.empty() && replaced(records_.back().moment, record.moment)) records_.pop_back();
    if (records_.size() == most) records_.pop_front();
    records_.push_back(record);
    return false;
}

const FaultRecord* FaultLog::last(const Cpu& cpu) const {
    const FaultRecord* best = nullptr;
    for (const FaultRecord& r : records_) {
        if (r.moment.cpu != &cpu || r.moment.instructions > cpu.scheduler.instructions()) continue;
        if (!best || r.moment.instructions >= best->moment.instructions) best = &r;
    }
    return best;
}

} // namespace glassbox
