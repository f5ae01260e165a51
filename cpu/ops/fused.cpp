#include "cpu/ops/fused.hpp"

#include "cpu/block/link.hpp"
#include "cpu/operands.hpp"
#include "cpu/ops/alu.hpp"
#include "cpu/ops/conditions.hpp"

#include <array>
#include <utility>

namespace glassbox {

namespace {

/// The condition straight from the operands where that is shorter than by way of the flags.
template <class S, u32 n, Word T> bool holds(const Flags& f, T a, T b) {
    constexpr bool subtracts = std::is_same_v<S, Cmp> || std::is_same_v<S, Sub>;
    using I = Signed<T>;
    bool r = false;
    if constexpr (subtracts && n / 2 == 1)
        r = a < b;
    else if constexpr (subtracts && n / 2 == 2)
        r = a == b;
    else if constexpr (subtracts && n / 2 == 3)
        r = a <= b;
    else if constexpr (subtracts && n / 2 == 6)
        r = static_cast<I>(a) < static_cast<I>(b);
    else if constexpr (subtracts && n / 2 == 7)
        r = static_cast<I>(a) <= static_cast<I>(b);
    else
        return Condition<n>::test(f);
    return (n & 1) ? !r : r;
}

/// Operand shapes: where `a` and `b` come from, and the body to fall back on.
template <class S, Word T> struct RegReg {
    using Plain = BinaryRegReg<S, T>;
    static constexpr bool can_miss = false;
    static bool fetch(Cpu& cpu, const FastOp& op, T& a, T& b) {
        a = cpu.reg<T>(op.reg);
        b = cpu.reg<T>(op.base);
        return true;
    }
};
template <class S, Word T> struct RegImm {
    using Plain = BinaryRegImm<S, T>;
    static constexpr bool can_miss = false;
    static bool fetch(Cpu& cpu, const FastOp& op, T& a, T& b) {
        a = cpu.reg<T>(op.reg);
        b = static_cast<T>(op.imm);
        return true;
    }
};
template <class S, Word T, class Ea> struct RegMem {
    using Plain = BinaryRegMem<S, T, Ea>;
    static constexpr bool can_miss = true;
    static bool fetch(Cpu& cpu, const FastOp& op, T& a, T& b) {
        u64 linear = 0;
        a = cpu.reg<T>(op.reg);
        return Ea::read(cpu, op, sizeof(T), linear) && load<T>(cpu, op, linear, b);
    }
};
template <class S, Word T, class Ea, bool immediate> struct MemAny {
    using Plain = BinaryMem<S, T, Ea, immediate>;
    static constexpr bool can_miss = true;
    static bool fetch(Cpu& cpu, const FastOp& op, T& a, T& b) {
        u64 linear = 0;
        b = immediate ? static_cast<T>(Ea::immediate(op)) : cpu.reg<T>(op.reg);
        return Ea::read(cpu, op, sizeof(T), linear) && load<T>(cpu, op, linear, a);
    }
};

template <class S, class Shape, Word T, u32 n, bool in_page>
GLASSBOX_HANDLER void fused(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    T a, b;
    Flags f{result, carries};
    if constexpr (Shape::can_miss) {
        if (!Shape::fetch(cpu, fast(op), a, b)) [[unlikely]]
            GLASSBOX_LEAVE(slow_handler<typename Shape::Plain>, cpu, op, f);
    } else {
        Shape::fetch(cpu, fast(op), a, b);
    }
    const T r = S::template apply<T>(f, a, b);
    if constexpr (!compares<S>) cpu.set_reg<T>(op->reg, r);
    const Op* jump = op + 1;
    if (holds<S, n, T>(f, a, b)) GLASSBOX_TAKE(cpu, jump, f, in_page);
    GLASSBOX_FALL(cpu, jump, f, in_page);
}

/// The handlers of one shape for every condition.
template <class S, class Shape, Word T> Handler pick(u32 n, bool in_page) {
    static constexpr auto tables = []<u32... c>(std::integer_sequence<u32, c...>) {
        return std::array<std::array<Handler, 16>, 2>{
            {{&fused<S, Shape, T, c, false>...}, {&fused<S, Shape, T, c, true>...}}};
    }(std::make_integer_sequence<u32, 16>{});
    return tables[in_page][n];
}

/// A unary instruction seen as a binary one, for INC and DEC.
template <class S> struct WithOne {
    static constexpr OpInfo info = S::info;
    template <Word T> static T apply(Flags& f, T a, T) { return S::template apply<T>(f, a); }
};

template <class S, Word T> Handler fuse_registers(const Insn& insn, u32 n, bool in_page) {
    if (insn.operand[1].kind == OperandKind::imm) return pick<S, RegImm<S, T>, T>(n, in_page);
    return pick<S, RegReg<S, T>, T>(n, in_page);
}
/// A: the width of an address.
template <class S, Word T, Word A, bool full> Handler fuse_memory(const Insn& insn, u32 n, bool in_page) {
    const bool immediate = insn.operand[1].kind == OperandKind::imm;
    const bool plain_base = insn.index == 8 * zero_gpr;
    if (insn.operand[0].kind == OperandKind::mem) {
        if (plain_base) {
            return immediate ? pick<S, MemAny<S, T, EaBase<A>, true>, T>(n, in_page)
                             : pick<S, MemAny<S, T, EaBase<A>, false>, T>(n, in_page);
        }
        if constexpr (full) {
            if (immediate) return pick<S, MemAny<S, T, EaFull<A>, true>, T>(n, in_page);
        }
        return nullptr;
    }
    if constexpr (full) {
        if (plain_base) return pick<S, RegMem<S, T, EaBase<A>>, T>(n, in_page);
    }
    return nullptr;
}
template <class S, Word T, bool full> Handler fuse_compare(const Insn& insn, u32 n, bool in_page) {
    if (insn.operand[0].kind == OperandKind::reg && insn.operand[1].kind != OperandKind::mem)
        return fuse_registers<S, T>(insn, n, in_page);
    if (!flat_operand(insn)) return nullptr;
    if (insn.code64()) return fuse_memory<S, T, u64, full>(insn, n, in_page);
    if constexpr (sizeof(T) < 8) return fuse_memory<S, T, u32, full>(insn, n, in_page);
    return nullptr;
}

template <Word T> Handler fuse_arithmetic(const Insn& insn, u32 n, bool in_page) {
    const OpInfo* info = insn.row->info;
    if (info == &Sub::info) return fuse_registers<Sub, T>(insn, n, in_page);
    if (info == &Add::info) return fuse_registers<Add, T>(insn, n, in_page);
    if (info == &And::info) return fuse_registers<And, T>(insn, n, in_page);
    if (info == &Dec::info) return pick<WithOne<Dec>, RegImm<WithOne<Dec>, T>, T>(n, in_page);
    if (info == &Inc::info) return pick<WithOne<Inc>, RegImm<WithOne<Inc>, T>, T>(n, in_page);
    return nullptr;
}

} // namespace

Handler fuse_with_jump(const Insn& first, const Insn& jump) {
    const u32 n = jump.opcode & 15;
    if (!(jump.mode & mode::big_cs)) return nullptr;
    if (jump.code64() && !canonical48(jump.target)) return nullptr;
    const OpInfo* info = first.row->info;
    const unsigned width = first.operand[0].width;
    const bool registers = first.operand[0].kind == OperandKind::reg && first.operand[1].kind != OperandKind::mem;
    if (info == &Cmp::info) {
        if (width == 8) return fuse_compare<Cmp, u64, true>(first, n, jump.in_page);
        if (width == 4) return fuse_compare<Cmp, u32, true>(first, n, jump.in_page);
        if (width == 1) return fuse_compare<Cmp, u8, true>(first, n, jump.in_page);
        return nullptr;
    }
    if (info == &Test::info) {
        if (width == 8) return fuse_compare<Test, u64, false>(first, n, jump.in_page);
        if (width == 4) return fuse_compare<Test, u32, false>(first, n, jump.in_page);
        if (width == 1) return fuse_compare<Test, u8, false>(first, n, jump.in_page);
        return nullptr;
    }
    if (!registers) return nullptr;
    if (width == 8) return fuse_arithmetic<u64>(first, n, jump.in_page);
    return width == 4 ? fuse_arithmetic<u32>(first, n, jump.in_page) : nullptr;
}

} // namespace glassbox
