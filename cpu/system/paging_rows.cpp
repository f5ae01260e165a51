// Instructions of paging's later extensions: CLAC and STAC (SMAP), RDPKRU and WRPKRU (protection keys), INVPCID
// (SDM 2; SDM 3A 4.6, 4.10.4.1). There are no translations of other PCIDs than the current one.
#include "cpu/exec.hpp"
#include "cpu/ops/families.hpp"
#include "cpu/system/control.hpp"
#include "cpu/system/msr.hpp"
#include "mmu/access.hpp"

namespace glassbox {

namespace control {

bool rdpkru(Cpu& cpu, const Op&) {
    if ((cpu.cr4 & cr4::PKE) == 0) return cpu.ud("RDPKRU without CR4.PKE");
    if (cpu.r32(RCX) != 0) return cpu.gp(0, "RDPKRU with ECX not zero");
    cpu.set_r32(RAX, cpu.pkru);
    cpu.set_r32(RDX, 0);
    return true;
}

bool wrpkru(Cpu& cpu, const Op&) {
    if ((cpu.cr4 & cr4::PKE) == 0) return cpu.ud("WRPKRU without CR4.PKE");
    if (cpu.r32(RCX) != 0 || cpu.r32(RDX) != 0) return cpu.gp(0, "WRPKRU with ECX or EDX not zero");
    write_pkru(cpu, cpu.r32(RAX));
    return true;
}

bool invpcid(Cpu& cpu, const Op& op) {
    enum Type : u64 { one_address = 0, one_context = 1, all_with_globals = 2, all_contexts = 3 };
    if (cpu.cpl != 0) return cpu.gp(0, "INVPCID outside level 0");
    const u64 offset = effective_offset(cpu, op);
    u64 pcid = 0, linear = 0;
    if (!read_segment<u64>(cpu, op.seg, offset, pcid) ||
        !read_segment<u64>(cpu, op.seg, offset_after(cpu, op, offset, 8), linear))
        return false;
    const u64 type = cpu.code64() ? cpu.gpr[op.reg] : cpu.r32(static_cast<Gpr>(op.reg));
    if (type > all_contexts) return cpu.gp(0, "INVPCID of an unknown type");
    if ((pcid >> 12) != 0) return cpu.gp(0, "reserved bits of the INVPCID descriptor");
    const bool pcids = (cpu.cr4 & cr4::PCIDE) != 0;
    if (type <= one_context && !pcids && pcid != 0) return cpu.gp(0, "INVPCID of a PCID without CR4.PCIDE");
    if (type == one_address && !msr::canonical(cpu, linear))
        return cpu.gp(0, "INVPCID of an address that is not canonical");
    const bool current = pcid == (pcids ? cpu.cr3 & 0xFFF : 0);
    switch (type) {
    case one_address:
        if (current && cpu.canonical(linear)) cpu.flush_page(linear);
        tell_flushed(cpu, FlushKind::page, linear);
        break;
    case one_context:
        if (current) cpu.flush_tlb(true);
        tell_flushed(cpu, FlushKind::pcid, pcid);
        break;
    case all_with_globals:
        cpu.flush_tlb(false);
        tell_flushed(cpu, FlushKind::all);
        break;
    default:
        cpu.flush_tlb(true);
        tell_flushed(cpu, FlushKind::all_but_global);
        break;
    }
    return true;
}

} // namespace control

namespace families {

namespace {

using namespace control;
using enum Arg;
using enum Feature;

constexpr OpInfo clac_info{"clac"}, stac_info{"stac"}, rdpkru_info{"rdpkru"}, wrpkru_info{"wrpkru"},
    invpcid_info{"invpcid"};

/// Kernels bracket every access to user memory with the two, so they cost no more than they must.
template <bool value> struct SetAc {
    static bool run(Cpu& cpu, const Op&, Flags&) {
        if (cpu.cpl != 0) return cpu.ud("CLAC or STAC outside level 0");
        cpu.eflags = value ? cpu.eflags | eflags::AC : cpu.eflags & ~eflags::AC;
        cpu.update_tlb_class();
        return true;
    }
};
template <bool value> Handler select_ac(const Insn&, Op&) { return &handler<SetAc<value>>; }

constexpr Row rows[] = {
    {at(0x0F01).digit(1).rm(2).np(), {}, &clac_info, &select_ac<false>, attr::may_fault, smap},
    {at(0x0F01).digit(1).rm(3).np(), {}, &stac_info, &select_ac<true>, attr::may_fault, smap},
    cold_row<control::rdpkru>(rdpkru_info, at(0x0F01).digit(5).rm(6).np(), {}, 0, pku),
    cold_row<control::wrpkru>(wrpkru_info, at(0x0F01).digit(5).rm(7).np(), {}, 0, pku),
    cold_end_row<control::invpcid>(invpcid_info, at(0x0F3882).p66().mem(), {Gn, Mdq},
                                   attr::force64 | attr::opsize_fixed, Feature::invpcid),
};

} // namespace

std::span<const Row> paging() { return rows; }

} // namespace families
} // namespace glassbox
