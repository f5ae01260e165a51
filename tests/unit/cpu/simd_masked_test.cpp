// Masked moves, gathers and the rules of VEX instructions: what is not accessed cannot fault, a gather that faults goes
// on where it stopped, who gets #UD and #NM, what VZEROUPPER and VZEROALL leave.
#include "simd_fixture.hpp"

#include "cpu/ops/families.hpp"

#include <string_view>

using namespace glassbox;
using namespace glassbox::simd_test;
using namespace glassbox::ext_test;

namespace {

/// 4 KiB pages below 2 MiB; the page at `hole` is absent, the one at `constant` read-only.
constexpr u32 hole = 0x51000, constant = 0x53000, page_table = 0x2'3000;
void split_pages(simd_test::Guest& g) {
    for (u32 page = 0; page < 512; ++page) g.put<u64>(page_table + 8 * page, page << 12 | 7);
    g.put<u64>(page_table + 8 * (hole >> 12), 0);
    g.put<u64>(page_table + 8 * (constant >> 12), constant | 5);
    g.put<u64>(static_cast<u32>(system_test::page_directory), page_table | 7);
    g.cpu.cr0 |= cr0::WP;
    g.cpu.flush_tlb(false);
}
template <class T> void set_elements(simd_test::Guest& g, unsigned n, std::initializer_list<T> values) {
    std::array<T, 32 / sizeof(T)> a{};
    std::copy(values.begin(), values.end(), a.begin());
    g.cpu.sse.set_ymm(n, std::bit_cast<Ymm>(a));
}
template <class T> std::array<T, 32 / sizeof(T)> elements(simd_test::Guest& g, unsigned n) {
    return std::bit_cast<std::array<T, 32 / sizeof(T)>>(g.cpu.sse.ymm(n));
}
constexpr u32 on = 0x8000'0000;

} // namespace

