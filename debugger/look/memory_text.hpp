// Memory as text: dumps, values in every unit, rows of structures, and what a search finds.
#pragma once

#include "bus/error.hpp"
#include "cpu/state.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {
class Symbols;
}

namespace glassbox::look {

/// A place in one of the two address spaces.
struct MemoryPlace {
    u64 address = 0;
    bool physical = false;
};
std::size_t read_quietly(const Cpu& cpu, MemoryPlace at, std::span<u8> bytes);
/// Little-endian; nothing when a byte cannot be read. `size` is 1 to 8.
std::optional<u64> read_value(const Cpu& cpu, MemoryPlace at, unsigned size);
/// The address as rows show it.
std::string address_text(const Cpu& cpu, MemoryPlace at);
inline MemoryPlace after(MemoryPlace at, u64 bytes) { return {at.address + bytes, at.physical}; }

/// Rows of 16 bytes in units of 1, 2, 4 or 8, with ASCII beside them. "??" stands for what nobody tells.
void write_dump(const Cpu& cpu, MemoryPlace at, u64 length, unsigned unit, std::string& out);

/// As gdb's x/FMT.
struct ExamineFormat {
    u64 count = 1;
    char format = 'x'; ///< x d u o t a c f s i
    unsigned size = 4;
};
/// "8xb": what follows the slash. The error names the letter.
Expected<ExamineFormat> parse_examine_format(std::string_view text, ExamineFormat defaults);
/// All formats but 'i'.
void write_examine(const Cpu& cpu, const Symbols* symbols, MemoryPlace at, const ExamineFormat& format,
                   std::string& out);

/// A number of a type: u8 … u64, i8 … i64, x8 … x64, f32, f64, f80, char.
struct ValueType {
    char kind = 'x'; ///< u i x f c
    unsigned size = 1;
};
std::optional<ValueType> parse_value_type(std::string_view name);
std::string value_text(std::span<const u8> bytes, ValueType type);
/// The value of an x87 register in decimal, correctly rounded to so many digits: "3.14159265358979323851", "+inf".
std::string f80_text(u64 significand, u16 sign_exponent, unsigned precision = 21);

// --- search ----------------------------------------------------------------------------------------------------------
struct SearchRequest {
    std::vector<u8> pattern;
    std::vector<u8> mask; ///< as long as the pattern; bits that count
    MemoryPlace from;
    u64 length = 0;
    std::size_t most = 100;
};
struct SearchResult {
    std::vector<u64> hits;
    bool stopped = false; ///< by `progress`
    bool more = false;    ///< there are more than `most`
};
/// Linear ranges through the present translation. `progress` may be empty.
SearchResult search_memory(const Cpu& cpu, const SearchRequest& request, const std::function<bool(double)>& progress);

} // namespace glassbox::look
