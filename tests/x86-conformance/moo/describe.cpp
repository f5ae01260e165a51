#include "tests/x86-conformance/moo/describe.hpp"

#include "debugger/disassembly.hpp"
#include "debugger/hex.hpp"

namespace glassbox::conformance::moo {

namespace {

/// Names come from a file.
std::string printable(std::string_view text) {
    std::string result;
    for (const char c : text.substr(0, 200)) result += c >= ' ' && c <= '~' ? c : '?';
    return result;
}

/// A few to a line.
class Lines {
  public:
    void add(const std::string& item) {
        if (++items_ > 1) text_ += items_ % 8 == 1 ? "\n" : "  ";
        text_ += item;
    }
    std::string take() { return std::move(text_); }

  private:
    std::string text_;
    unsigned items_ = 0;
};

unsigned digits_of(unsigned name, bool wide) {
    const bool segment = name >= reg::cs && name <= reg::ss;
    return wide && !segment ? 8 : 4;
}

std::string register_text(unsigned name, u32 value, bool wide) {
    const unsigned digits = digits_of(name, wide);
    return std::string(Execution::register_name(name, wide)) + "=" + hex(digits == 4 ? value & 0xFFFF : value, digits);
}

/// "[012345] 01 02 03": bytes that follow each other together.
std::string memory_text(const RamList& list) {
    constexpr std::size_t most = 64;
    std::string text;
    for (std::size_t i = 0; i < list.size() && i < most;) {
        const u32 start = list.address(i);
        text += (text.empty() ? "[" : "\n[") + hex(start, 6) + "]";
        for (u32 n = 0; i < list.size() && i < most && list.address(i) == start + n; ++n, ++i)
            text += " " + hex(list.byte(i), 2);
    }
    if (list.size() > most) text += "\nand " + std::to_string(list.size() - most) + " bytes more";
    return text;
}

std::string what_text(const Case& test, u64 index) {
    const auto ip = test.initial.registers.value[reg::eip];
    std::string text = hex_bytes(test.bytes) + "   " + disassemble(test.bytes, 16, ip).text;
    if (!test.name.empty()) text += "\nnamed \"" + printable(test.name) + "\"";
    if (test.index != index) text += ", index " + std::to_string(test.index);
    if (!test.hash.empty()) text += ", hash " + hash_text(test);
    return text;
}

std::string before_text(const Case& test) {
    const Registers& initial = test.initial.registers;
    Lines lines;
    for (unsigned name = 0; name < reg::count; ++name) {
        if (initial.has(name)) lines.add(register_text(name, initial.value[name], initial.wide));
    }
    return lines.take() + "\n" + memory_text(test.initial.ram);
}

/// What the capture changed.
std::string expected_text(const Case& test) {
    if (test.final.shutdown) return "shutdown";
    const Registers& final = test.final.registers;
    Lines lines;
    for (unsigned name = 0; name < reg::count; ++name) {
        if (final.has(name)) lines.add(register_text(name, final.value[name], test.initial.registers.wide));
    }
    std::string text = lines.take();
    if (test.exception) text += (text.empty() ? "exception " : "\nexception ") + std::to_string(test.exception->number);
    if (const std::string memory = memory_text(test.final.ram); !memory.empty())
        text += (text.empty() ? "" : "\n") + memory;
    return text.empty() ? "nothing changed" : text;
}

/// What ours made of the same registers, and what it changed besides.
std::string got_text(const Case& test, const Outcome& outcome) {
    const Registers& initial = test.initial.registers;
    Lines lines;
    for (unsigned name = 0; name < reg::count; ++name) {
        const u32 bits = digits_of(name, initial.wide) == 8 ? 0xFFFF'FFFF : 0xFFFF;
        const bool changed = initial.has(name) && ((initial.value[name] ^ outcome.registers[name]) & bits) != 0;
        if (changed || test.final.registers.has(name))
            lines.add(register_text(name, outcome.registers[name], initial.wide));
    }
    std::string text = lines.take();
    if (!outcome.ended.empty()) text += (text.empty() ? "" : "\n") + outcome.ended;
    for (const Difference& d : outcome.differences) {
        if (d.field.starts_with("[")) text += "\n" + d.field + " " + d.got;
    }
    return text.empty() ? "nothing changed" : text;
}

} // namespace

std::string hash_text(const Case& test) {
    std::string text;
    for (const u8 byte : test.hash) text += hex(byte, 2);
    return text;
}

Failure describe(const Case& test, u64 index, const Outcome& outcome) {
    Failure failure;
    failure.index = index;
    failure.what = what_text(test, index);
    failure.before = before_text(test);
    failure.expected = expected_text(test);
    failure.got = got_text(test, outcome);
    for (const Difference& d : outcome.differences) {
        if (!failure.difference.empty()) failure.difference += "\n";
        failure.difference += d.field + ": expected " + d.expected + ", got " + d.got;
    }
    return failure;
}

} // namespace glassbox::conformance::moo
