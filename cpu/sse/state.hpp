// Vector registers and MXCSR (SDM 1, 10.2 and 14.1). The storage has room for AVX-512's 32 registers of 64 bytes;
// everything reaches it through the accessors.
#pragma once

#include "bus/archive.hpp"
#include "bus/types.hpp"

#include <array>

namespace glassbox {

struct alignas(16) Xmm {
    std::array<u64, 2> q{};
    void persist(Archive& archive) { archive(q); }
};
struct Ymm {
    std::array<Xmm, 2> part{};
};
struct alignas(64) VectorRegister {
    std::array<Xmm, 4> part{};
};

struct SseState {
    static constexpr u32 mxcsr_reset = 0x1F80;
    std::array<VectorRegister, 32> vector{};
    u32 mxcsr = mxcsr_reset;

    /// The low 16 bytes; the rest stays as it is.
    Xmm& xmm(unsigned n) { return vector[n].part[0]; }
    const Xmm& xmm(unsigned n) const { return vector[n].part[0]; }
    Xmm& ymm_high(unsigned n) { return vector[n].part[1]; }
    const Xmm& ymm_high(unsigned n) const { return vector[n].part[1]; }
    Ymm ymm(unsigned n) const { return {{vector[n].part[0], vector[n].part[1]}}; }
    void set_ymm(unsigned n, const Ymm& value) {
        vector[n].part[0] = value.part[0];
        vector[n].part[1] = value.part[1];
    }
    /// As VEX instructions write 16 bytes: bits above are zeroed (SDM 1, 14.1.3).
    void set_xmm_zeroing(unsigned n, const Xmm& value) {
        vector[n].part[0] = value;
        vector[n].part[1] = {};
    }

    void persist(Archive& archive) {
        for (unsigned n = 0; n < 16; ++n) archive(vector[n].part[0], vector[n].part[1]);
        archive(mxcsr);
        archive.require((mxcsr & ~0xFFFFu) == 0, "MXCSR has reserved bits set");
    }
};

} // namespace glassbox
