// The translation look-aside buffer (SDM 3A 4.10.2) as one compare: an entry's tag for reads, writes or fetches is the
// linear page address when that access is allowed without further ado, and the host pointer is the linear address plus
// `addend`. Everything else (a miss, MMIO, a page crossing, a denied access, a page that holds decoded code or a
// watchpoint) has no tag and goes the slow way.
//
// The entry is found by the page of the access's last byte and compared with the first byte's page: an access that
// crosses a page can never match.
#pragma once

#include "bus/types.hpp"

#include <array>
#include <memory>

namespace glassbox {

struct TlbEntry {
    static constexpr u64 no_tag = ~u64{0};
    u64 read_tag = no_tag;
    u64 write_tag = no_tag;
    u64 exec_tag = no_tag;
    u64 addend = 0; ///< host address minus linear address
};

/// One table per privilege class, so that permission is part of the tag.
struct TlbTable {
    static constexpr unsigned size = 512;
    std::array<TlbEntry, size> entries;
    std::array<u64, size> phys{};  ///< physical page of the entry
    std::array<u8, size> global{}; ///< the entry survives CR3 loads (PTE.G with CR4.PGE)

    static unsigned index(u64 linear) { return static_cast<unsigned>(linear >> 12) & (size - 1); }
    TlbEntry& at(u64 linear) { return entries[index(linear)]; }
};

enum class TlbClass : u8 { supervisor = 0, user = 1, checked = 2 /* nothing is ever filled in: #AC and the like */ };

} // namespace glassbox
