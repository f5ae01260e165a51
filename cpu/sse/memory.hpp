// Memory operands of 16 and 32 bytes (SDM 1, 11.4.4 and 14.9; SDM 3A 6.15, #GP): aligned ones, which fault when they
// are not and never cross a page, and unaligned ones. Narrower operands use `load` and `store` of mmu/access.hpp.
#pragma once

#include "cpu/sse/state.hpp"
#include "mmu/access.hpp"

namespace glassbox::sse {

enum class Alignment : u8 { required, free };

/// Quadwords; all pages are translated first, so that a fault leaves everything as it was.
[[gnu::cold, gnu::noinline]] bool slow_load_vector(Cpu& cpu, const Op& op, u64 linear, u64* value, unsigned count);
[[gnu::cold, gnu::noinline]] bool slow_store_vector(Cpu& cpu, const Op& op, u64 linear, const u64* value,
                                                    unsigned count);
[[gnu::cold, gnu::noinline]] bool refuse_alignment(Cpu& cpu);

/// V: Xmm or Ymm.
template <Alignment alignment, class V> inline bool load_vector(Cpu& cpu, const Op& op, u64 linear, V& value) {
    static_assert(sizeof value == 16 || sizeof value == 32);
    if constexpr (alignment == Alignment::required) {
        if (linear & (sizeof value - 1)) [[unlikely]]
            return refuse_alignment(cpu);
    }
    const TlbEntry& e = cpu.class_tlb->at(linear + sizeof value - 1);
    if ((linear & ~page_mask) == e.read_tag) [[likely]] {
        std::memcpy(static_cast<void*>(&value), reinterpret_cast<const void*>(linear + e.addend), sizeof value);
        return true;
    }
    std::array<u64, sizeof(V) / 8> read;
    if (!slow_load_vector(cpu, op, linear, read.data(), read.size())) return false;
    std::memcpy(static_cast<void*>(&value), read.data(), sizeof value);
    return true;
}

template <Alignment alignment, class V> inline bool store_vector(Cpu& cpu, const Op& op, u64 linear, const V& value) {
    static_assert(sizeof value == 16 || sizeof value == 32);
    if constexpr (alignment == Alignment::required) {
        if (linear & (sizeof value - 1)) [[unlikely]]
            return refuse_alignment(cpu);
    }
    const TlbEntry& e = cpu.class_tlb->at(linear + sizeof value - 1);
    if ((linear & ~page_mask) == e.write_tag) [[likely]] {
        std::memcpy(reinterpret_cast<void*>(linear + e.addend), static_cast<const void*>(&value), sizeof value);
        return true;
    }
    std::array<u64, sizeof(V) / 8> written;
    std::memcpy(written.data(), static_cast<const void*>(&value), sizeof value);
    return slow_store_vector(cpu, op, linear, written.data(), written.size());
}

} // namespace glassbox::sse
