// XMM registers and MXCSR (SDM 1, 10.2).
#pragma once

#include "bus/archive.hpp"
#include "bus/types.hpp"

#include <array>

namespace glassbox {

struct alignas(16) Xmm {
    std::array<u64, 2> q{};
    void persist(Archive& archive) { archive(q); }
};

struct SseState {
    static constexpr u32 mxcsr_reset = 0x1F80;
    std::array<Xmm, 16> xmm{};
    u32 mxcsr = mxcsr_reset;

    void persist(Archive& archive) {
        archive(xmm, mxcsr);
        archive.require((mxcsr & ~0xFFFFu) == 0, "MXCSR has reserved bits set");
    }
};

} // namespace glassbox
