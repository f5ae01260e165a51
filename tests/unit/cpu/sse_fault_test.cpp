// When MMX, SSE and SSE2 instructions may run and how they fault (SDM 2, the exceptions of each; SDM 3A, tables 2-2,
// 12-1), and which encodings there are (SDM 2, appendix A).
#include "sse_fixture.hpp"

#include "cpu/decode/decoder.hpp"
#include "cpu/ops/families.hpp"

#include <algorithm>
#include <string_view>

using namespace glassbox;
using namespace glassbox::sse_test;

namespace {

constexpr int UD = 6, NM = 7, GP = 13, PF = 14, MF = 16, AC = 17, XM = 19, none = -1;

bool any_arg(const Row& row, std::initializer_list<Arg> list) {
    return std::ranges::any_of(row.args, [&](Arg a) { return std::ranges::find(list, a) != list.end(); });
}
bool named(const Row& row, std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, std::string_view(row.info->mnemonic)) != names.end();
}
bool uses_xmm(const Row& row) {
    using enum Arg;
    return any_arg(row, {Vx, Wd, Wq, Wx, Ux, Vdq, Wdq, Udq}) || named(row, {"ldmxcsr", "stmxcsr"});
}
bool uses_mmx(const Row& row) { return any_arg(row, {Arg::Pq, Arg::Qd, Arg::Qq, Arg::Nq}) || named(row, {"emms"}); }

/// Every row of 32-bit code without VEX, in the forms that it has.
template <class F> void each_form(F&& f) {
    for (const auto family : {families::mmx(), families::sse()}) {
        for (const Row& row : family) {
            if (row.at.encoding != Encoding::legacy || (row.attributes & attr::only_64)) continue;
            if (row.at.mod != Mod::memory) f(row, false);
            if (row.at.mod != Mod::reg && !named(row, {"emms"})) f(row, true);
        }
    }
}

/// Identity-mapped pages; the page at `hole` is absent, the one at `constant` read-only for users and, by WP, for all.
constexpr u32 hole = 0x41000, constant = 0x43000;
void turn_paging_on(Guest& g, bool user) {
    constexpr u32 directory = 0x50000, table = 0x51000;
    g.put<u32>(directory, table | 7);
    for (u32 page = 0; page < 256; ++page) g.put<u32>(table + 4 * page, page << 12 | 7);
    g.put<u32>(table + 4 * (hole >> 12), 0);
    g.put<u32>(table + 4 * (constant >> 12), constant | 5);
    g.cpu.cr3 = directory;
    g.cpu.cr0 |= cr0::PG | cr0::WP;
    g.cpu.flush_tlb(false);
    if (user) g.level(3);
    g.cpu.update_mode();
}

} // namespace

TEST_CASE("CR0.EM, CR0.TS, CR4.OSFXSR and pending x87 exceptions") {
    Guest g;
    g.give_everything();
    each_form([&](const Row& row, bool memory) {
        CAPTURE(row.info->mnemonic);
        CAPTURE(memory);
        const Bytes bytes = encode(row, memory, 1, 2, 0);
        const bool image = named(row, {"fxsave", "fxrstor"}), xmm = uses_xmm(row), mm = uses_mmx(row);
        const bool touches_mm = mm && !(memory && named(row, {"cvtpi2pd"}));
        g.write_code(bytes);
        const auto outcome = [&] {
            std::memset(g.memory.ram().data() + Guest::data, 0, 512);
            g.cpu.set_r32(RSI, Guest::data);
            g.cpu.set_r32(RDI, Guest::data);
            return g.step();
        };
        const u64 old_cr0 = g.cpu.cr0, old_cr4 = g.cpu.cr4;
        CHECK(outcome() == none);
        g.cpu.cr0 = old_cr0 | cr0::EM;
        CHECK(outcome() == (image ? NM : xmm || mm ? UD : none));
        g.cpu.cr0 = old_cr0 | cr0::TS;
        CHECK(outcome() == (image || xmm || mm ? NM : none));
        g.cpu.cr0 = old_cr0 | cr0::TS | cr0::EM;
        CHECK(outcome() == (image ? NM : xmm || mm ? UD : none));
        g.cpu.cr0 = old_cr0;
        g.cpu.cr4 = 0;
        CHECK(outcome() == (xmm ? UD : none));
        g.cpu.cr0 = old_cr0 | cr0::TS;
        CHECK(outcome() == (xmm ? UD : image || mm ? NM : none));
        g.cpu.cr0 = old_cr0;
        g.cpu.cr4 = old_cr4;
        g.cpu.fpu.init();
        g.cpu.fpu.control = 0x0340;
        g.cpu.fpu.status = 1;
        CHECK(outcome() == (touches_mm ? MF : none));
        g.cpu.fpu.init();
    });
}

