// 3DNow! against the definitions of APM 5: every instruction with numbers whose results are known, the treatment of
// zeros, denormals, overflow and underflow, and the bounds of the approximations.
#include "ext_fixture.hpp"

#include "cpu/sse/now3d.hpp"

#include <cmath>

using namespace glassbox;
using namespace glassbox::ext_test;

namespace {

u32 bits(float x) { return std::bit_cast<u32>(x); }
float number(u32 x) { return std::bit_cast<float>(x); }
u64 pair(u32 low, u32 high) { return low | u64{high} << 32; }
u64 floats(float low, float high) { return pair(bits(low), bits(high)); }

constexpr u32 plus_zero = 0, minus_zero = 0x8000'0000, largest = 0x7F7F'FFFF, least = 0x0080'0000,
              denormal = 0x0040'0000;

/// MM1 after the instruction `suffix` on MM1 and MM2, in both forms.
u64 run(Guest& g, u8 suffix, u64 a, u64 b) {
    g.cpu.fpu.set_mmx(1, a);
    g.cpu.fpu.set_mmx(2, b);
    REQUIRE(g.step({0x0F, 0x0F, 0xCA, suffix}) == none);
    const u64 result = g.cpu.fpu.mmx(1);
    CHECK(g.cpu.fpu.mmx(2) == b);
    g.cpu.fpu.set_mmx(1, a);
    g.put<u64>(Guest::data, b);
    REQUIRE(g.step({0x0F, 0x0F, 0x0E, suffix}) == none);
    CHECK(g.cpu.fpu.mmx(1) == result);
    return result;
}

} // namespace

