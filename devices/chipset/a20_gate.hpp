// The A20 gate as the processor sees it. Both the 8042's output port and port 92h control it and both read it back.
//
// Deviation: a PC/AT ORs the two; here the last write wins. Firmware leaves port 92h's bit set, and software that
// closes the gate through the 8042 (or through INT 15h, 2400h, after opening it by the other way) means the gate, not
// its half of it.
#pragma once

#include "bus/memory_map.hpp"

namespace glassbox {

class A20Gate {
  public:
    explicit A20Gate(MemoryMap& memory) : memory_(memory) {}
    void set(bool open) { memory_.set_a20(open); }
    bool open() const { return memory_.a20(); }
    /// RESET#: open, so that the reset vector below 4 GiB can be fetched.
    void reset() { set(true); }

  private:
    MemoryMap& memory_; // which persists the gate
};

} // namespace glassbox
