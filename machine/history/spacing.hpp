// How far apart the checkpoints of a history lie.
#pragma once

#include "machine/history/timeline.hpp"

#include <algorithm>

namespace glassbox {

/// What is executed again to go back by one instruction takes no longer than this, at the speed of the first time.
inline constexpr double longest_way = 0.1;

/// How far apart checkpoints should be. Measured on the host's clock, which is as well: where they are changes nothing
/// that the guest can see.
class Spacing {
  public:
    explicit Spacing(const HistoryOptions& options) : least_(options.spacing), share_(options.percent / 100.0) {}
    void ran(double seconds, u64 instructions) {
        seconds_ += seconds, instructions_ += instructions;
        if (instructions_ < least_) return;
        speed_ = static_cast<double>(instructions_) / std::max(seconds_, 1e-6);
        seconds_ = 0, instructions_ = 0;
    }
    void took(double seconds) { // whoever else has used the processor meanwhile does not count fully
        cost_ = cost_ == 0 ? seconds : 0.8 * cost_ + 0.2 * std::min(seconds, 3 * cost_);
    }
    u64 now() const {
        if (share_ <= 0) return least_;
        return std::max(least_, static_cast<u64>(speed_ * std::min(cost_ / share_, longest_way)));
    }

  private:
    u64 least_;
    double share_;
    double seconds_ = 0, speed_ = 0, cost_ = 0;
    u64 instructions_ = 0;
};

} // namespace glassbox
