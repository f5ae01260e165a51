// The adapter's memory: plain host pages, committed as the guest touches them, so that 32 MiB cost what is used.
#pragma once

#include "bus/archive.hpp"
#include "bus/types.hpp"

#include <span>
#include <vector>

namespace glassbox {

class VideoMemory {
  public:
    /// `size` is a multiple of 4096; the memory starts as zeroes.
    explicit VideoMemory(u64 size);
    ~VideoMemory();
    VideoMemory(const VideoMemory&) = delete;
    VideoMemory& operator=(const VideoMemory&) = delete;

    u8* data() { return data_; }
    const u8* data() const { return data_; }
    u64 size() const { return size_; }
    std::span<u8> span() { return {data_, size_}; }

    /// The four planes at one address, plane 0 in the low byte. Reading past the end gives zero.
    u32 planes(u64 address) const {
        const u64 at = address * 4;
        if (at + 4 > size_) return 0;
        return static_cast<u32>(data_[at] | data_[at + 1] << 8 | data_[at + 2] << 16) | u32{data_[at + 3]} << 24;
    }
    void set_planes(u64 address, u32 value) {
        const u64 at = address * 4;
        if (at + 4 > size_) return;
        for (unsigned i = 0; i < 4; ++i) data_[at + i] = static_cast<u8>(value >> (8 * i));
    }

    /// Only the pages that hold something.
    void persist(Archive& archive);

  private:
    u8* data_ = nullptr;
    u64 size_;
    std::vector<SharedPage> shared_; ///< what a history last saw of each page
};

} // namespace glassbox
