// Reserved bits of paging entries, one bit at a time, at both levels (SDM 3A, tables 4-4 to 4-6 and 4-8 to 4-11; 4.7:
// bit 3 of the error code). Bits are reserved in present entries only, and an entry with one translates nothing, so
// rights elsewhere do not matter.
#include "guests/system/paging.hpp"

namespace paging {

namespace {

constexpr u8 read_it[] = {0x8A, 0x03, 0xCD, 0x80};
constexpr u8 write_it[] = {0x88, 0x03, 0xCD, 0x80};
constexpr u8 jump_there[] = {0xFF, 0xE3};
constexpr u32 offset = 0x40, data = 0x80CD; // INT 80h

bool has_pat() { return (features().edx >> 16 & 1) != 0; }
bool has_pse36() { return (features().edx >> 17 & 1) != 0; }

enum class Bit : u8 { right, harmless, address, reserved, unclear };

/// What bit `n` of a directory or table entry is.
Bit kind_of_bit(Format f, bool nx_enabled, bool directory, u32 n) {
    const bool leaf_large = directory && is_large(f);
    const u32 top = physical_bits();
    if (n < 3) return Bit::right;
    if (n == 7) {
        if (leaf_large) return Bit::right;                               // PS
        if (!directory) return has_pat() ? Bit::harmless : Bit::unclear; // PAT; older manuals do not say it is checked
        return is_pae(f) ? Bit::right : Bit::harmless;                   // PS: ignored without CR4.PSE
    }
    if (n < 12) return Bit::harmless;
    if (n == 63) return nx_enabled ? Bit::harmless : Bit::reserved;
    if (!leaf_large) return n < (is_pae(f) ? top : 32) ? Bit::address : Bit::reserved;
    if (n == 12) return has_pat() ? Bit::harmless : Bit::unclear;
    if (is_pae(f)) return n < 21 || n >= top ? Bit::reserved : Bit::address;
    if (n > 21) return Bit::address;
    const u32 m = top < 40 ? top : 40; // table 4-4: bits (M-20):13 are address bits (M-1):32, the rest to 21 reserved
    return has_pse36() && n <= m - 20 ? Bit::address : Bit::reserved;
}

struct Entries {
    u64 directory, table;
};
Entries plain(const Space& s) {
    if (is_large(s.format())) return {large_frame | large | open, 0};
    return {s.table_entry(window, open), frame(0) | open};
}
void set(Space& s, const Entries& e) {
    s.set_directory(window, e.directory);
    if (!is_large(s.format())) s.set_table(window, e.table);
    flush();
}

/// Read at CPL 0, write at CPL 3, fetch at CPL 3.
struct Try {
    const char* name;
    const u8* bytes;
    u32 size;
    unsigned cpl;
    u32 error;
};
constexpr Try tries[] = {{"read at CPL 0", read_it, sizeof read_it, 0, 0},
                         {"write at CPL 3", write_it, sizeof write_it, 3, error_user | error_write},
                         {"fetch at CPL 3", jump_there, sizeof jump_there, 3, error_user | error_fetch}};

/// `extra`: the error code's bits when it faults; 0: it does not fault at all.
void attempt(Report& report, const Try& t, bool nx_enabled, bool fault, u32 extra) {
    Context c = ring(t.cpl, code(t.bytes, t.size));
    c.ebx = window + offset;
    c.eax = data & 0xFF;
    const Exit e = run(c);
    const u32 basic = nx_enabled ? t.error : t.error & ~error_fetch;
    report.expect_exit(e, fault ? page_fault : end_vector, fault ? basic | extra : 0);
    if (fault) report.expect("CR2", window + offset, e.cr2);
}

void one_bit(Report& report, Space& space, bool nx_enabled, bool directory, u32 n, const Try& t) {
    const Bit kind = kind_of_bit(space.format(), nx_enabled, directory, n);
    if (kind != Bit::harmless && kind != Bit::reserved) return;
    const char* level = directory ? "directory" : "table";
    const u64 bit = 1ULL << n;
    const bool executes = !(n == 63 && t.error & error_fetch);
    const u32 reserved_error = error_present | error_reserved;
    Entries e = plain(space);
    (directory ? e.directory : e.table) |= bit;
    if (report.next()) {
        report.describe("%s, %s entry with bit %u, %s", name(space.format()), level, n, t.name);
        set(space, e);
        const bool reserved = kind == Bit::reserved;
        attempt(report, t, nx_enabled, reserved || !executes, reserved ? reserved_error : error_present);
    }
    if (report.next()) {
        report.describe("%s, %s entry with bit %u but not present, %s", name(space.format()), level, n, t.name);
        Entries absent = e;
        (directory ? absent.directory : absent.table) &= ~present;
        set(space, absent);
        attempt(report, t, nx_enabled, true, 0);
    }
    if (kind != Bit::reserved || is_large(space.format())) return;
    if (report.next()) {
        report.describe("%s, %s entry with bit %u, the other level forbids all, %s", name(space.format()), level, n,
                        t.name);
        Entries denied = e;
        (directory ? denied.table : denied.directory) &= ~(user | writable);
        set(space, denied);
        attempt(report, t, nx_enabled, true, reserved_error);
    }
    if (report.next()) {
        report.describe("%s, %s entry with bit %u, the other level is not present, %s", name(space.format()), level, n,
                        t.name);
        Entries absent = e;
        (directory ? absent.table : absent.directory) &= ~present;
        set(space, absent);
        attempt(report, t, nx_enabled, true, directory ? reserved_error : 0);
    }
}

void all_bits(Report& report, Space& space, bool nx_enabled) {
    word_at(is_large(space.format()) ? large_frame + offset : frame(0) + offset) = data;
    const u32 width = is_pae(space.format()) ? 64 : 32;
    for (const Try& t : tries) {
        for (u32 n = 0; n < width; ++n) {
            one_bit(report, space, nx_enabled, true, n, t);
            if (!is_large(space.format())) one_bit(report, space, nx_enabled, false, n, t);
        }
    }
}

constexpr u32 efer = 0xC000'0080, efer_nxe = 1 << 11;

} // namespace

void reserved_bits(Report& report) {
    in_each_format(report, [&](Space& space) { all_bits(report, space, space.nx()); });
}

void reserved_nx(Report& report) {
    if (!features().nx()) {
        if (report.next()) report.skip("the processor has no execute-disable");
        return;
    }
    constexpr Format both[] = {Format::pae, Format::pae_large};
    for (const Format f : both) {
        Space space(f);
        space.enter();
        write_msr(efer, read_msr(efer) & ~static_cast<u64>(efer_nxe));
        all_bits(report, space, false);
    }
}

// A large page above 4 GiB is not the one below: there is no memory there, and nothing of ours changes.
void pse36(Report& report) {
    if (!has_pse36() || lacks(Format::legacy_large)) {
        if (report.next()) report.skip("the processor has no PSE-36");
        return;
    }
    Space space(Format::legacy_large);
    space.enter();
    constexpr u32 mark = 0x5EED'CAFE;
    const u32 m = physical_bits() < 40 ? physical_bits() : 40;
    for (u32 n = 13; n <= m - 20; ++n) {
        if (!report.next()) continue;
        report.describe("directory entry with bit %u", n);
        word_at(large_frame + offset) = mark;
        space.set_directory(window, large_frame | open | large | 1u << n);
        flush();
        Context c = ring(0, code({0x8B, 0x03, 0x89, 0x0B, 0xCD, 0x80})); // MOV EAX, [EBX]; MOV [EBX], ECX
        c.ebx = window + offset;
        const Exit e = run(c);
        report.expect_exit(e, end_vector, 0);
        report.expect("read from below 4 GiB", 0, e.eax == mark);
        report.expect("memory below 4 GiB", mark, word_at(large_frame + offset));
    }
}

} // namespace paging
