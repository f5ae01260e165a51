#include "debugger/explain/paging.hpp"

#include <algorithm>

namespace glassbox::explain {

namespace {

// Bits of paging entries: SDM 3A, tables 4-5, 4-6, 4-9 to 4-12, 4-15 to 4-20.
constexpr u64 P = 1, RW = 2, US = 4, PWT = 8, PCD = 16, A = 32, D = 64, PS = 128, G = 256, XD = u64{1} << 63;
constexpr u64 frame_mask = 0x000F'FFFF'FFFF'F000;

constexpr const char* level_names[5] = {"page-table entry", "page-directory entry", "page-directory-pointer entry",
                                        "PML4 entry", "PML5 entry"};

u64 physical_mask(const Moment& m) { return (u64{1} << m.cpu->model->physical_bits) - 1; }

bool nx_enabled(const Moment& m) { return (m.cr4 & cr4::PAE) != 0 && (m.efer & efer::NXE) != 0; }

/// Reserved in an entry of 8 bytes whatever its level.
u64 reserved_everywhere(const Moment& m) {
    u64 bits = frame_mask & ~physical_mask(m);         // address bits that the processor lacks
    if (!m.long_mode()) bits |= 0x7FF0'0000'0000'0000; // bits 52 to 62 are ignored in long mode alone
    if (!nx_enabled(m)) bits |= XD;
    return bits;
}

/// Whether bit 7 of an entry at `level` (0: page table) makes it map a page itself.
bool maps_large_page(const Moment& m, bool wide, unsigned level) {
    if (!wide) return level == 1 && (m.cr4 & cr4::PSE) != 0;
    return level == 1 || (level == 2 && m.long_mode() && m.has(Feature::pdpe1gb));
}

u64 reserved_in_large(const Moment& m, bool wide, unsigned shift) {
    if (wide) return ((u64{1} << shift) - 1) & ~u64{0x1FFF};
    const unsigned high = m.has(Feature::pse36) ? std::min(m.cpu->model->physical_bits, 40u) - 32 : 0;
    return 0x3F'E000 & (~u64{0} << (13 + high)); // bits 13 and up are address bits 32 and up with PSE-36
}

struct Descent {
    const Moment& m;
    u64 linear;
    PageView view;

    std::optional<u64> entry(u64 at) const {
        std::array<u8, 8> bytes{};
        const std::size_t size = view.wide ? 8 : 4;
        if (m.read_physical(at, std::span(bytes).first(size)) != size) return {};
        u64 value = 0;
        std::memcpy(&value, bytes.data(), sizeof value);
        return value;
    }