TEST_CASE("VEX asks for OSXSAVE and XCR0, and for CR0.TS clear; CR0.EM, OSFXSR and alignment mean nothing to it") {
    Guest g;
    g.give_everything();
    unsigned rows = 0;
    for (const auto family : {families::mmx(), families::sse()}) {
        for (const Row& row : family) {
            const bool vector = any_arg(row, {Arg::Vx, Arg::Hx, Arg::Wx, Arg::Vdq, Arg::Wdq, Arg::Vqq, Arg::Wqq});
            if (row.at.encoding != Encoding::vex || !vector) continue;
            if (any_arg(row, {Arg::Mvd, Arg::Mvq})) continue; // a SIB byte
            ++rows;
            for (const bool memory : {false, true}) {
                if (row.at.mod == (memory ? Mod::reg : Mod::memory)) continue;
                CAPTURE(row.info->mnemonic);
                g.write_code(encode(row, memory, 1, 2, 0, 3));
                const auto outcome = [&] {
                    std::memset(g.memory.ram().data() + Guest::data, 0, 512);
                    g.cpu.set_r32(RSI, Guest::data + 1);
                    return g.step();
                };
                const bool aligned = memory && named(row, {"vmovaps", "vmovapd", "vmovdqa", "vmovntps", "vmovntpd",
                                                           "vmovntdq", "vmovntdqa"});
                const u64 old_cr0 = g.cpu.cr0, old_cr4 = g.cpu.cr4;
                CHECK(outcome() == (aligned ? GP : none));
                g.cpu.cr0 = old_cr0 | cr0::EM;
                g.cpu.cr4 = old_cr4 & ~cr4::OSFXSR;
                CHECK(outcome() == (aligned ? GP : none));
                g.cpu.cr0 = old_cr0 | cr0::TS;
                CHECK(outcome() == NM);
                g.cpu.cr4 = old_cr4 & ~cr4::OSXSAVE;
                CHECK(outcome() == UD);
                g.cpu.cr4 = old_cr4;
                for (const u64 components : {1, 3, 5}) {
                    g.cpu.xcr0 = components;
                    CHECK(outcome() == UD);
                }
                g.cpu.xcr0 = 7;
                g.cpu.cr0 = old_cr0;
            }
        }
    }
    CHECK(rows > 180);
}

TEST_CASE("16-byte operands must be aligned, but for the unaligned moves") {
    Guest g;
    g.give_everything();
    each_form([&](const Row& row, bool memory) {
        if (!memory) return;
        CAPTURE(row.info->mnemonic);
        const bool wide = any_arg(row, {Arg::Wx, Arg::Wdq, Arg::Mdq, Arg::Mx}) || named(row, {"fxsave", "fxrstor"});
        const bool needs = wide && !named(row, {"movups", "movupd", "movdqu", "lddqu", "pcmpestri", "pcmpestrm",
                                                "pcmpistri", "pcmpistrm"});
        g.write_code(encode(row, true, 1, 2, 0));
        for (const u32 offset : {1u, 4u, 8u}) {
            for (u32 i = 0; i < 600; ++i) g.put<u8>(Guest::data + i, 0);
            g.cpu.sse.xmm(1).q = {0x0123'4567'89AB'CDEF, 0xFEDC'BA98'7654'3210};
            const auto before = g.cpu.sse.vector;
            g.cpu.set_r32(RSI, Guest::data + offset);
            CHECK(g.step() == (needs ? GP : none));
            if (!needs) continue;
            CHECK(std::memcmp(&before, &g.cpu.sse.vector, sizeof before) == 0);
            for (u32 i = 0; i < 32; ++i) CHECK(g.get<u8>(Guest::data + i) == 0);
        }
    });
}

