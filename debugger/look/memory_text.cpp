#include "debugger/look/memory_text.hpp"

#include "debugger/hex.hpp"
#include "debugger/look/text.hpp"
#include "debugger/symbols/symbols.hpp"
#include "debugger/view.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace glassbox::look {

namespace {

constexpr std::size_t row_bytes = 16;

char printable(u8 c) { return c >= 0x20 && c < 0x7F ? static_cast<char>(c) : '.'; }

/// Byte for byte, so that a hole is known from what is around it.
std::vector<std::optional<u8>> read_bytes(const Cpu& cpu, MemoryPlace at, std::size_t count) {
    std::vector<std::optional<u8>> bytes(count);
    std::vector<u8> read(count);
    std::size_t done = read_quietly(cpu, at, read);
    for (std::size_t i = 0; i < done; ++i) bytes[i] = read[i];
    for (++done; done < count; ++done) { // behind the hole
        std::array<u8, 1> one{};
        if (read_quietly(cpu, after(at, done), one) == 1) bytes[done] = one[0];
    }
    return bytes;
}

std::string unit_text(std::span<const std::optional<u8>> bytes) {
    std::string text;
    for (std::size_t i = bytes.size(); i-- > 0;) text += bytes[i] ? digits(*bytes[i], 2) : "??";
    return text;
}

} // namespace

std::size_t read_quietly(const Cpu& cpu, MemoryPlace at, std::span<u8> bytes) {
    return at.physical ? read_physical_quietly(cpu, at.address, bytes) : read_linear_quietly(cpu, at.address, bytes);
}

std::optional<u64> read_value(const Cpu& cpu, MemoryPlace at, unsigned size) {
    std::array<u8, 8> bytes{};
    size = std::min(size, 8u);
    if (read_quietly(cpu, at, std::span(bytes).first(size)) < size) return std::nullopt;
    u64 value = 0;
    std::memcpy(&value, bytes.data(), 8);
    return value;
}

std::string address_text(const Cpu& cpu, MemoryPlace at) {
    if (at.physical) return "p" + digits(at.address, 8);
    return cpu.long_mode() ? digits(at.address, 16) : digits(static_cast<u32>(at.address), 8);
}

void write_dump(const Cpu& cpu, MemoryPlace at, u64 length, unsigned unit, std::string& out) {
    for (u64 done = 0; done < length; done += row_bytes) {
        const auto count = static_cast<std::size_t>(std::min<u64>(row_bytes, length - done));
        const auto bytes = read_bytes(cpu, after(at, done), count);
        std::string line = address_text(cpu, after(at, done)) + " ";
        for (std::size_t i = 0; i < row_bytes; i += unit) {
            if (i % 8 == 0) line += ' ';
            if (i >= count)
                line += std::string(2 * unit, ' ');
            else
                line += unit_text(std::span(bytes).subspan(i, std::min<std::size_t>(unit, count - i)));
            line += ' ';
        }
        line += ' ';
        for (const auto& b : bytes) line += b ? printable(*b) : ' ';
        while (line.ends_with(' ')) line.pop_back();
        out += line + "\n";
    }
}

Expected<ExamineFormat> parse_examine_format(std::string_view text, ExamineFormat defaults) {
    ExamineFormat f = defaults;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), f.count);
    if (error == std::errc::result_out_of_range) return fail("the count is too large");
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    bool size_given = false;
    for (const char c : text) {
        switch (c) {
        case 'b':
            f.size = 1;
            size_given = true;
            break;
        case 'h':
            f.size = 2;
            size_given = true;
            break;
        case 'w':
            f.size = 4;
            size_given = true;
            break;
        case 'g':
            f.size = 8;
            size_given = true;
            break;
        case 'x':
        case 'd':
        case 'u':
        case 'o':
        case 't':
        case 'a':
        case 'c':
        case 'f':
        case 's':
        case 'i': f.format = c; break;
        default: return fail(std::string("'") + c + "' is no format: x d u o t a c f s i, and the sizes b h w g");
        }
    }
    if (f.format == 'c' && !size_given) f.size = 1;
    if (f.format == 'f' && f.size < 4) f.size = 4;
    return f;
}

