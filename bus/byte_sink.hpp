// Where a serial, parallel or debug port's bytes go. Bytes towards the guest come through the machine's input queue.
#pragma once

#include "bus/types.hpp"

namespace glassbox {

class ByteSink {
  public:
    virtual ~ByteSink() = default;
    virtual void put(u8 byte) = 0;
};

} // namespace glassbox
