// The 512 bytes that FXSAVE, FXRSTOR and the XSAVE family share (SDM 1, 10.5.1 and 13.4.1): x87 state, MXCSR, XMM
// registers. The functions that touch memory expect it to have been probed: they then succeed.
#pragma once

#include "cpu/state.hpp"

#include <span>

namespace glassbox::sse::image {

inline constexpr unsigned size = 512, mxcsr_at = 24, mask_at = 28, registers_at = 32, xmm_at = 160;

/// Whole quadwords from and to memory. Outside 64-bit mode linear addresses wrap at 4 GiB.
bool write(Cpu& cpu, u64 linear, std::span<const u8> bytes);
bool read(Cpu& cpu, u64 linear, std::span<u8> bytes);

/// XMM registers, and halves of YMM registers, that an image holds: 16 in 64-bit mode, else 8 (SDM 1, 10.5.1.2).
inline unsigned vector_count(const Cpu& cpu) { return cpu.code64() ? 16 : 8; }

/// `wide`: FXSAVE64's form, with pointers of 64 bits instead of selectors and offsets.
bool write_x87(Cpu& cpu, u64 linear, bool wide);
bool write_mxcsr(Cpu& cpu, u64 linear);
bool write_xmm(Cpu& cpu, u64 linear);

u32 mxcsr_of(std::span<const u8, size> bytes);
void load_xmm(Cpu& cpu, std::span<const u8, size> bytes);

/// FXSAVE, FXRSTOR; `wide`: with REX.W.
template <bool wide> bool fxsave(Cpu& cpu, const Op& op);
template <bool wide> bool fxrstor(Cpu& cpu, const Op& op);

} // namespace glassbox::sse::image
