// SDM 1, 8.1 (x87), 9.2 (MMX), 10.2 (SSE), 14.1 (AVX).
#include "debugger/look/vector_text.hpp"

#include "debugger/look/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace glassbox::look {

namespace {

constexpr std::array<Bit, 6> exceptions = {{{32, "PE"}, {16, "UE"}, {8, "OE"}, {4, "ZE"}, {2, "DE"}, {1, "IE"}}};
constexpr std::array<Bit, 6> masks = {{{32, "PM"}, {16, "UM"}, {8, "OM"}, {4, "ZM"}, {2, "DM"}, {1, "IM"}}};

std::string_view rounding_name(unsigned rc) {
    static constexpr std::array<std::string_view, 4> names = {"to nearest", "down", "up", "to zero"};
    return names[rc & 3];
}

std::string_view precision_name(unsigned pc) {
    static constexpr std::array<std::string_view, 4> names = {"24 bits", "reserved", "53 bits", "64 bits"};
    return names[pc & 3];
}

std::string_view tag_name(unsigned tag) {
    static constexpr std::array<std::string_view, 4> names = {"valid", "zero", "special", "empty"};
    return names[tag & 3];
}

} // namespace

void write_fpu(const Cpu& cpu, const RegisterSnapshot& before, std::string& out) {
    if (!cpu.has(Feature::fpu)) {
        out += "This processor has no x87 unit.\n";
        return;
    }
    const FpuState& f = cpu.fpu;
    const u16 status = f.status_word(), tags = f.tag_word();
    Table table({" ", "tag", "exponent", "significand", "value"});
    for (unsigned i = 0; i < 8; ++i) {
        const auto value = f.st(i);
        const unsigned physical = f.physical(i);
        const std::string name = "st" + std::to_string(i);
        const bool changed = before.changed(cpu, name) || before.changed(cpu, name + ".exponent");
        const unsigned tag = tags >> (2 * physical) & 3;
        table.add({(changed ? "*" : " ") + ("ST" + std::to_string(i)) + " (R" + std::to_string(physical) + ")",
                   std::string(tag_name(tag)), digits(value.sign_exponent, 4), digits(value.significand, 16),
                   tag == 3 ? "" : f80_text(value.significand, value.sign_exponent)});
    }
    table.write(out, "");
    out += " FCW " + digits(f.control, 4) + "  rounds " + std::string(rounding_name(f.control >> 10)) + ", " +
           std::string(precision_name(f.control >> 8)) + ", masked: " + bit_words(f.control & 0x3F, masks) + "\n";
    std::string conditions;
    for (const auto& [mask, name] : {std::pair{FpuState::c3, "C3"}, std::pair{FpuState::c2, "C2"},
                                     std::pair{FpuState::c1, "C1"}, std::pair{FpuState::c0, "C0"}}) {
        if (status & mask) conditions += std::string(" ") + name;
    }
    out += " FSW " + digits(status, 4) + "  TOP " + std::to_string(f.top) +
           ", conditions:" + (conditions.empty() ? " -" : conditions) +
           ", exceptions: " + bit_words(status & 0x3F, exceptions) + ((status & FpuState::stack_fault) ? " SF" : "") +
           ((status & FpuState::summary) ? ", pending (ES)" : "") + "\n";
    out += " FTW " + digits(tags, 4) + "  last instruction " + digits(f.instruction_selector, 4) + ":" +
           digits(f.instruction_pointer, 8) + ", operand " + digits(f.data_selector, 4) + ":" +
           digits(f.data_pointer, 8) + ", opcode " + digits(f.opcode, 3) + "\n";
}

