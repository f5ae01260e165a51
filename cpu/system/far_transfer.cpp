// Far JMP, CALL and RET: code segments, call gates, task gates and TSSs (SDM 3A 5.8, 7.3; SDM 2, CALL, JMP, RET). In
// long mode there are no task switches and only 64-bit gates; the target's L bit says whether its offset is 64 bits
// wide and must be canonical, or lies within a limit.
#include "cpu/system/transfer.hpp"

#include <array>

namespace glassbox {

void go(Cpu& cpu, const CodeTarget& target) {
    cpu.seg[CS] = target.cs;
    cpu.cpl = target.cpl;
    cpu.next_ip = target.offset;
}

bool real_target(Cpu& cpu, u16 selector, u32 offset, CodeTarget& target) {
    target.cs = real_segment(cpu, CS, selector);
    target.offset = offset;
    target.cpl = cpu.cpl;
    if (offset > target.cs.limit) return cpu.gp(0, "far target beyond the code segment's limit");
    return true;
}

bool inner_stack(Cpu& cpu, unsigned cpl, u32 ext, Stack& out) {
    const Blame blame{Exception::TS, ext};
    const bool wide = (cpu.tr.access & 8) != 0;
    const u32 at = wide ? 4 + 8 * cpl : 2 + 4 * cpl;
    if (at + (wide ? 5 : 3) > cpu.tr.limit)
        return blame.raise(cpu, cpu.tr.selector, "TSS too short for a stack pointer");
    const u64 linear = cpu.tr.base + at;
    u32 esp = 0;
    u16 sp = 0;
    u16 selector = 0;
    if (wide) {
        if (!read_system<u32>(cpu, linear, esp) || !read_system<u16>(cpu, linear + 4, selector)) return false;
    } else {
        if (!read_system<u16>(cpu, linear, sp) || !read_system<u16>(cpu, linear + 2, selector)) return false;
        esp = sp;
    }
    Segment ss;
    if (!check_stack_segment(cpu, selector, cpl, blame, ss)) return false;
    out = Stack::of(ss, esp, cpl, blame.error(selector));
    return true;
}

Segment null_stack(const Cpu& cpu, unsigned cpl) {
    Segment s = null_segment(cpu.seg[SS], static_cast<u16>(cpl));
    s.access = (s.access & ~0x60u) | cpl << 5; // its DPL is the new level
    return s;
}

bool inner_stack64(Cpu& cpu, unsigned cpl, unsigned ist, u32 ext, Stack& out) {
    const u32 at = ist != 0 ? 28 + 8 * ist : 4 + 8 * cpl;
    if (at + 7 > cpu.tr.limit)
        return cpu.raise(Exception::TS, (cpu.tr.selector & 0xFFFCu) | ext, "TSS too short for a stack pointer");
    u64 rsp = 0;
    if (!read_system<u64>(cpu, cpu.tr.base + at, rsp)) return false;
    out = Stack::of(null_stack(cpu, cpl), rsp, cpl, ext, true);
    return true;
}

void drop_inner_segments(Cpu& cpu) {
    for (const unsigned name : {ES, DS, FS, GS}) {
        Segment& s = cpu.seg[name];
        if (!s.usable() || s.is_conforming_code() || s.dpl() >= cpu.cpl) continue;
        s = null_segment(s, 0);
    }
}

bool check_return_code(Cpu& cpu, u16 selector, Blame blame, Descriptor& d) {
    if (is_null(selector)) return blame.raise(cpu, 0, "null code segment");
    if (!fetch_descriptor(cpu, selector, blame, d)) return false;
    const unsigned rpl = selector & 3u;
    if (!d.is_code()) return blame.raise(cpu, selector, "not a code segment");
    if (d.conforming() ? d.dpl() > rpl : d.dpl() != rpl)
        return blame.raise(cpu, selector, "code segment of another privilege level");
    if (!valid_code_size(cpu, d)) return blame.raise(cpu, selector, "code segment with both L and D");
    if (!d.present()) return blame.raise(cpu, Exception::NP, selector, "code segment not present");
    return true;
}

bool check_offset(Cpu& cpu, const Descriptor& code, u64& offset, u32 error) {
    if (cpu.long_mode() && code.is_long_code())
        return cpu.canonical(offset) || cpu.gp(error, "far target is not canonical");
    // All 64 bits that RETF or IRET has popped count: an offset beyond 4 GiB is not cut down.
    return offset <= code.limit() || cpu.gp(error, "far target beyond the code segment's limit");
}

namespace {

enum class Way : u8 { jump, call };

u16 with_rpl(u16 selector, unsigned cpl) { return static_cast<u16>((selector & 0xFFFC) | cpl); }

/// What a call is going to push. Too little room for it is noticed before a bad offset (SDM 2A, CALL).
struct Frame {
    const Stack* stack = nullptr;
    unsigned width = 0, count = 0;
    bool fits(Cpu& cpu) const { return !stack || stack->has_room(cpu, width, count); }
};

bool finish_target(Cpu& cpu, u16 selector, Descriptor& d, u64 offset, unsigned cpl, CodeTarget& target,
                   const Frame& frame = {}) {
    if (!d.present()) return Blame{}.raise(cpu, Exception::NP, selector, "code segment not present");
    if (!frame.fits(cpu)) return false;
    if (!check_offset(cpu, d, offset) || !set_accessed(cpu, selector, d)) return false;
    target = {d.segment(with_rpl(selector, cpl)), offset, static_cast<u8>(cpl)};
    return true;
}

/// Where a call that keeps the level pushes: width 8 belongs to 64-bit code, also when it is called through a gate.
Stack same_level_stack(const Cpu& cpu, unsigned width) {
    Stack stack = Stack::current(cpu);
    if (width == 8 && !stack.long64) {
        stack.long64 = true;
        stack.sp = cpu.gpr[RSP];
    }
    return stack;
}

/// Pushes the return address on the current stack for a call, then goes.
bool arrive(Cpu& cpu, Way way, unsigned width, const CodeTarget& target) {
    if (way == Way::call) {
        Stack stack = same_level_stack(cpu, width);
        const std::array<u64, 2> frame{cpu.seg[CS].selector, cpu.next_ip};
        if (!stack.push(cpu, width, frame)) return false;
        stack.commit_pointer(cpu);
    }
    go(cpu, target);
    cpu.update_mode();
    return true;
}

/// The end of a transfer that keeps CPL and stack.
bool finish_at_level(Cpu& cpu, Way way, unsigned width, u16 selector, Descriptor& code, u64 offset) {
    const Stack stack = same_level_stack(cpu, width);
    const Frame frame = way == Way::call ? Frame{&stack, width, 2} : Frame{};
    CodeTarget target;
    return finish_target(cpu, selector, code, offset, cpu.cpl, target, frame) && arrive(cpu, way, width, target);
}

/// A call gate to more privilege: new stack, parameters copied (SDM 3A 5.8.5).
bool call_inner(Cpu& cpu, const Descriptor& gate, u16 selector, Descriptor& code) {
    const unsigned cpl = code.dpl();
    const unsigned width = gate.gate_is_32() ? 4 : 2;
    const unsigned count = gate.gate_parameters();
    Stack inner;
    if (!inner_stack(cpu, cpl, 0, inner)) return false;
    CodeTarget target;
    if (!finish_target(cpu, selector, code, gate.gate_offset(), cpl, target, {&inner, width, 4 + count})) return false;
    std::array<u64, 2 + 31 + 2> frame{};
    unsigned n = 0;
    frame[n++] = cpu.seg[SS].selector;
    frame[n++] = cpu.r32(RSP);
    const Stack outer = Stack::current(cpu);
    for (unsigned i = count; i-- > 0;) {
        if (!outer.peek(cpu, width, i * width, frame[n++])) return false;
    }
    frame[n++] = cpu.seg[CS].selector;
    frame[n++] = cpu.next_ip;
    if (!inner.push(cpu, width, std::span(frame).first(n))) return false;
    cpu.seg[SS] = inner.segment;
    inner.commit_pointer(cpu);
    go(cpu, target);
    cpu.update_mode();
    return true;
}

/// The same through a 64-bit gate: no parameters, and SS becomes null (SDM 3A 5.8.5.1).
bool call_inner64(Cpu& cpu, const Descriptor& gate, u16 selector, Descriptor& code) {
    const unsigned cpl = code.dpl();
    Stack inner;
    if (!inner_stack64(cpu, cpl, 0, 0, inner)) return false;
    CodeTarget target;
    if (!finish_target(cpu, selector, code, gate.gate_offset(), cpl, target, {&inner, 8, 4})) return false;
    const u64 rsp = Stack::current(cpu).sp;
    const std::array<u64, 4> frame{cpu.seg[SS].selector, rsp, cpu.seg[CS].selector, cpu.next_ip};
    if (!inner.push(cpu, 8, frame)) return false;
    cpu.seg[SS] = inner.segment;
    inner.commit_pointer(cpu);
    go(cpu, target);
    cpu.update_mode();
    return true;
}

bool through_call_gate(Cpu& cpu, Way way, const Descriptor& gate) {
    const u16 selector = gate.gate_selector();
    if (is_null(selector)) return cpu.gp(0, "call gate with a null selector");
    Descriptor code;
    if (!fetch_descriptor(cpu, selector, {}, code)) return false;
    if (!code.is_code() || code.dpl() > cpu.cpl)
        return Blame{}.raise(cpu, selector, "call gate does not lead to code of this or more privilege");
    const bool inward = !code.conforming() && code.dpl() < cpu.cpl;
    if (inward && way == Way::jump) return Blame{}.raise(cpu, selector, "JMP through a call gate to an inner level");
    if (cpu.long_mode() && (!code.is_long_code() || code.default_32()))
        return Blame{}.raise(cpu, selector, "64-bit call gate does not lead to 64-bit code");
    if (!code.present()) return Blame{}.raise(cpu, Exception::NP, selector, "code segment not present");
    if (inward && cpu.long_mode()) return call_inner64(cpu, gate, selector, code);
    if (inward) return call_inner(cpu, gate, selector, code);
    const unsigned width = cpu.long_mode() ? 8 : gate.gate_is_32() ? 4 : 2;
    return finish_at_level(cpu, way, width, selector, code, gate.gate_offset());
}

bool to_code(Cpu& cpu, Way way, unsigned width, u16 selector, u64 offset, Descriptor& d) {
    const unsigned rpl = selector & 3u;
    const bool allowed = d.conforming() ? d.dpl() <= cpu.cpl : rpl <= cpu.cpl && d.dpl() == cpu.cpl;
    if (!allowed) return Blame{}.raise(cpu, selector, "code segment of another privilege level");
    if (!valid_code_size(cpu, d)) return Blame{}.raise(cpu, selector, "code segment with both L and D");
    return finish_at_level(cpu, way, width, selector, d, offset);
}

/// Long mode knows 64-bit call gates and nothing else.
bool to_system64(Cpu& cpu, Way way, u16 selector, Descriptor& d) {
    if (!d.is_system(SystemType::call_gate32)) return Blame{}.raise(cpu, selector, "descriptor cannot be jumped to");
    if (d.dpl() < cpu.cpl || d.dpl() < (selector & 3u))
        return Blame{}.raise(cpu, selector, "gate of an inner privilege level");
    if (!d.present()) return Blame{}.raise(cpu, Exception::NP, selector, "gate not present");
    return fetch_upper_half(cpu, selector, {}, d) && through_call_gate(cpu, way, d);
}

bool to_system(Cpu& cpu, Way way, u16 selector, Descriptor& d) {
    if (cpu.long_mode()) return to_system64(cpu, way, selector, d);
    const TaskRequest request{.source = way == Way::call ? TaskSource::call : TaskSource::jump,
                              .saved_eip = static_cast<u32>(cpu.next_ip)};
    const bool gate = d.is_system(SystemType::call_gate16) || d.is_system(SystemType::call_gate32) ||
                      d.is_system(SystemType::task_gate);
    if (!gate && !d.is_available_tss()) return Blame{}.raise(cpu, selector, "descriptor cannot be jumped to");
    if (d.dpl() < cpu.cpl || d.dpl() < (selector & 3u))
        return Blame{}.raise(cpu, selector, "gate or TSS of an inner privilege level");
    if (!d.present()) return Blame{}.raise(cpu, Exception::NP, selector, "gate or TSS not present");
    if (d.is_system(SystemType::task_gate)) return enter_task(cpu, d.gate_selector(), request);
    if (!gate) return switch_task(cpu, selector, d, request);
    return through_call_gate(cpu, way, d);
}

bool far_transfer(Cpu& cpu, Way way, unsigned width, u16 selector, u64 offset) {
    if (!cpu.protected_mode()) {
        CodeTarget target;
        return real_target(cpu, selector, static_cast<u32>(offset), target) && arrive(cpu, way, width, target);
    }
    if (is_null(selector)) return cpu.gp(0, "far transfer to a null selector");
    Descriptor d;
    if (!fetch_descriptor(cpu, selector, {}, d)) return false;
    if (d.is_system()) return to_system(cpu, way, selector, d);
    if (!d.is_code()) return Blame{}.raise(cpu, selector, "far transfer to a data segment");
    return to_code(cpu, way, width, selector, offset, d);
}

template <unsigned width> bool read_pointer(Cpu& cpu, const Op& op, u16& selector, u64& offset) {
    using T = std::conditional_t<width == 2, u16, std::conditional_t<width == 4, u32, u64>>;
    const u64 at = effective_offset(cpu, op);
    T low = 0;
    if (!read_segment<T>(cpu, op.seg, at, low) ||
        !read_segment<u16>(cpu, op.seg, offset_after(cpu, op, at, width), selector))
        return false;
    offset = low;
    return true;
}

template <unsigned width> bool transfer_memory(Cpu& cpu, Way way, const Op& op) {
    // AMD's processors have no m16:64: REX.W changes nothing (APM 3, CALL (Far), JMP (Far)).
    if (width == 8 && is_amd(cpu)) return transfer_memory < width == 8 ? 4 : width > (cpu, way, op);
    u16 selector = 0;
    u64 offset = 0;
    return read_pointer<width>(cpu, op, selector, offset) && far_transfer(cpu, way, width, selector, offset);
}

/// SDM 2B, RET: return to an outer level.
bool return_outward(Cpu& cpu, unsigned width, u32 release, u64 ip, u16 selector, Descriptor& code) {
    const unsigned rpl = selector & 3u;
    Stack stack = Stack::current(cpu);
    u64 sp = 0;
    u64 ss = 0;
    if (!stack.peek(cpu, width, 2 * width + release, sp) || !stack.peek(cpu, width, 3 * width + release, ss))
        return false;
    const bool to64 = cpu.long_mode() && code.is_long_code();
    Segment outer;
    if (!check_stack_segment(cpu, static_cast<u16>(ss), rpl, {}, outer, to64)) return false;
    CodeTarget target;
    if (!finish_target(cpu, selector, code, ip, rpl, target)) return false;
    cpu.seg[SS] = outer;
    Stack{outer, sp + release, Privilege::current, 0, to64}.commit_pointer(cpu);
    go(cpu, target);
    drop_inner_segments(cpu);
    cpu.update_mode();
    return true;
}

bool far_return(Cpu& cpu, unsigned width, u32 release) {
    Stack stack = Stack::current(cpu);
    u64 ip = 0;
    u64 wide_selector = 0;
    if (!stack.peek(cpu, width, 0, ip) || !stack.peek(cpu, width, width, wide_selector)) return false;
    const u16 selector = static_cast<u16>(wide_selector);
    CodeTarget target;
    if (!cpu.protected_mode()) {
        if (!real_target(cpu, selector, static_cast<u32>(ip), target)) return false;
    } else {
        if (!is_null(selector) && (selector & 3u) < cpu.cpl)
            return Blame{}.raise(cpu, selector, "return to an inner privilege level");
        Descriptor code;
        if (!check_return_code(cpu, selector, {}, code)) return false;
        if ((selector & 3u) > cpu.cpl) return return_outward(cpu, width, release, ip, selector, code);
        if (!finish_target(cpu, selector, code, ip, cpu.cpl, target)) return false;
    }
    stack.pop(2 * width + release);
    stack.commit_pointer(cpu);
    go(cpu, target);
    cpu.update_mode();
    return true;
}

} // namespace

namespace transfer {

template <unsigned width> bool jmp_far_immediate(Cpu& cpu, const Op& op) {
    return far_transfer(cpu, Way::jump, width, static_cast<u16>(op.imm2), static_cast<u32>(op.imm));
}
template <unsigned width> bool call_far_immediate(Cpu& cpu, const Op& op) {
    return far_transfer(cpu, Way::call, width, static_cast<u16>(op.imm2), static_cast<u32>(op.imm));
}
template <unsigned width> bool jmp_far_memory(Cpu& cpu, const Op& op) {
    return transfer_memory<width>(cpu, Way::jump, op);
}
template <unsigned width> bool call_far_memory(Cpu& cpu, const Op& op) {
    return transfer_memory<width>(cpu, Way::call, op);
}
template <unsigned width> bool ret_far(Cpu& cpu, const Op&) { return far_return(cpu, width, 0); }
template <unsigned width> bool ret_far_immediate(Cpu& cpu, const Op& op) {
    return far_return(cpu, width, static_cast<u16>(op.imm));
}

template bool jmp_far_immediate<2>(Cpu&, const Op&);
template bool jmp_far_immediate<4>(Cpu&, const Op&);
template bool jmp_far_memory<2>(Cpu&, const Op&);
template bool jmp_far_memory<4>(Cpu&, const Op&);
template bool jmp_far_memory<8>(Cpu&, const Op&);
template bool call_far_immediate<2>(Cpu&, const Op&);
template bool call_far_immediate<4>(Cpu&, const Op&);
template bool call_far_memory<2>(Cpu&, const Op&);
template bool call_far_memory<4>(Cpu&, const Op&);
template bool call_far_memory<8>(Cpu&, const Op&);
template bool ret_far<2>(Cpu&, const Op&);
template bool ret_far<4>(Cpu&, const Op&);
template bool ret_far<8>(Cpu&, const Op&);
template bool ret_far_immediate<2>(Cpu&, const Op&);
template bool ret_far_immediate<4>(Cpu&, const Op&);
template bool ret_far_immediate<8>(Cpu&, const Op&);

} // namespace transfer
} // namespace glassbox
