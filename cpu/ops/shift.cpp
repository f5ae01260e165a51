// ROL, ROR, RCL, RCR, SHL, SHR, SAR, SHLD, SHRD (SDM 2). Counts are taken modulo 32; a count of zero changes no flag.
// OF is undefined for counts other than 1: it is computed as processors do, from the last step.
#include "cpu/operands.hpp"
#include "cpu/ops/families.hpp"

namespace glassbox {

namespace {

using namespace eflags;
using enum Arg;

template <Word T> constexpr bool msb(T v) { return sign_of(v); }
template <Word T> constexpr bool next_msb(T v) { return ((v >> (bits_of<T> - 2)) & 1) != 0; }

/// Rotations change CF and OF only.
struct Rol {
    static constexpr OpInfo info{"rol", eflags::CF | eflags::OF};
    static constexpr bool rotates = true;
    template <Word T> static T apply(Flags& f, T a, u32 count) {
        const unsigned n = count % bits_of<T>;
        const T r = n ? static_cast<T>((a << n) | (a >> (bits_of<T> - n))) : a;
        const bool c = (r & 1) != 0;
        f.set_cf_of_af(c, msb(r) != c, f.af());
        return r;
    }
};
struct Ror {
    static constexpr OpInfo info{"ror", eflags::CF | eflags::OF};
    static constexpr bool rotates = true;
    template <Word T> static T apply(Flags& f, T a, u32 count) {
        const unsigned n = count % bits_of<T>;
        const T r = n ? static_cast<T>((a >> n) | (a << (bits_of<T> - n))) : a;
        f.set_cf_of_af(msb(r), msb(r) != next_msb(r), f.af());
        return r;
    }
};
/// Through carry: a rotation of width + 1 bits. `wide` has the carry above the operand.
template <Word T> using WithCarry = std::conditional_t<sizeof(T) == 8, u128, u64>;
struct Rcl {
    static constexpr OpInfo info{"rcl", eflags::CF | eflags::OF, 0, eflags::CF};
    static constexpr bool rotates = true;
    template <Word T> static T apply(Flags& f, T a, u32 count) {
        const unsigned n = count % (bits_of<T> + 1);
        T r = a;
        bool c = f.cf();
        if (n) {
            WithCarry<T> wide = (WithCarry<T>{c} << bits_of<T>) | a;
            wide = (wide << n) | (wide >> (bits_of<T> + 1 - n));
            r = static_cast<T>(wide);
            c = static_cast<u64>(wide >> bits_of<T> & 1) != 0;
        }
        f.set_cf_of_af(c, msb(r) != c, f.af());
        return r;
    }
};
struct Rcr {
    static constexpr OpInfo info{"rcr", eflags::CF | eflags::OF, 0, eflags::CF};
    static constexpr bool rotates = true;
    template <Word T> static T apply(Flags& f, T a, u32 count) {
        const unsigned n = count % (bits_of<T> + 1);
        T r = a;
        bool c = f.cf();
        if (n) {
            WithCarry<T> wide = (WithCarry<T>{c} << bits_of<T>) | a;
            wide = (wide >> n) | (wide << (bits_of<T> + 1 - n));
            r = static_cast<T>(wide);
            c = static_cast<u64>(wide >> bits_of<T> & 1) != 0;
        }
        f.set_cf_of_af(c, msb(r) != next_msb(r), f.af());
        return r;
    }
};
struct Shl {
    static constexpr OpInfo info{"shl", OSZAPC & ~eflags::AF, eflags::AF};
    static constexpr bool rotates = false;
    template <Word T> static T apply(Flags& f, T a, u32 count) {
        const T before = static_cast<T>(u64{a} << (count - 1));
        const T r = static_cast<T>(before << 1);
        const bool c = msb(before);
        f.set_result<T>(r);
        f.set_cf_of_af(c, msb(r) != c, false);
        return r;
    }
};
struct Shr {
    static constexpr OpInfo info{"shr", OSZAPC & ~eflags::AF, eflags::AF};
    static constexpr bool rotates = false;
    template <Word T> static T apply(Flags& f, T a, u32 count) {
        const T before = static_cast<T>(u64{a} >> (count - 1));
        const T r = static_cast<T>(before >> 1);
        f.set_result<T>(r);
        f.set_cf_of_af((before & 1) != 0, msb(before), false);
        return r;
    }
};
struct Sar {
    static constexpr OpInfo info{"sar", OSZAPC & ~eflags::AF, eflags::AF};
    static constexpr bool rotates = false;
    template <Word T> static T apply(Flags& f, T a, u32 count) {
        const i64 wide = static_cast<Signed<T>>(a);
        const T r = static_cast<T>(wide >> count);
        f.set_result<T>(r);
        f.set_cf_of_af(((wide >> (count - 1)) & 1) != 0, false, false);
        return r;
    }
};

// The immediate or CL is taken modulo 32, or 64 with 64-bit operands, when the handler is picked, or when it runs.
template <Word T> inline constexpr u32 count_mask = sizeof(T) == 8 ? 63 : 31;
template <class S, Word T> struct ShiftRegImm {
    static void run(Cpu& cpu, const Op& op, Flags& f) {
        cpu.set_reg<T>(op.reg, S::template apply<T>(f, cpu.reg<T>(op.reg), static_cast<u32>(op.imm)));
    }
};
template <class S, Word T> struct ShiftRegCl {
    static void run(Cpu& cpu, const Op& op, Flags& f) {
        const u32 count = cpu.r32(RCX) & count_mask<T>;
        if (count)
            cpu.set_reg<T>(op.reg, S::template apply<T>(f, cpu.reg<T>(op.reg), count));
        else
            cpu.set_reg<T>(op.reg, cpu.reg<T>(op.reg));
    }
};
template <class S, Word T, class Ea, bool cl> struct ShiftMem {
    static bool run(Cpu& cpu, const auto& op, Flags& f) {
        const u32 count = cl ? cpu.r32(RCX) & count_mask<T> : static_cast<u32>(Ea::immediate(op)) & count_mask<T>;
        u64 linear = 0;
        if (!Ea::write(cpu, op, sizeof(T), linear)) return false;
        return modify<T>(cpu, op, linear, [&](T a) { return count ? S::template apply<T>(f, a, count) : a; });
    }
};
/// An immediate count of 0 or 32. In 64-bit mode a register of 32 bits is written all the same: its upper half is gone.
struct ShiftNothing {
    static void run(Cpu&, const Op&, Flags&) {}
};
struct ShiftNothing64 {
    static void run(Cpu& cpu, const Op& op, Flags&) { cpu.set_reg<u32>(op.reg, cpu.reg<u32>(op.reg)); }
};
/// The same when nobody looks at the flags.
template <class S> struct Unseen {
    template <Word T> static T apply(Flags& f, T a, u32 count) {
        Flags dead = f;
        return S::template apply<T>(dead, a, count);
    }
};
template <class S> Handler select_shift(const Insn& insn, Op& op) {
    const bool cl = insn.operand[1].kind != OperandKind::imm;
    return with_width(insn.operand[0].width, [&]<Word T>() -> Handler {
        if (insn.mem) {
            return with_address<T>(insn, [&]<class Ea>() -> Handler {
                return cl ? &handler<ShiftMem<S, T, Ea, true>> : &handler<ShiftMem<S, T, Ea, false>>;
            });
        }
        op.imm &= count_mask<T>;
        op.reg = insn.operand[0].number;
        if (cl) return &handler<ShiftRegCl<S, T>>;
        if (op.imm == 0) return sizeof(T) == 4 && insn.code64() ? &handler<ShiftNothing64> : &handler<ShiftNothing>;
        if constexpr (sizeof(T) >= 4) {
            if (insn.flags_dead) return &handler<ShiftRegImm<Unseen<S>, T>>;
        }
        return &handler<ShiftRegImm<S, T>>;
    });
}

// The 8086 shifts once for every unit of CL, all eight bits of it. Beyond 31 a shift has nothing left to move, and
// rotations come round by themselves.
template <class S> u32 unmasked_count(const Cpu& cpu) {
    const u32 count = cpu.reg<u8>(8 * RCX);
    return S::rotates || count < 31 ? count : 31;
}
template <class S, Word T, class Ea> struct ShiftByCl8086 {
    static bool run(Cpu& cpu, const Op& op, Flags& f) {
        const u32 count = unmasked_count<S>(cpu);
        const auto shifted = [&](T a) { return count ? S::template apply<T>(f, a, count) : a; };
        if constexpr (std::is_void_v<Ea>) {
            cpu.set_reg<T>(op.reg, shifted(cpu.reg<T>(op.reg)));
            return true;
        } else {
            u64 linear = 0;
            return Ea::write(cpu, op, sizeof(T), linear) && modify<T>(cpu, op, linear, shifted);
        }
    }
};
template <class S> Handler select_shift_8086(const Insn& insn, Op& op) {
    if (insn.operand[1].kind == OperandKind::imm) return select_shift<S>(insn, op);
    op.reg = insn.operand[0].number;
    return with_early_width(insn.operand[0].width, [&]<Word T>() -> Handler {
        return insn.mem ? &handler<ShiftByCl8086<S, T, EaSeg>> : &handler<ShiftByCl8086<S, T, void>>;
    });
}
/// D0-D3 /6 of the 8086, "SETMO": all ones, flags as after an OR that gives them (SingleStepTests/8088).
struct Setmo {
    static constexpr OpInfo info{"setmo", OSZAPC & ~eflags::AF, eflags::AF};
    static constexpr bool rotates = true;
    template <Word T> static T apply(Flags& f, T, u32) {
        const T r = static_cast<T>(~T{0});
        f.logic<T>(r);
        return r;
    }
};

template <class S, u32 n> consteval std::array<Row, 6> group(u32 more = 0) {
    // With an immediate of zero or with CL the flags may stay as they are.
    const u32 maybe = attr::flags_conditional | more;
    return {Row{at(0xC0).digit(n), {Eb, Ib}, &S::info, &select_shift<S>, maybe, Feature::i186},
            Row{at(0xC1).digit(n), {Ev, Ib}, &S::info, &select_shift<S>, maybe, Feature::i186},
            Row{at(0xD0).digit(n), {Eb, one}, &S::info, &select_shift<S>, more},
            Row{at(0xD1).digit(n), {Ev, one}, &S::info, &select_shift<S>, more},
            Row{at(0xD2).digit(n), {Eb, CL}, &S::info, &select_shift<S>, maybe},
            Row{at(0xD3).digit(n), {Ev, CL}, &S::info, &select_shift<S>, maybe}};
}

template <class S, u32 n> consteval std::array<Row, 2> by_cl_8086() {
    return {
        Row{at(0xD2).digit(n), {Eb, CL}, &S::info, &select_shift_8086<S>, attr::flags_conditional, Feature::only_8086},
        Row{at(0xD3).digit(n), {Ev, CL}, &S::info, &select_shift_8086<S>, attr::flags_conditional, Feature::only_8086}};
}
constexpr u32 setmo_attributes = attr::flags_conditional | attr::undocumented;
constexpr Row setmos[] = {
    {at(0xD0).digit(6), {Eb, one}, &Setmo::info, &select_shift_8086<Setmo>, setmo_attributes, Feature::only_8086},
    {at(0xD1).digit(6), {Ev, one}, &Setmo::info, &select_shift_8086<Setmo>, setmo_attributes, Feature::only_8086},
};

/// Double shifts: bits come in from the second register. Counts above 16 with 16-bit operands are undefined; processors
/// take the pattern dst:src:dst, which falls out of the wide shifts below, the 386 dst:src:src (SingleStepTests/80386).
template <bool on_386> struct DoubleLeft {
    static constexpr OpInfo info{"shld", OSZAPC & ~eflags::AF, eflags::AF};
    template <Word T> static T apply(Flags& f, T a, T b, u32 count) {
        T r;
        bool c;
        if constexpr (sizeof(T) == 2) {
            const u64 wide = (u64{a} << 32) | (u64{b} << 16) | (on_386 ? b : a);
            r = static_cast<T>((wide << count) >> 32);
            c = ((wide >> (48 - count)) & 1) != 0;
        } else {
            r = static_cast<T>((a << count) | (b >> (bits_of<T> - count)));
            c = ((a >> (bits_of<T> - count)) & 1) != 0;
        }
        f.set_result<T>(r);
        f.set_cf_of_af(c, msb(r) != msb(a), false);
        return r;
    }
};
template <bool on_386> struct DoubleRight {
    static constexpr OpInfo info{"shrd", OSZAPC & ~eflags::AF, eflags::AF};
    template <Word T> static T apply(Flags& f, T a, T b, u32 count) {
        T r;
        bool c;
        if constexpr (sizeof(T) == 2) {
            const u64 wide = (u64{on_386 ? b : a} << 32) | (u64{b} << 16) | a;
            r = static_cast<T>(wide >> count);
            c = ((wide >> (count - 1)) & 1) != 0;
        } else {
            r = static_cast<T>((a >> count) | (b << (bits_of<T> - count)));
            c = ((a >> (count - 1)) & 1) != 0;
        }
        f.set_result<T>(r);
        f.set_cf_of_af(c, msb(r) != next_msb(r), false); // the sign changed in the last step
        return r;
    }
};
using Shld = DoubleLeft<false>;
using Shrd = DoubleRight<false>;
using Shld386 = DoubleLeft<true>;
using Shrd386 = DoubleRight<true>;
template <class S, Word T, bool cl> struct DoubleReg {
    static void run(Cpu& cpu, const Op& op, Flags& f) {
        const u32 count = (cl ? cpu.r32(RCX) : static_cast<u32>(op.imm)) & count_mask<T>;
        const T a = cpu.reg<T>(op.base);
        cpu.set_reg<T>(op.base, count ? S::template apply<T>(f, a, cpu.reg<T>(op.reg), count) : a);
    }
};
template <class S, Word T, bool cl, class Ea> struct DoubleMem {
    static bool run(Cpu& cpu, const auto& op, Flags& f) {
        const u32 count = (cl ? cpu.r32(RCX) : static_cast<u32>(Ea::immediate(op))) & count_mask<T>;
        u64 linear = 0;
        if (!Ea::write(cpu, op, sizeof(T), linear)) return false;
        return modify<T>(cpu, op, linear,
                         [&](T a) { return count ? S::template apply<T>(f, a, cpu.reg<T>(op.reg), count) : a; });
    }
};
template <class S, bool cl> Handler select_double(const Insn& insn, Op& op) {
    op.reg = insn.operand[1].number;
    return with_wide(insn.opsize, [&]<Word T>() -> Handler {
        if (insn.mem)
            return with_any_address<T>(insn, []<class Ea>() -> Handler { return &handler<DoubleMem<S, T, cl, Ea>>; });
        op.base = insn.operand[0].number;
        return &handler<DoubleReg<S, T, cl>>;
    });
}

template <class S, bool cl> consteval Row double_386(At at, Arg count) {
    return {at, {Ev, Gv, count}, &S::info, &select_double<S, cl>, attr::flags_conditional, Feature::only_386};
}
constexpr Row doubles[] = {
    double_386<Shld386, false>(at(0x0FA4), Ib),
    double_386<Shld386, true>(at(0x0FA5), CL),
    double_386<Shrd386, false>(at(0x0FAC), Ib),
    double_386<Shrd386, true>(at(0x0FAD), CL),
    {at(0x0FA4), {Ev, Gv, Ib}, &Shld::info, &select_double<Shld, false>, attr::flags_conditional, Feature::i386},
    {at(0x0FA5), {Ev, Gv, CL}, &Shld::info, &select_double<Shld, true>, attr::flags_conditional, Feature::i386},
    {at(0x0FAC), {Ev, Gv, Ib}, &Shrd::info, &select_double<Shrd, false>, attr::flags_conditional, Feature::i386},
    {at(0x0FAD), {Ev, Gv, CL}, &Shrd::info, &select_double<Shrd, true>, attr::flags_conditional, Feature::i386},
};

constexpr std::size_t append(auto& all, std::size_t n, const auto& rows) {
    for (const Row& row : rows) all[n++] = row;
    return n;
}

} // namespace

std::span<const Row> families::shift() {
    static constexpr auto rows = [] {
        const std::array<std::array<Row, 6>, 8> groups = {group<Rol, 0>(),
                                                          group<Ror, 1>(),
                                                          group<Rcl, 2>(),
                                                          group<Rcr, 3>(),
                                                          group<Shl, 4>(),
                                                          group<Shr, 5>(),
                                                          group<Shl, 6>(attr::undocumented),
                                                          group<Sar, 7>()};
        const std::array<std::array<Row, 2>, 8> by_cl = {
            by_cl_8086<Rol, 0>(), by_cl_8086<Ror, 1>(), by_cl_8086<Rcl, 2>(),   by_cl_8086<Rcr, 3>(),
            by_cl_8086<Shl, 4>(), by_cl_8086<Shr, 5>(), by_cl_8086<Setmo, 6>(), by_cl_8086<Sar, 7>()};
        std::array<Row, 48 + 16 + std::size(setmos) + std::size(doubles)> all{};
        std::size_t n = 0;
        for (const auto& g : groups) n = append(all, n, g);
        for (const auto& g : by_cl) n = append(all, n, g);
        n = append(all, n, setmos);
        append(all, n, doubles);
        return all;
    }();
    return rows;
}

} // namespace glassbox
