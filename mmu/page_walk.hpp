// A walk through the paging structures, of whatever mode: what it found, before anybody asks for rights.
#pragma once

#include "cpu/state.hpp"

namespace glassbox {

/// Bits of paging entries (SDM 3A 4.3-4.5, tables 4-5 to 4-20).
namespace pte {
inline constexpr u64 present = 1, write = 2, user = 4, accessed = 32, dirty = 64, large = 128, global = 256,
                     no_execute = u64{1} << 63;
inline constexpr unsigned key_shift = 59;
inline constexpr u64 frame = 0x000F'FFFF'FFFF'F000; ///< before the model's physical-address width
} // namespace pte

struct PageWalk {
    enum class Result : u8 { mapped, not_present, reserved };
    static constexpr unsigned most_levels = 5;

    u64 phys = 0;                          ///< of the byte
    u64 rights = pte::write | pte::user;   ///< the AND of all levels
    u64 forbids = 0;                       ///< the OR of all levels
    u64 leaf = pte::dirty | pte::accessed; ///< the entry that maps the page
    unsigned page_shift = 12;              ///< address bits within the page: 12, 21, 22 or 30
    unsigned entry_bytes = 4;
    unsigned count = 0; ///< entries met; the last one is the leaf
    u64 address[most_levels];
    u64 entry[most_levels];

    bool writable() const { return (rights & pte::write) != 0; }
    bool user_page() const { return (rights & pte::user) != 0; }
    bool executable() const { return (forbids & pte::no_execute) == 0; }
    bool dirty() const { return (leaf & pte::dirty) != 0; }

    /// Reads the structures; changes nothing. `linear` is canonical.
    Result find(Cpu& cpu, u64 linear);
    /// Sets the accessed bits of all entries, and the dirty bit of the leaf if `writing` (SDM 3A 4.8).
    void mark(Cpu& cpu, bool writing);

  private:
    template <class Entry> Result descend(Cpu& cpu, u64 linear, u64 table, unsigned levels, u64 reserved);
};

} // namespace glassbox
