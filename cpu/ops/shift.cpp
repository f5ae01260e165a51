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
    template <Word T> static T apply(Flags& f, T a, u32 count) {
        const unsigned n = count % bits_of<T>;
        const T r = n ? static_cast<T>((a >> n) | (a << (bits_of<T> - n))) : a;
        f.set_cf_of_af(msb(r), msb(r) != next_msb(r), f.af());
        return r;
    }
};
/// Through carry: a rotation of width + 1 bits.
struct Rcl {
    static constexpr OpInfo info{"rcl", eflags::CF | eflags::OF, 0, eflags::CF};
    template <Word T> static T apply(Flags& f, T a, u32 count) {
        const unsigned n = count % (bits_of<T> + 1);
        T r = a;
        bool c = f.cf();
        if (n) {
            u64 wide = (u64{c} << bits_of<T>) | a;
            wide = (wide << n) | (wide >> (bits_of<T> + 1 - n));
            r = static_cast<T>(wide);
            c = ((wide >> bits_of<T>)&1) != 0;
        }
        f.set_cf_of_af(c, msb(r) != c, f.af());
        return r;
    }
};
struct Rcr {
    static constexpr OpInfo info{"rcr", eflags::CF | eflags::OF, 0, eflags::CF};
    template <Word T> static T apply(Flags& f, T a, u32 count) {
        const unsigned n = count % (bits_of<T> + 1);
        T r = a;
        bool c = f.cf();
        if (n) {
            u64 wide = (u64{c} << bits_of<T>) | a;
            wide = (wide >> n) | (wide << (bits_of<T> + 1 - n));
            r = static_cast<T>(wide);
            c = ((wide >> bits_of<T>)&1) != 0;
        }
        f.set_cf_of_af(c, msb(r) != next_msb(r), f.af());
        return r;
    }
};
struct Shl {
    static constexpr OpInfo info{"shl", OSZAPC & ~eflags::AF, eflags::AF};
    template <Word T> static T apply(Flags& f, T a, u32 count) {
        const u64 wide = u64{a} << count;
        const T r = static_cast<T>(wide);
        const bool c = ((wide >> bits_of<T>)&1) != 0;
        f.set_result<T>(r);
        f.set_cf_of_af(c, msb(r) != c, false);
        return r;
    }
};
struct Shr {
    static constexpr OpInfo info{"shr", OSZAPC & ~eflags::AF, eflags::AF};
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
    template <Word T> static T apply(Flags& f, T a, u32 count) {
        const i64 wide = static_cast<Signed<T>>(a);
        const T r = static_cast<T>(wide >> count);
        f.set_result<T>(r);
        f.set_cf_of_af(((wide >> (count - 1)) & 1) != 0, false, false);
        return r;
    }
};

// The immediate or CL is taken modulo 32 when the handler is picked, or when it runs.
template <class S, Word T> struct ShiftRegImm {
    static void run(Cpu& cpu, const Op& op, Flags& f) {
        cpu.set_reg<T>(op.reg, S::template apply<T>(f, cpu.reg<T>(op.reg), static_cast<u32>(op.imm)));
    }
};
template <class S, Word T> struct ShiftRegCl {
    static void run(Cpu& cpu, const Op& op, Flags& f) {
        const u32 count = cpu.r32(RCX) & 31;
        if (count)
            cpu.set_reg<T>(op.reg, S::template apply<T>(f, cpu.reg<T>(op.reg), count));
        else
            cpu.set_reg<T>(op.reg, cpu.reg<T>(op.reg));
    }
};
template <class S, Word T, class Ea, bool cl> struct ShiftMem {
    static bool run(Cpu& cpu, const auto& op, Flags& f) {
        const u32 count = cl ? cpu.r32(RCX) & 31 : static_cast<u32>(op.imm);
        u64 linear = 0;
        if (!Ea::write(cpu, op, sizeof(T), linear)) return false;
        return modify<T>(cpu, op, linear, [&](T a) { return count ? S::template apply<T>(f, a, count) : a; });
    }
};
/// An immediate count of 0 or 32.
struct ShiftNothing {
    static void run(Cpu&, const Op&, Flags&) {}
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
    op.imm &= 31;
    return with_width(insn.operand[0].width, [&]<Word T>() -> Handler {
        if (insn.mem) {
            return with_address(insn, [&]<class Ea>() -> Handler {
                return cl ? &handler<ShiftMem<S, T, Ea, true>> : &handler<ShiftMem<S, T, Ea, false>>;
            });
        }
        op.reg = insn.operand[0].number;
        if (cl) return &handler<ShiftRegCl<S, T>>;
        if (op.imm == 0) return &handler<ShiftNothing>;
        if constexpr (sizeof(T) == 4) {
            if (insn.flags_dead) return &handler<ShiftRegImm<Unseen<S>, T>>;
        }
        return &handler<ShiftRegImm<S, T>>;
    });
}

