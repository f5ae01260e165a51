// What must be gone from the TLB after which invalidation, pages of all sizes and changes at all levels; PCIDs and
// INVPCID (SDM 3A 4.10). Processors may forget more than they must, so only what must be new is looked at.
#include "guests/system64/system64.hpp"

namespace {

constexpr u64 tables = arena_begin + 0x10'0000, present_all = 7, big = 0x80, global = 0x100;
constexpr u64 frames[2] = {arena_begin + 0x20'0000, arena_begin + 0x40'0000}; // multiples of 2 MiB
constexpr u64 region = u64{1} << 39;

/// Two sets of tables, so that a change at any level leads to the other frame.
void build(u32 size, u32 which, u64 flags) {
    const u64 at = tables + 0x8000 * which;
    memset(reinterpret_cast<void*>(at), 0, 0x3000);
    qword(at) = (at + 0x1000) | present_all;
    if (size == 1) {
        qword(at + 0x1000) = frames[which] | present_all | big | flags;
        return;
    }
    qword(at + 0x1000) = (at + 0x2000) | present_all;
    for (u64 i = 0; i < 512; ++i) qword(at + 0x2000 + 8 * i) = (frames[which] + 0x1000 * i) | present_all | flags;
}
/// Marks both frames at the offset: RET to run, and a number to read.
void mark(u64 offset) {
    for (u32 i = 0; i < 2; ++i) {
        dword(frames[i] + offset) = 0x9090'90C3;
        dword(frames[i] + offset + 8) = 0x1000 + i;
    }
}
u32 read_at(u64 linear) {
    u32 value;
    asm volatile("movl 8(%1), %0" : "=r"(value) : "r"(linear) : "memory");
    return value;
}

enum Method : u32 {
    by_invlpg,
    by_cr3,
    by_pge,
    by_paging,
    by_pcid_address,
    by_pcid_context,
    by_pcid_all,
    by_pcid_others,
    by_pcide,
    method_count
};
constexpr const char* method_names[] = {"INVLPG",
                                        "MOV CR3",
                                        "CR4.PGE",
                                        "paging off and on",
                                        "INVPCID address",
                                        "INVPCID context",
                                        "INVPCID all, global too",
                                        "INVPCID all",
                                        "CR4.PCIDE cleared"};
constexpr bool drops_global(u32 m) {
    return m == by_invlpg || m == by_pge || m == by_paging || m == by_pcid_all || m == by_pcide;
}
extern "C" void set_five_levels(u64 cr3, u64 cr4);
void invpcid(u64 type, u64 pcid, u64 linear) {
    const u64 d[] = {pcid, linear};
    asm volatile("invpcid %1, %0" ::"r"(type), "m"(d) : "memory");
}
void invalidate(u32 method, u64 linear) {
    const u64 cr4 = read_cr4();
    switch (method) {
    case by_invlpg: invlpg(linear); break;
    case by_cr3: write_cr3(read_cr3()); break;
    case by_pge: write_cr4(cr4 ^ cr4::pge), write_cr4(cr4); break;
    case by_paging: set_five_levels(read_cr3(), cr4); break;
    case by_pcid_address: invpcid(0, 0, linear); break;
    case by_pcid_context: invpcid(1, 0, 0); break;
    case by_pcid_all: invpcid(2, 0, 0); break;
    case by_pcid_others: invpcid(3, 0, 0); break;
    default: write_cr4(cr4 | cr4::pcide), write_cr4(cr4); break;
    }
}
const char* lacks(u32 method) {
    const Features& f = features();
    if (method >= by_pcid_address && method <= by_pcid_others && !f.invpcid) return "needs INVPCID";
    if (method == by_pcide && !f.pcid) return "needs PCIDs";
    if (method == by_pge && !f.pge) return "needs PGE";
    return nullptr;
}

/// An entry of each depth is changed after its use; the method; then the other frame must be there.
void invalidation(Report& report) {
    for (u32 size = 0; size < 2; ++size) {
        for (u32 depth = 0; depth < 4 - size; ++depth) {
            for (u32 method = 0; method < method_count; ++method) {
                for (const bool is_global : {false, true}) {
                    for (const u64 offset : {u64{0}, u64{0x1230}, u64{0x12'3450}, u64{0x1F'FFF0}}) {
                        for (u32 use = 0; use < 3; ++use) {
                            if ((is_global && !drops_global(method)) || !report.next()) continue;
                            report.describe("page of %s%s, entry at depth %u changed after a %s at %x, %s",
                                            size ? "2 MiB" : "4 KiB", is_global ? ", global" : "", depth,
                                            use == 0   ? "read"
                                            : use == 1 ? "write"
                                                       : "fetch",
                                            offset, method_names[method]);
                            if (const char* reason = lacks(method)) {
                                report.skip(reason);
                                continue;
                            }
                            const u64 pge = features().pge ? cr4::pge : 0;
                            write_cr4(read_cr4() | pge);
                            const u64 flags = is_global ? global : 0;
                            build(size, 0, flags), build(size, 1, flags);
                            top_table[1] = tables | present_all;
                            invalidate(features().pge ? u32{by_pge} : u32{by_cr3}, 0);
                            mark(offset);
                            const u64 linear = region + offset;
                            if (use == 1) dword(linear + 8) = 0x1000;
                            if (use == 2) asm volatile("call *%0" ::"r"(linear) : "memory");
                            report.expect("before", 0x1000, read_at(linear));
                            // The change: what this depth's entry of the other set says.
                            const u64 other = tables + 0x8000;
                            switch (depth) {
                            case 0: top_table[1] = other | present_all; break;
                            case 1: qword(tables) = qword(other); break;
                            case 2: qword(tables + 0x1000) = qword(other + 0x1000); break;
                            default:
                                qword(tables + 0x2000 + 8 * (offset >> 12)) =
                                    qword(other + 0x2000 + 8 * (offset >> 12));
                            }
                            invalidate(method, linear);
                            report.expect("after", 0x1001, read_at(linear));
                            write_cr4(read_cr4() & ~pge);
                            top_table[1] = 0;
                        }
                    }
                }
            }
        }
    }
}

/// INVLPG of any address in a large page drops all of it.
void large(Report& report) {
    for (const u64 used : {u64{0}, u64{0x1000}, u64{0xF'F000}, u64{0x1F'F000}}) {
        for (const u64 invalidated : {u64{0}, u64{0x123}, u64{0xA'BCDE}, u64{0x1F'FFFF}}) {
            if (!report.next()) continue;
            report.describe("page of 2 MiB used at %x, INVLPG at %x", used, invalidated);
            build(1, 0, 0), build(1, 1, 0);
            top_table[1] = tables | present_all;
            write_cr3(read_cr3());
            mark(used);
            report.expect("before", 0x1000, read_at(region + used));
            qword(tables + 0x1000) = qword(tables + 0x9000);
            invlpg(region + invalidated);
            report.expect("after", 0x1001, read_at(region + used));
            top_table[1] = 0;
        }
    }
}

/// What needs no invalidation: an entry that becomes present; rights that grow, after at most one fault (4.10.4.3).
void unneeded(Report& report) {
    const u8 read[] = {0x8B, 0x43, 0x08, 0xCD, end_vector}, write[] = {0x89, 0x43, 0x08, 0xCD, end_vector};
    for (u32 size = 0; size < 2; ++size) {
        for (u32 depth = 0; depth < 4 - size; ++depth) {
            for (const bool by_fault : {false, true}) {
                if (!report.next()) continue;
                report.describe("entry at depth %u of a page of %s becomes present%s", depth, size ? "2 MiB" : "4 KiB",
                                by_fault ? " after a fault" : "");
                build(size, 0, 0);
                top_table[1] = tables | present_all;
                mark(0);
                u64& entry = depth == 0 ? top_table[1] : qword(tables + 0x1000 * (depth - 1));
                const u64 value = entry;
                entry = 0;
                write_cr3(read_cr3());
                Context c = ring(0, code(read));
                c.rbx = region;
                if (by_fault) report.expect_exit(run(c), pf_vector, 0);
                entry = value;
                const Exit e = run(c);
                report.expect_exit(e, end_vector, 0);
                report.expect("RAX", 0x1000, e.rax);
                top_table[1] = 0;
            }
            for (const u64 bit : {u64{2}, u64{4}}) {
                if (!report.next()) continue;
                report.describe("entry at depth %u of a page of %s gets right %x", depth, size ? "2 MiB" : "4 KiB",
                                bit);
                build(size, 0, 0);
                top_table[1] = tables | present_all;
                u64& entry = depth == 0 ? top_table[1] : qword(tables + 0x1000 * (depth - 1));
                entry &= ~bit;
                write_cr3(read_cr3());
                Context c = ring(3, code(write));
                c.rbx = region;
                const u64 error = bit == 2 ? 7 : 7;
                (void)*const_cast<volatile u32*>(&dword(region));
                report.expect_exit(run(c), pf_vector, error);
                entry |= bit;
                const Exit e = run(c);
                report.expect_exit(e, end_vector, 0); // the fault has dropped what was cached of the address
                top_table[1] = 0;
            }
        }
    }
}

/// Two address spaces with a PCID each: neither sees the other's pages, kept or not.
void contexts(Report& report) {
    for (const bool keep : {false, true}) {
        for (u32 size = 0; size < 2; ++size) {
            for (u32 way = 0; way < 5; ++way) {
                if (!report.next()) continue;
                constexpr const char* ways[] = {"nothing", "INVLPG", "INVPCID address", "INVPCID context",
                                                "MOV CR3 without bit 63"};
                report.describe("two PCIDs, pages of %s, bit 63 of CR3 %u, changed page dropped by %s",
                                size ? "2 MiB" : "4 KiB", keep, ways[way]);
                if (!features().pcid || !features().invpcid) {
                    report.skip("needs PCIDs and INVPCID");
                    continue;
                }
                constexpr u64 second_top = tables + 0x1'0000, keeps = u64{1} << 63;
                build(size, 0, 0), build(size, 1, 0);
                mark(0);
                top_table[1] = tables | present_all;
                memcpy(reinterpret_cast<void*>(second_top), top_table, 0x1000);
                qword(second_top + 8) = (tables + 0x8000) | present_all;
                const u64 first = address(top_table) | 1, second = second_top | 2, bit = keep ? keeps : 0;
                const u64 standard = address(top_table);
                write_cr3(standard);
                write_cr4(read_cr4() | cr4::pcide);
                write_cr3(first);
                for (u32 i = 0; i < 3; ++i) {
                    write_cr3(first | bit);
                    report.expect("first", 0x1000, read_at(region));
                    report.expect("CR3", first, read_cr3());
                    write_cr3(second | bit);
                    report.expect("second", 0x1001, read_at(region));
                }
                if (way != 0) { // the second's page moves to the first's frame
                    qword(second_top + 8) = tables | present_all;
                    if (way == 1) invlpg(region);
                    if (way == 2) write_cr3(first | keeps), invpcid(0, 2, region), write_cr3(second | keeps);
                    if (way == 3) write_cr3(first | keeps), invpcid(1, 2, 0), write_cr3(second | keeps);
                    if (way == 4) write_cr3(second);
                    report.expect("second, changed", 0x1000, read_at(region));
                }
                write_cr3(standard);
                write_cr4(read_cr4() & ~cr4::pcide);
                top_table[1] = 0;
                write_cr3(standard);
            }
        }
    }
}

/// INVPCID's operands, CR4.PCIDE and CR3 (SDM 2A INVPCID; 2B MOV to CR).
void pcid_rules(Report& report) {
    const u8 bytes[] = {0x66, 0x0F, 0x38, 0x82, 0x0B, 0xCD, end_vector};
    for (u64 type = 0; type < 6; ++type) {
        for (const u64 pcid : {u64{0}, u64{1}, u64{0xFFF}, u64{0x1000}, u64{1} << 63}) {
            for (const bool on : {false, true}) {
                for (const u32 cpl : {0u, 1u, 3u}) {
                    if (!report.next()) continue;
                    const u64 full = type == 5 ? u64{1} << 32 : type;
                    report.describe("INVPCID of type %x, PCID %x, CR4.PCIDE %u, CPL %u", full, pcid, on, cpl);
                    if (!features().pcid || !features().invpcid) {
                        report.skip("needs PCIDs and INVPCID");
                        continue;
                    }
                    Context c = ring(cpl, code(bytes));
                    c.rcx = full;
                    c.rbx = arena_begin;
                    qword(arena_begin) = pcid;
                    qword(arena_begin + 8) = region;
                    if (on) write_cr4(read_cr4() | cr4::pcide);
                    const Exit e = run(c);
                    if (on) write_cr4(read_cr4() & ~cr4::pcide);
                    const bool ok = cpl == 0 && full <= 3 && pcid <= 0xFFF && (on || full >= 2 || pcid == 0);
                    report.expect_exit(e, ok ? end_vector : gp_vector, 0);
                }
            }
        }
    }
    for (const u32 low : {0u, 1u, 8u, 0x10u, 0xFFFu}) {
        if (!report.next()) continue;
        report.describe("CR4.PCIDE set with CR3[11:0] %x", low);
        if (!features().pcid) {
            report.skip("needs PCIDs");
            continue;
        }
        const u8 set[] = {0x0F, 0x22, 0xE0, 0xCD, end_vector};
        write_cr3(address(top_table) | low);
        Context c = ring(0, code(set));
        c.rax = read_cr4() | cr4::pcide;
        const Exit e = run(c);
        write_cr4(read_cr4() & ~cr4::pcide);
        write_cr3(address(top_table));
        report.expect_exit(e, low == 0 ? end_vector : gp_vector, 0);
    }
}

constexpr Form forms[] = {
    {"long/tlb-invalidation", "SDM 3A 4.10.4.1", invalidation}, {"long/tlb-large", "SDM 3A 4.10.4.1", large},
    {"long/tlb-unneeded", "SDM 3A 4.10.4.3", unneeded},         {"long/tlb-contexts", "SDM 3A 4.10.1", contexts},
    {"long/tlb-pcid", "SDM 2A INVPCID; 2B MOV", pcid_rules},
};

} // namespace

Group tlb_forms() { return group(forms); }
