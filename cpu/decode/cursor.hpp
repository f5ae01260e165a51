// The bytes of an instruction as the decoder reads them, one after the other.
#pragma once

#include "bus/types.hpp"

#include <span>

namespace glassbox::decoding {

/// Reads bytes and remembers when they ran out.
class Cursor {
  public:
    explicit Cursor(std::span<const u8> bytes) : bytes_(bytes) {}
    u8 byte() {
        if (at_ >= bytes_.size()) {
            short_ = true;
            return 0;
        }
        return bytes_[at_++];
    }
    u64 number(unsigned width) {
        u64 value = 0;
        for (unsigned i = 0; i < width; ++i) value |= u64{byte()} << (8 * i);
        return value;
    }
    i64 signed_number(unsigned width) {
        const u64 value = number(width);
        const unsigned shift = 64 - 8 * width;
        return static_cast<i64>(value << shift) >> shift;
    }
    /// The next byte, left where it is; 0 at the end, and then it has run out.
    u8 peek() const { return at_ < bytes_.size() ? bytes_[at_] : u8{0}; }
    unsigned at() const { return at_; }
    bool ran_out() const { return short_; }

  private:
    std::span<const u8> bytes_;
    unsigned at_ = 0;
    bool short_ = false;
};

} // namespace glassbox::decoding
