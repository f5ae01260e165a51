#include "debugger/explain/decoded.hpp"

#include "debugger/bits.hpp"
#include "debugger/disassembly.hpp"

#include <algorithm>
#include <cctype>

namespace glassbox::explain {

namespace {

ZydisDecoder decoder_for(unsigned bits) {
    ZydisDecoder decoder;
    if (bits == 64)
        ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    else if (bits == 32)
        ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    else
        ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    return decoder;
}

} // namespace

Decoded Decoded::at(const Moment& m) {
    Decoded d;
    d.ip = m.ip;
    d.readable = static_cast<unsigned>(m.read(m.code_linear(m.ip), d.bytes));
    const ZydisDecoder decoder = decoder_for(m.code_bits());
    d.valid = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, d.bytes.data(), d.readable, &d.insn, d.operands.data()));
    d.length = d.valid ? d.insn.length : std::min(d.readable, 1u);
    const Disassembly shown = disassemble(std::span(d.bytes).first(d.readable), m.code_bits(), m.ip);
    d.text = shown.text;
    return d;
}

bool Decoded::is(std::initializer_list<ZydisMnemonic> list) const {
    return valid && std::find(list.begin(), list.end(), insn.mnemonic) != list.end();
}

const ZydisDecodedOperand* Decoded::shown(unsigned n) const {
    return valid && n < insn.operand_count_visible ? &operands[n] : nullptr;
}

const ZydisDecodedOperand* Decoded::memory() const {
    for (unsigned i = 0; valid && i < insn.operand_count_visible; ++i) {
        if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY) return &operands[i];
    }
    return nullptr;
}

std::string register_name(ZydisRegister reg) {
    const char* name = ZydisRegisterGetString(reg);
    std::string text = name ? name : "";
    for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
}

unsigned segment_index(ZydisRegister reg) {
    switch (reg) {
    case ZYDIS_REGISTER_ES: return ES;
    case ZYDIS_REGISTER_CS: return CS;
    case ZYDIS_REGISTER_SS: return SS;
    case ZYDIS_REGISTER_FS: return FS;
    case ZYDIS_REGISTER_GS: return GS;
    default: return DS;
    }
}

std::optional<u64> register_value(const Moment& m, const Decoded& d, ZydisRegister reg) {
    const auto id = static_cast<u8>(ZydisRegisterGetId(reg));
    switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR8:
        if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
            return m.gpr[static_cast<unsigned>(reg - ZYDIS_REGISTER_AH)] >> 8 & 0xFF;
        if (reg <= ZYDIS_REGISTER_BL) return m.gpr[static_cast<unsigned>(reg - ZYDIS_REGISTER_AL)] & 0xFF;
        return m.gpr[4 + static_cast<unsigned>(reg - ZYDIS_REGISTER_SPL)] & 0xFF;
    case ZYDIS_REGCLASS_GPR16: return m.gpr[static_cast<unsigned>(id)] & 0xFFFF;
    case ZYDIS_REGCLASS_GPR32: return static_cast<u32>(m.gpr[static_cast<unsigned>(id)]);
    case ZYDIS_REGCLASS_GPR64: return m.gpr[static_cast<unsigned>(id)];
    case ZYDIS_REGCLASS_IP: return d.next();
    case ZYDIS_REGCLASS_SEGMENT: return m.seg[segment_index(reg)].selector;
    default: return {};
    }
}

