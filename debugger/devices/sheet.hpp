// How the device commands write: titles, rows of register, value and meaning, tables with aligned columns.
#pragma once

#include "bus/types.hpp"

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

/// Capital digits, at least so many.
std::string hex_digits(u64 value, unsigned count);
/// "3F8h", as data sheets write ports and addresses.
std::string hexh(u64 value, unsigned count = 1);
/// "01 E3 F4", or "none".
std::string byte_list(std::span<const u8> bytes);
/// "54.925 ms", cut (not rounded) to three decimals.
std::string duration(Time time);
std::string on_off(bool on);

/// What a register's bit, or field, says.
struct BitName {
    u64 mask;
    std::string_view set;        ///< when any bit of the mask is
    std::string_view clear = {}; ///< else; empty: nothing is said
};
/// "DRDY DSC"; "-" when there is nothing to say.
std::string bit_names(u64 value, std::initializer_list<BitName> names, std::string_view separator = " ");
/// "IR0 IR3": the numbers of the bits that are set, behind `prefix`; "none".
std::string number_list(u64 mask, std::string_view prefix);

class Sheet {
  public:
    explicit Sheet(std::string& out) : out_(out) {}

    /// A heading; a blank line before it unless it is the first.
    void title(std::string_view text);
    /// "  IMR          B8        IR3 IR4 IR5 IR7"
    void row(std::string_view name, std::string_view value, std::string_view meaning = {});
    void row(std::string_view name, u64 value, unsigned count, std::string_view meaning = {}) {
        row(name, hex_digits(value, count), meaning);
    }
    void line(std::string_view text);
    /// Columns are as wide as they need to be. The first row is the heading.
    void table(const std::vector<std::vector<std::string>>& rows);
    /// Bytes in rows of 16 behind their offset, without characters.
    void dump(std::span<const u8> bytes, unsigned offset_digits);

  private:
    std::string& out_;
};

} // namespace glassbox
