#include "debugger/devices/sheet.hpp"

#include "debugger/hex.hpp"

#include <algorithm>
#include <cctype>

namespace glassbox {

namespace {

constexpr std::size_t name_width = 16, value_width = 9, line_width = 100;

std::string padded(std::string_view text, std::size_t width) {
    std::string result(text);
    if (result.size() < width) result.resize(width, ' ');
    return result;
}

void trim(std::string& line) {
    while (!line.empty() && line.back() == ' ') line.pop_back();
}

} // namespace

std::string hex_digits(u64 value, unsigned count) {
    std::string text = hex(value, count);
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

std::string hexh(u64 value, unsigned count) { return hex_digits(value, count) + "h"; }

std::string byte_list(std::span<const u8> bytes) { return bytes.empty() ? "none" : hex_bytes(bytes, true); }

std::string duration(Time time) {
    struct Unit {
        Time size;
        const char* name;
    };
    constexpr Unit units[] = {{second, "s"}, {millisecond, "ms"}, {microsecond, "us"}, {nanosecond, "ns"}};
    for (const Unit& unit : units) {
        if (time < unit.size) continue;
        const std::string fraction = std::to_string(1000 + time % unit.size / (unit.size / 1000));
        return std::to_string(time / unit.size) + "." + fraction.substr(1) + " " + unit.name;
    }
    return std::to_string(time) + " ps";
}

std::string on_off(bool on) { return on ? "on" : "off"; }

std::string bit_names(u64 value, std::initializer_list<BitName> names, std::string_view separator) {
    std::string text;
    for (const BitName& name : names) {
        const std::string_view word = (value & name.mask) != 0 ? name.set : name.clear;
        if (word.empty()) continue;
        if (!text.empty()) text += separator;
        text += word;
    }
    return text.empty() ? "-" : text;
}

std::string number_list(u64 mask, std::string_view prefix) {
    std::string text;
    for (unsigned bit = 0; bit < 64; ++bit) {
        if ((mask >> bit & 1) == 0) continue;
        if (!text.empty()) text += ' ';
        text += prefix;
        text += std::to_string(bit);
    }
    return text.empty() ? "none" : text;
}

void Sheet::title(std::string_view text) {
    if (!out_.empty()) out_ += '\n';
    out_ += text;
    out_ += '\n';
}

/// A long meaning goes on, indented, on lines of its own.
void Sheet::row(std::string_view name, std::string_view value, std::string_view meaning) {
    std::string line = "  " + padded(name, name_width) + " ";
    if (meaning.empty()) {
        line += value;
        return this->line(line);
    }
    line += padded(value, value_width) + " ";
    const std::size_t indent = line.size();
    while (indent + meaning.size() > line_width) {
        std::size_t cut = meaning.rfind(' ', line_width - std::min(indent, line_width - 1));
        if (cut == std::string_view::npos || cut == 0) break;
        line += meaning.substr(0, cut);
        this->line(line);
        line.assign(indent, ' ');
        meaning.remove_prefix(cut + 1);
    }
    line += meaning;
    this->line(line);
}

void Sheet::line(std::string_view text) {
    out_ += text;
    trim(out_);
    out_ += '\n';
}

void Sheet::table(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    for (const auto& row : rows) {
        std::string text;
        for (std::size_t i = 0; i < row.size(); ++i) text += "  " + padded(row[i], widths[i]);
        line(text);
    }
}

void Sheet::dump(std::span<const u8> bytes, unsigned offset_digits) {
    for (std::size_t at = 0; at < bytes.size(); at += 16) {
        const std::size_t count = std::min<std::size_t>(16, bytes.size() - at);
        line("  " + hex_digits(at, offset_digits) + "  " + hex_bytes(bytes.subspan(at, count), true));
    }
}

} // namespace glassbox
