// Variables and functions with a fixed address, parts of variables, and the names of types and constants (DWARF 5,
// sections 4.1 and 5). They are collected when the first one is asked for: a kernel has many.
#include "debugger/symbols/dwarf.hpp"

#include <dwarf.h>

#include <algorithm>
#include <cstring>

namespace glassbox {

namespace {

using Kind = CType::Kind;
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
    TypePtr type;
    u64 address = 0;
};

bool enter_member(Part& part, std::string_view name) {
    const auto member = find_member(part.type, name);
    if (!member) return false;
    part = {member->type, part.address + member->offset + member->bit / 8};
    return true;
}

/// Takes one "[n]".
bool enter_element(Part& part, std::string_view& path) {
    const TypePtr array = stripped(part.type);
    const std::size_t end = path.find(']');
    if (!array || array->kind != Kind::array || end == std::string_view::npos || end < 2 || end > 12) return false;
    u64 number = 0;
    for (const char c : path.substr(1, end - 1)) {
        if (c < '0' || c > '9') return false;
        number = number * 10 + static_cast<u64>(c - '0');
    }
    if (array->count && *array->count != 0 && number >= *array->count) return false;
    path.remove_prefix(end + 1);
    const TypePtr element = inner_of(*array);
    part = {element, part.address + number * size_of(element)};
    return element != nullptr;
}

std::string name_of(const char* name) { return {name, ::strnlen(name, longest_name)}; }

} // namespace

void DebugInformation::collect_variables(Dwarf_Die* parent, const std::string& prefix, unsigned depth) {
    Dwarf_Die die{};
    if (depth > deepest_scope || dwarf_child(parent, &die) != 0) return;
    do {
        const int tag = dwarf_tag(&die);
        const char* const name = dwarf_diename(&die);
        if (tag == DW_TAG_variable && name && fixed_address(&die))
            variables_.emplace(prefix + name_of(name), dwarf_dieoffset(&die));
        Dwarf_Addr low = 0;
        if (tag == DW_TAG_subprogram && name && dwarf_lowpc(&die, &low) == 0)
            functions_.emplace(prefix + name_of(name), dwarf_dieoffset(&die));
        types_->remember(&die, prefix);
        const bool named = tag == DW_TAG_namespace || tag == DW_TAG_subprogram || tag == DW_TAG_structure_type ||
                           tag == DW_TAG_class_type || tag == DW_TAG_union_type;
        if (named && dwarf_haschildren(&die) == 1)
            collect_variables(&die, name ? prefix + name_of(name) + "::" : prefix, depth + 1);
        else if (tag == DW_TAG_lexical_block)
            collect_variables(&die, prefix, depth + 1);
    } while (++visited_ < most_entries && dwarf_siblingof(&die, &die) == 0);
}

void DebugInformation::collect_variables() {
    if (std::exchange(collected_, true) || !dwarf_) return;
    each_unit([&](Dwarf_Die* unit) {
        collect_variables(unit, "", 0);
        return visited_ < most_entries;
    });
}

std::optional<TypedVariable> DebugInformation::typed_variable(std::string_view name) {
    collect_variables();
    const std::string key(name);
    Dwarf_Die die{};
    if (const auto found = variables_.find(key); found != variables_.end() && dwarf_offdie(dwarf_, found->second, &die))
        return TypedVariable{.name = key, .type = types_->type_of(&die), .address = fixed_address(&die)};
    const auto function = functions_.find(key);
    Dwarf_Addr low = 0;
    if (function == functions_.end() || !dwarf_offdie(dwarf_, function->second, &die) || dwarf_lowpc(&die, &low) != 0)
        return {};
    return TypedVariable{.name = key, .type = types_->function_type(&die), .address = low};
}

TypePtr DebugInformation::type_named(std::string_view name) {
    collect_variables();
    return types_ ? types_->named(name) : TypePtr();
}

std::optional<Symbols::Constant> DebugInformation::constant(std::string_view name) {
    collect_variables();
    if (!types_) return {};
    const auto found = types_->constants.find(std::string(name));
    if (found == types_->constants.end()) return {};
    return Symbols::Constant{found->second.value, types_->type_at(found->second.entry)};
}

std::optional<Symbol> DebugInformation::variable(std::string_view path) {
    const std::string_view whole = path;
    const std::size_t end = std::min(path.find_first_of(".["), path.size());
    const auto found = typed_variable(path.substr(0, end));
    if (!found || !found->address || (found->type && found->type->kind == Kind::function)) return {};
    Part part{found->type, *found->address};
    for (path.remove_prefix(end); !path.empty();) {
        if (!part.type) return {};
        if (path.starts_with('[')) {
            if (!enter_element(part, path)) return {};
            continue;
        }
        path.remove_prefix(1);
        const std::size_t stop = std::min(path.find_first_of(".["), path.size());
        if (stop == 0 || !enter_member(part, path.substr(0, stop))) return {};
        path.remove_prefix(stop);
    }
    return Symbol{.name = std::string(whole), .address = part.address, .size = size_of(part.type), .function = false};
}

} // namespace glassbox
