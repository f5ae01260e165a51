// What an ISA device sees of its 8237 channel. A transfer happens at once; the device paces itself.
#pragma once

#include "bus/types.hpp"

#include <span>

namespace glassbox {

struct DmaResult {
    std::size_t count = 0;       ///< bytes moved; 0 while the channel is masked or set for another direction
    bool terminal_count = false; ///< the channel's count ran out with the last of them
};

class DmaPort {
  public:
    virtual ~DmaPort() = default;
    virtual bool ready(unsigned channel) const = 0; ///< unmasked, controller enabled
    virtual DmaResult to_memory(unsigned channel, std::span<const u8> data) = 0;
    virtual DmaResult from_memory(unsigned channel, std::span<u8> data) = 0;
};

} // namespace glassbox
