// What the 386 does and its successors do not (SingleStepTests/80386; 80386 Programmer's Reference, 230985).
#include "model_fixture.hpp"

using namespace glassbox;
using namespace glassbox::model_test;

TEST_CASE("386: POPAD on a 16-bit stack takes the high half of ESP from its image") {
    for (const bool early : {true, false}) {
        Early m(early ? "386" : "486");
        for (u16 i = 0; i < 8; ++i) m.put<u32>((u32{Early::stack} << 4) + 0x1000 + 4u * i, 0xAAAA'0000u + i);
        m.run({0x66, 0x61});
        CHECK(m.cpu.r32(RDI) == 0xAAAA'0000);
        CHECK(m.cpu.r32(RAX) == 0xAAAA'0007);
        CHECK(m.cpu.r32(RSP) == (early ? 0xAAAA'1020 : 0x1020));
    }
}

TEST_CASE("386: POPA keeps the registers that it has loaded when it faults, PUSHA what it has stored, from below") {
    Early m("386");
    m.cpu.set_r16(RSP, 0xFFFD); // DI comes from FFFD, SI would from FFFF
    m.put<u16>(Early::stack, 0xFFFD, u16{0xD1D1});
    m.cpu.set_r16(RSI, 0x5151);
    m.run({0x61});
    CHECK(m.cpu.r16(RDI) == 0xD1D1);
    CHECK(m.cpu.r16(RSI) == 0x5151);
    CHECK(m.entered(12, Early::after(0)));
    Early p("386");
    p.cpu.set_r16(RSP, 0x000F); // words at FFFF (DI), 1, 3 ... : the first one faults
    p.cpu.set_r16(RBX, 0xBBBB);
    p.run({0x60});
    CHECK(p.get<u16>(Early::stack, 0x0007) != 0xBBBB);
    CHECK(p.entered(12, Early::after(0)));
}

TEST_CASE("386: a scale without an index scales the base") {
    for (const bool early : {true, false}) {
        Early m(early ? "386" : "486");
        m.cpu.set_r32(RBX, 0x100);
        m.run({0x67, 0x66, 0x8D, 0x44, 0xA3, 0x10}); // LEA EAX,[EBX + none * 4 + 10]
        CHECK(m.cpu.r32(RAX) == (early ? 0x410 : 0x110));
        m.run({0x67, 0x66, 0x8D, 0x04, 0xA5, 0x10, 0x00, 0x00, 0x00}); // without a base
        CHECK(m.cpu.r32(RAX) == 0x10);
    }
}

TEST_CASE("386: POP of a segment register looks at two bytes") {
    for (const bool early : {true, false}) {
        Early m(early ? "386" : "486");
        m.cpu.set_r16(RSP, 0xFFFE);
        m.put<u16>(Early::stack, 0xFFFE, u16{0x1234});
        m.run({0x66, 0x07});
        CHECK((m.cpu.seg[SegmentName::ES].selector == 0x1234) == early);
    }
}

TEST_CASE("386: SHLD and SHRD of words beyond 16 bits bring in the second register again") {
    for (const bool early : {true, false}) {
        Early m(early ? "386" : "486");
        m.cpu.set_r16(RAX, 0x1234);
        m.cpu.set_r16(RBX, 0xABCD);
        m.run({0x0F, 0xA4, 0xD8, 20}); // SHLD AX,BX,20
        CHECK(m.ax() == (early ? 0xBCDA : 0xBCD1));
        m.cpu.set_r16(RAX, 0x1234);
        m.run({0x0F, 0xAC, 0xD8, 20}); // SHRD AX,BX,20
        CHECK(m.ax() == (early ? 0xDABC : 0x4ABC));
    }
}

TEST_CASE("386: BSWAP and WBINVD only in a machine, whose firmware executes them") {
    const CpuModel& bare = *find_cpu_model("386");
    CHECK_FALSE(bare.features.has(Feature::bios486));
    CHECK(in_machine(bare).features.has(Feature::bios486));
    CHECK((in_machine(*find_cpu_model("max")).features == find_cpu_model("max")->features));
    Early m("386");
    m.run({0x0F, 0xC8});
    CHECK(m.entered(6, Early::after(0)));
}

TEST_CASE("PUSH of a segment register with operand size 32: only the Pentium writes the upper half (SDM 3B 22.31.1)") {
    for (const char* model : {"386", "486", "pentium", "pentium-mmx", "pentium-pro", "max"}) {
        Early m(model);
        m.put<u32>(Early::stack, 0xFFC, 0xFFFF'FFFFu);
        m.run({0x66, 0x1E}); // PUSH DS
        CHECK(m.sp() == 0xFFC);
        const bool pentium = std::string_view(model).starts_with("pentium") && m.cpu.model->signature < 0x600;
        CHECK(m.get<u32>(Early::stack, 0xFFC) == (pentium ? 0u : 0xFFFF'0000u) + Early::data);
    }
}

TEST_CASE("386: CR4 does not exist (SDM 3B 22.21)") {
    Early m("386");
    m.run({0x0F, 0x20, 0xE0});
    CHECK(m.entered(6, Early::after(0)));
    m.run({0x0F, 0x22, 0xE0});
    CHECK(m.entered(6, Early::after(0)));
    Early later("486");
    later.run({0x0F, 0x20, 0xE0});
    CHECK(later.ip() == Early::after(3));
}
