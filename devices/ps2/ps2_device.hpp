// What the 8042 sees at the end of a PS/2 cable: a device that offers bytes and takes commands.
#pragma once

#include "bus/archive.hpp"
#include "bus/types.hpp"

#include <functional>
#include <optional>

namespace glassbox {

class Ps2Device {
  public:
    virtual ~Ps2Device() = default;
    virtual bool has_output() const = 0;
    /// The next byte; only while there is one.
    virtual u8 take() = 0;
    /// A byte from the host.
    virtual void command(u8 byte) = 0;

    /// Called whenever output may have appeared.
    std::function<void()> on_output;

  protected:
    void offer() const {
        if (on_output) on_output();
    }
};

} // namespace glassbox
