// The bits of CR0 and CR4 that govern paging: combinations that fault, privilege, and what takes effect at once (SDM 3A
// 2.5 control registers, 4.1.2 transitions between paging modes, 4.10.4.1 operations that invalidate).
#include "guests/system/paging.hpp"

namespace paging {

namespace {

constexpr u32 cr0_pe = 1, cr0_nw = 1u << 29, cr0_cd = 1u << 30;
constexpr u8 to_cr0[] = {0x0F, 0x22, 0xC0, 0xCD, 0x80}, to_cr3[] = {0x0F, 0x22, 0xD8, 0xCD, 0x80},
             to_cr4[] = {0x0F, 0x22, 0xE0, 0xCD, 0x80}, to_cr2[] = {0x0F, 0x22, 0xD0, 0xCD, 0x80},
             from_cr0[] = {0x0F, 0x20, 0xC0, 0xCD, 0x80}, from_cr3[] = {0x0F, 0x20, 0xD8, 0xCD, 0x80},
             clts[] = {0x0F, 0x06, 0xCD, 0x80}, lmsw[] = {0x0F, 0x01, 0xF0, 0xCD, 0x80},
             invlpg_ebx[] = {0x0F, 0x01, 0x3B, 0xCD, 0x80};

Exit with_eax(unsigned cpl, const void* at, u32 eax) {
    Context c = ring(cpl, at);
    c.eax = eax;
    c.ebx = window;
    return run(c);
}

void privilege(Report& report) {
    struct Row {
        const char* name;
        const void* at;
        u32 value;
        bool i486;
    };
    const Row rows[] = {
        {"MOV CR0", code(to_cr0), read_cr0(), false},
        {"MOV CR2", code(to_cr2), 0x1234, false},
        {"MOV CR3", code(to_cr3), read_cr3(), false},
        {"MOV from CR0", code(from_cr0), 0, false},
        {"MOV from CR3", code(from_cr3), 0, false},
        {"CLTS", code(clts), 0, false},
        {"LMSW", code(lmsw), read_cr0() & 0xF, false},
        {"INVLPG", code(invlpg_ebx), 0, true},
        {"MOV CR4", code(to_cr4), features().edx ? read_cr4() : 0, true},
    };
    for (const Row& r : rows) {
        for (unsigned cpl = 0; cpl < 4; ++cpl) {
            if (!report.next()) continue;
            report.describe("%s at CPL %u", r.name, cpl);
            if (r.i486 && !features().cpuid) {
                report.skip("not on a 386");
                continue;
            }
            report.expect_exit(with_eax(cpl, r.at, r.value), cpl == 0 ? end_vector : general_protection, 0);
        }
    }
}

void bad_cr0(Report& report, u32 value, const char* what) {
    if (!report.next()) return;
    report.describe("MOV CR0, %s", what);
    const u32 before = read_cr0();
    report.expect_exit(with_eax(0, code(to_cr0), value), general_protection, 0);
    report.expect("CR0", before, read_cr0());
}

u8 read_at(Report& report, u32 address) {
    Context c = ring(3, code({0x8A, 0x03, 0xCD, 0x80}));
    c.ebx = address;
    const Exit e = run(c);
    report.expect_exit(e, end_vector, 0);
    return static_cast<u8>(e.eax);
}

/// One entry that is a 4 MiB page with CR4.PSE and leads to a table without.
void pse_toggle(Report& report) {
    if (!report.next()) return;
    report.describe("CR4.PSE decides what bit 7 of a directory entry means");
    if (const char* reason = lacks(Format::legacy_large)) {
        report.skip(reason);
        return;
    }
    Space s(Format::legacy_large);
    word_at(large_frame) = frame(0) | static_cast<u32>(open); // as a table: its first entry
    byte_at(large_frame + 8) = 0x4A;
    byte_at(frame(0) + 8) = 0x4B;
    s.enter();
    s.set_directory(window, large_frame | large | open);
    flush();
    report.expect("with PSE", 0x4A, read_at(report, window + 8));
    write_cr4(read_cr4() & ~cr4_pse);
    flush();
    report.expect("without PSE", 0x4B, read_at(report, window + 8));
    write_cr4(read_cr4() | cr4_pse);
    flush();
    report.expect("with PSE again", 0x4A, read_at(report, window + 8));
}

/// PAE tables that are 32-bit tables too, so that CR4.PAE can change while paging is on (4.1.2 allows it; 4.10.4.1: the
/// change invalidates all translations). The directory's first entry is the first pointer; the first table is the PAE
/// directory, whose entry 0 maps the first 2 MiB through a PAE table; page 3 differs between the two. There is no way
/// back: the directory entry has been accessed, and that bit is reserved in a pointer.
void pae_toggle(Report& report) {
    if (!report.next()) return;
    report.describe("CR4.PAE changes while paging is on");
    if (const char* reason = lacks(Format::pae)) {
        report.skip(reason);
        return;
    }
    constexpr u32 root = 0x18'0000, shared = 0x18'1000, pae_table = 0x18'2000, first = 0x18'3000, second = 0x18'4000;
    constexpr u32 tested = 0x3000, bytes = 0x5000;
    memset(reinterpret_cast<void*>(root), 0, bytes);
    byte_at(first) = 0x32;
    byte_at(second) = 0x64;
    word_at(root) = shared | present;
    for (u32 i = 2; i < 512; ++i) word_at(shared + 4 * i) = (i * page) | static_cast<u32>(open);
    word_at(shared) = pae_table | static_cast<u32>(open); // page 0 of the one, the directory entry of the other
    word_at(shared + 4 * (tested / page)) = first | static_cast<u32>(open);
    for (u32 i = 0; i < 512; ++i) word_at(pae_table + 8 * i) = (i * page) | static_cast<u32>(open);
    word_at(pae_table + 8 * (tested / page)) = second | static_cast<u32>(open);
    const u32 old_cr0 = read_cr0(), old_cr4 = read_cr4(), old_cr3 = read_cr3();
    write_cr4((old_cr4 & ~cr4_pge) | cr4_pae);
    write_cr3(root);
    write_cr0((old_cr0 | cr0_pg) & ~cr0_wp);
    report.expect("PAE", 0x64, byte_at(tested));
    write_cr4(read_cr4() & ~cr4_pae);
    report.expect("32-bit", 0x32, byte_at(tested));
    report.expect_exit(with_eax(0, code(to_cr4), read_cr4() | cr4_pae), general_protection, 0);
    report.expect("CR4", old_cr4 & ~(cr4_pge | cr4_pae), read_cr4());
    write_cr0(old_cr0 & ~cr0_pg);
    write_cr3(old_cr3);
    write_cr4(old_cr4);
}

} // namespace

void control(Report& report) {
    {
        Space s(Format::legacy);
        s.enter();
        s.map(window, frame(0));
        flush();
        privilege(report);
        const u32 on = read_cr0();
        bad_cr0(report, on & ~cr0_pe, "PG without PE while both are on");
        if (features().cpuid) bad_cr0(report, on | cr0_nw, "NW without CD");
        if (report.next()) {
            report.describe("clearing PG: addresses are physical with the next instruction");
            byte_at(frame(0)) = 0x21;
            byte_at(window) = 0x22;
            report.expect("through the page", 0x22, byte_at(frame(0)));
            write_cr0(on & ~cr0_pg);
            report.require("no RAM at 2 GiB", byte_at(window) != 0x22);
            write_cr0(on);
            report.expect("with paging again", 0x22, byte_at(window));
        }
        write_cr0(on & ~cr0_pg);
        bad_cr0(report, (on | cr0_pg) & ~cr0_pe, "PG without PE while paging is off");
        if (features().cpuid) bad_cr0(report, (on & ~cr0_pg & ~cr0_cd) | cr0_nw, "NW without CD, paging off");
        if (features().edx != 0 && report.next()) {
            report.describe("MOV CR4 with a reserved bit");
            const u32 before = read_cr4();
            report.expect_exit(with_eax(0, code(to_cr4), before | 1u << 31), general_protection, 0);
            report.expect("CR4", before, read_cr4());
        }
        write_cr0(on);
    }
    pse_toggle(report);
    pae_toggle(report);
}

} // namespace paging
