// A paging environment for the paging, TLB and code forms: the kernel's 20 MiB mapped to themselves for every ring, and
// a window of test pages at 2 GiB whose entries a case sets as it likes (SDM 3A 4.3 and 4.4).
#pragma once

#include "guests/system/system.hpp"

namespace paging {

/// Entry bits (SDM 3A, tables 4-4 to 4-6 and 4-8 to 4-11).
inline constexpr u64 present = 1, writable = 2, user = 4, accessed = 32, dirty = 64, large = 128, global = 256,
                     no_execute = 1ULL << 63;
inline constexpr u64 open = present | writable | user; ///< everything but execute-disable allows it
inline constexpr u32 cr0_pg = 1u << 31, cr0_wp = 1u << 16, cr4_pse = 1 << 4, cr4_pae = 1 << 5, cr4_pge = 1 << 7;

/// Error-code bits of a page fault (SDM 3A, figure 4-12).
inline constexpr u32 error_present = 1, error_write = 2, error_user = 4, error_reserved = 8, error_fetch = 16;
inline constexpr u32 page_fault = 14, general_protection = 13;

enum class Format : u8 { legacy, legacy_large, pae, pae_large };
inline constexpr Format formats[] = {Format::legacy, Format::legacy_large, Format::pae, Format::pae_large};
const char* name(Format format);
/// Why this processor cannot have the format; null when it can.
const char* lacks(Format format);
constexpr bool is_pae(Format f) { return f == Format::pae || f == Format::pae_large; }
constexpr bool is_large(Format f) { return f == Format::legacy_large || f == Format::pae_large; }

inline constexpr u32 page = 4096;
/// The test window: four page-directory entries, and one table for the first two of them (4 KiB formats).
inline constexpr u32 window = 0x8000'0000;
/// Frames for test pages: 4 KiB ones of a group's own; and two of 4 MiB.
inline constexpr u32 frames = 0x44'0000, large_frame = 0x80'0000, second_large_frame = 0xC0'0000;
constexpr u32 frame(u32 n) { return frames + n * page; }

/// The tables of one address space. Building one does not switch to it.
class Space {
  public:
    explicit Space(Format format);
    ~Space(); ///< leaves it: paging off, CR4 and EFER as before
    Space(const Space&) = delete;
    Space& operator=(const Space&) = delete;

    /// CR4, EFER.NXE (where there is NX), CR3, CR0.PG.
    void enter();
    Format format() const { return format_; }
    bool nx() const { return nx_; }
    /// What one leaf entry of the window maps.
    u32 leaf_size() const { return !is_large(format_) ? page : is_pae(format_) ? 0x20'0000 : 0x40'0000; }
    /// Bytes that one page-directory entry covers.
    u32 region_size() const { return is_pae(format_) ? 0x20'0000 : 0x40'0000; }
    u32 root() const;

    void set_directory(u32 linear, u64 entry);
    u64 directory(u32 linear) const;
    void set_table(u32 linear, u64 entry);
    u64 table(u32 linear) const;
    /// The leaf of the linear address: in the directory for large pages.
    void set_leaf(u32 linear, u64 entry) {
        is_large(format_) ? set_directory(linear, entry) : set_table(linear, entry);
    }
    u64 leaf(u32 linear) const { return is_large(format_) ? directory(linear) : table(linear); }
    /// The directory entry that leads to the window's table at `linear` (4 KiB formats).
    u64 table_entry(u32 linear, u64 bits) const;
    /// Opens a page of the window to `physical`, with the bits given at the leaf and everything allowed above.
    void map(u32 linear, u32 physical, u64 bits = open);
    /// PAE: entry 0-3 of the page-directory-pointer table in memory; takes effect when CR3 is loaded.
    u64& pointer(u32 n);

  private:
    void map_kernel();
    void store(u32 at, u64 entry);
    u64 load(u32 at) const;

    Format format_;
    bool nx_;
    bool entered_ = false;
    u32 old_cr0_, old_cr4_;
};

inline void flush() { write_cr3(read_cr3()); }
/// With CR4.PGE off and on again, global translations go too.
void flush_all();
u32 physical_bits();
/// Memory as the kernel sees it; volatile, because page tables decide what is there.
inline volatile u8& byte_at(u32 address) { return *reinterpret_cast<volatile u8*>(address); }
inline volatile u32& word_at(u32 address) { return *reinterpret_cast<volatile u32*>(address); }

/// Calls `body(space)` in each format that the processor has; a skipped case for each that it lacks.
template <class Body> void in_each_format(Report& report, Body body) {
    for (const Format format : formats) {
        if (const char* reason = lacks(format)) {
            if (report.next()) report.skip(reason);
            continue;
        }
        Space space(format);
        space.enter();
        body(space);
    }
}

// The forms, by file.
void rights_legacy(Report& report); // paging_rights.cpp
void rights_legacy_large(Report& report);
void rights_pae(Report& report);
void rights_pae_large(Report& report);
void reserved_bits(Report& report); // paging_bits.cpp
void reserved_nx(Report& report);
void pse36(Report& report);
void accessed_dirty(Report& report); // paging_dirty.cpp
void pointers(Report& report);       // paging_pointers.cpp
void pointers_cached(Report& report);
void crossing(Report& report); // paging_crossing.cpp
void fetch_crossing(Report& report);
void wide_crossing(Report& report);  // paging_wide.cpp
void strings(Report& report);        // paging_strings.cpp
void stack_crossing(Report& report); // paging_stack.cpp
void inner_stacks(Report& report);
void system_accesses(Report& report); // paging_system.cpp
void control(Report& report);         // paging_control.cpp

} // namespace paging
