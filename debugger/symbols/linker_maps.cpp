// Maps of NASM's flat binaries ([map symbols FILE], NASM manual 8.1.5) and of the Watcom linker (OPTION MAP, Open
// Watcom Linker User's Guide). Watcom gives segment:offset: with 16-bit offsets that is segment * 16 + offset from
// where the image is loaded; with 32-bit offsets the number before the colon is that of an object, and the offset
// counts.
#include "debugger/symbols/symbol_file.hpp"

#include <algorithm>

namespace glassbox {

Expected<SymbolFile> read_nasm_map(std::string_view text) {
    enum class Part : u8 { other, constants, labels };
    Part part = Part::other;
    bool symbols_seen = false;
    SymbolFile file;
    file.format = "NASM map";
    for (std::size_t number = 1; !text.empty(); ++number) {
        std::string_view line = take_line(text);
        if (line.starts_with("--")) {
            symbols_seen |= line.starts_with("-- Symbols");
            part = Part::other;
            continue;
        }
        std::string_view words = line;
        const std::string_view first = take_word(words), next = take_word(words), third = take_word(words);
        if (first.empty()) continue;
        if (first == "Value" && next == "Name") {
            part = Part::constants;
            continue;
        }
        if (first == "Real" && next == "Virtual" && third == "Name") {
            part = Part::labels;
            continue;
        }
        if (part == Part::other || !symbols_seen) continue;
        const auto real = hex_number(first), linear = part == Part::labels ? hex_number(next) : real;
        const std::string_view name = part == Part::labels ? third : next;
        if (!real || !linear || name.empty())
            return fail("line " + std::to_string(number) + " of the NASM map is no symbol: " + shown(line));
        if (file.symbols.size() >= most_symbols) return fail("it has more than 20 million symbols");
        FileSymbol symbol;
        symbol.name = name.substr(0, longest_name);
        symbol.address = *linear;
        symbol.global = true;
        symbol.absolute = part == Part::constants;
        file.symbols.push_back(std::move(symbol));
    }
    if (!symbols_seen) return fail("the NASM map lists no symbols: [map symbols FILE] in the source makes it");
    if (file.symbols.empty()) return fail("the NASM map has no symbols");
    return file;
}

namespace {

/// "0001:00000024*", "1266:0900+".
std::optional<u64> watcom_address(std::string_view word) {
    if (word.ends_with('*') || word.ends_with('+')) word.remove_suffix(1);
    const std::size_t colon = word.find(':');
    if (colon != 4) return {};
    const auto segment = hex_number(word.substr(0, colon)), offset = hex_number(word.substr(colon + 1));
    if (!segment || !offset) return {};
    if (word.size() == 9) return *segment * 16 + *offset;
    return word.size() == 13 ? offset : std::nullopt;
}

} // namespace

Expected<SymbolFile> read_watcom_map(std::string_view text) {
    bool in_symbols = false, any_part = false;
    SymbolFile file;
    file.format = "Watcom map";
    for (std::size_t number = 1; !text.empty(); ++number) {
        std::string_view line = take_line(text);
        std::string_view words = line;
        const std::string_view first = take_word(words), name = take_word(words);
        if (first.empty() || first.starts_with("===") || first == "Module:") continue;
        if (first == "Address" && name == "Symbol") {
            in_symbols = any_part = true;
            continue;
        }
        if (first.starts_with("+-") || first == "|") { // the box around the next part's title
            in_symbols = false;
            continue;
        }
        if (!in_symbols) continue;
        const auto address = watcom_address(first);
        if (!address || name.empty()) {
            if (first.find(':') == std::string_view::npos) continue; // "Stack size: …" and the like, after the table
            return fail("line " + std::to_string(number) + " of the Watcom map is no symbol: " + shown(line));
        }
        if (file.symbols.size() >= most_symbols) return fail("it has more than 20 million symbols");
        FileSymbol symbol;
        symbol.name = name.substr(0, longest_name);
        symbol.address = *address;
        symbol.global = !first.ends_with('+');
        file.symbols.push_back(std::move(symbol));
    }
    if (!any_part) return fail("the Watcom map has no \"Address  Symbol\" table");
    if (file.symbols.empty()) return fail("the Watcom map has no symbols");
    return file;
}

} // namespace glassbox
