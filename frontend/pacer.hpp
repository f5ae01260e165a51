// `--clock realtime`: guest time that follows the host's clock.
#pragma once

#include "bus/types.hpp"

#include <chrono>

namespace glassbox {

class Pacer {
  public:
    using Clock = std::chrono::steady_clock;

    /// From here on a second of the guest is a second of the host.
    void start(Time guest, Clock::time_point host) {
        guest_ = guest;
        host_ = host;
    }
    /// The guest time that the host's clock asks for.
    Time target(Clock::time_point host) const {
        return guest_ + static_cast<Time>(std::chrono::duration_cast<std::chrono::nanoseconds>(host - host_).count()) *
                            nanosecond;
    }

  private:
    Time guest_ = 0;
    Clock::time_point host_{};
};

} // namespace glassbox
