// The stack as words, and the chain of calls as a table: names, arguments, functions that were inlined.
#include "debugger/look/stack_text.hpp"

#include "debugger/look/memory_text.hpp"
#include "debugger/look/text.hpp"
#include "debugger/symbols/frame_scope.hpp"
#include "debugger/symbols/symbols.hpp"
#include "debugger/symbols/typed_value.hpp"
#include "debugger/view.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace glassbox::look {

namespace {

/// The width of the stack pointer: SS.B, or 64 bits.
u64 stack_mask(const Cpu& cpu) { return cpu.code64() ? ~u64{0} : cpu.seg[SS].big() ? 0xFFFF'FFFF : 0xFFFF; }

std::optional<u64> read_stack(const Cpu& cpu, u64 offset, unsigned size) {
    return read_value(cpu, {stack_linear(cpu, offset & stack_mask(cpu)), false}, size);
}

} // namespace

unsigned stack_word(const Cpu& cpu) { return code_bits(cpu) / 8; }

u64 stack_linear(const Cpu& cpu, u64 offset) {
    return cpu.code64() ? offset : static_cast<u32>(cpu.seg[SS].base + offset);
}

u64 stack_pointer(const Cpu& cpu) { return cpu.gpr[RSP] & stack_mask(cpu); }

namespace {

/// A label without a size reaches far: data behind the last one is not its.
std::string stack_name(const Symbols& symbols, u64 address) {
    constexpr u64 reach = 0x1000;
    const auto symbol = symbols.at(address);
    if (!symbol || (symbol->size == 0 && address - symbol->address >= reach)) return {};
    return symbols.describe(address);
}

} // namespace

void write_stack(const Cpu& cpu, const Symbols* symbols, u64 count, std::string& out) {
    const unsigned size = stack_word(cpu);
    const u64 mask = stack_mask(cpu);
    const unsigned width = cpu.code64() ? 16 : cpu.seg[SS].big() ? 8 : 4;
    u64 offset = stack_pointer(cpu);
    out += "Stack at " + (cpu.code64() ? std::string() : digits(cpu.seg[SS].selector, 4) + ":") +
           digits(offset, width) + " (linear " + digits(stack_linear(cpu, offset), cpu.long_mode() ? 16 : 8) + ")\n";
    Table table({"+", "offset", "value", ""}, {0});
    const u64 frame = cpu.gpr[RBP] & mask;
    for (u64 n = 0; n < count; ++n) {
        const auto value = read_stack(cpu, offset, size);
        std::string words;
        if (value) {
            const u64 linear = cpu.code64() ? *value : static_cast<u32>(cpu.seg[CS].base + *value);
            if (symbols) words = stack_name(*symbols, linear);
            if (!words.empty()) words.insert(0, 1, '<').push_back('>');
            if (*value != 0 && call_before(cpu, linear, code_bits(cpu)) != CallKind::none)
                words += std::string(words.empty() ? "" : " ") + "return address?";
        }
        if (offset == frame)
            words += std::string(words.empty() ? "" : ", ") + "<- " + (width == 16 ? "RBP" : width == 8 ? "EBP" : "BP");
        table.add({prose(n * size), digits(offset, width), value ? digits(*value, size * 2) : "(not readable)", words});
        if (!value) break;
        offset = (offset + size) & mask;
    }
    table.write(out);
}

namespace {

std::string place_text(const CallFrame& f) {
    if (f.bits == 64) return digits(f.pc, 16);
    return digits(f.cs, 4) + ":" + digits(f.offset, f.bits == 16 && f.offset <= 0xFFFF ? 4 : 8);
}

std::string line_text(const std::string& path, unsigned line) {
    return " at " + path.substr(path.find_last_of('/') + 1) + ":" + std::to_string(line);
}

/// "(text = 104000h "works", n = 5)"
std::string arguments_text(const Cpu& cpu, const FunctionScope& scope, unsigned inlined) {
    TypedFormat format;
    format.most_elements = 24;
    format.one_line = true;
    const MemoryReader read = [&cpu](const Address& at, std::span<u8> bytes) {
        return read_linear_quietly(cpu, at.value, bytes) == bytes.size();
    };
    std::string text;
    for (const TypedVariable& variable : scope.variables) {
        if (!variable.parameter || variable.inlined != inlined || text.size() > 100) continue;
        TypedValue value{.type = variable.type};
        if (variable.address) value.place = Address{.value = *variable.address};
        if (variable.bytes) value.kept = std::make_shared<const std::vector<u8>>(*variable.bytes);
        text += text.empty() ? "" : ", ";
        text += variable.name + " = " + (variable.kept() ? typed_text(value, read, format) : "?");
    }
    return "(" + text + ")";
}

/// The names of a frame: of functions that were inlined first, from the inside out.
std::vector<std::string> names_of(const Cpu& cpu, const Symbols* symbols, const CallFrame& f) {
    if (!symbols) return {std::string()};
    // A return address may lie behind the function that called.
    const u64 inside = f.exact ? f.pc : f.pc - 1;
    std::string name = symbols->describe(f.pc);
    const auto here = symbols->line_at(inside);
    std::string line = here ? line_text(here->file, here->line) : std::string();
    const auto scope = f.bits == 16 ? std::nullopt : symbols->scope(f.registers, f.bits, memory_of(cpu));
    if (!scope) return {name.empty() && !line.empty() ? line.substr(1) : name + line};
    std::vector<std::string> names;
    for (std::size_t i = scope->inlined.size(); i-- > 0;) {
        const InlinedCall& call = scope->inlined[i];
        names.push_back(call.function + arguments_text(cpu, *scope, static_cast<unsigned>(i + 1)) + line + ", inlined");
        line = call.line ? line_text(call.file, call.line) : std::string();
    }
    names.push_back((name.empty() ? scope->function : name) + " " + arguments_text(cpu, *scope, 0) + line);
    return names;
}

std::string source_text(const CallFrame& f) {
    static constexpr std::array<std::string_view, 6> sources = {
        "", "CFI", "frame pointer", "stack pointer", "interrupt frame", "a guess"};
    return std::string(sources[static_cast<std::size_t>(f.source)]);
}

} // namespace

void write_frame(const Cpu& cpu, const Symbols* symbols, const CallFrame& f, unsigned number, std::string& out) {
    const auto names = names_of(cpu, symbols, f);
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string place = i + 1 < names.size() ? std::string() : place_text(f) + "  ";
        out += "#" + std::to_string(number) + "  " + place + names[i] + "\n";
    }
}

void write_backtrace(const Cpu& cpu, const Symbols* symbols, std::size_t most, std::string& out) {
    std::string why;
    const auto frames = call_frames(cpu, symbols, most, why);
    const unsigned chosen = symbols ? chosen_frame(cpu, *symbols) : 0;
    Table table({"#", "address", "stack", "found by", "function"}, {0}); // the longest one last
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const CallFrame& f = frames[i];
        if (f.source == FrameSource::interrupt)
            table.add({"", "", "", "", "<interrupt" + (f.vector.empty() ? "" : " " + f.vector) + ">"});
        const auto names = names_of(cpu, symbols, f);
        for (std::size_t n = 0; n + 1 < names.size(); ++n) table.add({"", "", "", "", names[n]});
        table.add({(chosen != 0 && chosen == i ? "=> " : "") + std::to_string(i), place_text(f),
                   digits(f.sp, f.bits == 64 ? 16 : 8), source_text(f), names.back()});
    }
    table.write(out);
    if (!why.empty()) out += "  (" + why + ")\n";
}

} // namespace glassbox::look
