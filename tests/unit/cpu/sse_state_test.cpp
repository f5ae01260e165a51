// The state that MMX and SSE instructions keep: MMX and x87 tags, MXCSR, the image of FXSAVE; and the bounds of the
// approximations, which the comparison with the host leaves out.
#include "sse_fixture.hpp"

#include <cmath>

using namespace glassbox;
using namespace glassbox::sse_test;

namespace {

constexpr int UD = 6, GP = 13, none = -1;

float single(u64 bits) { return std::bit_cast<float>(static_cast<u32>(bits)); }
u32 bits(float value) { return std::bit_cast<u32>(value); }

} // namespace

TEST_CASE("MMX instructions make all tags valid and TOP zero; EMMS empties them") {
    Guest g;
    FpuState& fpu = g.cpu.fpu;
    g.cpu.set_r32(RSI, Guest::data);
    const std::initializer_list<u8> enters[] = {
        {0x0F, 0x6E, 0xC8},       // MOVD mm1, eax
        {0x0F, 0x7E, 0xC8},       // MOVD eax, mm1
        {0x0F, 0x7F, 0x0E},       // MOVQ [esi], mm1
        {0x0F, 0xE7, 0x0E},       // MOVNTQ [esi], mm1
        {0x0F, 0xFC, 0xCA},       // PADDB mm1, mm2
        {0x0F, 0xD7, 0xC1},       // PMOVMSKB eax, mm1
        {0x0F, 0xC5, 0xC1, 0},    // PEXTRW eax, mm1, 0
        {0xF3, 0x0F, 0xD6, 0xC9}, // MOVQ2DQ xmm1, mm1
        {0xF2, 0x0F, 0xD6, 0xC9}, // MOVDQ2Q mm1, xmm1
        {0x0F, 0x2A, 0xC9},       // CVTPI2PS xmm1, mm1
        {0x66, 0x0F, 0x2A, 0xC9}, // CVTPI2PD xmm1, mm1
        {0x0F, 0x2D, 0xC9},       // CVTPS2PI mm1, xmm1
    };
    for (const auto& code : enters) {
        fpu.init();
        fpu.push({1, 0x3FFF});
        CHECK(fpu.top == 7);
        CHECK(g.step(code) == none);
        CHECK(fpu.top == 0);
        CHECK(fpu.valid == 0xFF);
    }
    fpu.init();
    fpu.push({1, 0x3FFF});
    CHECK(g.step({0x66, 0x0F, 0x2A, 0x0E}) == none); // CVTPI2PD xmm1, [esi] does not
    CHECK(fpu.top == 7);
    CHECK(g.step({0x66, 0x0F, 0x6E, 0xC8}) == none); // nor anything on XMM registers
    CHECK(fpu.top == 7);
    fpu.push({1, 0x3FFF});
    CHECK(g.step({0x0F, 0x6E, 0xD8}) == none); // MOVD mm3, eax
    CHECK(fpu.registers[3].sign_exponent == 0xFFFF);
    CHECK(fpu.registers[6].sign_exponent == 0x3FFF); // the others keep their exponents
    CHECK(g.step({0x0F, 0x77}) == none);
    CHECK(fpu.valid == 0);
    CHECK(fpu.tag_word() == 0xFFFF);
}

TEST_CASE("LDMXCSR and STMXCSR") {
    Guest g;
    g.cpu.set_r32(RSI, Guest::data);
    CHECK(g.cpu.sse.mxcsr == 0x1F80);
    for (unsigned bit = 0; bit < 32; ++bit) {
        g.put<u32>(Guest::data, 1u << bit);
        g.cpu.sse.mxcsr = 0x1F80;
        CHECK(g.step({0x0F, 0xAE, 0x16}) == (bit < 16 ? none : GP));
        CHECK(g.cpu.sse.mxcsr == (bit < 16 ? 1u << bit : 0x1F80));
        CHECK(g.step({0x0F, 0xAE, 0x1E}) == none);
        CHECK(g.get<u32>(Guest::data) == g.cpu.sse.mxcsr);
    }
    Guest p3("pentium3"); // no DAZ before SSE2
    p3.cpu.set_r32(RSI, Guest::data);
    p3.put<u32>(Guest::data, 0x1FC0);
    CHECK(p3.step({0x0F, 0xAE, 0x16}) == GP);
    p3.put<u32>(Guest::data, 0x9F80);
    CHECK(p3.step({0x0F, 0xAE, 0x16}) == none);
}

