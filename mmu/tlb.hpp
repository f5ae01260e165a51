// The translation look-aside buffer (SDM 3A 4.10.2) as one compare: an entry's tag for reads or writes is the
// linear page address when that access is allowed without further ado, and the host pointer is the linear address plus
// `addend`. Everything else (a miss, MMIO, a page crossing, a denied access, a page that holds decoded code or a
// watchpoint) has no tag and goes the slow way.
//
// The entry is found by the page of the access's last byte and compared with the first byte's page: an access that
// crosses a page can never match.
//
// Fetches have tables of their own, as in hardware. What blocks are cached, linked or decoded afresh must not show in
// what the TLB remembers, for a guest that changes its paging structures without a flush can see that: a link is
// followed only while the fetch table holds its page, and looks nothing up where a lookup would have found it.
#pragma once

#include "bus/types.hpp"

#include <array>
#include <memory>

namespace glassbox {

struct TlbEntry {
    static constexpr u64 no_tag = ~u64{0};
    u64 read_tag = no_tag;
    u64 write_tag = no_tag;
    u64 addend = 0;    ///< host address minus linear address
    u64 phys = no_tag; ///< physical page
};

/// One table per privilege class, so that permission is part of the tag.
struct TlbTable {
    static constexpr unsigned size = 512;
    std::array<TlbEntry, size> entries;
    std::array<u8, size> global{}; ///< the entry survives CR3 loads (PTE.G with CR4.PGE)

    static unsigned index(u64 linear) { return static_cast<unsigned>(linear >> 12) & (size - 1); }
    TlbEntry& at(u64 linear) { return entries[index(linear)]; }
};

/// Translations of fetches. An entry belongs to a generation, so that forgetting all is a matter of counting.
struct FetchTable {
    struct Entry {
        u64 page = TlbEntry::no_tag; ///< linear
        u64 phys = 0;                ///< physical page
        u64 generation = 0;
    };
    static constexpr unsigned size = 1024;
    std::array<Entry, size> entries;
    u64 newest = 2, generation = 1, global_generation = 2; ///< global entries survive CR3 loads

    static unsigned index(u64 linear) { return static_cast<unsigned>(linear >> 12) & (size - 1); }
    bool valid(const Entry& e) const { return e.generation == generation || e.generation == global_generation; }
    const Entry* find(u64 linear) const {
        const Entry& e = entries[index(linear)];
        return e.page == (linear & ~page_mask) && valid(e) ? &e : nullptr;
    }
    /// True when the translation of another page had to make room.
    bool insert(u64 linear, u64 phys, bool global) {
        Entry& e = entries[index(linear)];
        const bool displaced = valid(e) && e.page != (linear & ~page_mask);
        e = {linear & ~page_mask, phys & ~page_mask, global ? global_generation : generation};
        return displaced;
    }
    void forget(bool keep_global) {
        generation = ++newest;
        if (!keep_global) global_generation = ++newest;
    }
    /// True when it was there.
    bool forget_page(u64 linear) {
        Entry& e = entries[index(linear)];
        if (e.page != (linear & ~page_mask) || !valid(e)) return false;
        e = Entry{};
        return true;
    }
    /// All of a 4 MiB region.
    void forget_region(u64 region) {
        for (Entry& e : entries) {
            if (e.page >> 22 == region) e = Entry{};
        }
    }
};

enum class TlbClass : u8 { supervisor = 0, user = 1, checked = 2 /* nothing is ever filled in: #AC and the like */ };

} // namespace glassbox
