// Paging in words: from a linear address down to the bit that denies the access (SDM 3A chapter 4). The walk is written
// here a second time, apart from mmu/, so that it checks what the processor says.
#pragma once

#include "debugger/explain/moment.hpp"

namespace glassbox::explain {

enum class Access : u8 { read, write, fetch };
const char* access_word(Access access); ///< "read", "write", "instruction fetch"

/// Who makes an access, as paging sees it.
struct Accessor {
    Access access = Access::read;
    bool system = false; ///< to a descriptor table or a TSS, with the supervisor's rights
    /// The stack of a more privileged level, which the processor writes with that level's rights.
    bool inner_stack = false;
    bool user(const Moment& m) const { return m.cpl == 3 && !system && !inner_stack; }
};

struct PageView {
    enum class Result : u8 { mapped, not_present, reserved };
    struct Level {
        const char* name = "";
        u64 address = 0, value = 0;
        unsigned index = 0;
        bool leaf = false;
        bool readable = true; ///< false: no memory there
    };
    Result result = Result::mapped;
    u64 phys = 0;
    unsigned count = 0;
    unsigned shift = 12; ///< of the page
    u64 reserved = 0;    ///< the reserved bits that are set in the last level
    bool wide = false;   ///< entries of 8 bytes
    std::array<Level, 5> levels{};

    bool all(u64 bit) const;
    const Level& leaf() const { return levels[count ? count - 1 : 0]; }
};

/// The paging structures as they are in memory now (but for PAE's pointers, which MOV CR3 has loaded).
PageView walk(const Moment& m, u64 linear);

/// Whether the byte may be accessed; `view` as walked.
Verdict check_paging(const Moment& m, u64 linear, const Accessor& who, const PageView& view);

/// How the address is translated: mode, CR3, a line for each level, where it ends.
void tell_walk(Story& story, const Moment& m, u64 linear, const PageView& view);
/// The whole of it; the conclusion is written when it is denied.
Verdict tell_paging(Story& story, const Moment& m, u64 linear, const Accessor& who);
/// `size` bytes from `linear`, page by page. Says nothing of what is allowed when `quiet`.
Verdict tell_pages(Story& story, const Moment& m, u64 linear, u64 size, const Accessor& who, bool quiet);
/// "P=1 R/W=0 U/S=1 A D".
std::string entry_bits(const PageView::Level& level, bool wide, bool nxe, bool leaf_keys);

} // namespace glassbox::explain
