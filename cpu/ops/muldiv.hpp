// Bodies of MUL, IMUL, DIV and IDIV that the tables of later and of early processors share (SDM 2). SF, ZF, AF and PF
// after a multiplication are undefined: SF and PF follow the low half of the product and ZF, AF are clear, as on
// processors since the Pentium Pro. Divisions leave all flags alone.
#pragma once

#include "cpu/operands.hpp"
#include "cpu/ops/families.hpp"

namespace glassbox::muldiv {

inline constexpr u32 mul_defined = eflags::CF | eflags::OF, mul_undefined = eflags::OSZAPC & ~mul_defined;
inline constexpr OpInfo mul_info{"mul", mul_defined, mul_undefined}, imul_info{"imul", mul_defined, mul_undefined},
    div_info{"div", 0, eflags::OSZAPC}, idiv_info{"idiv", 0, eflags::OSZAPC};

__extension__ typedef __int128 i128; // as u128 of bus/types.hpp

/// At least twice as wide as T.
template <Word T> using Double = std::conditional_t<sizeof(T) == 8, u128, u64>;
template <Word T> using SignedDouble = std::conditional_t<sizeof(T) == 8, i128, i64>;

template <Word T> void mul_flags(Flags& f, T low, bool overflow) {
    f.set_result<T>(low);
    if (low == 0) f.replace(eflags::ZF, 0);
    f.set_cf_of_af(overflow, overflow, false);
}

/// Source operand of the one-operand forms, from a register or memory.
template <Word T, class Ea> bool source(Cpu& cpu, const auto& op, T& value) {
    if constexpr (std::is_void_v<Ea>) {
        value = cpu.reg<T>(op.reg);
        return true;
    } else {
        u64 linear = 0;
        return Ea::read(cpu, op, sizeof(T), linear) && load<T>(cpu, op, linear, value);
    }
}
template <Word T> void write_double(Cpu& cpu, T low, T high) {
    if constexpr (sizeof(T) == 1) {
        cpu.set_r16(RAX, static_cast<u16>(low | (high << 8)));
    } else {
        cpu.set_reg<T>(8 * RAX, low);
        cpu.set_reg<T>(8 * RDX, high);
    }
}

template <Word T, class Ea> struct Mul {
    static bool run(Cpu& cpu, const Op& op, Flags& f) {
        T b;
        if (!source<T, Ea>(cpu, op, b)) return false;
        const Double<T> product = static_cast<Double<T>>(cpu.reg<T>(8 * RAX)) * b;
        const T high = static_cast<T>(product >> bits_of<T>);
        write_double<T>(cpu, static_cast<T>(product), high);
        mul_flags<T>(f, static_cast<T>(product), high != 0);
        return true;
    }
};
template <Word T, class Ea> struct Imul1 {
    static bool run(Cpu& cpu, const Op& op, Flags& f) {
        T b;
        if (!source<T, Ea>(cpu, op, b)) return false;
        const SignedDouble<T> product =
            static_cast<SignedDouble<T>>(static_cast<Signed<T>>(cpu.reg<T>(8 * RAX))) * static_cast<Signed<T>>(b);
        const T low = static_cast<T>(product);
        write_double<T>(cpu, low, static_cast<T>(product >> bits_of<T>));
        mul_flags<T>(f, low, product != static_cast<Signed<T>>(low));
        return true;
    }
};
inline constexpr const char* div_zero = "division by zero";
inline constexpr const char* div_range = "the quotient does not fit its register";

template <Word T, class Ea> struct Div {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        T b;
        if (!source<T, Ea>(cpu, op, b)) return false;
        if (b == 0) return cpu.raise(Exception::DE, div_zero);
        Double<T> a;
        if constexpr (sizeof(T) == 1)
            a = cpu.r16(RAX);
        else
            a = (static_cast<Double<T>>(cpu.reg<T>(8 * RDX)) << bits_of<T>) | cpu.reg<T>(8 * RAX);
        if constexpr (sizeof(T) == 8) { // nearly always: without a division of 128 bits
            if (cpu.gpr[RDX] == 0) {
                const u64 low = cpu.gpr[RAX];
                write_double<T>(cpu, low / b, low % b);
                return true;
            }
        }
        const Double<T> quotient = a / b;
        if (quotient > static_cast<T>(~T{0})) return cpu.raise(Exception::DE, div_range);
        write_double<T>(cpu, static_cast<T>(quotient), static_cast<T>(a % b));
        return true;
    }
};
template <Word T, class Ea> struct Idiv {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        T raw;
        if (!source<T, Ea>(cpu, op, raw)) return false;
        using Wide = SignedDouble<T>;
        const Wide b = static_cast<Signed<T>>(raw);
        if (b == 0) return cpu.raise(Exception::DE, div_zero);
        Wide a;
        if constexpr (sizeof(T) == 1)
            a = static_cast<i16>(cpu.r16(RAX));
        else if constexpr (sizeof(T) == 2)
            a = static_cast<i32>((u32{cpu.r16(RDX)} << 16) | cpu.r16(RAX));
        else
            a = static_cast<Wide>((static_cast<Double<T>>(cpu.reg<T>(8 * RDX)) << bits_of<T>) | cpu.reg<T>(8 * RAX));
        if constexpr (sizeof(T) == 8) { // nearly always: without a division of 128 bits
            const i64 low = static_cast<i64>(cpu.gpr[RAX]), divisor = static_cast<i64>(raw);
            if (a == low && !(low == INT64_MIN && divisor == -1)) {
                write_double<T>(cpu, static_cast<u64>(low / divisor), static_cast<u64>(low % divisor));
                return true;
            }
        }
        constexpr Wide least = static_cast<Wide>(Double<T>{1} << (8 * sizeof(Wide) - 1));
        if (b == -1 && a == least) return cpu.raise(Exception::DE, div_range);
        const Wide quotient = a / b;
        if (quotient != static_cast<Signed<T>>(quotient)) return cpu.raise(Exception::DE, div_range);
        write_double<T>(cpu, static_cast<T>(quotient), static_cast<T>(a % b));
        return true;
    }
};

template <template <Word, class> class Body> Handler select_one(const Insn& insn, Op& op) {
    return with_width(insn.operand[0].width, [&]<Word T>() -> Handler {
        if (insn.mem) return with_address<T>(insn, [&]<class Ea>() -> Handler { return &handler<Body<T, Ea>>; });
        op.reg = insn.operand[0].number;
        return &handler<Body<T, void>>;
    });
}

} // namespace glassbox::muldiv
