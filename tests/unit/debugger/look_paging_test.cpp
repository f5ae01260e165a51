// Paging as the debugger reads it, in every mode: against tables made by hand, and against the processor's own walk on
// tables that chance has filled.
#include "debugger/look/paging_text.hpp"
#include "debugger/view.hpp"
#include "mmu/access.hpp"
#include "mmu/page_walk.hpp"
#include "tests/unit/debugger/look_fixture.hpp"

#include <doctest/doctest.h>
#include <random>

using namespace glassbox;
using namespace glassbox::look;
using test::LookMachine;

namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// The table at 100000h and the next `tables` - 1 ones, all entries zero.
constexpr u64 first_table = 0x10'0000;

struct Setup {
    const char* name;
    u64 cr4_bits;
    bool long_mode;
    unsigned entry_bytes, levels;
};
constexpr Setup setups[] = {{"32-bit", 0, false, 4, 2},
                            {"PSE", cr4::PSE | cr4::PGE, false, 4, 2},
                            {"PAE", cr4::PAE | cr4::PGE, false, 8, 3},
                            {"4-level", cr4::PAE | cr4::PGE, true, 8, 4},
                            {"5-level", cr4::PAE | cr4::LA57, true, 8, 5}};

/// Tables full of entries that chance has made: mostly present, leading to other tables, some large, some reserved.
void fill(LookMachine& m, const Setup& s, std::mt19937& random) {
    constexpr unsigned tables = 12;
    for (unsigned t = 0; t < tables; ++t) {
        for (u64 at = 0; at < page_size; at += s.entry_bytes) {
            u64 entry = first_table + (random() % tables) * page_size;
            entry |= random() & 0x1FF;
            entry |= random() % 4 != 0; // P
            if (random() % 4 != 0) entry &= ~u64{0x80};
            if (random() % 64 == 0) entry |= u64{random()} << 32; // reserved bits, XD, keys
            if (s.entry_bytes == 4)
                m.put<u32>(first_table + t * page_size + at, static_cast<u32>(entry));
            else
                m.put<u64>(first_table + t * page_size + at,
                           (entry & ~(u64{0xFFF} << 52)) | (random() % 8 == 0 ? pte::no_execute : 0));
        }
    }
    for (unsigned i = 0; i < 4 && s.levels == 3; ++i)
        m.put<u64>(first_table + 8 * i, first_table + page_size * (i + 1) + (i != 2));
}

u64 some_address(const Setup& s, std::mt19937& random) {
    u64 linear = u64{random()} << 32 | random();
    if (s.levels < 4) return linear & 0xFFFF'FFFF;
    const unsigned unused = s.levels == 5 ? 7 : 16;
    return static_cast<u64>(static_cast<i64>(linear << unused) >> unused);
}

} // namespace

TEST_CASE("the debugger's walk finds what the processor's finds, in every mode") {
    for (const Setup& s : setups) {
        CAPTURE(s.name);
        std::mt19937 random(7);
        unsigned mapped = 0, reserved = 0;
        for (unsigned round = 0; round < 8; ++round) {
            LookMachine m;
            fill(m, s, random);
            m.enter_paging(first_table, s.cr4_bits, s.long_mode);
            REQUIRE(m.cpu.paging());
            REQUIRE(m.cpu.long_mode() == s.long_mode);
            REQUIRE(paging_shape(m.cpu).levels == s.levels);
            for (unsigned n = 0; n < 400; ++n) {
                const u64 linear = some_address(s, random);
                PageWalk processor;
                const auto result = processor.find(m.cpu, linear);
                const PagingWalk ours = walk_quietly(m.cpu, linear);
                CAPTURE(linear);
                u64 phys = 0;
                REQUIRE(translate_quietly(m.cpu, linear, phys) == ours.mapped());
                if (result == PageWalk::Result::mapped) {
                    ++mapped;
                    REQUIRE(ours.phys == phys);
                    REQUIRE(ours.page_shift == processor.page_shift);
                    REQUIRE(ours.writable == processor.writable());
                    REQUIRE(ours.user == processor.user_page());
                    REQUIRE(ours.dirty == processor.dirty());
                    if (s.long_mode) REQUIRE(ours.executable == processor.executable());
                    REQUIRE(ours.last().value == processor.leaf);
                } else {
                    const bool is_reserved = result == PageWalk::Result::reserved;
                    reserved += is_reserved;
                    REQUIRE((ours.result == PagingWalk::Result::reserved) == is_reserved);
                }
            }
        }
        CHECK(mapped > 300);
        if (s.entry_bytes == 8) CHECK(reserved > 20);
    }
}

