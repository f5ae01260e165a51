// The paging structures as a debugger reads them: without accessed bits, without faults, and without touching a device
// that they may lie in by mistake (SDM 3A 4.3-4.5). Shows what the processor would find by a fresh walk; what its TLB
// still holds may differ.
#pragma once

#include "cpu/state.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace glassbox::look {

enum class PagingMode : u8 { none, bits32, pae, level4, level5 };
PagingMode paging_mode(const Cpu& cpu);
/// "32-bit paging", "PAE paging", "4-level paging", "5-level paging", "no paging".
std::string_view paging_mode_name(PagingMode mode);

/// One entry that the walk met, at level 5 (PML5E) to 1 (PTE); the PAE pointers, which are registers, are level 3.
struct PagingEntry {
    unsigned level = 1;
    u64 address = 0; ///< physical; of a PAE pointer: where MOV CR3 had read it
    u64 value = 0;
    bool is_register = false; ///< a PDPTE register
    unsigned bytes = 8;
};
/// "PML5E", "PML4E", "PDPTE", "PDE", "PTE".
std::string_view paging_entry_name(unsigned level);

struct PagingWalk {
    enum class Result : u8 { mapped, not_canonical, not_present, reserved, unreadable };
    Result result = Result::mapped;
    u64 linear = 0;
    u64 phys = 0;             ///< of the byte, as it leaves the chip (A20, address lines)
    unsigned page_shift = 12; ///< 12, 21, 22 or 30; without paging 12
    bool writable = true, user = true, executable = true, global = false, dirty = false;
    u64 reserved_bits = 0; ///< those that are set in the last entry
    unsigned count = 0;
    std::array<PagingEntry, 5> entries{}; ///< the last is the leaf, or the one that denied it

    bool mapped() const { return result == Result::mapped; }
    const PagingEntry& last() const { return entries[count - 1]; }
};
PagingWalk walk_quietly(const Cpu& cpu, u64 linear);
/// The physical address of a byte, or nothing where no page is.
std::optional<u64> quiet_physical(const Cpu& cpu, u64 linear);

/// What an entry of one level may hold under the present control registers: for trees, which read tables as a whole.
struct PagingShape {
    PagingMode mode = PagingMode::none;
    unsigned levels = 0;      ///< 2 to 5 (PAE: 3)
    unsigned entry_bytes = 4; ///< 4 or 8
    u64 root = 0;             ///< physical address of the first table

    unsigned index_bits(unsigned level) const;
    /// Address bits below the index of `level`.
    unsigned shift(unsigned level) const;
    unsigned table_entries(unsigned level) const { return 1u << index_bits(level); }
};
PagingShape paging_shape(const Cpu& cpu);
bool maps_page(const Cpu& cpu, unsigned level, u64 entry);
/// The reserved bits that are set in a present entry.
u64 reserved_in_entry(const Cpu& cpu, unsigned level, u64 entry);
/// Where the entry leads: the next table, or the page.
u64 entry_target(const Cpu& cpu, unsigned level, u64 entry);
/// The entry at `index` of the table, or nothing where the table is not plain memory.
std::optional<u64> read_paging_entry(const Cpu& cpu, const PagingShape& shape, unsigned level, u64 table,
                                     unsigned index);
/// XD counts: CR4.PAE and EFER.NXE.
bool execute_disable_enabled(const Cpu& cpu);

} // namespace glassbox::look
