#include "debugger/symbols/frame_scope.hpp"

#include "debugger/view.hpp"

#include <array>

namespace glassbox {

namespace {

const FrameSelection* chosen(const Cpu& cpu, const Symbols& symbols) {
    const auto& kept = symbols.selection();
    const bool here = kept && kept->processor == &cpu && kept->instructions == cpu.scheduler.instructions() &&
                      kept->ip == cpu.ip && kept->sp == cpu.gpr[RSP];
    return here ? &*kept : nullptr;
}

} // namespace

FrameRegisters present_registers(const Cpu& cpu) {
    constexpr std::array<Gpr, 8> order = {RAX, RDX, RCX, RBX, RSI, RDI, RBP, RSP};
    const bool wide = code_bits(cpu) == 64;
    FrameRegisters frame;
    frame.pc = cpu.code_linear(cpu.ip);
    for (std::size_t i = 0; i < 8; ++i) frame.values[i] = wide ? cpu.gpr[order[i]] : cpu.gpr[i] & 0xFFFF'FFFF;
    for (std::size_t i = 8; wide && i < 16; ++i) frame.values[i] = cpu.gpr[i];
    return frame;
}

FrameRegisters chosen_registers(const Cpu& cpu, const Symbols& symbols) {
    const FrameSelection* const frame = chosen(cpu, symbols);
    return frame ? frame->registers : present_registers(cpu);
}

unsigned chosen_bits(const Cpu& cpu, const Symbols& symbols) {
    const FrameSelection* const frame = chosen(cpu, symbols);
    return frame ? frame->bits : code_bits(cpu);
}

unsigned chosen_frame(const Cpu& cpu, const Symbols& symbols) {
    const FrameSelection* const frame = chosen(cpu, symbols);
    return frame ? frame->number : 0;
}

Symbols::ReadMemory memory_of(const Cpu& cpu) {
    return [&cpu](u64 linear, unsigned size, u64& value) {
        std::array<u8, 8> bytes{};
        if (size > 8 || read_linear_quietly(cpu, linear, std::span(bytes).first(size)) != size) return false;
        value = 0;
        for (unsigned i = size; i-- > 0;) value = value << 8 | bytes[i];
        return true;
    };
}

std::optional<FunctionScope> frame_scope(const Cpu& cpu, const Symbols& symbols, std::string_view only) {
    const unsigned bits = chosen_bits(cpu, symbols);
    if (bits == 16) return {};
    return symbols.scope(chosen_registers(cpu, symbols), bits, memory_of(cpu), only);
}

} // namespace glassbox
