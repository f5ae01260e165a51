// Types of variables (DWARF 5, section 5). Lists that a file makes endless are cut off.
#include "debugger/symbols/dwarf_types.hpp"

#include <dwarf.h>

#include <algorithm>
#include <cstring>

namespace glassbox {

namespace {

using Kind = CType::Kind;
constexpr std::size_t most_members = 10'000, most_dimensions = 16, most_names = 5'000'000, longest_word = 200;
constexpr u64 in_type_section = u64{1} << 63; ///< of an entry: DWARF 4's .debug_types has offsets of its own

std::string name_of(Dwarf_Die* die) {
    const char* const name = dwarf_diename(die);
    return name ? std::string(name, ::strnlen(name, longest_word)) : std::string();
}

std::optional<u64> number_of(Dwarf_Die* die, unsigned name) {
    Dwarf_Attribute attribute{};
    Dwarf_Word value = 0;
    if (!dwarf_attr_integrate(die, name, &attribute) || dwarf_formudata(&attribute, &value) != 0) return {};
    return value;
}

bool has_flag(Dwarf_Die* die, unsigned name) {
    Dwarf_Attribute attribute{};
    bool flag = false;
    return dwarf_attr_integrate(die, name, &attribute) && dwarf_formflag(&attribute, &flag) == 0 && flag;
}

struct Encoded {
    Kind kind = Kind::integer;
    bool is_signed = false;
};

Encoded encoded(u64 encoding) {
    switch (encoding) {
    case DW_ATE_boolean: return {Kind::boolean, false};
    case DW_ATE_float: return {Kind::floating, true};
    case DW_ATE_signed: return {Kind::integer, true};
    case DW_ATE_signed_char: return {Kind::character, true};
    case DW_ATE_unsigned_char:
    case DW_ATE_UTF: return {Kind::character, false};
    default: return {Kind::integer, false};
    }
}

/// Where a member lies: DWARF 2 and 3 write a location expression.
u64 member_offset(Dwarf_Die* die) {
    if (const auto offset = number_of(die, DW_AT_data_member_location)) return *offset;
    Dwarf_Attribute attribute{};
    Dwarf_Op* operations = nullptr;
    std::size_t count = 0;
    if (!dwarf_attr_integrate(die, DW_AT_data_member_location, &attribute) ||
        dwarf_getlocation(&attribute, &operations, &count) != 0 || count != 1 ||
        operations[0].atom != DW_OP_plus_uconst)
        return 0;
    return operations[0].number;
}

void place_bits(Dwarf_Die* die, CMember& member) {
    const u64 bits = number_of(die, DW_AT_bit_size).value_or(0);
    if (bits == 0 || bits > 64) return;
    member.bit_size = static_cast<unsigned>(bits);
    if (const auto from = number_of(die, DW_AT_data_bit_offset)) {
        // In the unit that its type would have: as compilers and manuals count.
        const u64 unit = std::max<u64>(1, size_of(member.type));
        member.offset = *from / 8 / unit * unit;
        u64 bit = *from - member.offset * 8;
        if (bit > 127) member.offset = *from / 8, bit = *from % 8;
        member.bit = static_cast<unsigned>(bit);
    } else if (const auto from_top = number_of(die, DW_AT_bit_offset)) {
        // DWARF 2: from the storage unit's most significant bit.
        const u64 storage = number_of(die, DW_AT_byte_size).value_or(size_of(member.type)) * 8;
        const u64 bit = storage - *from_top - bits;
        if (bit < 128) member.bit = static_cast<unsigned>(bit);
    }
}

} // namespace

u64 DwarfTypes::entry_of(Dwarf_Die* die) {
    Dwarf_Half version = 0;
    u8 unit_type = 0;
    const bool known =
        die->cu && dwarf_cu_info(die->cu, &version, &unit_type, nullptr, nullptr, nullptr, nullptr, nullptr) == 0;
    return dwarf_dieoffset(die) | (known && version < 5 && unit_type == DW_UT_type ? in_type_section : 0);
}

bool DwarfTypes::die_at(u64 entry, Dwarf_Die* die) const {
    if (entry & in_type_section) return dwarf_offdie_types(dwarf_, entry & ~in_type_section, die) != nullptr;
    return dwarf_offdie(dwarf_, entry, die) != nullptr;
}

TypePtr DwarfTypes::type_of(Dwarf_Die* die) {
    Dwarf_Attribute attribute{};
    Dwarf_Die type{};
    if (!dwarf_attr_integrate(die, DW_AT_type, &attribute) || !dwarf_formref_die(&attribute, &type)) return {};
    return type_at(entry_of(&type));
}

TypePtr DwarfTypes::type_at(u64 entry) {
    if (const auto found = types_.find(entry); found != types_.end()) return found->second;
    Dwarf_Die die{};
    if (reading_ > longest_type_chain || !die_at(entry, &die)) return {};
    ++reading_;
    TypePtr type = read(&die, entry);
    --reading_;
    types_.emplace(entry, type);
    return type;
}

TypePtr DwarfTypes::read(Dwarf_Die* die, u64 entry) {
    CType type;
    type.source = this;
    type.entry = entry;
    type.name = name_of(die);
    type.size = number_of(die, DW_AT_byte_size).value_or(0);
    type.declaration = has_flag(die, DW_AT_declaration);
    Dwarf_Attribute attribute{};
    Dwarf_Die inner{};
    if (dwarf_attr_integrate(die, DW_AT_type, &attribute) && dwarf_formref_die(&attribute, &inner))
        type.below = entry_of(&inner);
    const auto is = [&](Kind kind, const char* keyword = "") {
        type.kind = kind;
        type.keyword = keyword;
    };
    switch (dwarf_tag(die)) {
    case DW_TAG_base_type: {
        const auto [kind, is_signed] = encoded(number_of(die, DW_AT_encoding).value_or(0));
        type.kind = kind;
        type.is_signed = is_signed;
        break;
    }
    case DW_TAG_structure_type: is(Kind::structure, "struct"); break;
    case DW_TAG_class_type: is(Kind::structure, "class"); break;
    case DW_TAG_union_type: is(Kind::structure, "union"); break;
    case DW_TAG_enumeration_type:
        is(Kind::enumeration, "enum");
        if (const TypePtr under = type.below ? stripped(type_at(*type.below)) : TypePtr(); under)
            type.is_signed = under->is_signed;
        break;
    case DW_TAG_ptr_to_member_type:
    case DW_TAG_pointer_type: is(Kind::pointer); break;
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type: is(Kind::reference); break;
    case DW_TAG_typedef: is(Kind::named); break;
    case DW_TAG_const_type: is(Kind::qualified, "const"); break;
    case DW_TAG_volatile_type: is(Kind::qualified, "volatile"); break;
    case DW_TAG_restrict_type: is(Kind::qualified, "restrict"); break;
    case DW_TAG_atomic_type: is(Kind::qualified, "_Atomic"); break;
    case DW_TAG_subroutine_type:
    case DW_TAG_subprogram: is(Kind::function); break;
    case DW_TAG_unspecified_type: is(Kind::unknown); break;
    case DW_TAG_array_type: return read_array(die, std::move(type));
    default: break;
    }
    if ((type.kind == Kind::pointer || type.kind == Kind::reference) && type.size == 0) type.size = bits_ / 8;
    return std::make_shared<const CType>(std::move(type));
}

TypePtr DwarfTypes::function_type(Dwarf_Die* die) { return type_at(entry_of(die)); }

std::vector<std::optional<u64>> DwarfTypes::dimensions(Dwarf_Die* array) const {
    std::vector<std::optional<u64>> counts;
    Dwarf_Die range{};
    if (dwarf_child(array, &range) != 0) return {std::optional<u64>{}};
    do {
        const int tag = dwarf_tag(&range);
        if (tag != DW_TAG_subrange_type && tag != DW_TAG_enumeration_type) continue;
        auto count = number_of(&range, DW_AT_count);
        if (const auto last = number_of(&range, DW_AT_upper_bound); !count && last) count = *last + 1;
        counts.push_back(count);
    } while (counts.size() < most_dimensions && dwarf_siblingof(&range, &range) == 0);
    if (counts.empty()) counts.emplace_back();
    return counts;
}

/// As arrays of arrays, from the last dimension outwards.
TypePtr DwarfTypes::read_array(Dwarf_Die* die, CType type) {
    type.kind = Kind::array;
    Dwarf_Word whole = 0;
    if (type.size == 0 && dwarf_aggregate_size(die, &whole) == 0) type.size = whole;
    const auto counts = dimensions(die);
    u64 all = 1;
    for (const auto& count : counts) all = count && *count && all <= type.size / *count ? all * *count : 0;
    u64 size = all ? type.size / all : 0; // of one element
    CType row = type;
    TypePtr made;
    for (std::size_t i = counts.size(); i-- > 0;) {
        row.count = counts[i];
        size = counts[i] && (*counts[i] == 0 || size <= ~u64{0} / *counts[i]) ? size * *counts[i] : 0;
        row.size = size;
        row.inner = made;
        if (made) row.below.reset();
        made = std::make_shared<const CType>(row);
    }
    return made;
}

std::vector<CMember> DwarfTypes::members(const CType& structure) {
    std::vector<CMember> all;
    Dwarf_Die parent{}, die{};
    if (!die_at(structure.entry, &parent) || dwarf_child(&parent, &die) != 0) return all;
    std::size_t steps = 0;
    do {
        const int tag = dwarf_tag(&die);
        if (tag != DW_TAG_member && tag != DW_TAG_inheritance) continue;
        if (has_flag(&die, DW_AT_external) || has_flag(&die, DW_AT_declaration)) continue; // static
        CMember member;
        member.base = tag == DW_TAG_inheritance;
        member.name = name_of(&die);
        member.type = type_of(&die);
        member.offset = member_offset(&die);
        place_bits(&die, member);
        if (member.type) all.push_back(std::move(member));
    } while (++steps < most_members && dwarf_siblingof(&die, &die) == 0);
    return all;
}

std::vector<CEnumerator> DwarfTypes::enumerators(const CType& enumeration) {
    std::vector<CEnumerator> all;
    Dwarf_Die parent{}, die{};
    if (!die_at(enumeration.entry, &parent) || dwarf_child(&parent, &die) != 0) return all;
    std::size_t steps = 0;
    do {
        Dwarf_Attribute attribute{};
        Dwarf_Sword value = 0;
        if (dwarf_tag(&die) != DW_TAG_enumerator || !dwarf_attr(&die, DW_AT_const_value, &attribute)) continue;
        if (Dwarf_Word bits = 0; dwarf_formsdata(&attribute, &value) != 0) {
            if (dwarf_formudata(&attribute, &bits) != 0) continue;
            value = static_cast<i64>(bits);
        }
        // Of one or two bytes the form may not say whether there is a sign.
        if (!enumeration.is_signed && enumeration.size > 0 && enumeration.size < 8)
            value &= static_cast<i64>((u64{1} << (enumeration.size * 8)) - 1);
        all.push_back({name_of(&die), value});
    } while (++steps < most_members && dwarf_siblingof(&die, &die) == 0);
    return all;
}

std::vector<CMember> DwarfTypes::parameters(const CType& function) {
    constexpr std::size_t most_parameters = 64;
    std::vector<CMember> all;
    Dwarf_Die parent{}, die{};
    if (!die_at(function.entry, &parent) || dwarf_child(&parent, &die) != 0) return all;
    std::size_t steps = 0;
    do {
        const int tag = dwarf_tag(&die);
        CMember one;
        one.name = tag == DW_TAG_unspecified_parameters ? "..." : name_of(&die);
        one.type = type_of(&die);
        if (tag == DW_TAG_formal_parameter || tag == DW_TAG_unspecified_parameters) all.push_back(std::move(one));
    } while (++steps < most_members && all.size() < most_parameters && dwarf_siblingof(&die, &die) == 0);
    return all;
}

TypePtr DwarfTypes::definition(const CType& declared) {
    const auto found = names_.find(declared.keyword + " " + declared.name);
    if (declared.name.empty() || found == names_.end()) return {};
    return type_at(found->second);
}

void DwarfTypes::remember(Dwarf_Die* die, const std::string& prefix) {
    const int tag = dwarf_tag(die);
    const bool structure = tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type;
    const bool enumeration = tag == DW_TAG_enumeration_type;
    if (!structure && !enumeration && tag != DW_TAG_typedef && tag != DW_TAG_base_type) return;
    if (names_.size() > most_names || has_flag(die, DW_AT_declaration)) return;
    const std::string name = name_of(die);
    const u64 entry = entry_of(die);
    if (enumeration) {
        CType type;
        type.entry = entry;
        type.size = number_of(die, DW_AT_byte_size).value_or(0);
        if (const TypePtr read_type = type_at(entry)) type.is_signed = read_type->is_signed;
        for (const CEnumerator& one : enumerators(type))
            constants.emplace(prefix + one.name, Constant{one.value, entry});
    }
    if (name.empty()) return;
    names_.emplace(prefix + name, entry);
    if (!prefix.empty()) names_.emplace(name, entry);
    if (!structure && !enumeration) return;
    const char* const keyword = enumeration                    ? "enum "
                                : tag == DW_TAG_union_type     ? "union "
                                : tag == DW_TAG_structure_type ? "struct "
                                                               : "class ";
    names_.emplace(keyword + prefix + name, entry);
    if (!prefix.empty()) names_.emplace(keyword + name, entry);
}

TypePtr DwarfTypes::named(std::string_view name) {
    const auto found = names_.find(std::string(name));
    return found == names_.end() ? TypePtr() : type_at(found->second);
}

} // namespace glassbox
