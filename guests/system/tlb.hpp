// What the forms about translation look-aside buffers share.
#pragma once

#include "guests/system/paging.hpp"

namespace tlb {

using paging::byte_at;
using paging::Format;
using paging::open;
using paging::Space;
using paging::window;
using paging::word_at;

/// How the page is touched: a byte read, a byte written, code run.
enum class Access : u8 { read, write, fetch, count };
const char* name(Access access);
inline constexpr u32 offset = 0x40, written = 0x5C;

/// The frames that the window's leaf can lead to, and marks that tell them apart.
struct Frames {
    u32 first, second;
    explicit Frames(const Space& s);
    void mark() const;
    /// Which one the access reached: 0, 1, or 2 for neither.
    u32 reached(const Exit& exit, Access access, u32 linear) const;
};
/// Runs the access to `linear` + offset.
Exit touch(Access access, unsigned cpl, u32 linear);
/// Bit 7 for large pages.
inline u64 size_bit(const Space& s) { return paging::is_large(s.format()) ? paging::large : 0; }
/// The error code of an access, P left out.
u32 error_of(const Space& s, Access access, unsigned cpl);

void invalidation(Report& report); // tlb_invalidation.cpp
void upgrades(Report& report);     // tlb_rules.cpp
void flags(Report& report);
void globals(Report& report);
void large_pages(Report& report); // tlb_pages.cpp
void write_protect(Report& report);
void alias_pages(Report& report);
void many(Report& report);
void own_table(Report& report);
void invlpg_operands(Report& report);
void random_walk(Report& report); // tlb_random.cpp

} // namespace tlb
