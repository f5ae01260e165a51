// The fast ways in and out of the kernel: SYSENTER and SYSEXIT (SDM 3A 5.8.7), SYSCALL and SYSRET (SDM 3A 5.8.8; APM 2
// 6.1), SWAPGS (5.8.8) and the base registers of FS and GS (RDFSBASE and its kin; SDM 2B). They load fixed flat
// segments without looking at descriptors. Where the vendors differ (SDM 2B; APM 3):
//   SYSENTER, SYSEXIT  Intel: in long mode too, to 64-bit code; AMD: #UD in long mode
//   SYSCALL, SYSRET    Intel: in 64-bit mode only; AMD: in every mode
//   SYSRET             to an address that is not canonical: Intel #GP at level 0; AMD at level 3, from the fetch
//   SYSRET             SS: Intel loads the whole register, AMD its selector alone
#include "cpu/system/msr.hpp"
#include "cpu/system/transfer.hpp"

namespace glassbox::transfer {

namespace {

constexpr u32 flat_code = Segment::code | Segment::readable | Segment::accessed;
constexpr u32 flat_data = Segment::writable | Segment::accessed | Segment::DB;
constexpr u32 dpl3 = 0x60;
enum class Size : u32 { code32 = Segment::DB, code64 = Segment::L };

Segment flat_segment(u16 selector, u32 access) {
    Segment s;
    s.selector = selector;
    s.limit = 0xFFFF'FFFF;
    s.access = access | Segment::P | Segment::S | Segment::G;
    s.update(false);
    return s;
}
Segment code(unsigned selector, Size size, u32 dpl = 0) {
    return flat_segment(static_cast<u16>(selector | (dpl != 0 ? 3 : 0)), flat_code | static_cast<u32>(size) | dpl);
}
Segment data(unsigned selector, u32 dpl = 0) {
    return flat_segment(static_cast<u16>(selector | (dpl != 0 ? 3 : 0)), flat_data | dpl);
}

bool go_now(Cpu& cpu, const CodeTarget& target) {
    go(cpu, target);
    cpu.update_mode();
    return true;
}

/// AMD's processors have SYSENTER in legacy mode only.
bool has_sysenter(Cpu& cpu) { return !(cpu.long_mode() && is_amd(cpu)) || cpu.ud("SYSENTER and SYSEXIT in long mode"); }

} // namespace

bool sysenter(Cpu& cpu, const Op&) {
    if (!has_sysenter(cpu)) return false;
    if (cpu.real_mode()) return cpu.gp(0, "SYSENTER in real mode");
    const unsigned selector = cpu.msrs.sysenter_cs & 0xFFFC;
    if (selector == 0) return cpu.gp(0, "SYSENTER with a null SYSENTER_CS");
    const u64 width = cpu.long_mode() ? ~u64{0} : 0xFFFF'FFFF;
    cpu.eflags &= ~(eflags::VM | eflags::IF | eflags::RF);
    cpu.seg[SS] = data(selector + 8);
    cpu.gpr[RSP] = cpu.msrs.sysenter_esp & width;
    return go_now(cpu,
                  {code(selector, cpu.long_mode() ? Size::code64 : Size::code32), cpu.msrs.sysenter_eip & width, 0});
}

template <unsigned width> bool sysexit(Cpu& cpu, const Op&) {
    if (!has_sysenter(cpu)) return false;
    if (cpu.real_mode() || cpu.cpl != 0) return cpu.gp(0, "SYSEXIT outside level 0");
    const unsigned selector = cpu.msrs.sysenter_cs & 0xFFFC;
    if (selector == 0) return cpu.gp(0, "SYSEXIT with a null SYSENTER_CS");
    if constexpr (width == 8) {
        if (!cpu.canonical(cpu.gpr[RCX]) || !cpu.canonical(cpu.gpr[RDX]))
            return cpu.gp(0, "SYSEXIT to an address that is not canonical");
        cpu.seg[SS] = data(selector + 40, dpl3);
        cpu.gpr[RSP] = cpu.gpr[RCX];
        return go_now(cpu, {code(selector + 32, Size::code64, dpl3), cpu.gpr[RDX], 3});
    }
    cpu.seg[SS] = data(selector + 24, dpl3);
    cpu.gpr[RSP] = cpu.r32(RCX);
    return go_now(cpu, {code(selector + 16, Size::code32, dpl3), cpu.r32(RDX), 3});
}
template bool sysexit<4>(Cpu&, const Op&);
template bool sysexit<8>(Cpu&, const Op&);

namespace {

bool has_syscall(Cpu& cpu) {
    if ((cpu.msrs.efer & efer::SCE) == 0) return cpu.ud("SYSCALL and SYSRET without EFER.SCE");
    return cpu.code64() || is_amd(cpu) || cpu.ud("SYSCALL and SYSRET outside 64-bit mode");
}

/// Legacy mode: the target is in STAR, and EFLAGS is kept nowhere (APM 3, SYSCALL).
bool syscall_legacy(Cpu& cpu) {
    const unsigned selector = static_cast<u16>(cpu.msrs.star >> 32) & 0xFFFCu;
    cpu.gpr[RCX] = static_cast<u32>(cpu.next_ip);
    cpu.eflags &= ~(eflags::VM | eflags::IF | eflags::RF);
    cpu.seg[SS] = data(selector + 8);
    return go_now(cpu, {code(selector, Size::code32), static_cast<u32>(cpu.msrs.star), 0});
}

/// AMD: the hidden part of SS stays as it was.
void load_sysret_stack(Cpu& cpu, unsigned selector) {
    if (is_amd(cpu))
        cpu.seg[SS].selector = static_cast<u16>(selector | 3);
    else
        cpu.seg[SS] = data(selector, dpl3);
}

/// What SYSRET takes from R11 (SDM 2B): RF and VM come out clear.
constexpr u32 sysret_flags = 0x3C'7FD7;

} // namespace

bool syscall(Cpu& cpu, const Op&) {
    if (!has_syscall(cpu)) return false;
    if (!cpu.long_mode()) return syscall_legacy(cpu);
    const unsigned selector = static_cast<u16>(cpu.msrs.star >> 32) & 0xFFFCu;
    const u64 target = cpu.code64() ? cpu.msrs.lstar : cpu.msrs.cstar;
    const u32 flags = cpu.full_eflags();
    cpu.gpr[RCX] = cpu.next_ip;
    cpu.gpr[R11] = flags & ~eflags::RF;
    cpu.set_full_eflags(flags & ~static_cast<u32>(cpu.msrs.fmask) & ~eflags::RF);
    if ((cpu.eflags & eflags::TF) == 0) cpu.step_suppressed = true; // FMASK takes the trap along
    cpu.seg[SS] = data(selector + 8);
    return go_now(cpu, {code(selector, Size::code64), target, 0});
}

template <unsigned width> bool sysret(Cpu& cpu, const Op&) {
    if (!has_syscall(cpu)) return false;
    if (cpu.real_mode() || cpu.cpl != 0) return cpu.gp(0, "SYSRET outside level 0");
    const unsigned selector = static_cast<u16>(cpu.msrs.star >> 48) & 0xFFFCu;
    if (width == 8 && !is_amd(cpu) && !cpu.canonical(cpu.gpr[RCX]))
        return cpu.gp(0, "SYSRET to an address that is not canonical");
    if (cpu.long_mode()) {
        cpu.set_full_eflags((static_cast<u32>(cpu.gpr[R11]) & sysret_flags) | 2);
        if ((cpu.eflags & eflags::TF) != 0) cpu.pending_debug |= dr6::BS; // before the first instruction at level 3
    } else {
        cpu.eflags |= eflags::IF;
    }
    load_sysret_stack(cpu, selector + 8);
    if constexpr (width == 8) return go_now(cpu, {code(selector + 16, Size::code64, dpl3), cpu.gpr[RCX], 3});
    return go_now(cpu, {code(selector, Size::code32, dpl3), cpu.r32(RCX), 3});
}
template bool sysret<4>(Cpu&, const Op&);
template bool sysret<8>(Cpu&, const Op&);

bool swapgs(Cpu& cpu, const Op&) {
    if (cpu.cpl != 0) return cpu.gp(0, "SWAPGS outside level 0");
    const u64 base = cpu.seg[GS].base;
    set_segment_base(cpu, GS, cpu.msrs.kernel_gs_base);
    cpu.msrs.kernel_gs_base = base;
    return true;
}

namespace {
bool has_bases(Cpu& cpu) { return (cpu.cr4 & cr4::FSGSBASE) != 0 || cpu.ud("base registers without CR4.FSGSBASE"); }
} // namespace

template <unsigned name, unsigned width> bool read_base(Cpu& cpu, const Op& op) {
    if (!has_bases(cpu)) return false;
    const u64 base = cpu.seg[name].base;
    cpu.set_reg<u64>(op.base, width == 8 ? base : static_cast<u32>(base));
    return true;
}

template <unsigned name, unsigned width> bool write_base(Cpu& cpu, const Op& op) {
    if (!has_bases(cpu)) return false;
    const u64 base = width == 8 ? cpu.reg<u64>(op.base) : cpu.reg<u32>(op.base);
    if (!msr::canonical(cpu, base)) return cpu.gp(0, "segment base is not canonical");
    set_segment_base(cpu, name, base);
    return true;
}
template bool read_base<FS, 4>(Cpu&, const Op&);
template bool read_base<FS, 8>(Cpu&, const Op&);
template bool read_base<GS, 4>(Cpu&, const Op&);
template bool read_base<GS, 8>(Cpu&, const Op&);
template bool write_base<FS, 4>(Cpu&, const Op&);
template bool write_base<FS, 8>(Cpu&, const Op&);
template bool write_base<GS, 4>(Cpu&, const Op&);
template bool write_base<GS, 8>(Cpu&, const Op&);

} // namespace glassbox::transfer