template <class S, u32 n> consteval std::array<Row, 6> group(u16 more = 0) {
    // With an immediate of zero or with CL the flags may stay as they are.
    const u16 maybe = attr::flags_conditional | more;
    return {Row{at(0xC0).digit(n), {Eb, Ib}, &S::info, &select_shift<S>, maybe, Feature::i186},
            Row{at(0xC1).digit(n), {Ev, Ib}, &S::info, &select_shift<S>, maybe, Feature::i186},
            Row{at(0xD0).digit(n), {Eb, one}, &S::info, &select_shift<S>, more},
            Row{at(0xD1).digit(n), {Ev, one}, &S::info, &select_shift<S>, more},
            Row{at(0xD2).digit(n), {Eb, CL}, &S::info, &select_shift<S>, maybe},
            Row{at(0xD3).digit(n), {Ev, CL}, &S::info, &select_shift<S>, maybe}};
}

/// Double shifts: bits come in from the second register. Counts above 16 with 16-bit operands are undefined; processors
/// take the pattern dst:src:dst, which falls out of the wide shifts below.
struct Shld {
    static constexpr OpInfo info{"shld", OSZAPC & ~eflags::AF, eflags::AF};
    template <Word T> static T apply(Flags& f, T a, T b, u32 count) {
        T r;
        bool c;
        if constexpr (sizeof(T) == 2) {
            const u64 wide = (u64{a} << 32) | (u64{b} << 16) | a;
            r = static_cast<T>((wide << count) >> 32);
            c = ((wide >> (48 - count)) & 1) != 0;
        } else {
            const u64 wide = (u64{a} << 32) | b;
            r = static_cast<T>((wide << count) >> 32);
            c = ((wide >> (64 - count)) & 1) != 0;
        }
        f.set_result<T>(r);
        f.set_cf_of_af(c, msb(r) != msb(a), false);
        return r;
    }
};
struct Shrd {
    static constexpr OpInfo info{"shrd", OSZAPC & ~eflags::AF, eflags::AF};
    template <Word T> static T apply(Flags& f, T a, T b, u32 count) {
        T r;
        bool c;
        if constexpr (sizeof(T) == 2) {
            const u64 wide = (u64{a} << 32) | (u64{b} << 16) | a;
            r = static_cast<T>(wide >> count);
            c = ((wide >> (count - 1)) & 1) != 0;
        } else {
            const u64 wide = (u64{b} << 32) | a;
            r = static_cast<T>(wide >> count);
            c = ((wide >> (count - 1)) & 1) != 0;
        }
        f.set_result<T>(r);
        f.set_cf_of_af(c, msb(r) != next_msb(r), false); // the sign changed in the last step
        return r;
    }
};
template <class S, Word T, bool cl> struct DoubleReg {
    static void run(Cpu& cpu, const Op& op, Flags& f) {
        const u32 count = cl ? cpu.r32(RCX) & 31 : static_cast<u32>(op.imm);
        const T a = cpu.reg<T>(op.base);
        cpu.set_reg<T>(op.base, count ? S::template apply<T>(f, a, cpu.reg<T>(op.reg), count) : a);
    }
};
template <class S, Word T, bool cl> struct DoubleMem {
    static bool run(Cpu& cpu, const auto& op, Flags& f) {
        const u32 count = cl ? cpu.r32(RCX) & 31 : static_cast<u32>(op.imm);
        u64 linear = 0;
        if (!EaSeg::write(cpu, op, sizeof(T), linear)) return false;
        return modify<T>(cpu, op, linear,
                         [&](T a) { return count ? S::template apply<T>(f, a, cpu.reg<T>(op.reg), count) : a; });
    }
};
template <class S, bool cl> Handler select_double(const Insn& insn, Op& op) {
    op.imm &= 31;
    op.reg = insn.operand[1].number;
    return with_wide(insn.opsize, [&]<Word T>() -> Handler {
        if (insn.mem) return &handler<DoubleMem<S, T, cl>>;
        op.base = insn.operand[0].number;
        return &handler<DoubleReg<S, T, cl>>;
    });
}

constexpr Row doubles[] = {
    {at(0x0FA4), {Ev, Gv, Ib}, &Shld::info, &select_double<Shld, false>, attr::flags_conditional, Feature::i386},
    {at(0x0FA5), {Ev, Gv, CL}, &Shld::info, &select_double<Shld, true>, attr::flags_conditional, Feature::i386},
    {at(0x0FAC), {Ev, Gv, Ib}, &Shrd::info, &select_double<Shrd, false>, attr::flags_conditional, Feature::i386},
    {at(0x0FAD), {Ev, Gv, CL}, &Shrd::info, &select_double<Shrd, true>, attr::flags_conditional, Feature::i386},
};

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
        std::array<Row, 48 + std::size(doubles)> all{};
        for (std::size_t i = 0; i < 48; ++i) all[i] = groups[i / 6][i % 6];
        for (std::size_t i = 0; i < std::size(doubles); ++i) all[48 + i] = doubles[i];
        return all;
    }();
    return rows;
}

} // namespace glassbox