    PageView go(u64 table, unsigned levels) {
        const unsigned index_bits = view.wide ? 9 : 10;
        for (unsigned level = levels; level-- > 0;) {
            const unsigned shift = 12 + index_bits * level;
            PageView::Level& l = view.levels[view.count++];
            l.name = level_names[level];
            l.index = static_cast<unsigned>(linear >> shift) & ((1u << index_bits) - 1);
            l.address = table + l.index * (view.wide ? 8u : 4u);
            const auto value = entry(l.address);
            l.readable = value.has_value();
            // Where nothing answers, the bus reads as ones.
            l.value = value.value_or(view.wide ? ~u64{0} : 0xFFFF'FFFF);
            if (!(l.value & P)) return ended(PageView::Result::not_present);
            const bool large = level > 0 && (l.value & PS) != 0 && maps_large_page(m, view.wide, level);
            u64 reserved = view.wide ? reserved_everywhere(m) : 0;
            if (level > 0 && view.wide && !large) reserved |= PS; // bit 7 where no page can be mapped
            if (large) reserved |= reserved_in_large(m, view.wide, shift);
            view.reserved = l.value & reserved;
            if (view.reserved != 0) return ended(PageView::Result::reserved);
            table = l.value & (view.wide ? frame_mask : 0xFFFF'F000);
            if (level != 0 && !large) continue;
            l.leaf = true;
            view.shift = shift;
            const u64 offset = (u64{1} << shift) - 1;
            view.phys = (table & ~offset) | (linear & offset);
            if (large && !view.wide) view.phys |= (l.value & 0x3F'E000) << 19;
            break;
        }
        view.phys &= physical_mask(m) & m.cpu->memory.a20_mask();
        return view;
    }
    PageView ended(PageView::Result why) {
        view.result = why;
        return view;
    }
};

u32 key_of(const PageView& view) { return static_cast<u32>(view.leaf().value >> 59 & 15); }
/// Access-disable and write-disable of the page's key (SDM 3A 4.6.2).
u32 key_rights(const Moment& m, const PageView& view) {
    if ((m.cr4 & cr4::PKE) == 0 || !m.long_mode() || !view.all(US)) return 0;
    return m.pkru >> (2 * key_of(view)) & 3;
}

std::string names_of(const PageView& view, u64 bit, bool set) {
    std::string text;
    for (unsigned i = 0; i < view.count; ++i) {
        if (((view.levels[i].value & bit) != 0) != set) continue;
        if (!text.empty()) text += " and the ";
        text += view.levels[i].name;
    }
    return text;
}

std::string reserved_names(const PageView& view) {
    std::string text;
    for (unsigned bit = 0; bit < 64; ++bit) {
        if ((view.reserved >> bit & 1) == 0) continue;
        if (!text.empty()) text += ", ";
        text += bit == 63 ? "63 (XD, which needs EFER.NXE)" : bit == 7 ? "7 (PS)" : std::to_string(bit);
    }
    return text;
}

std::string page_size_words(unsigned shift) {
    switch (shift) {
    case 12: return "4 KBytes";
    case 21: return "2 MBytes";
    case 22: return "4 MBytes";
    default: return "1 GByte";
    }
}

} // namespace

const char* access_word(Access access) {
    return access == Access::read ? "read" : access == Access::write ? "write" : "instruction fetch";
}

bool PageView::all(u64 bit) const {
    for (unsigned i = 0; i < count; ++i) {
        if ((levels[i].value & bit) == 0) return false;
    }
    return true;
}

PageView walk(const Moment& m, u64 linear) {
    Descent d{m, linear, {}};
    if (!m.paging()) {
        d.view.phys = linear & physical_mask(m) & m.cpu->memory.a20_mask();
        return d.view;
    }
    d.view.wide = m.long_mode() || (m.cr4 & cr4::PAE) != 0;
    if (m.long_mode()) return d.go(m.cr3 & frame_mask & physical_mask(m), (m.cr4 & cr4::LA57) ? 5 : 4);
    if (!d.view.wide) return d.go(m.cr3 & 0xFFFF'F000, 2);
    const u64 pdpte = m.pdpte[linear >> 30 & 3];
    if (!(pdpte & P)) return d.ended(PageView::Result::not_present);
    return d.go(pdpte & frame_mask, 2);
}

Verdict check_paging(const Moment& m, u64 linear, const Accessor& who, const PageView& view) {
    if (!m.paging()) return {};
    const bool user = who.user(m), writing = who.access == Access::write, fetching = who.access == Access::fetch;
    const bool tells_fetch = nx_enabled(m) || (m.cr4 & cr4::SMEP) != 0;
    const u32 error = (writing ? 2u : 0) | (user ? 4u : 0) | (fetching && tells_fetch ? 16u : 0);
    const auto fault = [&](u32 bits, const char* why, const char* words) {
        Denial d = deny(Exception::PF, error | bits, why, words);
        d.cr2 = linear;
        return Verdict(d);
    };
    const char* refused = fetching  ? "the instruction cannot be fetched"
                          : writing ? "the write is not allowed"
                                    : "the read is not allowed";
    if (view.result == PageView::Result::not_present)
        return fault(0, "the page is not present", "there is no page at this address");
    if (view.result == PageView::Result::reserved)
        return fault(1 | 8, "a reserved bit is set in a paging entry", "the entry is malformed");
    const u32 key = fetching ? 0 : key_rights(m, view);
    const bool key_denies = (key & 1) != 0 || ((key & 2) != 0 && writing && (user || (m.cr0 & cr0::WP) != 0));
    const u32 bits = 1u | (key_denies ? 32u : 0);
    const bool user_page = view.all(US);
    if (user && !user_page) return fault(bits, "a supervisor page is not accessible at CPL 3", refused);
    if (!user && user_page && fetching && (m.cr4 & cr4::SMEP) != 0)
        return fault(bits, "the supervisor may not execute user pages (SMEP)", refused);
    const bool lifted = !who.system && !who.inner_stack && (m.eflags & eflags::AC) != 0;
    if (!user && user_page && !fetching && (m.cr4 & cr4::SMAP) != 0 && !lifted)
        return fault(bits, "the supervisor may not access user pages (SMAP)", refused);
    if (writing && !view.all(RW) && (user || (m.cr0 & cr0::WP) != 0))
        return fault(bits, "the page is read-only", refused);
    bool forbids = false;
    for (unsigned i = 0; i < view.count; ++i) forbids = forbids || (view.levels[i].value & XD) != 0;
    if (fetching && view.wide && nx_enabled(m) && forbids)
        return fault(bits, "the page is not executable (NX)", refused);
    if (key_denies) return fault(bits, "the page's protection key is disabled (PKRU)", refused);
    return {};
}

std::string entry_bits(const PageView::Level& level, bool wide, bool nxe, bool leaf_keys) {
    const u64 v = level.value;
    std::string text = std::string("P=") + ((v & P) ? "1" : "0");
    if (!(v & P)) return text + " (the other bits mean nothing)";
    text += std::string(" R/W=") + ((v & RW) ? "1" : "0") + " U/S=" + ((v & US) ? "1" : "0");
    if (wide && nxe) text += std::string(" XD=") + ((v & XD) ? "1" : "0");
    if (level.leaf && leaf_keys) text += " key=" + std::to_string(v >> 59 & 15);
    if (v & PWT) text += " PWT";
    if (v & PCD) text += " PCD";
    if (v & A) text += " A";
    if (level.leaf && (v & D)) text += " D";
    if (level.leaf && (v & G)) text += " G";
    if (level.leaf && std::string_view(level.name) != level_names[0]) text += " PS";
    return text;
}

void tell_walk(Story& story, const Moment& m, u64 linear, const PageView& view) {
    if (!m.paging()) {
        story.say("CR0.PG = 0: there is no paging, so linear address " + m.address(linear) + " is physical address " +
                      h(view.phys, 8),
                  "3A 4.1.1");
        return;
    }
    const bool five = m.long_mode() && (m.cr4 & cr4::LA57) != 0;
    const char* kind = m.long_mode() ? (five ? "5-level paging" : "4-level paging")
                       : view.wide   ? "PAE paging"
                                     : "32-bit paging";
    const char* section = m.long_mode() ? "3A 4.5" : view.wide ? "3A 4.4" : "3A 4.3";
    story.say("Linear address " + m.address(linear) + story.name(linear) + " goes through " + kind +
                  " from CR3 = " + h(m.cr3, 8) + ":",
              section);
    Story::Indented in(story);
    if (view.wide && !m.long_mode()) {
        const unsigned n = linear >> 30 & 3;
        story.line("PDPTE register " + std::to_string(n) + " = " + h(m.pdpte[n], 16) + ": " +
                   ((m.pdpte[n] & P) ? "P=1" : "P=0"));
    }
    for (unsigned i = 0; i < view.count; ++i) {
        const auto& l = view.levels[i];
        std::string text = std::string(l.name) + ' ' + std::to_string(l.index) + " at " + h(l.address, 8) + " = " +
                           h(l.value, view.wide ? 16 : 8) + ": ";
        text += entry_bits(l, view.wide, nx_enabled(m), (m.cr4 & cr4::PKE) != 0);
        if (!l.readable) text += " (no memory there)";
        story.line(text);
    }
    if (view.result == PageView::Result::mapped)
        story.say("The page has " + page_size_words(view.shift) + ", and the byte lies at physical address " +
                  h(view.phys, 8));
}

namespace {

/// The sentences between the walk and the conclusion.
void tell_denial(Story& story, const Moment& m, const Accessor& who, const PageView& view, const Denial& d) {
    const bool user = who.user(m);
    const std::string level = std::string(who.system        ? "This is a processor's own access to a system structure, "
                                                              "which counts as the supervisor's"
                                          : who.inner_stack ? "The stack of the inner level is written as the "
                                                              "supervisor"
                                          : user            ? "The access is the user's: CPL is 3"
                                                 : "The access is the supervisor's: CPL is " + std::to_string(m.cpl));
    const std::string last = view.count ? view.leaf().name : "PDPTE register";
    const std::string_view why = d.why;
    if (why == "the page is not present") {
        story.say("The " + last + " has P = 0: no page is mapped there", "3A 4.7");
        return;
    }
    if (why == "a reserved bit is set in a paging entry") {
        story.say("The " + last + " has P = 1 and reserved bits set: bit " + reserved_names(view), "3A 4.7");
        return;
    }
    story.say(level, "3A 4.6");
    if (why.starts_with("a supervisor page")) {
        story.say("A user-mode access needs U/S = 1 at every level, but the " + names_of(view, US, false) +
                      (names_of(view, US, false).find(" and ") == std::string::npos ? " has" : " have") + " U/S = 0",
                  "3A 4.6.1");
    } else if (why.ends_with("(SMEP)")) {
        story.say("CR4.SMEP = 1, and U/S = 1 at every level makes it a user page, from which the supervisor may not "
                  "execute",
                  "3A 4.6.1");
    } else if (why.ends_with("(SMAP)")) {
        const bool counts = !who.system && !who.inner_stack;
        story.say(std::string("CR4.SMAP = 1, and U/S = 1 at every level makes it a user page, which the supervisor may "
                              "touch only while EFLAGS.AC = 1; ") +
                      (counts ? "AC is 0" : "for an implicit access AC does not count"),
                  "3A 4.6.1");
    } else if (why == "the page is read-only") {
        story.say(std::string("A write needs R/W = 1 at every level") +
                      (user ? " in user mode" : ", also for the supervisor, because CR0.WP = 1") + "; the " +
                      names_of(view, RW, false) + " has R/W = 0",
                  "3A 4.6.1");
    } else if (why.ends_with("(NX)")) {
        story.say("EFER.NXE = 1, so a fetch needs XD = 0 at every level; the " + names_of(view, XD, true) +
                      " has XD = 1",
                  "3A 4.6.1");
    } else if (why.ends_with("(PKRU)")) {
        const u32 key = key_of(view), rights = key_rights(m, view);
        story.say("CR4.PKE = 1 and the page has protection key " + std::to_string(key) + ", for which PKRU = " +
                      h(m.pkru, 8) + " says AD=" + std::to_string(rights & 1) + " WD=" + std::to_string(rights >> 1),
                  "3A 4.6.2");
    }
}

} // namespace

Verdict tell_paging(Story& story, const Moment& m, u64 linear, const Accessor& who) {
    const PageView view = walk(m, linear);
    tell_walk(story, m, linear, view);
    const Verdict verdict = check_paging(m, linear, who, view);
    if (verdict) {
        tell_denial(story, m, who, view, *verdict);
        if (view.count != 0 && view.leaf().readable)
            story.cite("the " + std::string(view.leaf().name) + " " + std::to_string(view.leaf().index) + " at " +
                           h(view.leaf().address, 8),
                       view.leaf().address, view.wide ? 8 : 4);
        story.conclude(*verdict);
    }
    return verdict;
}

Verdict tell_pages(Story& story, const Moment& m, u64 linear, u64 size, const Accessor& who, bool quiet) {
    for (u64 done = 0; done < size;) {
        u64 at = linear + done;
        if (!m.long_mode()) at = static_cast<u32>(at);
        const u64 part = std::min(size - done, page_size - (at & page_mask));
        const Verdict verdict = check_paging(m, at, who, walk(m, at));
        if (verdict || !quiet) {
            if (done != 0) story.say("The access goes on in the next page");
            tell_paging(story, m, at, who);
        }
        if (verdict) return verdict;
        done += part;
    }
    return {};
}

} // namespace glassbox::explain
