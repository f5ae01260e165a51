// Known differences of 64-bit code and of VEX instructions.
#include "tests/x86-conformance/host/known_helpers.hpp"

namespace glassbox::conformance::host {

namespace {

constexpr u64 page_mask = page - 1;
/// The end of what programs may map: one page is left free below the canonical hole.
constexpr u64 task_end = canonical_end - page;
constexpr u32 fetch = 0x10;

bool canonical(u64 address) { return address < canonical_end || address >= kernel_start; }
/// The prefixes of the instruction, whether or not what follows them is one.
struct Prefixes {
    bool opsize = false, rex_w = false;
    unsigned count = 0;
};
Prefixes prefixes_of(const Input& in) {
    Prefixes p;
    for (const u8 b : in.instruction()) {
        const bool rex = (b & 0xF0) == 0x40;
        const bool other = b == 0x26 || b == 0x2E || b == 0x36 || b == 0x3E || (b >= 0x64 && b <= 0x67) || b == 0xF0 ||
                           b == 0xF2 || b == 0xF3;
        if (!rex && !other) break;
        p.opsize = p.opsize || b == 0x66;
        p.rex_w = rex && (b & 8);
        ++p.count;
    }
    return p;
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
    const Prefixes p = prefixes_of(s.in);
    if (!s.in.before.code64() || !p.opsize || p.rex_w) return;
    const bool near = named(s, "call", "jmp", "ret") && (s.row.attributes & attr::force64);
    if ((s.row.attributes & attr::branch) || near) take_all(s);
}
void far_pointer_of_64_bits(Situation& s) {
    const bool pointer = s.row.args[0] == Arg::Mp || s.row.args[1] == Arg::Mp;
    if (s.in.before.code64() && pointer && s.insn && s.insn->opsize == 8) take_all(s);
}
/// Of strings too, and of the element that a bit string's number names.
u64 implied_or_operand_offset(const Situation& s) {
    const u64 mask = s.insn->addrsize == 4 ? 0xFFFF'FFFF : ~u64{0};
    if (s.row.attributes & attr::string) return s.in.before.gpr[RSI] & mask;
    if (named(s, "clzero")) return s.in.before.gpr[RAX] & mask;
    if (named(s, "xlatb")) return (s.in.before.gpr[RBX] + (s.in.before.gpr[RAX] & 0xFF)) & mask;
    const bool bit_string = named(s, "bt", "bts", "btr", "btc") && s.row.args[1] == Arg::Gv;
    if (!bit_string) return operand_offset(s);
    const u64 number = s.in.before.gpr[s.insn->reg_number()];
    const unsigned unused = 64 - 8u * s.insn->opsize;
    const u64 by = static_cast<u64>(static_cast<i64>(number << unused) >> unused >> 3) & ~u64{s.insn->opsize - 1u};
    return (operand_offset(s) + by) & mask;
}
void offset_not_canonical(Situation& s) {
    if (!s.in.before.code64() || !s.insn || s.insn->segment < FS) return;
    if ((s.host.vector != gp && s.host.vector != ss) || s.ours.vector == s.host.vector) return;
    const u64 first = implied_or_operand_offset(s), last = first + 63;
    const u64 base = segment_base(s.in, s.insn->segment);
    if ((!canonical(first) || !canonical(last)) && (canonical(base + first) || canonical(base + last))) take_all(s);
}
/// Bytes that make no instruction, at the end of what is mapped; or more than 15.
void fetch_of_undefined(Situation& s) {
    if (s.ours.vector != ud || s.host.after.rip != s.in.before.rip) return;
    const u64 code = windows[s.in.window].code + s.in.code_at;
    const bool beyond =
        s.host.vector == pf && (s.host.error & fetch) && (s.host.cr2 & page_mask) == 0 && within(s.host.cr2, code, 16);
    const u16 cs = s.in.before.seg[CS];
    const bool limited = s.host.vector == gp && (cs & 4) && s.in.before.rip + s.in.code_size > ldt[cs >> 3].limit;
    const bool too_long = s.host.vector == gp && s.in.code_size > 15;
    if (beyond || limited || too_long) take_exception(s);
}
void stack_pointer_in_compatibility_mode(Situation& s) {
    if (!s.in.before.code64() || s.host.after.seg[CS] == long_code) return;
    if (!named(s, "retf", "iret", "jmp", "call")) return;
    if (static_cast<u32>(s.host.after.gpr[RSP]) == static_cast<u32>(s.ours.after.gpr[RSP]))
        s.ours.after.gpr[RSP] = s.host.after.gpr[RSP];
}
void call_to_compatibility_mode(Situation& s) {
    if (!s.in.before.code64() || !named(s, "call") || s.row.args[0] != Arg::Mp || !s.insn) return;
    const bool compatibility = data_word(s.in, operand_linear(s) + s.insn->opsize) >> 3 != long_code >> 3;
    if (compatibility && stack_at_distance(s.in, 0 - u64{8}) >> 32 != 0) take_all(s);
}
bool is_masked_move(const Situation& s) { return named(s, "vmaskmovps", "vmaskmovpd", "vpmaskmovd", "vpmaskmovq"); }
bool is_gather(const Situation& s) {
    const std::string_view name = s.row.info->mnemonic;
    return name.starts_with("vgather") || name.starts_with("vpgather");
}
u8& vector_byte(Output& out, unsigned number, unsigned at) {
    return at < 16 ? out.after.fx[fx_xmm + 16 * number + at] : out.after.ymm[16 * number + at - 16];
}
/// Of the lanes that both sides have left to do, the sign bits are the same; what lies above them is as it was.
void gather_stopped(Situation& s) {
    if (!is_gather(s) || !faulted(s) || !s.insn) return;
    const unsigned lane = s.insn->operand[1].width, mask = s.insn->vvvv, to = s.insn->reg_number();
    const std::string_view name = s.row.info->mnemonic;
    // With an index of 64 bits there are half as many elements of 32.
    const unsigned end =
        name == "vpgatherqd" || name == "vgatherqps" ? s.insn->vector_bytes / 2u : s.insn->vector_bytes;
    for (unsigned at = 0; at < 32; at += lane) {
        const bool beyond = at >= end;
        const unsigned sign = at + lane - 1;
        if (!beyond && ((vector_byte(s.host, mask, sign) ^ vector_byte(s.ours, mask, sign)) & 0x80)) continue;
        for (unsigned i = at; i < at + lane; ++i) {
            vector_byte(s.ours, mask, i) = vector_byte(s.host, mask, i);
            if (beyond) vector_byte(s.ours, to, i) = vector_byte(s.host, to, i);
        }
    }
}
void gather_single_step(Situation& s) {
    const bool stopped = s.host.vector == db && s.host.after.rip == s.in.before.rip && memory_fault(s.ours.vector);
    if (is_gather(s) && stopped) take_all(s);
}
/// The host looks at the whole operand, or at an element's offset before the base of FS or GS is added.
void masked_operand_outside(Situation& s) {
    if (!s.insn || (s.host.vector != gp && s.host.vector != ss)) return;
    if (!s.in.before.code64()) { // the limit of a segment
        if (is_masked_move(s) && s.host.after.rip == s.in.before.rip) take_all(s);
        return;
    }
    const u64 first = operand_linear(s), last = first + s.insn->vector_bytes - 1u;
    const bool masked = is_masked_move(s) && (!canonical(first) || !canonical(last));
    if (masked || (is_gather(s) && s.insn->segment >= FS)) take_all(s);
}
void permutation_ignores_w(Situation& s) {
    const auto code = s.in.instruction();
    for (std::size_t i = 0; i + 4 < code.size(); ++i) {
        const bool map_3a = code[i] == 0xC4 && (code[i + 1] & 0x1F) == 3 && (code[i + 2] & 0x87) == 5;
        if (map_3a && code[i + 3] <= 0x01 && s.ours.vector == ud) take_all(s);
    }
}
void masked_store_address(Situation& s) {
    if (!is_masked_move(s) || s.host.vector != pf || s.ours.vector != pf) return;
    if (within(s.host.cr2, operand_linear(s), 32) && ((s.host.cr2 ^ s.ours.cr2) & ~page_mask) == 0)
        s.ours.cr2 = s.host.cr2;
}
void restored_area(Situation& s) {
    if (!is_xsave_image(s) || s.host.vector != pf || s.host.after.rip != s.in.before.rip) return;
    if (within(s.host.cr2, operand_linear(s), 576 + 256)) take_all(s);
}
void sha_alignment(Situation& s) {
    if (s.row.feature == Feature::sha && s.ours.vector == gp && (operand_linear(s) & 15) != 0) take_all(s);
}

void pause_with_rex(Situation& s) {
    if (s.in.before.code64() && s.insn && s.insn->opcode == 0x90 && s.insn->map == 0 && s.insn->rep == 0xF3 &&
        (s.insn->rex & 1))
        take_all(s);
}

void misaligned_mode(Situation& s) {
    const bool has = (s.host.after.fx[fx_mxcsr + 2] & 2) != 0;
    if (has && s.ours.vector == gp && named(s, "ldmxcsr", "vldmxcsr", "fxrstor", "fxrstor64", "xrstor", "xrstor64"))
        take_all(s);
}
void movsxd_of_16_bits(Situation& s) {
    if (!named(s, "movsxd") || !s.insn || s.insn->opsize != 2) return;
    if (memory_fault(s.host.vector) && faulted(s)) take_all(s);
}

/// The model has CPUID's LA57, and may hold wider bases than it can use without CR4.LA57.
void base_of_57_bits(Situation& s) {
    if (!named(s, "wrfsbase", "wrgsbase") || !s.insn || s.host.vector != gp || s.ours.vector == gp) return;
    if (!canonical(s.in.before.gpr[s.insn->rm_number()])) take_all(s);
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
    {Vendor::amd, "VPERMQ and VPERMPD with an immediate do not look at VEX.W",
     "seen on family 1Ah; AMD APM 4 has W1 only", permutation_ignores_w},
    {Vendor::other, "where in its operand a masked store that crosses a page faults",
     "SDM 2, VMASKMOV, VPMASKMOV do not say", masked_store_address},
    {Vendor::amd, "operands of the SHA instructions need no alignment",
     "seen on family 1Ah; SDM 2: #GP, exception type 4", sha_alignment},
    {Vendor::amd, "XRSTOR and XSAVEOPT touch the components that they leave out",
     "seen on family 1Ah; SDM 1, 13.8 has them in their initial state without saying whether they are read",
     restored_area},
    {Vendor::amd, "F3 90 is PAUSE with REX.B too", "seen on family 1Ah; SDM 2B: 90 with REX.B is XCHG with R8",
     pause_with_rex},
    {Vendor::amd, "MXCSR.MM can be set, which the model lacks", "AMD APM 1, 4.2.2", misaligned_mode},
    {Vendor::amd, "MOVSXD to 16 bits reads 32", "AMD APM 3, MOVSXD: reg/mem32; SDM 2B: r/m16", movsxd_of_16_bits},
    {Vendor::other, "bases of FS and GS are checked against the widest linear addresses that the processor has",
     "SDM 2B, WRFSBASE: canonical; SDM 3A 4.1: CPUID says how wide. The model has 57 bits, hosts have 48 or 57",
     base_of_57_bits},
    {Vendor::amd, "a far call to compatibility mode pushes with the stack pointer of that mode",
     "seen on family 1Ah; SDM 2A, CALL does not say", call_to_compatibility_mode},
    {Vendor::amd, "a gather that has loaded some elements and faults at the next is #DB first under TF",
     "seen on family 1Ah; SDM 2, VPGATHERDD: traps may be delivered between elements", gather_single_step},
    {Vendor::other,
     "whether elements that a mask leaves out must be canonical and within the segment, or the offsets of a gather "
     "under FS and GS",
     "SDM 2, VMASKMOV: faults do not occur for elements left out; #GP of the whole operand is not said",
     masked_operand_outside},
};

} // namespace

std::span<const KnownDifference> known_in_long_mode() { return table; }

} // namespace glassbox::conformance::host