TEST_CASE("3DNow!: what each instruction computes") {
    Guest g;
    const u64 a = floats(5.0f, -2.5f), b = floats(1.25f, 4.0f);
    CHECK(run(g, 0x9E, a, b) == floats(6.25f, 1.5f));           // PFADD
    CHECK(run(g, 0x9A, a, b) == floats(3.75f, -6.5f));          // PFSUB
    CHECK(run(g, 0xAA, a, b) == floats(-3.75f, 6.5f));          // PFSUBR
    CHECK(run(g, 0xB4, a, b) == floats(6.25f, -10.0f));         // PFMUL
    CHECK(run(g, 0xAE, a, b) == floats(2.5f, 5.25f));           // PFACC
    CHECK(run(g, 0x8A, a, b) == floats(7.5f, -2.75f));          // PFNACC
    CHECK(run(g, 0x8E, a, b) == floats(7.5f, 5.25f));           // PFPNACC
    CHECK(run(g, 0x94, a, b) == floats(1.25f, -2.5f));          // PFMIN
    CHECK(run(g, 0xA4, a, b) == floats(5.0f, 4.0f));            // PFMAX
    CHECK(run(g, 0xB0, a, floats(5.0f, 1.0f)) == pair(~0u, 0)); // PFCMPEQ
    CHECK(run(g, 0xA0, a, b) == pair(~0u, 0));                  // PFCMPGT
    CHECK(run(g, 0xA0, a, a) == 0);
    CHECK(run(g, 0x90, a, b) == pair(~0u, 0)); // PFCMPGE
    CHECK(run(g, 0x90, a, a) == ~u64{0});
    CHECK(run(g, 0x1D, 0, floats(-3.99f, 2e9f)) == pair(static_cast<u32>(-3), 2'000'000'000)); // PF2ID
    CHECK(run(g, 0x1D, 0, floats(3e9f, -3e9f)) == pair(0x7FFF'FFFF, 0x8000'0000));
    CHECK(run(g, 0x1C, 0, floats(-3.99f, 1e9f)) == pair(static_cast<u32>(-3), 0x7FFF)); // PF2IW
    CHECK(run(g, 0x1C, 0, floats(-1e9f, 32767.5f)) == pair(0xFFFF'8000, 0x7FFF));
    CHECK(run(g, 0x0D, 0, pair(static_cast<u32>(-7), 0x7FFF'FFFF)) == pair(bits(-7.0f), 0x4EFF'FFFF)); // PI2FD
    CHECK(run(g, 0x0D, 0, pair(0x8000'0000, 0x8000'0001)) == pair(0xCF00'0000, 0xCEFF'FFFF));
    CHECK(run(g, 0x0C, 0, pair(0x1234'FFF9, 0xFFFF'7FFF)) == floats(-7.0f, 32767.0f));          // PI2FW
    CHECK(run(g, 0xBB, a, b) == floats(4.0f, 1.25f));                                           // PSWAPD
    CHECK(run(g, 0xBF, 0x00FF'0102'0304'0506, 0x00FE'0101'0101'0101) == 0x00FF'0102'0203'0304); // PAVGUSB
    CHECK(run(g, 0xB7, 0x7FFF'8000'0002'4000, 0x7FFF'8000'4000'0002) == 0x3FFF'4000'0001'0001); // PMULHRW
}

TEST_CASE("3DNow!: zeros, denormals, underflow and saturation") {
    using namespace now3d;
    CHECK(add(plus_zero, minus_zero) == plus_zero);
    CHECK(add(minus_zero, minus_zero) == minus_zero);
    CHECK(add(bits(-1.5f), bits(1.5f)) == minus_zero); // equal magnitudes: the first operand's sign
    CHECK(add(bits(1.5f), bits(-1.5f)) == plus_zero);
    CHECK(add(least + 1, least | 0x8000'0000) == plus_zero); // 2^-149 is too small
    CHECK(add(least, 0x8000'0001 | least) == minus_zero);    // the larger magnitude's sign
    CHECK(add(denormal, bits(1.0f)) == bits(1.0f));
    CHECK(add(denormal, denormal) == plus_zero);
    CHECK(add(largest, largest) == largest);
    CHECK(add(largest | 0x8000'0000, largest | 0x8000'0000) == (largest | 0x8000'0000));
    CHECK(add(largest, bits(1.0f)) == largest);
    CHECK(add(bits(16777216.0f), bits(1.0f)) == bits(16777216.0f)); // a tie, to even
    CHECK(add(bits(16777218.0f), bits(1.0f)) == bits(16777220.0f));
    CHECK(subtract(bits(1.0f), bits(1.0f)) == plus_zero);
    CHECK(subtract(minus_zero, plus_zero) == minus_zero);
    CHECK(multiply(minus_zero, bits(3.0f)) == minus_zero);
    CHECK(multiply(least, bits(0.5f)) == plus_zero);
    CHECK(multiply(least, bits(-0.5f)) == minus_zero);
    CHECK(multiply(largest, bits(-2.0f)) == (largest | 0x8000'0000));
    CHECK(multiply(0x3F80'0001, 0x3F80'0001) == 0x3F80'0002);
    CHECK(minimum(minus_zero, minus_zero) == plus_zero);
    CHECK(minimum(minus_zero, bits(1.0f)) == plus_zero);
    CHECK(minimum(bits(-1.0f), minus_zero) == bits(-1.0f));
    CHECK(maximum(bits(-1.0f), minus_zero) == plus_zero);
    CHECK(equal(plus_zero, minus_zero));
    CHECK(!greater(plus_zero, minus_zero));
    CHECK(greater_or_equal(minus_zero, plus_zero));
    CHECK(to_integer(denormal, 32) == 0);
    CHECK(reciprocal(plus_zero) == largest);
    CHECK(reciprocal(minus_zero) == (largest | 0x8000'0000));
    CHECK(reciprocal(bits(0x1.8p127f)) == plus_zero); // below 2^-126
    CHECK(reciprocal_root(minus_zero) == (largest | 0x8000'0000));
    CHECK(reciprocal_root(bits(-4.0f)) == bits(-0.5f));
}

TEST_CASE("3DNow!: approximations and the sequences that refine them") {
    Guest g;
    double worst_division = 0, worst_root = 0;
    for (unsigned i = 0; i < 400; ++i) {
        const float x = 0.001f * static_cast<float>(i * i + 1) * (i % 3 == 0 ? 1024.0f : 1.0f);
        const u64 w = floats(x, 99.0f);
        const u64 first = run(g, 0x96, 0, w);
        CHECK(static_cast<u32>(first) == first >> 32); // in both halves
        CHECK(std::fabs(number(static_cast<u32>(first)) * double{x} - 1) < 0x1p-14);
        // X0 = PFRCP(b), X1 = PFRCPIT1(b, X0), X2 = PFRCPIT2(X1, X0)
        const u64 twice = w & 0xFFFF'FFFF;
        const u64 x1 = run(g, 0xA6, twice | twice << 32, first), x2 = run(g, 0xB6, x1, first);
        worst_division = std::max(worst_division, std::fabs(number(static_cast<u32>(x2)) * double{x} - 1));
        // X0 = PFRSQRT(b), X1 = PFMUL(X0, X0), X2 = PFRSQIT1(b, X1), X3 = PFRCPIT2(X2, X0)
        const u64 root = run(g, 0x97, 0, w);
        CHECK(std::fabs(number(static_cast<u32>(root)) * std::sqrt(double{x}) - 1) < 0x1p-15);
        const u64 square = run(g, 0xB4, root, root), step = run(g, 0xA7, square, twice | twice << 32);
        const u64 refined = run(g, 0xB6, step, root);
        worst_root = std::max(worst_root, std::fabs(number(static_cast<u32>(refined)) * std::sqrt(double{x}) - 1));
    }
    CHECK(worst_division < 0x1p-22);
    CHECK(worst_root < 0x1p-22);
}

TEST_CASE("3DNow!: FEMMS, MMX state, features, reserved suffixes") {
    Guest g;
    g.cpu.fpu.init();
    g.cpu.fpu.top = 3;
    run(g, 0x9E, 0, 0);
    CHECK(g.cpu.fpu.top == 0);
    CHECK(g.cpu.fpu.valid == 0xFF);
    CHECK(g.step({0x0F, 0x0E}) == none);
    CHECK(g.cpu.fpu.valid == 0);
    CHECK(g.step({0x0F, 0x0F, 0xCA, 0x00}) == UD);
    CHECK(g.step({0x0F, 0x0F, 0xCA, 0x9F}) == UD);
    g.cpu.cr0 |= cr0::TS;
    CHECK(g.step({0x0F, 0x0F, 0xCA, 0x9E}) == NM);
    CHECK(g.step({0x0F, 0x0E}) == NM);
    g.cpu.cr0 |= cr0::EM;
    CHECK(g.step({0x0F, 0x0F, 0xCA, 0x9E}) == UD);
    Guest early({Feature::now3d_ext});
    CHECK(early.step({0x0F, 0x0F, 0xCA, 0x9E}) == none);
    CHECK(early.step({0x0F, 0x0F, 0xCA, 0xBB}) == UD);
    Guest without({Feature::now3d, Feature::now3d_ext});
    CHECK(without.step({0x0F, 0x0F, 0xCA, 0x9E}) == UD);
    CHECK(without.step({0x0F, 0x0E}) == UD);
}
