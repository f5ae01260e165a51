// Symbol files that are lines of text: "address name" as Bochs takes it, and nm's "address type name", of which
// Linux's System.map and /proc/kallsyms are instances (nm(1)).
#include "debugger/symbols/symbol_file.hpp"

#include <algorithm>
#include <cctype>

namespace glassbox {

std::string_view take_line(std::string_view& text) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

std::string_view take_word(std::string_view& line) {
    constexpr std::string_view spaces = " \t";
    line.remove_prefix(std::min(line.find_first_not_of(spaces), line.size()));
    const std::string_view word = line.substr(0, std::min(line.find_first_of(spaces), line.size()));
    line.remove_prefix(word.size());
    return word;
}

std::optional<u64> hex_number(std::string_view text) {
    if (text.empty() || text.size() > 16) return {};
    u64 value = 0;
    for (const char c : text) {
        const int low = std::tolower(static_cast<unsigned char>(c));
        if (std::isxdigit(static_cast<unsigned char>(c)) == 0) return {};
        value = value << 4 | static_cast<u64>(low <= '9' ? low - '0' : low - 'a' + 10);
    }
    return value;
}

std::string shown(std::string_view line) {
    std::string text(line.substr(0, 40));
    std::replace_if(text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return "'" + text + (line.size() > 40 ? "...'" : "'");
}

namespace {

/// An address as people write it: 7c00, 0x7c00, 7c00h, ffffffff_81000000, 07c0:0012.
std::optional<u64> address_in(std::string_view word) {
    if (const std::size_t colon = word.find(':'); colon != std::string_view::npos) {
        const auto segment = hex_number(word.substr(0, colon)), offset = hex_number(word.substr(colon + 1));
        if (!segment || !offset || *segment > 0xFFFF || *offset > 0xFFFF) return {};
        return *segment * 16 + *offset;
    }
    if (word.starts_with("0x") || word.starts_with("0X")) return hex_number(word.substr(2));
    if (word.ends_with('h') || word.ends_with('H')) return hex_number(word.substr(0, word.size() - 1));
    return hex_number(word);
}

/// nm's letters, and what is a symbol in somebody else's file.
bool is_type(std::string_view word) {
    return word.size() == 1 &&
           std::string_view("aAbBcCdDgGiInNpPrRsStTuUvVwW?-").find(word[0]) != std::string_view::npos;
}

void set_type(FileSymbol& symbol, char type) {
    const char low = static_cast<char>(std::tolower(static_cast<unsigned char>(type)));
    symbol.global = type != low || low == 'u' || low == 'w' || low == 'v';
    symbol.function = low == 't' || low == 'w' || low == 'i';
    symbol.object = low == 'b' || low == 'd' || low == 'r' || low == 'g' || low == 's' || low == 'v' || low == 'u';
    symbol.absolute = low == 'a';
}

/// False: the line is none. A symbol without a name: it is one, but of nothing (undefined).
bool read_line(std::string_view line, FileSymbol& symbol, bool& typed) {
    const std::string_view first = take_word(line);
    if (first == "U" || first == "w" || first == "v") return !take_word(line).empty();
    const auto address = address_in(first);
    if (!address) return false;
    symbol.address = *address;
    std::string_view rest = line;
    std::string_view word = take_word(rest);
    if (!is_type(word)) { // nm -S: a size before the type
        std::string_view behind = rest;
        const std::string_view type = take_word(behind);
        const auto size = hex_number(word);
        if (size && is_type(type) && !take_word(behind).empty()) {
            symbol.size = *size;
            word = take_word(rest);
        }
    }
    if (is_type(word)) {
        std::string_view behind = rest;
        if (const std::string_view name = take_word(behind); !name.empty()) {
            typed = true;
            set_type(symbol, word[0]);
            word = name;
        }
    }
    symbol.name = word.substr(0, longest_name);
    return !symbol.name.empty();
}

bool is_comment(std::string_view line) {
    const std::string_view word = take_word(line);
    return word.empty() || word[0] == '#' || word[0] == ';' || word.starts_with("//");
}

/// The first line that says something.
std::string_view title(std::string_view text) {
    while (!text.empty()) {
        const std::string_view line = take_line(text);
        if (line.find_first_not_of(" \t") != std::string_view::npos) return line;
    }
    return {};
}

bool is_watcom(std::string_view text) {
    const std::string_view first = title(text);
    return (first.find("Watcom Linker") != std::string_view::npos ||
            first.find("WATCOM Linker") != std::string_view::npos) ||
           text.substr(0, 100'000).find("* = unreferenced symbol") != std::string_view::npos;
}

/// "ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package": what a newcomer finds in
/// Debian's /boot.
bool is_placeholder(const SymbolFile& file) {
    return file.symbols.size() == 1 && file.symbols[0].address == ~u64{0} && file.symbols[0].name == "The";
}

/// /proc/kallsyms as it is shown to others than root.
bool all_zero(const SymbolFile& file) {
    return file.symbols.size() > 100 && std::all_of(file.symbols.begin(), file.symbols.end(),
                                                    [](const FileSymbol& symbol) { return symbol.address == 0; });
}

Expected<SymbolFile> read_lines(std::string_view text) {
    SymbolFile file;
    bool any_type = false;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::string_view line = take_line(text);
        if (is_comment(line)) continue;
        FileSymbol symbol;
        bool typed = false;
        if (!read_line(line, symbol, typed))
            return fail("line " + std::to_string(number) + " is no symbol: " + shown(line) +
                        " (ELF, System.map, \"address name\" lines, NASM and Watcom maps are understood)");
        any_type |= typed;
        if (symbol.name.empty()) continue;
        if (file.symbols.size() >= most_symbols) return fail("it has more than 20 million symbols");
        file.symbols.push_back(std::move(symbol));
    }
    if (file.symbols.empty()) return fail("it has no symbols");
    if (is_placeholder(file))
        return fail(
            "it is the placeholder that Debian installs, without symbols: the real System.map is in the package "
            "linux-image-...-dbg; the guest's own /proc/kallsyms, read by root, does as well");
    if (all_zero(file)) return fail("all its addresses are 0: /proc/kallsyms shows them to root alone");
    file.format = any_type ? "System.map" : "address-name list";
    return file;
}

} // namespace

Expected<SymbolFile> read_symbol_text(std::string_view text) {
    if (text.substr(0, 4096).find('\0') != std::string_view::npos) return fail("it is neither ELF nor text");
    if (title(text).find("NASM Map file") != std::string_view::npos) return read_nasm_map(text);
    if (is_watcom(text)) return read_watcom_map(text);
    return read_lines(text);
}

} // namespace glassbox
