// Types of variables (DWARF 5, section 5), as sizes and as text. Chains that a file makes endless are cut off.
#include "debugger/symbols/dwarf_types.hpp"

#include <dwarf.h>

#include <cstring>

namespace glassbox {

namespace {

constexpr unsigned longest_type_chain = 32; ///< typedefs and qualifiers, pointers to pointers

std::string name_of(Dwarf_Die* die, const char* without) {
    const char* const name = dwarf_diename(die);
    return name ? std::string(name, ::strnlen(name, 200)) : without;
}

std::string array_text(Dwarf_Die* array) {
    std::string text;
    Dwarf_Die range{};
    if (dwarf_child(array, &range) != 0) return "[]";
    do {
        Dwarf_Attribute attribute{};
        Dwarf_Word value = 0;
        const bool known =
            dwarf_attr(&range, DW_AT_upper_bound, &attribute) && dwarf_formudata(&attribute, &value) == 0;
        text += known ? "[" + std::to_string(value + 1) + "]" : "[]";
    } while (text.size() < 100 && dwarf_siblingof(&range, &range) == 0);
    return text;
}

/// Qualifiers of what is pointed to, each once; those of the pointer itself are left out.
void qualify(std::string& text, const std::string& word, Dwarf_Die* die) {
    Dwarf_Attribute attribute{};
    Dwarf_Die type{};
    const bool known = dwarf_attr_integrate(die, DW_AT_type, &attribute) && dwarf_formref_die(&attribute, &type);
    if (known && dwarf_tag(&type) == DW_TAG_pointer_type) return;
    if (text.find(word) == std::string::npos) text += word;
}

} // namespace

/// The type of a DIE without typedefs and qualifiers.
bool type_of(Dwarf_Die* die, Dwarf_Die* type) {
    Dwarf_Die from = *die;
    for (unsigned i = 0; i < longest_type_chain; ++i) {
        Dwarf_Attribute attribute{};
        if (!dwarf_attr_integrate(&from, DW_AT_type, &attribute) || !dwarf_formref_die(&attribute, type)) return false;
        const int tag = dwarf_tag(type);
        if (tag != DW_TAG_typedef && tag != DW_TAG_const_type && tag != DW_TAG_volatile_type &&
            tag != DW_TAG_atomic_type && tag != DW_TAG_restrict_type)
            return true;
        from = *type;
    }
    return false;
}

u64 size_of(Dwarf_Die* type) {
    Dwarf_Word size = 0;
    return dwarf_aggregate_size(type, &size) == 0 ? size : 0;
}

std::string type_text(Dwarf_Die* die) {
    std::string before, behind;
    Dwarf_Die at = *die;
    for (unsigned i = 0; i < longest_type_chain; ++i) {
        Dwarf_Attribute attribute{};
        Dwarf_Die type{};
        if (!dwarf_attr_integrate(&at, DW_AT_type, &attribute) || !dwarf_formref_die(&attribute, &type))
            return before.append("void").append(behind);
        switch (dwarf_tag(&type)) {
        case DW_TAG_const_type: qualify(before, "const ", &type); break;
        case DW_TAG_volatile_type: qualify(before, "volatile ", &type); break;
        case DW_TAG_restrict_type:
        case DW_TAG_atomic_type: break;
        case DW_TAG_pointer_type: behind.insert(0, "*"); break;
        case DW_TAG_reference_type:
        case DW_TAG_rvalue_reference_type: behind.insert(0, "&"); break;
        case DW_TAG_array_type: behind += array_text(&type); break;
        case DW_TAG_subroutine_type: return "function" + behind;
        default: return before.append(name_of(&type, "{...}")).append(behind);
        }
        at = type;
    }
    return "?";
}

} // namespace glassbox
