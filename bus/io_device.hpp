// What a bus sees of a device: a span of registers, addressed by their offset in it.
#pragma once

#include "bus/types.hpp"

#include <optional>

namespace glassbox {

class IoDevice {
  public:
    virtual ~IoDevice() = default;
    /// `offset` is the mapping's base offset plus the distance from its start; `width` is 1, 2, 4 or 8 bytes, never
    /// more than the mapping declared. The access lies whole within the mapping, but its alignment is the guest's.
    virtual u64 read(u64 offset, unsigned width) = 0;
    virtual void write(u64 offset, unsigned width, u64 value) = 0;
    /// What `read` would return now, without anything else that it does: for a debugger. Asked with a width that the
    /// device takes, at a multiple of it. Nothing: the device does not say.
    virtual std::optional<u64> peek(u64 offset, unsigned width) const {
        static_cast<void>(offset), static_cast<void>(width);
        return {};
    }
};

} // namespace glassbox