namespace {

/// BT and its kin reach beyond their operand: the register counts bits from its start (SDM 2A, BT).
void add_bit_offset(const Moment& m, const Decoded& d, Operand& o) {
    if (!d.is({ZYDIS_MNEMONIC_BT, ZYDIS_MNEMONIC_BTS, ZYDIS_MNEMONIC_BTR, ZYDIS_MNEMONIC_BTC})) return;
    const ZydisDecodedOperand& second = d.operands[1];
    if (second.type != ZYDIS_OPERAND_TYPE_REGISTER) return;
    const auto raw = register_value(m, d, second.reg.value);
    const unsigned bits = second.size;
    if (!raw || bits == 0 || bits > 64) return;
    const i64 number = static_cast<i64>(*raw << (64 - bits)) >> (64 - bits);
    const i64 units = number >> (bits == 16 ? 4 : bits == 32 ? 5 : 6);
    const i64 by = units * static_cast<i64>(bits / 8);
    if (by == 0) return;
    o.offset = low_bits(o.offset + static_cast<u64>(by), d.insn.address_width);
    o.origin += ", and bit " + std::to_string(number) + " lies " + std::to_string(by) + " bytes on";
}

/// XMM registers hold the indexes of a gather: the place depends on the element.
bool has_vector_index(const ZydisDecodedOperand& operand) {
    return operand.mem.index != ZYDIS_REGISTER_NONE &&
           ZydisRegisterGetClass(operand.mem.index) != ZYDIS_REGCLASS_GPR16 &&
           ZydisRegisterGetClass(operand.mem.index) != ZYDIS_REGCLASS_GPR32 &&
           ZydisRegisterGetClass(operand.mem.index) != ZYDIS_REGCLASS_GPR64 &&
           ZydisRegisterGetClass(operand.mem.index) != ZYDIS_REGCLASS_GPR8;
}

} // namespace

Operand place_of(const Moment& m, const Decoded& d, const ZydisDecodedOperand& operand) {
    Operand o;
    o.segment = segment_index(operand.mem.segment);
    o.size = operand.size / 8u;
    const auto add = [&](const std::string& term) { o.origin += (o.origin.empty() ? "" : " + ") + term; };
    u64 sum = 0;
    for (const auto& [reg, scale] :
         {std::pair{operand.mem.base, 1u}, std::pair{operand.mem.index, std::max(1u, 0u + operand.mem.scale)}}) {
        if (reg == ZYDIS_REGISTER_NONE) continue;
        const auto value = register_value(m, d, reg);
        if (!value) continue;
        sum += *value * scale;
        add(register_name(reg) + " (" + h(*value) + ")" + (scale > 1 ? " * " + std::to_string(scale) : ""));
    }
    if (operand.mem.disp.has_displacement && (operand.mem.disp.value != 0 || o.origin.empty())) {
        const i64 by = operand.mem.disp.value;
        sum += static_cast<u64>(by);
        if (by < 0 && !o.origin.empty())
            o.origin += " - " + h(static_cast<u64>(-by));
        else
            add(h(low_bits(static_cast<u64>(by), d.insn.address_width)));
    }
    o.offset = low_bits(sum, d.insn.address_width);
    // POP with the stack pointer as base: it counts after the value is off (SDM 2B, POP).
    if (d.is({ZYDIS_MNEMONIC_POP}) &&
        (operand.mem.base == ZYDIS_REGISTER_ESP || operand.mem.base == ZYDIS_REGISTER_RSP) &&
        operand.visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT) {
        o.offset = low_bits(o.offset + d.width(), d.insn.address_width);
        o.origin += " + " + std::to_string(d.width()) + " (after the value is popped)";
    }
    add_bit_offset(m, d, o);
    // An offset that stands in the instruction needs no reckoning.
    if (operand.mem.base == ZYDIS_REGISTER_NONE && operand.mem.index == ZYDIS_REGISTER_NONE) o.origin.clear();
    return o;
}

std::optional<u64> value_of(const Moment& m, const Decoded& d, const ZydisDecodedOperand& operand) {
    switch (operand.type) {
    case ZYDIS_OPERAND_TYPE_REGISTER: return register_value(m, d, operand.reg.value);
    case ZYDIS_OPERAND_TYPE_IMMEDIATE: return low_bits(operand.imm.value.u, std::max(8u, 0u + operand.size));
    case ZYDIS_OPERAND_TYPE_MEMORY: {
        const Operand o = place_of(m, d, operand);
        u64 linear = m.base_of(o.segment) + o.offset;
        if (!m.code64()) linear = static_cast<u32>(linear);
        return m.number(linear, static_cast<unsigned>(o.size));
    }
    default: return {};
    }
}

