#include "debugger/look/instruction_line.hpp"

#include "debugger/bits.hpp"
#include "debugger/hex.hpp"
#include "debugger/look/paging.hpp"
#include "debugger/look/text.hpp"
#include "debugger/symbols/symbols.hpp"
#include "debugger/view.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace glassbox::look {

namespace {

constexpr std::size_t longest_instruction = 15; // SDM 2A 2.3.11

unsigned address_digits(const Cpu& cpu) { return cpu.long_mode() ? 16 : 8; }

std::string_view file_name(std::string_view path) { return path.substr(path.find_last_of('/') + 1); }

/// What the memory operand holds, as far as it is plain memory.
std::string operand_value(const Cpu& cpu, const MemoryOperand& operand, u64 linear) {
    std::array<u8, 64> bytes{};
    const std::size_t size = std::min<std::size_t>(operand.size, bytes.size());
    if (operand.address_only || size == 0) return {};
    if (read_linear_quietly(cpu, linear, std::span(bytes).first(size)) < size) {
        const std::optional<u64> phys = quiet_physical(cpu, linear);
        return phys ? " (a device or no memory)" : " (not mapped)";
    }
    if (size > 8)
        return " = " + hex_bytes(std::span(bytes).first(std::min<std::size_t>(size, 16)), true) +
               (size > 16 ? " …" : "");
    u64 value = 0;
    std::memcpy(&value, bytes.data(), size);
    return " = " + digits(value, static_cast<unsigned>(size * 2));
}

std::string operand_values(const Cpu& cpu, const Symbols* symbols, const InstructionLine& line) {
    std::string text;
    const u64 next = line.offset + line.decoded.length;
    for (const MemoryOperand& operand : line.decoded.memory) {
        const auto at = operand_address(cpu, operand, next);
        if (!at) continue;
        if (!text.empty()) text += ", ";
        text += operand.address_only ? "address " + digits(at->offset, operand.address_bits / 4)
                                     : "[" + digits(at->linear, address_digits(cpu)) + "]";
        if (symbols && !operand.address_only) {
            if (const std::string name = symbols->describe(at->linear); !name.empty()) text += " <" + name + ">";
        }
        if (operand.read || !operand.write) text += operand_value(cpu, operand, at->linear);
    }
    if (const auto taken = branch_taken(cpu, line.decoded, line.place.bits))
        text += std::string(text.empty() ? "" : ", ") + (*taken ? "taken" : "not taken");
    return text;
}

} // namespace

CodePlace place_at(const Cpu& cpu, u64 linear) {
    const unsigned bits = code_bits(cpu);
    return {linear, false, bits, cpu.seg[CS].selector, bits == 64 ? 0 : cpu.seg[CS].base};
}

CodePlace current_place(const Cpu& cpu) { return place_at(cpu, cpu.code_linear(cpu.ip)); }

InstructionLine instruction_line(const Cpu& cpu, const Symbols* symbols, const CodePlace& place, bool values) {
    InstructionLine line;
    line.place = place;
    line.offset = place.bits == 64 ? place.linear : static_cast<u32>(place.linear - place.base);
    line.bytes.resize(longest_instruction);
    line.bytes.resize(place.physical ? read_physical_quietly(cpu, place.linear, line.bytes)
                                     : read_linear_quietly(cpu, place.linear, line.bytes));
    line.decoded = decode_instruction(line.bytes, place.bits, line.offset);
    line.bytes.resize(line.decoded.length);
    if (symbols && !place.physical) {
        line.symbol = symbols->describe(place.linear);
        if (const auto source = symbols->line_at(place.linear))
            line.source = std::string(file_name(source->file)) + ":" + std::to_string(source->line);
        if (line.decoded.target && !line.decoded.target_cs) {
            const u64 target =
                place.bits == 64 ? *line.decoded.target : static_cast<u32>(place.base + *line.decoded.target);
            line.target = symbols->describe(target);
        }
    }
    if (values) line.values = operand_values(cpu, symbols, line);
    return line;
}

InstructionLine current_instruction(const Cpu& cpu, const Symbols* symbols) {
    return instruction_line(cpu, symbols, current_place(cpu), true);
}

std::string code_address(const InstructionLine& line) {
    if (line.place.physical) return "phys " + digits(line.place.linear, 8);
    if (line.place.bits == 64) return digits(line.place.linear, 16);
    const unsigned width = line.place.bits == 16 && line.offset <= 0xFFFF ? 4 : 8;
    return digits(line.place.selector, 4) + ":" + digits(line.offset, width);
}

