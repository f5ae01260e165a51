// Numbers of vector and x87 registers and of memory, in decimal. The same on every host: extended-precision values are
// converted with whole numbers alone.
#include "debugger/look/memory_text.hpp"
#include "debugger/look/text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace glassbox::look {

namespace {

/// A whole number of any size, little end first.
class Big {
  public:
    explicit Big(u64 value) : words_{static_cast<u32>(value), static_cast<u32>(value >> 32)} { trim(); }
    void multiply(u32 by) {
        u64 carry = 0;
        for (u32& word : words_) {
            carry += u64{word} * by;
            word = static_cast<u32>(carry);
            carry >>= 32;
        }
        if (carry != 0) words_.push_back(static_cast<u32>(carry));
    }
    void shift_left(unsigned by) {
        words_.insert(words_.begin(), by / 32, 0);
        multiply(u32{1} << (by % 32));
    }
    std::string decimal() {
        std::string text;
        while (!words_.empty()) {
            const u32 rest = divide(1'000'000'000);
            std::array<char, 16> part{};
            std::snprintf(part.data(), part.size(), words_.empty() ? "%u" : "%09u", rest);
            text.insert(0, part.data());
        }
        return text.empty() ? "0" : text;
    }

  private:
    void trim() {
        while (!words_.empty() && words_.back() == 0) words_.pop_back();
    }
    u32 divide(u32 by) {
        u64 rest = 0;
        for (std::size_t i = words_.size(); i-- > 0;) {
            rest = rest << 32 | words_[i];
            words_[i] = static_cast<u32>(rest / by);
            rest %= by;
        }
        trim();
        return static_cast<u32>(rest);
    }
    std::vector<u32> words_;
};

/// Cuts a string of digits to `precision`, to nearest; true when a digit was gained in front.
bool round_digits(std::string& text, std::size_t precision) {
    if (text.size() <= precision) return false;
    const bool up = text[precision] >= '5';
    text.resize(precision);
    if (!up) return false;
    for (std::size_t i = precision; i-- > 0;) {
        if (text[i]++ != '9') return false;
        text[i] = '0';
    }
    text.insert(text.begin(), '1');
    text.pop_back();
    return true;
}

/// d.ddd times ten to the `exponent`, without trailing zeros, as %g would write it.
std::string scientific(std::string text, int exponent, unsigned precision) {
    while (text.size() > 1 && text.back() == '0') text.pop_back();
    if (exponent >= -5 && exponent < static_cast<int>(precision)) {
        if (exponent < 0) return "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + text;
        const auto whole = static_cast<std::size_t>(exponent) + 1;
        if (text.size() <= whole) return text + std::string(whole - text.size(), '0');
        return text.substr(0, whole) + "." + text.substr(whole);
    }
    if (text.size() > 1) text.insert(1, ".");
    return text + "e" + (exponent < 0 ? "-" : "+") + std::to_string(std::abs(exponent));
}

} // namespace

std::string f80_text(u64 significand, u16 sign_exponent, unsigned precision) {
    const bool negative = (sign_exponent & 0x8000) != 0;
    const std::string sign = negative ? "-" : "+";
    const int biased = sign_exponent & 0x7FFF;
    const bool integer_bit = (significand >> 63) != 0;
    if (biased == 0x7FFF) {
        if (!integer_bit) return "unsupported";
        if ((significand << 1) == 0) return sign + "inf";
        return (significand >> 62 & 1) ? sign + "QNaN" : sign + "SNaN";
    }
    if (significand == 0) return biased == 0 ? sign + "0" : "unsupported";
    if (!integer_bit && biased != 0) return "unsupported"; // an unnormal (SDM 1, 8.2.2)
    int binary = std::max(biased, 1) - 16383 - 63;
    const int zeros = std::countr_zero(significand);
    const u64 odd = significand >> zeros;
    binary += zeros;
    Big number(odd);
    int exponent = 0;
    if (binary >= 0) {
        number.shift_left(static_cast<unsigned>(binary));
    } else {
        for (int left = -binary; left > 0; left -= 13) {
            u32 power = 1;
            for (int i = 0; i < std::min(left, 13); ++i) power *= 5;
            number.multiply(power);
        }
        exponent = binary;
    }
    std::string text = number.decimal();
    exponent += static_cast<int>(text.size()) - 1;
    if (round_digits(text, precision)) ++exponent;
    return (negative ? "-" : "") + scientific(text, exponent, precision);
}

std::optional<ValueType> parse_value_type(std::string_view name) {
    struct Named {
        std::string_view name;
        ValueType type;
    };
    static constexpr Named types[] = {
        {"u8", {'u', 1}},    {"u16", {'u', 2}},   {"u32", {'u', 4}},  {"u64", {'u', 8}},   {"i8", {'i', 1}},
        {"i16", {'i', 2}},   {"i32", {'i', 4}},   {"i64", {'i', 8}},  {"x8", {'x', 1}},    {"x16", {'x', 2}},
        {"x32", {'x', 4}},   {"x64", {'x', 8}},   {"f32", {'f', 4}},  {"f64", {'f', 8}},   {"f80", {'f', 10}},
        {"char", {'c', 1}},  {"byte", {'x', 1}},  {"word", {'x', 2}}, {"dword", {'x', 4}}, {"qword", {'x', 8}},
        {"float", {'f', 4}}, {"double", {'f', 8}}};
    for (const Named& n : types) {
        if (equal_words(n.name, name)) return n.type;
    }
    return std::nullopt;
}

std::string value_text(std::span<const u8> bytes, ValueType type) {
    u64 value = 0;
    std::memcpy(&value, bytes.data(), std::min<std::size_t>(bytes.size(), 8));
    std::array<char, 40> text{};
    switch (type.kind) {
    case 'u': return std::to_string(value);
    case 'i': {
        const unsigned unused = 64 - 8 * type.size;
        return std::to_string(static_cast<i64>(value << unused) >> unused);
    }
    case 'c': return std::string("'") + (value >= 0x20 && value < 0x7F ? static_cast<char>(value) : '.') + "'";
    case 'f':
        if (type.size == 10) {
            u16 high = 0;
            if (bytes.size() >= 10) std::memcpy(&high, bytes.data() + 8, 2);
            return f80_text(value, high);
        }
        if (type.size == 4)
            std::snprintf(text.data(), text.size(), "%.9g",
                          static_cast<double>(std::bit_cast<float>(static_cast<u32>(value))));
        else
            std::snprintf(text.data(), text.size(), "%.17g", std::bit_cast<double>(value));
        return text.data();
    default: return digits(value, 2 * type.size);
    }
}

} // namespace glassbox::look
