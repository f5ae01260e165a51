#include "debugger/explain/fault_log.hpp"

namespace glassbox {

bool FaultLog::faulting(Cpu& cpu, const Fault& fault) {
    FaultRecord record{fault, cpu.failed_delivery, explain::Moment::of(cpu)};
    // A fault that was held back, or one that is executed a second time, is not another one.
    std::erase_if(records_, [&](const FaultRecord& r) {
        return r.moment.cpu == &cpu && r.moment.instructions == record.moment.instructions;
    });
    if (records_.size() == most) records_.pop_front();
    records_.push_back(std::move(record));
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
