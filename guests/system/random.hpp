// Numbers for generated cases: the same for the same seed, on every machine.
#pragma once

#include "guests/system/system.hpp"

class Random {
  public:
    explicit Random(u32 seed) : state_(seed * 2654435761u + 12345) {}
    u32 next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 17;
        state_ ^= state_ << 5;
        return state_;
    }
    u32 below(u32 n) { return (next() >> 8) % n; }
    bool one_in(u32 n) { return below(n) == 0; }

  private:
    u32 state_;
};