TEST_CASE("FXSAVE writes the image of SDM 1, table 10-2; FXRSTOR reads it") {
    Guest g;
    g.cpu.set_r32(RSI, Guest::data);
    std::memset(g.memory.ram().data() + Guest::data, 0xA5, 512);
    for (unsigned i = 0; i < 8; ++i) {
        g.cpu.sse.xmm(i).q = {0x1111'1111'1111'1111u * i, 0x1010'1010'1010'1010u + i};
        g.cpu.fpu.registers[i] = {0x8000'0000'0000'0000 + i, static_cast<u16>(0x3FFF + i)};
    }
    g.cpu.fpu.set_control(0x027F);
    g.cpu.fpu.top = 5;
    g.cpu.fpu.status = 0x4101;
    g.cpu.fpu.valid = 0xE0;
    g.cpu.fpu.opcode = 0x123;
    g.cpu.fpu.instruction_pointer = 0x1234'5678;
    g.cpu.fpu.instruction_selector = 0x23;
    g.cpu.fpu.data_pointer = 0x8765'4321;
    g.cpu.fpu.data_selector = 0x2B;
    g.cpu.sse.mxcsr = 0x3FA1;
    CHECK(g.step({0x0F, 0xAE, 0x06}) == none);
    const u32 d = Guest::data;
    CHECK(g.get<u16>(d) == 0x027F);
    CHECK(g.get<u16>(d + 2) == (0x4101 | 5 << 11));
    CHECK(g.get<u8>(d + 4) == 0xE0);
    CHECK(g.get<u16>(d + 6) == 0x123);
    CHECK(g.get<u32>(d + 8) == 0x1234'5678);
    CHECK(g.get<u16>(d + 12) == 0x23);
    CHECK(g.get<u32>(d + 16) == 0x8765'4321);
    CHECK(g.get<u16>(d + 20) == 0x2B);
    CHECK(g.get<u32>(d + 24) == 0x3FA1);
    CHECK(g.get<u32>(d + 28) == 0xFFFF);
    for (u32 i = 0; i < 8; ++i) {
        CHECK(g.get<u64>(d + 32 + 16 * i) == 0x8000'0000'0000'0000 + ((i + 5) & 7)); // ST(i)
        CHECK(g.get<u16>(d + 40 + 16 * i) == 0x3FFF + ((i + 5) & 7));
        CHECK(g.get<u64>(d + 160 + 16 * i) == 0x1111'1111'1111'1111u * i);
        CHECK(g.get<u64>(d + 168 + 16 * i) == 0x1010'1010'1010'1010 + i);
    }
    for (u32 i = 288; i < 512; ++i) REQUIRE(g.get<u8>(d + i) == 0xA5);

    const FpuState fpu = g.cpu.fpu;
    const auto before = g.cpu.sse;
    g.cpu.fpu.init();
    g.cpu.fpu.registers = {};
    g.cpu.sse = {};
    CHECK(g.step({0x0F, 0xAE, 0x0E}) == none);
    CHECK(g.cpu.fpu.status_word() == fpu.status_word());
    CHECK(g.cpu.fpu.control == fpu.control);
    CHECK(g.cpu.fpu.valid == fpu.valid);
    CHECK(g.cpu.fpu.tag_word() == fpu.tag_word());
    CHECK(g.cpu.fpu.instruction_pointer == fpu.instruction_pointer);
    CHECK(g.cpu.fpu.data_selector == fpu.data_selector);
    CHECK(g.cpu.sse.mxcsr == 0x3FA1);
    for (unsigned i = 0; i < 8; ++i) {
        CHECK(g.cpu.fpu.registers[i].significand == fpu.registers[i].significand);
        CHECK(g.cpu.sse.xmm(i).q == before.xmm(i).q);
    }

    // A reserved bit of MXCSR: nothing is loaded.
    g.put<u32>(d + 24, 0x1'1F80);
    g.put<u16>(d, 0x037F);
    CHECK(g.step({0x0F, 0xAE, 0x0E}) == GP);
    CHECK(g.cpu.fpu.control == fpu.control);
    CHECK(g.cpu.sse.mxcsr == 0x3FA1);
}

TEST_CASE("FXSAVE without CR4.OSFXSR or without SSE leaves the rest of the image alone") {
    Guest g;
    g.cpu.set_r32(RSI, Guest::data);
    std::memset(g.memory.ram().data() + Guest::data, 0xA5, 512);
    g.cpu.cr4 = 0;
    CHECK(g.step({0x0F, 0xAE, 0x06}) == none);
    CHECK(g.get<u32>(Guest::data + 24) == 0x1F80);
    CHECK(g.get<u64>(Guest::data + 160) == 0xA5A5'A5A5'A5A5'A5A5);
    g.cpu.sse.xmm(0).q = {1, 2};
    g.put<u16>(Guest::data, 0x037F);
    CHECK(g.step({0x0F, 0xAE, 0x0E}) == none);
    CHECK(g.cpu.sse.xmm(0).q == std::array<u64, 2>{1, 2});
    CHECK(g.cpu.fpu.control == 0x037F);

    Guest p3("pentium3");
    p3.cpu.set_r32(RSI, Guest::data);
    CHECK(p3.step({0x0F, 0xAE, 0x06}) == none);
    CHECK(p3.get<u32>(Guest::data + 28) == 0); // no MXCSR_MASK: FFBFh
    Guest mmx("pentium-mmx");
    CHECK(mmx.step({0x0F, 0xAE, 0x06}) == UD);
}

TEST_CASE("fences, CLFLUSH and MOVNTI need no operating system") {
    Guest g;
    g.cpu.cr4 = 0;
    g.cpu.cr0 |= cr0::EM | cr0::TS;
    g.cpu.set_r32(RSI, Guest::data);
    g.cpu.set_r32(RCX, 0xC0FF'EE00);
    CHECK(g.step({0x0F, 0xAE, 0xE8}) == none);
    CHECK(g.step({0x0F, 0xAE, 0xF0}) == none);
    CHECK(g.step({0x0F, 0xAE, 0xF8}) == none);
    CHECK(g.step({0x0F, 0xAE, 0x3E}) == none);
    CHECK(g.step({0x0F, 0xC3, 0x0E}) == none);
    CHECK(g.get<u32>(Guest::data) == 0xC0FF'EE00);
}

TEST_CASE("RCP and RSQRT: error below 1.5 * 2^-12, no flags, special values") {
    Guest g;
    g.cpu.sse.mxcsr = 0; // everything unmasked
    Rng rng{7};
    const auto run = [&](u8 opcode, u32 operand) {
        g.cpu.sse.xmm(2).q = {operand, 0};
        g.cpu.sse.xmm(1).q = {0xAAAA'AAAA'5555'5555, 0x1234};
        CHECK(g.step({0xF3, 0x0F, opcode, 0xCA}) == none);
        CHECK((g.cpu.sse.xmm(1).q[0] >> 32) == 0xAAAA'AAAA);
        CHECK(g.cpu.sse.mxcsr == 0);
        return static_cast<u32>(g.cpu.sse.xmm(1).q[0]);
    };
    for (unsigned i = 0; i < 2000; ++i) {
        const u32 x = 0x0100'0000 + static_cast<u32>(rng.below(0x7D00'0000 - 0x0100'0000));
        const double value = double{single(x)};
        CHECK(std::fabs(double{single(run(0x53, x))} * value - 1) < 1.5 / 4096);
        CHECK(std::fabs(double{single(run(0x53, x | 0x8000'0000))} * value + 1) < 1.5 / 4096);
        CHECK(std::fabs(double{single(run(0x52, x))} * std::sqrt(value) - 1) < 1.5 / 4096);
    }
    const u32 infinity = 0x7F80'0000, minus = 0x8000'0000;
    for (const u8 opcode : {u8{0x52}, u8{0x53}}) {
        CHECK(run(opcode, 0) == infinity);
        CHECK(run(opcode, minus) == (infinity | minus));
        CHECK(run(opcode, 1) == infinity); // a denormal counts as zero
        CHECK(run(opcode, minus | 1) == (infinity | minus));
        CHECK(run(opcode, infinity) == 0);
        CHECK(run(opcode, 0x7F80'0001) == 0x7FC0'0001); // quietened
        CHECK(run(opcode, 0xFFC0'0123) == 0xFFC0'0123);
    }
    CHECK(run(0x53, infinity | minus) == minus);
    CHECK(run(0x52, infinity | minus) == 0xFFC0'0000);
    CHECK(run(0x52, bits(-4.0f)) == 0xFFC0'0000);
    CHECK(run(0x52, bits(4.0f)) == bits(0.5f));
    CHECK(run(0x53, bits(-8.0f)) == bits(-0.125f));
    CHECK(run(0x53, 0x7F7F'FFFF) == 0); // tiny: flushed
}
