// The rows of the cryptographic instructions, legacy and VEX, against the host's processor.
#include "sse_fixture.hpp"

#include "cpu/ops/families.hpp"

#include <string>

using namespace glassbox;
using namespace glassbox::sse_test;

TEST_CASE("which features the cryptographic rows ask for") {
    unsigned wide = 0, narrow = 0, legacy = 0;
    for (const Row& row : families::crypto()) {
        if (row.at.encoding == Encoding::legacy) {
            ++legacy;
        } else if (row.at.l_ == 1) {
            ++wide;
            CHECK((row.feature == Feature::vaes || row.feature == Feature::vpclmulqdq || row.feature == Feature::gfni));
        } else {
            ++narrow;
            CHECK((row.feature == Feature::aes || row.feature == Feature::pclmulqdq || row.feature == Feature::gfni));
        }
    }
    CHECK(legacy == 6 + 1 + 7 + 3);
    CHECK(narrow == 6 + 1 + 3);
    CHECK(wide == 4 + 1 + 3);
}

TEST_CASE("VEX.128 forms zero the upper half, legacy forms keep it and want alignment") {
    Guest g;
    g.give_everything();
    const auto upper = [&] { return g.cpu.sse.ymm_high(1).q[0]; };
    g.cpu.sse.ymm_high(1).q = {7, 7};
    CHECK(g.step({0x66, 0x0F, 0x38, 0xDC, 0xCA}) == -1); // AESENC xmm1, xmm2
    CHECK(upper() == 7);
    CHECK(g.step({0xC4, 0xE2, 0x69, 0xDC, 0xCB}) == -1); // VAESENC xmm1, xmm2, xmm3
    CHECK(upper() == 0);
    g.cpu.set_r32(RSI, Guest::data + 1);
    CHECK(g.step({0x66, 0x0F, 0x38, 0xDC, 0x0E}) == 13);
    CHECK(g.step({0xC4, 0xE2, 0x69, 0xDC, 0x0E}) == -1);
    g.cpu.xcr0 = 3; // AVX is not enabled
    CHECK(g.step({0xC4, 0xE2, 0x69, 0xDC, 0xCB}) == 6);
    CHECK(g.step({0x66, 0x0F, 0x38, 0xDC, 0xCA}) == -1);
}

#if defined(GLASSBOX_TEST_NATIVE)

namespace {

bool crypto_on_host(const Row& row) {
    u32 leaf1 = 1, leaf7 = 7, b1 = 0, c1 = 0, d1 = 0, b7 = 0, c7 = 0, d7 = 0;
    __asm__ volatile("cpuid" : "+a"(leaf1), "=b"(b1), "+c"(c1), "=d"(d1));
    __asm__ volatile("cpuid" : "+a"(leaf7), "=b"(b7), "+c"(c7), "=d"(d7));
    if (row.at.encoding == Encoding::vex && !__builtin_cpu_supports("avx")) return false;
    switch (row.feature) {
    case Feature::aes: return c1 >> 25 & 1;
    case Feature::pclmulqdq: return c1 >> 1 & 1;
    case Feature::sha: return b7 >> 29 & 1;
    case Feature::gfni: return c7 >> 8 & 1;
    case Feature::vaes: return c7 >> 9 & 1;
    case Feature::vpclmulqdq: return c7 >> 10 & 1;
    default: return false;
    }
}

} // namespace

TEST_CASE("every cryptographic row agrees with the host's processor") {
    Native native;
    if (!native.usable()) return;
    Guest guest;
    guest.give_everything();
    Rng rng{0xC4A97};
    for (const Row& row : families::crypto()) {
        if (!crypto_on_host(row)) continue;
        for (unsigned i = 0; i < 100; ++i) {
            const bool memory = (i & 1) != 0;
            const Bytes bytes =
                encode(row, memory, static_cast<unsigned>(rng.below(8)), static_cast<unsigned>(rng.below(8)),
                       static_cast<u8>(rng.next()), static_cast<unsigned>(rng.below(8)));
            State before;
            for (auto& x : before.xmm) x = {rng.next(), rng.next(), rng.next(), rng.next()};
            for (u8& b : before.memory) b = static_cast<u8>(rng.next());
            State ours = before, theirs = before;
            guest.run(bytes, ours);
            native.run(bytes, theirs);
            std::string text = row.info->mnemonic;
            for (const u8 b : bytes) text += " " + std::to_string(b);
            INFO(text);
            REQUIRE(ours == theirs);
        }
    }
}

#endif
