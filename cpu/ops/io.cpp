// IN and OUT (SDM 2).
#include "cpu/operands.hpp"
#include "cpu/ops/families.hpp"
#include "cpu/ops/port_access.hpp"

namespace glassbox {

namespace {

using enum Arg;

constexpr OpInfo in_info{"in"}, out_info{"out"};

template <Word T, bool dx> struct In {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        const u16 port = dx ? cpu.r16(RDX) : static_cast<u16>(op.imm);
        if (!check_port(cpu, port, sizeof(T))) return false;
        cpu.set_reg<T>(8 * RAX, static_cast<T>(port_read(cpu, op, port, sizeof(T))));
        return true;
    }
};
template <Word T, bool dx> struct Out {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        const u16 port = dx ? cpu.r16(RDX) : static_cast<u16>(op.imm);
        if (!check_port(cpu, port, sizeof(T))) return false;
        port_write(cpu, op, port, sizeof(T), cpu.reg<T>(8 * RAX));
        return true;
    }
};
template <template <Word, bool> class Body, bool dx> Handler select_port(const Insn& insn, Op&) {
    return with_port_width(insn, [&]<Word T>() -> Handler { return &handler<Body<T, dx>>; });
}

constexpr Row rows[] = {
    {at(0xE4), {AL, Ib}, &in_info, &select_port<In, false>, attr::may_fault | attr::at_most_32},
    {at(0xE5), {eAX, Ib}, &in_info, &select_port<In, false>, attr::may_fault | attr::at_most_32},
    {at(0xE6), {Ib, AL}, &out_info, &select_port<Out, false>, attr::may_fault | attr::at_most_32},
    {at(0xE7), {Ib, eAX}, &out_info, &select_port<Out, false>, attr::may_fault | attr::at_most_32},
    {at(0xEC), {AL, DX}, &in_info, &select_port<In, true>, attr::may_fault | attr::at_most_32},
    {at(0xED), {eAX, DX}, &in_info, &select_port<In, true>, attr::may_fault | attr::at_most_32},
    {at(0xEE), {DX, AL}, &out_info, &select_port<Out, true>, attr::may_fault | attr::at_most_32},
    {at(0xEF), {DX, eAX}, &out_info, &select_port<Out, true>, attr::may_fault | attr::at_most_32},
};

} // namespace

std::span<const Row> families::io() { return rows; }

} // namespace glassbox
