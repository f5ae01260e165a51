#include "debugger/control/flow.hpp"

#include "cpu/decode/row.hpp"
#include "cpu/state.hpp"
#include "debugger/view.hpp"

#include <Zydis/Zydis.h>
#include <array>

namespace glassbox {

namespace {

bool is_string(u8 opcode) {
    return (opcode >= 0xA4 && opcode <= 0xA7) || (opcode >= 0xAA && opcode <= 0xAF) ||
           (opcode >= 0x6C && opcode <= 0x6F);
}

/// SDM 2D, appendix A. `map`: 0 is one byte, 1 is 0F.
Flow flow_of(unsigned map, u8 opcode, unsigned reg, bool repeated) {
    if (map == 1) {
        switch (opcode) {
        case 0x05: return Flow::syscall;
        case 0x07: return Flow::sysret;
        case 0x34: return Flow::sysenter;
        case 0x35: return Flow::sysexit;
        default: return Flow::other;
        }
    }
    if (map != 0) return Flow::other;
    if (repeated && is_string(opcode)) return Flow::repetition;
    switch (opcode) {
    case 0xE8: return Flow::call;
    case 0x9A: return Flow::call_far;
    case 0xFF: return reg == 2 ? Flow::call : reg == 3 ? Flow::call_far : Flow::other;
    case 0xC2:
    case 0xC3: return Flow::ret;
    case 0xCA:
    case 0xCB: return Flow::ret_far;
    case 0xCC:
    case 0xCD:
    case 0xCE:
    case 0xF1: return Flow::interrupt;
    case 0xCF: return Flow::iret;
    case 0xE0:
    case 0xE1:
    case 0xE2: return Flow::loop;
    case 0xF4: return Flow::halt;
    default: return Flow::other;
    }
}

const ZydisDecoder& decoder_of(unsigned bits) {
    static const auto decoders = [] {
        std::array<ZydisDecoder, 3> all{};
        ZydisDecoderInit(&all[0], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
        ZydisDecoderInit(&all[1], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
        ZydisDecoderInit(&all[2], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        return all;
    }();
    return decoders[bits == 64 ? 2 : bits == 32 ? 1 : 0];
}

/// Where a segment begins when its selector is loaded (SDM 3A 3.4.5; 20.1.1 in real and virtual-8086 mode). Those of
/// long mode begin at 0.
std::optional<u64> segment_base(const Cpu& cpu, u16 selector, bool by_paragraphs) {
    if (by_paragraphs) return u64{selector} << 4;
    if (cpu.long_mode()) return 0;
    const bool local = (selector & 4) != 0;
    const u64 table = local ? cpu.ldtr.base : cpu.gdtr.base;
    const u64 limit = local ? cpu.ldtr.limit : cpu.gdtr.limit;
    const u64 offset = selector & 0xFFF8u;
    u64 descriptor = 0;
    if (offset + 7 > limit || !peek(cpu, table + offset, 8, descriptor)) return {};
    return (descriptor >> 16 & 0xFF'FFFF) | (descriptor >> 56) << 24;
}

u64 code_linear_in(const Cpu& cpu, u64 base, u64 ip) { return cpu.long_mode() ? ip : static_cast<u32>(base + ip); }

} // namespace

u64 code_address(const Cpu& cpu) { return cpu.code_linear(cpu.ip); }

u64 stack_address(const Cpu& cpu) {
    if (cpu.code64()) return cpu.gpr[RSP];
    const u64 sp = cpu.seg[SegmentName::SS].big() ? cpu.r32(RSP) : cpu.r16(RSP);
    return static_cast<u32>(cpu.seg[SegmentName::SS].base + sp);
}

bool peek(const Cpu& cpu, u64 linear, unsigned size, u64& value) {
    std::array<u8, 8> bytes{};
    if (size > bytes.size() || read_linear_quietly(cpu, linear, std::span(bytes).first(size)) != size) return false;
    value = 0;
    for (unsigned i = size; i-- > 0;) value = value << 8 | bytes[i];
    return true;
}

Flow flow_of(const Insn& insn) {
    if (!insn.row || insn.encoding != Encoding::legacy) return Flow::other;
    return flow_of(insn.map, insn.opcode, insn.reg_field(), insn.rep != 0);
}

FlowInsn flow_at(const Cpu& cpu) {
    std::array<u8, 15> bytes{};
    const std::size_t size = read_linear_quietly(cpu, code_address(cpu), bytes);
    ZydisDecodedInstruction insn;
    FlowInsn found;
    if (size == 0 ||
        !ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder_of(code_bits(cpu)), nullptr, bytes.data(), size, &insn)))
        return found;
    found.length = insn.length;
    found.opsize = insn.operand_width >= 64 ? 8 : insn.operand_width == 32 ? 4 : 2;
    const unsigned map = insn.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT ? 0
                         : insn.opcode_map == ZYDIS_OPCODE_MAP_0F    ? 1
                                                                     : 2;
    const bool repeated =
        (insn.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)) != 0;
    if (insn.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY)
        found.flow = flow_of(map, insn.opcode, insn.raw.modrm.reg, repeated);
    if (found.flow == Flow::ret || found.flow == Flow::ret_far)
        found.pops = static_cast<unsigned>(insn.raw.imm[0].value.u); // 0 where it has none
    if (found.flow == Flow::loop) found.backward = insn.raw.imm[0].value.s < 0;
    return found;
}

std::optional<InterruptFrame> interrupt_frame(const Cpu& cpu, unsigned width, unsigned skip) {
    const u64 at = stack_address(cpu) + skip;
    u64 ip = 0, cs = 0, flags = 0;
    if (!peek(cpu, at, width, ip) || !peek(cpu, at + width, width, cs) || !peek(cpu, at + 2 * width, width, flags))
        return {};
    InterruptFrame frame{.ip = ip, .cs = static_cast<u16>(cs), .sp = at + 3 * width};
    const bool by_privilege = cpu.protected_mode() && !cpu.v86();
    const bool to_v86 = by_privilege && width == 4 && (flags & eflags::VM) != 0;
    const bool outer = by_privilege && (cs & 3) > cpu.cpl;
    frame.v86 = to_v86 || cpu.v86();
    if (cpu.long_mode() || to_v86 || outer) {
        u64 sp = 0, ss = 0;
        if (!peek(cpu, at + 3 * width, width, sp) || !peek(cpu, at + 4 * width, width, ss)) return {};
        frame.sp = segment_base(cpu, static_cast<u16>(ss), to_v86).value_or(0) + sp;
    }
    return frame;
}

std::optional<InterruptFrame> delivered_frame(const Cpu& cpu, u64 from_ip) {
    const u64 at = stack_address(cpu);
    const auto fits = [&](unsigned width, unsigned skip) {
        u64 ip = 0;
        const u64 mask = width == 8 ? ~u64{0} : (u64{1} << (8 * width)) - 1;
        return peek(cpu, at + skip, width, ip) && ip == (from_ip & mask);
    };
    for (const unsigned width : {8u, 4u, 2u}) {
        if ((width == 8) != cpu.long_mode() || (width != 2 && cpu.real_mode())) continue;
        for (const unsigned skip : {0u, width}) {
            if (fits(width, skip)) return interrupt_frame(cpu, width, skip);
        }
    }
    return {};
}

bool is_return(Flow flow) {
    return flow == Flow::ret || flow == Flow::ret_far || flow == Flow::iret || flow == Flow::sysret ||
           flow == Flow::sysexit;
}

bool is_call(Flow flow) {
    return flow == Flow::call || flow == Flow::call_far || flow == Flow::syscall || flow == Flow::sysenter;
}

namespace {

std::optional<ReturnTarget> far_target(const Cpu& cpu, const FlowInsn& insn) {
    const u64 at = stack_address(cpu);
    const unsigned width = insn.opsize;
    u64 ip = 0, cs = 0;
    if (!peek(cpu, at, width, ip) || !peek(cpu, at + width, width, cs)) return {};
    const bool by_paragraphs = cpu.real_mode() || cpu.v86();
    const auto base = segment_base(cpu, static_cast<u16>(cs), by_paragraphs);
    if (!base) return {};
    ReturnTarget target{ip, code_linear_in(cpu, *base, ip), at + 2 * width + insn.pops, cpu.cpl};
    if (by_paragraphs || (cs & 3) <= cpu.cpl) return target;
    u64 sp = 0, ss = 0; // to an outer level: its stack lies behind the arguments
    if (!peek(cpu, target.stack, width, sp) || !peek(cpu, target.stack + width, width, ss)) return {};
    target.stack = segment_base(cpu, static_cast<u16>(ss), false).value_or(0) + sp;
    target.cpl = cs & 3;
    return target;
}

std::optional<ReturnTarget> iret_target(const Cpu& cpu, const FlowInsn& insn) {
    if (cpu.protected_mode() && !cpu.v86() && (cpu.eflags & eflags::NT) != 0) return {}; // to another task
    const auto frame = interrupt_frame(cpu, insn.opsize);
    if (!frame) return {};
    const bool by_paragraphs = cpu.real_mode() || frame->v86;
    const auto base = segment_base(cpu, frame->cs, by_paragraphs);
    if (!base) return {};
    const u8 cpl = cpu.real_mode() ? 0 : frame->v86 ? 3 : frame->cs & 3;
    return ReturnTarget{frame->ip, code_linear_in(cpu, *base, frame->ip), frame->sp, cpl};
}

} // namespace

std::optional<ReturnTarget> return_target(const Cpu& cpu, const FlowInsn& insn) {
    const u64 at = stack_address(cpu);
    u64 ip = 0;
    switch (insn.flow) {
    case Flow::ret:
        if (!peek(cpu, at, insn.opsize, ip)) return {};
        return ReturnTarget{ip, cpu.code_linear(ip), at + insn.opsize + insn.pops, cpu.cpl};
    case Flow::ret_far: return far_target(cpu, insn);
    case Flow::iret: return iret_target(cpu, insn);
    case Flow::sysret: // SDM 2B "SYSRET", "SYSEXIT": to 64-bit code with REX.W
    case Flow::sysexit: {
        const u64 mask = insn.opsize == 8 ? ~u64{0} : 0xFFFF'FFFF;
        const bool exit = insn.flow == Flow::sysexit;
        ip = cpu.gpr[exit ? RDX : RCX] & mask;
        return ReturnTarget{ip, ip, exit ? cpu.gpr[RCX] & mask : at, 3};
    }
    default: return {};
    }
}

} // namespace glassbox
