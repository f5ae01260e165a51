// MXCSR (SDM 1, 10.2.3): control and status of SIMD floating point.
#pragma once

#include "cpu/fpu/softfloat/values.hpp"
#include "cpu/state.hpp"

namespace glassbox::sse {

namespace mxcsr {
inline constexpr u32 flags = 0x3F, PE = 0x20, DAZ = 0x40, masks = 0x1F80, RC = 0x6000, FTZ = 0x8000;
inline constexpr unsigned masks_at = 7, RC_at = 13;
} // namespace mxcsr

/// Bits that may be set: DAZ came with SSE2's processors.
inline u32 mxcsr_writable(const Cpu& cpu) { return cpu.has(Feature::sse2) ? 0xFFFF : 0xFFBF; }
/// What FXSAVE stores as MXCSR_MASK: zero where the field is reserved, which stands for FFBFh (SDM 1, 11.6.6).
inline u32 mxcsr_mask_field(const Cpu& cpu) { return cpu.has(Feature::sse2) ? 0xFFFF : 0; }
/// #GP(0) for reserved bits.
inline bool set_mxcsr(Cpu& cpu, u32 value) {
    if (value & ~mxcsr_writable(cpu)) return cpu.gp(0, "a reserved bit of MXCSR is set");
    cpu.sse.mxcsr = value;
    return true;
}
inline softfloat::FloatEnv float_env(u32 value) {
    return {.rounding = static_cast<softfloat::Rounding>((value & mxcsr::RC) >> mxcsr::RC_at),
            .masks = static_cast<u8>((value & mxcsr::masks) >> mxcsr::masks_at),
            .denormals_are_zero = (value & mxcsr::DAZ) != 0,
            .flush_to_zero = (value & mxcsr::FTZ) != 0};
}

} // namespace glassbox::sse
