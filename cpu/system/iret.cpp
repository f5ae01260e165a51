// IRET in all its directions (SDM 2A, IRET/IRETD/IRETQ; 3A 6.12.1, 6.14.3, 7.4, 20.2.1).
#include "cpu/system/transfer.hpp"

#include <array>

namespace glassbox {

namespace {

constexpr u32 always = eflags::arithmetic | eflags::TF | eflags::DF | eflags::NT;
constexpr u32 wide_flags = eflags::RF | eflags::AC | eflags::ID;

/// EFLAGS with the bits of `mask` taken from `image`.
u32 merged(const Cpu& cpu, u32 image, u32 mask) { return (cpu.full_eflags() & ~mask) | (image & mask); }

struct ReturnFrame {
    u64 ip = 0, cs = 0, wide_flags = 0;
    u16 selector() const { return static_cast<u16>(cs); }
    u32 flags() const { return static_cast<u32>(wide_flags); }
};

bool read_frame(Cpu& cpu, unsigned width, const Stack& stack, ReturnFrame& f) {
    return stack.peek(cpu, width, 0, f.ip) && stack.peek(cpu, width, width, f.cs) &&
           stack.peek(cpu, width, 2 * width, f.wide_flags);
}

/// Real mode, and virtual-8086 mode where IOPL lets it: CS:IP and flags of the same mode.
bool return_8086(Cpu& cpu, unsigned width, u32 mask) {
    Stack stack = Stack::current(cpu);
    ReturnFrame f;
    if (!read_frame(cpu, width, stack, f)) return false;
    CodeTarget target;
    if (!real_target(cpu, f.selector(), static_cast<u32>(f.ip), target)) return false;
    stack.pop(3 * width);
    stack.commit_pointer(cpu);
    cpu.set_full_eflags(merged(cpu, f.flags(), mask));
    go(cpu, target);
    cpu.update_mode();
    return true;
}

/// VME without IOPL: the 16-bit form moves IF to VIF (SDM 3A 20.3.3.4).
bool return_virtual_flag(Cpu& cpu) {
    Stack stack = Stack::current(cpu);
    ReturnFrame f;
    if (!read_frame(cpu, 2, stack, f)) return false;
    const bool enables = (f.flags() & eflags::IF) != 0;
    if ((f.flags() & eflags::TF) != 0 || (enables && (cpu.eflags & eflags::VIP) != 0))
        return cpu.gp(0, "IRET would trap or enable a pending virtual interrupt");
    CodeTarget target;
    if (!real_target(cpu, f.selector(), static_cast<u32>(f.ip), target)) return false;
    stack.pop(6);
    stack.commit_pointer(cpu);
    const u32 flags = merged(cpu, f.flags(), always) & ~eflags::VIF;
    cpu.set_full_eflags(flags | (enables ? eflags::VIF : 0));
    go(cpu, target);
    cpu.update_mode();
    return true;
}

bool return_from_v86(Cpu& cpu, unsigned width) {
    if (cpu.iopl() == 3) return return_8086(cpu, width, always | eflags::IF | (width == 4 ? wide_flags : 0));
    if (width == 2 && (cpu.cr4 & cr4::VME) != 0) return return_virtual_flag(cpu);
    return cpu.gp(0, "IRET in virtual-8086 mode with IOPL < 3");
}

bool return_from_task(Cpu& cpu) {
    u16 selector = 0;
    if (!read_system<u16>(cpu, cpu.tr.base, selector)) return false;
    const Blame blame{Exception::TS, 0};
    if ((selector & 4) != 0 || is_null(selector)) return blame.raise(cpu, selector, "back link is not in the GDT");
    Descriptor d;
    if (!fetch_descriptor(cpu, selector, blame, d)) return false;
    if (!d.is_busy_tss()) return blame.raise(cpu, selector, "back link does not lead to a busy TSS");
    if (!d.present()) return blame.raise(cpu, Exception::NP, selector, "TSS not present");
    return switch_task(cpu, selector, d, {.source = TaskSource::iret, .saved_eip = static_cast<u32>(cpu.next_ip)});
}

bool return_to_v86(Cpu& cpu, const Stack& stack, const ReturnFrame& f) {
    std::array<u64, 6> words{}; // ESP, SS, ES, DS, FS, GS
    for (unsigned i = 0; i < 6; ++i) {
        if (!stack.peek(cpu, 4, 12 + 4 * i, words[i])) return false;
    }
    if (f.ip > 0xFFFF) return cpu.gp(0, "return beyond the limit of virtual-8086 code");
    cpu.set_full_eflags(f.flags());
    const CodeTarget target{v86_segment(f.selector()), f.ip, 3};
    cpu.seg[SS] = v86_segment(static_cast<u16>(words[1]));
    cpu.seg[ES] = v86_segment(static_cast<u16>(words[2]));
    cpu.seg[DS] = v86_segment(static_cast<u16>(words[3]));
    cpu.seg[FS] = v86_segment(static_cast<u16>(words[4]));
    cpu.seg[GS] = v86_segment(static_cast<u16>(words[5]));
    cpu.set_r32(RSP, static_cast<u32>(words[0]));
    go(cpu, target);
    cpu.update_mode();
    return true;
}

/// The flags that a return at this CPL may change.
u32 return_mask(const Cpu& cpu, unsigned width) {
    u32 mask = always;
    if (width >= 4) mask |= wide_flags;
    if (cpu.cpl <= cpu.iopl()) mask |= eflags::IF;
    if (cpu.cpl == 0) mask |= eflags::IOPL | (width >= 4 ? eflags::VIF | eflags::VIP : 0);
    return mask;
}

/// The stack that a return switches to: always when it leaves the level, and always in 64-bit mode, where a null SS is
/// good enough for 64-bit code inside level 3.
bool read_stack(Cpu& cpu, unsigned width, const Stack& stack, unsigned rpl, bool to64, Stack& out) {
    u64 sp = 0;
    u64 selector = 0;
    if (!stack.peek(cpu, width, 3 * width, sp) || !stack.peek(cpu, width, 4 * width, selector)) return false;
    Segment ss;
    if (!check_stack_segment(cpu, static_cast<u16>(selector), rpl, {}, ss, to64)) return false;
    out = Stack{ss, sp, Privilege::current, 0, to64};
    return true;
}

bool return_protected(Cpu& cpu, unsigned width) {
    Stack stack = Stack::current(cpu);
    ReturnFrame f;
    if (!read_frame(cpu, width, stack, f)) return false;
    if (width == 4 && (f.flags() & eflags::VM) != 0 && cpu.cpl == 0 && !cpu.long_mode())
        return return_to_v86(cpu, stack, f);
    const u16 selector = f.selector();
    const unsigned rpl = selector & 3u;
    if (!is_null(selector) && rpl < cpu.cpl) return Blame{}.raise(cpu, selector, "return to an inner privilege level");
    Descriptor code;
    if (!check_return_code(cpu, selector, {}, code)) return false;
    const bool outward = rpl > cpu.cpl;
    const bool switches = outward || cpu.code64();
    if (switches) {
        const bool to64 = cpu.long_mode() && code.is_long_code();
        if (!read_stack(cpu, width, Stack{stack}, rpl, to64, stack)) return false;
    } else {
        stack.pop(3 * width);
    }
    if (!check_offset(cpu, code, f.ip) || !set_accessed(cpu, selector, code)) return false;
    cpu.set_full_eflags(merged(cpu, f.flags(), return_mask(cpu, width)));
    if (switches) cpu.seg[SS] = stack.segment;
    stack.commit_pointer(cpu);
    go(cpu, {code.segment(selector), f.ip, static_cast<u8>(rpl)});
    if (outward) drop_inner_segments(cpu);
    cpu.update_mode();
    return true;
}

} // namespace

namespace transfer {

template <unsigned width> bool iret(Cpu& cpu, const Op&) {
    bool ok = false;
    if (cpu.real_mode()) {
        ok = return_8086(cpu, width, always | eflags::IF | eflags::IOPL | (width == 4 ? wide_flags : 0));
    } else if (cpu.v86()) {
        ok = return_from_v86(cpu, width);
    } else if ((cpu.eflags & eflags::NT) != 0) {
        ok = cpu.long_mode() ? cpu.gp(0, "IRET with NT in long mode") : return_from_task(cpu);
    } else {
        ok = return_protected(cpu, width);
    }
    cpu.nmi_blocked = false; // also when it faults (SDM 3C 28.2.3, "NMI unblocking due to IRET")
    return ok;
}
template bool iret<2>(Cpu&, const Op&);
template bool iret<4>(Cpu&, const Op&);
template bool iret<8>(Cpu&, const Op&);

} // namespace transfer
} // namespace glassbox