std::string to_text(const InstructionLine& line, bool marker) {
    std::string text = (marker ? "=> " : "   ") + code_address(line) + "  ";
    std::string bytes = hex_bytes(line.bytes, true);
    bytes.erase(std::remove(bytes.begin(), bytes.end(), ' '), bytes.end());
    bytes.resize(std::max<std::size_t>(bytes.size(), line.place.bits == 16 ? 14 : 20), ' ');
    text += bytes + "  " + line.decoded.text;
    if (!line.target.empty()) text += " <" + line.target + ">";
    if (!line.values.empty()) {
        constexpr std::size_t column = 62;
        text.resize(std::max(text.size() + 2, column), ' ');
        text += "; " + line.values;
    }
    return text;
}

std::optional<OperandAddress> operand_address(const Cpu& cpu, const MemoryOperand& operand, u64 next_ip) {
    u64 offset = static_cast<u64>(operand.displacement);
    const auto add = [&](const std::string& name, unsigned scale) {
        if (name.empty() || name == "eiz" || name == "riz") return true;
        if (name == "rip" || name == "eip") {
            offset += next_ip;
            return true;
        }
        const auto value = read_register(cpu, name);
        if (!value) return false; // a vector of indexes (VGATHER)
        offset += value->value * scale;
        return true;
    };
    if (!add(operand.base, 1) || !add(operand.index, operand.scale)) return std::nullopt;
    if (operand.base.starts_with("xmm") || operand.index.starts_with("xmm") || operand.index.starts_with("ymm"))
        return std::nullopt;
    offset = low_bits(offset, operand.address_bits);
    static constexpr std::array<std::string_view, 6> names = {"es", "cs", "ss", "ds", "fs", "gs"};
    const auto found = std::find(names.begin(), names.end(), operand.segment);
    const auto segment = static_cast<std::size_t>(found - names.begin());
    OperandAddress at{offset, offset};
    if (segment < names.size())
        at.linear += cpu.code64() ? (segment >= FS ? cpu.seg[segment].base : 0) : cpu.seg[segment].base;
    if (!cpu.code64()) at.linear &= 0xFFFF'FFFF;
    return at;
}

namespace {

/// The condition of Jcc, SETcc and CMOVcc by its letters (SDM 1, appendix B).
std::optional<bool> condition_holds(u32 f, std::string_view name) {
    const bool cf = f & eflags::CF, pf = f & eflags::PF, zf = f & eflags::ZF, sf = f & eflags::SF, of = f & eflags::OF;
    struct Condition {
        std::string_view name;
        bool holds;
    };
    const std::array<Condition, 16> all = {{{"o", of},
                                            {"no", !of},
                                            {"b", cf},
                                            {"nb", !cf},
                                            {"z", zf},
                                            {"nz", !zf},
                                            {"be", cf || zf},
                                            {"nbe", !cf && !zf},
                                            {"s", sf},
                                            {"ns", !sf},
                                            {"p", pf},
                                            {"np", !pf},
                                            {"l", sf != of},
                                            {"nl", sf == of},
                                            {"le", zf || sf != of},
                                            {"nle", !zf && sf == of}}};
    for (const Condition& c : all) {
        if (c.name == name) return c.holds;
    }
    return std::nullopt;
}

} // namespace

std::optional<bool> branch_taken(const Cpu& cpu, const DecodedInstruction& instruction, unsigned bits) {
    if (!instruction.valid || instruction.flow != InstructionFlow::conditional) return std::nullopt;
    const std::string_view name = instruction.mnemonic;
    if (name == "jcxz") return cpu.r16(RCX) == 0;
    if (name == "jecxz") return cpu.r32(RCX) == 0;
    if (name == "jrcxz") return cpu.gpr[RCX] == 0;
    if (name.starts_with("loop")) {
        // The width of the counter is the address size, which no operand shows: that of the code, unless prefixed.
        const u64 count = low_bits(cpu.gpr[RCX] - 1, bits);
        const bool zf = (cpu.full_eflags() & eflags::ZF) != 0;
        return count != 0 && (name == "loop" || zf == (name == "loope"));
    }
    return name.starts_with('j') ? condition_holds(cpu.full_eflags(), name.substr(1)) : std::nullopt;
}

} // namespace glassbox::look