namespace {

bool stack_register(ZydisRegister reg) {
    return reg == ZYDIS_REGISTER_SP || reg == ZYDIS_REGISTER_ESP || reg == ZYDIS_REGISTER_RSP;
}

/// SSE's memory operands of 16 bytes are aligned unless the instruction says otherwise; VEX's only in the aligned
/// moves (SDM 1 10.4.1.1, 14.9).
unsigned alignment_of(const Decoded& d, const ZydisDecodedOperand& operand) {
    switch (d.insn.mnemonic) {
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXRSTOR64: return 16;
    case ZYDIS_MNEMONIC_VMOVAPS:
    case ZYDIS_MNEMONIC_VMOVAPD:
    case ZYDIS_MNEMONIC_VMOVDQA:
    case ZYDIS_MNEMONIC_VMOVNTPS:
    case ZYDIS_MNEMONIC_VMOVNTPD:
    case ZYDIS_MNEMONIC_VMOVNTDQ:
    case ZYDIS_MNEMONIC_VMOVNTDQA: return operand.size / 8u;
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_MOVUPD:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_LDDQU:
    case ZYDIS_MNEMONIC_CMPXCHG16B:
    case ZYDIS_MNEMONIC_PCMPESTRI:
    case ZYDIS_MNEMONIC_PCMPESTRM:
    case ZYDIS_MNEMONIC_PCMPISTRI:
    case ZYDIS_MNEMONIC_PCMPISTRM: return 0;
    default: break;
    }
    const bool sse = d.insn.meta.category == ZYDIS_CATEGORY_SSE || d.insn.meta.isa_ext == ZYDIS_ISA_EXT_SSE ||
                     d.insn.meta.isa_ext == ZYDIS_ISA_EXT_SSE2 || d.insn.meta.isa_ext == ZYDIS_ISA_EXT_SSE3 ||
                     d.insn.meta.isa_ext == ZYDIS_ISA_EXT_SSSE3 || d.insn.meta.isa_ext == ZYDIS_ISA_EXT_SSE4 ||
                     d.insn.meta.isa_ext == ZYDIS_ISA_EXT_AES || d.insn.meta.isa_ext == ZYDIS_ISA_EXT_PCLMULQDQ;
    return sse && d.insn.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && operand.size == 128 ? 16 : 0;
}

} // namespace

std::vector<Operand> memory_operands(const Moment& m, const Decoded& d) {
    std::vector<Operand> reads, writes;
    if (!d.valid) return reads;
    if (d.repeats() && low_bits(m.gpr[RCX], d.insn.address_width) == 0) return reads;
    if (d.is({ZYDIS_MNEMONIC_NOP, ZYDIS_MNEMONIC_LEAVE})) return reads; // no access, and the stack's
    if (d.insn.meta.category == ZYDIS_CATEGORY_PREFETCH || d.insn.meta.category == ZYDIS_CATEGORY_PREFETCHWT1 ||
        d.is({ZYDIS_MNEMONIC_PREFETCH, ZYDIS_MNEMONIC_PREFETCHW, ZYDIS_MNEMONIC_PREFETCHWT1}))
        return reads;                     // they never fault
    if (d.is({ZYDIS_MNEMONIC_MONITOR})) { // a load of a byte (SDM 2B, MONITOR)
        unsigned segment = DS;
        if ((d.insn.attributes & ZYDIS_ATTRIB_HAS_SEGMENT_FS) != 0) segment = FS;
        if ((d.insn.attributes & ZYDIS_ATTRIB_HAS_SEGMENT_GS) != 0) segment = GS;
        return {{.segment = segment, .offset = low_bits(m.gpr[RAX], d.insn.address_width), .size = 1}};
    }
    for (unsigned i = 0; i < d.insn.operand_count; ++i) {
        const ZydisDecodedOperand& operand = d.operands[i];
        if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY || operand.mem.type != ZYDIS_MEMOP_TYPE_MEM) continue;
        if (operand.visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN && stack_register(operand.mem.base)) continue;
        if (has_vector_index(operand)) continue;
        Operand o = place_of(m, d, operand);
        o.alignment = alignment_of(d, operand);
        o.aligned = o.alignment != 0;
        const bool write = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
        o.access = write ? Access::write : Access::read; // read-modify-write is checked as a write
        (write ? writes : reads).push_back(o);
    }
    reads.insert(reads.end(), writes.begin(), writes.end());
    return reads;
}

} // namespace glassbox::explain