TEST_CASE("an unmasked SIMD exception writes nothing but flags: #XM, or #UD without OSXMMEXCPT") {
    Guest g;
    for (const bool takes : {true, false}) {
        g.cpu.cr4 = cr4::OSFXSR | (takes ? cr4::OSXMMEXCPT : 0);
        g.cpu.sse.mxcsr = 0x1F80 & ~(4u << 7);
        g.cpu.sse.xmm(1).q = {0x3F80'0000'3F80'0000, 0x3F80'0000'3F80'0000};
        g.cpu.sse.xmm(2).q = {0x3F80'0000'0000'0000, 0x3F80'0000'4040'0000}; // 1/0 and an inexact 1/3
        CHECK(g.step({0x0F, 0x5E, 0xCA}) == (takes ? XM : UD));
        CHECK(g.cpu.sse.mxcsr == ((0x1F80 & ~(4u << 7)) | 4)); // no PE: operands come first
        CHECK(g.cpu.sse.xmm(1).q == std::array<u64, 2>{0x3F80'0000'3F80'0000, 0x3F80'0000'3F80'0000});
    }
    // Flags that are set already and unmasked by LDMXCSR raise nothing (SDM 1, 10.2.3).
    g.put<u32>(Guest::data, 0x003F);
    g.cpu.set_r32(RSI, Guest::data);
    CHECK(g.step({0x0F, 0xAE, 0x16}) == none);
    g.cpu.sse.xmm(2).q = g.cpu.sse.xmm(1).q;
    CHECK(g.step({0x0F, 0x58, 0xCA}) == none);
}

TEST_CASE("a store that faults in its second page writes nothing in its first") {
    Guest g;
    turn_paging_on(g, false);
    const u32 edge = hole - 8, locked = constant - 8;
    g.cpu.sse.xmm(1).q = {~u64{0}, ~u64{0}};
    for (const u32 at : {edge, locked}) {
        g.put<u64>(at, 0);
        g.cpu.set_r32(RSI, at);
        CHECK(g.step({0x0F, 0x11, 0x0E}) == PF);
        CHECK(g.get<u64>(at) == 0);
        CHECK(g.cpu.cr2 == at + 8);
    }
    g.cpu.set_r32(RSI, edge);
    CHECK(g.step({0x0F, 0x10, 0x16}) == PF);
    g.cpu.set_r32(RSI, hole);
    CHECK(g.step({0x0F, 0x28, 0x16}) == PF);
    g.cpu.set_r32(RSI, locked);
    CHECK(g.step({0x0F, 0x10, 0x16}) == none); // reading is fine
    g.cpu.set_r32(RSI, 0x3FFF8);               // both pages there
    CHECK(g.step({0x0F, 0x11, 0x0E}) == none);
    CHECK(g.get<u64>(0x3FFF8) == ~u64{0});
    CHECK(g.get<u64>(0x40000) == ~u64{0});
}

TEST_CASE("FXSAVE and FXRSTOR that fault change nothing") {
    Guest g;
    turn_paging_on(g, false);
    const u32 at = hole - 256;
    std::memset(g.memory.ram().data() + at, 0x5A, 256);
    g.cpu.set_r32(RSI, at);
    CHECK(g.step({0x0F, 0xAE, 0x06}) == PF);
    for (u32 i = 0; i < 256; ++i) REQUIRE(g.get<u8>(at + i) == 0x5A);
    const auto before = g.cpu.sse.vector;
    g.put<u32>(at + 24, 0x1F80);
    CHECK(g.step({0x0F, 0xAE, 0x0E}) == PF);
    CHECK(std::memcmp(&before, &g.cpu.sse.vector, sizeof before) == 0);
    CHECK(g.cpu.fpu.control == 0x0040);
}

