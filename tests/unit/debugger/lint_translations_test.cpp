// Lint, translations that outlive their paging entries: what takes them away by the architecture and what does not
// (SDM 3A 4.10.2.3, 4.10.4.1, 4.10.4.2, 4.10.5).
#include "lint_fixture.hpp"

using namespace glassbox;
using namespace glassbox::lint_test;

namespace {

constexpr u8 use = 0x13; // 8A 13: MOV DL, [EBX]

std::vector<u8> around(const std::vector<u8>& between) {
    std::vector<u8> code{0x8A, use, 0x89, 0x07}; // MOV DL, [EBX]; MOV [EDI], EAX
    code.insert(code.end(), between.begin(), between.end());
    code.insert(code.end(), {0x8A, use, 0x90});
    return code;
}
const std::vector<u8> load_cr3{0x0F, 0x22, 0xDE}; // MOV CR3, ESI

/// 64-bit mode with PCIDs: the first 2 MiB as they are, but for 1F'0000h, which is 2'0000h.
struct Tagged : Guest {
    static constexpr u32 tables = 0x1'0000, entry = tables + 0x3000 + 0x1F0 * 8;
    Tagged() {
        fill(tables, 0x4000);
        fill(0x2'0000, 0x2000);
        for (u32 i = 0; i < 3; ++i) write32(tables + 0x1000 * i, (tables + 0x1000 * (i + 1)) | 7);
        for (u32 i = 0; i < 512; ++i) write32(tables + 0x3000 + 8 * i, i << 12 | 7);
        write32(entry, 0x2'0000 | 7);
        flat();
        Cpu& c = cpu();
        c.cr4 |= cr4::PAE | cr4::PCIDE;
        c.msrs.efer |= efer::LME | efer::LMA;
        c.cr3 = tables | 1;
        c.cr0 |= cr0::PG | cr0::WP;
        Segment& cs = c.seg[CS];
        cs.access = static_cast<decltype(cs.access)>((cs.access & ~u32{Segment::DB}) | Segment::L);
        c.flush_tlb(false);
        c.update_mode();
        c.gpr[RBX] = 0x1F'0000;
        c.gpr[RDI] = entry;
        c.gpr[RAX] = 0x2'1000 | 7;
    }
};

} // namespace

TEST_CASE("lint: CR3 writes and INVLPG take translations away, INVLPG of another page does not") {
    Paged cr3;
    cr3.run(around(load_cr3), 5);
    cr3.quiet();
    Paged other;
    other.cpu().gpr[RCX] = 0x30'1000;
    other.run(around({0x0F, 0x01, 0x39}), 5); // INVLPG [ECX]
    CHECK(has(other.only(LintKind::stale_translation), "maps another page"));
    Paged dirty; // from clean to dirty, and to more rights
    dirty.cpu().gpr[RAX] = 0x2'0000 | 0x67;
    dirty.run(around({}), 4);
    dirty.quiet();
    Paged more(1, 5);
    more.cpu().gpr[RAX] = 0x2'0000 | 7;
    more.run(around({}), 4);
    more.quiet();
}

TEST_CASE("lint: global translations survive CR3, not CR4.PGE") {
    Paged kept(1, 0x107);
    kept.cpu().cr4 |= cr4::PGE;
    kept.run(around(load_cr3), 5);
    CHECK(has(kept.only(LintKind::stale_translation), "reaches page 00300000"));
    Paged flushed(1, 0x107);
    flushed.cpu().cr4 |= cr4::PGE;
    flushed.cpu().gpr[RCX] = flushed.cpu().cr4 & ~cr4::PGE;
    flushed.run(around({0x0F, 0x22, 0xE1}), 5); // MOV CR4, ECX
    flushed.quiet();
    Paged page(1, 0x107);
    page.cpu().cr4 |= cr4::PGE;
    page.run(around({0x0F, 0x01, 0x3B}), 5); // INVLPG [EBX]
    page.quiet();
}

TEST_CASE("lint: a translation that our TLB has dropped by chance may still be another processor's") {
    Paged g; // 10'0000h shares the slot
    g.cpu().gpr[RCX] = 0x10'0000;
    g.run(around({0x8A, 0x31}), 5); // MOV DH, [ECX]
    CHECK(has(g.only(LintKind::stale_translation), "may reach page 00300000"));
}

TEST_CASE("lint: a large page goes with any INVLPG within it") {
    for (const bool flushes : {false, true}) {
        Paged g;
        g.cpu().cr4 |= cr4::PSE;
        g.write32(Paged::directory + 4, 0x87); // 40'0000h: the first 4 MiB
        g.cpu().flush_tlb(false);
        g.cpu().gpr[RBX] = 0x40'5000;
        g.cpu().gpr[RCX] = 0x70'0000;
        g.cpu().gpr[RDI] = Paged::directory + 4;
        g.cpu().gpr[RAX] = 0x40'0087;
        g.fill(0x5000, 0x1000);
        g.fill(0x40'5000, 0x1000);
        g.run(around(flushes ? std::vector<u8>{0x0F, 0x01, 0x39} : std::vector<u8>{0x90}), 5); // INVLPG [ECX]
        if (flushes)
            g.quiet();
        else
            CHECK(has(g.only(LintKind::stale_translation), "reaches page 00405000"));
    }
}

TEST_CASE("lint: code is fetched by an old translation") {
    for (const bool flushes : {false, true}) {
        Paged g;
        g.write(0x2'0000, {0xC3});
        g.write(0x2'1000, {0xC3});
        g.cpu().gpr[RSP] = 0x8000;
        std::vector<u8> code{0xFF, 0xD3, 0x89, 0x07}; // CALL EBX; MOV [EDI], EAX
        if (flushes)
            code.insert(code.end(), load_cr3.begin(), load_cr3.end());
        else
            code.push_back(0x90);
        code.insert(code.end(), {0xFF, 0xD3, 0x90});
        g.run(code, 7);
        if (flushes)
            g.quiet();
        else
            CHECK(has(g.only(LintKind::stale_translation), "reaches page 00300000"));
    }
}

TEST_CASE("lint: another processor's TLB is not flushed by this one's INVLPG") {
    for (const bool own : {false, true}) {
        Paged g(2);
        Cpu& other_cpu = g.machine->cpu(1);
        other_cpu.reset_now();
        other_cpu.wait_for_sipi = false;
        Guest::flat(other_cpu);
        Paged::page(other_cpu);
        std::vector<u8> loop{0x8A, use, 0x90, 0x90, 0x90, 0xEB, 0xF9};
        if (own) loop = {0x0F, 0x01, 0x3B, 0x8A, use, 0xEB, 0xF9}; // INVLPG [EBX] each time
        g.write(0x1200, loop);
        other_cpu.ip = 0x1200;
        std::vector<u8> code(200, 0x90);
        code.insert(code.end(), {0x89, 0x07, 0x0F, 0x01, 0x3B, 0xEB, 0xFE}); // MOV [EDI], EAX; INVLPG [EBX]; JMP $
        // The first looks for a while, so that the other_cpu has had its turn.
        code.insert(code.begin(), {0xB9, 0x00, 0x00, 0x02, 0x00, 0xE2, 0xFE}); // MOV ECX, 2'0000h; LOOP $
        g.run(code, 1'000'000, 0x4000);
        if (own) {
            g.quiet();
        } else {
            CHECK(has(g.only(LintKind::stale_translation), "by CPU 0: this processor's own TLB"));
            CHECK(g.lint->warnings()[0].processor == 1);
        }
    }
}

TEST_CASE("lint: with PCIDs, MOV to CR3 flushes one, or with bit 63 nothing (SDM 3A 4.10.4.1)") {
    constexpr u64 keep = u64{1} << 63;
    for (const u64 cr3 : {u64{Tagged::tables | 1}, Tagged::tables | 1 | keep}) {
        Tagged g;
        g.cpu().gpr[RSI] = cr3;
        g.run(around(load_cr3), 5);
        if (cr3 & keep)
            CHECK(has(g.only(LintKind::stale_translation), "reach page 001F0000"));
        else
            g.quiet();
    }
    Tagged away; // to PCID 2, which is flushed, and back without a flush
    away.cpu().gpr[RSI] = Tagged::tables | 2;
    away.cpu().gpr[RCX] = Tagged::tables | 1 | keep;
    away.run(around({0x0F, 0x22, 0xDE, 0x0F, 0x22, 0xD9}), 6);
    CHECK(has(away.only(LintKind::stale_translation), "reach page 001F0000"));
    Tagged stays; // in PCID 2 it is nobody's
    stays.cpu().gpr[RSI] = Tagged::tables | 2;
    stays.run(around(load_cr3), 5);
    stays.quiet();
}
