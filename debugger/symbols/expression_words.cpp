// What the words of an expression are: numbers in their notations, segment registers; and how errors show their place.
#include "debugger/symbols/expression_tree.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace glassbox {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex_digit(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }

} // namespace

std::string lower_case(std::string_view text) {
    std::string low(text);
    for (char& c : low) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return low;
}

std::optional<u64> number_of(std::string_view text, unsigned base) {
    u64 value = 0;
    bool any = false;
    for (const char c : text) {
        if (c == '_' && any) continue;
        if (!is_hex_digit(c)) return {};
        const auto digit =
            static_cast<unsigned>(is_digit(c) ? c - '0' : std::tolower(static_cast<unsigned char>(c)) - 'a' + 10);
        if (digit >= base || value > (~u64{0} - digit) / base) return {};
        value = value * base + digit;
        any = true;
    }
    return any ? std::optional(value) : std::nullopt;
}

std::optional<u64> marked_number(std::string_view word, unsigned unmarked_base) {
    const std::string low = lower_case(word);
    const std::string_view text = low;
    if (text.starts_with("0x")) return number_of(text.substr(2), 16);
    if (text.ends_with('h')) return number_of(text.substr(0, text.size() - 1), 16);
    if (unmarked_base == 10 && text.starts_with("0b")) return number_of(text.substr(2), 2);
    return number_of(text, unmarked_base);
}

Error expression_error(std::string_view text, std::size_t column, const std::string& what) {
    std::string shown(text.substr(0, 60));
    std::replace_if(shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    if (text.size() > shown.size()) shown += "...";
    return Error{what + " (column " + std::to_string(column) + " of \"" + shown + "\")"};
}

std::optional<unsigned> segment_register(std::string_view name) {
    constexpr std::array<std::string_view, 6> names{"es", "cs", "ss", "ds", "fs", "gs"};
    const std::string low = lower_case(name);
    const auto found = std::find(names.begin(), names.end(), low);
    if (found == names.end()) return {};
    return static_cast<unsigned>(found - names.begin());
}

} // namespace glassbox
