// The last faults of a machine's processors with the registers of that moment, so that they can be explained when their
// handlers are running. Attached by the debugger; a machine without one remembers only what shut it down
// (Cpu::fault_chain).
#pragma once

#include "cpu/probe.hpp"
#include "debugger/explain/moment.hpp"

#include <deque>

namespace glassbox {

struct FaultRecord {
    Fault fault;
    Cpu::Delivering during; ///< what was being delivered when it arose
    explain::Moment moment; ///< before anything of it was delivered
};

class FaultLog final : public Probe {
  public:
    bool faulting(Cpu& cpu, const Fault& fault) override;

    /// The last one of `cpu` that lies not in the future, as the machine stands now: it may have gone back. Null: none.
    const FaultRecord* last(const Cpu& cpu) const;
    void clear() { records_.clear(); }

  private:
    static constexpr std::size_t most = 64;
    std::deque<FaultRecord> records_;
};

} // namespace glassbox