TEST_CASE("MASKMOVQ and MASKMOVDQU store the chosen bytes, and only their pages can fault") {
    Guest g;
    turn_paging_on(g, false);
    g.cpu.set_r32(RDI, hole - 4);
    std::memset(g.memory.ram().data() + hole - 8, 0, 8);
    g.cpu.fpu.set_mmx(1, 0x8877'6655'4433'2211);
    g.cpu.fpu.set_mmx(2, 0x0000'0000'8000'7F80);
    CHECK(g.step({0x0F, 0xF7, 0xCA}) == none);
    CHECK(g.get<u32>(hole - 4) == 0x4400'0011);
    g.cpu.fpu.set_mmx(2, 0x0000'0080'0000'8080);
    CHECK(g.step({0x0F, 0xF7, 0xCA}) == PF);
    CHECK(g.get<u32>(hole - 4) == 0x4400'0011);
    g.cpu.sse.xmm(1).q = {0x0706'0504'0302'0100, 0x0F0E'0D0C'0B0A'0908};
    g.cpu.sse.xmm(2).q = {0x0000'0000'0000'8000, 0x8000'0000'0000'0000};
    g.cpu.set_r32(RDI, Guest::data + 3); // needs no alignment
    std::memset(g.memory.ram().data() + Guest::data, 0xEE, 32);
    CHECK(g.step({0x66, 0x0F, 0xF7, 0xCA}) == none);
    for (u32 i = 0; i < 32; ++i) CHECK(g.get<u8>(Guest::data + i) == (i == 4 ? 0x01 : i == 18 ? 0x0F : 0xEE));
}

TEST_CASE("alignment checks at level 3") {
    Guest g;
    turn_paging_on(g, true);
    g.put<u64>(system_test::idt + 8 * AC, system_test::gate(system_test::code0, Guest::handlers + 16 * AC, 0x8E));
    g.cpu.cr0 |= cr0::AM;
    const auto at = [&](u32 address, std::initializer_list<u8> code) {
        g.level(3);
        g.cpu.eflags = 2 | eflags::AC;
        g.cpu.update_mode();
        g.cpu.set_r32(RSI, address);
        g.write_code(std::span(code.begin(), code.size()));
        g.cpu.ip = Guest::code;
        g.cpu.run(1);
        return g.cpu.ip >= Guest::handlers ? static_cast<int>(g.cpu.ip - Guest::handlers) / 16 : none;
    };
    CHECK(at(Guest::data + 2, {0xF3, 0x0F, 0x10, 0x0E}) == AC); // MOVSS
    CHECK(at(Guest::data + 4, {0xF3, 0x0F, 0x10, 0x0E}) == none);
    CHECK(at(Guest::data + 4, {0x0F, 0x6F, 0x0E}) == AC); // MOVQ
    CHECK(at(Guest::data + 1, {0x0F, 0x10, 0x0E}) == AC); // MOVUPS
    CHECK(at(Guest::data + 8, {0x0F, 0x28, 0x0E}) == GP); // MOVAPS: #GP even then
    CHECK(at(Guest::data + 16, {0x0F, 0x28, 0x0E}) == none);
}

TEST_CASE("the encodings of SDM 2, appendix A") {
    // Opcode 0F xx; which of no prefix, 66, F3, F2 exist and since when: m MMX, 1 SSE, 2 SSE2; lower: any form,
    // then r for register only, or M for memory only.
    struct Line {
        u8 opcode;
        const char* features;
        const char* forms;
    };
    constexpr Line lines[] = {
        {0x10, "1212", "...."}, {0x11, "1212", "...."}, {0x12, "12--", ".M--"}, {0x13, "12--", "MM--"},
        {0x14, "12--", "..--"}, {0x15, "12--", "..--"}, {0x16, "12--", ".M--"}, {0x17, "12--", "MM--"},
        {0x28, "12--", "..--"}, {0x29, "12--", "..--"}, {0x2A, "1212", "...."}, {0x2B, "12--", "MM--"},
        {0x2C, "1212", "...."}, {0x2D, "1212", "...."}, {0x2E, "12--", "..--"}, {0x2F, "12--", "..--"},
        {0x50, "12--", "rr--"}, {0x51, "1212", "...."}, {0x52, "1-1-", ".-.-"}, {0x53, "1-1-", ".-.-"},
        {0x54, "12--", "..--"}, {0x55, "12--", "..--"}, {0x56, "12--", "..--"}, {0x57, "12--", "..--"},
        {0x58, "1212", "...."}, {0x59, "1212", "...."}, {0x5A, "2222", "...."}, {0x5B, "222-", "...-"},
        {0x5C, "1212", "...."}, {0x5D, "1212", "...."}, {0x5E, "1212", "...."}, {0x5F, "1212", "...."},
        {0x60, "m2--", "..--"}, {0x61, "m2--", "..--"}, {0x62, "m2--", "..--"}, {0x63, "m2--", "..--"},
        {0x64, "m2--", "..--"}, {0x65, "m2--", "..--"}, {0x66, "m2--", "..--"}, {0x67, "m2--", "..--"},
        {0x68, "m2--", "..--"}, {0x69, "m2--", "..--"}, {0x6A, "m2--", "..--"}, {0x6B, "m2--", "..--"},
        {0x6C, "-2--", "-.--"}, {0x6D, "-2--", "-.--"}, {0x6E, "m2--", "..--"}, {0x6F, "m22-", "...-"},
        {0x70, "1222", "...."}, {0x74, "m2--", "..--"}, {0x75, "m2--", "..--"}, {0x76, "m2--", "..--"},
        {0x7C, "----", "----"}, {0x7D, "----", "----"}, {0x7E, "m22-", "...-"}, {0x7F, "m22-", "...-"},
        {0xC2, "1212", "...."}, {0xC3, "2---", "M---"}, {0xC4, "12--", "..--"}, {0xC5, "12--", "rr--"},
        {0xC6, "12--", "..--"}, {0xD0, "----", "----"}, {0xD1, "m2--", "..--"}, {0xD2, "m2--", "..--"},
        {0xD3, "m2--", "..--"}, {0xD4, "22--", "..--"}, {0xD5, "m2--", "..--"}, {0xD6, "-222", "-.rr"},
        {0xD7, "12--", "rr--"}, {0xD8, "m2--", "..--"}, {0xD9, "m2--", "..--"}, {0xDA, "12--", "..--"},
        {0xDB, "m2--", "..--"}, {0xDC, "m2--", "..--"}, {0xDD, "m2--", "..--"}, {0xDE, "12--", "..--"},
        {0xDF, "m2--", "..--"}, {0xE0, "12--", "..--"}, {0xE1, "m2--", "..--"}, {0xE2, "m2--", "..--"},
        {0xE3, "12--", "..--"}, {0xE4, "12--", "..--"}, {0xE5, "m2--", "..--"}, {0xE6, "-222", "-..."},
        {0xE7, "12--", "MM--"}, {0xE8, "m2--", "..--"}, {0xE9, "m2--", "..--"}, {0xEA, "12--", "..--"},
        {0xEB, "m2--", "..--"}, {0xEC, "m2--", "..--"}, {0xED, "m2--", "..--"}, {0xEE, "12--", "..--"},
        {0xEF, "m2--", "..--"}, {0xF0, "----", "----"}, {0xF1, "m2--", "..--"}, {0xF2, "m2--", "..--"},
        {0xF3, "m2--", "..--"}, {0xF4, "22--", "..--"}, {0xF5, "m2--", "..--"}, {0xF6, "12--", "..--"},
        {0xF7, "12--", "rr--"}, {0xF8, "m2--", "..--"}, {0xF9, "m2--", "..--"}, {0xFA, "m2--", "..--"},
        {0xFB, "22--", "..--"}, {0xFC, "m2--", "..--"}, {0xFD, "m2--", "..--"}, {0xFE, "m2--", "..--"},
    };
    constexpr u8 prefixes[] = {0, 0x66, 0xF3, 0xF2};
    const auto valid = [](const FeatureSet& features, std::initializer_list<u8> code) {
        std::array<u8, 16> bytes{};
        std::size_t n = 0;
        for (const u8 b : code) {
            if (n || b) bytes[n++] = b;
        }
        Insn insn;
        return decode(bytes, mode::code32 | mode::protected_mode, features, insn) == DecodeStatus::ok;
    };
    struct Level {
        const char* model;
        std::string_view has;
    };
    for (const Level& level :
         {Level{"pentium", ""}, Level{"pentium-mmx", "m"}, Level{"pentium3", "m1"}, Level{"pentium4", "m12"}}) {
        const FeatureSet& features = find_cpu_model(level.model)->features;
        for (const Line& line : lines) {
            for (unsigned p = 0; p < 4; ++p) {
                CAPTURE(level.model);
                CAPTURE(line.opcode);
                CAPTURE(p);
                const bool has = level.has.find(line.features[p]) != std::string_view::npos;
                const char form = line.forms[p];
                CHECK(valid(features, {prefixes[p], 0x0F, line.opcode, 0xCA}) == (has && form != 'M'));
                CHECK(valid(features, {prefixes[p], 0x0F, line.opcode, 0x0E}) == (has && form != 'r'));
            }
        }
        const bool mmx = level.has.size() > 0, sse = level.has.size() > 1, sse2 = level.has.size() > 2;
        // Groups 12 to 14, by ModRM.reg.
        const u8 shifts[3] = {0b0101'0100, 0b0101'0100, 0b0100'0100};
        for (unsigned group = 0; group < 3; ++group) {
            for (unsigned reg = 0; reg < 8; ++reg) {
                const u8 opcode = static_cast<u8>(0x71 + group), modrm = static_cast<u8>(0xC2 | reg << 3);
                const bool exists = (shifts[group] >> reg & 1) != 0, bytes = group == 2 && (reg == 3 || reg == 7);
                CHECK(valid(features, {0x0F, opcode, modrm}) == (exists && mmx));
                CHECK(valid(features, {0x66, 0x0F, opcode, modrm}) == ((exists || bytes) && sse2));
                CHECK(!valid(features, {0x0F, opcode, static_cast<u8>(modrm & 0x3F)}));
            }
        }
        CHECK(valid(features, {0x0F, 0x77}) == mmx);
        const bool memory_forms[8] = {sse, sse, sse, sse, false, false, false, sse2};
        const bool register_forms[8] = {false, false, false, false, false, sse2, sse2, sse};
        for (unsigned reg = 0; reg < 8; ++reg) { // group 15
            CHECK(valid(features, {0x0F, 0xAE, static_cast<u8>(0x06 | reg << 3)}) == memory_forms[reg]);
            CHECK(valid(features, {0x0F, 0xAE, static_cast<u8>(0xC0 | reg << 3)}) == register_forms[reg]);
        }
    }
}
