// Large pages, CR0.WP, several linear addresses of one frame, more pages than any TLB holds, tables that map
// themselves, and INVLPG's operands.
#include "guests/system/tlb.hpp"

namespace tlb {

namespace {
/// CPUID.80000008h:EBX (AMD64 APM 3, E.4.7); zero where there is none.
u32 amd_extensions() {
    if (!features().cpuid) return 0;
    u32 a = 0x8000'0000, b = 0, c = 0, d = 0;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if (a < 0x8000'0008 || a > 0x8000'FFFF) return 0;
    a = 0x8000'0008, c = 0;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return b;
}
} // namespace

// INVLPG anywhere in a large page drops all that is cached of it (SDM 3A 4.10.4.1).
void large_pages(Report& report) {
    for (const Format format : {Format::legacy_large, Format::pae_large}) {
        if (const char* reason = paging::lacks(format)) {
            if (report.next()) report.skip(reason);
            continue;
        }
        Space s(format);
        s.enter();
        const Frames f(s);
        const u32 size = s.leaf_size();
        const u32 spots[] = {0, 0x1000, 0x5000, size / 2, size / 2 + 0x3000, size - 0x2000, size - 0x1000};
        for (const u32 invalidated : spots) {
            for (u32 kind = 0; kind < 2; ++kind) { // 0: another frame; 1: split into 4 KiB pages
                if (!report.next()) continue;
                report.describe("%s, INVLPG at offset %x, the page %s", paging::name(format), invalidated,
                                kind ? "is split" : "changes its frame");
                for (const u32 spot : spots) {
                    byte_at(f.first + spot) = 0x11;
                    byte_at(f.second + spot) = 0x22;
                }
                s.map(window, f.first);
                paging::flush();
                for (const u32 spot : spots) report.expect("before", 0x11, byte_at(window + spot));
                if (kind == 0) {
                    s.map(window, f.second);
                } else {
                    for (u32 at = 0; at < size; at += paging::page) s.set_table(window + at, (f.second + at) | open);
                    s.set_directory(window, s.table_entry(window, open));
                }
                invlpg(window + invalidated);
                for (const u32 spot : spots) report.expect("afterwards", 0x22, byte_at(window + spot));
            }
        }
    }
}

// CR0.WP counts for the next access: translations hold the page's rights, not the outcome (SDM 3A 4.6.1).
void write_protect(Report& report) {
    if (!features().cpuid) {
        if (report.next()) report.skip("the 386 has no CR0.WP");
        return;
    }
    paging::in_each_format(report, [&](Space& s) {
        const Frames f(s);
        for (const unsigned cpl : {0u, 1u, 2u, 3u}) {
            if (!report.next()) continue;
            report.describe("%s, a read-only page, CR0.WP changes between writes at CPL %u", paging::name(s.format()),
                            cpl);
            s.map(window, f.first);
            s.set_leaf(window, f.first | paging::present | paging::user | size_bit(s));
            paging::flush();
            const u32 off = read_cr0() & ~paging::cr0_wp;
            for (u32 i = 0; i < 6; ++i) {
                f.mark();
                const bool wp = (i & 1) != 0;
                write_cr0(off | (wp ? paging::cr0_wp : 0));
                const Exit e = touch(Access::write, cpl, window);
                const bool fault = wp || cpl == 3;
                report.expect_exit(e, fault ? paging::page_fault : end_vector,
                                   fault ? error_of(s, Access::write, cpl) | paging::error_present : 0);
                report.expect("written", !fault, byte_at(f.first + offset) == written);
            }
            write_cr0(off);
        }
    });
}

// What is written through one linear address is read through another at once; each has entries of its own.
void alias_pages(Report& report) {
    for (const Format format : {Format::legacy, Format::pae}) {
        if (paging::lacks(format)) continue;
        Space s(format);
        s.enter();
        constexpr u32 one = window, two = window + 5 * paging::page, frame = paging::frame(0);
        if (report.next()) {
            report.describe("%s, writes through two pages and the frame's own address, 300 times",
                            paging::name(format));
            s.map(one, frame);
            s.map(two, frame);
            paging::flush();
            for (u32 i = 0; i < 300; ++i) {
                const u32 at = (i * 52) & 0xFFC;
                const u32 addresses[3] = {one + at, two + at, frame + at};
                word_at(addresses[i % 3]) = i * 0x0101'0101;
                for (const u32 a : addresses) report.expect("word", i * 0x0101'0101, word_at(a));
            }
        }
        if (report.next()) {
            report.describe("%s, dirty and accessed are each page's own", paging::name(format));
            s.map(one, frame);
            s.map(two, frame);
            paging::flush();
            word_at(one) = 1;
            constexpr u64 both = paging::accessed | paging::dirty;
            report.expect("the one that was written", static_cast<u32>(both), static_cast<u32>(s.table(one) & both));
            report.expect("the other", 0, static_cast<u32>(s.table(two) & both));
            report.expect("word", 1, word_at(two));
            report.expect("the other, read", static_cast<u32>(paging::accessed), static_cast<u32>(s.table(two) & both));
        }
        if (report.next()) {
            report.describe("%s, one goes, the other stays", paging::name(format));
            s.map(one, frame);
            s.map(two, frame);
            paging::flush();
            touch(Access::write, 3, one);
            touch(Access::write, 3, two);
            s.set_table(one, 0);
            paging::flush();
            report.expect_exit(touch(Access::write, 3, one), paging::page_fault, error_of(s, Access::write, 3));
            report.expect_exit(touch(Access::write, 3, two), end_vector, 0);
        }
        if (report.next()) {
            report.describe("%s, one is read-only, the other writable", paging::name(format));
            s.map(one, frame, paging::present | paging::user);
            s.map(two, frame);
            paging::flush();
            for (u32 i = 0; i < 4; ++i) {
                report.expect_exit(touch(Access::write, 3, one), paging::page_fault,
                                   error_of(s, Access::write, 3) | paging::error_present);
                byte_at(frame + offset) = static_cast<u8>(i);
                report.expect_exit(touch(Access::write, 3, two), end_vector, 0);
                report.expect("through the read-only page", written, byte_at(one + offset));
            }
        }
    }
}

// A thousand pages, in order and in another, before and after all of them change places.
void many(Report& report) {
    for (const Format format : {Format::legacy, Format::pae}) {
        if (paging::lacks(format)) continue;
        Space s(format);
        s.enter();
        constexpr u32 pages = 1024, frames = paging::large_frame;
        for (u32 i = 0; i < pages; ++i) word_at(frames + i * paging::page) = i;
        for (u32 step = 0; step < 4; ++step) {
            if (!report.next()) continue;
            const u32 shift = 257 * step;
            report.describe("%s, 1024 pages, shifted by %u", paging::name(format), shift);
            for (u32 i = 0; i < pages; ++i)
                s.map(window + i * paging::page, frames + ((i + shift) & (pages - 1)) * paging::page);
            paging::flush();
            for (u32 pass = 0; pass < 3; ++pass) {
                for (u32 n = 0; n < pages; ++n) {
                    const u32 i = pass == 1 ? (n * 333) & (pages - 1) : n;
                    report.expect("word", (i + shift) & (pages - 1), word_at(window + i * paging::page));
                }
            }
            for (u32 i = 0; i < pages; ++i) { // each one alone
                s.map(window + i * paging::page, frames + i * paging::page);
                if (features().cpuid)
                    invlpg(window + i * paging::page);
                else
                    paging::flush();
                report.expect("word after INVLPG", i, word_at(window + i * paging::page));
            }
        }
    }
}

// The window's table mapped in the window: entries change through the pages that they map.
void own_table(Report& report) {
    for (const Format format : {Format::legacy, Format::pae}) {
        if (paging::lacks(format)) continue;
        Space s(format);
        s.enter();
        if (!report.next()) continue;
        report.describe("%s, a table that maps itself", paging::name(format));
        constexpr u32 tested = window + 3 * paging::page, table = window + 7 * paging::page;
        const u32 size = paging::is_pae(format) ? 8 : 4;
        s.map(table, static_cast<u32>(s.table_entry(window, 0)));
        paging::flush();
        for (u32 i = 0; i < 16; ++i) word_at(paging::frame(i)) = 100 + i;
        for (u32 i = 0; i < 100; ++i) {
            word_at(table + 3 * size) = paging::frame(i & 15) | static_cast<u32>(open);
            if (features().cpuid)
                invlpg(tested);
            else
                paging::flush();
            report.expect("word", 100 + (i & 15), word_at(tested));
            report.expect("accessed", static_cast<u32>(paging::accessed),
                          word_at(table + 3 * size) & static_cast<u32>(paging::accessed | paging::dirty));
            word_at(tested) = 100 + (i & 15);
            report.expect("dirty", static_cast<u32>(paging::accessed | paging::dirty),
                          word_at(table + 3 * size) & static_cast<u32>(paging::accessed | paging::dirty));
        }
    }
}

// INVLPG takes any address, mapped or not, with any segment; a register is no operand; only the kernel may.
void invlpg_operands(Report& report) {
    if (!features().cpuid) {
        if (report.next()) report.skip("the 386 has no INVLPG");
        return;
    }
    Space s(Format::legacy);
    s.enter();
    const Frames f(s);
    for (unsigned cpl = 0; cpl < 4; ++cpl) {
        if (!report.next()) continue;
        report.describe("at CPL %u", cpl);
        Context c = ring(cpl, code({0x0F, 0x01, 0x3B, 0xCD, 0x80}));
        c.ebx = window;
        report.expect_exit(run(c), cpl == 0 ? end_vector : paging::general_protection, 0);
    }
    for (const u32 address : {0u, 0xFFFF'FFFFu, 0x7000'0000u, window + 0x123'4567}) {
        if (!report.next()) continue;
        report.describe("of %08x, mapped or not", address);
        Context c = ring(0, code({0x0F, 0x01, 0x3B, 0xCD, 0x80}));
        c.ebx = address;
        report.expect_exit(run(c), end_vector, 0);
    }
    for (u32 reg = 0; reg < 8; ++reg) {
        if (!report.next()) continue;
        report.describe("register %u as operand", reg);
        if (reg == 1 && (features().extended_edx >> 27 & 1)) {
            report.skip("the encoding is RDTSCP");
            continue;
        }
        if ((reg == 4 && (amd_extensions() & 1)) || (reg == 5 && (amd_extensions() >> 4 & 1))) {
            report.skip("the encoding is CLZERO or RDPRU");
            continue;
        }
        report.expect_exit(run(ring(0, code({0x0F, 0x01, static_cast<u8>(0xF8 + reg), 0xCD, 0x80}))), 6, 0);
    }
    if (report.next()) {
        report.describe("the address is the segment's base and the offset");
        gdt[first_free / 8] = descriptor(window - 0x10'0000, 0xFFFFF, 0x13, 0, true, true, true);
        f.mark();
        s.map(window, f.first);
        paging::flush();
        touch(Access::read, 0, window);
        s.map(window, f.second);
        Context c = ring(0, code({0x0F, 0x01, 0x3B, 0xCD, 0x80}));
        c.ds = first_free;
        c.ebx = 0x10'0000;
        report.expect_exit(run(c), end_vector, 0);
        report.expect("frame", 1, f.reached(touch(Access::read, 0, window), Access::read, window));
    }
}

} // namespace tlb
