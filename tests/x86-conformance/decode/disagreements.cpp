#include "tests/x86-conformance/decode/disagreements.hpp"

namespace glassbox::conformance {

namespace {

bool is_two_byte(const Decoded& d, u8 first, u8 last) {
    const Encoded e = encoded(d.bytes, d.mode);
    return e.map == 1 && e.opcode >= first && e.opcode <= last;
}
bool both_valid(const Decoded& d, ZydisMnemonic name) {
    return d.valid && d.zydis_valid && d.zydis.mnemonic == name && d.zydis.length == d.insn.length &&
           d.zydis.address_width == 8u * d.insn.addrsize;
}

/// All of it but the length and the address size: no operand of these has an effect.
bool reserved_nop(const Decoded& d) {
    const bool reserved = is_two_byte(d, 0x19, 0x1F) && d.valid && d.insn.row->feature == Feature::nopl;
    const bool prefetch = is_two_byte(d, 0x0D, 0x0D) && d.valid && d.insn.row->feature == Feature::prefetchw;
    return (reserved || prefetch) && both_valid(d, ZYDIS_MNEMONIC_NOP);
}
bool fast_call_in_real_mode(const Decoded& d) {
    return is_two_byte(d, 0x34, 0x35) && d.mode == DecodeMode::real16 && d.valid && !d.zydis_valid &&
           d.zydis_status == ZYDIS_STATUS_DECODING_ERROR && d.insn.row->feature == Feature::sep;
}
/// Everything else about it has been compared with the size as Zydis has it.
bool clflush(const Decoded& d) {
    const bool one_of_them = both_valid(d, ZYDIS_MNEMONIC_CLFLUSH) || both_valid(d, ZYDIS_MNEMONIC_CLFLUSHOPT) ||
                             both_valid(d, ZYDIS_MNEMONIC_CLWB);
    return is_two_byte(d, 0xAE, 0xAE) && one_of_them && d.zydis_operands[0].size == 512 && d.insn.operand[0].width == 1;
}

/// PREFETCHWT1 was of Xeon Phi only; elsewhere 0F 0D /2 is a hint like the others of its group.
bool prefetch_wt1(const Decoded& d) {
    return is_two_byte(d, 0x0D, 0x0D) && both_valid(d, ZYDIS_MNEMONIC_PREFETCHWT1) &&
           d.insn.row->feature == Feature::prefetchw;
}

bool wbnoinvd(const Decoded& d) {
    return is_two_byte(d, 0x09, 0x09) && both_valid(d, ZYDIS_MNEMONIC_WBINVD) &&
           d.insn.row->feature == Feature::wbnoinvd;
}

bool clzero_operand(const Decoded& d) { return is_two_byte(d, 0x01, 0x01) && both_valid(d, ZYDIS_MNEMONIC_CLZERO); }
/// MOVSXD with 66: 16 bits to 16 bits.
bool movsxd16(const Decoded& d) {
    return both_valid(d, ZYDIS_MNEMONIC_MOVSXD) && d.insn.mem && d.insn.opsize == 2 && d.zydis_operands[1].size == 32;
}
/// No base with mod 00 and SIB.base 101, whatever REX.B says.
bool no_base_with_rex_b(const Decoded& d) {
    return d.mode == DecodeMode::long64 && d.valid && d.zydis_valid && d.insn.addrsize == 4 && (d.insn.rex & 1) &&
           d.insn.mem && d.insn.mod_field() == 0 && d.insn.rm_field() == 4 && d.insn.base == 8 * zero_gpr &&
           d.zydis.length == d.insn.length;
}

/// No row of ours: how long it would be, only those know who know the instruction.
bool undefined_and_too_long(const Decoded& d) {
    if (d.status == DecodeStatus::too_long && !d.zydis_valid) return true;
    return d.status == DecodeStatus::invalid && !d.insn.row && !d.zydis_valid &&
           d.zydis_status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG;
}

constexpr Disagreement table[] = {
    {"Operands of reserved NOPs", "SDM 2B, NOP; SDM 2D, table A-3 (0F 18 to 0F 1F)", &reserved_nop},
    {"SYSENTER and SYSEXIT in real mode", "SDM 2B, SYSENTER and SYSEXIT, real-address mode exceptions",
     &fast_call_in_real_mode},
    {"Undefined and longer than 15 bytes", "SDM 3A, table 6-2, class 8: one priority for both",
     &undefined_and_too_long},
    {"PREFETCHWT1 is a hint like its neighbours",
     "APM 3, PREFETCH and PREFETCHW: reserved encodings are PREFETCH aliases", &prefetch_wt1},
    {"WBNOINVD where Zydis reads WBINVD", "APM 3, WBNOINVD: F3 0F 09, in every mode", &wbnoinvd},
    {"CLZERO names no operand", "APM 3, CLZERO: rAX", &clzero_operand},
    {"MOVSXD with a 16-bit operand", "SDM 2B, MOVSXD: 63 /r, MOVSXD r16, r/m16", &movsxd16},
    {"No base under REX.B and 67h", "SDM 2A, table 2-5: REX.B does not change SIB.base 101b with mod 00b",
     &no_base_with_rex_b},
    {"CLFLUSH names one byte", "SDM 2A, CLFLUSH (0F AE /7: CLFLUSH m8)", &clflush},
};

} // namespace

std::span<const Disagreement> all_disagreements() { return table; }

const Disagreement* find_disagreement(const Decoded& decoded) {
    for (const Disagreement& d : all_disagreements()) {
        if (d.applies(decoded)) return &d;
    }
    return nullptr;
}

} // namespace glassbox::conformance
