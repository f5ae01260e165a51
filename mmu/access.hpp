// Memory as instructions see it. `load`, `store` and `modify` are the hot path: one compare against the TLB, then plain
// host memory. The rest is for cold code. All return false with the fault raised, and have then changed nothing but
// accessed bits.
//
// Rule: translate everything, then mutate. A function that writes several places probes them first.
#pragma once

#include "cpu/address.hpp"
#include "cpu/state.hpp"

#include <cstring>

namespace glassbox {

enum class AccessKind : u8 { read, write, fetch };
/// Whose rights count: the current privilege level's, or the supervisor's (descriptor tables, TSS: SDM 3A 4.6.1).
enum class Privilege : u8 { current, supervisor };

// --- translation (mmu/translate.cpp) ---------------------------------------------------------------------------------
/// Linear addresses are 64 bits wide; those of code that is not 64-bit lie below 4 GiB, and what crosses that wraps.
/// One that is not canonical is #GP(0), or #SS(0) where `op` accesses the stack segment, before anything else.
/// Translates one byte's address: by the TLB, else by a walk that sets accessed and dirty bits and fills it.
bool translate(Cpu& cpu, u64 linear, AccessKind kind, Privilege privilege, u64& phys);
/// The same for code: by the fetch table, else by a walk that fills it.
inline bool translate_fetch(Cpu& cpu, u64 linear, u64& phys) {
    if (const FetchTable::Entry* e = cpu.fetch_tlbs[cpu.cpl == 3].find(linear)) {
        phys = e->phys | (linear & page_mask);
        return true;
    }
    return translate(cpu, linear, AccessKind::fetch, Privilege::current, phys);
}
/// As a debugger sees it: no fault, no accessed bits; false when not mapped.
bool translate_quietly(const Cpu& cpu, u64 linear, u64& phys);

// --- slow paths (mmu/access.cpp) ------------------------------------------------------------------------------------
/// Any size 1-8, any crossing, MMIO, watchpoints, alignment checks, and the probe's ear. `op`: the running instruction,
/// null in cold code.
[[gnu::noinline]] bool slow_read(Cpu& cpu, const Op* op, u64 linear, unsigned size, u64& value, Privilege privilege);
[[gnu::noinline]] bool slow_write(Cpu& cpu, const Op* op, u64 linear, unsigned size, u64 value, Privilege privilege);
/// Checks that a write will succeed: translates every page of it for writing.
/// `op` as above: with SS as its segment, an address that is not canonical is #SS instead of #GP.
bool probe_write(Cpu& cpu, u64 linear, u64 size, Privilege privilege = Privilege::current, const Op* op = nullptr);
bool probe_read(Cpu& cpu, u64 linear, u64 size, Privilege privilege = Privilege::current, const Op* op = nullptr);

/// WRPKRU and XRSTOR: what the TLB holds of user pages depends on the register.
void write_pkru(Cpu& cpu, u32 value);

/// The address `by` bytes on, for an access in several parts: that of 32-bit code wraps at 4 GiB.
inline u64 linear_after(const Cpu& cpu, u64 linear, u64 by) {
    return cpu.code64() ? linear + by : static_cast<u32>(linear + by);
}

// --- hot path -------------------------------------------------------------------------------------------------------
/// Bytes, not words: guests align nothing.
template <Word T> inline u8* host_for_read(TlbTable& tlb, u64 linear) {
    const TlbEntry& e = tlb.at(linear + sizeof(T) - 1);
    return (linear & ~page_mask) == e.read_tag ? reinterpret_cast<u8*>(linear + e.addend) : nullptr;
}
template <Word T> inline u8* host_for_write(TlbTable& tlb, u64 linear) {
    const TlbEntry& e = tlb.at(linear + sizeof(T) - 1);
    return (linear & ~page_mask) == e.write_tag ? reinterpret_cast<u8*>(linear + e.addend) : nullptr;
}

template <Word T> inline bool load_tagged(TlbTable& tlb, u64 linear, T& value) {
    const u8* at = host_for_read<T>(tlb, linear);
    if (!at) [[unlikely]]
        return false;
    std::memcpy(&value, at, sizeof(T));
    return true;
}
template <Word T> inline bool store_tagged(TlbTable& tlb, u64 linear, T value) {
    u8* at = host_for_write<T>(tlb, linear);
    if (!at) [[unlikely]]
        return false;
    std::memcpy(at, &value, sizeof(T));
    return true;
}
template <Word T, class F> inline bool modify_tagged(TlbTable& tlb, u64 linear, F&& change) {
    u8* at = host_for_write<T>(tlb, linear);
    if (!at) [[unlikely]]
        return false;
    T value;
    std::memcpy(&value, at, sizeof(T));
    value = change(value);
    std::memcpy(at, &value, sizeof(T));
    return true;
}

/// The first try: the TLB allows it, or nothing has happened.
template <Word T> inline bool load(Cpu& cpu, const FastOp&, u64 linear, T& value) {
    return load_tagged<T>(*cpu.tlb, linear, value);
}
template <Word T> inline bool store(Cpu& cpu, const FastOp&, u64 linear, T value) {
    return store_tagged<T>(*cpu.tlb, linear, value);
}
/// Read, change, write back: `change(T) -> T`, called only when the write cannot fault any more.
template <Word T, class F> inline bool modify(Cpu& cpu, const FastOp&, u64 linear, F&& change) {
    return modify_tagged<T>(*cpu.tlb, linear, change);
}

/// The same with the slow road behind them.
template <Word T> inline bool load(Cpu& cpu, const Op& op, u64 linear, T& value) {
    if (load_tagged<T>(*cpu.class_tlb, linear, value)) [[likely]]
        return true;
    u64 wide = 0;
    if (!slow_read(cpu, &op, linear, sizeof(T), wide, Privilege::current)) return false;
    value = static_cast<T>(wide);
    return true;
}
template <Word T> inline bool store(Cpu& cpu, const Op& op, u64 linear, T value) {
    if (store_tagged<T>(*cpu.class_tlb, linear, value)) [[likely]]
        return true;
    return slow_write(cpu, &op, linear, sizeof(T), value, Privilege::current);
}
template <Word T, class F> inline bool modify(Cpu& cpu, const Op& op, u64 linear, F&& change) {
    if (modify_tagged<T>(*cpu.class_tlb, linear, change)) [[likely]]
        return true;
    u64 wide = 0;
    if (!probe_write(cpu, linear, sizeof(T), Privilege::current, &op) ||
        !slow_read(cpu, &op, linear, sizeof(T), wide, Privilege::current))
        return false;
    return slow_write(cpu, &op, linear, sizeof(T), change(static_cast<T>(wide)), Privilege::current);
}

// --- cold code ------------------------------------------------------------------------------------------------------
/// The translations that hold for an access with those rights.
inline TlbTable& table_of(Cpu& cpu, Privilege privilege) {
    return privilege == Privilege::supervisor ? cpu.tlbs[static_cast<u8>(TlbClass::supervisor)] : *cpu.class_tlb;
}
/// Whether `size` bytes can be written without further ado.
inline bool write_is_tagged(Cpu& cpu, u64 linear, unsigned size, Privilege privilege) {
    return (linear & ~page_mask) == table_of(cpu, privilege).at(linear + size - 1).write_tag;
}
template <Word T> bool read_linear(Cpu& cpu, u64 linear, T& value, Privilege privilege = Privilege::current) {
    const TlbEntry& e = table_of(cpu, privilege).at(linear + sizeof(T) - 1);
    if ((linear & ~page_mask) == e.read_tag) {
        std::memcpy(&value, reinterpret_cast<const void*>(linear + e.addend), sizeof(T));
        return true;
    }
    u64 wide = 0;
    if (!slow_read(cpu, nullptr, linear, sizeof(T), wide, privilege)) return false;
    value = static_cast<T>(wide);
    return true;
}
template <Word T> bool write_linear(Cpu& cpu, u64 linear, T value, Privilege privilege = Privilege::current) {
    const TlbEntry& e = table_of(cpu, privilege).at(linear + sizeof(T) - 1);
    if ((linear & ~page_mask) == e.write_tag) {
        std::memcpy(reinterpret_cast<void*>(linear + e.addend), &value, sizeof(T));
        return true;
    }
    return slow_write(cpu, nullptr, linear, sizeof(T), value, privilege);
}
/// Descriptor tables and task-state segments: supervisor accesses by linear address whatever the CPL.
inline u64 system_linear(const Cpu& cpu, u64 linear) { return cpu.long_mode() ? linear : static_cast<u32>(linear); }
template <Word T> bool read_system(Cpu& cpu, u64 linear, T& value) {
    return read_linear<T>(cpu, system_linear(cpu, linear), value, Privilege::supervisor);
}
template <Word T> bool write_system(Cpu& cpu, u64 linear, T value) {
    return write_linear<T>(cpu, system_linear(cpu, linear), value, Privilege::supervisor);
}
/// Through a segment register, with its checks.
template <Word T> bool read_segment(Cpu& cpu, unsigned segment, u64 offset, T& value) {
    u64 linear = 0;
    return locate_read(cpu, segment, offset, sizeof(T), linear) && read_linear<T>(cpu, linear, value);
}
template <Word T> bool write_segment(Cpu& cpu, unsigned segment, u64 offset, T value) {
    u64 linear = 0;
    return locate_write(cpu, segment, offset, sizeof(T), linear) && write_linear<T>(cpu, linear, value);
}

} // namespace glassbox
