// Control registers and what belongs to them: MOV CRn, LMSW, SMSW, CLTS, INVLPG, INVD, WBINVD, HLT (SDM 3A 2.5, 4.10.4;
// SDM 2). Caches are not modelled, so INVD and WBINVD only check privilege.
#include "cpu/system/control.hpp"

#include "mmu/access.hpp"

namespace glassbox {

namespace {

bool level_0(Cpu& cpu, const char* why) { return cpu.cpl == 0 || cpu.gp(0, why); }

u32 cr0_bits(const Cpu& cpu) {
    constexpr u64 i386 = cr0::PE | cr0::MP | cr0::EM | cr0::TS | cr0::PG;
    constexpr u64 i486 = cr0::NE | cr0::WP | cr0::AM | cr0::NW | cr0::CD;
    if (!cpu.has(Feature::i386)) return static_cast<u32>(i386 & ~cr0::PG);
    return static_cast<u32>(cpu.has(Feature::i486) ? i386 | i486 : i386);
}

/// Real and protected mode read the same hidden registers differently.
void refresh_segments(Cpu& cpu) {
    const bool real = !cpu.protected_mode();
    for (Segment& s : cpu.seg) s.update(real);
}

} // namespace

bool read_pdptes(Cpu& cpu, u32 cr3, std::array<u64, 4>& out) {
    constexpr u64 reserved = 0xFFFF'FFF0'0000'01E6; // above 36 address bits, and bits 1, 2, 5-8
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

bool write_cr0(Cpu& cpu, u32 value) {
    const u64 next = (value & cr0_bits(cpu)) | (cpu.has(Feature::i386) ? cr0::ET : 0);
    if ((next & (cr0::PG | cr0::PE)) == cr0::PG) return cpu.gp(0, "CR0.PG without CR0.PE");
    if ((next & (cr0::NW | cr0::CD)) == cr0::NW) return cpu.gp(0, "CR0.NW without CR0.CD");
    const u64 changed = next ^ cpu.cr0;
    // What loads the page-directory pointers: SDM 3A 4.4.1.
    if ((changed & (cr0::PG | cr0::CD | cr0::NW)) != 0 && (next & cr0::PG) != 0 && (cpu.cr4 & cr4::PAE) != 0 &&
        !read_pdptes(cpu, static_cast<u32>(cpu.cr3), cpu.pdpte))
        return false;
    cpu.cr0 = next;
    if ((changed & cr0::PE) != 0) refresh_segments(cpu);
    if ((changed & (cr0::PG | cr0::PE | cr0::WP)) != 0) cpu.flush_tlb(false);
    cpu.update_mode();
    return true;
}

bool write_cr3(Cpu& cpu, u32 value) {
    if (cpu.paging() && (cpu.cr4 & cr4::PAE) != 0 && !read_pdptes(cpu, value, cpu.pdpte)) return false;
    cpu.cr3 = value;
    cpu.flush_tlb(true);
    return true;
}

bool write_cr4(Cpu& cpu, u32 value) {
    if ((value & ~cpu.model->cr4_bits) != 0) return cpu.gp(0, "reserved bit of CR4");
    const u64 changed = cpu.cr4 ^ value;
    constexpr u64 paging_bits = cr4::PSE | cr4::PAE | cr4::PGE;
    if (cpu.paging() && (value & cr4::PAE) != 0 && (changed & paging_bits) != 0 &&
        !read_pdptes(cpu, static_cast<u32>(cpu.cr3), cpu.pdpte))
        return false;
    cpu.cr4 = value;
    if ((changed & paging_bits) != 0) cpu.flush_tlb(false);
    if ((changed & cr4::DE) != 0) cpu.debug_registers_changed();
    cpu.update_mode();
    return true;
}

namespace control {

namespace {
bool has_cr(const Cpu& cpu, unsigned n) { return n == 0 || n == 2 || n == 3 || (n == 4 && cpu.model->cr4_bits != 0); }
} // namespace

bool mov_from_cr(Cpu& cpu, const Op& op) {
    if (!has_cr(cpu, op.reg)) return cpu.ud("no such control register");
    if (!level_0(cpu, "MOV from CR outside level 0")) return false;
    const u64 value = op.reg == 0 ? cpu.cr0 : op.reg == 2 ? cpu.cr2 : op.reg == 3 ? cpu.cr3 : cpu.cr4;
    cpu.set_reg<u32>(op.base, static_cast<u32>(value));
    return true;
}

bool mov_to_cr(Cpu& cpu, const Op& op) {
    if (!has_cr(cpu, op.reg)) return cpu.ud("no such control register");
    if (!level_0(cpu, "MOV to CR outside level 0")) return false;
    const u32 value = cpu.reg<u32>(op.base);
    switch (op.reg) {
    case 0: return write_cr0(cpu, value);
    case 3: return write_cr3(cpu, value);
    case 4: return write_cr4(cpu, value);
    default: cpu.cr2 = value; return true;
    }
}

namespace {
bool lmsw(Cpu& cpu, u16 value) {
    constexpr u32 bits = 0xF;
    const u32 kept_pe = static_cast<u32>(cpu.cr0 & cr0::PE); // LMSW cannot leave protected mode
    return write_cr0(cpu, (static_cast<u32>(cpu.cr0) & ~bits) | (value & bits) | kept_pe);
}
} // namespace

bool lmsw_register(Cpu& cpu, const Op& op) {
    return level_0(cpu, "LMSW outside level 0") && lmsw(cpu, cpu.reg<u16>(op.base));
}
bool lmsw_memory(Cpu& cpu, const Op& op) {
    u16 value = 0;
    return level_0(cpu, "LMSW outside level 0") && read_segment<u16>(cpu, op.seg, offset_of(cpu, op), value) &&
           lmsw(cpu, value);
}
namespace {
/// The undefined bits of the 80286's MSW read as ones.
u32 machine_status(const Cpu& cpu) { return static_cast<u32>(cpu.cr0) | (cpu.has(Feature::i386) ? 0u : 0xFFF0u); }
} // namespace
template <unsigned width> bool smsw_register(Cpu& cpu, const Op& op) {
    if constexpr (width == 2)
        cpu.set_reg<u16>(op.base, static_cast<u16>(machine_status(cpu)));
    else
        cpu.set_reg<u32>(op.base, machine_status(cpu));
    return true;
}
template bool smsw_register<2>(Cpu&, const Op&);
template bool smsw_register<4>(Cpu&, const Op&);
bool smsw_memory(Cpu& cpu, const Op& op) {
    return write_segment<u16>(cpu, op.seg, offset_of(cpu, op), static_cast<u16>(machine_status(cpu)));
}

bool clts(Cpu& cpu, const Op&) {
    if (!level_0(cpu, "CLTS outside level 0")) return false;
    cpu.cr0 &= ~cr0::TS;
    cpu.update_mode();
    return true;
}

bool invlpg(Cpu& cpu, const Op& op) {
    if (!level_0(cpu, "INVLPG outside level 0")) return false;
    cpu.flush_page(static_cast<u32>(cpu.seg[op.seg].base + offset_of(cpu, op)));
    return true;
}

bool cache_control(Cpu& cpu, const Op&) { return level_0(cpu, "INVD or WBINVD outside level 0"); }

bool hlt(Cpu& cpu, const Op&) {
    if (!level_0(cpu, "HLT outside level 0")) return false;
    cpu.halted = true;
    return true;
}

bool undefined(Cpu& cpu, const Op&) { return cpu.ud("undefined instruction"); }
bool nop(Cpu&, const Op&) { return true; }

} // namespace control
} // namespace glassbox
