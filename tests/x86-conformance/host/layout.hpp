// What both processors find in memory and in their descriptor tables before a case begins. Linear addresses are the
// same on both sides; nothing is mapped around the regions. Segments other than Linux's flat ones live in the LDT,
// which modify_ldt(2) fills on the host: user segments of level 3 only, always with the accessed bit. 64-bit code finds
// the same memory at other addresses too (`Window`).
#pragma once

#include "bus/types.hpp"

#include <array>

namespace glassbox::conformance::host {

inline constexpr u32 page = 0x1000;

/// Executable and not writable.
inline constexpr u32 code_start = 0x1000'0000, code_size = 2 * page;

/// Not executable.
enum class PageKind : u8 { read_write, read_only, unmapped };
inline constexpr u32 data_start = 0x2000'0000;
inline constexpr std::array<PageKind, 8> data_pages = {PageKind::read_write, PageKind::read_write, PageKind::read_write,
                                                       PageKind::read_write, PageKind::unmapped,   PageKind::read_only,
                                                       PageKind::read_write, PageKind::read_write};
inline constexpr u32 data_size = data_pages.size() * page;
inline constexpr u32 operands_end = 4 * page;                         ///< pages 0 to 3: where most operands lie
inline constexpr u32 read_only_at = 5 * page;                         ///< between an unmapped page and the stack
inline constexpr u32 stack_at = 6 * page, stack_end = 8 * page;       ///< what lies beyond is unmapped
inline constexpr u32 system_at = 0xA5A5'8000, system_size = 4 * page; ///< the guest's tables: no case goes there

/// Where the two regions lie. 16-bit and 32-bit code sees the low window, and what is below 4 GiB of the third.
struct Window {
    u64 code, data;
};
/// Low; far above 4 GiB; the data across 4 GiB, where 32-bit addresses wrap.
inline constexpr std::array<Window, 3> windows = {
    {{code_start, data_start}, {0x1234'1000'0000, 0x1234'2000'0000}, {0x1'1000'0000, 0x1'0000'0000 - 2 * page}}};
/// Between the addresses that programs have and those of the kernel (SDM 1, 3.3.7.1).
inline constexpr u64 canonical_end = u64{1} << 47, kernel_start = u64{0} - canonical_end;
/// The offset in the data region of a linear address: of its window, or of the one right below which it lies;
/// `nowhere` if it is in none.
inline constexpr u32 nowhere = 0x8000'0000;
constexpr u32 data_offset(u64 linear) {
    for (const Window& w : windows) {
        if (linear - w.data + page < data_size + 2 * page) return static_cast<u32>(linear - w.data);
    }
    return nowhere;
}

/// What the memory holds outside of the bytes that a case sets: a fixed pattern, rich in zeros.
std::array<u8, data_size> data_pattern();
/// INT3 everywhere: wherever control goes, it ends at once.
inline constexpr u8 code_filler = 0xCC;

/// Selectors of every 64-bit Linux.
inline constexpr u16 flat_code = 0x23, flat_data = 0x2B, long_code = 0x33;
inline constexpr u16 gdt_limit = 0x7F;
inline constexpr u16 first_kernel_selector = 0x30; ///< from here to the limit: not the same for every kernel

/// An LDT entry as modify_ldt takes it.
struct SegmentSpec {
    const char* name;
    u32 base, limit;
    bool big = false;            ///< D or B
    u8 contents = 0;             ///< 0 data, 1 expand-down data, 2 code, 3 conforming code
    bool read_exec_only = false; ///< data: read-only; code: execute-only
    bool pages = false;          ///< limit in pages
    bool not_present = false;
    bool available = true; ///< the AVL bit
    bool absent = false;   ///< the entry is all zeros
};
enum LdtEntry : u8 {
    data32,
    data16,
    code16,
    code32,
    read_only,
    small_data,
    down32,
    down16,
    execute_only,
    absent_data,
    conforming32, ///< Linux takes conforming code only as not present
    absent_code,
    small_code16,
    empty_entry,
    flat_pages,
    odd_base,
    high_code16, ///< the first page of the code ends where IP does
    high_data16, ///< and the first of the data where a 16-bit offset does
};
inline constexpr std::array<SegmentSpec, 18> ldt = {{
    {"data32", data_start, data_size - 1, true},
    {"data16", data_start, 0xFFFF},
    {"code16", code_start, 0xFFFF, false, 2},
    {"code32", code_start, code_size - 1, true, 2},
    {"read-only", data_start, 0xFFFF, true, 0, true},
    {"small", data_start + 0x1800, 0xFF, true},
    {"down32", data_start - 0x1'0000, 0x1'0FFF, true, 1}, // offsets from 11000h: data_start + 1000h and all above
    {"down16", data_start - 0x4000, 0x4FFF, false, 1},    // offsets 5000h to FFFFh: data_start + 1000h and on
    {"execute-only", code_start, code_size - 1, true, 2, true},
    {"absent data", data_start, 0xFFFF, true, 0, false, false, true},
    {"conforming", code_start, code_size - 1, true, 3, false, false, true},
    {"absent code", code_start, 0xFFFF, true, 2, false, false, true},
    {"small code16", code_start, 0xFFF, false, 2},
    {"empty", 0, 0, false, 0, false, false, false, false, true},
    {"flat pages", 0, 0xF'FFFF, true, 0, false, true},
    {"odd base", data_start + 3, 0x7FF0, false, 0, false, false, false, false},
    {"high code16", code_start - 0xF000, 0xFFFF, false, 2},
    {"high data16", data_start - 0xF000, 0xFFFF},
}};
constexpr u16 selector_of(LdtEntry entry, unsigned rpl = 3) { return static_cast<u16>(entry << 3 | 4u | rpl); }

} // namespace glassbox::conformance::host
