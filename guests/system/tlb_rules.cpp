// What needs no invalidation, what a page fault invalidates, how accessed and dirty bits behave with cached
// translations, and global pages (SDM 3A 4.8, 4.10.2.3, 4.10.2.4, 4.10.4.1, 4.10.4.3).
#include "guests/system/tlb.hpp"

namespace tlb {

namespace {

/// Rights that grow while the old ones may be cached.
struct Upgrade {
    const char* name;
    u64 leaf, directory; ///< before; afterwards all is open
    bool must_work_at_once;
};
constexpr u64 reserved_bit = 1ULL << 51;
constexpr Upgrade growing[] = {
    {"leaf not present", 0, open, true},
    {"directory not present", open, 0, true},
    {"both not present", 0, 0, true},
    {"leaf with a reserved bit", open | reserved_bit, open, true}, // never cached either: 4.10.2.3
    {"leaf read-only", open & ~paging::writable, open, false},
    {"directory read-only", open, open & ~paging::writable, false},
    {"leaf the supervisor's", open & ~paging::user, open, false},
    {"directory the supervisor's", open, open & ~paging::user, false},
    {"leaf no-execute", open | paging::no_execute, open, false},
    {"directory no-execute", open, open | paging::no_execute, false},
};

bool possible(const Space& s, const Upgrade& u) {
    const bool big = paging::is_large(s.format());
    if (big && u.directory != open) return false;
    if ((u.leaf | u.directory) & paging::no_execute && !s.nx()) return false;
    return u.leaf != (open | reserved_bit) || paging::is_pae(s.format());
}

/// `warm`: an access that may fill the TLB with the smaller rights; count: none.
void upgrade(Report& report, Space& s, const Upgrade& u, Access warm, Access a, unsigned cpl) {
    const Frames f(s);
    f.mark();
    s.map(window, f.first);
    if (!paging::is_large(s.format())) s.set_directory(window, s.table_entry(window, u.directory));
    s.set_leaf(window, f.first | u.leaf | size_bit(s));
    paging::flush_all();
    if (warm != Access::count) touch(warm, cpl, window);
    f.mark();
    s.map(window, f.first);
    Exit e = touch(a, cpl, window);
    if (!u.must_work_at_once && e.vector == paging::page_fault) {
        report.expect("error code", error_of(s, a, cpl) | paging::error_present, e.error);
        e = touch(a, cpl, window); // the fault has invalidated the translation: 4.10.4.1
    }
    report.expect_exit(e, end_vector, 0);
    report.expect("frame", 0, f.reached(e, a, window));
}

} // namespace

void upgrades(Report& report) {
    paging::in_each_format(report, [&](Space& s) {
        if (features().cpuid) write_cr0(read_cr0() | paging::cr0_wp);
        for (const Upgrade& u : growing) {
            if (!possible(s, u)) continue;
            for (u32 warm = 0; warm <= static_cast<u32>(Access::count); ++warm) {
                for (u32 a = 0; a < static_cast<u32>(Access::count); ++a) {
                    for (const unsigned cpl : {0u, 3u}) {
                        if (!report.next()) continue;
                        const bool any = warm != static_cast<u32>(Access::count);
                        report.describe("%s, %s, %s, then all is allowed and %s, CPL %u", paging::name(s.format()),
                                        u.name, any ? name(static_cast<Access>(warm)) : "untouched",
                                        name(static_cast<Access>(a)), cpl);
                        upgrade(report, s, u, static_cast<Access>(warm), static_cast<Access>(a), cpl);
                    }
                }
            }
        }
    });
}

namespace {

struct Step {
    const char* name;
    bool dirty_first; ///< the page has been written before the bits are cleared
    bool flush;       ///< after the bits are cleared
    Access access;
};

/// Bits cleared in memory come back: at once or later without a flush, for certain with one.
void cleared(Report& report, Space& s, const Step& step, unsigned cpl) {
    const Frames f(s);
    f.mark();
    s.map(window, f.first);
    paging::flush_all();
    touch(step.dirty_first ? Access::write : Access::read, cpl, window);
    f.mark();
    const u64 clear = f.first | open | size_bit(s);
    s.set_leaf(window, clear);
    if (step.flush) paging::flush();
    report.expect_exit(touch(step.access, cpl, window), end_vector, 0);
    const u64 leaf = s.leaf(window);
    const bool writes = step.access == Access::write;
    const u64 must = clear | (step.flush ? paging::accessed | (writes ? paging::dirty : 0) : 0) |
                     (writes && !step.dirty_first ? paging::dirty : 0);
    const u64 may = must | paging::accessed | (writes ? paging::dirty : 0);
    report.expect("bits that must be set", static_cast<u32>(must), static_cast<u32>(leaf & must));
    report.expect("bits that must not be set", 0, static_cast<u32>(leaf & ~may));
}

} // namespace

void flags(Report& report) {
    paging::in_each_format(report, [&](Space& s) {
        for (u32 n = 0; n < 24; ++n) {
            const Step step{"", (n & 1) != 0, (n & 2) != 0, static_cast<Access>(n / 4 % 3)};
            const unsigned cpl = n < 12 ? 0 : 3;
            if (!report.next()) continue;
            report.describe("%s, bits cleared after a %s, %s, then a %s, CPL %u", paging::name(s.format()),
                            step.dirty_first ? "write" : "read", step.flush ? "flushed" : "not flushed",
                            name(step.access), cpl);
            cleared(report, s, step, cpl);
        }
        for (u32 n = 0; n < 4; ++n) {
            if (!report.next()) continue;
            const Access warm = n & 1 ? Access::fetch : Access::read;
            const unsigned cpl = n & 2 ? 3 : 0;
            report.describe("%s, %s leaves dirty clear, then a write sets it, CPL %u", paging::name(s.format()),
                            name(warm), cpl);
            const Frames f(s);
            f.mark();
            s.map(window, f.first);
            paging::flush_all();
            touch(warm, cpl, window);
            report.expect("after", static_cast<u32>(paging::accessed),
                          static_cast<u32>(s.leaf(window) & (paging::accessed | paging::dirty)));
            touch(Access::write, cpl, window);
            report.expect("after the write", static_cast<u32>(paging::accessed | paging::dirty),
                          static_cast<u32>(s.leaf(window) & (paging::accessed | paging::dirty)));
        }
    });
}

namespace {

/// A read through the window after its entry has changed to the second frame: which frame it sees.
u32 seen_after(Space& s, const Frames& f, u64 bits, bool by_cr3) {
    f.mark();
    s.map(window, f.first);
    s.set_leaf(window, f.first | bits);
    paging::flush_all();
    touch(Access::read, 0, window);
    s.set_leaf(window, f.second | bits);
    if (by_cr3)
        paging::flush();
    else
        invlpg(window);
    return f.reached(touch(Access::read, 0, window), Access::read, window);
}

} // namespace

void globals(Report& report) {
    if (!features().pge()) {
        if (report.next()) report.skip("the processor has no global pages");
        return;
    }
    paging::in_each_format(report, [&](Space& s) {
        const Frames f(s);
        const u64 plain = open | size_bit(s), global = plain | paging::global;
        const u32 without = read_cr4() & ~paging::cr4_pge, with = without | paging::cr4_pge;
        const char* format = paging::name(s.format());
        if (report.next()) {
            report.describe("%s, a global page after MOV CR3: the old or the new one", format);
            write_cr4(with);
            report.require("frame", seen_after(s, f, global, true) <= 1);
        }
        if (report.next()) {
            report.describe("%s, a page that is not global after MOV CR3", format);
            write_cr4(with);
            report.expect("frame", 1, seen_after(s, f, plain, true));
        }
        if (report.next()) {
            report.describe("%s, the global bit without CR4.PGE after MOV CR3", format);
            write_cr4(without);
            report.expect("frame", 1, seen_after(s, f, global, true));
        }
        if (report.next()) {
            report.describe("%s, a global page after INVLPG", format);
            write_cr4(with);
            report.expect("frame", 1, seen_after(s, f, global, false));
        }
        if (!paging::is_large(s.format()) && report.next()) {
            report.describe("%s, bit 8 of an entry that leads to a table is ignored", format);
            write_cr4(with);
            f.mark();
            s.map(window, f.first);
            s.set_directory(window, s.table_entry(window, open | paging::global));
            paging::flush_all();
            touch(Access::read, 0, window);
            s.set_leaf(window, f.second | plain);
            paging::flush();
            report.expect("frame", 1, f.reached(touch(Access::read, 0, window), Access::read, window));
        }
        if (report.next()) {
            report.describe("%s, clearing CR4.PGE drops global pages, and so does setting it", format);
            for (const bool to_set : {false, true}) {
                write_cr4(to_set ? without : with);
                f.mark();
                s.map(window, f.first);
                s.set_leaf(window, f.first | global);
                paging::flush();
                touch(Access::read, 0, window);
                s.set_leaf(window, f.second | global);
                write_cr4(to_set ? with : without);
                report.expect("frame", 1, f.reached(touch(Access::read, 0, window), Access::read, window));
            }
        }
        write_cr4(without);
        paging::flush_all();
    });
}

} // namespace tlb
