// Known differences of 64-bit code and of VEX instructions.
#include "tests/x86-conformance/host/known_helpers.hpp"

namespace glassbox::conformance::host {

namespace {

constexpr u64 page_mask = page - 1;
/// The end of what programs may map: one page is left free below the canonical hole.
constexpr u64 task_end = canonical_end - page;
constexpr u32 fetch = 0x10;

bool canonical(u64 address) { return address < canonical_end || address >= kernel_start; }
bool has_prefix(const Situation& s, u8 prefix) {
    for (const u8 b : s.in.instruction().first(s.insn ? s.insn->length : 0u)) {
        if (b == prefix) return true;
        const bool rex = (b & 0xF0) == 0x40;
        const bool other = b == 0x26 || b == 0x2E || b == 0x36 || b == 0x3E || (b >= 0x64 && b <= 0x67) || b == 0xF0 ||
                           b == 0xF2 || b == 0xF3;
        if (!rex && !other) break;
    }
    return false;
}
/// What the host did instead goes beyond the instruction itself.
void take_all(Situation& s) {
    take_exception(s);
    s.ours.after = s.host.after;
    take_memory(s);
}

void protection_of_kernel_addresses(Situation& s) {
    constexpr u32 present = 1;
    if (s.host.vector == pf && s.ours.vector == pf && s.host.cr2 >= task_end)
        s.ours.error = (s.ours.error & ~present) | (s.host.error & present);
}
void near_branch_of_16_bits(Situation& s) {
    if (!s.in.before.code64() || !s.insn || s.insn->rex_w() || !has_prefix(s, 0x66)) return;
    const bool near = named(s, "call", "jmp", "ret") && (s.row.attributes & attr::force64);
    if ((s.row.attributes & attr::branch) || near) take_all(s);
}
void far_pointer_of_64_bits(Situation& s) {
    const bool pointer = s.row.args[0] == Arg::Mp || s.row.args[1] == Arg::Mp;
    if (s.in.before.code64() && pointer && s.insn && s.insn->opsize == 8) take_all(s);
}
void offset_not_canonical(Situation& s) {
    if (!s.in.before.code64() || !s.insn || s.insn->segment < FS) return;
    if (!memory_fault(s.host.vector) || s.host.vector == pf || s.ours.vector == s.host.vector) return;
    if (!canonical(operand_offset(s)) && canonical(operand_linear(s))) take_all(s);
}
/// Bytes that make no instruction, at the end of what is mapped.
void fetch_of_undefined(Situation& s) {
    if (s.ours.vector != ud || s.host.vector != pf || !(s.host.error & fetch)) return;
    if (within(s.host.cr2, s.in.before.rip, 16) && (s.host.cr2 & page_mask) == 0) take_exception(s);
}
void stack_pointer_in_compatibility_mode(Situation& s) {
    if (!s.in.before.code64() || s.host.after.seg[CS] == long_code || !named(s, "retf", "iret")) return;
    if (static_cast<u32>(s.host.after.gpr[4]) == static_cast<u32>(s.ours.after.gpr[4]))
        s.ours.after.gpr[4] = s.host.after.gpr[4];
}
bool is_gather(const Situation& s) {
    const std::string_view name = s.row.info->mnemonic;
    return name.starts_with("vgather") || name.starts_with("vpgather");
}
void gather_stopped(Situation& s) {
    if (!is_gather(s) || !faulted(s) || !s.insn) return;
    const unsigned lane = s.insn->operand[1].width, mask = s.insn->vvvv;
    for (unsigned at = 0; at < 32; at += lane) {
        const auto byte = [&](Output& out) -> u8& {
            const unsigned last = at + lane - 1;
            return last < 16 ? out.after.fx[fx_xmm + 16 * mask + last] : out.after.ymm[16 * mask + last - 16];
        };
        if ((byte(s.host) ^ byte(s.ours)) & 0x80) continue;
        for (unsigned i = at; i < at + lane; ++i) {
            u8& ours = i < 16 ? s.ours.after.fx[fx_xmm + 16 * mask + i] : s.ours.after.ymm[16 * mask + i - 16];
            ours = i < 16 ? s.host.after.fx[fx_xmm + 16 * mask + i] : s.host.after.ymm[16 * mask + i - 16];
        }
    }
}
void vpermpd_ignores_w(Situation& s) {
    const auto code = s.in.instruction();
    for (std::size_t i = 0; i + 4 < code.size(); ++i) {
        const bool vpermpd = code[i] == 0xC4 && (code[i + 1] & 0x1F) == 3 && (code[i + 2] & 0x87) == 5;
        if (vpermpd && code[i + 3] == 0x01 && s.ours.vector == ud) take_all(s);
    }
}
void masked_store_address(Situation& s) {
    if (!named(s, "vmaskmovps", "vmaskmovpd", "vpmaskmovd", "vpmaskmovq")) return;
    if (s.host.vector != pf || s.ours.vector != pf || (s.host.cr2 & page_mask) != 0) return;
    if (s.ours.cr2 - s.host.cr2 < 32) s.ours.cr2 = s.host.cr2;
}
void sha_alignment(Situation& s) {
    if (s.row.feature == Feature::sha && s.host.vector == pf && s.ours.vector == gp && (operand_linear(s) & 15) != 0)
        take_exception(s);
}

constexpr KnownDifference table[] = {
    {Vendor::other, "page faults beyond the programs' part of the address space have the P bit set",
     "Linux, arch/x86/mm/fault.c, set_signal_archinfo: it hides the kernel's page tables",
     protection_of_kernel_addresses},
    {Vendor::amd, "66h makes a near branch of 64-bit code one of 16 bits",
     "AMD APM 3, 1.2.7 and the near branches; SDM 2, JMP, Jcc, CALL, RET: the prefix is ignored",
     near_branch_of_16_bits},
    {Vendor::amd, "far pointers in memory have at most 32 bits of offset",
     "AMD APM 3, JMP (far), CALL (far), LSS: no m16:64; SDM 2 has it with REX.W", far_pointer_of_64_bits},
    {Vendor::amd, "an offset that is not canonical faults even when the base of FS or GS makes the address canonical",
     "seen on family 1Ah; SDM 3A 6.15 speaks of the linear address", offset_not_canonical},
    {Vendor::other, "whether an undefined opcode is #UD before the bytes after it are fetched",
     "SDM 3A table 6-2 has code page faults first, and UD0 without a length", fetch_of_undefined},
    {Vendor::other, "RSP has undefined bits above 31 after a far return to compatibility mode",
     "SDM 1, 3.4.1.1: the upper halves are undefined outside 64-bit mode", stack_pointer_in_compatibility_mode},
    {Vendor::other, "of the mask of a gather that faults only the sign bits are defined",
     "SDM 2, VPGATHERDD: the other bits of the mask are not significant", gather_stopped},
    {Vendor::amd, "VPERMPD with an immediate does not look at VEX.W",
     "seen on family 1Ah; AMD APM 4, VPERMPD has W1 only", vpermpd_ignores_w},
    {Vendor::other, "where in its operand a masked store that crosses a page faults",
     "SDM 2, VMASKMOV, VPMASKMOV do not say", masked_store_address},
    {Vendor::amd, "a misaligned operand of the SHA instructions is a page fault before #GP",
     "seen on family 1Ah; AMD APM 2, table 8-9 leaves the order open", sha_alignment},
};

} // namespace

std::span<const KnownDifference> known_in_long_mode() { return table; }

} // namespace glassbox::conformance::host
