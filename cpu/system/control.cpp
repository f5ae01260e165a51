// Control registers and what belongs to them: MOV CRn, LMSW, SMSW, CLTS, INVLPG, INVD, WBINVD, HLT (SDM 3A 2.5, 4.10.4;
// SDM 2), and with CR0.PG the way into long mode and out of it (SDM 3A 9.8.5). Caches are not modelled, so INVD and
// WBINVD only check privilege, and CR0.CD and CR3's PWT and PCD are stored and nothing else.
#include "cpu/system/control.hpp"

#include "mmu/access.hpp"

namespace glassbox {

namespace {

bool level_0(Cpu& cpu, const char* why) { return cpu.cpl == 0 || cpu.gp(0, why); }

u64 control_register(const Cpu& cpu, unsigned n) {
    switch (n) {
    case 0: return cpu.cr0;
    case 2: return cpu.cr2;
    case 3: return cpu.cr3;
    case 4: return cpu.cr4;
    default: return cpu.interrupts.task_priority() >> 4;
    }
}

u64 cr0_bits(const Cpu& cpu) {
    constexpr u64 i386 = cr0::PE | cr0::MP | cr0::EM | cr0::TS | cr0::PG;
    constexpr u64 i486 = cr0::NE | cr0::WP | cr0::AM | cr0::NW | cr0::CD;
    if (!cpu.has(Feature::i386)) return i386 & ~cr0::PG;
    return cpu.has(Feature::i486) ? i386 | i486 : i386;
}

/// Real and protected mode read the same hidden registers differently.
void refresh_segments(Cpu& cpu) {
    const bool real = !cpu.protected_mode();
    for (Segment& s : cpu.seg) s.update(real);
}

bool has_286_tss(const Cpu& cpu) { return (cpu.tr.type() & ~2u) == 1; }

/// What turning paging on or off asks for (SDM 3A 9.8.5, and SDM 2B, MOV to and from control registers).
bool check_paging_change(Cpu& cpu, bool on) {
    if (!on) {
        if ((cpu.cr4 & cr4::PCIDE) != 0) return cpu.gp(0, "paging turned off with CR4.PCIDE");
        if (cpu.code64()) return cpu.gp(0, "paging turned off in 64-bit mode");
        return true;
    }
    if ((cpu.msrs.efer & efer::LME) == 0) return true;
    if ((cpu.cr4 & cr4::PAE) == 0) return cpu.gp(0, "long mode without CR4.PAE");
    if ((cpu.seg[CS].access & Segment::L) != 0) return cpu.gp(0, "long mode activated with CS.L set");
    if (has_286_tss(cpu)) return cpu.gp(0, "long mode activated with a 16-bit TSS");
    return true;
}

/// Whether the value of CR0 makes PAE's page-directory pointers count.
bool uses_pdptes(const Cpu& cpu, u64 next_cr0, u64 next_cr4) {
    return (next_cr0 & cr0::PG) != 0 && (next_cr4 & cr4::PAE) != 0 && (cpu.msrs.efer & efer::LME) == 0;
}

} // namespace

void tell_control(Cpu& cpu, ControlKind kind, u32 number, u64 before, u64 value) {
    if (cpu.probe) [[unlikely]]
        cpu.probe->control_written(cpu, kind, number, before, value);
}
void tell_flushed(Cpu& cpu, FlushKind kind, u64 linear) {
    if (cpu.probe) [[unlikely]]
        cpu.probe->flushed(cpu, kind, linear);
}

bool read_pdptes(Cpu& cpu, u64 cr3, std::array<u64, 4>& out) {
    const u64 reserved = 0x1E6 | ~((u64{1} << cpu.model->physical_bits) - 1); // bits 1, 2, 5-8 and what is no address
    std::array<u64, 4> entries{};
    const u64 table = cr3 & 0xFFFF'FFE0;
    for (unsigned i = 0; i < 4; ++i) {
        entries[i] = cpu.memory.read(PhysAddress((table + 8 * i) & cpu.memory.a20_mask()), 8);
        if ((entries[i] & 1) != 0 && (entries[i] & reserved) != 0)
            return cpu.gp(0, "reserved bit in a page-directory pointer");
    }
    out = entries;
    return true;
}

bool write_cr0(Cpu& cpu, u64 value) {
    if ((value >> 32) != 0) return cpu.gp(0, "reserved bit of CR0");
    const u64 next = (value & cr0_bits(cpu)) | (cpu.has(Feature::i386) ? cr0::ET : 0);
    if ((next & (cr0::PG | cr0::PE)) == cr0::PG) return cpu.gp(0, "CR0.PG without CR0.PE");
    if ((next & (cr0::NW | cr0::CD)) == cr0::NW) return cpu.gp(0, "CR0.NW without CR0.CD");
    const u64 changed = next ^ cpu.cr0;
    const bool paging = (next & cr0::PG) != 0;
    if ((changed & cr0::PG) != 0 && !check_paging_change(cpu, paging)) return false;
    // What loads the page-directory pointers: SDM 3A 4.4.1.
    if ((changed & (cr0::PG | cr0::CD | cr0::NW)) != 0 && uses_pdptes(cpu, next, cpu.cr4) &&
        !read_pdptes(cpu, cpu.cr3, cpu.pdpte))
        return false;
    cpu.cr0 = next;
    const bool long_mode = paging && (cpu.msrs.efer & efer::LME) != 0;
    cpu.msrs.efer = long_mode ? cpu.msrs.efer | efer::LMA : cpu.msrs.efer & ~efer::LMA;
    if ((changed & cr0::PE) != 0) refresh_segments(cpu);
    if ((changed & (cr0::PG | cr0::PE | cr0::WP)) != 0) {
        cpu.flush_tlb(false);
        tell_flushed(cpu, FlushKind::all);
    }
    cpu.update_mode();
    return true;
}

bool write_cr3(Cpu& cpu, u64 value) {
    constexpr u64 keep_translations = u64{1}
                                      << 63; // with PCIDs: to drop them all the same is allowed (SDM 3A 4.10.4.1)
    if ((cpu.cr4 & cr4::PCIDE) != 0) value &= ~keep_translations;
    if ((value >> 32) != 0 && (value >> cpu.model->physical_bits) != 0) return cpu.gp(0, "reserved bit of CR3");
    if (uses_pdptes(cpu, cpu.cr0, cpu.cr4) && !read_pdptes(cpu, value, cpu.pdpte)) return false;
    cpu.cr3 = value;
    cpu.flush_tlb(true);
    tell_flushed(cpu, FlushKind::all_but_global);
    return true;
}

u64 cr4_of(const FeatureSet& features) {
    struct Bit {
        Feature feature;
        u64 bits;
    };
    using enum Feature;
    static constexpr Bit table[] = {
        {vme, cr4::VME | cr4::PVI},
        {tsc, cr4::TSD},
        {de, cr4::DE},
        {pse, cr4::PSE},
        {pae, cr4::PAE},
        {mce, cr4::MCE},
        {pge, cr4::PGE},
        {rdpmc, cr4::PCE},
        {fxsr, cr4::OSFXSR},
        {sse, cr4::OSXMMEXCPT},
        {umip, cr4::UMIP},
        {la57, cr4::LA57},
        {fsgsbase, cr4::FSGSBASE},
        {pcid, cr4::PCIDE},
        {xsave, cr4::OSXSAVE},
        {smep, cr4::SMEP},
        {smap, cr4::SMAP},
        {pku, cr4::PKE},
    };
    u64 sum = 0;
    for (const Bit& b : table) sum |= features.has(b.feature) ? b.bits : 0;
    return sum;
}

namespace {
/// What long mode and PCIDs ask of CR4 (SDM 2B, MOV to and from control registers).
bool check_cr4(Cpu& cpu, u64 value) {
    if ((value & ~cr4_of(cpu.model->features)) != 0) return cpu.gp(0, "reserved bit of CR4");
    const u64 changed = cpu.cr4 ^ value;
    if (cpu.long_mode() && (value & cr4::PAE) == 0) return cpu.gp(0, "CR4.PAE cleared in long mode");
    if (cpu.long_mode() && (changed & cr4::LA57) != 0) return cpu.gp(0, "CR4.LA57 changed in long mode");
    if ((changed & value & cr4::PCIDE) != 0 && (!cpu.long_mode() || (cpu.cr3 & 0xFFF) != 0))
        return cpu.gp(0, "CR4.PCIDE set outside long mode, or with a PCID in CR3");
    return true;
}
} // namespace

bool write_cr4(Cpu& cpu, u64 value) {
    if (!check_cr4(cpu, value)) return false;
    const u64 changed = cpu.cr4 ^ value;
    constexpr u64 pdpte_bits = cr4::PSE | cr4::PAE | cr4::PGE | cr4::SMEP;
    if ((changed & pdpte_bits) != 0 && uses_pdptes(cpu, cpu.cr0, value) && !read_pdptes(cpu, cpu.cr3, cpu.pdpte))
        return false;
    cpu.cr4 = value;
    constexpr u64 paging_bits = pdpte_bits | cr4::PCIDE | cr4::SMAP | cr4::PKE | cr4::LA57;
    if ((changed & paging_bits) != 0) {
        cpu.flush_tlb(false);
        tell_flushed(cpu, FlushKind::all);
    }
    if ((changed & cr4::DE) != 0) cpu.debug_registers_changed();
    cpu.update_mode();
    return true;
}

namespace control {

namespace {
bool has_cr(const Cpu& cpu, unsigned n) {
    switch (n) {
    case 0:
    case 2:
    case 3: return true;
    case 4: return cr4_of(cpu.model->features) != 0;
    case 8: return cpu.code64();
    default: return false;
    }
}

/// CR8 is the upper half of the task-priority register (SDM 3A 10.8.6.1).
bool write_cr8(Cpu& cpu, u64 value) {
    if ((value & ~u64{15}) != 0) return cpu.gp(0, "reserved bit of CR8");
    cpu.interrupts.set_task_priority(static_cast<u8>(value << 4));
    return true;
}
} // namespace

bool mov_from_cr(Cpu& cpu, const Op& op) {
    if (!has_cr(cpu, op.reg)) return cpu.ud("no such control register");
    if (!level_0(cpu, "MOV from CR outside level 0")) return false;
    const u64 value = control_register(cpu, op.reg);
    if (cpu.code64())
        cpu.set_reg<u64>(op.base, value);
    else
        cpu.set_reg<u32>(op.base, static_cast<u32>(value));
    return true;
}

namespace {
bool write_cr(Cpu& cpu, unsigned n, u64 value) {
    switch (n) {
    case 0: return write_cr0(cpu, value);
    case 3: return write_cr3(cpu, value);
    case 4: return write_cr4(cpu, value);
    case 8: return write_cr8(cpu, value);
    default: cpu.cr2 = value; return true;
    }
}
} // namespace

bool mov_to_cr(Cpu& cpu, const Op& op) {
    if (!has_cr(cpu, op.reg)) return cpu.ud("no such control register");
    if (!level_0(cpu, "MOV to CR outside level 0")) return false;
    const u64 before = control_register(cpu, op.reg);
    if (!write_cr(cpu, op.reg, cpu.code64() ? cpu.reg<u64>(op.base) : cpu.reg<u32>(op.base))) return false;
    tell_control(cpu, ControlKind::cr, op.reg, before, control_register(cpu, op.reg));
    return true;
}

namespace {
bool lmsw(Cpu& cpu, u16 value) {
    constexpr u64 bits = 0xF;
    const u64 before = cpu.cr0, kept_pe = before & cr0::PE; // LMSW cannot leave protected mode
    if (!write_cr0(cpu, (before & ~bits) | (value & bits) | kept_pe)) return false;
    tell_control(cpu, ControlKind::cr, 0, before, cpu.cr0);
    return true;
}
} // namespace

bool lmsw_register(Cpu& cpu, const Op& op) {
    return level_0(cpu, "LMSW outside level 0") && lmsw(cpu, cpu.reg<u16>(op.base));
}
bool lmsw_memory(Cpu& cpu, const Op& op) {
    u16 value = 0;
    return level_0(cpu, "LMSW outside level 0") && read_segment<u16>(cpu, op.seg, effective_offset(cpu, op), value) &&
           lmsw(cpu, value);
}
namespace {
/// User-mode instruction prevention (SDM 3A 2.5, CR4.UMIP).
bool may_read_status(Cpu& cpu) {
    return cpu.cpl == 0 || (cpu.cr4 & cr4::UMIP) == 0 || cpu.gp(0, "SMSW outside level 0 with CR4.UMIP");
}
/// The undefined bits of the 80286's MSW read as ones.
u64 machine_status(const Cpu& cpu) { return cpu.cr0 | (cpu.has(Feature::i386) ? 0u : 0xFFF0u); }
} // namespace
template <unsigned width> bool smsw_register(Cpu& cpu, const Op& op) {
    if (!may_read_status(cpu)) return false;
    if constexpr (width == 2)
        cpu.set_reg<u16>(op.base, static_cast<u16>(machine_status(cpu)));
    else if constexpr (width == 4)
        cpu.set_reg<u32>(op.base, static_cast<u32>(machine_status(cpu)));
    else
        cpu.set_reg<u64>(op.base, machine_status(cpu));
    return true;
}
template bool smsw_register<2>(Cpu&, const Op&);
template bool smsw_register<4>(Cpu&, const Op&);
template bool smsw_register<8>(Cpu&, const Op&);
bool smsw_memory(Cpu& cpu, const Op& op) {
    return may_read_status(cpu) &&
           write_segment<u16>(cpu, op.seg, effective_offset(cpu, op), static_cast<u16>(machine_status(cpu)));
}

bool clts(Cpu& cpu, const Op&) {
    if (!level_0(cpu, "CLTS outside level 0")) return false;
    const u64 before = cpu.cr0;
    cpu.cr0 &= ~cr0::TS;
    cpu.update_mode();
    tell_control(cpu, ControlKind::cr, 0, before, cpu.cr0);
    return true;
}

/// The operand is an address, not an access: no segment limit counts, and one that is not canonical drops nothing.
bool invlpg(Cpu& cpu, const Op& op) {
    if (!level_0(cpu, "INVLPG outside level 0")) return false;
    const u64 offset = effective_offset(cpu, op);
    const u64 linear = cpu.code64() ? cpu.base64[op.seg] + offset : static_cast<u32>(cpu.seg[op.seg].base + offset);
    if (cpu.code64() && !cpu.canonical(linear)) return true;
    cpu.flush_page(linear);
    tell_flushed(cpu, FlushKind::page, linear);
    return true;
}

bool cache_control(Cpu& cpu, const Op&) { return level_0(cpu, "INVD or WBINVD outside level 0"); }

bool hlt(Cpu& cpu, const Op&) {
    if (!level_0(cpu, "HLT outside level 0")) return false;
    cpu.halted = true;
    cpu.monitor.waiting = false;
    return true;
}

bool undefined(Cpu& cpu, const Op&) { return cpu.ud("undefined instruction"); }
bool nop(Cpu&, const Op&) { return true; }

} // namespace control
} // namespace glassbox