namespace {

std::string number_text(u64 value, char format, unsigned size) {
    switch (format) {
    case 'd': {
        const unsigned unused = 64 - 8 * size;
        return std::to_string(static_cast<i64>(value << unused) >> unused);
    }
    case 'u': return std::to_string(value);
    case 'o': {
        std::array<char, 32> text{};
        const auto end = std::to_chars(text.data(), text.data() + text.size(), value, 8).ptr;
        return "0" + std::string(text.data(), end);
    }
    case 't': {
        std::string text;
        for (unsigned bit = 8 * size; bit-- > 0;) text += value >> bit & 1 ? '1' : '0';
        return text;
    }
    case 'c': return std::to_string(value) + " '" + printable(static_cast<u8>(value)) + "'";
    default: return digits(value, 2 * size);
    }
}

unsigned units_in_row(const ExamineFormat& f) {
    switch (f.format) {
    case 'a': return 1;
    case 't': return std::max(1u, 8 / f.size);
    case 'f': return 4;
    case 'c': return 8;
    default: return f.size == 1 ? 8 : 16 / f.size;
    }
}

/// A zero-terminated string; the address behind it is the next one's.
u64 write_string(const Cpu& cpu, MemoryPlace at, std::string& out) {
    constexpr std::size_t longest = 200;
    std::array<u8, longest> bytes{};
    const std::size_t got = read_quietly(cpu, at, bytes);
    const auto end = static_cast<std::size_t>(
        std::find(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(got), 0) - bytes.begin());
    out += address_text(cpu, at) + "  ";
    if (got == 0) {
        out += "(not readable)\n";
        return 1;
    }
    out += '"';
    for (std::size_t i = 0; i < end; ++i) {
        const u8 c = bytes[i];
        if (c == '\n')
            out += "\\n";
        else if (c == '\r')
            out += "\\r";
        else if (c == '\t')
            out += "\\t";
        else if (c == '"' || c == '\\')
            out += std::string("\\") + static_cast<char>(c);
        else if (c >= 0x20 && c < 0x7F)
            out += static_cast<char>(c);
        else
            out += "\\x" + digits(c, 2);
    }
    out += end == longest ? "\" …\n" : "\"\n";
    return end == longest ? longest : end + 1;
}

} // namespace

void write_examine(const Cpu& cpu, const Symbols* symbols, MemoryPlace at, const ExamineFormat& f, std::string& out) {
    if (f.format == 's') {
        for (u64 n = 0; n < f.count; ++n) at = after(at, write_string(cpu, at, out));
        return;
    }
    const unsigned in_row = units_in_row(f);
    std::string line;
    for (u64 n = 0; n < f.count; ++n, at = after(at, f.size)) {
        if (n % in_row == 0) {
            if (!line.empty()) out += line + "\n";
            line = address_text(cpu, at);
            if (symbols && !at.physical) {
                if (const std::string name = symbols->describe(at.address); !name.empty()) line += " <" + name + ">";
            }
            line += " ";
        }
        std::array<u8, 8> bytes{};
        if (read_quietly(cpu, at, std::span(bytes).first(f.size)) < f.size) {
            line += " " + std::string(f.size * 2, '?');
            continue;
        }
        u64 value = 0;
        std::memcpy(&value, bytes.data(), 8);
        if (f.format == 'f') {
            line += " " + left(value_text(std::span(bytes).first(f.size), {'f', f.size}), 20);
        } else {
            line += " " + number_text(value, f.format, f.size);
        }
        if (f.format == 'a' && symbols) {
            if (const std::string name = symbols->describe(value); !name.empty()) line += " <" + name + ">";
        }
    }
    while (line.ends_with(' ')) line.pop_back();
    if (!line.empty()) out += line + "\n";
}

} // namespace glassbox::look
