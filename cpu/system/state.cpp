// The architectural state as a whole: EFLAGS, faults, the mode that handlers are chosen by, RESET and INIT (SDM 3A 9.1,
// table 9-1), and snapshots.
#include "cpu/probe.hpp"
#include "cpu/sse/xsave_layout.hpp"
#include "cpu/system/system.hpp"

namespace glassbox {

bool Cpu::raise(Exception e, const char* why) {
    fault = Fault{e, false, 0, 0, why};
    return false;
}

bool Cpu::raise(Exception e, u32 error, const char* why) {
    fault = Fault{e, true, error, 0, why};
    return false;
}

/// Bits 12-15 read as ones on the 8086; on the 80286 IOPL and NT cannot be set in real mode (80286 Programmer's
/// Reference, 2.3.4; SDM 3B 22.17.2).
void Cpu::set_full_eflags(u32 value) {
    u32 present = 0x7FD7 | eflags::RF | eflags::VM;
    if (!has(Feature::i386)) {
        present = has(Feature::i286) && !real_mode() ? 0x7FD7 : 0x0FD7;
        eflags = (value & present & ~eflags::arithmetic) | (has(Feature::only_8086) ? 0xF002 : 2);
        flags.load(value);
        return;
    }
    if (has(Feature::i486)) present |= eflags::AC;
    if (has(Feature::cpuid)) present |= eflags::ID;
    if (has(Feature::vme)) present |= eflags::VIF | eflags::VIP;
    eflags = (value & present & ~eflags::arithmetic) | 2;
    flags.load(value);
}

/// A limit fits into 21 bits: 20 as they are in the descriptor, and whether they count pages (SDM 3A 3.4.5).
static u32 code_limit_bits(u32 limit) {
    if (limit == 0xFFFF'FFFF) return mode::big_cs;
    const u32 code = limit > 0xFFFFF ? (limit >> 12) | 0x10'0000 : limit;
    return (code ^ 0xFFFF) << mode::code_limit_shift;
}

/// 64-bit mode has no limits and no bases but those of FS and GS, so its segments count as flat (SDM 3A 3.2.4).
static constexpr u32 mode64 = mode::long64 | mode::protected_mode | mode::code32 | mode::stack32 | mode::flat_ds |
                              mode::flat_es | mode::flat_ss | mode::big_cs;

static u32 mode_of_segments(const Cpu& cpu) {
    const auto& seg = cpu.seg;
    u32 m = code_limit_bits(seg[CS].limit);
    if (seg[CS].big()) m |= mode::code32;
    if (seg[SS].big()) m |= mode::stack32;
    if (seg[DS].flat()) m |= mode::flat_ds;
    if (seg[ES].flat()) m |= mode::flat_es;
    if (seg[SS].flat()) m |= mode::flat_ss;
    if (!cpu.real_mode()) m |= mode::protected_mode;
    if (cpu.v86()) m |= mode::v86;
    return m;
}

void Cpu::update_mode() {
    const bool long64 = long_mode() && (seg[CS].access & Segment::L) != 0;
    const u32 mode_before = mode;
    mode = (long64 ? mode64 : mode_of_segments(*this)) | (cpl == 3 ? mode::user : 0);
    jump_base = long64 ? 0 : u64{static_cast<u32>(seg[CS].base)} << 32;
    base64[FS] = seg[FS].base;
    base64[GS] = seg[GS].base;
    update_tlb_class();
    if (!probe) [[likely]]
        return;
    const u8 cpl_before = std::exchange(told_cpl, cpl);
    if (mode != mode_before || cpl != cpl_before) probe->mode_changed(*this, mode_before, cpl_before);
}

void Cpu::update_tlb_class() {
    const bool ac = (eflags & eflags::AC) != 0;
    TlbClass c = TlbClass::supervisor;
    if (cpl == 3)
        c = ac && (cr0 & cr0::AM) != 0 ? TlbClass::checked : TlbClass::user;
    else if (ac && (cr4 & cr4::SMAP) != 0)
        c = TlbClass::supervisor_user;
    class_tlb = &tlbs[static_cast<u8>(c)];
    tlb = engine.fuse ? class_tlb : &tlbs[static_cast<u8>(TlbClass::checked)]; // never filled: no first try succeeds
}

namespace {

Segment reset_segment(u16 selector, u64 base, u32 access, bool real) {
    Segment s;
    s.selector = selector;
    s.base = base;
    s.limit = 0xFFFF;
    s.access = access;
    s.update(real);
    return s;
}

void reset_segments(Cpu& cpu) {
    constexpr u32 data = Segment::P | Segment::S | Segment::writable | Segment::accessed;
    for (Segment& s : cpu.seg) s = reset_segment(0, 0, data, true);
    if (cpu.has(Feature::only_8086))
        cpu.seg[CS] = reset_segment(0xFFFF, 0xF'FFF0, data, true);
    else
        cpu.seg[CS] = reset_segment(0xF000, cpu.has(Feature::i386) ? 0xFFFF'0000 : 0xFF'0000, data, true);
    cpu.ldtr = reset_segment(0, 0, Segment::P | 2, false);
    cpu.tr = reset_segment(0, 0, Segment::P | (cpu.has(Feature::i386) ? 11 : 3), false);
    cpu.gdtr = {};
    cpu.idtr = {};
    if (!cpu.has(Feature::i486)) cpu.idtr.limit = 0x3FF;
}

void reset_msrs(Cpu& cpu) {
    cpu.msrs = Msrs{};
    constexpr u64 no_branch_trace = 1 << 11, no_sampling = 1 << 12;
    constexpr u64 monitor = 1 << 18;
    cpu.msrs.misc_enable = 1 | no_branch_trace | no_sampling | (cpu.has(Feature::monitor) ? monitor : 0);
    reset_amd_msrs(cpu);
    cpu.msrs.tsc_offset = 0;
    cpu.msrs.tsc_offset = u64{0} - cpu.tsc(); // the counter restarts at zero
}

} // namespace

void reset_state(Cpu& cpu, ResetKind kind) {
    cpu.gpr = {};
    cpu.set_r32(RDX, cpu.model->signature);
    cpu.ip = cpu.has(Feature::only_8086) ? 0 : 0xFFF0;
    cpu.next_ip = cpu.ip;
    cpu.cpl = 0;
    const u64 caches = kind == ResetKind::init ? cpu.cr0 & (cr0::CD | cr0::NW) : cr0::CD | cr0::NW;
    cpu.cr0 = (cpu.has(Feature::i386) ? cr0::ET : 0) | (cpu.has(Feature::i486) ? caches : 0);
    cpu.set_full_eflags(2);
    cpu.cr2 = cpu.cr3 = cpu.cr4 = 0;
    cpu.msrs.efer = 0; // INIT too: LMA cannot stay without paging
    cpu.pdpte = {};
    cpu.dr = {};
    cpu.dr[6] = 0xFFFF'0FF0;
    cpu.dr[7] = 0x400;
    reset_segments(cpu);
    cpu.halted = cpu.shutdown = cpu.wait_for_sipi = false;
    cpu.monitor = {};
    cpu.shadow = 0;
    cpu.nmi_pending = cpu.nmi_blocked = cpu.init_pending = false;
    cpu.pending_debug = 0;
    cpu.fault = {};
    cpu.fault_chain_length = 0;
    if (kind == ResetKind::power_on) {
        cpu.reset_pending = false;
        reset_msrs(cpu);
        cpu.fpu.reset();
        cpu.sse = {};
        cpu.xcr0 = 1;
        cpu.pkru = 0;
    }
    cpu.flush_tlb(false);
    cpu.debug_registers_changed();
    cpu.update_mode();
}

void Msrs::persist(Archive& archive) {
    archive(sysenter_cs, sysenter_esp, sysenter_eip, efer, pat, mtrr_def_type, mtrr_variable, mtrr_fixed, tsc_offset,
            misc_enable, star, lstar, cstar, fmask, kernel_gs_base, tsc_aux, tsc_adjust, xss, perf, debug_ctl,
            spec_ctrl, amd, machine_check);
}

namespace {

/// Long mode is paging with EFER.LME, and needs PAE (SDM 3A 9.8.5); its absence makes registers narrow.
void check_modes(const Cpu& cpu, Archive& archive) {
    const u64 e = cpu.msrs.efer;
    constexpr u64 known = efer::SCE | efer::LME | efer::LMA | efer::NXE | efer::SVME | efer::FFXSR | 1 << 13 | 1 << 15;
    archive.require((e & ~known) == 0, "EFER has bits that no processor has");
    archive.require((e & efer::LME) == 0 || cpu.has(Feature::long_mode), "the processor model has no long mode");
    archive.require(cpu.long_mode() == (cpu.paging() && (e & efer::LME) != 0), "EFER.LMA is not LME with paging");
    archive.require(!cpu.long_mode() || (cpu.cr4 & cr4::PAE) != 0, "long mode without CR4.PAE");
    archive.require(!cpu.long_mode() || !cpu.v86(), "virtual-8086 mode in long mode");
    archive.require(cpu.has(Feature::long_mode) || (cpu.cr3 >> 32) == 0, "CR3 is wider than 32 bits");
    archive.require(xsave::valid_xcr0(cpu.model->features, cpu.xcr0), "XCR0 has bits that cannot be set");
}

void check_loaded(Cpu& cpu, Archive& archive, u32 flags_image) {
    archive.require(cpu.cpl <= 3, "the privilege level is above 3");
    archive.require((cpu.cr0 & (cr0::PE | cr0::PG)) != cr0::PG, "paging is on without protected mode");
    archive.require((cpu.cr0 >> 32) == 0, "CR0 is wider than 32 bits");
    archive.require((cpu.cr4 & ~u64{cpu.model->cr4_bits}) == 0, "CR4 has bits that the processor model lacks");
    archive.require((cpu.eflags & eflags::VM) == 0 || (!cpu.real_mode() && cpu.cpl == 3),
                    "virtual-8086 mode outside protected mode");
    archive.require(cpu.full_eflags() == flags_image, "EFLAGS has bits that the processor model lacks");
    check_modes(cpu, archive);
    // 57 bits: whether CR4.LA57 was set when a base was loaded is not known.
    const auto canonical = [](u64 a) { return static_cast<u64>(static_cast<i64>(a << 7) >> 7) == a; };
    for (unsigned i = 0; i < 6; ++i) {
        const bool wide = i >= FS && cpu.has(Feature::long_mode);
        const u64 base = cpu.seg[i].base;
        archive.require(wide ? canonical(base) : (base >> 32) == 0, "a segment base is wider than the register");
    }
    const bool long64 = cpu.long_mode() && (cpu.seg[CS].access & Segment::L) != 0;
    archive.require(long64 || cpu.ip <= 0xFFFF'FFFF, "EIP is wider than 32 bits");
}

} // namespace

void persist_architecture(Cpu& cpu, Archive& archive) {
    for (unsigned i = 0; i < 16; ++i) archive(cpu.gpr[i]);
    u32 flags_image = cpu.full_eflags();
    archive(cpu.ip, flags_image, cpu.cpl, cpu.cr0, cpu.cr2, cpu.cr3, cpu.cr4, cpu.pdpte, cpu.dr);
    archive(cpu.gdtr.base, cpu.gdtr.limit, cpu.idtr.base, cpu.idtr.limit, cpu.seg, cpu.ldtr, cpu.tr, cpu.msrs, cpu.fpu,
            cpu.sse, cpu.xcr0, cpu.pkru, cpu.entropy);
    if (!archive.loading()) return;
    cpu.set_full_eflags(flags_image);
    check_loaded(cpu, archive, flags_image);
    if (!archive.ok()) return;
    cpu.next_ip = cpu.ip;
    const bool real = !cpu.protected_mode();
    for (Segment& s : cpu.seg) s.update(real);
    cpu.update_mode();
}

} // namespace glassbox
