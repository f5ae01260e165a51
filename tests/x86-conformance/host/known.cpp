#include "tests/x86-conformance/host/known_helpers.hpp"

#include <algorithm>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace glassbox::conformance::host {

namespace {

void x87_pointers_on_exception(Situation& s) {
    if (!(status_of(s.host) & 0x80)) s.x87_ip = s.x87_dp = s.x87_opcode = false;
}
void x87_opcode_on_exception(Situation& s) {
    if (!(status_of(s.host) & 0x80)) s.x87_dp = s.x87_opcode = false;
}
void rf_of_fetch_limit(Situation& s) {
    const u16 cs = s.host.after.seg[CS];
    if (s.host.vector != gp || s.ours.vector != gp || s.host.after.rip != s.ours.after.rip || !(cs & 4)) return;
    const bool first = s.host.after.rip == s.in.before.rip;
    const u64 last = s.host.after.rip + (first ? s.in.code_size : 1u) - 1;
    if (cs >> 3 < static_cast<int>(ldt.size()) && last > ldt[cs >> 3].limit)
        s.ours.after.eflags = (s.ours.after.eflags & ~eflags::RF) | (s.host.after.eflags & eflags::RF);
}
void rf_of_string_step(Situation& s) {
    if (s.host.vector == db && s.ours.vector == db && (s.row.attributes & attr::string) &&
        s.host.after.rip == s.in.before.rip)
        s.ours.after.eflags &= ~eflags::RF, s.host.after.eflags &= ~eflags::RF;
}
void alignment_before_stack_limit(Situation& s) {
    const unsigned size = is_xsave_image(s) ? 64 : is_wide_image(s) ? 16 : vector_operand_size(s);
    const u64 low = operand_linear(s) & (size - 1);
    if (wants_alignment(s) && s.host.vector == gp && s.ours.vector == ss && low != 0) take_exception(s);
}
void alignment_check_before_page_fault(Situation& s) {
    const u64 linear = named(s, "pop") ? stack_top(s.in) : operand_linear(s);
    const bool both = s.host.vector == ac && s.ours.vector == pf && s.ours.after.rip == s.in.before.rip;
    if (both && (linear & 15) != 0 && (s.in.before.eflags & eflags::AC)) take_exception(s);
}
/// Intel's processors check the two halves.
void alignment_check_of_16_bytes(Situation& s) {
    const unsigned size = vector_operand_size(s);
    if (size < 16 || s.host.vector != ac || s.ours.vector == ac || (operand_linear(s) & (size - 1)) == 0) return;
    take_exception(s);
    s.ours.after = s.in.before;
    s.ours.after.eflags = s.host.after.eflags;
    take_memory(s);
}
void limit_after_branch(Situation& s) {
    const u16 cs = s.in.before.seg[CS];
    if (!(s.row.attributes & attr::branch) || !(cs & 4) || !s.insn) return;
    if (s.host.vector != gp || s.host.after.rip != s.in.before.rip) return;
    if (s.in.before.rip + s.insn->length > ldt[cs >> 3].limit) {
        take_exception(s);
        s.ours.after.gpr = s.host.after.gpr;
        take_memory(s);
    }
}
void arpl_checks_when_writing(Situation& s) {
    if (!named(s, "arpl") || s.ours.vector != gp || s.ours.after.rip != s.in.before.rip) return;
    take_exception(s);
    s.ours.after.gpr = s.host.after.gpr;
    s.ours.after.eflags = s.host.after.eflags;
    take_memory(s);
}
void push_segment_upper_half(Situation& s) {
    const bool pushes = named(s, "push") && s.row.args[0] >= Arg::ES && s.row.args[0] <= Arg::GS;
    if (pushes && s.completed && s.insn && s.insn->opsize == 4) {
        const u32 mask = wide_stack(s.in) ? ~u32{0} : 0xFFFF;
        const u64 at = segment_base(s.in, SS) + ((s.in.before.gpr[RSP] - 4) & mask);
        ignore_memory(s, at + 2, 2);
    }
}
/// The host moves all 32 bits, the model 16: the upper half may fault.
void segment_stack_width(Situation& s) {
    if (!named(s, "push", "pop") || s.row.args[0] < Arg::ES || s.row.args[0] > Arg::GS || !s.insn) return;
    const u32 width = s.insn->opsize;
    if (width == 2 || s.host.after.rip != s.in.before.rip || s.host.vector == db) return;
    const bool near = s.host.vector != pf || within(s.host.cr2, stack_at_distance(s.in, 0 - u64{width}), 2 * width);
    const bool memory_fault = s.host.vector == pf || s.host.vector == ac || s.host.vector == ss;
    const bool same = s.ours.vector == s.host.vector && s.ours.after.rip == s.host.after.rip;
    if (!near || !memory_fault || same) return;
    take_exception(s);
    s.ours.after.gpr = s.host.after.gpr;
    s.ours.after.seg = s.host.after.seg;
    s.ours.after.fs_base = s.host.after.fs_base;
    s.ours.after.gs_base = s.host.after.gs_base;
    ignore_memory(s, stack_at_distance(s.in, 0 - u64{width}), width);
}
void mxcsr_mask(Situation& s) {
    if (is_wide_image(s) && !named(s, "fxrstor", "fxrstor64", "xrstor", "xrstor64") && s.completed)
        ignore_memory(s, operand_linear(s) + 28, 4);
}
void stack_written_before_fault(Situation& s) {
    if (!named(s, "call", "enter", "pusha") || !faulted(s)) return;
    const u32 most = (s.in.before.code64() ? 8 : 4) * 34;
    ignore_memory(s, stack_top(s.in) - most, most);
    if (!wide_stack(s.in)) ignore_memory(s, segment_base(s.in, SS) + 0x1'0000 - most, most);
    const bool pushed_first =
        s.ours.vector == gp && (s.host.vector == pf || s.host.vector == ss || s.host.vector == ac);
    if (named(s, "call") && pushed_first &&
        (s.host.vector != pf || within(s.host.cr2, stack_at_distance(s.in, 0 - u64{8}), 8)))
        take_exception(s);
}
void popa_partly_done(Situation& s) {
    if (!named(s, "popa") || !faulted(s) || s.host.vector != s.ours.vector) return;
    for (const unsigned i : {RDI, RSI, RBP, RBX, RDX, RCX, RAX}) s.ours.after.gpr[i] = s.host.after.gpr[i];
    if (s.host.vector == pf && within(s.host.cr2, stack_top(s.in), 32)) take_exception(s);
}
void take_mmx_state(Situation& s) {
    constexpr u16 top = 0x3800;
    u16 status = status_of(s.ours);
    status = static_cast<u16>((status & ~top) | (status_of(s.host) & top));
    // TOP moves, and with it the order in which the registers are listed.
    std::memcpy(s.ours.after.fx.data() + fx_status, &status, 2);
    s.ours.after.fx[fx_tags] = s.host.after.fx[fx_tags];
    std::memcpy(s.ours.after.fx.data() + fx_registers, s.host.after.fx.data() + fx_registers, 8 * 16);
}
void mmx_entered_before_exception(Situation& s) {
    if (named(s, "cvtps2pi", "cvttps2pi", "cvtpd2pi", "cvttpd2pi", "cvtpi2ps", "cvtpi2pd") && faulted(s))
        take_mmx_state(s);
}
void mmx_kept_with_memory(Situation& s) {
    if (!named(s, "cvtpi2ps") || !s.insn || !s.insn->mem) return;
    take_mmx_state(s);
    if (s.ours.vector != mf || s.host.vector == mf) return;
    take_exception(s); // no transition, no #MF
    s.ours.after.fx = s.host.after.fx;
}
void masked_store_faults(Situation& s) {
    if (!named(s, "maskmovq", "maskmovdqu", "vmaskmovdqu") || !faulted(s)) return;
    take_mmx_state(s);
    if (s.host.vector == pf || s.host.vector == gp || s.host.vector == ac || s.host.vector == ss) {
        take_exception(s);
        take_memory(s); // some bytes may have been written
    }
}
void fcomi_c1(Situation& s) {
    if (!named(s, "fcomi", "fcomip", "fucomi", "fucomip")) return;
    s.ours.after.fx[fx_status + 1] =
        static_cast<u8>((s.ours.after.fx[fx_status + 1] & ~2) | (s.host.after.fx[fx_status + 1] & 2));
}
void loop_with_rep(Situation& s) {
    if (!named(s, "loope", "loopne") || !s.insn || !s.insn->rep) return;
    take_exception(s);
    s.ours.after.gpr = s.host.after.gpr;
}
void locked_cr(Situation& s) {
    if (named(s, "mov") && s.row.at.map == 1 && s.host.vector == gp && s.ours.vector == ud) take_exception(s);
}
/// 64-bit code is the same here and there.
bool is_kernel_selector(const Situation& s, u32 selector) {
    const u32 first = s.in.before.code64() ? long_code + 5u : first_kernel_selector;
    return (selector & 4) == 0 && (selector & 0xFFFC) >= first && (selector & 0xFFFC) <= gdt_limit;
}
/// Where the data holds such a selector by chance: no case chooses one.
void kernel_descriptors(Situation& s) {
    const bool looks = named(s, "lar", "lsl", "verr", "verw") && s.insn && s.insn->mem && s.completed;
    if (looks && is_kernel_selector(s, data_word(s.in, operand_linear(s)))) {
        s.ours.after = s.host.after;
        return;
    }
    const u32 selector = s.ours.error & 0xFFFC;
    const bool loads = named(s, "mov", "pop", "lds", "les", "lss", "lfs", "lgs", "jmp", "call", "retf", "iret");
    if (!loads || s.ours.vector != gp || !is_kernel_selector(s, selector)) return;
    take_exception(s);
    s.ours.after = s.host.after;
    take_memory(s);
}
void wrap_at_4g(Situation& s) {
    if (s.in.before.code64() || operand_offset(s) < 0xFFFF'FE00 || !faulted(s)) return;
    if ((s.host.vector == gp || s.host.vector == ss) && (s.ours.vector == pf || s.ours.vector == ac)) take_exception(s);
}
void int1_address(Situation& s) {
    if (named(s, "int1") && s.host.vector == db && s.ours.vector == db && s.host.after.rip == s.in.before.rip)
        take_exception(s);
}
void far_return_order(Situation& s) {
    if (!named(s, "retf", "iret") || !faulted(s) || !s.insn) return;
    constexpr int np = 11;
    if (!memory_fault(s.host.vector) || (!memory_fault(s.ours.vector) && s.ours.vector != np)) return;
    const u32 width = s.insn->opsize, words = named(s, "iret") ? 3 : 2, released = static_cast<u32>(s.insn->imm);
    bool frame = s.host.vector != pf;
    for (u32 i = 0; i < words + 2; ++i) { // the two behind are the outer stack's
        const u32 distance = i * width + (i < words ? 0 : released);
        frame = frame || within(s.host.cr2, stack_at_distance(s.in, distance), width);
    }
    if (frame) take_exception(s);
}
bool is_image(const Situation& s) {
    return named(s, "fnsave", "fnstenv", "frstor", "fldenv") || is_wide_image(s) || s.row.args[0] == Arg::Mt;
}
u32 image_size(const Situation& s) {
    if (s.row.args[0] == Arg::Mt) return 10;
    return is_xsave_image(s) ? 576 + 256 : is_wide_image(s) ? 512 : 108;
}
void image_order(Situation& s) {
    if (!is_image(s) || !faulted(s) || !memory_fault(s.ours.vector) || !memory_fault(s.host.vector)) return;
    if (s.host.vector == pf && !within(s.host.cr2, operand_linear(s), image_size(s))) return;
    take_exception(s);
    ignore_memory(s, operand_linear(s), image_size(s));
}
void image_wraps(Situation& s) {
    if (!is_image(s) || !s.insn || s.insn->addrsize != 2) return;
    const bool ours_faulted = memory_fault(s.ours.vector) && s.ours.after.rip == s.in.before.rip;
    const bool host_faulted = memory_fault(s.host.vector) && faulted(s);
    if (operand_offset(s) + image_size(s) <= 0x1'0000 || (!ours_faulted && !host_faulted)) return;
    take_exception(s);
    s.ours.after = s.host.after;
    take_memory(s);
}
void ud_without_modrm(Situation& s) {
    if (named(s, "ud0", "ud1") && s.host.vector == ud && (s.ours.vector == gp || s.ours.vector == pf))
        take_exception(s);
}

void sysret_in_legacy_mode(Situation& s) {
    if (named(s, "sysret") && !s.in.before.code64() && s.host.vector == gp && s.ours.vector == ud) take_exception(s);
}
void insert_of_64_bits(Situation& s) {
    if (!named(s, "vpextrd", "vpinsrd", "vpextrq", "vpinsrq") || s.in.before.code64() || !s.insn) return;
    if (!s.insn->rex_w() || s.host.vector != ud) return;
    take_exception(s);
    s.ours.after = s.host.after;
    take_memory(s);
}
void prefetch_of_register(Situation& s) {
    if (s.row.at.map == 1 && s.row.at.opcode == 0x0D && s.insn && !s.insn->mem && s.host.vector == ud)
        take_exception(s);
}

constexpr KnownDifference table[] = {
    {Vendor::amd, "the x87 pointers and opcode are kept only for unmasked exceptions",
     "AMD APM 2, 11.4.4: FXSAVE and XSAVE store them only when FSW.ES is set", x87_pointers_on_exception},
    {Vendor::intel, "the x87 opcode and, on most, the data pointer are kept only for unmasked exceptions",
     "SDM 1, 8.1.9.1 and 8.1.8 (CPUID.7:EBX bit 6)", x87_opcode_on_exception},
    {Vendor::amd, "RF is clear in the image that #GP pushes when the fetch is beyond the limit of CS",
     "seen on family 1Ah; SDM 3B 17.3.1.1 sets it for every fault, AMD APM 2, 3.1.6 does not say", rf_of_fetch_limit},
    {Vendor::amd, "RF is clear in the image that a single-step trap between iterations pushes",
     "seen on family 1Ah; SDM 3B 17.3.1.1 sets it, AMD APM 2, 3.1.6 does not say", rf_of_string_step},
    {Vendor::amd, "a misaligned vector operand beyond the limit of SS is #GP, not #SS",
     "AMD APM 2, table 8-9 leaves the order open", alignment_before_stack_limit},
    {Vendor::amd, "a misaligned vector operand under EFLAGS.AC is #AC before its page fault",
     "seen on family 1Ah; SDM 3A table 6-2 has the page fault first", alignment_check_before_page_fault},
    {Vendor::amd, "unaligned vector operands are #AC when not on 16 or 32 bytes, their size",
     "AMD APM 2, 8.2.18; SDM 3A 6.15 (17): on 8 bytes", alignment_check_of_16_bytes},
    {Vendor::amd, "a taken branch that ends at the limit of CS is sometimes #GP for what follows it",
     "seen on family 1Ah, not every time", limit_after_branch},
    {Vendor::amd, "ARPL asks for a writable segment only when it writes",
     "seen on family 1Ah; SDM 2A, ARPL: #GP always", arpl_checks_when_writing},
    {Vendor::amd, "PUSH of a segment register with 32 bits writes zeros above the selector",
     "SDM 2B, PUSH: some processors write 16 bits and leave the rest; AMD's write 32", push_segment_upper_half},
    {Vendor::amd, "PUSH and POP of a segment register with 32 or 64 bits can fault on the upper part",
     "SDM 2B, PUSH and POP: some processors move 16 bits; AMD's move all", segment_stack_width},
    {Vendor::amd, "MXCSR_MASK shows MXCSR.MM, which the model lacks", "AMD APM 1, 4.2.2", mxcsr_mask},
    {Vendor::amd, "CALL, ENTER and PUSHA have written below the stack pointer when they fault",
     "seen on family 1Ah; AMD APM 3 gives no order, SDM 2 checks the target first", stack_written_before_fault},
    {Vendor::amd, "POPA has loaded some registers when a later one faults",
     "seen on family 1Ah; the instruction restarts, so neither manual says", popa_partly_done},
    {Vendor::amd, "conversions to and from MMX have entered MMX state when they end in #XM or a memory fault",
     "seen on family 1Ah; SDM 2A has the transition with completion", mmx_entered_before_exception},
    {Vendor::amd, "CVTPI2PS with a memory operand is no MMX instruction: tags stay, nothing waits",
     "AMD APM 4, CVTPI2PS; SDM 2A has the transition for both forms", mmx_kept_with_memory},
    {Vendor::amd, "FCOMI and its kin leave C1 as it was", "AMD APM 5, FCOMI; SDM 2A clears it", fcomi_c1},
    {Vendor::amd, "F2 and F3 before LOOPE and LOOPNE change the condition",
     "seen on family 1Ah; SDM 2 has the prefixes reserved there", loop_with_rep},
    {Vendor::amd, "LOCK MOV to and from CR0 means CR8", "AMD APM 3, MOV CRn", locked_cr},
    {Vendor::other, "GDT entries 30h to 78h are those of the host's kernel", "Linux, arch/x86/include/asm/segment.h",
     kernel_descriptors},
    {Vendor::other, "an operand over the end of a segment of 4 GiB is #GP or wraps",
     "SDM 3A 5.3: implementation-specific", wrap_at_4g},
    {Vendor::other, "MASKMOVQ and MASKMOVDQU may fault on bytes that the mask leaves out",
     "SDM 2B, MASKMOVQ: implementation dependent", masked_store_faults},
    {Vendor::amd, "INT1 pushes its own address", "seen on family 1Ah under a hypervisor; SDM 2A, INT1: a trap",
     int1_address},
    {Vendor::amd,
     "RETF and IRET read the selector before the offset, and the outer stack before they check the selector",
     "AMD APM 3, RETF, gives no order", far_return_order},
    {Vendor::other, "which of several faults of an x87 image or 80-bit operand comes first",
     "SDM 1, 8.1.10 and 10.5 give the layout, not the order of the accesses", image_order},
    {Vendor::amd, "with 16-bit addresses each part of an x87 image or 80-bit operand wraps at 64 KiB by itself",
     "seen on family 1Ah; SDM 1, 8.1.10 does not say", image_wraps},
    {Vendor::amd, "SYSRET at level 3 is #GP outside 64-bit mode too", "AMD APM 3, SYSRET: #GP(0); SDM 2B: #UD",
     sysret_in_legacy_mode},
    {Vendor::amd, "VPEXTRD and VPINSRD with VEX.W are #UD outside 64-bit mode",
     "AMD APM 4, VPEXTRQ: W1 in 64-bit mode only; Intel ignores W there", insert_of_64_bits},
    {Vendor::amd, "0F 0D with a register is #UD", "AMD APM 3, PREFETCHW: memory only; Intel has NOPs there",
     prefetch_of_register},
    {Vendor::amd, "UD0 and UD1 are #UD without a look at ModRM", "SDM 2B, UD: some processors take no ModRM",
     ud_without_modrm},
};

} // namespace

std::vector<KnownDifference> known_differences() {
    std::vector<KnownDifference> all(std::begin(table), std::end(table));
    const auto more = known_in_long_mode();
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

void settle(Vendor vendor, Situation& s) {
    for (const auto& list : {std::span<const KnownDifference>(table), known_in_long_mode()}) {
        for (const KnownDifference& known : list) {
            if (known.vendor == vendor || known.vendor == Vendor::other) known.settle(s);
        }
    }
}

#if defined(__x86_64__)
Vendor host_vendor() {
    u32 a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(0, &a, &b, &c, &d)) return Vendor::other;
    return b == 0x756E'6547 ? Vendor::intel : b == 0x6874'7541 || b == 0x6F67'7948 ? Vendor::amd : Vendor::other;
}
#else
Vendor host_vendor() { return Vendor::other; }
#endif

} // namespace glassbox::conformance::host
