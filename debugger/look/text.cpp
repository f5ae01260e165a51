#include "debugger/look/text.hpp"

#include "debugger/hex.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>

namespace glassbox::look {

namespace {

/// Characters, not bytes, of UTF-8.
std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

} // namespace

std::string digits(u64 value, unsigned count) { return capital_hex(value, count); }

std::string prose(u64 value) { return value < 10 ? std::to_string(value) : digits(value, 1) + "h"; }

std::string left(std::string_view text, std::size_t width) {
    std::string out(text);
    const std::size_t have = width_of(text);
    if (have < width) out.append(width - have, ' ');
    return out;
}

std::string right(std::string_view text, std::size_t width) {
    const std::size_t have = width_of(text);
    return std::string(have < width ? width - have : 0, ' ') + std::string(text);
}

std::string size_text(u64 bytes) {
    static constexpr std::array<std::string_view, 5> units = {"KiB", "MiB", "GiB", "TiB", "PiB"};
    if (bytes < 1024 || bytes % 1024 != 0) return count_text(bytes, "byte", "bytes");
    std::size_t unit = 0;
    bytes /= 1024;
    while (bytes >= 1024 && bytes % 1024 == 0 && unit + 1 < units.size()) {
        bytes /= 1024;
        ++unit;
    }
    return std::to_string(bytes) + " " + std::string(units[unit]);
}

std::string count_text(u64 count, std::string_view one, std::string_view many) {
    return std::to_string(count) + " " + std::string(count == 1 ? one : many);
}

std::string wrapped(std::string_view words, std::string_view indent) {
    constexpr std::size_t columns = 100;
    std::string out, line;
    while (!words.empty()) {
        const std::size_t end = std::min(words.find(' '), words.size());
        if (!line.empty() && indent.size() + line.size() + 1 + end > columns) {
            out += std::string(indent) + line + "\n";
            line.clear();
        }
        line += (line.empty() ? "" : " ") + std::string(words.substr(0, end));
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    return line.empty() ? out : out + std::string(indent) + line + "\n";
}

void Table::write(std::string& out, std::string_view indent) const {
    std::vector<std::size_t> widths;
    for (const auto& row : rows_) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
    }
    for (const auto& row : rows_) {
        std::string line(indent);
        for (std::size_t i = 0; i < row.size(); ++i) {
            const bool flush_right = std::find(right_.begin(), right_.end(), i) != right_.end();
            line += (flush_right ? right(row[i], widths[i]) : left(row[i], widths[i])) + "  ";
        }
        while (!line.empty() && line.back() == ' ') line.pop_back();
        out += line + "\n";
    }
}

std::string bit_words(u64 value, std::span<const Bit> names) {
    std::string text;
    for (const Bit& b : names) {
        if ((value & b.mask) != b.mask) continue;
        text += std::string(text.empty() ? "" : " ") + std::string(b.name);
        value &= ~b.mask;
    }
    if (value != 0) text += std::string(text.empty() ? "" : " ") + "(" + prose(value) + ")";
    return text.empty() ? "-" : text;
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

std::string upper(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return out;
}

bool equal_words(std::string_view a, std::string_view b) { return lower(a) == lower(b); }

} // namespace glassbox::look
