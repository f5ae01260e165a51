// Memory operands of 16 bytes (SDM 1, 11.4.4; SDM 3A 6.15, #GP): aligned ones, which fault when they are not and never
// cross a page, and unaligned ones. Narrower operands use `load` and `store` of mmu/access.hpp.
#pragma once

#include "cpu/sse/state.hpp"
#include "mmu/access.hpp"

namespace glassbox::sse {

enum class Alignment : u8 { required, free };

[[gnu::cold, gnu::noinline]] bool slow_load_xmm(Cpu& cpu, const Op& op, u64 linear, Xmm& value);
[[gnu::cold, gnu::noinline]] bool slow_store_xmm(Cpu& cpu, const Op& op, u64 linear, const Xmm& value);
[[gnu::cold, gnu::noinline]] bool refuse_alignment(Cpu& cpu);

template <Alignment alignment> inline bool load_xmm(Cpu& cpu, const Op& op, u64 linear, Xmm& value) {
    if constexpr (alignment == Alignment::required) {
        if (linear & 15) [[unlikely]]
            return refuse_alignment(cpu);
    }
    const TlbEntry& e = cpu.class_tlb->at(linear + sizeof value - 1);
    if ((linear & ~page_mask) == e.read_tag) [[likely]] {
        std::memcpy(&value, reinterpret_cast<const void*>(linear + e.addend), sizeof value);
        return true;
    }
    return slow_load_xmm(cpu, op, linear, value);
}

template <Alignment alignment> inline bool store_xmm(Cpu& cpu, const Op& op, u64 linear, const Xmm& value) {
    if constexpr (alignment == Alignment::required) {
        if (linear & 15) [[unlikely]]
            return refuse_alignment(cpu);
    }
    const TlbEntry& e = cpu.class_tlb->at(linear + sizeof value - 1);
    if ((linear & ~page_mask) == e.write_tag) [[likely]] {
        std::memcpy(reinterpret_cast<void*>(linear + e.addend), &value, sizeof value);
        return true;
    }
    return slow_store_xmm(cpu, op, linear, value);
}

} // namespace glassbox::sse
