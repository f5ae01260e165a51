// How the commands write: numbers, columns, tables.
#pragma once

#include "bus/types.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox::look {

/// Capital hexadecimal digits, at least so many.
std::string digits(u64 value, unsigned count);
/// For prose: "7C00h"; below ten just the digit.
std::string prose(u64 value);
std::string left(std::string_view text, std::size_t width);
std::string right(std::string_view text, std::size_t width);
/// "4 KiB", "2 MiB", "1 GiB", "17 bytes".
std::string size_text(u64 bytes);
/// "1 entry", "2 entries".
std::string count_text(u64 count, std::string_view one, std::string_view many);

/// Words in lines of at most 100 columns, each behind the indent.
std::string wrapped(std::string_view words, std::string_view indent);

/// Rows whose columns are as wide as they need to be; the first row is the heading. Columns named in `to_the_right` are
/// flush right.
class Table {
  public:
    explicit Table(std::vector<std::string> heading, std::vector<unsigned> to_the_right = {})
        : rows_{std::move(heading)}, right_(std::move(to_the_right)) {}
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    bool empty() const { return rows_.size() == 1; }
    std::size_t size() const { return rows_.size() - 1; }
    void write(std::string& out, std::string_view indent = "  ") const;

  private:
    std::vector<std::vector<std::string>> rows_;
    std::vector<unsigned> right_;
};

/// The names of the bits that are set, separated by spaces; "-" for none. What has no name is added as a number.
struct Bit {
    u64 mask;
    std::string_view name;
};
std::string bit_words(u64 value, std::span<const Bit> names);

bool equal_words(std::string_view a, std::string_view b); ///< case does not count
std::string lower(std::string_view text);
std::string upper(std::string_view text);

} // namespace glassbox::look
