// Paging structures, mapped pages and the TLB as text. Every list is bounded: tables that lead to each other map more
// pages than anybody can read.
#pragma once

#include "cpu/state.hpp"
#include "debugger/look/paging.hpp"

#include <functional>
#include <string>

namespace glassbox::look {

struct MappedPage {
    u64 linear = 0, phys = 0;
    unsigned shift = 12;
    bool writable = false, user = false, executable = false, global = false;
    u64 entry = 0;
};
enum class Visit : u8 { complete, stopped, too_many };
/// All pages that lie in [first, last], in ascending order; the visitor ends it by returning false.
Visit for_each_page(const Cpu& cpu, u64 first, u64 last, const std::function<bool(const MappedPage&)>& visit);

/// A run of pages with the same rights and size.
struct PageRange {
    u64 first = 0, last = 0; ///< linear, inclusive
    u64 phys = 0;            ///< of the first byte
    bool one_block = true;   ///< physically in one piece
    unsigned shift = 12;
    bool writable = false, user = false, executable = false, global = false;
};
struct PageRanges {
    std::vector<PageRange> ranges;
    Visit end = Visit::complete;
};
/// `most` ranges; with `physical`, a range is also in one piece physically.
PageRanges merged_ranges(const Cpu& cpu, u64 first, u64 last, std::size_t most, bool physical);
/// "rwx user global": the rights that a range grants.
std::string rights_words(const PageRange& range);

/// The bits of an entry by the manual's names: "P R/W U/S A D".
std::string entry_words(const Cpu& cpu, unsigned level, u64 entry, unsigned bytes);

void write_page_tree(const Cpu& cpu, u64 first, u64 last, std::size_t most, std::string& out);
void write_page_ranges(const Cpu& cpu, u64 first, u64 last, std::size_t most, bool physical, std::string& out);
void write_walk(const Cpu& cpu, u64 linear, std::string& out);
void write_tlb(const Cpu& cpu, std::size_t most, std::string& out);

inline unsigned linear_digits(const Cpu& cpu) { return cpu.long_mode() ? 16 : 8; }

} // namespace glassbox::look
