// Long work in slices, between which whoever waits for it is asked whether it is to go on.
#pragma once

#include "bus/types.hpp"

#include <algorithm>
#include <chrono>

namespace glassbox {

/// Seconds of the host's time, which decide how work is cut into pieces and nothing that a guest could see.
inline double host_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Slices of so many instructions as take about `interval` seconds: how many that are depends on who listens.
class Pace {
  public:
    explicit Pace(double interval) : interval_(interval), asked_(host_seconds()) {}

    u64 slice() const { return slice_; }
    /// After a slice, or another piece of work: whether it is time to ask.
    bool due() {
        const double now = host_seconds(), took = now - last_;
        if (took > interval_) {
            slice_ = std::max(least, static_cast<u64>(static_cast<double>(slice_) * std::max(interval_ / took, 0.1)));
        } else if (took < interval_ / 4) {
            slice_ = std::min(2 * slice_, most);
        }
        last_ = now;
        if (now - asked_ < interval_) return false;
        asked_ = now;
        return true;
    }
    /// A slice begins now; what was before it took its own time.
    void begin() { last_ = host_seconds(); }

  private:
    static constexpr u64 least = 10'000, most = 4'000'000;
    double interval_;
    double asked_, last_ = asked_;
    u64 slice_ = least;
};

} // namespace glassbox
