// What one symbol file says, before it is placed at an offset. Readers take bytes, so that they can be tested and
// fuzzed; their errors do not name the file, which the caller does.
#pragma once

#include "bus/error.hpp"
#include "debugger/symbols/symbols.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

class DebugInformation;

struct FileSymbol : Symbol {
    bool global = false;
    bool object = false;   ///< a variable
    bool absolute = false; ///< a constant: it has a name, but nothing lies in it, and no offset moves it
    bool alias = false;    ///< another name of a symbol that is in the list too: found, but not shown
};

/// One row of a line table.
struct LineRow {
    u64 address = 0;
    u32 file = 0;  ///< index into `sources`
    u32 line = 0;  ///< 0: no line
    u32 order = 0; ///< in the tables: of several rows at one address the last counts
    bool end = false;
    bool empty = false; ///< the next row begins at the same address: no instruction is of this one
};

struct SymbolFile {
    std::string format; ///< "ELF64 with DWARF", "System.map" …
    std::vector<FileSymbol> symbols;
    std::vector<std::string> sources;
    std::vector<LineRow> rows; ///< by address; an end before what begins there
    std::shared_ptr<DebugInformation> debug;
    bool frames = false;

    SymbolFile() = default;
    SymbolFile(SymbolFile&&) = default;
    SymbolFile& operator=(SymbolFile&&) = default;
};

inline constexpr u64 largest_symbol_file = u64{2} << 30;
inline constexpr std::size_t most_symbols = 20'000'000;
inline constexpr std::size_t most_rows = 100'000'000;
inline constexpr std::size_t longest_name = 4096;

/// Whatever format it is.
Expected<SymbolFile> read_symbol_file(std::vector<char> bytes);
/// The formats that are text: System.map and nm, "address name" lines, NASM's and Watcom's maps.
Expected<SymbolFile> read_symbol_text(std::string_view text);
Expected<SymbolFile> read_nasm_map(std::string_view text);
Expected<SymbolFile> read_watcom_map(std::string_view text);
Expected<SymbolFile> read_elf(std::vector<char> bytes);

/// "_ZN3foo3barEi" as foo::bar: nested names without template arguments; other names unchanged.
std::string plain_name(std::string_view name);

// --- what the text formats share
/// Cuts off the next line, without its end.
std::string_view take_line(std::string_view& text);
/// Cuts off the next word; "" at the end.
std::string_view take_word(std::string_view& line);
/// 1 to 16 hexadecimal digits, nothing else.
std::optional<u64> hex_number(std::string_view text);
/// The line as an error shows it.
std::string shown(std::string_view line);

} // namespace glassbox
