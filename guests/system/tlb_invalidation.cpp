// Each operation that invalidates, each change of an entry, each kind of access before and after (SDM 3A 4.10.4.1).
// Global translations may survive those operations that spare them.
#include "guests/system/tlb.hpp"

namespace tlb {

namespace {

enum class Flush : u8 { invlpg, mov_cr3, pge, pg, task_switch, count };
struct Operation {
    const char* name;
    bool global; ///< invalidates global translations too
};
constexpr Operation operations[] = {{"INVLPG", true},
                                    {"MOV CR3", false},
                                    {"MOV CR4 that changes PGE", true},
                                    {"MOV CR0 that clears PG", true},
                                    {"a task switch that changes CR3", false}};

const char* lacks(Flush f) {
    if (f == Flush::invlpg && !features().cpuid) return "the 386 has no INVLPG";
    if (f == Flush::pge && !features().pge()) return "the processor has no global pages";
    return nullptr;
}

/// To a task whose CR3 differs in its PWT bit, and back.
void switch_task() {
    static Tss other;
    constexpr u16 other_selector = first_free;
    constexpr u32 write_through = 8;
    static u8 stack[256];
    memset(&other, 0, sizeof other);
    gdt[other_selector / 8] = descriptor(reinterpret_cast<u32>(&other), sizeof other - 1, 9, 0, true, false);
    other.cr3 = read_cr3() ^ write_through;
    other.eip = reinterpret_cast<u32>(code({0xCF})); // IRET: back to the task that called
    other.eflags = 2;
    other.esp = reinterpret_cast<u32>(stack + sizeof stack);
    other.cs = kernel_code;
    other.ds = other.es = other.ss = other.fs = other.gs = kernel_data;
    other.io_map = sizeof other;
    tss.cr3 = read_cr3();
    asm volatile("lcall %0, $0\n\tclts" ::"i"(other_selector) : "memory", "cc");
}

void perform(Flush f, u32 linear) {
    switch (f) {
    case Flush::invlpg: invlpg(linear); break;
    case Flush::mov_cr3: write_cr3(read_cr3()); break;
    case Flush::pge:
        write_cr4(read_cr4() ^ paging::cr4_pge);
        write_cr4(read_cr4() ^ paging::cr4_pge);
        break;
    case Flush::pg: {
        const u32 cr0 = read_cr0();
        write_cr0(cr0 & ~paging::cr0_pg);
        write_cr0(cr0);
        break;
    }
    default: switch_task(); break;
    }
}

/// What changes in the entries between two accesses.
enum class Change : u8 { frame, not_present, read_only, supervisor, no_execute, other_table, no_table, count };
constexpr const char* changes[] = {"the frame",
                                   "to not present",
                                   "to read-only",
                                   "to the supervisor's",
                                   "to no-execute",
                                   "the directory's table",
                                   "the directory to not present"};

struct Outcome {
    bool fault;
    u32 error;
    u32 frame;
};
Outcome outcome(const Space& s, Change change, Access a, unsigned cpl) {
    const u32 error = error_of(s, a, cpl);
    switch (change) {
    case Change::no_table:
    case Change::not_present: return {true, error, 0};
    case Change::read_only: return {a == Access::write && cpl == 3, error | paging::error_present, 0};
    case Change::supervisor: return {cpl == 3, error | paging::error_present, 0};
    case Change::no_execute: return {a == Access::fetch, error | paging::error_present, 0};
    default: return {false, 0, 1};
    }
}

void change_entries(Space& s, Change change, const Frames& f, u64 bits) {
    constexpr u32 spare_table = 0x41'7000; // among the window's tables, unused
    switch (change) {
    case Change::frame: s.set_leaf(window, f.second | bits); break;
    case Change::not_present: s.set_leaf(window, (f.first | bits) & ~paging::present); break;
    case Change::read_only: s.set_leaf(window, (f.first | bits) & ~paging::writable); break;
    case Change::supervisor: s.set_leaf(window, (f.first | bits) & ~paging::user); break;
    case Change::no_execute: s.set_leaf(window, f.first | bits | paging::no_execute); break;
    case Change::no_table: s.set_directory(window, s.table_entry(window, 0)); break;
    default:
        word_at(spare_table) = f.second | static_cast<u32>(bits);
        word_at(spare_table + 4) = 0;
        s.set_directory(window, spare_table | open);
        break;
    }
}

struct Point {
    Flush flush;
    Change change;
    bool global;
    unsigned cpl;
    Access warm, access; ///< the one that filled the translation, and the one that is checked
};

void attempt(Report& report, Space& s, const Point& p) {
    const Frames f(s);
    const u64 bits = open | size_bit(s) | (p.global ? paging::global : 0);
    f.mark();
    s.map(window, f.first);
    s.set_leaf(window, f.first | bits);
    paging::flush_all();
    report.expect_exit(touch(p.warm, p.cpl, window), end_vector, 0);
    f.mark();
    change_entries(s, p.change, f, bits);
    perform(p.flush, window);
    const Exit e = touch(p.access, p.cpl, window);
    const Outcome x = outcome(s, p.change, p.access, p.cpl);
    const bool spared = p.global && !operations[static_cast<u32>(p.flush)].global;
    if (spared && e.vector == end_vector && f.reached(e, p.access, window) == 0) return;
    report.expect_exit(e, x.fault ? paging::page_fault : end_vector, x.fault ? x.error : 0);
    if (x.fault)
        report.expect("CR2", window + offset, e.cr2);
    else
        report.expect("frame", x.frame, f.reached(e, p.access, window));
}

bool possible(const Space& s, Change c) {
    if (c == Change::no_execute) return s.nx();
    return (c != Change::other_table && c != Change::no_table) || !paging::is_large(s.format());
}

void all_points(Report& report, Space& s, Flush flush, Change change) {
    constexpr u32 kinds = static_cast<u32>(Access::count);
    for (u32 n = 0; n < 4 * kinds * kinds; ++n) {
        const Point p{flush,
                      change,
                      (n & 1) != 0,
                      n & 2 ? 3u : 0u,
                      static_cast<Access>(n / 4 % kinds),
                      static_cast<Access>(n / 4 / kinds)};
        if ((p.global && !features().pge()) || !report.next()) continue;
        report.describe("%s, %s%s changes %s, %s, then %s, CPL %u", paging::name(s.format()), name(p.warm),
                        p.global ? " of a global page" : "", changes[static_cast<u32>(change)],
                        operations[static_cast<u32>(flush)].name, name(p.access), p.cpl);
        attempt(report, s, p);
    }
}

} // namespace

void invalidation(Report& report) {
    paging::in_each_format(report, [&](Space& s) {
        if (features().pge()) write_cr4(read_cr4() | paging::cr4_pge);
        for (u32 f = 0; f < static_cast<u32>(Flush::count); ++f) {
            if (const char* reason = lacks(static_cast<Flush>(f))) {
                if (report.next()) report.skip(reason);
                continue;
            }
            for (u32 c = 0; c < static_cast<u32>(Change::count); ++c) {
                if (possible(s, static_cast<Change>(c)))
                    all_points(report, s, static_cast<Flush>(f), static_cast<Change>(c));
            }
        }
    });
}

} // namespace tlb
