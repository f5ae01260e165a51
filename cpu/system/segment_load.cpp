// Loading segment registers: MOV, POP, LES, LDS, LSS, LFS, LGS (SDM 3A 3.4.3, 5.5-5.7), and storing them.
#include "cpu/system/transfer.hpp"

namespace glassbox {

Segment real_segment(const Cpu& cpu, unsigned name, u16 selector) {
    if (cpu.v86()) return v86_segment(selector);
    Segment s = cpu.seg[name];
    s.load_real(selector);
    return s;
}

Segment v86_segment(u16 selector) {
    Segment s;
    s.selector = selector;
    s.base = u64{selector} << 4;
    s.limit = 0xFFFF;
    s.access = Segment::P | Segment::S | 0x60 | Segment::writable | Segment::accessed; // DPL 3
    s.update(true);
    return s;
}

Segment null_segment(const Segment& before, u16 selector) {
    Segment s = before;
    s.selector = selector;
    s.access |= Segment::unusable;
    s.update(false);
    return s;
}

Segment load_null(const Cpu& cpu, unsigned name, u16 selector) {
    Segment s = null_segment(cpu.seg[name], selector);
    if (cpu.long_mode() && (!is_amd(cpu) || cpu.has(Feature::null_sel_clr_base))) s.base = 0;
    return s;
}

bool check_data_segment(Cpu& cpu, u16 selector, unsigned cpl, Blame blame, Segment& out) {
    Descriptor d;
    if (!fetch_descriptor(cpu, selector, blame, d)) return false;
    if (!d.readable()) return blame.raise(cpu, selector, "not a readable segment");
    const bool any_level = d.is_code() && d.conforming();
    if (!any_level && ((selector & 3u) > d.dpl() || cpl > d.dpl()))
        return blame.raise(cpu, selector, "data segment of an inner privilege level");
    if (!d.present()) return blame.raise(cpu, Exception::NP, selector, "data segment not present");
    if (!set_accessed(cpu, selector, d)) return false;
    out = d.segment(selector);
    return true;
}

bool check_stack_segment(Cpu& cpu, u16 selector, unsigned cpl, Blame blame, Segment& out, bool null_allowed) {
    if (is_null(selector)) {
        if (!null_allowed || cpl == 3 || (selector & 3u) != cpl) return blame.raise(cpu, 0, "null stack segment");
        out = null_stack(cpu, cpl);
        return true;
    }
    Descriptor d;
    if (!fetch_descriptor(cpu, selector, blame, d)) return false;
    if ((selector & 3u) != cpl) return blame.raise(cpu, selector, "stack selector's RPL is not the privilege level");
    if (!d.writable_data()) return blame.raise(cpu, selector, "stack segment is not writable data");
    if (d.dpl() != cpl) return blame.raise(cpu, selector, "stack segment's DPL is not the privilege level");
    if (!d.present()) return blame.raise(cpu, Exception::SS, selector, "stack segment not present");
    if (!set_accessed(cpu, selector, d)) return false;
    out = d.segment(selector);
    return true;
}

namespace {

/// All checks of a load; `out` is what the register will hold.
bool prepare(Cpu& cpu, unsigned name, u16 selector, Segment& out) {
    if (!cpu.protected_mode()) {
        out = real_segment(cpu, name, selector);
        return true;
    }
    if (name == SS) return check_stack_segment(cpu, selector, cpu.cpl, {}, out, cpu.code64());
    if (is_null(selector)) {
        out = load_null(cpu, name, selector);
        return true;
    }
    return check_data_segment(cpu, selector, cpu.cpl, {}, out);
}

void commit(Cpu& cpu, unsigned name, const Segment& s) {
    cpu.seg[name] = s;
    if (name < FS)
        cpu.update_mode();
    else
        cpu.base64[name] = s.base;
}

} // namespace

bool load_segment(Cpu& cpu, unsigned name, u16 selector) {
    Segment s;
    if (!prepare(cpu, name, selector, s)) return false;
    commit(cpu, name, s);
    return true;
}

namespace transfer {

namespace {
/// The register that ModRM.reg names; of its three bits the 8086 looks at two.
/// REX.R does not count: there are no more than six.
unsigned segment_of(const Cpu& cpu, const Op& op) { return op.reg & (cpu.has(Feature::only_8086) ? 3u : 7u); }
bool can_store(Cpu& cpu, unsigned name) { return name <= GS || cpu.ud("no such segment register"); }
bool can_load(Cpu& cpu, unsigned name) {
    const bool there = name <= GS && (name != CS || cpu.has(Feature::only_8086));
    return there || cpu.ud("no such segment register to load");
}

/// No interrupt comes between the load of SS and the next instruction; on the 8086, of any segment register (8086
/// Family User's Manual, 2-29).
void shadow_load(Cpu& cpu, unsigned name) {
    if (name == SS || cpu.has(Feature::only_8086)) cpu.shadow |= Cpu::shadow_ss;
}
/// The 8086's way to load CS alone: execution goes on at the same offset.
bool load_code_segment(Cpu& cpu, u16 selector) {
    go(cpu, {real_segment(cpu, CS, selector), cpu.next_ip & 0xFFFF, cpu.cpl});
    cpu.update_mode();
    return true;
}
bool mov_to_segment(Cpu& cpu, unsigned name, u16 selector) {
    if (!(name == CS ? load_code_segment(cpu, selector) : load_segment(cpu, name, selector))) return false;
    shadow_load(cpu, name);
    return true;
}
} // namespace

bool mov_to_segment_register(Cpu& cpu, const Op& op) {
    const unsigned name = segment_of(cpu, op);
    return can_load(cpu, name) && mov_to_segment(cpu, name, cpu.reg<u16>(op.base));
}

bool mov_to_segment_memory(Cpu& cpu, const Op& op) {
    const unsigned name = segment_of(cpu, op);
    u16 selector = 0;
    return can_load(cpu, name) && read_segment<u16>(cpu, op.seg, effective_offset(cpu, op), selector) &&
           mov_to_segment(cpu, name, selector);
}

bool pop_cs(Cpu& cpu, const Op&) {
    Stack stack = Stack::current(cpu);
    u64 value = 0;
    if (!stack.peek(cpu, 2, 0, value)) return false;
    stack.pop(2);
    stack.commit_pointer(cpu);
    shadow_load(cpu, CS);
    return load_code_segment(cpu, static_cast<u16>(value));
}

bool pointer_from_register(Cpu&, const Op&) { return true; }
bool far_through_register(Cpu&, const Op&) { return true; }

template <unsigned width> bool mov_from_segment_register(Cpu& cpu, const Op& op) {
    const unsigned name = segment_of(cpu, op);
    if (!can_store(cpu, name)) return false;
    const u16 selector = cpu.seg[name].selector;
    if constexpr (width == 2)
        cpu.set_reg<u16>(op.base, selector);
    else
        cpu.set_reg<u32>(op.base, selector);
    return true;
}
template bool mov_from_segment_register<2>(Cpu&, const Op&);
template bool mov_from_segment_register<4>(Cpu&, const Op&);

bool mov_from_segment_memory(Cpu& cpu, const Op& op) {
    const unsigned name = segment_of(cpu, op);
    return can_store(cpu, name) && write_segment<u16>(cpu, op.seg, effective_offset(cpu, op), cpu.seg[name].selector);
}

/// With a 32-bit operand size ESP moves by four and only the low half of the slot is written (SDM 2B, PUSH); the
/// Pentium writes zeros into the other (SDM 3B 22.31.1). With 64 bits the whole slot is written.
template <unsigned name, unsigned width> bool push_segment(Cpu& cpu, const Op&) {
    Stack stack = Stack::current(cpu);
    const u64 offset = (stack.sp - width) & stack.mask();
    u64 linear = 0;
    if (!stack.place(cpu, offset, width, linear)) return false;
    const u16 selector = cpu.seg[name].selector;
    const bool whole = width == 4 && cpu.has(Feature::i586) && !cpu.has(Feature::i686);
    const bool written = width == 8 ? write_linear<u64>(cpu, linear, selector)
                         : whole    ? write_linear<u32>(cpu, linear, selector)
                                    : write_linear<u16>(cpu, linear, selector);
    if (!written) return false;
    stack.sp = offset;
    stack.commit_pointer(cpu);
    return true;
}

template <unsigned name, unsigned width> bool pop_segment(Cpu& cpu, const Op&) {
    const Stack stack = Stack::current(cpu);
    u64 value = 0;
    u64 linear = 0;
    const unsigned read = cpu.has(Feature::only_386) ? 2 : width; // the 386 looks at no more than it loads
    if (!stack.find(cpu, stack.sp & stack.mask(), read, linear) || !stack.peek(cpu, 2, 0, value)) return false;
    Segment s;
    if (!prepare(cpu, name, static_cast<u16>(value), s)) return false;
    Stack after = stack;
    after.pop(width);
    after.commit_pointer(cpu);
    commit(cpu, name, s);
    shadow_load(cpu, name);
    return true;
}

template <unsigned name, unsigned width> bool load_far_pointer(Cpu& cpu, const Op& op) {
    using T = std::conditional_t<width == 2, u16, std::conditional_t<width == 4, u32, u64>>;
    // AMD's processors have no m16:64: REX.W changes nothing (APM 3, LFS).
    if constexpr (width == 8) {
        if (is_amd(cpu)) return load_far_pointer<name, 4>(cpu, op);
    }
    const u64 at = effective_offset(cpu, op);
    T offset = 0;
    u16 selector = 0;
    if (!read_segment<T>(cpu, op.seg, at, offset) ||
        !read_segment<u16>(cpu, op.seg, offset_after(cpu, op, at, width), selector))
        return false;
    if (!load_segment(cpu, name, selector)) return false;
    cpu.set_reg<T>(8u * op.reg, offset);
    return true;
}

template bool push_segment<ES, 2>(Cpu&, const Op&);
template bool push_segment<ES, 4>(Cpu&, const Op&);
template bool push_segment<CS, 2>(Cpu&, const Op&);
template bool push_segment<CS, 4>(Cpu&, const Op&);
template bool push_segment<SS, 2>(Cpu&, const Op&);
template bool push_segment<SS, 4>(Cpu&, const Op&);
template bool push_segment<DS, 2>(Cpu&, const Op&);
template bool push_segment<DS, 4>(Cpu&, const Op&);
template bool push_segment<FS, 2>(Cpu&, const Op&);
template bool push_segment<FS, 4>(Cpu&, const Op&);
template bool push_segment<FS, 8>(Cpu&, const Op&);
template bool push_segment<GS, 2>(Cpu&, const Op&);
template bool push_segment<GS, 4>(Cpu&, const Op&);
template bool push_segment<GS, 8>(Cpu&, const Op&);
template bool pop_segment<ES, 2>(Cpu&, const Op&);
template bool pop_segment<ES, 4>(Cpu&, const Op&);
template bool pop_segment<SS, 2>(Cpu&, const Op&);
template bool pop_segment<SS, 4>(Cpu&, const Op&);
template bool pop_segment<DS, 2>(Cpu&, const Op&);
template bool pop_segment<DS, 4>(Cpu&, const Op&);
template bool pop_segment<FS, 2>(Cpu&, const Op&);
template bool pop_segment<FS, 4>(Cpu&, const Op&);
template bool pop_segment<FS, 8>(Cpu&, const Op&);
template bool pop_segment<GS, 2>(Cpu&, const Op&);
template bool pop_segment<GS, 4>(Cpu&, const Op&);
template bool pop_segment<GS, 8>(Cpu&, const Op&);
template bool load_far_pointer<ES, 2>(Cpu&, const Op&);
template bool load_far_pointer<ES, 4>(Cpu&, const Op&);
template bool load_far_pointer<SS, 2>(Cpu&, const Op&);
template bool load_far_pointer<SS, 4>(Cpu&, const Op&);
template bool load_far_pointer<SS, 8>(Cpu&, const Op&);
template bool load_far_pointer<DS, 2>(Cpu&, const Op&);
template bool load_far_pointer<DS, 4>(Cpu&, const Op&);
template bool load_far_pointer<FS, 2>(Cpu&, const Op&);
template bool load_far_pointer<FS, 4>(Cpu&, const Op&);
template bool load_far_pointer<FS, 8>(Cpu&, const Op&);
template bool load_far_pointer<GS, 2>(Cpu&, const Op&);
template bool load_far_pointer<GS, 4>(Cpu&, const Op&);
template bool load_far_pointer<GS, 8>(Cpu&, const Op&);

} // namespace transfer
} // namespace glassbox
