// What vector bodies need for their first try (FastOp, cpu/block/op.hpp): operands that are there at once, in registers
// or behind a TLB entry, and nothing raised when they are not. The second try, with an Op, does it all again.
#pragma once

#include "cpu/sse/exec.hpp"

namespace glassbox::sse {

/// Kinds of addresses for which a first try is worth its code.
template <class Source>
concept TriedFirst = !std::is_same_v<Source, EaElsewhere>;

template <class File> inline bool ready_at_once(const Cpu& cpu) {
    if constexpr (File::vex)
        return (cpu.xcr0 & 6) == 6 && (cpu.cr4 & cr4::OSXSAVE) != 0 && (cpu.cr0 & cr0::TS) == 0;
    else
        return (cpu.cr0 & (cr0::EM | cr0::TS)) == 0 && (cpu.cr4 & cr4::OSFXSR) != 0;
}
/// The number of the first source's register.
template <class File> inline unsigned first_number(const OpFields& op) { return File::vex ? op.imm2 : op.reg; }

template <Word T, class Source> inline bool try_low(Cpu& cpu, const FastOp& op, T& value) {
    if constexpr (in_register<Source>) {
        value = static_cast<T>(cpu.sse.xmm(op.base).q[0]);
        return true;
    } else {
        u64 linear = 0;
        return Source::read(cpu, op, sizeof(T), linear) && load<T>(cpu, op, linear, value);
    }
}
template <class File, class Source> inline bool try_source(Cpu& cpu, const FastOp& op, typename File::Value& value) {
    if constexpr (in_register<Source>) {
        value = File::get(cpu, op.base);
        return true;
    } else {
        u64 linear = 0;
        if (!Source::read(cpu, op, sizeof value, linear)) return false;
        if (File::alignment == Alignment::required && (linear & (sizeof value - 1)) != 0) return false;
        const TlbEntry& e = cpu.tlb->at(linear + sizeof value - 1);
        if ((linear & ~page_mask) != e.read_tag) [[unlikely]]
            return false;
        std::memcpy(static_cast<void*>(&value), reinterpret_cast<const void*>(linear + e.addend), sizeof value);
        return true;
    }
}

} // namespace glassbox::sse
