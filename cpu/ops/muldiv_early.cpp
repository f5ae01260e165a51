// Multiplication and division where early processors differ: all of the 8086, IDIV r/m8 of the 80286 and the 386.
#include "cpu/ops/muldiv.hpp"
#include "cpu/system/system.hpp"

namespace glassbox {

namespace {

using namespace muldiv;
using enum Arg;

/// IDIV r/m8 of the 80286 and the 386 lets one kind of overflow pass: operands of opposite signs whose magnitudes meet
/// |a| = 80h * (|b| + 80h) + r, 0 <= r < |b|, give the quotient -128 and the remainder r with the sign of a
/// (SingleStepTests/80286 and /80386, F6.7).
template <class Ea> struct Idiv8Before486 {
    static bool run(Cpu& cpu, const Op& op, Flags& f) {
        u8 raw;
        if (!source<u8, Ea>(cpu, op, raw)) return false;
        const int a = static_cast<i16>(cpu.r16(RAX)), b = static_cast<i8>(raw);
        const int a_size = a < 0 ? -a : a, b_size = b < 0 ? -b : b;
        const int rest = a_size - 0x80 * (b_size + 0x80);
        if ((a < 0) == (b < 0) || rest < 0 || rest >= b_size) return Idiv<u8, Ea>::run(cpu, op, f);
        write_double<u8>(cpu, 0x80, static_cast<u8>(a < 0 ? -rest : rest));
        return true;
    }
};
Handler select_idiv8(const Insn& insn, Op& op) {
    if (insn.mem) return with_address(insn, []<class Ea>() -> Handler { return &handler<Idiv8Before486<Ea>>; });
    op.reg = insn.operand[0].number;
    return &handler<Idiv8Before486<void>>;
}

// --- 8086 -----------------------------------------------------------------------------------------------------------
// The microcode keeps the sign of the result in the flip-flop that a REP prefix sets too, so the prefix negates the
// product of MUL and IMUL and the quotient of IDIV (K. Shirriff, "Reverse-engineering the multiplication algorithm in
// the Intel 8086"; SingleStepTests/8088). IDIV works on magnitudes and takes none for negative that has its top bit
// set: -128 and -32768 overflow. A division error is interrupt 0 after the instruction (8086 Family User's Manual,
// 2-25).

template <Word T, class Ea, bool is_signed> struct NegatedMul {
    static bool run(Cpu& cpu, const Op& op, Flags& f) {
        T b;
        if (!source<T, Ea>(cpu, op, b)) return false;
        const T a = cpu.reg<T>(8 * RAX);
        i64 product = 0;
        if constexpr (is_signed)
            product = -(i64{static_cast<Signed<T>>(a)} * static_cast<Signed<T>>(b));
        else
            product = -static_cast<i64>(u64{a} * b);
        const T low = static_cast<T>(product), high = static_cast<T>(product >> bits_of<T>);
        write_double<T>(cpu, low, high);
        const T extension = is_signed && sign_of(low) ? static_cast<T>(~T{0}) : T{0};
        mul_flags<T>(f, low, high != extension);
        return true;
    }
};
template <Word T, class Ea> using NegatedUnsigned = NegatedMul<T, Ea, false>;
template <Word T, class Ea> using NegatedSigned = NegatedMul<T, Ea, true>;
template <template <Word, class> class Body> Handler select_early(const Insn& insn, Op& op) {
    return with_early_width(insn.operand[0].width, [&]<Word T>() -> Handler {
        if (insn.mem) return &handler<Body<T, EaSeg>>;
        op.reg = insn.operand[0].number;
        return &handler<Body<T, void>>;
    });
}

/// Operand of a cold function: `reg` is a byte offset here.
template <Word T, bool memory> bool divisor(Cpu& cpu, const Op& op, T& b) {
    if constexpr (memory)
        return read_segment<T>(cpu, op.seg, offset_of(cpu, op), b);
    else
        b = cpu.reg<T>(op.reg);
    return true;
}
template <Word T> u32 dividend(const Cpu& cpu) {
    return sizeof(T) == 1 ? cpu.r16(RAX) : (u32{cpu.r16(RDX)} << 16) | cpu.r16(RAX);
}

template <Word T, bool memory> bool div_8086(Cpu& cpu, const Op& op) {
    T b;
    if (!divisor<T, memory>(cpu, op, b)) return false;
    const u32 a = dividend<T>(cpu);
    if ((a >> bits_of<T>) >= b) return division_error_8086(cpu);
    write_double<T>(cpu, static_cast<T>(a / b), static_cast<T>(a % b));
    return true;
}
template <Word T, bool memory, bool negated> bool idiv_8086(Cpu& cpu, const Op& op) {
    T raw;
    if (!divisor<T, memory>(cpu, op, raw)) return false;
    constexpr unsigned width = 2 * bits_of<T>;
    const u32 a = dividend<T>(cpu);
    const bool a_negative = (a >> (width - 1)) != 0, b_negative = sign_of(raw);
    const u32 a_size = a_negative ? static_cast<u32>((0 - u64{a}) & ((u64{1} << width) - 1)) : a;
    const u32 b_size = b_negative ? static_cast<T>(0 - raw) : raw;
    if ((a_size >> bits_of<T>) >= b_size) return division_error_8086(cpu);
    T quotient = static_cast<T>(a_size / b_size), remainder = static_cast<T>(a_size % b_size);
    if (sign_of(quotient)) return division_error_8086(cpu);
    if ((a_negative != b_negative) != negated) quotient = static_cast<T>(0 - quotient);
    if (a_negative) remainder = static_cast<T>(0 - remainder);
    write_double<T>(cpu, quotient, remainder);
    return true;
}

Handler select_div_8086(const Insn& insn, Op& op) {
    op.reg = insn.operand[0].number;
    if (insn.operand[0].width == 1) return insn.mem ? &cold_end<div_8086<u8, true>> : &cold_end<div_8086<u8, false>>;
    return insn.mem ? &cold_end<div_8086<u16, true>> : &cold_end<div_8086<u16, false>>;
}
template <bool negated> Handler pick_idiv_8086(const Insn& insn) {
    if (insn.operand[0].width == 1)
        return insn.mem ? &cold_end<idiv_8086<u8, true, negated>> : &cold_end<idiv_8086<u8, false, negated>>;
    return insn.mem ? &cold_end<idiv_8086<u16, true, negated>> : &cold_end<idiv_8086<u16, false, negated>>;
}
Handler select_idiv_8086(const Insn& insn, Op& op) {
    op.reg = insn.operand[0].number;
    return insn.rep ? pick_idiv_8086<true>(insn) : pick_idiv_8086<false>(insn);
}

template <template <Word, class> class Plain, template <Word, class> class Negated>
Handler select_mul_8086(const Insn& insn, Op& op) {
    return insn.rep ? select_early<Negated>(insn, op) : select_early<Plain>(insn, op);
}
constexpr Row mul_row_8086(At at, Arg a, const OpInfo& info, Select select) {
    return {at, {a}, &info, select, 0, Feature::only_8086};
}
constexpr Row div_row_8086(At at, Arg a, const OpInfo& info, Select select) {
    return {at, {a}, &info, select, attr::may_fault | attr::ends_block | attr::flags_conditional, Feature::only_8086};
}

constexpr u32 leaves_flags = attr::may_fault | attr::flags_conditional;
constexpr Row rows[] = {
    {at(0xF6).digit(7), {Eb}, &idiv_info, &select_idiv8, leaves_flags, Feature::only_286},
    {at(0xF6).digit(7), {Eb}, &idiv_info, &select_idiv8, leaves_flags, Feature::only_386},
    mul_row_8086(at(0xF6).digit(4), Eb, mul_info, &select_mul_8086<Mul, NegatedUnsigned>),
    mul_row_8086(at(0xF7).digit(4), Ev, mul_info, &select_mul_8086<Mul, NegatedUnsigned>),
    mul_row_8086(at(0xF6).digit(5), Eb, imul_info, &select_mul_8086<Imul1, NegatedSigned>),
    mul_row_8086(at(0xF7).digit(5), Ev, imul_info, &select_mul_8086<Imul1, NegatedSigned>),
    div_row_8086(at(0xF6).digit(6), Eb, div_info, &select_div_8086),
    div_row_8086(at(0xF7).digit(6), Ev, div_info, &select_div_8086),
    div_row_8086(at(0xF6).digit(7), Eb, idiv_info, &select_idiv_8086),
    div_row_8086(at(0xF7).digit(7), Ev, idiv_info, &select_idiv_8086),
};

} // namespace

std::span<const Row> families::muldiv_early() { return rows; }

} // namespace glassbox
