// Registers that several makers' processors share: EFER (SDM 3A 2.2.1, APM 2 3.1.7), SYSCALL and SYSENTER, the bases of
// FS and GS, the time-stamp counter with its adjustment (SDM 3B 17.17), the APIC's, XSS, and what says how the
// processor speculates (SDM 4, table 2-2).
//
// This processor does not speculate: the controls are stored, and barriers have nothing to do.
#include "cpu/sse/xsave_layout.hpp"
#include "cpu/system/msr.hpp"

namespace glassbox::msr {

namespace {

using enum Feature;

namespace capability {
constexpr u64 RDCL_NO = 1, SKIP_L1DFL = 1 << 3, SSB_NO = 1 << 4, MDS_NO = 1 << 5, PSCHANGE_MC_NO = 1 << 6,
              TAA_NO = 1 << 8, SBDR_SSDP_NO = 1 << 13, FBSDP_NO = 1 << 14, PSDP_NO = 1 << 15, BHI_NO = 1 << 20,
              PBRSB_NO = 1 << 24, GDS_NO = 1 << 26, RFDS_NO = 1 << 27;
}
/// Every weakness of speculation that the register can deny. RSBA and RRSBA stay clear: returns use no predictor.
constexpr u64 not_affected = capability::RDCL_NO | capability::SKIP_L1DFL | capability::SSB_NO | capability::MDS_NO |
                             capability::PSCHANGE_MC_NO | capability::TAA_NO | capability::SBDR_SSDP_NO |
                             capability::FBSDP_NO | capability::PSDP_NO | capability::BHI_NO | capability::PBRSB_NO |
                             capability::GDS_NO | capability::RFDS_NO;

constexpr u64 low32 = 0xFFFF'FFFF;

u64 efer_bits(const Cpu& cpu) {
    u64 bits = 0;
    if (cpu.has(syscall)) bits |= efer::SCE;
    if (cpu.has(long_mode)) bits |= efer::LME | efer::LMA;
    if (cpu.has(nx) && (cpu.model->amd() || (cpu.msrs.misc_enable >> 34 & 1) == 0)) bits |= efer::NXE;
    if (cpu.has(fxsr_opt)) bits |= efer::FFXSR;
    return bits;
}
bool has_efer(const Cpu& cpu) { return cpu.has(nx) || cpu.has(syscall) || cpu.has(long_mode); }

Answer write_efer(Cpu& cpu, u64 value) {
    if ((value & ~efer_bits(cpu)) != 0) return Answer::refused;
    const u64 old = cpu.msrs.efer;
    // LMA is the processor's: AMD's insist on its value (APM 2 3.1.7), Intel's ignore what is written.
    if (cpu.model->amd() && ((value ^ old) & efer::LMA) != 0) return Answer::refused;
    value = (value & ~efer::LMA) | (old & efer::LMA);
    if (cpu.paging() && ((value ^ old) & efer::LME) != 0) return Answer::refused;
    if (value == old) return Answer::done;
    cpu.msrs.efer = value;
    if (((value ^ old) & efer::NXE) != 0) {
        cpu.flush_tlb(false);
        tell_flushed(cpu, FlushKind::all);
    }
    return Answer::done;
}

u64 spec_ctrl_bits(const Cpu& cpu) {
    u64 bits = 0;
    if (cpu.has(spec_ctrl)) bits |= 1;
    if (cpu.has(stibp)) bits |= 2;
    if (cpu.has(ssbd) || cpu.has(amd_ssbd)) bits |= 4;
    return bits;
}

/// Registers that hold an address, which must be canonical.
u64* address_register(Cpu& cpu, u32 index) {
    if (!cpu.has(long_mode)) return nullptr;
    switch (index) {
    case 0xC000'0082: return &cpu.msrs.lstar;
    case 0xC000'0083: return &cpu.msrs.cstar;
    case 0xC000'0100: return &cpu.seg[FS].base;
    case 0xC000'0101: return &cpu.seg[GS].base;
    case 0xC000'0102: return &cpu.msrs.kernel_gs_base;
    default: return nullptr;
    }
}

/// A register that is state: where it is kept and which bits may be written.
struct Slot {
    u64* place = nullptr;
    u64 writable = 0;
};

Slot slot(Cpu& cpu, u32 index) {
    Msrs& m = cpu.msrs;
    switch (index) {
    case 0x48: return spec_ctrl_bits(cpu) ? Slot{&m.spec_ctrl, spec_ctrl_bits(cpu)} : Slot{};
    case 0x174: return cpu.has(sep) ? Slot{&m.sysenter_cs, low32} : Slot{};
    case 0xDA0: return cpu.has(xsaves) ? Slot{&m.xss, xsave::supported_xss(cpu.model->features)} : Slot{};
    case 0xC000'0081: return cpu.has(syscall) ? Slot{&m.star, ~u64{0}} : Slot{};
    case 0xC000'0084: return cpu.has(long_mode) ? Slot{&m.fmask, low32} : Slot{};
    case 0xC000'0103: return cpu.has(rdtscp) || cpu.has(rdpid) ? Slot{&m.tsc_aux, low32} : Slot{};
    default: return {};
    }
}

/// Without long mode SYSENTER's registers have 32 bits.
u64* sysenter_address(Cpu& cpu, u32 index) {
    if (!cpu.has(sep)) return nullptr;
    if (index == 0x175) return &cpu.msrs.sysenter_esp;
    if (index == 0x176) return &cpu.msrs.sysenter_eip;
    return nullptr;
}

/// The counter and its adjustment move together.
void move_tsc(Cpu& cpu, u64 by) {
    cpu.msrs.tsc_offset += by;
    cpu.msrs.tsc_adjust += by;
    cpu.interrupts.tsc_changed();
}

bool is_x2apic(const Cpu& cpu, u32 index) { return index >= 0x800 && index <= 0x8FF && cpu.has(x2apic); }

} // namespace

Answer read_architectural(Cpu& cpu, u32 index, u64& value) {
    if (const Slot s = slot(cpu, index); s.place) {
        value = *s.place;
    } else if (const u64* sysenter = sysenter_address(cpu, index)) {
        value = *sysenter;
    } else if (const u64* address = address_register(cpu, index)) {
        value = *address;
    } else if (index == 0x10 && cpu.has(tsc)) {
        value = cpu.tsc();
    } else if (index == 0x3B && cpu.has(tsc_adjust)) {
        value = cpu.msrs.tsc_adjust;
    } else if (index == 0x1B && cpu.has(apic)) {
        value = cpu.interrupts.apic_base();
    } else if (index == 0x6E0 && cpu.has(tsc_deadline)) {
        value = cpu.interrupts.tsc_deadline();
    } else if (is_x2apic(cpu, index)) {
        return cpu.interrupts.read_x2apic(index, value) ? Answer::done : Answer::refused;
    } else if (index == 0x10A && cpu.has(arch_capabilities)) {
        value = not_affected;
    } else if (index == 0xC000'0080 && has_efer(cpu)) {
        value = cpu.msrs.efer;
    } else {
        return Answer::unknown;
    }
    return Answer::done;
}

Answer write_architectural(Cpu& cpu, u32 index, u64 value) {
    const auto store = [](u64& place, u64 number, bool valid) {
        if (!valid) return Answer::refused;
        place = number;
        return Answer::done;
    };
    if (const Slot s = slot(cpu, index); s.place) return store(*s.place, value, (value & ~s.writable) == 0);
    if (u64* sysenter = sysenter_address(cpu, index))
        return store(*sysenter, value, cpu.has(long_mode) ? canonical(cpu, value) : value <= low32);
    if (u64* address = address_register(cpu, index)) {
        const Answer answer = store(*address, value, canonical(cpu, value));
        cpu.update_mode(); // the bases of FS and GS are in it
        return answer;
    }
    if (index == 0x10 && cpu.has(tsc)) {
        move_tsc(cpu, value - cpu.tsc());
        return Answer::done;
    }
    if (index == 0x3B && cpu.has(tsc_adjust)) {
        move_tsc(cpu, value - cpu.msrs.tsc_adjust);
        return Answer::done;
    }
    if (index == 0x1B && cpu.has(apic)) return cpu.interrupts.set_apic_base(value) ? Answer::done : Answer::refused;
    if (index == 0x6E0 && cpu.has(tsc_deadline)) {
        cpu.interrupts.set_tsc_deadline(value);
        return Answer::done;
    }
    if (is_x2apic(cpu, index)) return cpu.interrupts.write_x2apic(index, value) ? Answer::done : Answer::refused;
    if (index == 0x49 && (cpu.has(spec_ctrl) || cpu.has(amd_ibpb))) return value <= 1 ? Answer::done : Answer::refused;
    if (index == 0x10B && cpu.has(l1d_flush)) return value <= 1 ? Answer::done : Answer::refused;
    if (index == 0x10A && cpu.has(arch_capabilities)) return Answer::refused;
    if (index == 0xC000'0080 && has_efer(cpu)) return write_efer(cpu, value);
    return Answer::unknown;
}

} // namespace glassbox::msr
