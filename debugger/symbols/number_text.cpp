// Numbers as `print` shows them.
#include "debugger/symbols/number_text.hpp"

#include "debugger/hex.hpp"

#include <bit>
#include <cctype>

namespace glassbox {

namespace {

/// The narrowest of 8, 16, 32 and 64 bits that hold it.
unsigned natural_width(u64 value) {
    for (const unsigned bits : {8u, 16u, 32u}) {
        if (value >> bits == 0) return bits;
    }
    return 64;
}

i64 with_sign(u64 value) {
    const unsigned shift = 64 - natural_width(value);
    return static_cast<i64>(value << shift) >> shift;
}

std::string octal_text(u64 value) {
    std::string text;
    do {
        text.insert(text.begin(), static_cast<char>('0' + (value & 7)));
        value >>= 3;
    } while (value);
    return text + "o";
}

} // namespace

std::string marked_hex(u64 value) {
    const std::string text = capital_hex(value);
    return (text[0] > '9' ? "0" : "") + text + "h";
}

std::string binary_text(u64 value) {
    const auto width = static_cast<unsigned>(std::bit_width(value));
    std::string text;
    for (unsigned bit = width ? width : 1; bit-- > 0;) {
        text += (value >> bit & 1) ? '1' : '0';
        if (bit % 4 == 0 && bit != 0) text += '_';
    }
    return text + "b";
}

std::string signed_text(u64 value) {
    const i64 number = with_sign(value);
    if (number >= 0) return {};
    return std::to_string(number) + " (" + std::to_string(natural_width(value)) + " bits)";
}

std::string character_text(u64 value) {
    switch (value) {
    case 0: return "'\\0'";
    case '\b': return "'\\b'";
    case '\t': return "'\\t'";
    case '\n': return "'\\n'";
    case '\r': return "'\\r'";
    case 0x1B: return "ESC";
    default: break;
    }
    return value >= ' ' && value <= '~' ? std::string("'") + static_cast<char>(value) + "'" : std::string();
}

std::optional<std::string> formatted(u64 value, char format) {
    switch (format) {
    case 'x': return marked_hex(value);
    case 'd': return std::to_string(with_sign(value));
    case 'u': return std::to_string(value);
    case 't': return binary_text(value);
    case 'o': return octal_text(value);
    case 'c': {
        const std::string text = character_text(value);
        return text.empty() ? std::to_string(value) : text;
    }
    default: return {};
    }
}

} // namespace glassbox
