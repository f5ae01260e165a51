// Types as DWARF describes them (DWARF 5, section 5), read when they are asked for.
#pragma once

#include "debugger/symbols/c_type.hpp"

#include <elfutils/libdw.h>

#include <string>
#include <unordered_map>

namespace glassbox {

class DwarfTypes final : public TypeSource {
  public:
    DwarfTypes(Dwarf* dwarf, unsigned bits) : dwarf_(dwarf), bits_(bits) {}

    TypePtr type_at(u64 entry) override;
    std::vector<CMember> members(const CType& structure) override;
    std::vector<CEnumerator> enumerators(const CType& enumeration) override;
    std::vector<CMember> parameters(const CType& function) override;
    TypePtr definition(const CType& declared) override;

    /// What DW_AT_type of a variable, member or function says; null: void, or damaged.
    TypePtr type_of(Dwarf_Die* die);
    /// A subprogram's own type.
    TypePtr function_type(Dwarf_Die* die);
    /// "Journal", "kernel::Task", "u32"; with "struct " and the like only those. A name without its namespaces will do.
    TypePtr named(std::string_view name);
    /// Remembers the type that `die` defines; names of a program are collected once.
    void remember(Dwarf_Die* die, const std::string& prefix);
    struct Constant {
        i64 value = 0;
        u64 entry = 0;
    };
    std::unordered_map<std::string, Constant> constants; ///< enumerators

  private:
    bool die_at(u64 entry, Dwarf_Die* die) const;
    static u64 entry_of(Dwarf_Die* die);
    TypePtr read(Dwarf_Die* die, u64 entry);
    TypePtr read_array(Dwarf_Die* die, CType type);
    std::vector<std::optional<u64>> dimensions(Dwarf_Die* array) const;

    Dwarf* dwarf_;
    unsigned bits_;
    unsigned reading_ = 0; ///< within each other: a file may let types consist of themselves
    std::unordered_map<u64, TypePtr> types_;
    std::unordered_map<std::string, u64> names_; ///< "struct Journal", "Journal", "u32"
};

} // namespace glassbox
