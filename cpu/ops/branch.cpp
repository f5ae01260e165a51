// Near control transfer: Jcc, JMP, CALL, RET, LOOP, JCXZ (SDM 2). Far transfers belong to the system side.
#include "cpu/block/link.hpp"
#include "cpu/operands.hpp"
#include "cpu/ops/conditions.hpp"
#include "cpu/ops/families.hpp"
#include "cpu/stack.hpp"

namespace glassbox {

namespace {

using enum Arg;
using attr::branch, attr::ends_block;

constexpr OpInfo jmp_info{"jmp"}, call_info{"call"}, ret_info{"ret"}, jcxz_info{"jcxz"}, loop_info{"loop"},
    loope_info{"loope", 0, 0, eflags::ZF}, loopne_info{"loopne", 0, 0, eflags::ZF};

void unlinked(const Insn& insn, Op& op) {
    op.link = nullptr;
    op.fall = nullptr;
    op.epoch = 0;
    op.index = insn.in_page ? branch_in_page : 0;
}
/// A branch to an address beyond the code segment's limit faults before anything else happens.
bool target_allowed(Cpu& cpu, u64 target) {
    if (cpu.code64()) return cpu.canonical(target) || cpu.gp(0, "a branch target is not canonical");
    if (target <= cpu.seg[SegmentName::CS].limit) [[likely]]
        return true;
    return cpu.gp(0, "a branch target is beyond the code segment's limit");
}

/// `target_allowed` without its fault, for the likely targets.
template <Word T> bool quickly_allowed(const Cpu& cpu, T target) {
    if constexpr (sizeof(T) == 8)
        return canonical48(target);
    else
        return target <= cpu.seg[SegmentName::CS].limit;
}

/// In a code segment of 4 GiB no target needs a check, nor in 64-bit mode a canonical one; elsewhere every taken branch
/// has one.
enum class Reach : u8 { in_page, flat, limited };
template <class F> Handler with_reach(const Insn& insn, F&& pick) {
    if (!(insn.mode & mode::big_cs) || (insn.code64() && !canonical48(insn.target)))
        return pick.template operator()<Reach::limited>();
    return insn.in_page ? pick.template operator()<Reach::in_page>() : pick.template operator()<Reach::flat>();
}

template <class Cond, Reach reach> GLASSBOX_HANDLER void jcc(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    Flags f{result, carries};
    if (Cond::test(f)) {
        if constexpr (reach == Reach::limited) {
            if (!target_allowed(cpu, (op + 1)->imm)) [[unlikely]]
                GLASSBOX_LEAVE(leave_fault, cpu, op, f);
        }
        GLASSBOX_TAKE(cpu, op, f, reach == Reach::in_page);
    }
    GLASSBOX_FALL(cpu, op, f, reach == Reach::in_page);
}
template <class Cond> Handler select_jcc(const Insn& insn, Op& op) {
    unlinked(insn, op);
    return with_reach(insn, []<Reach reach>() -> Handler { return &jcc<Cond, reach>; });
}
template <u32 n> struct JccInfo {
    static constexpr OpInfo info{jump_names[n], 0, 0, Condition<n>::reads};
};
constexpr u32 conditional = branch | ends_block | attr::may_fault | attr::force64;
template <u32 n> consteval Row short_jcc() {
    return {at(0x70 + n), {Jb}, &JccInfo<n>::info, &select_jcc<Condition<n>>, conditional};
}
/// The 8086 decodes 60-6F as 70-7F.
template <u32 n> consteval Row alias_jcc() {
    return {at(0x60 + n),
            {Jb},
            &JccInfo<n>::info,
            &select_jcc<Condition<n>>,
            static_cast<u16>(conditional | attr::undocumented),
            Feature::only_8086};
}
template <u32 n> consteval Row near_jcc() {
    return {at(0x0F80 + n), {Jz}, &JccInfo<n>::info, &select_jcc<Condition<n>>, conditional, Feature::i386};
}

template <Reach reach> GLASSBOX_HANDLER void jmp_direct(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    Flags f{result, carries};
    if constexpr (reach == Reach::limited) {
        if (!target_allowed(cpu, (op + 1)->imm)) [[unlikely]]
            GLASSBOX_LEAVE(leave_fault, cpu, op, f);
    }
    GLASSBOX_TAKE(cpu, op, f, reach == Reach::in_page);
}
Handler select_jmp(const Insn& insn, Op& op) {
    unlinked(insn, op);
    return with_reach(insn, []<Reach reach>() -> Handler { return &jmp_direct<reach>; });
}

/// Everything that may fault, the slow way.
template <Word T, class Stack, Reach reach>
[[gnu::cold, gnu::noinline]] GLASSBOX_HANDLER void slow_call(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    Flags f{result, carries};
    if (!target_allowed(cpu, (op + 1)->imm) || !push<T, Stack>(cpu, *op, static_cast<T>(block_end_ip(op))))
        GLASSBOX_LEAVE(leave_fault, cpu, op, f);
    GLASSBOX_TAKE(cpu, op, f, reach == Reach::in_page);
}
template <Word T, class Stack, Reach reach>
GLASSBOX_HANDLER void call_direct(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    Flags f{result, carries};
    if (reach == Reach::limited || !push<T, Stack>(cpu, fast(op), static_cast<T>(block_end_ip(op)))) [[unlikely]]
        GLASSBOX_LEAVE((slow_call<T, Stack, reach>), cpu, op, f);
    GLASSBOX_TAKE(cpu, op, f, reach == Reach::in_page);
}
Handler select_call(const Insn& insn, Op& op) {
    unlinked(insn, op);
    return with_stack(insn, [&]<Word T, class Stack>() -> Handler {
        return with_reach(insn, []<Reach reach>() -> Handler { return &call_direct<T, Stack, reach>; });
    });
}

/// Jump or call through a register or memory.
template <Word T, class Ea> bool indirect_target(Cpu& cpu, const Op& op, u64& target) {
    u64 linear = 0;
    T value;
    if (!Ea::read(cpu, op, sizeof(T), linear) || !load<T>(cpu, op, linear, value)) return false;
    target = value;
    return target_allowed(cpu, target);
}
struct EaRegister {};
template <Word T, class Ea> bool target_of(Cpu& cpu, const Op& op, u64& target) {
    if constexpr (std::is_same_v<Ea, EaRegister>) {
        target = cpu.reg<T>(op.reg);
        return target_allowed(cpu, target);
    } else {
        return indirect_target<T, Ea>(cpu, op, target);
    }
}
template <Word T, class Ea> GLASSBOX_HANDLER void jmp_indirect(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    Flags f{result, carries};
    u64 target;
    if (!target_of<T, Ea>(cpu, *op, target)) [[unlikely]]
        GLASSBOX_LEAVE(leave_fault, cpu, op, f);
    GLASSBOX_JUMP(cpu, op, f, target);
}
template <Word T, class Stack, class Ea>
GLASSBOX_HANDLER void call_indirect(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    Flags f{result, carries};
    u64 target;
    if (!target_of<T, Ea>(cpu, *op, target) || !push<T, Stack>(cpu, *op, static_cast<T>(block_end_ip(op)))) [[unlikely]]
        GLASSBOX_LEAVE(leave_fault, cpu, op, f);
    GLASSBOX_JUMP(cpu, op, f, target);
}
template <Word T, class F> Handler with_target(const Insn& insn, Op& op, F&& pick) {
    if (insn.mem) return with_address<T>(insn, pick);
    op.reg = insn.operand[0].number;
    return pick.template operator()<EaRegister>();
}
Handler select_jmp_indirect(const Insn& insn, Op& op) {
    return with_wide(insn.opsize, [&]<Word T>() -> Handler {
        return with_target<T>(insn, op, [&]<class Ea>() -> Handler { return &jmp_indirect<T, Ea>; });
    });
}
Handler select_call_indirect(const Insn& insn, Op& op) {
    return with_stack(insn, [&]<Word T, class Stack>() -> Handler {
        return with_target<T>(insn, op, [&]<class Ea>() -> Handler { return &call_indirect<T, Stack, Ea>; });
    });
}

template <Word T, class Stack>
[[gnu::cold, gnu::noinline]] GLASSBOX_HANDLER void slow_ret(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    Flags f{result, carries};
    T target;
    if (!top<T, Stack>(cpu, *op, target) || !target_allowed(cpu, target)) GLASSBOX_LEAVE(leave_fault, cpu, op, f);
    drop<T, Stack>(cpu, static_cast<u32>(op->imm));
    GLASSBOX_JUMP(cpu, op, f, u64{target});
}
template <Word T, class Stack> GLASSBOX_HANDLER void ret_near(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    Flags f{result, carries};
    T target;
    if (!top<T, Stack>(cpu, fast(op), target) || !quickly_allowed<T>(cpu, target)) [[unlikely]]
        GLASSBOX_LEAVE((slow_ret<T, Stack>), cpu, op, f);
    drop<T, Stack>(cpu, static_cast<u32>(op->imm));
    GLASSBOX_JUMP(cpu, op, f, u64{target});
}
Handler select_ret(const Insn& insn, Op&) {
    return with_stack(insn, []<Word T, class Stack>() -> Handler { return &ret_near<T, Stack>; });
}

/// CX, ECX or RCX by address size.
enum class Loop : u8 { jcxz, loop, loope, loopne };
template <Word Count, Loop kind> GLASSBOX_HANDLER void loop_branch(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    Flags f{result, carries};
    const Count count = static_cast<Count>(cpu.reg<Count>(8 * RCX) - (kind == Loop::jcxz ? 0 : 1));
    bool taken = kind == Loop::jcxz ? count == 0 : count != 0;
    if (kind == Loop::loope) taken = taken && f.zf();
    if (kind == Loop::loopne) taken = taken && !f.zf();
    if (taken && !target_allowed(cpu, (op + 1)->imm)) [[unlikely]]
        GLASSBOX_LEAVE(leave_fault, cpu, op, f);
    if (kind != Loop::jcxz) cpu.set_reg<Count>(8 * RCX, count);
    if (taken) GLASSBOX_TAKE(cpu, op, f, op->index == branch_in_page);
    GLASSBOX_FALL(cpu, op, f, op->index == branch_in_page);
}
template <Loop kind> Handler select_loop(const Insn& insn, Op& op) {
    unlinked(insn, op);
    return with_wide(insn.addrsize, []<Word Count>() -> Handler { return &loop_branch<Count, kind>; });
}

constexpr u32 indirect = ends_block | attr::may_fault | attr::force64;

constexpr Row rows[] = {
    short_jcc<0>(),
    short_jcc<1>(),
    short_jcc<2>(),
    short_jcc<3>(),
    short_jcc<4>(),
    short_jcc<5>(),
    short_jcc<6>(),
    short_jcc<7>(),
    short_jcc<8>(),
    short_jcc<9>(),
    short_jcc<10>(),
    short_jcc<11>(),
    short_jcc<12>(),
    short_jcc<13>(),
    short_jcc<14>(),
    short_jcc<15>(),
    alias_jcc<0>(),
    alias_jcc<1>(),
    alias_jcc<2>(),
    alias_jcc<3>(),
    alias_jcc<4>(),
    alias_jcc<5>(),
    alias_jcc<6>(),
    alias_jcc<7>(),
    alias_jcc<8>(),
    alias_jcc<9>(),
    alias_jcc<10>(),
    alias_jcc<11>(),
    alias_jcc<12>(),
    alias_jcc<13>(),
    alias_jcc<14>(),
    alias_jcc<15>(),
    {at(0xC0), {Iw}, &ret_info, &select_ret, indirect | attr::undocumented, Feature::only_8086}, // as C2
    {at(0xC1), {}, &ret_info, &select_ret, indirect | attr::undocumented, Feature::only_8086},   // as C3
    {at(0xFE).digit(2), {Ev}, &call_info, &select_call_indirect, indirect | attr::undocumented, Feature::only_8086},
    {at(0xFE).digit(4), {Ev}, &jmp_info, &select_jmp_indirect, indirect | attr::undocumented, Feature::only_8086},
    near_jcc<0>(),
    near_jcc<1>(),
    near_jcc<2>(),
    near_jcc<3>(),
    near_jcc<4>(),
    near_jcc<5>(),
    near_jcc<6>(),
    near_jcc<7>(),
    near_jcc<8>(),
    near_jcc<9>(),
    near_jcc<10>(),
    near_jcc<11>(),
    near_jcc<12>(),
    near_jcc<13>(),
    near_jcc<14>(),
    near_jcc<15>(),
    {at(0xEB), {Jb}, &jmp_info, &select_jmp, conditional},
    {at(0xE9), {Jz}, &jmp_info, &select_jmp, conditional},
    {at(0xE8), {Jz}, &call_info, &select_call, conditional},
    {at(0xFF).digit(2), {Ev}, &call_info, &select_call_indirect, indirect},
    {at(0xFF).digit(4), {Ev}, &jmp_info, &select_jmp_indirect, indirect},
    {at(0xC2), {Iw}, &ret_info, &select_ret, indirect},
    {at(0xC3), {}, &ret_info, &select_ret, indirect},
    {at(0xE0), {Jb}, &loopne_info, &select_loop<Loop::loopne>, conditional},
    {at(0xE1), {Jb}, &loope_info, &select_loop<Loop::loope>, conditional},
    {at(0xE2), {Jb}, &loop_info, &select_loop<Loop::loop>, conditional},
    {at(0xE3), {Jb}, &jcxz_info, &select_loop<Loop::jcxz>, conditional},
};

} // namespace

std::span<const Row> families::branch() { return rows; }

} // namespace glassbox
