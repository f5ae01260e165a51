// The permission matrix: every combination of P, R/W, U/S and execute-disable at both levels, CR0.WP, the privilege
// level and the kind of access, with the fault's error code and address, what was read and written, and the accessed
// and dirty bits (SDM 3A 4.6 access rights, 4.7 error codes, 4.8 accessed and dirty flags).
//
// The manual does not say whether a faulting access sets accessed bits on its way: both are taken. Dirty bits are set
// by writes alone, and an entry that is not present never changes.
#include "guests/system/paging.hpp"

namespace paging {

namespace {

// What a test page holds: two bytes of code that are data as well, and a local descriptor table.
constexpr u32 data_offset = 0x40, descriptor_offset = 8;
constexpr u32 data = 0x9F9D'80CD; // INT 80h; two bytes that nobody executes
constexpr u16 ldt_used = 0x0C, ldt_fresh = 0x14;

struct Access {
    const char* name;
    u8 bytes[10];
    bool write, fetch, implicit;
    u32 after; ///< the 32 bits of the page afterwards
};
constexpr Access accesses[] = {
    {"MOV AL, [EBX]", {0x8A, 0x03, 0xCD, 0x80}, false, false, false, data},
    {"MOV [EBX], AX", {0x66, 0x89, 0x03, 0xCD, 0x80}, true, false, false, 0x9F9D'3412},
    {"INC BYTE [EBX]", {0xFE, 0x03, 0xCD, 0x80}, true, false, false, data + 1},
    {"CMP [EBX], EAX", {0x39, 0x03, 0xCD, 0x80}, false, false, false, data},
    {"JMP EBX", {0xFF, 0xE3}, false, true, false, data},
    {"MOV ES, CX; accessed", {0x8E, 0xC1, 0xCD, 0x80}, false, false, true, data},
    {"MOV ES, DX; to be marked accessed", {0x8E, 0xC2, 0xCD, 0x80}, true, false, true, data},
};

/// What the manual promises.
struct Outcome {
    bool fault;
    u32 error;
};
Outcome outcome(u64 rights_and, u64 rights_or, bool nx, bool wp, unsigned cpl, const Access& a) {
    const bool by_user = cpl == 3 && !a.implicit;
    u32 error = (a.write ? error_write : 0) | (by_user ? error_user : 0) | (a.fetch && nx ? error_fetch : 0);
    if (!(rights_and & present)) return {true, error};
    error |= error_present;
    if (by_user && !(rights_and & user)) return {true, error};
    if (a.write && !(rights_and & writable) && (by_user || wp)) return {true, error};
    if (a.fetch && (rights_or & no_execute)) return {true, error};
    return {false, 0};
}

void prepare(u32 frame_address) {
    word_at(frame_address + data_offset) = data;
    const u64 used = descriptor(0, 0xFFFFF, 0x13, 3, true, true, true);
    const u64 fresh = descriptor(0, 0xFFFFF, 0x12, 3, true, true, true);
    word_at(frame_address + descriptor_offset) = static_cast<u32>(used);
    word_at(frame_address + descriptor_offset + 4) = static_cast<u32>(used >> 32);
    word_at(frame_address + 2 * descriptor_offset) = static_cast<u32>(fresh);
    word_at(frame_address + 2 * descriptor_offset + 4) = static_cast<u32>(fresh >> 32);
}

u32 fault_address(const Access& a) {
    if (!a.implicit) return window + data_offset;
    return window + (a.write ? 2 : 1) * descriptor_offset;
}

/// The entry after the access: accessed and dirty as promised, all else as it was.
void expect_entry(Report& report, const char* what, u64 before, u64 after, bool is_leaf, bool wrote, bool fault) {
    u64 expected = before, got = after;
    if (!fault) expected |= accessed | (is_leaf && wrote ? dirty : 0);
    if (fault && (before & present)) got &= ~accessed; // either, see above
    report.expect(what, static_cast<u32>(expected), static_cast<u32>(got));
    report.expect(what, static_cast<u32>(expected >> 32), static_cast<u32>(got >> 32));
}

struct Point {
    u64 directory, table; ///< rights; the table's are open for large pages
    bool wp;
    unsigned cpl;
};

void check(Report& report, Space& space, const Point& p, const Access& a, const void* code_of_access) {
    const bool is_big = is_large(space.format());
    const u32 physical = is_big ? large_frame : frame(0);
    prepare(physical);
    const u64 directory_before = is_big ? physical | large | p.directory : space.table_entry(window, p.directory);
    const u64 table_before = is_big ? 0 : physical | p.table;
    space.set_directory(window, directory_before);
    if (!is_big) space.set_table(window, table_before);
    if (features().cpuid) write_cr0((read_cr0() & ~cr0_wp) | (p.wp ? cr0_wp : 0));
    flush();

    const u64 all = p.directory & p.table, any = p.directory | p.table;
    const Outcome expected = outcome(all, any, space.nx(), p.wp, p.cpl, a);
    Context c = ring(p.cpl, code_of_access);
    c.eax = 0x0000'3412;
    c.ebx = window + data_offset;
    c.ecx = ldt_used | p.cpl;
    c.edx = ldt_fresh | p.cpl;
    Exit e = run(c);

    // The processor may look at a descriptor before it writes to it: a page that is not present is a fault either way.
    if (a.implicit && a.write && expected.fault && !(all & present)) e.error |= error_write;
    report.expect_exit(e, expected.fault ? page_fault : end_vector, expected.error);
    if (expected.fault) {
        // Which byte of the descriptor the accessed bit's write begins at is the processor's own affair.
        report.expect("CR2", fault_address(a), a.implicit && a.write ? e.cr2 & ~7u : e.cr2);
        report.expect("EIP", a.fetch ? c.ebx : c.eip, e.eip);
    } else if (!a.write && !a.fetch && !a.implicit && a.bytes[0] == 0x8A) {
        report.expect("AL", data & 0xFF, e.eax & 0xFF);
    }
    if (!expected.fault && a.implicit) report.expect("ES", a.write ? c.edx : c.ecx, e.es);
    report.expect("memory", expected.fault ? data : a.after, word_at(physical + data_offset));
    const u32 marked = (word_at(physical + 2 * descriptor_offset + 4) >> 8) & 1;
    report.expect("descriptor accessed", a.implicit && a.write && !expected.fault, marked);
    expect_entry(report, "directory entry", directory_before, space.directory(window), is_big, a.write, expected.fault);
    if (!is_big) expect_entry(report, "table entry", table_before, space.table(window), true, a.write, expected.fault);
}

u64 rights(u32 n) { return (n & 7) | (n & 8 ? no_execute : 0); }
char letter(u64 entry, u64 bit, char c) { return entry & bit ? c : '-'; }

void matrix(Report& report, Format format) {
    if (const char* reason = lacks(format)) {
        if (report.next()) report.skip(reason);
        return;
    }
    Space space(format);
    gdt[ldt_selector / 8] = descriptor(window, 0xFF, 2, 0, true, false);
    asm volatile("lldt %w0" ::"r"(u32{ldt_selector}));
    space.enter();
    const u32 count = space.nx() ? 16 : 8, table_count = is_large(format) ? 1 : count;
    for (const Access& a : accesses) {
        const void* at = code(a.bytes);
        for (u32 n = 0; n < count * table_count * 8; ++n) {
            const u64 table_rights = is_large(format) ? open : rights((n >> 3) / count);
            const Point p{rights((n >> 3) % count), table_rights, (n & 4) != 0 && features().cpuid, n & 3};
            if (!report.next()) continue;
            const u64 d = p.directory, t = p.table;
            report.describe("%s at CPL %u, WP %u, directory %c%c%c%c table %c%c%c%c", a.name, p.cpl, p.wp,
                            letter(d, present, 'P'), letter(d, writable, 'W'), letter(d, user, 'U'),
                            letter(d, no_execute, 'X'), letter(t, present, 'P'), letter(t, writable, 'W'),
                            letter(t, user, 'U'), letter(t, no_execute, 'X'));
            check(report, space, p, a, at);
        }
    }
}

} // namespace

void rights_legacy(Report& report) { matrix(report, Format::legacy); }
void rights_legacy_large(Report& report) { matrix(report, Format::legacy_large); }
void rights_pae(Report& report) { matrix(report, Format::pae); }
void rights_pae_large(Report& report) { matrix(report, Format::pae_large); }

} // namespace paging