TEST_CASE("ranges say of every page what its walk says") {
    for (const Setup& s : setups) {
        CAPTURE(s.name);
        std::mt19937 random(11);
        LookMachine m;
        fill(m, s, random);
        m.enter_paging(first_table, s.cr4_bits, s.long_mode);
        const u64 first = some_address(s, random) & ~u64{0x3F'FFFF};
        const u64 last = first + (std::min<u64>(u64{1} << 25, 0xFFFF'FFFF - (s.levels < 4 ? first : 0)) | page_mask);
        for (const bool physical : {false, true}) {
            const PageRanges found = merged_ranges(m.cpu, first, last, 100'000, physical);
            CHECK(found.end == Visit::complete);
            std::size_t at = 0;
            for (u64 page = first; page - first <= last - first; page += page_size) {
                while (at < found.ranges.size() && found.ranges[at].last < page) ++at;
                const bool inside = at < found.ranges.size() && found.ranges[at].first <= page;
                const PagingWalk walk = walk_quietly(m.cpu, page);
                CAPTURE(page);
                REQUIRE(inside == walk.mapped());
                if (!inside) continue;
                const PageRange& r = found.ranges[at];
                REQUIRE(r.writable == walk.writable);
                REQUIRE(r.user == walk.user);
                REQUIRE(r.executable == walk.executable);
                REQUIRE(r.global == walk.global);
                REQUIRE(r.shift == walk.page_shift);
                const u64 bus = (u64{1} << m.cpu.model->physical_bits) - 1;
                if (r.one_block) REQUIRE(((r.phys + (page - r.first)) & bus) == walk.phys);
                if (physical) REQUIRE(r.one_block);
            }
        }
    }
}

TEST_CASE("a small address space as tree, ranges and walk") {
    LookMachine m;
    m.put<u64>(first_table, 0x10'1007);                          // PML4E 0: user
    m.put<u64>(first_table + 8 * 511, 0x10'1003);                // and the same for the supervisor at the top
    m.put<u64>(0x10'1000, 0x10'2007);                            // PDPTE
    m.put<u64>(0x10'1000 + 8 * 510, 0x8000'0083 | u64{1} << 63); // 1 GiB, not executable
    m.put<u64>(0x10'2000, 0x10'3007);                            // PDE
    m.put<u64>(0x10'2008, 0x20'01E3);                            // 2 MiB, global, dirty
    for (u64 i = 0; i < 16; ++i) m.put<u64>(0x10'3000 + 8 * i, i * page_size | 5); // read-only user pages
    m.put<u64>(0x10'3000 + 8 * 16, 0x1'0007);
    m.enter_paging(first_table, cr4::PAE | cr4::PGE, true);
    std::string tree;
    write_page_tree(m.cpu, 0, ~u64{0}, 200, tree);
    CHECK(contains(tree, "4-level paging, CR3 00100000\n"));
    CHECK(contains(tree, "  PML4E 000     0000000000000000 -> table 00101000  P R/W U/S\n"));
    CHECK(contains(tree, "        PTE 000-00F   0000000000000000 -> 00000000  16 x 4 KiB  P U/S\n"));
    CHECK(contains(tree, "      PDE 001       0000000000200000 -> 00200000  2 MiB  P R/W A D PS G\n"));
    CHECK(contains(tree, "    PDPTE 1FE     FFFFFFFF80000000 -> 80000000  1 GiB  P R/W PS XD\n"));
    std::string ranges;
    write_page_ranges(m.cpu, 0, 0x7FFF'FFFF, 100, false, ranges);
    CHECK(contains(ranges, "0000000000000000  000000000000FFFF  64 KiB  4 KiB  r-x user"));
    CHECK(contains(ranges, "0000000000010000  0000000000010FFF   4 KiB  4 KiB  rwx user"));
    CHECK(contains(ranges, "2 MiB  rwx supervisor global  00200000"));
    std::string walk;
    write_walk(m.cpu, 0xFFFF'FFFF'8012'3456, walk);
    CHECK(contains(walk, "  PML4E 1FF at 00100FF8 = 0000000000101003  P R/W"));
    CHECK(contains(walk, "  PDPTE 1FE at 00101FF0 = 8000000080000083  P R/W PS XD"));
    CHECK(contains(walk, "  physical 80123456 (nothing answers there), 1 GiB page, rw- supervisor\n"));
    walk.clear();
    write_walk(m.cpu, 0x0000'8000'0000'0000, walk);
    CHECK(contains(walk, "not canonical: bits 63-47 differ"));
    walk.clear();
    write_walk(m.cpu, 0x1'1000, walk);
    CHECK(contains(walk, "not mapped: the entry is not present"));
    // Looking has set no accessed bit.
    CHECK(m.get<u64>(first_table) == 0x10'1007);
    CHECK(m.get<u64>(0x10'3000) == 5);
}

TEST_CASE("the walk tells of a translation that the TLB still has") {
    LookMachine m;
    m.put<u32>(first_table, 0x10'1003);
    for (u32 i = 0; i < 1024; ++i) m.put<u32>(0x10'1000 + 4 * i, i << 12 | 0x63);
    m.enter_paging(first_table, 0, false);
    u64 phys = 0;
    REQUIRE(translate(m.cpu, 0x5000, AccessKind::read, Privilege::current, phys));
    std::string text;
    write_walk(m.cpu, 0x5000, text);
    CHECK_FALSE(contains(text, "TLB"));
    m.put<u32>(0x10'1000 + 4 * 5, 0x9063);
    text.clear();
    write_walk(m.cpu, 0x5000, text);
    CHECK(contains(text, "the TLB still holds 00005000"));
    text.clear();
    write_tlb(m.cpu, 64, text);
    CHECK(contains(text, "00005000  00005000      1  read, write"));
    m.cpu.flush_tlb(false);
    text.clear();
    write_tlb(m.cpu, 64, text);
    CHECK_FALSE(contains(text, "00005000"));
}

TEST_CASE("tables that lead to themselves, into devices or nowhere end in bounded text") {
    for (const Setup& s : setups) {
        CAPTURE(s.name);
        LookMachine m;
        // Every entry of the root leads to the root.
        for (u64 at = 0; at < page_size; at += s.entry_bytes) {
            const u64 entry = first_table | (s.levels == 3 ? 1 : 7);
            s.entry_bytes == 4 ? m.put<u32>(first_table + at, static_cast<u32>(entry))
                               : m.put<u64>(first_table + at, entry);
        }
        m.enter_paging(first_table, s.cr4_bits, s.long_mode);
        std::string text;
        write_page_tree(m.cpu, 0, ~u64{0}, 200, text);
        write_page_ranges(m.cpu, 0x40'0000, 0x2'0000'0000, 200, true, text);
        CHECK(text.size() < 60'000);
        for (const u64 cr3 : {LookMachine::device_at, u64{0xF000'0000}, LookMachine::rom_at, u64{0xFFFF'F000}}) {
            m.cpu.cr3 = cr3;
            m.cpu.pdpte = {cr3 | 1, ~u64{0}, 1, cr3 | 1};
            text.clear();
            write_page_tree(m.cpu, 0, ~u64{0}, 200, text);
            write_page_ranges(m.cpu, 0, ~u64{0}, 200, false, text);
            write_walk(m.cpu, 0x1234'5678, text);
            u8 byte = 0;
            (void)read_linear_quietly(m.cpu, 0x1234'5678, {&byte, 1});
            CHECK(text.size() < 60'000);
        }
        CHECK(m.device.reads == 0);
    }
}
