// CMPXCHG16B (SDM 2): both outcomes, flags, alignment, and where it does not exist.
#include "ext_fixture.hpp"

using namespace glassbox;
using namespace glassbox::ext_test;

namespace {

constexpr std::initializer_list<u8> cmpxchg16b{0xF0, 0x48, 0x0F, 0xC7, 0x0E}, cmpxchg8b{0x0F, 0xC7, 0x0E};

void prepare(Guest& g) {
    g.put<u64>(Guest::data, 0x1111);
    g.put<u64>(Guest::data + 8, 0x2222);
    g.cpu.gpr[RAX] = 0x1111;
    g.cpu.gpr[RDX] = 0x2222;
    g.cpu.gpr[RBX] = 0x3333'0000'0000;
    g.cpu.gpr[RCX] = 0x4444'0000'0000;
}

} // namespace

TEST_CASE("CMPXCHG16B exchanges what is equal and loads what is not") {
    Guest g;
    for (unsigned again = 0; again < 2; ++again) { // through the TLB and past it
        prepare(g);
        g.cpu.flags.load(eflags::OSZAPC & ~eflags::ZF);
        CHECK(g.step(cmpxchg16b) == none);
        CHECK(g.get<u64>(Guest::data) == 0x3333'0000'0000);
        CHECK(g.get<u64>(Guest::data + 8) == 0x4444'0000'0000);
        CHECK(g.cpu.gpr[RAX] == 0x1111);
        CHECK(g.cpu.flags.value() == eflags::OSZAPC);
        for (const Gpr differs : {RAX, RDX}) {
            prepare(g);
            g.cpu.gpr[differs] ^= u64{1} << 63;
            g.cpu.flags.load(eflags::OSZAPC);
            CHECK(g.step(cmpxchg16b) == none);
            CHECK(g.get<u64>(Guest::data) == 0x1111);
            CHECK(g.get<u64>(Guest::data + 8) == 0x2222);
            CHECK(g.cpu.gpr[RAX] == 0x1111);
            CHECK(g.cpu.gpr[RDX] == 0x2222);
            CHECK(g.cpu.flags.value() == (eflags::OSZAPC & ~eflags::ZF));
        }
    }
}

TEST_CASE("CMPXCHG16B: alignment, pages, features, modes") {
    Guest g;
    prepare(g);
    g.cpu.gpr[RSI] = Guest::data + 8;
    CHECK(g.step(cmpxchg16b) == GP);
    g.cpu.gpr[RSI] = 0x4000'0000;
    CHECK(g.step(cmpxchg16b) == page_fault);
    CHECK(g.cpu.gpr[RAX] == 0x1111);
    g.cpu.gpr[RSI] = Guest::data;
    CHECK(g.step({0x48, 0x0F, 0xC7, 0xC9}) == UD); // register
    CHECK(g.step(cmpxchg8b) == none);
    Guest without({Feature::cx16});
    without.cpu.gpr[RSI] = Guest::data;
    CHECK(without.step(cmpxchg16b) == UD);
    CHECK(without.step(cmpxchg8b) == none);
}
