// BT, BTS, BTR, BTC, BSF, BSR, CMPXCHG, XADD, CMPXCHG8B, CMPXCHG16B (SDM 2).
#include "cpu/operands.hpp"
#include "cpu/ops/families.hpp"

#include <array>

namespace glassbox {

namespace {

using namespace eflags;
using enum Arg;
using attr::lockable;

enum class Bit : u8 { test, set, reset, complement };
template <Bit kind> inline constexpr OpInfo bit_info{kind == Bit::test    ? "bt"
                                                     : kind == Bit::set   ? "bts"
                                                     : kind == Bit::reset ? "btr"
                                                                          : "btc",
                                                     eflags::CF, OSZAPC & ~(eflags::CF | eflags::ZF)};

template <Bit kind, Word T> T bit_apply(Flags& f, T a, unsigned n) {
    const T mask = static_cast<T>(T{1} << n);
    f.set_cf((a & mask) != 0);
    switch (kind) {
    case Bit::set: return a | mask;
    case Bit::reset: return static_cast<T>(a & ~mask);
    case Bit::complement: return a ^ mask;
    default: return a;
    }
}
template <Bit kind, Word T, bool immediate> struct BitReg {
    static void run(Cpu& cpu, const Op& op, Flags& f) {
        const unsigned n = static_cast<unsigned>(immediate ? op.imm : cpu.reg<T>(op.reg)) & (bits_of<T> - 1);
        const T r = bit_apply<kind, T>(f, cpu.reg<T>(op.base), n);
        if (kind != Bit::test) cpu.set_reg<T>(op.base, r);
    }
};
/// With a register for the bit number, the operand is a bit string that reaches as far as the register can say.
struct BitString {
    template <Word T> static bool place(Cpu& cpu, const auto& op, unsigned& n, bool write, u64& linear) {
        const i64 which = static_cast<Signed<T>>(cpu.reg<T>(op.reg));
        constexpr int element = sizeof(T) == 2 ? 4 : sizeof(T) == 4 ? 5 : 6;
        n = static_cast<unsigned>(which) & (bits_of<T> - 1);
        const u64 by = static_cast<u64>(which >> element) * sizeof(T);
        const u64 offset = (effective_offset(cpu, op) + by) & address_mask(cpu, op);
        return write ? any_write(cpu, op.seg, offset, sizeof(T), linear)
                     : any_read(cpu, op.seg, offset, sizeof(T), linear);
    }
};
template <class Ea> struct BitInElement {
    template <Word T> static bool place(Cpu& cpu, const auto& op, unsigned& n, bool write, u64& linear) {
        n = static_cast<unsigned>(Ea::immediate(op)) & (bits_of<T> - 1);
        return write ? Ea::write(cpu, op, sizeof(T), linear) : Ea::read(cpu, op, sizeof(T), linear);
    }
};
template <Bit kind, Word T, class Place> struct BitMem {
    static bool run(Cpu& cpu, const auto& op, Flags& f) {
        unsigned n = 0;
        u64 linear = 0;
        if (!Place::template place<T>(cpu, op, n, kind != Bit::test, linear)) return false;
        if constexpr (kind == Bit::test) {
            T value;
            if (!load<T>(cpu, op, linear, value)) return false;
            bit_apply<kind, T>(f, value, n);
            return true;
        } else {
            return modify<T>(cpu, op, linear, [&](T a) { return bit_apply<kind, T>(f, a, n); });
        }
    }
};
template <Bit kind> Handler select_bit(const Insn& insn, Op& op) {
    const bool immediate = insn.operand[1].kind == OperandKind::imm;
    op.reg = insn.operand[1].number;
    return with_wide(insn.opsize, [&]<Word T>() -> Handler {
        if (insn.mem && !immediate) return &handler<BitMem<kind, T, BitString>>;
        if (insn.mem) {
            return with_any_address<T>(
                insn, []<class Ea>() -> Handler { return &handler<BitMem<kind, T, BitInElement<Ea>>>; });
        }
        op.base = insn.operand[0].number;
        return immediate ? &handler<BitReg<kind, T, true>> : &handler<BitReg<kind, T, false>>;
    });
}
template <Bit kind> consteval Row bit_row(At at, Arg b, u32 attributes) {
    // The undefined flags stay as they are, so an earlier write to them is not dead.
    return {at, {Ev, b}, &bit_info<kind>, &select_bit<kind>, attributes | attr::flags_conditional, Feature::i386};
}

/// A zero source sets ZF and leaves the destination alone. The other flags are undefined; PF follows the result's low
/// byte on current processors, the rest is cleared.
struct Bsf {
    static constexpr OpInfo info{"bsf", eflags::ZF, OSZAPC & ~eflags::ZF};
    template <Word T> static T apply(Flags& f, T a, T b) {
        f.logic<T>(b);
        return b ? static_cast<T>(std::countr_zero(b)) : a;
    }
};
struct Bsr {
    static constexpr OpInfo info{"bsr", eflags::ZF, OSZAPC & ~eflags::ZF};
    template <Word T> static T apply(Flags& f, T a, T b) {
        f.logic<T>(b);
        return b ? static_cast<T>(std::bit_width(b) - 1) : a;
    }
};

/// With 32 bits in 64-bit mode "leaves alone" means all 64 bits, which no ordinary write of 32 bits does.
template <class S> struct ScanReg {
    static void run(Cpu& cpu, const Op& op, Flags& f) {
        const u32 source = cpu.reg<u32>(op.base);
        const u32 r = S::template apply<u32>(f, 0, source);
        if (source) cpu.set_reg<u32>(op.reg, r);
    }
};
template <class S, class Ea> struct ScanMem {
    static bool run(Cpu& cpu, const auto& op, Flags& f) {
        u64 linear = 0;
        u32 source = 0;
        if (!Ea::read(cpu, op, sizeof source, linear) || !load<u32>(cpu, op, linear, source)) return false;
        const u32 r = S::template apply<u32>(f, 0, source);
        if (source) cpu.set_reg<u32>(op.reg, r);
        return true;
    }
};
template <class S> Handler select_scan(const Insn& insn, Op& op) {
    if (!insn.code64() || insn.opsize != 4) return select_binary<S>(insn, op);
    op.reg = insn.operand[0].number;
    if (insn.mem) return with_address<u32>(insn, [&]<class Ea>() -> Handler { return &handler<ScanMem<S, Ea>>; });
    op.base = insn.operand[1].number;
    return &handler<ScanReg<S>>;
}
template <class S> consteval Row scan_row(At at) { return {at, {Gv, Ev}, &S::info, &select_scan<S>, 0, Feature::i386}; }

constexpr OpInfo cmpxchg_info{"cmpxchg", OSZAPC}, xadd_info{"xadd", OSZAPC}, cmpxchg8b_info{"cmpxchg8b", eflags::ZF},
    cmpxchg16b_info{"cmpxchg16b", eflags::ZF};

template <Word T> bool compare(Cpu& cpu, Flags& f, T value) {
    const T a = cpu.reg<T>(8 * RAX);
    f.sub<T>(a, value, static_cast<T>(a - value));
    return a == value;
}
template <Word T> struct CmpxchgReg {
    static void run(Cpu& cpu, const Op& op, Flags& f) {
        const T value = cpu.reg<T>(op.base);
        if (compare<T>(cpu, f, value))
            cpu.set_reg<T>(op.base, cpu.reg<T>(op.reg));
        else
            cpu.set_reg<T>(8 * RAX, value);
    }
};
template <Word T, class Ea> struct CmpxchgMem { // the destination is written either way
    static bool run(Cpu& cpu, const auto& op, Flags& f) {
        u64 linear = 0;
        if (!Ea::write(cpu, op, sizeof(T), linear)) return false;
        bool equal = false;
        T old{};
        if (!modify<T>(cpu, op, linear, [&](T value) {
                old = value;
                equal = compare<T>(cpu, f, value);
                return equal ? cpu.reg<T>(op.reg) : value;
            }))
            return false;
        if (!equal) cpu.set_reg<T>(8 * RAX, old);
        return true;
    }
};
Handler select_cmpxchg(const Insn& insn, Op& op) {
    op.reg = insn.operand[1].number;
    return with_width(insn.operand[0].width, [&]<Word T>() -> Handler {
        if (insn.mem) return with_address<T>(insn, [&]<class Ea>() -> Handler { return &handler<CmpxchgMem<T, Ea>>; });
        op.base = insn.operand[0].number;
        return &handler<CmpxchgReg<T>>;
    });
}

template <Word T> struct XaddReg {
    static void run(Cpu& cpu, const Op& op, Flags& f) {
        const T a = cpu.reg<T>(op.base), b = cpu.reg<T>(op.reg);
        const T sum = static_cast<T>(a + b);
        f.add<T>(a, b, sum);
        cpu.set_reg<T>(op.reg, a);
        cpu.set_reg<T>(op.base, sum); // the destination wins when both are the same register
    }
};
template <Word T, class Ea> struct XaddMem {
    static bool run(Cpu& cpu, const auto& op, Flags& f) {
        u64 linear = 0;
        if (!Ea::write(cpu, op, sizeof(T), linear)) return false;
        const T b = cpu.reg<T>(op.reg);
        T old{};
        if (!modify<T>(cpu, op, linear, [&](T a) {
                old = a;
                const T sum = static_cast<T>(a + b);
                f.add<T>(a, b, sum);
                return sum;
            }))
            return false;
        cpu.set_reg<T>(op.reg, old);
        return true;
    }
};
Handler select_xadd(const Insn& insn, Op& op) {
    op.reg = insn.operand[1].number;
    return with_width(insn.operand[0].width, [&]<Word T>() -> Handler {
        if (insn.mem) return with_address<T>(insn, [&]<class Ea>() -> Handler { return &handler<XaddMem<T, Ea>>; });
        op.base = insn.operand[0].number;
        return &handler<XaddReg<T>>;
    });
}

bool cmpxchg8b(Cpu& cpu, const Op& op) {
    u64 linear = 0;
    if (!locate_write(cpu, op.seg, effective_offset(cpu, op), 8, linear)) return false;
    const u64 expected = (u64{cpu.r32(RDX)} << 32) | cpu.r32(RAX);
    const u64 wanted = (u64{cpu.r32(RCX)} << 32) | cpu.r32(RBX);
    u64 old = 0;
    if (!modify<u64>(cpu, op, linear, [&](u64 value) {
            old = value;
            return value == expected ? wanted : value;
        }))
        return false;
    cpu.flags.replace(eflags::ZF, old == expected ? eflags::ZF : 0);
    if (old != expected) {
        cpu.set_r32(RAX, static_cast<u32>(old));
        cpu.set_r32(RDX, static_cast<u32>(old >> 32));
    }
    return true;
}

// --- CMPXCHG16B: an operand that is aligned lies in one page, so the second half cannot fault after the first
// -----------
using Pair = std::array<u64, 2>;

template <class F> bool modify_pair(Cpu& cpu, const FastOp&, u64 linear, F&& change) {
    u8* at = (linear & 15) == 0 ? host_for_write<u64>(*cpu.tlb, linear) : nullptr;
    if (!at) return false;
    Pair value;
    std::memcpy(value.data(), at, sizeof value);
    value = change(value);
    std::memcpy(at, value.data(), sizeof value);
    return true;
}
template <class F> bool modify_pair(Cpu& cpu, const Op& op, u64 linear, F&& change) {
    if ((linear & 15) != 0) return cpu.gp(0, "the operand of CMPXCHG16B is not aligned");
    Pair value{};
    if (!probe_write(cpu, linear, 16, Privilege::current, &op) || !load<u64>(cpu, op, linear, value[0]) ||
        !load<u64>(cpu, op, linear + 8, value[1]))
        return false;
    value = change(value);
    return store<u64>(cpu, op, linear, value[0]) && store<u64>(cpu, op, linear + 8, value[1]);
}
template <class Ea> struct Cmpxchg16b {
    static bool run(Cpu& cpu, const auto& op, Flags& f) {
        u64 linear = 0;
        if (!Ea::write(cpu, op, 16, linear)) return false;
        const Pair expected{cpu.gpr[RAX], cpu.gpr[RDX]};
        Pair old{};
        if (!modify_pair(cpu, op, linear, [&](const Pair& value) {
                old = value;
                return value == expected ? Pair{cpu.gpr[RBX], cpu.gpr[RCX]} : value;
            }))
            return false;
        f.replace(eflags::ZF, old == expected ? eflags::ZF : 0);
        if (old != expected) {
            cpu.gpr[RAX] = old[0];
            cpu.gpr[RDX] = old[1];
        }
        return true;
    }
};
Handler select_cmpxchg16b(const Insn& insn, Op&) {
    return with_address(insn, []<class Ea>() -> Handler { return &handler<Cmpxchg16b<Ea>>; });
}

constexpr Row rows[] = {
    bit_row<Bit::test>(at(0x0FA3), Gv, 0),
    bit_row<Bit::set>(at(0x0FAB), Gv, lockable),
    bit_row<Bit::reset>(at(0x0FB3), Gv, lockable),
    bit_row<Bit::complement>(at(0x0FBB), Gv, lockable),
    bit_row<Bit::test>(at(0x0FBA).digit(4), Ib, 0),
    bit_row<Bit::set>(at(0x0FBA).digit(5), Ib, lockable),
    bit_row<Bit::reset>(at(0x0FBA).digit(6), Ib, lockable),
    bit_row<Bit::complement>(at(0x0FBA).digit(7), Ib, lockable),
    scan_row<Bsf>(at(0x0FBC)),
    scan_row<Bsr>(at(0x0FBD)),
    {at(0x0FB0), {Eb, Gb}, &cmpxchg_info, &select_cmpxchg, lockable, Feature::i486},
    {at(0x0FB1), {Ev, Gv}, &cmpxchg_info, &select_cmpxchg, lockable, Feature::i486},
    {at(0x0FC0), {Eb, Gb}, &xadd_info, &select_xadd, lockable, Feature::i486},
    {at(0x0FC1), {Ev, Gv}, &xadd_info, &select_xadd, lockable, Feature::i486},
    cold_row<cmpxchg8b>(cmpxchg8b_info, at(0x0FC7).digit(1).mem().w(0), {Mq}, lockable | attr::opsize_fixed,
                        Feature::cx8),
    {at(0x0FC7).digit(1).mem().w(1),
     {Mdq},
     &cmpxchg16b_info,
     &select_cmpxchg16b,
     lockable | attr::opsize_fixed | attr::only_64,
     Feature::cx16},
};

} // namespace

std::span<const Row> families::bit() { return rows; }

} // namespace glassbox
