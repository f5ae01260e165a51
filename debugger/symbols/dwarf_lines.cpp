// Line tables (DWARF 5, section 6.2), functions and units.
#include "debugger/symbols/dwarf.hpp"

#include <dwarf.h>

#include <algorithm>
#include <cstring>

namespace glassbox {

namespace {
constexpr std::size_t most_units = 1'000'000;
}

void DebugInformation::each_unit(const Units& visit) {
    Dwarf_CU* unit = nullptr;
    for (std::size_t count = 0; count < most_units; ++count) {
        Dwarf_Die die{};
        u8 type = 0;
        if (dwarf_get_units(dwarf_, unit, &unit, nullptr, &type, &die, nullptr) != 0) return;
        if (dwarf_tag(&die) == DW_TAG_invalid) continue;
        if (!visit(&die)) return;
    }
}

Expected<> DebugInformation::read_lines(SymbolFile& file) {
    std::unordered_map<std::string, u32> numbers;
    bool too_many = false;
    const auto number_of = [&](const char* source) {
        const std::string name(source, ::strnlen(source, longest_name));
        const auto [place, added] = numbers.emplace(name, static_cast<u32>(file.sources.size()));
        if (added) file.sources.push_back(name);
        return place->second;
    };
    each_unit([&](Dwarf_Die* unit) {
        Dwarf_Lines* lines = nullptr;
        std::size_t count = 0;
        if (dwarf_getsrclines(unit, &lines, &count) != 0) return true;
        if (count > most_rows - file.rows.size()) return !(too_many = true);
        const char* last_source = nullptr;
        u32 last_number = 0;
        for (std::size_t i = 0; i < count; ++i) {
            Dwarf_Line* const line = dwarf_onesrcline(lines, i);
            LineRow row;
            int number = 0;
            Dwarf_Addr address = 0;
            if (!line || dwarf_lineaddr(line, &address) != 0 || dwarf_lineno(line, &number) != 0) continue;
            dwarf_lineendsequence(line, &row.end);
            // Code that the linker has dropped stays in the table, at address 0 or near it.
            if (row.end ? address == 0 || !in_code(address - 1) : !in_code(address)) continue;
            const char* source = dwarf_linesrc(line, nullptr, nullptr);
            // Compiled with "." as its folder: the name is that of the project's folder on.
            if (source && source[0] == '.' && source[1] == '/') source += 2;
            if (!source && !row.end) continue;
            if (source && source != last_source) {
                last_number = number_of(source);
                last_source = source;
            }
            row.address = address;
            row.file = last_number;
            row.line = number > 0 ? static_cast<u32>(number) : 0;
            row.order = static_cast<u32>(file.rows.size());
            file.rows.push_back(row);
        }
        return true;
    });
    if (too_many) return fail("it has more than 100 million line rows");
    std::sort(file.rows.begin(), file.rows.end(), [](const LineRow& a, const LineRow& b) {
        if (a.address != b.address) return a.address < b.address;
        return a.end != b.end ? a.end : a.order < b.order;
    });
    for (std::size_t i = 1; i < file.rows.size(); ++i)
        file.rows[i - 1].empty = !file.rows[i - 1].end && file.rows[i].address == file.rows[i - 1].address;
    return {};
}

void DebugInformation::read_functions(Dwarf_Die* parent, const std::string& prefix, unsigned depth,
                                      std::vector<FileSymbol>& symbols) {
    constexpr unsigned deepest_namespace = 8;
    Dwarf_Die die{};
    if (depth > deepest_namespace || dwarf_child(parent, &die) != 0) return;
    do {
        const char* const text = dwarf_diename(&die);
        const std::string name = prefix + (text ? std::string(text, ::strnlen(text, longest_name)) : std::string());
        if (dwarf_tag(&die) == DW_TAG_namespace) read_functions(&die, text ? name + "::" : prefix, depth + 1, symbols);
        Dwarf_Addr low = 0, high = 0;
        if (dwarf_tag(&die) != DW_TAG_subprogram || !text || !*text || name.size() > longest_name) continue;
        if (dwarf_lowpc(&die, &low) != 0) continue;
        FileSymbol symbol;
        symbol.name = name;
        symbol.address = low;
        if (dwarf_highpc(&die, &high) == 0 && high > low) symbol.size = high - low;
        symbol.function = symbol.global = true;
        symbols.push_back(std::move(symbol));
    } while (symbols.size() < most_symbols && dwarf_siblingof(&die, &die) == 0);
}

void DebugInformation::read_functions(std::vector<FileSymbol>& symbols) {
    each_unit([&](Dwarf_Die* unit) {
        read_functions(unit, "", 0, symbols);
        return symbols.size() < most_symbols;
    });
}

} // namespace glassbox
