// RDRAND and RDSEED: numbers that depend on the seed and the past alone.
#include "ext_fixture.hpp"

#include "bus/archive.hpp"

#include <set>

using namespace glassbox;
using namespace glassbox::ext_test;

namespace {

u64 rdrand(Guest& g) {
    REQUIRE(g.step({0x48, 0x0F, 0xC7, 0xF0}) == none);
    return g.cpu.gpr[RAX];
}

} // namespace

TEST_CASE("the generator is xoshiro256** filled by SplitMix64") {
    EntropySource source(0);
    // SplitMix64 of 0 begins E220A839..., 6E789E6A..., 06C45D18..., F88BB8A8...
    const u64 word1 = 0x6E78'9E6A'A1B9'65F4;
    CHECK(source.next() == std::rotl(word1 * 5, 7) * 9);
    std::set<u64> seen;
    for (unsigned i = 0; i < 1000; ++i) seen.insert(source.next());
    CHECK(seen.size() == 1000);
}

TEST_CASE("the same seed gives the same numbers, another one others") {
    Guest a, b, c;
    c.cpu.entropy.reseed(1);
    std::vector<u64> from_a, from_b, from_c;
    for (unsigned i = 0; i < 20; ++i) {
        from_a.push_back(rdrand(a));
        from_b.push_back(rdrand(b));
        from_c.push_back(rdrand(c));
    }
    CHECK(from_a == from_b);
    CHECK(from_a != from_c);
    b.cpu.entropy.stir(5);
    CHECK(rdrand(a) != rdrand(b));
}

TEST_CASE("widths, registers and flags") {
    Guest g;
    EntropySource twin = g.cpu.entropy;
    g.cpu.gpr[RBX] = g.cpu.gpr[R9] = ~u64{0};
    g.cpu.flags.load(eflags::OSZAPC);
    CHECK(g.step({0x0F, 0xC7, 0xF3}) == none); // RDRAND ebx
    CHECK(g.cpu.gpr[RBX] == static_cast<u32>(twin.next()));
    CHECK(g.cpu.flags.value() == eflags::CF);
    g.cpu.flags.load(eflags::OSZAPC);
    CHECK(g.step({0x66, 0x41, 0x0F, 0xC7, 0xF9}) == none); // RDSEED r9w
    CHECK(g.cpu.gpr[R9] == (~u64{0xFFFF} | (twin.next() & 0xFFFF)));
    CHECK(g.cpu.flags.value() == eflags::CF);
    CHECK(g.step({0xF2, 0x0F, 0xC7, 0xF0}) == UD);
    CHECK(g.step({0xF3, 0x0F, 0xC7, 0xF0}) == UD);
    CHECK(g.step({0x0F, 0xC7, 0x36}) != none); // memory: VMPTRLD, which is not there
    Guest without({Feature::rdrand, Feature::rdseed});
    CHECK(without.step({0x0F, 0xC7, 0xF0}) == UD);
    CHECK(without.step({0x0F, 0xC7, 0xF8}) == UD);
}

TEST_CASE("a snapshot continues with the same numbers") {
    EntropySource source(77);
    for (unsigned i = 0; i < 5; ++i) source.next();
    Archive save = Archive::saver();
    source.persist(save);
    const std::vector<u8>& bytes = save.bytes();
    EntropySource other;
    Archive load = Archive::loader(bytes);
    other.persist(load);
    CHECK(load.ok());
    for (unsigned i = 0; i < 5; ++i) CHECK(source.next() == other.next());
    std::vector<u8> zero(bytes.size());
    Archive bad = Archive::loader(zero);
    other.persist(bad);
    CHECK(!bad.ok());
}
