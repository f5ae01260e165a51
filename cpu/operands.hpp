// Semantics x operand shape x width. A semantic struct S says what an instruction computes:
//   template <Word T> static T apply(Flags&, T a, T b)   (binary)   or   apply(Flags&, T a)   (unary)
// and `binary<S>` / `unary<S>` make the row whose selector picks the handler for the shape that was decoded:
//   register-register, register-immediate, register-memory, memory-register, memory-immediate,
// each for 8, 16 and 32 bits and for the kinds of addresses in cpu/address.hpp.
#pragma once

#include "cpu/exec.hpp"
#include "mmu/access.hpp"

namespace glassbox {

/// Semantics declare `static constexpr bool compare_only = true` when the result is not written (CMP, TEST).
template <class S> inline constexpr bool compares = requires { requires S::compare_only; };

/// The same instruction when nobody can see its flags: the compiler drops what computes them.
template <class S> struct FlagsDead {
    static constexpr bool compare_only = compares<S>;
    template <Word T> static T apply(Flags& f, T a, T b) {
        Flags unseen = f;
        return S::template apply<T>(unseen, a, b);
    }
    template <Word T> static T apply(Flags& f, T a) {
        Flags unseen = f;
        return S::template apply<T>(unseen, a);
    }
};

// --- addresses ------------------------------------------------------------------------------------------------------
inline bool flat_operand(const Insn& insn) {
    if (insn.code64()) return insn.addrsize == 8 && !insn.absolute && insn.segment != FS && insn.segment != GS;
    if (insn.addrsize != 4) return false;
    switch (insn.segment) {
    case DS: return (insn.mode & mode::flat_ds) != 0;
    case ES: return (insn.mode & mode::flat_es) != 0;
    case SS: return (insn.mode & mode::flat_ss) != 0;
    default: return false;
    }
}
/// Calls `pick.template operator()<Ea>()` with the kind of address that the operand has. T: the operand's type; those
/// of 64 bits exist in 64-bit mode only.
template <Word T = u8, class F> Handler with_address(const Insn& insn, F&& pick) {
    const bool plain_base = insn.index == 8 * zero_gpr;
    if (insn.code64()) {
        if (insn.absolute) return pick.template operator()<EaAbsolute>();
        if (!flat_operand(insn)) return pick.template operator()<EaAny64>();
        return plain_base ? pick.template operator()<EaBase<u64>>() : pick.template operator()<EaFull<u64>>();
    }
    if constexpr (sizeof(T) < 8) {
        if (!flat_operand(insn)) return pick.template operator()<EaSeg>();
        return plain_base ? pick.template operator()<EaBase<u32>>() : pick.template operator()<EaFull<u32>>();
    }
    return nullptr;
}
/// The same with few kinds, for what is not worth many handlers.
template <Word T = u8, class F> Handler with_any_address(const Insn& insn, F&& pick) {
    if constexpr (sizeof(T) < 8) {
        if (!insn.code64()) return pick.template operator()<EaSeg>();
    }
    return insn.absolute ? pick.template operator()<EaAbsolute>() : pick.template operator()<EaAny64>();
}
/// Calls `pick.template operator()<T>()` with the unsigned type of `width` bytes.
template <class F> Handler with_width(unsigned width, F&& pick) {
    switch (width) {
    case 1: return pick.template operator()<u8>();
    case 2: return pick.template operator()<u16>();
    case 4: return pick.template operator()<u32>();
    default: return pick.template operator()<u64>();
    }
}
/// Of processors before the 64-bit ones: 8, 16 or 32 bits.
template <class F> Handler with_early_width(unsigned width, F&& pick) {
    return width == 1   ? pick.template operator()<u8>()
           : width == 2 ? pick.template operator()<u16>()
                        : pick.template operator()<u32>();
}
/// 16, 32 or 64 bits.
template <class F> Handler with_wide(unsigned width, F&& pick) {
    return width == 2   ? pick.template operator()<u16>()
           : width == 4 ? pick.template operator()<u32>()
                        : pick.template operator()<u64>();
}
/// 32 or 64 bits.
template <class F> Handler with_dword(unsigned width, F&& pick) {
    return width == 4 ? pick.template operator()<u32>() : pick.template operator()<u64>();
}

// --- bodies ---------------------------------------------------------------------------------------------------------
template <class S, Word T> struct BinaryRegReg {
    static void run(Cpu& cpu, const Op& op, Flags& f) {
        const T r = S::template apply<T>(f, cpu.reg<T>(op.reg), cpu.reg<T>(op.base));
        if constexpr (!compares<S>) cpu.set_reg<T>(op.reg, r);
    }
};
template <class S, Word T> struct BinaryRegImm {
    static void run(Cpu& cpu, const Op& op, Flags& f) {
        const T r = S::template apply<T>(f, cpu.reg<T>(op.reg), static_cast<T>(op.imm));
        if constexpr (!compares<S>) cpu.set_reg<T>(op.reg, r);
    }
};
template <class S, Word T, class Ea> struct BinaryRegMem {
    static bool run(Cpu& cpu, const auto& op, Flags& f) {
        u64 linear = 0;
        T b;
        if (!Ea::read(cpu, op, sizeof(T), linear) || !load<T>(cpu, op, linear, b)) return false;
        const T r = S::template apply<T>(f, cpu.reg<T>(op.reg), b);
        if constexpr (!compares<S>) cpu.set_reg<T>(op.reg, r);
        return true;
    }
};
template <class S, Word T, class Ea, bool immediate> struct BinaryMem {
    static bool run(Cpu& cpu, const auto& op, Flags& f) {
        const T b = immediate ? static_cast<T>(Ea::immediate(op)) : cpu.reg<T>(op.reg);
        u64 linear = 0;
        if constexpr (compares<S>) {
            T a;
            if (!Ea::read(cpu, op, sizeof(T), linear) || !load<T>(cpu, op, linear, a)) return false;
            S::template apply<T>(f, a, b);
            return true;
        } else {
            if (!Ea::write(cpu, op, sizeof(T), linear)) return false;
            return modify<T>(cpu, op, linear, [&](T a) { return S::template apply<T>(f, a, b); });
        }
    }
};
template <class S, Word T> struct UnaryReg {
    static void run(Cpu& cpu, const Op& op, Flags& f) {
        cpu.set_reg<T>(op.reg, S::template apply<T>(f, cpu.reg<T>(op.reg)));
    }
};
template <class S, Word T, class Ea> struct UnaryMem {
    static bool run(Cpu& cpu, const auto& op, Flags& f) {
        u64 linear = 0;
        if (!Ea::write(cpu, op, sizeof(T), linear)) return false;
        return modify<T>(cpu, op, linear, [&](T a) { return S::template apply<T>(f, a); });
    }
};

// --- selectors ------------------------------------------------------------------------------------------------------
template <class S> Handler binary_handler(const Insn& insn, Op& op) {
    const Operand& dst = insn.operand[0];
    const Operand& src = insn.operand[1];
    return with_width(dst.width, [&]<Word T>() -> Handler {
        if (dst.kind == OperandKind::mem) {
            op.reg = src.number;
            return with_address<T>(insn, [&]<class Ea>() -> Handler {
                return src.kind == OperandKind::imm ? &handler<BinaryMem<S, T, Ea, true>>
                                                    : &handler<BinaryMem<S, T, Ea, false>>;
            });
        }
        op.reg = dst.number;
        if (src.kind == OperandKind::imm) return &handler<BinaryRegImm<S, T>>;
        if (src.kind == OperandKind::mem)
            return with_address<T>(insn, [&]<class Ea>() -> Handler { return &handler<BinaryRegMem<S, T, Ea>>; });
        op.base = src.number;
        return &handler<BinaryRegReg<S, T>>;
    });
}
/// With a twin for dead flags where that is the common case: registers.
template <class S> Handler select_binary(const Insn& insn, Op& op) {
    const bool registers = insn.operand[0].kind == OperandKind::reg && insn.operand[1].kind != OperandKind::mem;
    if (insn.flags_dead && registers && insn.operand[0].width >= 4) {
        op.reg = insn.operand[0].number;
        return with_dword(insn.operand[0].width, [&]<Word T>() -> Handler {
            if (insn.operand[1].kind == OperandKind::imm) return &handler<BinaryRegImm<FlagsDead<S>, T>>;
            op.base = insn.operand[1].number;
            return &handler<BinaryRegReg<FlagsDead<S>, T>>;
        });
    }
    return binary_handler<S>(insn, op);
}
template <class S> Handler select_unary(const Insn& insn, Op& op) {
    const Operand& dst = insn.operand[0];
    if (insn.flags_dead && dst.kind == OperandKind::reg && dst.width >= 4) {
        op.reg = dst.number;
        return with_dword(dst.width, []<Word T>() -> Handler { return &handler<UnaryReg<FlagsDead<S>, T>>; });
    }
    return with_width(dst.width, [&]<Word T>() -> Handler {
        if (dst.kind == OperandKind::mem)
            return with_address<T>(insn, [&]<class Ea>() -> Handler { return &handler<UnaryMem<S, T, Ea>>; });
        op.reg = dst.number;
        return &handler<UnaryReg<S, T>>;
    });
}

// --- rows -----------------------------------------------------------------------------------------------------------
template <class S> consteval Row binary(At at, Arg a, Arg b, u32 attributes = 0, Feature feature = Feature::i8086) {
    return {at, {a, b}, &S::info, &select_binary<S>, attributes, feature};
}
template <class S> consteval Row unary(At at, Arg a, u32 attributes = 0, Feature feature = Feature::i8086) {
    return {at, {a}, &S::info, &select_unary<S>, attributes, feature};
}

} // namespace glassbox
