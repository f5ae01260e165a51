// RDRAND and RDSEED (SDM 2; SDM 1, 7.3.17). The generator never runs dry, so CF is always set.
#include "cpu/exec.hpp"
#include "cpu/ops/families.hpp"

namespace glassbox {

namespace {

using enum Arg;

constexpr OpInfo rdrand_info{"rdrand", eflags::OSZAPC}, rdseed_info{"rdseed", eflags::OSZAPC};

template <Word T> bool read_random(Cpu& cpu, const Op& op) {
    cpu.set_reg<T>(op.base, static_cast<T>(cpu.entropy.next()));
    cpu.flags.load(eflags::CF);
    return true;
}
Handler select_random(const Insn& insn, Op& op) {
    op.base = static_cast<u8>(8 * insn.rm_number());
    return insn.opsize == 2   ? &cold<read_random<u16>>
           : insn.opsize == 4 ? &cold<read_random<u32>>
                              : &cold<read_random<u64>>;
}

constexpr Row rows[] = {
    {at(0x0FC7).digit(6).reg().no_rep(), {Ev}, &rdrand_info, &select_random, 0, Feature::rdrand},
    {at(0x0FC7).digit(7).reg().no_rep(), {Ev}, &rdseed_info, &select_random, 0, Feature::rdseed},
};

} // namespace

std::span<const Row> families::random() { return rows; }

} // namespace glassbox
