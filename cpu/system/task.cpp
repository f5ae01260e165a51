// Hardware task switches with 16- and 32-bit TSSs (SDM 3A chapter 7). Up to the commit point every fault belongs to the
// old task; after it the new task has begun, and its faults are delivered in it, before its first instruction.
#include "cpu/system/transfer.hpp"

#include <array>

namespace glassbox {

namespace {

/// Offsets of a TSS's parts (SDM 3A, figures 7-2 and 7-10).
struct TssLayout {
    bool wide;
    u32 minimum_limit;
    u32 eip, eflags, gpr, segments, ldt;
    unsigned segment_count;
    u32 value_width() const { return wide ? 4 : 2; }
    u32 slot(u32 first, unsigned n) const { return first + n * value_width(); }
};
constexpr TssLayout tss32{true, 0x67, 0x20, 0x24, 0x28, 0x48, 0x60, 6};
constexpr TssLayout tss16{false, 0x2B, 0x0E, 0x10, 0x12, 0x22, 0x2A, 4};
const TssLayout& layout_of(unsigned type) { return (type & 8) != 0 ? tss32 : tss16; }

constexpr u32 tss_cr3 = 0x1C, tss_trap = 0x64;

struct TaskImage {
    u32 cr3 = 0, eip = 0, eflags = 0;
    std::array<u32, 8> gpr{};
    std::array<u16, 6> segment{};
    u16 ldt = 0;
    bool trap = false;
    std::array<u64, 4> pdpte{};
};

bool read_value(Cpu& cpu, const TssLayout& l, u32 at, u32& value) {
    if (l.wide) return read_system<u32>(cpu, at, value);
    u16 narrow = 0;
    if (!read_system<u16>(cpu, at, narrow)) return false;
    value = narrow;
    return true;
}

bool write_value(Cpu& cpu, const TssLayout& l, u32 at, u32 value) {
    return l.wide ? write_system<u32>(cpu, at, value) : write_system<u16>(cpu, at, static_cast<u16>(value));
}

bool read_task(Cpu& cpu, const TssLayout& l, u32 base, TaskImage& t) {
    if (l.wide && cpu.paging() && !read_system<u32>(cpu, base + tss_cr3, t.cr3)) return false;
    if (!read_value(cpu, l, base + l.eip, t.eip) || !read_value(cpu, l, base + l.eflags, t.eflags)) return false;
    for (unsigned i = 0; i < 8; ++i) {
        if (!read_value(cpu, l, base + l.slot(l.gpr, i), t.gpr[i])) return false;
        if (!l.wide) t.gpr[i] |= 0xFFFF'0000; // the upper halves are not the task's: they become ones on a P6
    }
    for (unsigned i = 0; i < l.segment_count; ++i) {
        if (!read_system<u16>(cpu, base + l.slot(l.segments, i), t.segment[i])) return false;
    }
    u16 trap = 0;
    if (!read_system<u16>(cpu, base + l.ldt, t.ldt)) return false;
    if (l.wide && !read_system<u16>(cpu, base + tss_trap, trap)) return false;
    t.trap = (trap & 1) != 0;
    return true;
}

bool save_task(Cpu& cpu, const TssLayout& l, u32 base, u32 eip, u32 flags) {
    if (!write_value(cpu, l, base + l.eip, eip) || !write_value(cpu, l, base + l.eflags, flags)) return false;
    for (unsigned i = 0; i < 8; ++i) {
        if (!write_value(cpu, l, base + l.slot(l.gpr, i), static_cast<u32>(cpu.gpr[i]))) return false;
    }
    for (unsigned i = 0; i < l.segment_count; ++i) {
        if (!write_system<u16>(cpu, base + l.slot(l.segments, i), cpu.seg[i].selector)) return false;
    }
    return true;
}

bool set_busy(Cpu& cpu, u16 selector, bool busy) {
    u64 linear = 0;
    u8 type = 0;
    if (!descriptor_address(cpu, selector, linear)) return true;
    if (!read_system<u8>(cpu, linear + 5, type)) return false;
    return write_system<u8>(cpu, linear + 5, static_cast<u8>(busy ? type | 2 : type & ~2));
}

/// The writes of the switch may not fail half-way: everything is probed first.
bool probe_switch(Cpu& cpu, const TssLayout& old_layout, u32 old_base, u16 selector, u32 new_base, const TssLayout& l) {
    u64 linear = 0;
    if (descriptor_address(cpu, selector, linear) && !probe_write(cpu, linear, 8, Privilege::supervisor)) return false;
    if (descriptor_address(cpu, cpu.tr.selector, linear) && !probe_write(cpu, linear, 8, Privilege::supervisor))
        return false;
    return probe_write(cpu, old_base, old_layout.minimum_limit + 1, Privilege::supervisor) &&
           probe_write(cpu, new_base, 2, Privilege::supervisor) &&
           probe_read(cpu, new_base, l.minimum_limit + 1, Privilege::supervisor);
}

bool load_ldt(Cpu& cpu, u16 selector, u32 ext) {
    const Blame blame{Exception::TS, ext};
    cpu.ldtr.selector = selector;
    cpu.ldtr.access |= Segment::unusable;
    if (is_null(selector)) return true;
    if ((selector & 4) != 0) return blame.raise(cpu, selector, "new task's LDT is not in the GDT");
    Descriptor d;
    if (!fetch_descriptor(cpu, selector, blame, d)) return false;
    if (!d.is_system(SystemType::ldt)) return blame.raise(cpu, selector, "new task's LDT selector is not an LDT");
    if (!d.present()) return blame.raise(cpu, selector, "new task's LDT is not present");
    cpu.ldtr = d.segment(selector);
    return true;
}

bool load_protected_segments(Cpu& cpu, const TaskImage& t, u32 ext) {
    const Blame blame{Exception::TS, ext};
    Descriptor code;
    if (!check_return_code(cpu, t.segment[CS], blame, code)) return false;
    if (!set_accessed(cpu, t.segment[CS], code)) return false;
    cpu.seg[CS] = code.segment(t.segment[CS]);
    if (!check_stack_segment(cpu, t.segment[SS], cpu.cpl, blame, cpu.seg[SS])) return false;
    for (const unsigned name : {DS, ES, FS, GS}) {
        if (is_null(t.segment[name])) continue;
        if (!check_data_segment(cpu, t.segment[name], cpu.cpl, blame, cpu.seg[name])) return false;
    }
    return true;
}

/// What follows the commit point: false with a fault of the new task. Its error code has EXT set when an exception or
/// interrupt started the switch (SDM 3A 6.13; 2A, INT n: #GP(EXT) for the new EIP).
bool begin_task(Cpu& cpu, const TssLayout& l, const TaskImage& t, const TaskRequest& request) {
    if (!load_ldt(cpu, t.ldt, request.ext)) return false;
    if (cpu.v86()) {
        for (unsigned i = 0; i < 6; ++i) cpu.seg[i] = v86_segment(t.segment[i]);
    } else if (!load_protected_segments(cpu, t, request.ext)) {
        return false;
    }
    cpu.update_mode();
    if (request.has_error) {
        Stack stack = Stack::current(cpu);
        stack.error = request.ext;
        const u64 error = request.error;
        if (!stack.push(cpu, l.value_width(), std::span(&error, 1))) return false;
        stack.commit_pointer(cpu);
    }
    if (t.eip > cpu.seg[CS].limit) return cpu.gp(request.ext, "new task's EIP is beyond its code segment");
    return true;
}

void install_registers(Cpu& cpu, const TssLayout& l, const TaskImage& t, u32 flags) {
    const u64 before_cr0 = cpu.cr0, before_cr3 = cpu.cr3;
    cpu.cr0 |= cr0::TS;
    for (unsigned i = 0; i < 8; ++i) cpu.gpr[i] = t.gpr[i];
    cpu.set_full_eflags(flags);
    cpu.next_ip = t.eip;
    cpu.ip = t.eip;
    cpu.cpl = cpu.v86() ? 3 : static_cast<u8>(t.segment[CS] & 3);
    for (unsigned i = 0; i < 6; ++i) cpu.seg[i] = null_segment(cpu.seg[i], t.segment[i]);
    if ((cpu.dr[7] & 0x155) != 0) { // the local enables belong to the old task (SDM 3B 17.2.4)
        cpu.dr[7] &= ~u64{0x155};
        cpu.debug_registers_changed();
    }
    if (l.wide && cpu.paging()) {
        const bool other_space = cpu.cr3 != t.cr3;
        cpu.cr3 = t.cr3;
        cpu.pdpte = t.pdpte;
        if (other_space) cpu.flush_tlb(true);
    }
    cpu.bump_epoch();
    cpu.update_mode();
    if (!cpu.probe) [[likely]]
        return;
    tell_control(cpu, ControlKind::cr, 0, before_cr0, cpu.cr0);
    if (cpu.cr3 == before_cr3) return;
    tell_control(cpu, ControlKind::cr, 3, before_cr3, cpu.cr3);
    tell_flushed(cpu, FlushKind::all_but_global);
}

bool check_sizes(Cpu& cpu, u16 selector, const Descriptor& tss, const TssLayout& l, const TssLayout& old, u32 ext) {
    const Blame blame{Exception::TS, ext};
    if (tss.limit() < l.minimum_limit) return blame.raise(cpu, selector, "new TSS is too short");
    if (cpu.tr.limit < old.minimum_limit) return blame.raise(cpu, cpu.tr.selector, "current TSS is too short");
    return true;
}

/// PAE: the new CR3's pointer table must be sound before the old task is left.
bool prepare_space(Cpu& cpu, const TssLayout& l, TaskImage& t) {
    t.pdpte = cpu.pdpte;
    if (!l.wide || !cpu.paging() || (cpu.cr4 & cr4::PAE) == 0 || t.cr3 == cpu.cr3) return true;
    return read_pdptes(cpu, t.cr3, t.pdpte);
}

} // namespace

bool switch_task(Cpu& cpu, u16 selector, const Descriptor& tss, const TaskRequest& request) {
    const TssLayout& l = layout_of(tss.type());
    const TssLayout& old = layout_of(cpu.tr.type());
    const u32 base = static_cast<u32>(tss.base());
    const u32 old_base = static_cast<u32>(cpu.tr.base);
    const bool nests = request.source == TaskSource::call || request.source == TaskSource::interrupt;
    const bool leaves = request.source == TaskSource::jump || request.source == TaskSource::iret;
    TaskImage t;
    if (!check_sizes(cpu, selector, tss, l, old, request.ext) || !probe_switch(cpu, old, old_base, selector, base, l) ||
        !read_task(cpu, l, base, t))
        return false;

    u32 saved_flags = cpu.full_eflags() | request.saved_rf;
    if (request.source == TaskSource::iret) saved_flags &= ~eflags::NT;
    if (!save_task(cpu, old, old_base, request.saved_eip, saved_flags)) return false;
    // A task may be jumped to while it is the current one's own TSS image: what was just saved is what is loaded.
    if (base == old_base && !read_task(cpu, l, base, t)) return false;
    const u16 old_selector = cpu.tr.selector;
    if (!prepare_space(cpu, l, t)) return false;
    if (leaves && !set_busy(cpu, old_selector, false)) return false;
    if (nests && !write_system<u16>(cpu, base, old_selector)) return false;
    if (request.source != TaskSource::iret && !set_busy(cpu, selector, true)) return false;

    cpu.tr = tss.segment(selector);
    cpu.tr.access |= 2;
    const u32 flags = l.wide ? t.eflags : (t.eflags & 0xFFFF);
    install_registers(cpu, l, t, nests ? flags | eflags::NT : flags);
    const bool begun = begin_task(cpu, l, t, request);
    if (cpu.probe) [[unlikely]]
        cpu.probe->task_switched(cpu, old_selector, selector);
    if (!begun) {
        cpu.update_mode();
        deliver_fault(cpu);
        return true;
    }
    cpu.update_mode();
    if (t.trap) cpu.pending_debug |= dr6::BT;
    return true;
}

bool enter_task(Cpu& cpu, u16 selector, const TaskRequest& request) {
    const Blame blame{Exception::GP, request.ext};
    if ((selector & 4) != 0 || is_null(selector))
        return blame.raise(cpu, selector, "task gate's TSS is not in the GDT");
    Descriptor d;
    if (!fetch_descriptor(cpu, selector, blame, d)) return false;
    if (!d.is_available_tss()) return blame.raise(cpu, selector, "task gate does not lead to an available TSS");
    if (!d.present()) return blame.raise(cpu, Exception::NP, selector, "TSS not present");
    return switch_task(cpu, selector, d, request);
}

} // namespace glassbox
