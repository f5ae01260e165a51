// C++ names as people say them (Itanium C++ ABI 5.1): only plain nesting, so that no name, however made, takes long.
#include "debugger/symbols/symbol_file.hpp"

#include <algorithm>

namespace glassbox {

namespace {

/// "<length><identifier>"; "" if that is not what comes.
std::string_view take_identifier(std::string_view& text) {
    std::size_t length = 0, digits = 0;
    while (digits < text.size() && digits < 4 && text[digits] >= '0' && text[digits] <= '9')
        length = length * 10 + static_cast<std::size_t>(text[digits++] - '0');
    if (digits == 0 || length == 0 || length > text.size() - digits) return {};
    const std::string_view name = text.substr(digits, length);
    text.remove_prefix(digits + length);
    return name;
}

} // namespace

std::string plain_name(std::string_view name) {
    std::string_view rest = name;
    if (!rest.starts_with("_Z")) return std::string(name);
    rest.remove_prefix(2);
    if (rest.starts_with('L')) rest.remove_prefix(1); // of internal linkage
    const bool nested = rest.starts_with('N');
    if (nested) {
        rest.remove_prefix(1);
        while (!rest.empty() && std::string_view("rVKRO").find(rest[0]) != std::string_view::npos)
            rest.remove_prefix(1);
    }
    std::string plain;
    std::string_view last;
    do {
        if (rest.starts_with('L')) rest.remove_prefix(1);
        if (nested && rest.size() >= 2 && (rest[0] == 'C' || rest[0] == 'D') && rest[1] >= '0' && rest[1] <= '5' &&
            !last.empty()) {
            plain += rest[0] == 'C' ? "::" : "::~";
            plain += last;
            rest.remove_prefix(2);
            continue;
        }
        const std::string_view part = take_identifier(rest);
        if (part.empty()) return std::string(name);
        last = part;
        if (part == "_GLOBAL__N_1") continue; // an anonymous namespace
        if (!plain.empty()) plain += "::";
        plain += part;
    } while (nested && !rest.empty() && rest[0] != 'E');
    if (rest.starts_with('I')) return std::string(name); // template arguments make the difference
    return plain.empty() ? std::string(name) : plain;
}

} // namespace glassbox
