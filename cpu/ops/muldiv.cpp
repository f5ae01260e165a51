// MUL, IMUL, DIV, IDIV as every processor since the 80186 has them but for what muldiv_early.cpp holds (SDM 2).
#include "cpu/ops/muldiv.hpp"

namespace glassbox {

namespace {

using namespace muldiv;
using enum Arg;

template <Word T> T imul_truncated(Flags& f, T a, T b) {
    const SignedDouble<T> product = static_cast<SignedDouble<T>>(static_cast<Signed<T>>(a)) * static_cast<Signed<T>>(b);
    const T low = static_cast<T>(product);
    mul_flags<T>(f, low, product != static_cast<Signed<T>>(low));
    return low;
}
struct Imul2 {
    static constexpr OpInfo info{"imul", mul_defined, mul_undefined};
    template <Word T> static T apply(Flags& f, T a, T b) { return imul_truncated<T>(f, a, b); }
};
template <Word T, class Ea> struct Imul3 {
    static bool run(Cpu& cpu, const Op& op, Flags& f) {
        T a;
        if constexpr (std::is_void_v<Ea>)
            a = cpu.reg<T>(op.base);
        else if (!source<T, Ea>(cpu, op, a))
            return false;
        u64 b = op.imm;
        if constexpr (!std::is_void_v<Ea>) b = Ea::immediate(op);
        cpu.set_reg<T>(op.reg, imul_truncated<T>(f, a, static_cast<T>(b)));
        return true;
    }
};
Handler select_imul3(const Insn& insn, Op& op) {
    op.reg = insn.operand[0].number;
    return with_wide(insn.opsize, [&]<Word T>() -> Handler {
        if (insn.mem) return with_address<T>(insn, [&]<class Ea>() -> Handler { return &handler<Imul3<T, Ea>>; });
        op.base = insn.operand[1].number;
        return &handler<Imul3<T, void>>;
    });
}

constexpr Row rows[] = {
    {at(0xF6).digit(4), {Eb}, &mul_info, &select_one<Mul>},
    {at(0xF7).digit(4), {Ev}, &mul_info, &select_one<Mul>},
    {at(0xF6).digit(5), {Eb}, &imul_info, &select_one<Imul1>},
    {at(0xF7).digit(5), {Ev}, &imul_info, &select_one<Imul1>},
    // The undefined flags stay as they are, so an earlier write to them is not dead.
    {at(0xF6).digit(6), {Eb}, &div_info, &select_one<Div>, attr::may_fault | attr::flags_conditional},
    {at(0xF7).digit(6), {Ev}, &div_info, &select_one<Div>, attr::may_fault | attr::flags_conditional},
    {at(0xF6).digit(7), {Eb}, &idiv_info, &select_one<Idiv>, attr::may_fault | attr::flags_conditional},
    {at(0xF7).digit(7), {Ev}, &idiv_info, &select_one<Idiv>, attr::may_fault | attr::flags_conditional},
    {at(0x69), {Gv, Ev, Iz}, &imul_info, &select_imul3, 0, Feature::i186},
    {at(0x6B), {Gv, Ev, Ibs}, &imul_info, &select_imul3, 0, Feature::i186},
    binary<Imul2>(at(0x0FAF), Gv, Ev, 0, Feature::i386),
};

} // namespace

std::span<const Row> families::muldiv() { return rows; }

} // namespace glassbox
