// MOV, MOVZX, MOVSX, LEA, XCHG, CBW/CWDE, CWD/CDQ, BSWAP, CMOVcc, SETcc, XLAT, NOP (SDM 2).
#include "cpu/ops/move.hpp"
#include "cpu/operands.hpp"
#include "cpu/ops/conditions.hpp"
#include "cpu/ops/families.hpp"

namespace glassbox {

namespace {

using namespace eflags;
using enum Arg;
using attr::lockable;

constexpr OpInfo mov_info{"mov"}, movzx_info{"movzx"}, movsx_info{"movsx"}, lea_info{"lea"}, xchg_info{"xchg"},
    nop_info{"nop"}, pause_info{"pause"}, movsxd_info{"movsxd"}, cbw_info{"cbw"}, cwd_info{"cwd"}, bswap_info{"bswap"},
    xlat_info{"xlatb"}, wait_info{"wait"}, escape_info{"esc"};

Handler select_mov(const Insn& insn, Op& op) {
    const Operand& dst = insn.operand[0];
    const Operand& src = insn.operand[1];
    return with_width(dst.width, [&]<Word T>() -> Handler {
        if (dst.kind == OperandKind::mem) {
            op.reg = src.number;
            return with_address<T>(insn, [&]<class Ea>() -> Handler {
                return src.kind == OperandKind::imm ? &handler<MovMem<T, Ea, true>> : &handler<MovMem<T, Ea, false>>;
            });
        }
        op.reg = dst.number;
        if (src.kind == OperandKind::imm) return &handler<MovRegImm<T>>;
        if (src.kind == OperandKind::mem)
            return with_address<T>(insn, [&]<class Ea>() -> Handler { return &handler<MovRegMem<T, Ea>>; });
        op.base = src.number;
        return &handler<MovRegReg<T>>;
    });
}
consteval Row mov(At at, Arg a, Arg b) { return {at, {a, b}, &mov_info, &select_mov}; }

/// MOVZX and MOVSX: From is the source as it is extended (u8, u16, i8, i16).
template <Word To, class From> struct ExtendReg {
    static void run(Cpu& cpu, const Op& op, Flags&) {
        using Raw = std::make_unsigned_t<From>;
        cpu.set_reg<To>(op.reg, static_cast<To>(static_cast<From>(cpu.reg<Raw>(op.base))));
    }
};
template <Word To, class From, class Ea> struct ExtendMem {
    static bool run(Cpu& cpu, const auto& op, Flags&) {
        using Raw = std::make_unsigned_t<From>;
        u64 linear = 0;
        Raw value;
        if (!Ea::read(cpu, op, sizeof(Raw), linear) || !load<Raw>(cpu, op, linear, value)) return false;
        cpu.set_reg<To>(op.reg, static_cast<To>(static_cast<From>(value)));
        return true;
    }
};
template <class From> Handler select_extend(const Insn& insn, Op& op) {
    op.reg = insn.operand[0].number;
    return with_wide(insn.operand[0].width, [&]<Word T>() -> Handler {
        if (insn.mem)
            return with_address<T>(insn, [&]<class Ea>() -> Handler { return &handler<ExtendMem<T, From, Ea>>; });
        op.base = insn.operand[1].number;
        return &handler<ExtendReg<T, From>>;
    });
}

/// With 16 bits there is nothing to extend (SDM 2B, MOVSXD).
Handler select_movsxd(const Insn& insn, Op& op) {
    return insn.opsize == 2 ? select_mov(insn, op) : select_extend<i32>(insn, op);
}

Handler select_lea(const Insn& insn, Op& op) {
    op.reg = insn.operand[0].number;
    if (insn.absolute) return with_wide(insn.opsize, []<Word T>() -> Handler { return &handler<MovRegImm<T>>; });
    if (insn.addrsize == insn.opsize && insn.opsize >= 4 && insn.index == 8 * zero_gpr)
        return with_dword(insn.opsize, []<Word T>() -> Handler { return &handler<LeaBase<T>>; });
    if (insn.code64()) return with_wide(insn.opsize, []<Word T>() -> Handler { return &handler<Lea64<T>>; });
    return insn.opsize == 2 ? &handler<Lea<u16>> : &handler<Lea<u32>>;
}

template <Word T> struct XchgReg {
    static void run(Cpu& cpu, const Op& op, Flags&) {
        const T a = cpu.reg<T>(op.reg), b = cpu.reg<T>(op.base);
        cpu.set_reg<T>(op.reg, b);
        cpu.set_reg<T>(op.base, a);
    }
};
template <Word T, class Ea> struct XchgMem {
    static bool run(Cpu& cpu, const auto& op, Flags&) {
        u64 linear = 0;
        if (!Ea::write(cpu, op, sizeof(T), linear)) return false;
        T old{};
        const bool ok = modify<T>(cpu, op, linear, [&](T value) {
            old = value;
            return cpu.reg<T>(op.reg);
        });
        if (ok) cpu.set_reg<T>(op.reg, old);
        return ok;
    }
};
Handler select_xchg(const Insn& insn, Op& op) {
    return with_width(insn.operand[0].width, [&]<Word T>() -> Handler {
        op.reg = insn.operand[1].number;
        if (insn.mem) return with_address<T>(insn, [&]<class Ea>() -> Handler { return &handler<XchgMem<T, Ea>>; });
        op.base = insn.operand[0].number;
        return &handler<XchgReg<T>>;
    });
}
consteval Row xchg(At at, Arg a, Arg b, u32 attributes = 0) {
    return {at, {a, b}, &xchg_info, &select_xchg, attributes};
}

struct Nop {
    static void run(Cpu&, const Op&, Flags&) {}
};
Handler select_nop(const Insn&, Op&) { return &handler<Nop>; }

/// With several processors one that spins gives way (see docs/smp.md); a single one goes on.
struct Pause {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (cpu.pause_yields) [[unlikely]] {
            cpu.gave_way = true;
            cpu.leave_requested = true;
            cpu.request_leave(&op);
        }
        return true;
    }
};
Handler select_pause(const Insn&, Op&) { return &handler<Pause>; }

struct Cbw {
    static void run(Cpu& cpu, const Op&, Flags&) { cpu.set_r16(RAX, static_cast<u16>(static_cast<i8>(cpu.gpr[RAX]))); }
};
struct Cwde {
    static void run(Cpu& cpu, const Op&, Flags&) { cpu.set_r32(RAX, static_cast<u32>(static_cast<i16>(cpu.gpr[RAX]))); }
};
struct Cwd {
    static void run(Cpu& cpu, const Op&, Flags&) { cpu.set_r16(RDX, sign_of(cpu.r16(RAX)) ? 0xFFFF : 0); }
};
struct Cdq {
    static void run(Cpu& cpu, const Op&, Flags&) { cpu.set_r32(RDX, sign_of(cpu.r32(RAX)) ? 0xFFFF'FFFF : 0); }
};
struct Cdqe {
    static void run(Cpu& cpu, const Op&, Flags&) {
        cpu.gpr[RAX] = static_cast<u64>(static_cast<i64>(static_cast<i32>(cpu.gpr[RAX])));
    }
};
struct Cqo {
    static void run(Cpu& cpu, const Op&, Flags&) { cpu.gpr[RDX] = sign_of(cpu.gpr[RAX]) ? ~u64{0} : 0; }
};
template <class Narrow, class Wide, class Widest> Handler select_by_opsize(const Insn& insn, Op&) {
    return insn.opsize == 2 ? &handler<Narrow> : insn.opsize == 4 ? &handler<Wide> : &handler<Widest>;
}

/// With a 16-bit operand the result is undefined (SDM 2, BSWAP); processors give zero.
struct Bswap16 {
    static void run(Cpu& cpu, const Op& op, Flags&) { cpu.set_reg<u16>(op.reg, 0); }
};
struct Bswap32 {
    static void run(Cpu& cpu, const Op& op, Flags&) {
        cpu.set_reg<u32>(op.reg, __builtin_bswap32(cpu.reg<u32>(op.reg)));
    }
};
struct Bswap64 {
    static void run(Cpu& cpu, const Op& op, Flags&) {
        cpu.set_reg<u64>(op.reg, __builtin_bswap64(cpu.reg<u64>(op.reg)));
    }
};
Handler select_bswap(const Insn& insn, Op& op) {
    op.reg = insn.operand[0].number;
    return insn.opsize == 2 ? &handler<Bswap16> : insn.opsize == 4 ? &handler<Bswap32> : &handler<Bswap64>;
}
template <u32 n> consteval Row bswap() {
    return {at(0x0FC8 + n), {Zv}, &bswap_info, &select_bswap, 0, Feature::bios486};
}

struct Xlat {
    static bool run(Cpu& cpu, const auto& op, Flags&) {
        const u64 offset = (cpu.gpr[RBX] + static_cast<u8>(cpu.gpr[RAX])) & address_mask(cpu, op);
        u64 linear = 0;
        u8 value;
        if (!any_read(cpu, op.seg, offset, 1, linear) || !load<u8>(cpu, op, linear, value)) return false;
        cpu.set_reg<u8>(8 * RAX, value);
        return true;
    }
};
Handler select_xlat(const Insn&, Op&) { return &handler<Xlat>; }

struct Escape {
    static bool run(Cpu& cpu, const auto& op, Flags&) {
        u64 linear = 0;
        u16 value;
        return EaSeg::read(cpu, op, sizeof value, linear) && load<u16>(cpu, op, linear, value);
    }
};
Handler select_escape(const Insn& insn, Op&) { return insn.mem ? &handler<Escape> : &handler<Nop>; }
/// The 80286 looks at MSW.EM and TS first, WAIT at MP and TS (80286 Programmer's Reference, 10.2).
struct NoCoprocessor {
    static bool run(Cpu& cpu, const Op&, Flags&) {
        if ((cpu.cr0 & (cr0::EM | cr0::TS)) == 0) return true;
        return cpu.raise(Exception::NM, "coprocessor instruction with EM or TS set");
    }
};
struct Escape286 {
    static bool run(Cpu& cpu, const Op& op, Flags& f) {
        return NoCoprocessor::run(cpu, op, f) && Escape::run(cpu, op, f);
    }
};
struct Wait286 {
    static bool run(Cpu& cpu, const Op&, Flags&) {
        if ((~cpu.cr0 & (cr0::MP | cr0::TS)) != 0) return true;
        return cpu.raise(Exception::NM, "WAIT with MP and TS set");
    }
};
Handler select_escape_286(const Insn& insn, Op&) { return insn.mem ? &handler<Escape286> : &handler<NoCoprocessor>; }
Handler select_wait_286(const Insn&, Op&) { return &handler<Wait286>; }
template <u32 n> consteval Row escape() {
    return {at(0xD8 + n), {Ev}, &escape_info, &select_escape, 0, Feature::only_8086};
}
template <u32 n> consteval Row escape_286() {
    return {at(0xD8 + n), {Ev}, &escape_info, &select_escape_286, attr::may_fault, Feature::only_286};
}

template <class Cond, Word T> struct CmovReg {
    static void run(Cpu& cpu, const Op& op, Flags& f) {
        const T value = Cond::test(f) ? cpu.reg<T>(op.base) : cpu.reg<T>(op.reg);
        cpu.set_reg<T>(op.reg, value);
    }
};
template <class Cond, Word T, class Ea> struct CmovMem { // the load happens, and may fault, whatever the condition
    static bool run(Cpu& cpu, const auto& op, Flags& f) {
        u64 linear = 0;
        T value;
        if (!Ea::read(cpu, op, sizeof(T), linear) || !load<T>(cpu, op, linear, value)) return false;
        if (!Cond::test(f)) value = cpu.reg<T>(op.reg);
        cpu.set_reg<T>(op.reg, value);
        return true;
    }
};
template <class Cond> Handler select_cmov(const Insn& insn, Op& op) {
    op.reg = insn.operand[0].number;
    return with_wide(insn.opsize, [&]<Word T>() -> Handler {
        if (insn.mem)
            return with_any_address<T>(insn, [&]<class Ea>() -> Handler { return &handler<CmovMem<Cond, T, Ea>>; });
        op.base = insn.operand[1].number;
        return &handler<CmovReg<Cond, T>>;
    });
}
template <class Cond> struct SetReg {
    static void run(Cpu& cpu, const Op& op, Flags& f) { cpu.set_reg<u8>(op.reg, Cond::test(f)); }
};
template <class Cond, class Ea> struct SetMem {
    static bool run(Cpu& cpu, const auto& op, Flags& f) {
        u64 linear = 0;
        return Ea::write(cpu, op, 1, linear) && store<u8>(cpu, op, linear, Cond::test(f));
    }
};
template <class Cond> Handler select_set(const Insn& insn, Op& op) {
    op.reg = insn.operand[0].number;
    if (!insn.mem) return &handler<SetReg<Cond>>;
    return with_any_address(insn, []<class Ea>() -> Handler { return &handler<SetMem<Cond, Ea>>; });
}
template <u32 n> struct CmovInfo {
    static constexpr OpInfo info{cmov_names[n], 0, 0, Condition<n>::reads};
};
template <u32 n> struct SetInfo {
    static constexpr OpInfo info{set_names[n], 0, 0, Condition<n>::reads};
};
template <u32 n> consteval Row cmov() {
    return {at(0x0F40 + n), {Gv, Ev}, &CmovInfo<n>::info, &select_cmov<Condition<n>>, 0, Feature::cmov};
}
template <u32 n> consteval Row setcc() {
    return {at(0x0F90 + n), {Eb}, &SetInfo<n>::info, &select_set<Condition<n>>, 0, Feature::i386};
}

constexpr Row rows[] = {
    mov(at(0x88), Eb, Gb),
    mov(at(0x89), Ev, Gv),
    mov(at(0x8A), Gb, Eb),
    mov(at(0x8B), Gv, Ev),
    mov(at(0xA0), AL, Ob),
    mov(at(0xA1), eAX, Ov),
    mov(at(0xA2), Ob, AL),
    mov(at(0xA3), Ov, eAX),
    mov(at(0xB0), Zb, Ib),
    mov(at(0xB1), Zb, Ib),
    mov(at(0xB2), Zb, Ib),
    mov(at(0xB3), Zb, Ib),
    mov(at(0xB4), Zb, Ib),
    mov(at(0xB5), Zb, Ib),
    mov(at(0xB6), Zb, Ib),
    mov(at(0xB7), Zb, Ib),
    mov(at(0xB8), Zv, Iv),
    mov(at(0xB9), Zv, Iv),
    mov(at(0xBA), Zv, Iv),
    mov(at(0xBB), Zv, Iv),
    mov(at(0xBC), Zv, Iv),
    mov(at(0xBD), Zv, Iv),
    mov(at(0xBE), Zv, Iv),
    mov(at(0xBF), Zv, Iv),
    mov(at(0xC6).digit(0), Eb, Ib),
    mov(at(0xC7).digit(0), Ev, Iz),
    // The 8086 does not look at ModRM.reg; LEA of a register finds what an earlier instruction has left: here, nothing.
    {at(0xC6), {Eb, Ib}, &mov_info, &select_mov, attr::undocumented, Feature::only_8086},
    {at(0xC7), {Ev, Iz}, &mov_info, &select_mov, attr::undocumented, Feature::only_8086},
    {at(0x8D).reg(), {Gv, Ev}, &lea_info, &select_nop, attr::undocumented, Feature::only_8086},
    // An 8086 without coprocessor: ESC reads its memory operand for nobody, WAIT finds TEST# low.
    {at(0x9B), {}, &wait_info, &select_nop, 0, Feature::only_8086},
    escape<0>(),
    escape<1>(),
    escape<2>(),
    escape<3>(),
    escape<4>(),
    escape<5>(),
    escape<6>(),
    escape<7>(),
    {at(0x9B), {}, &wait_info, &select_wait_286, attr::may_fault, Feature::only_286},
    escape_286<0>(),
    escape_286<1>(),
    escape_286<2>(),
    escape_286<3>(),
    escape_286<4>(),
    escape_286<5>(),
    escape_286<6>(),
    escape_286<7>(),
    {at(0x0FB6), {Gv, Eb}, &movzx_info, &select_extend<u8>, 0, Feature::i386},
    {at(0x0FB7), {Gv, Ew}, &movzx_info, &select_extend<u16>, 0, Feature::i386},
    {at(0x0FBE), {Gv, Eb}, &movsx_info, &select_extend<i8>, 0, Feature::i386},
    {at(0x0FBF), {Gv, Ew}, &movsx_info, &select_extend<i16>, 0, Feature::i386},
    {at(0x8D).mem(), {Gv, M}, &lea_info, &select_lea},
    xchg(at(0x86), Eb, Gb, lockable),
    xchg(at(0x87), Ev, Gv, lockable),
    {at(0x90).pF3(), {}, &pause_info, &select_pause, attr::may_fault},
    xchg(at(0x90), Zv, eAX, attr::rex_b | attr::only_64),
    {at(0x90), {}, &nop_info, &select_nop},
    {at(0x63), {Gv, Ez}, &movsxd_info, &select_movsxd, attr::only_64, Feature::long_mode},
    xchg(at(0x91), Zv, eAX),
    xchg(at(0x92), Zv, eAX),
    xchg(at(0x93), Zv, eAX),
    xchg(at(0x94), Zv, eAX),
    xchg(at(0x95), Zv, eAX),
    xchg(at(0x96), Zv, eAX),
    xchg(at(0x97), Zv, eAX),
    {at(0x98), {}, &cbw_info, &select_by_opsize<Cbw, Cwde, Cdqe>},
    {at(0x99), {}, &cwd_info, &select_by_opsize<Cwd, Cdq, Cqo>},
    {at(0xD7), {}, &xlat_info, &select_xlat, attr::may_fault},
    bswap<0>(),
    bswap<1>(),
    bswap<2>(),
    bswap<3>(),
    bswap<4>(),
    bswap<5>(),
    bswap<6>(),
    bswap<7>(),
    cmov<0>(),
    cmov<1>(),
    cmov<2>(),
    cmov<3>(),
    cmov<4>(),
    cmov<5>(),
    cmov<6>(),
    cmov<7>(),
    cmov<8>(),
    cmov<9>(),
    cmov<10>(),
    cmov<11>(),
    cmov<12>(),
    cmov<13>(),
    cmov<14>(),
    cmov<15>(),
    setcc<0>(),
    setcc<1>(),
    setcc<2>(),
    setcc<3>(),
    setcc<4>(),
    setcc<5>(),
    setcc<6>(),
    setcc<7>(),
    setcc<8>(),
    setcc<9>(),
    setcc<10>(),
    setcc<11>(),
    setcc<12>(),
    setcc<13>(),
    setcc<14>(),
    setcc<15>(),
};

} // namespace

std::span<const Row> families::move() { return rows; }

} // namespace glassbox
