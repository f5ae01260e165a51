// Variables with a fixed address, and parts of them (DWARF 5, sections 4.1 and 5). They are collected when the first
// one is asked for: a kernel has many.
#include "debugger/symbols/dwarf_types.hpp"

#include <dwarf.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace glassbox {

namespace {

constexpr unsigned deepest_scope = 8;
constexpr std::size_t most_entries = 200'000'000; ///< DIEs visited, of all units

/// The address of a variable whose location is just that.
std::optional<u64> fixed_address(Dwarf_Die* die) {
    Dwarf_Attribute attribute{};
    if (!dwarf_attr(die, DW_AT_location, &attribute)) return {};
    Dwarf_Op* operations = nullptr;
    std::size_t count = 0;
    if (dwarf_getlocation(&attribute, &operations, &count) != 0 || count != 1) return {};
    if (operations[0].atom == DW_OP_addr) return operations[0].number;
    Dwarf_Attribute indexed{};
    if (operations[0].atom != DW_OP_addrx || dwarf_getlocation_attr(&attribute, operations, &indexed) != 0) return {};
    Dwarf_Addr address = 0;
    if (dwarf_formaddr(&indexed, &address) != 0) return {};
    return address;
}

/// A part of a variable: a type at an address.
struct Part {
    Dwarf_Die type{};
    u64 address = 0;
    u64 size = 0;
};

bool enter_member(Part& part, std::string_view name, unsigned depth = 0) {
    const int tag = dwarf_tag(&part.type);
    if (tag != DW_TAG_structure_type && tag != DW_TAG_union_type && tag != DW_TAG_class_type) return false;
    Dwarf_Die member{};
    if (depth > deepest_scope || dwarf_child(&part.type, &member) != 0) return false;
    std::size_t steps = 0;
    do {
        const int member_tag = dwarf_tag(&member);
        if (member_tag != DW_TAG_member && member_tag != DW_TAG_inheritance) continue;
        const char* const member_name = dwarf_diename(&member);
        const bool found = member_name && name == member_name;
        if (member_name && !found) continue;
        Part inner{.type = {}, .address = part.address, .size = 0};
        Dwarf_Attribute attribute{};
        Dwarf_Word at = 0;
        if (dwarf_attr_integrate(&member, DW_AT_data_member_location, &attribute) &&
            dwarf_formudata(&attribute, &at) == 0)
            inner.address += at;
        if (!type_of(&member, &inner.type)) continue;
        inner.size = size_of(&inner.type);
        if (found || enter_member(inner, name, depth + 1)) { // without a name: its members are this one's too
            part = inner;
            return true;
        }
    } while (++steps < 100'000 && dwarf_siblingof(&member, &member) == 0);
    return false;
}

/// The numbers of elements of an array's dimensions; 0: not known.
std::vector<u64> dimensions(Dwarf_Die* array) {
    std::vector<u64> counts;
    Dwarf_Die range{};
    if (dwarf_child(array, &range) != 0) return counts;
    do {
        if (dwarf_tag(&range) != DW_TAG_subrange_type) continue;
        Dwarf_Attribute attribute{};
        Dwarf_Word value = 0;
        if (dwarf_attr(&range, DW_AT_count, &attribute) && dwarf_formudata(&attribute, &value) == 0) {
            counts.push_back(value);
        } else if (dwarf_attr(&range, DW_AT_upper_bound, &attribute) && dwarf_formudata(&attribute, &value) == 0) {
            counts.push_back(value + 1);
        } else {
            counts.push_back(0);
        }
    } while (counts.size() < 16 && dwarf_siblingof(&range, &range) == 0);
    return counts;
}

/// Takes as many "[n]" as the array has dimensions, or fewer.
bool enter_element(Part& part, std::string_view& path) {
    if (dwarf_tag(&part.type) != DW_TAG_array_type) return false;
    const std::vector<u64> counts = dimensions(&part.type);
    Part inner{.type = {}, .address = part.address, .size = 0};
    if (counts.empty() || !type_of(&part.type, &inner.type)) return false;
    const u64 element = size_of(&inner.type);
    u64 index = 0, rest = element; // rest: the size of what one more index chooses from
    std::size_t taken = 0;
    for (std::size_t i = 1; i < counts.size(); ++i) rest *= counts[i];
    for (; taken < counts.size() && path.starts_with('['); ++taken) {
        const std::size_t end = path.find(']');
        if (end == std::string_view::npos || end < 2 || end > 12) return false;
        u64 number = 0;
        for (const char c : path.substr(1, end - 1)) {
            if (c < '0' || c > '9') return false;
            number = number * 10 + static_cast<u64>(c - '0');
        }
        if (counts[taken] != 0 && number >= counts[taken]) return false;
        index += number * rest;
        path.remove_prefix(end + 1);
        if (taken + 1 < counts.size()) rest = counts[taken + 1] ? rest / counts[taken + 1] : 0;
    }
    inner.address += index;
    inner.size = taken == counts.size() ? element : rest * counts[taken];
    if (taken < counts.size()) path = path.empty() ? path : std::string_view("?"); // a row has no members
    part = inner;
    return true;
}

} // namespace

void DebugInformation::collect_variables(Dwarf_Die* parent, const std::string& prefix, unsigned depth) {
    Dwarf_Die die{};
    if (depth > deepest_scope || dwarf_child(parent, &die) != 0) return;
    do {
        const int tag = dwarf_tag(&die);
        const char* const name = dwarf_diename(&die);
        if (tag == DW_TAG_variable && name && fixed_address(&die)) {
            const std::string key = prefix + std::string(name, ::strnlen(name, longest_name));
            variables_.emplace(key, dwarf_dieoffset(&die));
        } else if (tag == DW_TAG_namespace || tag == DW_TAG_subprogram) {
            const std::string inner = name ? prefix + std::string(name, ::strnlen(name, longest_name)) + "::" : prefix;
            collect_variables(&die, inner, depth + 1);
        } else if (tag == DW_TAG_lexical_block) {
            collect_variables(&die, prefix, depth + 1);
        }
    } while (++visited_ < most_entries && dwarf_siblingof(&die, &die) == 0);
}

void DebugInformation::collect_variables() {
    if (std::exchange(collected_, true) || !dwarf_) return;
    each_unit([&](Dwarf_Die* unit) {
        collect_variables(unit, "", 0);
        return visited_ < most_entries;
    });
}

std::optional<Symbol> DebugInformation::variable(std::string_view path) {
    collect_variables();
    const std::string_view whole = path;
    const std::size_t end = std::min(path.find_first_of(".["), path.size());
    const auto found = variables_.find(std::string(path.substr(0, end)));
    Dwarf_Die die{};
    if (found == variables_.end() || !dwarf_offdie(dwarf_, found->second, &die)) return {};
    const auto address = fixed_address(&die);
    Part part{.type = {}, .address = address.value_or(0), .size = 0};
    const bool typed = type_of(&die, &part.type);
    if (!address) return {};
    if (typed) part.size = size_of(&part.type);
    for (path.remove_prefix(end); !path.empty();) {
        if (!typed) return {};
        if (path.starts_with('[')) {
            if (!enter_element(part, path)) return {};
            continue;
        }
        path.remove_prefix(1);
        const std::size_t stop = std::min(path.find_first_of(".["), path.size());
        if (stop == 0 || !enter_member(part, path.substr(0, stop))) return {};
        path.remove_prefix(stop);
    }
    return Symbol{.name = std::string(whole), .address = part.address, .size = part.size, .function = false};
}

} // namespace glassbox
