// Far JMP, CALL and RET: code segments, call gates, task gates and TSSs (SDM 3A 5.8, 7.3; SDM 2, CALL, JMP, RET).
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
    const u32 linear = static_cast<u32>(cpu.tr.base) + at;
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
    if (!d.present()) return blame.raise(cpu, Exception::NP, selector, "code segment not present");
    return true;
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

bool finish_target(Cpu& cpu, u16 selector, Descriptor& d, u32 offset, unsigned cpl, CodeTarget& target,
                   const Frame& frame = {}) {
    if (!d.present()) return Blame{}.raise(cpu, Exception::NP, selector, "code segment not present");
    if (!frame.fits(cpu)) return false;
    if (offset > d.limit()) return cpu.gp(0, "far target beyond the code segment's limit");
    if (!set_accessed(cpu, selector, d)) return false;
    target = {d.segment(with_rpl(selector, cpl)), offset, static_cast<u8>(cpl)};
    return true;
}

/// Pushes the return address on the current stack for a call, then goes.
bool arrive(Cpu& cpu, Way way, unsigned width, const CodeTarget& target) {
    if (way == Way::call) {
        Stack stack = Stack::current(cpu);
        const std::array<u32, 2> frame{cpu.seg[CS].selector, static_cast<u32>(cpu.next_ip)};
        if (!stack.push(cpu, width, frame)) return false;
        stack.commit_pointer(cpu);
    }
    go(cpu, target);
    cpu.update_mode();
    return true;
}

/// The end of a transfer that keeps CPL and stack.
bool finish_at_level(Cpu& cpu, Way way, unsigned width, u16 selector, Descriptor& code, u32 offset) {
    const Stack stack = Stack::current(cpu);
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
    std::array<u32, 2 + 31 + 2> frame{};
    unsigned n = 0;
    frame[n++] = cpu.seg[SS].selector;
    frame[n++] = cpu.r32(RSP);
    const Stack outer = Stack::current(cpu);
    for (unsigned i = count; i-- > 0;) {
        if (!outer.peek(cpu, width, i * width, frame[n++])) return false;
    }
    frame[n++] = cpu.seg[CS].selector;
    frame[n++] = static_cast<u32>(cpu.next_ip);
    if (!inner.push(cpu, width, std::span(frame).first(n))) return false;
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
    if (!code.present()) return Blame{}.raise(cpu, Exception::NP, selector, "code segment not present");
    if (inward) return call_inner(cpu, gate, selector, code);
    return finish_at_level(cpu, way, gate.gate_is_32() ? 4 : 2, selector, code, gate.gate_offset());
}

bool to_code(Cpu& cpu, Way way, unsigned width, u16 selector, u32 offset, Descriptor& d) {
    const unsigned rpl = selector & 3u;
    const bool allowed = d.conforming() ? d.dpl() <= cpu.cpl : rpl <= cpu.cpl && d.dpl() == cpu.cpl;
    if (!allowed) return Blame{}.raise(cpu, selector, "code segment of another privilege level");
    return finish_at_level(cpu, way, width, selector, d, offset);
}

bool to_system(Cpu& cpu, Way way, u16 selector, const Descriptor& d) {
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

bool far_transfer(Cpu& cpu, Way way, unsigned width, u16 selector, u32 offset) {
    if (!cpu.protected_mode()) {
        CodeTarget target;
        return real_target(cpu, selector, offset, target) && arrive(cpu, way, width, target);
    }
    if (is_null(selector)) return cpu.gp(0, "far transfer to a null selector");
    Descriptor d;
    if (!fetch_descriptor(cpu, selector, {}, d)) return false;
    if (d.is_system()) return to_system(cpu, way, selector, d);
    if (!d.is_code()) return Blame{}.raise(cpu, selector, "far transfer to a data segment");
    return to_code(cpu, way, width, selector, offset, d);
}

template <unsigned width> bool read_pointer(Cpu& cpu, const Op& op, u16& selector, u32& offset) {
    using T = std::conditional_t<width == 2, u16, u32>;
    const u32 at = offset_of(cpu, op);
    T low = 0;
    if (!read_segment<T>(cpu, op.seg, at, low) ||
        !read_segment<u16>(cpu, op.seg, offset_after(op, at, width), selector))
        return false;
    offset = low;
    return true;
}

/// SDM 2B, RET: return to an outer level.
bool return_outward(Cpu& cpu, unsigned width, u32 release, u32 eip, u16 selector, Descriptor& code) {
    const unsigned rpl = selector & 3u;
    Stack stack = Stack::current(cpu);
    u32 esp = 0;
    u32 ss = 0;
    if (!stack.peek(cpu, width, 2 * width + release, esp) || !stack.peek(cpu, width, 3 * width + release, ss))
        return false;
    Segment outer;
    if (!check_stack_segment(cpu, static_cast<u16>(ss), rpl, {}, outer)) return false;
    CodeTarget target;
    if (!finish_target(cpu, selector, code, eip, rpl, target)) return false;
    cpu.seg[SS] = outer;
    Stack{outer, esp + release}.commit_pointer(cpu);
    go(cpu, target);
    drop_inner_segments(cpu);
    cpu.update_mode();
    return true;
}

bool far_return(Cpu& cpu, unsigned width, u32 release) {
    Stack stack = Stack::current(cpu);
    u32 eip = 0;
    u32 wide_selector = 0;
    if (!stack.peek(cpu, width, 0, eip) || !stack.peek(cpu, width, width, wide_selector)) return false;
    const u16 selector = static_cast<u16>(wide_selector);
    CodeTarget target;
    if (!cpu.protected_mode()) {
        if (!real_target(cpu, selector, eip, target)) return false;
    } else {
        if (!is_null(selector) && (selector & 3u) < cpu.cpl)
            return Blame{}.raise(cpu, selector, "return to an inner privilege level");
        Descriptor code;
        if (!check_return_code(cpu, selector, {}, code)) return false;
        if ((selector & 3u) > cpu.cpl) return return_outward(cpu, width, release, eip, selector, code);
        if (!finish_target(cpu, selector, code, eip, cpu.cpl, target)) return false;
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
    u16 selector = 0;
    u32 offset = 0;
    return read_pointer<width>(cpu, op, selector, offset) && far_transfer(cpu, Way::jump, width, selector, offset);
}
template <unsigned width> bool call_far_memory(Cpu& cpu, const Op& op) {
    u16 selector = 0;
    u32 offset = 0;
    return read_pointer<width>(cpu, op, selector, offset) && far_transfer(cpu, Way::call, width, selector, offset);
}
template <unsigned width> bool ret_far(Cpu& cpu, const Op&) { return far_return(cpu, width, 0); }
template <unsigned width> bool ret_far_immediate(Cpu& cpu, const Op& op) {
    return far_return(cpu, width, static_cast<u16>(op.imm));
}

template bool jmp_far_immediate<2>(Cpu&, const Op&);
template bool jmp_far_immediate<4>(Cpu&, const Op&);
template bool jmp_far_memory<2>(Cpu&, const Op&);
template bool jmp_far_memory<4>(Cpu&, const Op&);
template bool call_far_immediate<2>(Cpu&, const Op&);
template bool call_far_immediate<4>(Cpu&, const Op&);
template bool call_far_memory<2>(Cpu&, const Op&);
template bool call_far_memory<4>(Cpu&, const Op&);
template bool ret_far<2>(Cpu&, const Op&);
template bool ret_far<4>(Cpu&, const Op&);
template bool ret_far_immediate<2>(Cpu&, const Op&);
template bool ret_far_immediate<4>(Cpu&, const Op&);

} // namespace transfer
} // namespace glassbox