TEST_CASE("masked moves touch only the chosen elements") {
    simd_test::Guest g;
    split_pages(g);
    g.cpu.gpr[RSI] = hole - 8;
    g.put<u64>(hole - 8, 0x2222'2222'1111'1111);
    set_elements<u32>(g, 3, {on, on, 0, 0x7FFF'FFFF});
    set_elements<u32>(g, 1, {9, 9, 9, 9, 9, 9, 9, 9});
    CHECK(g.step({0xC4, 0xE2, 0x61, 0x2C, 0x0E}) == none); // VMASKMOVPS xmm1, xmm3, [rsi]
    CHECK(elements<u32>(g, 1) == std::array<u32, 8>{0x1111'1111, 0x2222'2222});
    set_elements<u32>(g, 3, {on, on, 0, on});
    CHECK(g.step({0xC4, 0xE2, 0x61, 0x2C, 0x0E}) == page_fault);
    CHECK(elements<u32>(g, 1) == std::array<u32, 8>{0x1111'1111, 0x2222'2222});
    CHECK(g.step({0xC4, 0xE2, 0x65, 0x8E, 0x0E}) == page_fault); // VPMASKMOVD [rsi], ymm3, ymm1: nothing is written
    CHECK(g.get<u64>(hole - 8) == 0x2222'2222'1111'1111);
    set_elements<u32>(g, 1, {0xA, 0xB, 0xC, 0xD, 0xE, 0xF, 0x10, 0x11});
    set_elements<u32>(g, 3, {0, on, 0, 0, 0, 0, 0, 0});
    CHECK(g.step({0xC4, 0xE2, 0x65, 0x8E, 0x0E}) == none);
    CHECK(g.get<u64>(hole - 8) == 0x0000'000B'1111'1111);
    set_elements<u64>(g, 3, {0, ~u64{0}, 0, 0});
    g.cpu.gpr[RSI] = hole - 15; // an element at hole - 7 ends at hole, where nothing is
    CHECK(g.step({0xC4, 0xE2, 0xE1, 0x8E, 0x0E}) == page_fault);
    CHECK(g.get<u64>(hole - 8) == 0x0000'000B'1111'1111);
    g.cpu.gpr[RSI] = constant - 8;
    set_elements<u64>(g, 3, {~u64{0}, 0, 0, 0});
    CHECK(g.step({0xC4, 0xE2, 0xE5, 0x2F, 0x0E}) == UD); // W1 of VMASKMOVPD does not exist
    CHECK(g.step({0xC4, 0xE2, 0x65, 0x2F, 0x0E}) == none);
    CHECK(g.get<u64>(constant - 8) == 0x0000'000B'0000'000A);
    set_elements<u64>(g, 3, {0, ~u64{0}, 0, 0});
    CHECK(g.step({0xC4, 0xE2, 0x65, 0x2F, 0x0E}) == page_fault);
}

TEST_CASE("a gather that faults keeps what it has and goes on when it is restarted") {
    simd_test::Guest g;
    split_pages(g);
    g.cpu.gpr[RSI] = hole - 16;
    for (u32 i = 0; i < 4; ++i) g.put<u32>(hole - 16 + 4 * i, 100 + i);
    set_elements<i32>(g, 2, {0, 3, 4, 1, -1, -2, 5, 2});
    set_elements<u32>(g, 3, {on, on, on, on, 0, on, 0, on});
    set_elements<u32>(g, 1, {1, 2, 3, 4, 5, 6, 7, 8});
    const Bytes gather = {0xC4, 0xE2, 0x65, 0x90, 0x0C, 0x96}; // VPGATHERDD ymm1, [rsi+ymm2*4], ymm3
    g.put<u32>(hole - 24, 77);
    CHECK(g.step(std::span(gather)) == page_fault);
    CHECK(g.cpu.cr2 == hole);
    CHECK(elements<u32>(g, 1) == std::array<u32, 8>{100, 103, 3, 4, 5, 6, 7, 8});
    CHECK(elements<u32>(g, 3) == std::array<u32, 8>{0, 0, ~0u, ~0u, 0, ~0u, 0, ~0u});
    g.put<u64>(page_table + 8 * (hole >> 12), hole | 7);
    g.put<u32>(hole, 104);
    g.put<u32>(hole - 16, 555); // already fetched: not again
    g.cpu.flush_tlb(false);
    CHECK(g.step(std::span(gather)) == none);
    CHECK(elements<u32>(g, 1) == std::array<u32, 8>{100, 103, 104, 101, 5, 77, 7, 102});
    CHECK(elements<u32>(g, 3) == std::array<u32, 8>{});
}

TEST_CASE("gathers demand three different registers") {
    simd_test::Guest g;
    CHECK(g.step({0xC4, 0xE2, 0x75, 0x90, 0x0C, 0x96}) == UD); // mask = destination
    CHECK(g.step({0xC4, 0xE2, 0x6D, 0x90, 0x0C, 0x96}) == UD); // mask = indices
    CHECK(g.step({0xC4, 0xE2, 0x65, 0x90, 0x14, 0x96}) == UD); // destination = indices
    CHECK(g.step({0xC4, 0xE2, 0x65, 0x90, 0x0E}) == UD);       // no SIB
    CHECK(g.step({0xC4, 0xE2, 0x65, 0x90, 0xCE}) == UD);       // a register
    g.cpu.sse.set_ymm(3, {});
    CHECK(g.step({0x67, 0xC4, 0xE2, 0x65, 0x90, 0x0C, 0x96}) == none); // 32-bit addresses
    g.compatible(0);
    CHECK(g.step({0xC4, 0xE2, 0x65, 0x90, 0x0C, 0x96}) == none);
    CHECK(g.step({0x67, 0xC4, 0xE2, 0x65, 0x90, 0x0C}) == UD); // 16-bit addresses
}

#if defined(GLASSBOX_TEST_NATIVE_AVX)
TEST_CASE("gathers agree with the host's processor") {
    Native native;
    if (!native.usable()) return;
    simd_test::Guest guest;
    Rng rng{0x6A7};
    unsigned rows = 0, wrong = 0;
    for (const Row& row : families::mmx()) {
        if (std::string_view(row.info->mnemonic).find("gather") == std::string_view::npos) continue;
        ++rows;
        const bool wide_index = (row.at.opcode & 1) != 0;
        for (unsigned i = 0; i < 200; ++i) {
            Form f;
            f.place = Place::rsi;
            f.reg = static_cast<unsigned>(rng.below(16));
            f.vvvv = static_cast<unsigned>(rng.below(16));
            f.vsib = static_cast<unsigned>(rng.below(16));
            f.scale = static_cast<unsigned>(rng.below(4));
            State before;
            for (auto& y : before.ymm) {
                for (auto& q : y) q = rng.next();
            }
            for (auto& b : before.memory) b = static_cast<u8>(rng.next());
            before.offset = 40;
            for (auto& q : before.ymm[f.vsib]) {
                const auto index = [&] { return static_cast<i64>(rng.below(9)) - 4; };
                q = wide_index ? static_cast<u64>(index())
                               : static_cast<u32>(index()) | u64{static_cast<u32>(index())} << 32;
            }
            const Bytes bytes = encode(row, f);
            State ours = before, theirs = before;
            guest.run(bytes, ours);
            native.run(bytes, theirs);
            wrong += ours != theirs;
        }
    }
    CHECK(rows == 16);
    CHECK(wrong == 0);
}
#endif

TEST_CASE("VEX instructions need CR4.OSXSAVE and both states in XCR0; CR0.EM does not matter") {
    simd_test::Guest g;
    const std::initializer_list<u8> vpaddb = {0xC5, 0xE5, 0xFC, 0xCA}, vpand = {0xC5, 0xE1, 0xDB, 0xCA},
                                    vzeroupper = {0xC5, 0xF8, 0x77};
    for (const auto& code : {vpaddb, vpand, vzeroupper}) {
        CHECK(g.step(code) == none);
        g.cpu.cr4 &= ~u64{cr4::OSXSAVE};
        CHECK(g.step(code) == UD);
        g.cpu.cr4 |= cr4::OSXSAVE;
        for (const u64 states : {1u, 3u, 5u}) {
            g.cpu.xcr0 = states;
            CHECK(g.step(code) == UD);
        }
        g.cpu.xcr0 = 7;
        g.cpu.cr0 |= cr0::TS;
        CHECK(g.step(code) == NM);
        g.cpu.cr0 = (g.cpu.cr0 & ~u64{cr0::TS}) | cr0::EM;
        CHECK(g.step(code) == none);
        g.cpu.cr0 &= ~u64{cr0::EM};
        g.cpu.cr4 &= ~u64{cr4::OSFXSR};
        CHECK(g.step(code) == none);
        g.cpu.cr4 |= cr4::OSFXSR;
    }
    CHECK(g.step({0xC5, 0x65, 0xFC, 0xCA}) == none);
    CHECK(g.step({0xC4, 0xE1, 0x75, 0x6F, 0xCA}) == UD); // VMOVDQA names no vvvv
    CHECK(g.step({0xC4, 0xE1, 0x7D, 0x6E, 0xCA}) == UD); // VMOVD has no 256-bit form
}

TEST_CASE("a model without AVX2 has AVX's forms alone") {
    simd_test::Guest g({Feature::avx2});
    CHECK(g.step({0xC5, 0xE5, 0xFC, 0xCA}) == UD);               // VPADDB ymm
    CHECK(g.step({0xC5, 0xE1, 0xFC, 0xCA}) == none);             // VPADDB xmm
    CHECK(g.step({0xC5, 0xE4, 0x54, 0xCA}) == none);             // VANDPS ymm
    CHECK(g.step({0xC4, 0xE2, 0x7D, 0x18, 0x0E}) == none);       // VBROADCASTSS ymm, m32
    CHECK(g.step({0xC4, 0xE2, 0x7D, 0x18, 0xCA}) == UD);         // ... from a register
    CHECK(g.step({0xC4, 0xE3, 0x65, 0x18, 0xCA, 0x01}) == none); // VINSERTF128
    CHECK(g.step({0xC4, 0xE3, 0x65, 0x38, 0xCA, 0x01}) == UD);   // VINSERTI128
}

TEST_CASE("VZEROUPPER and VZEROALL") {
    simd_test::Guest g;
    const auto fill = [&] {
        for (unsigned n = 0; n < 16; ++n) g.cpu.sse.set_ymm(n, {{Xmm{{1, 2}}, Xmm{{3, 4}}}});
    };
    const auto holds = [&](unsigned n, std::array<u64, 4> q) {
        return std::bit_cast<std::array<u64, 4>>(g.cpu.sse.ymm(n)) == q;
    };
    fill();
    CHECK(g.step({0xC5, 0xF8, 0x77}) == none);
    for (unsigned n = 0; n < 16; ++n) CHECK(holds(n, {1, 2, 0, 0}));
    fill();
    CHECK(g.step({0xC5, 0xFC, 0x77}) == none);
    for (unsigned n = 0; n < 16; ++n) CHECK(holds(n, {}));
    fill();
    g.compatible(0); // registers 8 to 15 are out of reach
    CHECK(g.step({0xC5, 0xFC, 0x77}) == none);
    for (unsigned n = 0; n < 16; ++n) CHECK(holds(n, n < 8 ? std::array<u64, 4>{} : std::array<u64, 4>{1, 2, 3, 4}));
}

TEST_CASE("a 32-byte store that faults in its second page writes nothing; aligned moves demand 32 bytes") {
    simd_test::Guest g;
    split_pages(g);
    set_elements<u64>(g, 1, {1, 2, 3, 4});
    g.put<u64>(hole - 16, 0), g.put<u64>(hole - 8, 0);
    g.cpu.gpr[RSI] = hole - 16;
    CHECK(g.step({0xC5, 0xFE, 0x7F, 0x0E}) == page_fault); // VMOVDQU [rsi], ymm1
    CHECK(g.get<u64>(hole - 16) == 0);
    CHECK(g.cpu.cr2 == hole);
    CHECK(g.step({0xC5, 0xFE, 0x6F, 0x0E}) == page_fault);
    CHECK(elements<u64>(g, 1) == std::array<u64, 4>{1, 2, 3, 4});
    g.cpu.gpr[RSI] = 0x60000 - 16; // across pages that are there
    CHECK(g.step({0xC5, 0xFE, 0x7F, 0x0E}) == none);
    for (u32 i = 0; i < 4; ++i) CHECK(g.get<u64>(0x60000 - 16 + 8 * i) == i + 1);
    CHECK(g.step({0xC5, 0xFE, 0x6F, 0x16}) == none);
    CHECK(elements<u64>(g, 2) == std::array<u64, 4>{1, 2, 3, 4});
    CHECK(g.step({0xC5, 0xFD, 0x7F, 0x0E}) == GP);       // VMOVDQA ymm
    CHECK(g.step({0xC5, 0xF9, 0x7F, 0x0E}) == none);     // VMOVDQA xmm
    CHECK(g.step({0xC5, 0xFD, 0xE7, 0x0E}) == GP);       // VMOVNTDQ ymm
    CHECK(g.step({0xC4, 0xE2, 0x7D, 0x2A, 0x0E}) == GP); // VMOVNTDQA ymm
    CHECK(g.step({0xC5, 0xFF, 0xF0, 0x0E}) == none);     // VLDDQU ymm
    g.cpu.gpr[RSI] = system_test::not_canonical - 16;
    CHECK(g.step({0xC5, 0xFE, 0x6F, 0x0E}) == GP); // the second part
    g.cpu.gpr[RSI] = system_test::not_canonical;
    CHECK(g.step({0xC5, 0xFE, 0x6F, 0x0E}) == GP);
}

TEST_CASE("MASKMOVDQU and VMASKMOVDQU store at [RDI]") {
    simd_test::Guest g;
    for (const bool vex : {false, true}) {
        std::memset(g.memory.ram().data() + simd_test::Guest::data, 0xEE, 32);
        g.cpu.gpr[RDI] = simd_test::Guest::data + 3;
        g.cpu.sse.xmm(9).q = {0x0706'0504'0302'0100, 0x0F0E'0D0C'0B0A'0908};
        g.cpu.sse.xmm(2).q = {0x0000'0000'0000'8000, 0x8000'0000'0000'0000};
        CHECK((vex ? g.step({0xC5, 0x79, 0xF7, 0xCA}) : g.step({0x66, 0x44, 0x0F, 0xF7, 0xCA})) == none);
        for (u32 i = 0; i < 32; ++i)
            CHECK(g.get<u8>(simd_test::Guest::data + i) == (i == 4 ? 0x01 : i == 18 ? 0x0F : 0xEE));
    }
}