namespace {

struct Kind {
    std::string_view name;
    unsigned bytes;
    Feature needs;
};
constexpr std::array<Kind, 3> kinds = {{{"ymm", 32, Feature::avx}, {"xmm", 16, Feature::sse}, {"mm", 8, Feature::mmx}}};

std::array<u8, 32> bytes_of(const Cpu& cpu, const Kind& kind, unsigned n) {
    std::array<u8, 32> bytes{};
    if (kind.bytes == 8) {
        const u64 value = cpu.fpu.mmx(n);
        std::memcpy(bytes.data(), &value, 8);
    } else {
        std::memcpy(bytes.data(), &cpu.sse.vector[n].part[0], 16);
        std::memcpy(bytes.data() + 16, &cpu.sse.vector[n].part[1], 16);
    }
    return bytes;
}

bool changed(const Cpu& cpu, const RegisterSnapshot& before, const Kind& kind, unsigned n) {
    const std::string number = std::to_string(n);
    if (kind.bytes == 8) return before.changed(cpu, "mm" + number);
    if (kind.bytes == 16) return before.changed(cpu, "xmm" + number) || before.changed(cpu, "xmm" + number + "h");
    for (const char* part : {".0", ".1", ".2", ".3"}) {
        if (before.changed(cpu, "ymm" + number + part)) return true;
    }
    return false;
}

void write_register(const Cpu& cpu, const RegisterSnapshot& before, const Kind& kind, unsigned n, ValueType type,
                    bool single, std::string& out) {
    const auto bytes = bytes_of(cpu, kind, n);
    std::string line =
        (changed(cpu, before, kind, n) ? "*" : " ") + left(upper(kind.name) + std::to_string(n), single ? 0 : 6);
    if (single) { // the lowest element first, with its number
        out += line + "\n";
        for (unsigned i = 0; i < kind.bytes / type.size; ++i)
            out += "   [" + std::to_string(i) + "] " +
                   value_text(std::span(bytes).subspan(i * type.size, type.size), type) + "\n";
        return;
    }
    // As a number is written, the highest element first.
    for (unsigned i = kind.bytes / type.size; i-- > 0;)
        line += " " + value_text(std::span(bytes).subspan(i * type.size, type.size), type);
    out += line + "\n";
}

} // namespace

Expected<> write_vectors(const Cpu& cpu, const RegisterSnapshot& before, std::string_view name,
                         std::optional<ValueType> type, std::string& out) {
    const std::string wanted = lower(name);
    if (type && type->size > 8) return fail("vector registers have no elements of 10 bytes");
    for (const Kind& kind : kinds) {
        if (!wanted.starts_with(kind.name)) continue;
        if (!cpu.has(kind.needs)) return fail("this processor has no " + upper(kind.name) + " registers");
        const unsigned count = kind.bytes == 8 || !cpu.has(Feature::long_mode) ? 8 : 16;
        const std::string_view number = std::string_view(wanted).substr(kind.name.size());
        if (number.empty()) {
            for (unsigned n = 0; n < count; ++n)
                write_register(cpu, before, kind, n, type.value_or(ValueType{'x', 8}), false, out);
        } else {
            unsigned n = 0;
            const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), n);
            if (error != std::errc{} || end != number.data() + number.size() || n >= count) break;
            write_register(cpu, before, kind, n, type.value_or(ValueType{'x', 8}), type.has_value(), out);
        }
        if (kind.bytes > 8 && number.empty())
            out += " MXCSR " + digits(cpu.sse.mxcsr, 8) + "  rounds " +
                   std::string(rounding_name(cpu.sse.mxcsr >> 13)) + ((cpu.sse.mxcsr & 0x8000) ? ", FZ" : "") +
                   ((cpu.sse.mxcsr & 0x40) ? ", DAZ" : "") +
                   ", masked: " + bit_words(cpu.sse.mxcsr >> 7 & 0x3F, masks) +
                   ", exceptions: " + bit_words(cpu.sse.mxcsr & 0x3F, exceptions) + "\n";
        return {};
    }
    return fail("there is no register '" + std::string(name) +
                "': mm0-mm7, xmm0-xmm15, ymm0-ymm15, or mm, xmm, ymm for all");
}

} // namespace glassbox::look
