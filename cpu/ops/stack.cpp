// PUSH, POP, PUSHA, POPA, ENTER, LEAVE (SDM 2). PUSHF and POPF belong to the system side.
#include "cpu/stack.hpp"

#include "cpu/operands.hpp"
#include "cpu/ops/families.hpp"

namespace glassbox {

namespace {

using enum Arg;

constexpr OpInfo push_info{"push"}, pop_info{"pop"}, pusha_info{"pusha"}, popa_info{"popa"}, enter_info{"enter"},
    leave_info{"leave"};

template <Word T, class Stack> struct PushImm {
    static bool run(Cpu& cpu, const auto& op, Flags&) { return push<T, Stack>(cpu, op, static_cast<T>(op.imm)); }
};
template <Word T, class Stack, class Ea> struct PushMem {
    static bool run(Cpu& cpu, const auto& op, Flags&) {
        u64 linear = 0;
        T value;
        return Ea::read(cpu, op, sizeof(T), linear) && load<T>(cpu, op, linear, value) &&
               push<T, Stack>(cpu, op, value);
    }
};
/// The address is computed with SP already moved (SDM 2, POP).
template <Word T, class Stack, class Ea> struct PopMem {
    static bool run(Cpu& cpu, const auto& op, Flags&) {
        T value;
        if (!top<T, Stack>(cpu, op, value)) return false;
        const u64 before = cpu.gpr[RSP];
        drop<T, Stack>(cpu);
        u64 linear = 0;
        if (Ea::write(cpu, op, sizeof(T), linear) && store<T>(cpu, op, linear, value)) return true;
        cpu.gpr[RSP] = before;
        return false;
    }
};

Handler select_push(const Insn& insn, Op& op) {
    return with_stack(insn, [&]<Word T, class Stack>() -> Handler {
        switch (insn.operand[0].kind) {
        case OperandKind::imm: return &handler<PushImm<T, Stack>>;
        case OperandKind::mem:
            return with_address<T>(insn, [&]<class Ea>() -> Handler { return &handler<PushMem<T, Stack, Ea>>; });
        default: op.reg = insn.operand[0].number; return &handler<PushReg<T, Stack>>;
        }
    });
}
Handler select_pop(const Insn& insn, Op& op) {
    return with_stack(insn, [&]<Word T, class Stack>() -> Handler {
        if (insn.mem)
            return with_any_address<T>(insn, [&]<class Ea>() -> Handler { return &handler<PopMem<T, Stack, Ea>>; });
        op.reg = insn.operand[0].number;
        return &handler<PopReg<T, Stack>>;
    });
}
consteval Row push_row(At at, Arg a, Feature f = Feature::i8086) {
    return {at, {a}, &push_info, &select_push, attr::may_fault | attr::default64, f};
}
consteval Row pop_row(At at, Arg a) { return {at, {a}, &pop_info, &select_pop, attr::may_fault | attr::default64}; }

/// The 8086 pushes the SP that the push has made (SDM 3B 22.17.1).
struct PushSp8086 {
    static bool run(Cpu& cpu, const auto& op, Flags&) {
        return push<u16, AnyStack>(cpu, op, static_cast<u16>(cpu.r16(RSP) - 2));
    }
};
Handler select_push_8086(const Insn& insn, Op& op) {
    const Operand& source = insn.operand[0];
    if (source.kind == OperandKind::reg && source.number == 8 * RSP) return &handler<PushSp8086>;
    return select_push(insn, op);
}
consteval Row push_row_8086(At at, Arg a, u32 attributes = 0) {
    return {at, {a}, &push_info, &select_push_8086, attr::may_fault | attributes, Feature::only_8086};
}

template <Word T> bool pusha(Cpu& cpu, const Op& op) {
    constexpr Gpr order[8] = {RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI};
    const u32 old = AnyStack::pointer(cpu);
    const u32 first = AnyStack::moved(cpu, old, static_cast<u32>(0 - 8 * sizeof(T)));
    u64 linear[8];
    for (unsigned i = 0; i < 8; ++i) { // everything is checked before anything is written
        const u32 sp = AnyStack::moved(cpu, old, static_cast<u32>(0 - (i + 1) * sizeof(T)));
        if (!AnyStack::write(cpu, op, sp, sizeof(T), linear[i]) || !probe_write(cpu, linear[i], sizeof(T)))
            return false;
    }
    for (unsigned i = 0; i < 8; ++i) {
        if (!store<T>(cpu, op, linear[i], cpu.reg<T>(8u * order[i]))) return false;
    }
    AnyStack::set(cpu, first);
    return true;
}
template <Word T> bool popa(Cpu& cpu, const Op& op) {
    constexpr Gpr order[8] = {RDI, RSI, RBP, zero_gpr, RBX, RDX, RCX, RAX}; // the saved SP is skipped
    T value[8];
    const u32 old = AnyStack::pointer(cpu);
    for (unsigned i = 0; i < 8; ++i) {
        u64 linear = 0;
        const u32 sp = AnyStack::moved(cpu, old, static_cast<u32>(i * sizeof(T)));
        if (!AnyStack::read(cpu, op, sp, sizeof(T), linear) || !load<T>(cpu, op, linear, value[i])) return false;
    }
    for (unsigned i = 0; i < 8; ++i) {
        if (order[i] != zero_gpr) cpu.set_reg<T>(8u * order[i], value[i]);
    }
    AnyStack::set(cpu, AnyStack::moved(cpu, old, static_cast<u32>(8 * sizeof(T))));
    return true;
}

/// SDM 2, ENTER: the frame pointer is pushed, then level - 1 pointers of the enclosing frames, then the new one.
template <Word T, class Stack> bool enter(Cpu& cpu, const Op& op) {
    using Pointer = decltype(Stack::pointer(cpu));
    constexpr Pointer size = sizeof(T);
    const unsigned level = op.imm2 & 31;
    const Pointer old = Stack::pointer(cpu);
    const Pointer frame = Stack::moved(cpu, old, Pointer{0} - size);
    // All of ESP, on a 16-bit stack too.
    const Pointer mask = Stack::moved(cpu, 0, ~Pointer{0});
    const Pointer frame_pointer = (static_cast<Pointer>(cpu.gpr[RSP]) & ~mask) | frame;
    const unsigned count = level + 1;
    u64 from[32], to[33];
    Pointer sp = old;
    for (unsigned i = 0; i < count; ++i) { // faults come in the order of the accesses
        const Pointer at = Stack::moved(cpu, static_cast<Pointer>(cpu.gpr[RBP]), Pointer{0} - i * size);
        if (i > 0 && i < level && (!Stack::read(cpu, op, at, size, from[i]) || !probe_read(cpu, from[i], size)))
            return false;
        sp = Stack::moved(cpu, sp, Pointer{0} - size);
        if (!Stack::write(cpu, op, sp, size, to[i]) || !probe_write(cpu, to[i], size)) return false;
    }
    const Pointer final_sp = Stack::moved(cpu, sp, Pointer{0} - static_cast<Pointer>(op.imm));
    u64 last = 0; // the new top must be writable too
    if (!Stack::write(cpu, op, final_sp, size, last) || !probe_write(cpu, last, size)) return false;
    for (unsigned i = 0; i < count; ++i) { // one after the other: the frames may overlap
        T value = i == 0 ? cpu.reg<T>(8 * RBP) : static_cast<T>(frame_pointer);
        if (i > 0 && i < level && !load<T>(cpu, op, from[i], value)) return false;
        if (!store<T>(cpu, op, to[i], value)) return false;
    }
    cpu.set_reg<T>(8 * RBP, static_cast<T>(frame_pointer));
    Stack::set(cpu, final_sp);
    return true;
}
Handler select_enter(const Insn& insn, Op&) {
    if (insn.code64()) return insn.opsize == 2 ? &cold<enter<u16, Stack64>> : &cold<enter<u64, Stack64>>;
    return insn.opsize == 2 ? &cold<enter<u16, AnyStack>> : &cold<enter<u32, AnyStack>>;
}

// The 80286 and the 386 write and read as they go: what came before a fault stays in memory, (E)SP and (E)BP do not
// move (SingleStepTests/80286 and /80386). PUSHA of the 286 goes down from the old SP, that of the 386 up from the new
// one.
template <Word T> bool store_at(Cpu& cpu, const Op& op, u32 sp, T value) {
    u64 linear = 0;
    return AnyStack::write(cpu, op, sp, sizeof(T), linear) && store<T>(cpu, op, linear, value);
}
template <Word T> bool load_at(Cpu& cpu, const Op& op, u32 sp, T& value) {
    u64 linear = 0;
    return AnyStack::read(cpu, op, sp, sizeof(T), linear) && load<T>(cpu, op, linear, value);
}
template <Word T, bool upwards> bool pusha_in_turn(Cpu& cpu, const Op& op) {
    constexpr Gpr order[8] = {RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI};
    const u32 old = AnyStack::pointer(cpu);
    for (unsigned n = 0; n < 8; ++n) {
        const unsigned i = upwards ? 7 - n : n;
        const u32 sp = AnyStack::moved(cpu, old, static_cast<u32>(0 - (i + 1) * sizeof(T)));
        if (!store_at<T>(cpu, op, sp, cpu.reg<T>(8u * order[i]))) return false;
    }
    AnyStack::set(cpu, AnyStack::moved(cpu, old, static_cast<u32>(0 - 8 * sizeof(T))));
    return true;
}
/// The 386 loads one register after the other, and POPAD on a 16-bit stack takes the high half of ESP from its image.
template <Word T> bool popa_386(Cpu& cpu, const Op& op) {
    constexpr Gpr order[8] = {RDI, RSI, RBP, RSP, RBX, RDX, RCX, RAX};
    const u32 old = AnyStack::pointer(cpu);
    T image{};
    for (unsigned i = 0; i < 8; ++i) {
        T value;
        if (!load_at<T>(cpu, op, AnyStack::moved(cpu, old, static_cast<u32>(i * sizeof(T))), value)) return false;
        if (order[i] == RSP)
            image = value;
        else
            cpu.set_reg<T>(8u * order[i], value);
    }
    if (sizeof(T) == 4 && !cpu.seg[SegmentName::SS].big()) cpu.set_r32(RSP, static_cast<u32>(image));
    AnyStack::set(cpu, AnyStack::moved(cpu, old, static_cast<u32>(8 * sizeof(T))));
    return true;
}
template <Word T> bool enter_in_turn(Cpu& cpu, const Op& op) {
    const unsigned level = op.imm2 & 31;
    u32 sp = AnyStack::pointer(cpu);
    const auto push_next = [&](T value) {
        sp = AnyStack::moved(cpu, sp, static_cast<u32>(0 - sizeof(T)));
        return store_at<T>(cpu, op, sp, value);
    };
    if (!push_next(cpu.reg<T>(8 * RBP))) return false;
    const u32 frame = sp;
    for (unsigned i = 1; i < level; ++i) {
        const u32 at = (cpu.r32(RBP) - static_cast<u32>(i * sizeof(T))) & AnyStack::mask(cpu);
        T value;
        if (!load_at<T>(cpu, op, at, value) || !push_next(value)) return false;
    }
    if (level > 0 && !push_next(static_cast<T>(frame))) return false;
    cpu.set_reg<T>(8 * RBP, static_cast<T>(frame));
    AnyStack::set(cpu, AnyStack::moved(cpu, sp, 0u - static_cast<u32>(op.imm)));
    return true;
}
/// On the 80286 SP has moved when the store of POP faults (SingleStepTests/80286, 8F).
struct PopMem286 {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        u16 value;
        if (!top<u16, AnyStack>(cpu, op, value)) return false;
        drop<u16, AnyStack>(cpu);
        u64 linear = 0;
        return EaSeg::write(cpu, op, 2, linear) && store<u16>(cpu, op, linear, value);
    }
};
Handler select_pop_286(const Insn& insn, Op& op) { return insn.mem ? &handler<PopMem286> : select_pop(insn, op); }

template <Word T, class Stack> struct LeaveFrame {
    static bool run(Cpu& cpu, const auto& op, Flags&) {
        const auto frame = Stack::moved(cpu, static_cast<decltype(Stack::pointer(cpu))>(cpu.gpr[RBP]), 0);
        u64 linear = 0;
        T value;
        if (!Stack::read(cpu, op, frame, sizeof(T), linear) || !load<T>(cpu, op, linear, value)) return false;
        Stack::set(cpu, Stack::moved(cpu, frame, sizeof(T)));
        cpu.set_reg<T>(8 * RBP, value);
        return true;
    }
};
Handler select_leave(const Insn& insn, Op&) {
    return with_stack(insn, []<Word T, class Stack>() -> Handler { return &handler<LeaveFrame<T, Stack>>; });
}

constexpr Row rows[] = {
    push_row(at(0x50), Zv),
    push_row(at(0x51), Zv),
    push_row(at(0x52), Zv),
    push_row(at(0x53), Zv),
    push_row(at(0x54), Zv),
    push_row(at(0x55), Zv),
    push_row(at(0x56), Zv),
    push_row(at(0x57), Zv),
    pop_row(at(0x58), Zv),
    pop_row(at(0x59), Zv),
    pop_row(at(0x5A), Zv),
    pop_row(at(0x5B), Zv),
    pop_row(at(0x5C), Zv),
    pop_row(at(0x5D), Zv),
    pop_row(at(0x5E), Zv),
    pop_row(at(0x5F), Zv),
    push_row(at(0x68), Iz, Feature::i186),
    push_row(at(0x6A), Ibs, Feature::i186),
    push_row(at(0xFF).digit(6), Ev),
    pop_row(at(0x8F).digit(0), Ev),
    push_row_8086(at(0x54), Zv),
    push_row_8086(at(0xFF).digit(6), Ev),
    push_row_8086(at(0xFF).digit(7), Ev, attr::undocumented),
    push_row_8086(at(0xFE).digit(6), Ev, attr::undocumented), // FE /2-7: see docs/processor-differences.md
    push_row_8086(at(0xFE).digit(7), Ev, attr::undocumented),
    {at(0x8F), {Ev}, &pop_info, &select_pop, attr::may_fault | attr::undocumented, Feature::only_8086},
    {at(0x8F).digit(0), {Ev}, &pop_info, &select_pop_286, attr::may_fault, Feature::only_286},
    cold_row<pusha_in_turn<u16, false>>(pusha_info, at(0x60), {}, 0, Feature::only_286),
    cold_row<enter_in_turn<u16>>(enter_info, at(0xC8), {Iw, Ib}, 0, Feature::only_286),
    cold_row<pusha_in_turn<u16, true>, pusha_in_turn<u32, true>>(pusha_info, at(0x60), {}, 0, Feature::only_386),
    cold_row<popa_386<u16>, popa_386<u32>>(popa_info, at(0x61), {}, 0, Feature::only_386),
    cold_row<enter_in_turn<u16>, enter_in_turn<u32>>(enter_info, at(0xC8), {Iw, Ib}, 0, Feature::only_386),
    cold_row<pusha<u16>, pusha<u32>>(pusha_info, at(0x60), {}, attr::not_in_64, Feature::i186),
    cold_row<popa<u16>, popa<u32>>(popa_info, at(0x61), {}, attr::not_in_64, Feature::i186),
    {at(0xC8), {Iw, Ib}, &enter_info, &select_enter, attr::may_fault | attr::default64, Feature::i186},
    {at(0xC9), {}, &leave_info, &select_leave, attr::may_fault | attr::default64, Feature::i186},
};

} // namespace

std::span<const Row> families::stack() { return rows; }

} // namespace glassbox
