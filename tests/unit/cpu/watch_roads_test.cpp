// Watched pages: every road to memory tells the probe of exactly the bytes that it touches (cpu/probe.hpp).
#include "paging64_fixture.hpp"
#include "watch_fixture.hpp"

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

struct Watched : Machine {
    Ear ear;
    Watched() {
        ear.pages.insert(watched_at);
        cpu.probe = &ear;
        cpu.cr4 |= cr4::OSFXSR;
        for (u32 i = 0; i < 0x1000; ++i) put<u8>(watched_at + i, static_cast<u8>(i));
        cpu.gpr[RBX] = watched_at;
    }
    std::string heard(const std::vector<u8>& bytes, u64 count = 1, bool values = false) {
        ear.heard.clear();
        run_bytes(*this, bytes, count);
        CHECK(cpu.fault_chain_length == 0);
        return ear.take(values);
    }
};

} // namespace

TEST_CASE("watched pages: moves and read-modify-write, with values") {
    Watched m;
    m.cpu.set_r32(RAX, 0x1122'3344);
    CHECK(m.heard({0x8B, 0x43, 0x10}, 1, true) == "r4 60010=13121110");
    m.cpu.set_r32(RAX, 0x1122'3344);
    CHECK(m.heard({0x89, 0x43, 0x10}, 1, true) == "w4 60010=11223344");
    CHECK(m.heard({0x88, 0x43, 0x20}, 1, true) == "w1 60020=44");
    CHECK(m.heard({0x66, 0x8B, 0x43, 0x10}, 1, true) == "r2 60010=3344");
    CHECK(m.heard({0x83, 0x43, 0x10, 1}, 1, true) == "r4 60010=11223344 w4 60010=11223345");
    run_bytes(m, {0xC6, 0x43, 0x30, 0xEE});
    REQUIRE(m.ear.heard.size() == 1);
    CHECK(m.ear.heard[0].before == 0x30);
    CHECK(m.ear.heard[0].value == 0xEE);
    CHECK(m.ear.heard[0].phys == watched_at + 0x30);
    CHECK(m.get<u8>(watched_at + 0x30) == 0xEE);
    CHECK(m.heard({0x0F, 0xB1, 0x4B, 0x40}) == "r4 60040 w4 60040"); // CMPXCHG writes back either way
    CHECK(m.heard({0x0F, 0xC7, 0x4B, 0x40}) == "r8 60040 w8 60040"); // CMPXCHG8B
    CHECK(m.heard({0x87, 0x43, 0x50}) == "r4 60050 w4 60050");       // XCHG
    m.cpu.set_r32(RCX, 100);
    CHECK(m.heard({0x0F, 0xAB, 0x4B, 0x00}) == "r4 6000C w4 6000C"); // BTS reaches beyond its operand
    m.cpu.set_r32(RAX, 5);
    CHECK(m.heard({0xD7}) == "r1 60005"); // XLAT
}

TEST_CASE("watched pages: what crosses into them or out of them is cut at the page") {
    Watched m;
    CHECK(m.heard({0x8B, 0x83, 0xFE, 0x0F, 0, 0}, 1, true) == "r2 60FFE=FFFE");
    CHECK(m.heard({0x8B, 0x43, 0xFE}, 1, true) == "r2 60000=100");
    m.ear.pages.insert(watched_at + 0x1000);
    m.cpu.probe_questions_changed();
    m.cpu.set_r32(RAX, 0x1122'3344);
    CHECK(m.heard({0x89, 0x83, 0xFF, 0x0F, 0, 0}, 1, true) == "w1 60FFF=44 w3 61000=112233");
}

TEST_CASE("watched pages: the stack") {
    Watched m;
    m.cpu.set_r32(RSP, watched_at + 0x800);
    m.cpu.set_r32(RAX, 0x77);
    CHECK(m.heard({0x50}, 1, true) == "w4 607FC=77");
    CHECK(m.heard({0x5A}, 1, true) == "r4 607FC=77");
    CHECK(m.heard({0xE8, 0, 0, 0, 0}, 1, true) == "w4 607FC=C005");
    CHECK(m.heard({0xC3}, 1, true) == "r4 607FC=C005");
    CHECK(m.heard({0xFF, 0x33}) == "r4 60000 w4 607FC"); // PUSH mem
    CHECK(m.heard({0x8F, 0x03}) == "r4 607FC w4 60000");
    CHECK(m.heard({0x60}) == "w4 607FC w4 607F8 w4 607F4 w4 607F0 w4 607EC w4 607E8 w4 607E4 w4 607E0");
    m.heard({0x61});
    m.cpu.set_r32(RBX, watched_at);
    m.cpu.set_r32(RBP, watched_at + 0x900);
    CHECK(m.heard({0xC8, 8, 0, 2}) == "w4 607FC r4 608FC w4 607F8 w4 607F4");
    m.heard({0xC9});
    m.cpu.set_r32(RSP, watched_at + 0x800);
    CHECK(m.heard({0x9C}) == "w4 607FC");
    m.cpu.set_r32(RSP, watched_at + 0x800);
    CHECK(m.heard({0x9A, 0, 0xC0, 0, 0, code0, 0}) == "w4 607FC w4 607F8"); // far call: CS, EIP
    CHECK(m.heard({0xCB}) == "r4 607F8 r4 607FC");
}

TEST_CASE("watched pages: strings, repeated or not") {
    Watched m;
    const auto ready = [&](u32 count) {
        m.cpu.set_r32(RSI, watched_at + 0x100);
        m.cpu.set_r32(RDI, watched_at + 0x200);
        m.cpu.set_r32(RCX, count);
        m.cpu.set_r32(RDX, 0x77);
    };
    ready(2);
    CHECK(m.heard({0xF3, 0xA4}, 2) == "r1 60100 w1 60200 r1 60101 w1 60201");
    ready(64);
    run_bytes(m, {0xF3, 0xA5}, 64);
    CHECK(m.ear.coverage(false) == "60100-601FF");
    CHECK(m.ear.coverage(true) == "60200-602FF");
    ready(3);
    CHECK(m.heard({0xF3, 0xAB}, 3) == "w4 60200 w4 60204 w4 60208");
    ready(2);
    CHECK(m.heard({0xF3, 0xAC}, 2) == "r1 60100 r1 60101");
    ready(2);
    m.cpu.set_r32(RAX, 0x5A5A);
    CHECK(m.heard({0xF2, 0xAE}, 2) == "r1 60200 r1 60201");
    ready(1);
    CHECK(m.heard({0xA7}) == "r4 60100 r4 60200");
    ready(2);
    CHECK(m.heard({0xF3, 0x66, 0x6D}, 2) == "w2 60200 w2 60202"); // INS
    ready(2);
    CHECK(m.heard({0xF3, 0x6E}, 2) == "r1 60100 r1 60101"); // OUTS
    m.cpu.set_r32(RSI, 0x8'0000);                           // into the page: the first half lies before it
    m.cpu.set_r32(RDI, watched_at - 8);
    m.cpu.set_r32(RCX, 4);
    CHECK(m.heard({0xF3, 0xA5}, 4) == "w4 60000 w4 60004");
}

TEST_CASE("watched pages: x87, MMX, SSE and their images") {
    Watched m;
    CHECK(m.heard({0xD9, 0xE8}) == "");                        // FLD1
    CHECK(m.heard({0xDB, 0x7B, 0x10}) == "w8 60010 w2 60018"); // FSTP m80
    CHECK(m.heard({0xDB, 0x6B, 0x10}) == "r8 60010 r2 60018");
    CHECK(m.heard({0xD9, 0x53, 0x20}) == "w4 60020");
    CHECK(m.heard({0xDD, 0x43, 0x20}) == "r8 60020");
    CHECK(m.heard({0xD9, 0x7B, 0x30}) == "w2 60030"); // FNSTCW
    run_bytes(m, {0xD9, 0x73, 0x40});                 // FNSTENV
    CHECK(m.ear.coverage(true) == "60040-6005B");
    m.ear.heard.clear();
    run_bytes(m, {0xDD, 0xB3, 0, 1, 0, 0}); // FNSAVE
    CHECK(m.ear.coverage(true) == "60100-6016B");
    m.ear.heard.clear();
    run_bytes(m, {0xDD, 0xA3, 0, 1, 0, 0}); // FRSTOR
    CHECK(m.ear.coverage(false) == "60100-6016B");
    m.ear.heard.clear();
    CHECK(m.heard({0x0F, 0x29, 0x43, 0x10}) == "w8 60010 w8 60018"); // MOVAPS
    CHECK(m.heard({0x0F, 0x28, 0x43, 0x10}) == "r8 60010 r8 60018");
    CHECK(m.heard({0x0F, 0x58, 0x43, 0x10}) == "r8 60010 r8 60018"); // ADDPS
    CHECK(m.heard({0xF3, 0x0F, 0x10, 0x43, 0x10}) == "r4 60010");    // MOVSS
    CHECK(m.heard({0x0F, 0x11, 0x83, 0xF8, 0x0F, 0, 0}) == "w8 60FF8");
    CHECK(m.heard({0x0F, 0x6F, 0x43, 0x08}) == "r8 60008"); // MOVQ
    run_bytes(m, {0x0F, 0xAE, 0x83, 0, 2, 0, 0});           // FXSAVE
    CHECK(m.ear.coverage(true) == "60200-6031F");           // in 32-bit mode: XMM0 to XMM7 and no more
    m.ear.heard.clear();
    run_bytes(m, {0x0F, 0xAE, 0x8B, 0, 2, 0, 0}); // FXRSTOR
    CHECK(m.ear.coverage(false).substr(0, 6) == "60200-");
    CHECK(m.ear.coverage(true) == "");
    CHECK(m.cpu.fault_chain_length == 0);
}

TEST_CASE("watched pages: descriptor tables, gates and tasks are the processor's own accesses") {
    Watched m;
    m.ear.pages = {gdt};
    m.cpu.probe_questions_changed();
    m.set_entry(probe, descriptor(0, 0xFFFFF, access(0x12, 0), 0xC)); // not accessed yet
    m.cpu.set_r32(RAX, probe);
    CHECK(m.heard({0x8E, 0xE0}).substr(0, 8) == "sr8 1060"); // MOV FS
    CHECK(m.get<u8>(gdt + probe + 5) == 0x93);
    m.set_entry(probe, descriptor(0, 0xFFFFF, access(0x12, 0), 0xC));
    run_bytes(m, {0x8E, 0xE0});
    bool wrote = false;
    for (const MemoryAccess& a : m.ear.heard) wrote |= a.write && a.system && a.linear <= gdt + probe + 5;
    CHECK(wrote);
    m.ear.heard.clear();

    m.ear.pages = {idt};
    m.cpu.probe_questions_changed();
    m.put<u64>(idt + 8 * 0x30, gate(code0, watch_code, access(14, 0)));
    CHECK(m.heard({0xCD, 0x30}) == "sr8 3180");

    m.ear.pages = {tss_a, tss_b};
    m.cpu.probe_questions_changed();
    m.put<u32>(tss_b + 0x20, watch_code); // EIP
    m.put<u32>(tss_b + 0x24, 2);
    const u16 selectors[6] = {data0, code0, data0, data0, data0, data0};
    for (u32 i = 0; i < 6; ++i) m.put<u32>(tss_b + 0x48 + 4 * i, selectors[i]);
    run_bytes(m, {0xEA, 0, 0, 0, 0, sel_tss_b, 0});
    CHECK(m.cpu.tr.selector == sel_tss_b);
    CHECK(m.ear.coverage(true) == "4020-4049 404C-404D 4050-4051 4054-4055 4058-4059 405C-405D"); // EIP to GS
    CHECK(m.ear.coverage(false) ==
          "5020-5049 504C-504D 5050-5051 5054-5055 5058-5059 505C-505D 5060-5061 5064-5065"); // and LDT, T
    for (const MemoryAccess& a : m.ear.heard) CHECK(a.system);
}

TEST_CASE("watched pages in 64-bit mode: CMPXCHG16B, XSAVE; walks of paging structures are not accesses") {
    Paging64 m;
    Ear ear;
    for (u64 page = 0; page < 0x8'0000; page += 0x1000) m.map(page, page | present | writable);
    ear.pages = {watched_at};
    for (u64 page = Paging64::tables; page < m.next_table; page += 0x1000) ear.pages.insert(page);
    m.cpu.probe = &ear;
    m.cpu.cr4 |= cr4::OSFXSR | cr4::OSXSAVE;
    m.cpu.xcr0 = 7;
    m.cpu.update_mode();
    m.cpu.gpr[RBX] = watched_at;
    run_bytes(m, {0x48, 0x0F, 0xC7, 0x4B, 0x10});
    CHECK(ear.take() == "r8 60010 r8 60018 w8 60010 w8 60018");
    m.cpu.gpr[RAX] = 7;
    m.cpu.gpr[RDX] = 0;
    m.cpu.sse.xmm(3).q[0] = 1;
    run_bytes(m, {0x48, 0x0F, 0xAE, 0xA3, 0, 1, 0, 0}); // XSAVE64
    CHECK(m.cpu.fault_chain_length == 0);
    CHECK(ear.coverage(true).find("60100-") == 0);
    CHECK(ear.coverage(false) == "60300-6030F"); // the header's XSTATE_BV keeps what was not asked for
    ear.heard.clear();
    run_bytes(m, {0x48, 0x0F, 0xAE, 0xAB, 0, 1, 0, 0}); // XRSTOR64
    CHECK(m.cpu.fault_chain_length == 0);
    CHECK(ear.coverage(true) == "");
    CHECK(ear.coverage(false).find("60100-") == 0);
    CHECK((m.get<u64>(m.entry_at(watched_at, 1)) & (accessed | dirty)) == (accessed | dirty)); // the walk's doing
}

TEST_CASE("watched pages: other pages keep their tags, and the answer may change without dropping translations") {
    Watched m;
    m.heard({0x89, 0x83, 0, 0x20, 0, 0}); // a page beside
    CHECK(open_tags(m.cpu, watched_at + 0x2000));
    m.heard({0x89, 0x03});
    CHECK(TlbEntry::allows(entry_of(m.cpu, watched_at).write_tag, watched_at));
    CHECK_FALSE(open_tags(m.cpu, watched_at));
    m.ear.pages = {watched_at + 0x2000};
    m.cpu.probe_questions_changed();
    CHECK(open_tags(m.cpu, watched_at));
    CHECK_FALSE(open_tags(m.cpu, watched_at + 0x2000));
    CHECK(m.heard({0x89, 0x83, 0, 0x20, 0, 0}) == "w4 62000");
    CHECK(m.heard({0x89, 0x03}) == "");
    m.cpu.probe = nullptr;
    m.cpu.probe_questions_changed();
    CHECK(open_tags(m.cpu, watched_at + 0x2000));
}

TEST_CASE("watched pages: with alignment checks on, where the TLB holds nothing, the probe is asked each time") {
    Watched m;
    m.level(3);
    m.cpu.cr0 |= cr0::AM;
    m.cpu.eflags |= eflags::AC;
    m.cpu.update_mode();
    m.cpu.gpr[RBX] = watched_at;
    CHECK(m.heard({0x8B, 0x43, 0x10}) == "r4 60010");
    CHECK(m.heard({0x8B, 0x83, 0, 0x20, 0, 0}) == "");
}

TEST_CASE("watched pages: the run can be ended after the access, and the instruction's address is known") {
    struct Stopper final : Probe {
        u64 ip = 0;
        bool watches(Cpu&, u64 page, u64) override { return page == watched_at; }
        void accessed(Cpu& cpu, const MemoryAccess&) override {
            ip = cpu.ip;
            cpu.leave_requested = true;
        }
    } stopper;
    Machine m;
    m.cpu.probe = &stopper;
    m.cpu.gpr[RBX] = watched_at;
    run_bytes(m, {0x40, 0x40, 0x89, 0x03, 0x40, 0x40}, 6); // INC, INC, MOV, INC, INC
    CHECK(stopper.ip == watch_code + 2);
    CHECK(m.cpu.ip == watch_code + 4);
    CHECK(m.cpu.r32(RAX) == 2);
    m.cpu.set_r32(RSP, watched_at + 0x100);
    run_bytes(m, {0x40, 0xE8, 1, 0, 0, 0, 0x40, 0x40}, 6); // a block's last instruction
    CHECK(stopper.ip == watch_code + 1);
    CHECK(m.cpu.ip == watch_code + 7);
}
