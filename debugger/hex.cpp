#include "debugger/hex.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace glassbox {

namespace {

std::string printed(const char* format, u64 value, unsigned digits) {
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), format, static_cast<int>(std::min(digits, 16u)),
                  static_cast<unsigned long long>(value));
    return text.data();
}

} // namespace

std::string hex(u64 value, unsigned digits) { return printed("%0*llx", value, digits); }
std::string capital_hex(u64 value, unsigned digits) { return printed("%0*llX", value, digits); }

std::string hex_bytes(std::span<const u8> bytes, bool capitals) {
    const char* const digits = capitals ? "0123456789ABCDEF" : "0123456789abcdef";
    std::string text;
    for (const u8 byte : bytes) {
        if (!text.empty()) text += ' ';
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

} // namespace glassbox
