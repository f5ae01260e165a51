// The translation look-aside buffer (SDM 3A 4.10.2) as one compare: an entry's tag for reads or writes is the
// linear page address when that access is allowed without further ado, and the host pointer is the linear address plus
// `addend`. Everything else goes the slow way: a miss, a page crossing, a denied access, an address that is not
// canonical have no tag; a page that the translation reaches with the right, but that needs care for a reason of ours
// (a device, decoded code, a watchpoint, a checkpoint that must know of the next write) has a *parked* one, the page
// address with the reasons in its low bits. It never equals a page, so the hot compare stays one; the slow road goes by
// the entry's physical page and walks nothing. What the guest can see of the TLB (its entries, and when they are filled
// and dropped) is thereby the same whoever watches (docs/memory.md).
//
// The entry is found by the page of the access's last byte and compared with the first byte's page: an access that
// crosses a page can never match.
//
// Fetches have tables of their own, as in hardware. What blocks are cached, linked or decoded afresh must not show in
// what the TLB remembers, for a guest that changes its paging structures without a flush can see that: a link is
// followed only while the fetch table holds its page, and looks nothing up where a lookup would have found it.
//
// Pages of all sizes are held in pieces of 4 KiB; `LargePages` knows where an INVLPG has more than one to drop. There
// are no tags for PCIDs: the translations are those of the current one, and a change of PCID forgets them, which the
// manual allows (SDM 3A 4.10.4.1).
#pragma once

#include "bus/archive.hpp"
#include "bus/types.hpp"

#include <array>
#include <bit>
#include <memory>

namespace glassbox {

/// Why a tag is parked: any of these in its low bits.
namespace parked {
inline constexpr u64 device = 1, ///< no host memory that both reads and writes reach
    watched = 2,                 ///< by the probe
    breakpoint = 4,              ///< DR0-DR3
    code = 8,                    ///< write tags: decoded blocks
    clean = 16,                  ///< write tags: not among MemoryMap::dirty yet
    reasons = device | watched | breakpoint | code | clean;
} // namespace parked

struct TlbEntry {
    static constexpr u64 no_tag = ~u64{0};
    u64 read_tag = no_tag; ///< while the entry translates anything, it can be read
    u64 write_tag = no_tag;
    u64 addend = 0;    ///< host address minus linear address
    u64 phys = no_tag; ///< physical page

    /// Whether the access is allowed, parked or not. No tag never passes: it has bits between the reasons and the page.
    static bool allows(u64 tag, u64 page) { return (tag & ~parked::reasons) == page; }
    bool filled() const { return phys != no_tag; }
    u64 page() const { return read_tag & ~page_mask; }
};

/// One table per privilege class, so that permission is part of the tag.
struct TlbTable {
    static constexpr unsigned size = 512;
    using Slots = std::array<u64, size / 64>; ///< a bit an entry
    std::array<TlbEntry, size> entries;
    Slots used{};       ///< filled since they were last forgotten: what was never filled costs no flush anything
    Slots global{};     ///< survive CR3 loads (PTE.G with CR4.PGE)
    Slots user_pages{}; ///< their rights depend on PKRU

    static unsigned index(u64 linear) { return static_cast<unsigned>(linear >> 12) & (size - 1); }
    TlbEntry& at(u64 linear) { return entries[index(linear)]; }

    /// Makes room for the page of `linear`.
    TlbEntry& replace(u64 linear, bool is_global, bool is_user_page) {
        const unsigned slot = index(linear), word = slot / 64;
        const u64 bit = u64{1} << (slot % 64);
        used[word] |= bit;
        global[word] = is_global ? global[word] | bit : global[word] & ~bit;
        user_pages[word] = is_user_page ? user_pages[word] | bit : user_pages[word] & ~bit;
        return entries[slot] = TlbEntry{};
    }
    void forget(bool keep_global) {
        for (unsigned word = 0; word < used.size(); ++word) forget(word, keep_global ? ~global[word] : ~u64{0});
    }
    void forget_user_pages() {
        for (unsigned word = 0; word < used.size(); ++word) forget(word, user_pages[word]);
    }
    void forget_page(u64 linear) {
        TlbEntry& e = at(linear);
        if (e.page() == (linear & ~page_mask)) e = TlbEntry{};
    }
    /// All of the naturally aligned 2^shift bytes around `linear`.
    void forget_region(u64 linear, unsigned shift) {
        for (TlbEntry& e : entries) {
            if (e.read_tag >> shift == linear >> shift) e = TlbEntry{};
        }
    }

    /// Calls `each(entry)` for what is filled.
    template <class F> void for_each(F&& each) {
        for (unsigned word = 0; word < used.size(); ++word) {
            for (u64 left = used[word]; left != 0; left &= left - 1) {
                TlbEntry& e = entries[word * 64 + static_cast<unsigned>(std::countr_zero(left))];
                if (e.filled()) each(e);
            }
        }
    }

  private:
    void forget(unsigned word, u64 which) {
        for (u64 left = used[word] & which; left != 0; left &= left - 1)
            entries[word * 64 + static_cast<unsigned>(std::countr_zero(left))] = TlbEntry{};
        used[word] &= ~which;
    }
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
    /// All of the naturally aligned 2^shift bytes around `linear`.
    void forget_region(u64 linear, unsigned shift) {
        for (Entry& e : entries) {
            if (e.page >> shift == linear >> shift) e = Entry{};
        }
    }
};

/// Where pieces of large pages may be in the TLB: a filter, which can say yes for nothing, but never no for something.
/// Pages of 2 and 4 MiB count for the 4 MiB around them.
class LargePages {
  public:
    static constexpr unsigned large = 22, huge = 30; ///< address bits within a region
    void add(u64 linear, unsigned shift) {
        const unsigned n = place(linear, shift);
        words_[n / 64] |= u64{1} << (n % 64);
        empty_ = false;
    }
    bool may_hold(u64 linear, unsigned shift) const {
        const unsigned n = place(linear, shift);
        return (words_[n / 64] >> (n % 64) & 1) != 0;
    }
    void clear() {
        if (!empty_) words_.fill(0);
        empty_ = true;
    }
    void persist(Archive& archive) {
        archive(words_);
        if (archive.loading()) empty_ = words_ == decltype(words_){};
    }

  private:
    static unsigned place(u64 linear, unsigned shift) {
        return static_cast<unsigned>(((linear >> shift) * 2 + (shift == huge)) * 0x9E37'79B9'7F4A'7C15 >> 52);
    }
    std::array<u64, 64> words_{};
    bool empty_ = true;
};

enum class TlbClass : u8 {
    supervisor = 0, ///< with CR4.SMAP it never holds a user page
    user = 1,
    checked = 2,        ///< nothing is ever filled in: #AC and the like
    supervisor_user = 3 ///< the supervisor with CR4.SMAP and EFLAGS.AC
};

} // namespace glassbox
