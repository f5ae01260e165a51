// PAE's four page-directory pointers (SDM 3A 4.4.1): loaded by MOV CR3 and by MOVs to CR0 and CR4 that change what
// 4.4.1 lists; each load checks reserved bits and raises #GP(0) with nothing changed; between loads the processor uses
// what it loaded, whatever memory holds.
#include "guests/system/paging.hpp"

namespace paging {

namespace {

constexpr u32 cr0_cd = 1u << 30;
constexpr u8 mov_cr3[] = {0x0F, 0x22, 0xD8, 0xCD, 0x80};
constexpr u8 mov_cr0[] = {0x0F, 0x22, 0xC0, 0xCD, 0x80};
constexpr u8 mov_cr4[] = {0x0F, 0x22, 0xE0, 0xCD, 0x80};
constexpr u8 mov_al_ebx[] = {0x8A, 0x03, 0xCD, 0x80};

bool reserved_bit(u32 n) { return n == 1 || n == 2 || (n >= 5 && n <= 8) || n >= physical_bits(); }

struct Load {
    const char* name;
    const u8* bytes;
};
constexpr Load loads[] = {{"MOV CR3", mov_cr3},
                          {"MOV CR0, PG set", mov_cr0},
                          {"MOV CR0, CD toggled", mov_cr0},
                          {"MOV CR4, PGE toggled", mov_cr4},
                          {"MOV CR4, PSE toggled", mov_cr4}};

/// Turns paging off first where the load turns it on. Returns the value to load.
u32 value_of(u32 load, const Space& space) {
    switch (load) {
    case 0: return space.root();
    case 1: {
        const u32 on = read_cr0();
        write_cr0(on & ~cr0_pg);
        return on;
    }
    case 2: return read_cr0() ^ cr0_cd;
    case 3: return read_cr4() ^ cr4_pge;
    default: return read_cr4() ^ cr4_pse;
    }
}
u32 register_of(u32 load) { return load == 0 ? read_cr3() : load <= 2 ? read_cr0() : read_cr4(); }

void check_load(Report& report, Space& space, u32 load, u32 entry, u32 n, bool is_present) {
    if (entry == 0 && !is_present) return; // the kernel's own
    const u64 good = space.pointer(entry);
    const u32 value = value_of(load, space);
    u64 changed = good | 1ULL << n;
    if (!is_present) changed &= ~present;
    space.pointer(entry) = changed;
    const u32 before = register_of(load);
    Context c = ring(0, code(loads[load].bytes, 5));
    c.eax = value;
    const Exit e = run(c);
    const bool fault = is_present && reserved_bit(n);
    report.expect_exit(e, fault ? general_protection : end_vector, 0);
    report.expect("the register", fault ? before : value, register_of(load));
    space.pointer(entry) = good;
    if (load == 1) {
        if (!(read_cr0() & cr0_pg)) write_cr0(read_cr0() | cr0_pg);
    } else if (load != 0) {
        // as before: CD, PGE, PSE
        if (load == 2) write_cr0(read_cr0() & ~cr0_cd);
        if (load == 3) write_cr4(read_cr4() & ~cr4_pge);
        if (load == 4) write_cr4(read_cr4() & ~cr4_pse);
    }
    flush();
}

bool skip_without_pae(Report& report) {
    const char* reason = lacks(Format::pae);
    if (reason && report.next()) report.skip(reason);
    return reason != nullptr;
}

Exit read_window(u32 address) {
    Context c = ring(0, code(mov_al_ebx));
    c.ebx = address;
    return run(c);
}

} // namespace

void pointers(Report& report) {
    if (skip_without_pae(report)) return;
    Space space(Format::pae);
    space.enter();
    for (u32 load = 0; load < 5; ++load) {
        if (load == 3 && !features().pge()) continue;
        for (u32 entry = 0; entry < 4; ++entry) {
            for (u32 n = 1; n < 128; ++n) {
                const u32 bit = n & 63;
                if (bit == 0 || (bit >= 12 && !reserved_bit(bit))) continue; // address bits
                if (!report.next()) continue;
                report.describe("%s, pointer %u with bit %u, present %u", loads[load].name, entry, bit, n < 64);
                check_load(report, space, load, entry, bit, n < 64);
            }
        }
    }
}

void pointers_cached(Report& report) {
    if (skip_without_pae(report)) return;
    Space space(Format::pae);
    space.enter();
    byte_at(frame(0)) = 0x5A;
    byte_at(frame(1)) = 0xA5;
    space.map(window, frame(0));
    flush();
    if (report.next()) {
        report.describe("a pointer that is not present: #PF with P 0");
        const u64 good = space.pointer(2);
        space.pointer(2) = 0;
        flush();
        const Exit e = read_window(window);
        report.expect_exit(e, page_fault, 0);
        report.expect("CR2", window, e.cr2);
        space.pointer(2) = good;
        flush();
    }
    if (report.next()) {
        report.describe("a pointer cleared in memory counts only once loaded; INVLPG is no load");
        const u64 good = space.pointer(2);
        space.pointer(2) = 0;
        invlpg(window);
        const Exit e = read_window(window);
        report.expect_exit(e, end_vector, 0);
        report.expect("AL", 0x5A, e.eax & 0xFF);
        space.pointer(2) = good;
        flush();
    }
    if (report.next()) {
        report.describe("a pointer made present in memory counts only once loaded");
        const u64 good = space.pointer(2);
        space.pointer(2) = 0;
        flush();
        space.pointer(2) = good;
        const Exit e = read_window(window);
        report.expect_exit(e, page_fault, 0);
        flush();
        report.expect_exit(read_window(window), end_vector, 0);
    }
    for (u32 load = 0; load < 5; ++load) {
        if (load == 3 && !features().pge()) continue;
        if (!report.next()) continue;
        report.describe("%s loads the pointers", loads[load].name);
        const u64 good = space.pointer(2);
        space.pointer(2) = 0;
        const u32 value = value_of(load, space);
        Context c = ring(0, code(loads[load].bytes, 5));
        c.eax = value;
        report.expect_exit(run(c), end_vector, 0);
        report.expect_exit(read_window(window), page_fault, 0);
        space.pointer(2) = good;
        if (load == 2) write_cr0(read_cr0() & ~cr0_cd);
        if (load == 3) write_cr4(read_cr4() & ~cr4_pge);
        if (load == 4) write_cr4(read_cr4() & ~cr4_pse);
        flush();
    }
    if (report.next()) {
        report.describe("accessed bits are never set in a pointer");
        const u64 before = space.pointer(2);
        flush();
        report.expect_exit(read_window(window), end_vector, 0);
        report.expect("pointer", static_cast<u32>(before), static_cast<u32>(space.pointer(2)));
    }
}

} // namespace paging
