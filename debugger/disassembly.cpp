#include "debugger/disassembly.hpp"

#include <Zydis/Zydis.h>
#include <algorithm>

namespace glassbox {

namespace {

ZydisMachineMode machine_mode(unsigned bits) {
    return bits == 64   ? ZYDIS_MACHINE_MODE_LONG_64
           : bits == 32 ? ZYDIS_MACHINE_MODE_LEGACY_32
                        : ZYDIS_MACHINE_MODE_LEGACY_16;
}

std::string register_name(ZydisRegister reg) {
    const char* name = reg == ZYDIS_REGISTER_NONE ? nullptr : ZydisRegisterGetString(reg);
    return name ? name : "";
}

InstructionFlow instruction_flow(const ZydisDecodedInstruction& info) {
    switch (info.meta.category) {
    case ZYDIS_CATEGORY_CALL: return InstructionFlow::call;
    case ZYDIS_CATEGORY_COND_BR: return InstructionFlow::conditional;
    case ZYDIS_CATEGORY_UNCOND_BR: return InstructionFlow::jump;
    case ZYDIS_CATEGORY_INTERRUPT: return InstructionFlow::interrupt;
    case ZYDIS_CATEGORY_RET:
        return info.mnemonic == ZYDIS_MNEMONIC_IRET || info.mnemonic == ZYDIS_MNEMONIC_IRETD ||
                       info.mnemonic == ZYDIS_MNEMONIC_IRETQ
                   ? InstructionFlow::interrupt_return
                   : InstructionFlow::ret;
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET: return InstructionFlow::system_call;
    default: return info.mnemonic == ZYDIS_MNEMONIC_HLT ? InstructionFlow::halt : InstructionFlow::next;
    }
}

MemoryOperand memory_operand(const ZydisDecodedInstruction& info, const ZydisDecodedOperand& o) {
    MemoryOperand m;
    m.segment = register_name(o.mem.segment);
    m.base = register_name(o.mem.base);
    m.index = register_name(o.mem.index);
    m.scale = o.mem.scale;
    m.displacement = o.mem.disp.has_displacement ? o.mem.disp.value : 0;
    m.address_bits = info.address_width;
    m.size = o.size / 8u;
    m.read = (o.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
    m.write = (o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
    m.address_only = o.mem.type != ZYDIS_MEMOP_TYPE_MEM;
    return m;
}

void take_operands(const ZydisDisassembledInstruction& in, u64 ip, DecodedInstruction& out) {
    for (unsigned i = 0; i < in.info.operand_count_visible; ++i) {
        const ZydisDecodedOperand& o = in.operands[i];
        if (o.type == ZYDIS_OPERAND_TYPE_MEMORY) out.memory.push_back(memory_operand(in.info, o));
        if (o.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && o.imm.is_relative) {
            u64 target = 0;
            if (ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&in.info, &o, ip, &target))) out.target = target;
        }
        if (o.type == ZYDIS_OPERAND_TYPE_POINTER) {
            out.target = o.ptr.offset;
            out.target_cs = o.ptr.segment;
        }
    }
}

} // namespace

Disassembly disassemble(std::span<const u8> bytes, unsigned bits, u64 ip) {
    ZydisDisassembledInstruction instruction;
    if (ZYAN_SUCCESS(ZydisDisassembleIntel(machine_mode(bits), ip, bytes.data(), bytes.size(), &instruction))) {
        return {instruction.text, instruction.info.length};
    }
    return {bytes.empty() ? "(not readable)" : "(bad)", std::min<std::size_t>(bytes.size(), 1)};
}

DecodedInstruction decode_instruction(std::span<const u8> bytes, unsigned bits, u64 ip) {
    DecodedInstruction out;
    ZydisDisassembledInstruction in;
    if (!ZYAN_SUCCESS(ZydisDisassembleIntel(machine_mode(bits), ip, bytes.data(), bytes.size(), &in))) {
        out.text = bytes.empty() ? "(not readable)" : "(bad)";
        out.length = std::min<std::size_t>(bytes.size(), 1);
        return out;
    }
    out.valid = true;
    out.text = in.text;
    out.mnemonic = ZydisMnemonicGetString(in.info.mnemonic);
    out.length = in.info.length;
    out.flow = instruction_flow(in.info);
    out.repeated = (in.info.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)) != 0;
    take_operands(in, ip, out);
    return out;
}

} // namespace glassbox
