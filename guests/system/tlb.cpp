// Translation look-aside buffers: what must be visible after which operation (SDM 3A 4.10.4.1), what needs none
// (4.10.4.3), and what may be either way. Only what the architecture promises is expected; where a stale translation is
// allowed both outcomes pass, but the old page and the new one are all that may be seen.
#include "guests/system/tlb.hpp"

namespace tlb {

namespace {

constexpr u8 codes[][4] = {{0x8A, 0x03, 0xCD, 0x80}, {0x88, 0x0B, 0xCD, 0x80}, {0xFF, 0xE3, 0xCD, 0x80}};
constexpr u32 first_mark = 0x9090'80CD, second_mark = 0x9080'CD40; // INT 80h; INC EAX and INT 80h

} // namespace

const char* name(Access access) {
    constexpr const char* names[] = {"read", "write", "fetch"};
    return names[static_cast<u32>(access)];
}

Frames::Frames(const Space& s)
    : first(paging::is_large(s.format()) ? paging::large_frame : paging::frame(0)),
      second(paging::is_large(s.format()) ? paging::second_large_frame : paging::frame(1)) {}

void Frames::mark() const {
    word_at(first + offset) = first_mark;
    word_at(second + offset) = second_mark;
}

u32 Frames::reached(const Exit& exit, Access access, u32 linear) const {
    constexpr u32 neither = 2;
    switch (access) {
    case Access::read: {
        const u32 al = exit.eax & 0xFF;
        return al == (first_mark & 0xFF) ? 0 : al == (second_mark & 0xFF) ? 1 : neither;
    }
    case Access::write: {
        const bool in_first = byte_at(first + offset) == written, in_second = byte_at(second + offset) == written;
        return in_first == in_second ? neither : in_first ? 0 : 1;
    }
    default: {
        const u32 ran = exit.eip - linear - offset;
        return ran == 2 ? 0 : ran == 3 ? 1 : neither;
    }
    }
}

Exit touch(Access access, unsigned cpl, u32 linear) {
    Context c = ring(cpl, code(codes[static_cast<u32>(access)]));
    c.ebx = linear + offset;
    c.ecx = written;
    return run(c);
}

u32 error_of(const Space& s, Access access, unsigned cpl) {
    return (access == Access::write ? paging::error_write : 0) | (cpl == 3 ? paging::error_user : 0) |
           (access == Access::fetch && s.nx() ? paging::error_fetch : 0);
}

namespace {

constexpr Form forms[] = {
    {"tlb/invalidation", "SDM 3A 4.10.4.1", invalidation},
    {"tlb/upgrades", "SDM 3A 4.10.2.3, 4.10.4.1, 4.10.4.3", upgrades},
    {"tlb/accessed-dirty", "SDM 3A 4.8, 4.10.2.3", flags},
    {"tlb/globals", "SDM 3A 4.10.2.4, 4.10.4.1", globals},
    {"tlb/large-pages", "SDM 3A 4.10.4.1", large_pages},
    {"tlb/write-protect", "SDM 3A 4.6.1", write_protect},
    {"tlb/aliases", "SDM 3A 4.2", alias_pages},
    {"tlb/many", "SDM 3A 4.10.4.1", many},
    {"tlb/own-table", "SDM 3A 4.10.4.2", own_table},
    {"tlb/random", "SDM 3A 4.6-4.8, 4.10.4.1", random_walk},
    {"tlb/invlpg", "SDM 2 INVLPG", invlpg_operands},
};

} // namespace
} // namespace tlb

Group tlb_forms() { return group(tlb::forms); }
