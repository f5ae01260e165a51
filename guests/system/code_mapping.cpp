// Code in pages: written through another linear address of the same frame; and a linear address whose frame changes
// under the code that runs there.
//
// A write through another linear address is seen after a serialising instruction (SDM 3A 11.6, 8.1.3); INVLPG and MOV
// to CR3 are serialising themselves (8.3), and drop the old translation (4.10.4.1).
#include "guests/system/code.hpp"
#include "guests/system/paging.hpp"

namespace modified {

namespace {

using paging::Format;
using paging::Space;

constexpr u32 window = paging::window;
constexpr u32 iterations = 150;

/// CPUID where there is one; else a jump, which is what older processors need.
void serialise(Emitter& e) {
    if (features().cpuid)
        e.bytes(0x53, 0x51, 0x52, 0x31, 0xC0, 0x0F, 0xA2, 0x5A, 0x59, 0x5B); // PUSH EBX, ECX, EDX; CPUID; POP
    else
        e.jump(e.at() + 5);
}

enum class Writer : u8 { other_page, identity, string, count };
constexpr const char* writer_names[] = {"another page of the window", "the frame's own address", "REP STOSB"};

/// A loop in the window's first page that changes the immediate of its own first instruction through another address.
void alias_loop(Report& report, Space& s, u32 offset, Writer writer, unsigned cpl) {
    const bool big = paging::is_large(s.format());
    const u32 frame = big ? paging::large_frame : paging::frame(0);
    const u32 alias = window + s.leaf_size();
    s.map(window, frame);
    s.map(alias, frame);
    if (!big) { // two frames, so that code can cross the edge; the alias of both is two pages further
        s.map(window + paging::page, paging::frame(1));
        s.map(window + 2 * paging::page, frame);
        s.map(window + 3 * paging::page, paging::frame(1));
    }
    paging::flush();
    const u32 alias_of_window = big ? alias : window + 2 * paging::page;
    const u32 begin = window + offset;
    const u32 distance = (writer == Writer::identity ? frame : alias_of_window) - window;
    Emitter e(begin);
    e.bytes(0xB0, 0, 0x01, 0xC3, 0x41); // MOV AL, imm8; ADD EBX, EAX; INC ECX
    const u32 written = begin + 1 + distance;
    if (writer == Writer::string) {
        e.bytes(0x88, 0xC8, 0x51, 0x57); // MOV AL, CL; PUSH ECX; PUSH EDI
        e.bytes(0xBF).word(written).bytes(0xB9).word(1).bytes(0xF3, 0xAA, 0x5F, 0x59);
    } else {
        e.store_cl(written);
    }
    serialise(e);
    e.bytes(0x31, 0xC0, 0x4F).jump_if_not_zero(begin).end();
    Context c = start(cpl, begin);
    c.edi = iterations;
    const Exit x = run(c);
    report.expect_exit(x, end_vector, 0);
    report.expect("sum", iterations * (iterations - 1) / 2, x.ebx);
}

} // namespace

void aliases(Report& report) {
    paging::in_each_format(report, [&](Space& s) {
        for (u32 w = 0; w < static_cast<u32>(Writer::count); ++w) {
            for (u32 offset = 0xFC0; offset <= 0x1000; ++offset) {
                for (const unsigned cpl : {0u, 3u}) {
                    if (!report.next()) continue;
                    report.describe("%s, offset %03x, through %s, CPL %u", paging::name(s.format()), offset,
                                    writer_names[w], cpl);
                    alias_loop(report, s, offset, static_cast<Writer>(w), cpl);
                }
            }
        }
    });
}

namespace {

enum class Flush : u8 { invlpg, cr3, count };
constexpr const char* flush_names[] = {"INVLPG", "MOV CR3"};

/// Emits, at the linear address that `at` stands for: [leaf] := ESI or EDX in turn, flush. Registers: EBP the entry.
void remap(Emitter& e, Flush flush, u32 page_linear) {
    e.bytes(0x87, 0xD6);       // XCHG ESI, EDX: the other frame's entry comes into ESI
    e.bytes(0x89, 0x75, 0x00); // MOV [EBP], ESI
    if (flush == Flush::invlpg)
        e.bytes(0x0F, 0x01, 0x3D).word(page_linear);
    else
        e.bytes(0x0F, 0x20, 0xD8, 0x0F, 0x22, 0xD8); // MOV EAX, CR3; MOV CR3, EAX
}

/// Where the leaf's entry lies, so that code in the window can change it.
u32 entry_address(Space& s, u32 linear) {
    const u64 table = s.directory(linear) & ~0xFFFULL;
    if (!paging::is_large(s.format()))
        return static_cast<u32>(table) +
               (paging::is_pae(s.format()) ? ((linear >> 12) & 0x1FF) * 8 : ((linear >> 12) & 0x3FF) * 4);
    return paging::is_pae(s.format()) ? 0x40'2000 + (linear >> 21) * 8 : s.root() + (linear >> 22) * 4;
}

bool cannot_flush(Report& report, Flush flush) {
    if (flush != Flush::invlpg || features().cpuid) return false;
    report.skip("the 386 has no INVLPG");
    return true;
}

} // namespace

// The same code in two frames, but for what it adds after the remapping: 1 in one, 100h in the other. Each iteration
// changes to the other frame in its middle.
void remapped(Report& report) {
    paging::in_each_format(report, [&](Space& s) {
        const bool big = paging::is_large(s.format());
        const u32 frames[2] = {big ? paging::large_frame : paging::frame(0),
                               big ? paging::second_large_frame : paging::frame(1)};
        for (u32 f = 0; f < static_cast<u32>(Flush::count); ++f) {
            const Flush flush = static_cast<Flush>(f);
            for (const u32 offset : {0u, 0x123u, 0x800u, 0xFC0u}) {
                for (const u32 distance : {0u, 1u, 10u, 40u}) {
                    if (offset == 0xFC0 && distance > 10) continue; // would leave the page
                    for (u32 is_global = 0; is_global < 2; ++is_global) {
                        if (!report.next()) continue;
                        report.describe("%s, offset %03x, %s, %u bytes before the difference%s",
                                        paging::name(s.format()), offset, flush_names[f], distance,
                                        is_global ? ", global bit" : "");
                        if (cannot_flush(report, flush)) continue;
                        const u64 bits = paging::open | (big ? paging::large : 0) | (is_global ? paging::global : 0);
                        s.map(window, frames[0]);
                        s.set_leaf(window, frames[0] | bits);
                        paging::flush_all();
                        for (u32 i = 0; i < 2; ++i) {
                            Emitter e(frames[i] + offset);
                            remap(e, flush, window + offset);
                            e.fill(distance).bytes(0x81, 0xC3).word(i ? 0x100 : 1); // ADD EBX, imm32
                            e.bytes(0x4F, 0x75, static_cast<u8>(frames[i] + offset - (e.at() + 3))).end();
                        }
                        Context c = start(0, window + offset);
                        c.edi = iterations;
                        c.ebp = entry_address(s, window);
                        c.esi = static_cast<u32>(frames[0] | bits);
                        c.edx = static_cast<u32>(frames[1] | bits);
                        const Exit x = run(c);
                        report.expect_exit(x, end_vector, 0);
                        report.expect("sum", iterations / 2 * 0x101, x.ebx);
                    }
                }
            }
        }
    });
}

// MOV EAX, imm32 lies in two pages; the second page's frame alternates between two with other halves of the immediate.
// The loop that changes it runs in the first page and in a page of its own.
void remapped_half(Report& report) {
    for (const Format format : {Format::legacy, Format::pae}) {
        if (paging::lacks(format)) continue;
        Space s(format);
        s.enter();
        for (u32 f = 0; f < static_cast<u32>(Flush::count); ++f) {
            const Flush flush = static_cast<Flush>(f);
            for (u32 before = 1; before < 5; ++before) {
                for (u32 own_page = 0; own_page < 2; ++own_page) {
                    if (!report.next()) continue;
                    report.describe("%s, %u bytes in the first page, %s, the loop %s", paging::name(format), before,
                                    flush_names[f], own_page ? "elsewhere" : "in the first page");
                    if (cannot_flush(report, flush)) continue;
                    constexpr u32 edge = window + paging::page, loop_page = window + 4 * paging::page;
                    s.map(window, paging::frame(0));
                    s.map(edge, paging::frame(1));
                    s.map(loop_page, paging::frame(3));
                    paging::flush();
                    const u32 at = edge - before;
                    const u32 back = own_page ? loop_page + 0x100 : window + 0x100;
                    u32 expected = 0;
                    u32 values[2];
                    for (u32 i = 0; i < 2; ++i) {
                        u8 instruction[5] = {0xB8, 0x10, 0x20, 0x30, 0x40};
                        if (i) {
                            for (u32 n = before; n < 5; ++n) instruction[n] = static_cast<u8>(instruction[n] + n);
                        }
                        values[i] = instruction[1] | static_cast<u32>(instruction[2]) << 8 |
                                    static_cast<u32>(instruction[3]) << 16 | static_cast<u32>(instruction[4]) << 24;
                        for (u32 n = 0; n < before; ++n) byte_at(paging::frame(1) - before + n) = instruction[n];
                        Emitter e(paging::frame(1 + i));
                        for (u32 n = before; n < 5; ++n) e.bytes(instruction[n]);
                        e.bytes(0xFF, 0xE1); // JMP ECX
                    }
                    // ECX: ADD EBX, EAX; remap; DEC EDI; JZ end; JMP at
                    Emitter e(back);
                    e.bytes(0x01, 0xC3);
                    remap(e, flush, edge);
                    e.bytes(0x4F, 0x74, 0x05).jump(at).end();
                    Context c = start(0, at);
                    c.edi = iterations;
                    c.ecx = back;
                    c.ebp = entry_address(s, edge);
                    c.esi = paging::frame(1) | static_cast<u32>(paging::open);
                    c.edx = paging::frame(2) | static_cast<u32>(paging::open);
                    const Exit x = run(c);
                    expected = iterations / 2 * (values[0] + values[1]);
                    report.expect_exit(x, end_vector, 0);
                    report.expect("sum", expected, x.ebx);
                }
            }
        }
    }
}

} // namespace modified
