// Faults of instruction fetches: pages and limits in the middle of an instruction, behind it, and at a jump's target
// (SDM 3A 5.3, 6.15; SDM 2, JMP, CALL, RET).
#include "guests/system/faults.hpp"

namespace faults {

namespace {

/// An instruction for each length.
constexpr u8 by_length[][8] = {
    {0x90}, {0x89, 0xC0}, {0x83, 0xC8, 0x00}, {0x66, 0x0D, 0x00, 0x00}, {0x0D, 0, 0, 0, 0}, {0x81, 0xC8, 0, 0, 0, 0}};
constexpr u32 lengths = sizeof by_length / sizeof *by_length;

u8* at(u32 linear) { return reinterpret_cast<u8*>(linear); }

/// An instruction of `length` bytes whose last `absent` are on the absent page, behind `before` NOPs.
void page_edge(Report& report, u32 length, u32 absent, u32 before, unsigned cpl) {
    reset_tables();
    paging_on();
    page(absent_page, true);
    const u32 start = absent_page + absent - length;
    memset(at(start - 8), 0x90, 8);
    memcpy(at(start), by_length[length - 1], length);
    page(absent_page, false);
    Context c = ring(cpl, at(start - before));
    const Exit e = run(c);
    paging_off();
    report.expect_exit(e, 14, cpl == 3 ? 4 : 0);
    report.expect("EIP", start, e.eip);
    report.expect("CR2", absent == length ? start : absent_page, e.cr2);
    report.expect("RF", rf, e.eflags & rf);
    report.expect("other flags", c.eflags, e.eflags & ~rf);
}

constexpr u32 code_base = arena_begin + 0x6'0000;

/// Code in a segment whose last byte is at `limit`; the instruction needs `missing` bytes more than there are.
void limit_edge(Report& report, u32 length, u32 missing, u32 before, unsigned cpl) {
    reset_tables();
    constexpr u32 limit = 0x4FF;
    const u32 start = limit + 1 + missing - length;
    memset(at(code_base), 0x90, 0x600);
    memcpy(at(code_base + start), by_length[length - 1], length);
    memcpy(at(code_base + start + length), "\xCD\x80", 2);
    gdt[spare / 8] = descriptor(code_base, limit + (missing == 0 ? 2 : 0), 0x1B, cpl);
    Context c = ring(cpl, nullptr);
    c.cs = spare | cpl;
    c.eip = start - before;
    const Exit e = run(c);
    reset_tables();
    if (missing == 0) return report.expect_exit(e, end_vector, 0);
    report.expect_exit(e, 13, 0);
    report.expect("EIP", start, e.eip);
    report.expect("CS", c.cs, e.cs);
    report.expect("RF", rf, e.eflags & rf);
}

struct Jump {
    const char* name;
    u8 bytes[10];
};
constexpr u32 target = 0x800; // behind the limit
constexpr Jump jumps[] = {
    {"JMP rel32", {0xE9, 0xFB, 0x07, 0, 0}},
    {"JMP r32", {0xFF, 0xE0}},
    {"JMP m32", {0xFF, 0x22}},
    {"JZ rel32", {0x0F, 0x84, 0xFA, 0x07, 0, 0}},
    {"CALL rel32", {0xE8, 0xFB, 0x07, 0, 0}},
    {"CALL r32", {0xFF, 0xD0}},
    {"CALL m32", {0xFF, 0x12}},
    {"RET", {0xC3}},
    {"RET imm16", {0xC2, 8, 0}},
};

/// The branch itself faults: EIP and ESP are as before it.
void jump_beyond(Report& report, const Jump& j, unsigned cpl) {
    reset_tables();
    memset(at(code_base), 0xCC, 0x900);
    memcpy(at(code_base), j.bytes, sizeof j.bytes);
    gdt[spare / 8] = descriptor(code_base, 0x4FF, 0x1B, cpl);
    static u32 pointer;
    pointer = target;
    Context c = ring(cpl, nullptr);
    c.cs = spare | cpl;
    c.eip = 0;
    c.eax = target;
    c.edx = address(&pointer);
    c.eflags |= 0x40; // ZF
    c.esp -= 16;
    *reinterpret_cast<u32*>(c.esp) = target;
    const Exit e = run(c);
    reset_tables();
    report.expect_exit(e, 13, 0);
    report.expect("EIP", 0, e.eip);
    report.expect("ESP", c.esp, e.esp);
}

} // namespace

void fetches(Report& report) {
    for (u32 length = 1; length <= lengths; ++length) {
        for (u32 absent = 1; absent <= length; ++absent) {
            for (const u32 before : {0u, 1u, 5u}) {
                for (unsigned cpl = 0; cpl < 4; cpl += 3) {
                    if (!report.next()) continue;
                    report.describe("%u bytes, %u of them on an absent page, behind %u NOPs, CPL %u", length, absent,
                                    before, cpl);
                    page_edge(report, length, absent, before, cpl);
                }
            }
        }
    }
    for (u32 length = 1; length <= lengths; ++length) {
        for (u32 missing = 0; missing <= length; ++missing) {
            for (const u32 before : {0u, 1u, 5u}) {
                for (unsigned cpl = 0; cpl < 4; cpl += 3) {
                    const bool unreachable = before == 0 && missing == length; // IRET itself would fault
                    if (unreachable || !report.next()) continue;
                    report.describe("%u bytes, %u of them beyond the limit, behind %u NOPs, CPL %u", length, missing,
                                    before, cpl);
                    limit_edge(report, length, missing, before, cpl);
                }
            }
        }
    }
    for (const Jump& j : jumps) {
        for (unsigned cpl = 0; cpl < 4; ++cpl) {
            if (!report.next()) continue;
            report.describe("%s beyond the limit, CPL %u", j.name, cpl);
            jump_beyond(report, j, cpl);
        }
    }
}

} // namespace faults
