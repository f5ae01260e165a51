// Warm code under changing translations: two address spaces that have other code at the same address, entered in turn
// by every kind of branch and by running on; and pages that are taken away from code that has run (SDM 3A 4.10.4.1;
// 4.10.4.2 tells software what to invalidate; MOV to CR3 and INVLPG serialise, 8.3).
#include "guests/system/code.hpp"
#include "guests/system/paging.hpp"

namespace modified {

namespace {

using paging::Format;
using paging::Space;
using paging::window;

constexpr u32 second_tables = 0x43'0000; // root, directory and table of the other space: six pages
constexpr u32 iterations = 120;

u32 entry_size(Format f) { return paging::is_pae(f) ? 8 : 4; }

/// A second root whose window has a table (or a large page) of its own; the rest is that of the first.
u32 second_root(Space& s, const u32* frames, u32 count, u64 bits) {
    const Format f = s.format();
    const bool pae = paging::is_pae(f);
    constexpr u32 root = second_tables, directory = second_tables + page, table = second_tables + 2 * page;
    const u32 pae_directory_of_window = 0x40'2000 + (window >> 30) * page;
    memcpy(reinterpret_cast<void*>(root), reinterpret_cast<const void*>(s.root()), page);
    memset(reinterpret_cast<void*>(table), 0, page);
    if (pae) {
        memcpy(reinterpret_cast<void*>(directory), reinterpret_cast<const void*>(pae_directory_of_window), page);
        word_at(root + 8 * (window >> 30)) = directory | 1;
    }
    const u32 window_entry = pae ? directory + ((window >> 21) & 0x1FF) * 8 : root + (window >> 22) * 4;
    if (paging::is_large(f)) {
        word_at(window_entry) = frames[0] | static_cast<u32>(bits | paging::large);
        return root;
    }
    word_at(window_entry) = table | static_cast<u32>(paging::open);
    for (u32 i = 0; i < count; ++i) word_at(table + i * entry_size(f)) = frames[i] | static_cast<u32>(bits);
    return root;
}

enum class Entry : u8 { direct_jump, indirect_jump, call, conditional, ret, running_on, straddling, count };
constexpr const char* entry_names[] = {
    "JMP", "JMP ECX", "CALL", "JNZ", "RET", "running on", "an instruction in both pages"};

/// The shared page (window's first) switches to the other space and goes to the second page, which differs: it adds 1
/// or 100h and comes back with JMP EBP.
void switch_spaces(Report& report, Space& s, Entry how, u32 shared_bits) {
    const u32 shared = paging::frame(0), own[2] = {paging::frame(1), paging::frame(2)};
    constexpr u32 edge = window + page;
    s.map(window, shared, paging::open | shared_bits);
    s.map(edge, own[0]);
    const u32 frames[2] = {shared | shared_bits, own[1]};
    const u32 roots[2] = {s.root(), second_root(s, frames, 2, paging::open)};
    paging::flush_all();

    // The straddling instruction: ADD EBX, imm32 with 4 bytes here and the immediate's upper half there.
    const bool straddles = how == Entry::straddling;
    const u32 additions[2] = {straddles ? 0x0001'0001u : 1u, straddles ? 0x0100'0001u : 0x100u};
    constexpr u32 back = window + 0x100;
    for (u32 i = 0; i < 2; ++i) {
        Emitter e(own[i]);
        if (straddles)
            e.bytes(static_cast<u8>(additions[i] >> 16), static_cast<u8>(additions[i] >> 24));
        else
            e.bytes(0x81, 0xC3).word(additions[i]);
        e.bytes(0xFF, 0xE5); // JMP EBP
    }
    // Switch: XCHG ESI, EDX; MOV CR3, ESI. What follows it fits in 16 bytes before the edge.
    const u32 begin = edge - 0x40;
    {
        Emitter e(shared + (begin - window));
        const u32 delta = window - shared;
        e.bytes(0x87, 0xD6, 0x0F, 0x22, 0xDE);
        switch (how) {
        case Entry::direct_jump: e.bytes(0xE9).word(edge - (e.at() + delta + 4)); break;
        case Entry::indirect_jump: e.bytes(0xFF, 0xE1); break;
        case Entry::call: e.bytes(0x58, 0xE8).word(edge - (e.at() + delta + 4)); break; // POP EAX keeps the stack level
        case Entry::conditional: e.bytes(0x85, 0xE4, 0x0F, 0x85).word(edge - (e.at() + delta + 4)); break;
        case Entry::ret: e.bytes(0x51, 0xC3); break; // PUSH ECX; RET
        case Entry::running_on: e.fill(shared + page - e.at()); break;
        default:
            e.fill(shared + page - 4 - e.at());
            e.bytes(0x81, 0xC3, static_cast<u8>(additions[0]), static_cast<u8>(additions[0] >> 8));
            break;
        }
    }
    // Back: DEC EDI; JNZ begin; INT 80h
    Emitter(shared + (back - window)).bytes(0x4F, 0x0F, 0x85).word(begin - (back + 7)).end();

    Context c = start(0, begin);
    c.edi = iterations;
    c.esi = roots[0];
    c.edx = roots[1];
    c.ecx = edge;
    c.ebp = back;
    c.eax = 0;
    const Exit x = run(c);
    write_cr3(roots[0]);
    report.expect_exit(x, end_vector, 0);
    report.expect("sum", iterations / 2 * (additions[0] + additions[1]), x.ebx);
}

/// The whole page differs; the kernel runs it in each space in turn, at changing levels.
void whole_page(Report& report, Space& s, bool warm_first) {
    const bool big = paging::is_large(s.format());
    const u32 own[2] = {big ? paging::large_frame : paging::frame(1),
                        big ? paging::second_large_frame : paging::frame(2)};
    s.map(window, own[0]);
    const u32 roots[2] = {s.root(), second_root(s, own + 1, 1, paging::open)};
    for (u32 i = 0; i < 2; ++i) Emitter(own[i] + 0x20).bytes(0xB8).word(0x1000 + i).end();
    paging::flush_all();
    if (warm_first) {
        for (u32 i = 0; i < 20; ++i) run(start(3, window + 0x20));
    }
    for (u32 i = 0; i < 100; ++i) {
        const u32 space = (i * 5 + i / 7) & 1;
        write_cr3(roots[space]);
        const Exit x = run(start(i % 3 ? 3 : 0, window + 0x20));
        report.expect_exit(x, end_vector, 0);
        report.expect("EAX", 0x1000 + space, x.eax);
    }
    write_cr3(roots[0]);
}

} // namespace

void address_spaces(Report& report) {
    paging::in_each_format(report, [&](Space& s) {
        if (features().pge()) write_cr4(read_cr4() | paging::cr4_pge);
        for (u32 warm = 0; warm < 2; ++warm) {
            if (!report.next()) continue;
            report.describe("%s, the kernel changes CR3 between runs%s", paging::name(s.format()),
                            warm ? ", warm code" : "");
            whole_page(report, s, warm != 0);
        }
        if (paging::is_large(s.format())) return;
        for (u32 how = 0; how < static_cast<u32>(Entry::count); ++how) {
            for (u32 is_global = 0; is_global < 2; ++is_global) {
                if (!report.next()) continue;
                report.describe("%s, a %s page goes to one that differs by %s", paging::name(s.format()),
                                is_global ? "global" : "shared", entry_names[how]);
                switch_spaces(report, s, static_cast<Entry>(how), is_global ? static_cast<u32>(paging::global) : 0);
            }
        }
    });
}

namespace {

/// A piece of warm code over the edge between two pages, or in one and going to the other.
struct Shape {
    const char* name;
    i32 start; ///< from the edge
    u8 bytes[12];
    u8 size;
    bool fetches_as_one; ///< EIP of the fault is the start; else it is the edge
};
constexpr Shape shapes[] = {
    {"an instruction in both pages, one byte before", -1, {0xB8, 1, 0, 0, 0, 0xCD, 0x80}, 7, true},
    {"an instruction in both pages, one byte behind", -4, {0xB8, 1, 0, 0, 0, 0xCD, 0x80}, 7, true},
    {"running on into the second page", -2, {0x40, 0x40, 0x40, 0xCD, 0x80}, 5, false},
    {"a jump into the second page", -12, {0xE9, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 12, false},
};

struct Loss {
    const char* name;
    u64 bits;   ///< what is left of the second page
    bool first; ///< it is the first page that loses
};
constexpr Loss losses[] = {
    {"the second page is not present", 0, false},
    {"the second page is the supervisor's", paging::present | paging::writable, false},
    {"the second page is no-execute", paging::open | paging::no_execute, false},
    {"the first page is not present", 0, true},
    {"the first page is the supervisor's", paging::present | paging::writable, true},
    {"the first page is no-execute", paging::open | paging::no_execute, true},
};

void revoke(Report& report, Space& s, const Shape& shape, const Loss& loss, bool by_invlpg, unsigned cpl) {
    constexpr u32 edge = window + page;
    const u32 at = edge + static_cast<u32>(shape.start);
    s.map(window, paging::frame(0));
    s.map(edge, paging::frame(1));
    paging::flush_all();
    Emitter e(paging::frame(1) + static_cast<u32>(shape.start)); // the two frames are neighbours
    for (u32 i = 0; i < shape.size; ++i) e.bytes(shape.bytes[i]);
    if (shape.size == 12) e.bytes(0xCD, 0x80);
    const bool denied =
        !(loss.bits & paging::present) || (loss.bits & paging::no_execute) || (cpl == 3 && !(loss.bits & paging::user));
    const u32 lost = loss.first ? window : edge, frame = paging::frame(loss.first ? 0 : 1);
    const u32 error = (loss.bits & paging::present ? paging::error_present : 0) | (cpl == 3 ? paging::error_user : 0) |
                      (s.nx() ? paging::error_fetch : 0);
    for (u32 round = 0; round < 6; ++round) {
        for (u32 i = 0; i < 3; ++i) report.expect_exit(run(start(cpl, at)), end_vector, 0);
        s.set_table(lost, frame | loss.bits);
        by_invlpg ? invlpg(lost) : paging::flush();
        const Exit x = run(start(cpl, at));
        report.expect_exit(x, denied ? paging::page_fault : end_vector, denied ? error : 0);
        if (denied) {
            report.expect("CR2", loss.first ? at : edge, x.cr2);
            report.expect("EIP", loss.first || shape.fetches_as_one ? at : edge, x.eip);
        }
        s.set_table(lost, frame | paging::open); // more rights: the fault has invalidated, or a flush does
        by_invlpg ? invlpg(lost) : paging::flush();
    }
}

} // namespace

void revoked(Report& report) {
    for (const Format format : {Format::legacy, Format::pae}) {
        if (paging::lacks(format)) continue;
        Space s(format);
        s.enter();
        for (const Shape& shape : shapes) {
            for (const Loss& loss : losses) {
                if ((loss.bits & paging::no_execute) && !s.nx()) continue;
                for (u32 n = 0; n < 4; ++n) {
                    if (!report.next()) continue;
                    const unsigned cpl = n & 1 ? 3 : 0;
                    report.describe("%s, %s, %s, %s, CPL %u", paging::name(format), shape.name, loss.name,
                                    n & 2 ? "INVLPG" : "MOV CR3", cpl);
                    if (n & 2 && !features().cpuid)
                        report.skip("the 386 has no INVLPG");
                    else
                        revoke(report, s, shape, loss, (n & 2) != 0, cpl);
                }
            }
        }
    }
}

} // namespace modified
