// Types of C and C++ as debug information describes them, apart from how it does. What a type is made of is asked for
// when it is needed, because types lead back to themselves; so every walk over them is bounded by who walks.
#pragma once

#include "bus/types.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

struct CType;
class TypeSource;
using TypePtr = std::shared_ptr<const CType>;

struct CType {
    enum class Kind : u8 {
        nothing, ///< void
        integer,
        character,
        boolean,
        floating,
        enumeration,
        pointer,
        reference,
        array,
        structure, ///< struct, class or union
        function,
        named,     ///< typedef
        qualified, ///< const, volatile …
        unknown,
    };
    Kind kind = Kind::unknown;
    bool is_signed = false;
    bool declaration = false;      ///< struct that is only declared where this was read
    u64 size = 0;                  ///< bytes; 0: not known
    std::optional<u64> count = {}; ///< of an array's elements
    std::string keyword = {};      ///< "struct", "union", "class", "enum", "const", "volatile"
    std::string name = {};         ///< "" where it has none
    TypePtr inner = {};            ///< what it points to, consists of, returns …
    TypeSource* source = nullptr;  ///< for what is not read yet; lives as long as the symbol file is loaded
    u64 entry = 0;                 ///< where the source describes it
    std::optional<u64> below = {}; ///< … and `inner`, where that is null
};

struct CMember {
    std::string name; ///< "" for an anonymous part and, with `base`, a base class
    TypePtr type;
    u64 offset = 0;        ///< bytes
    unsigned bit = 0;      ///< bit fields: the first bit, from `offset`
    unsigned bit_size = 0; ///< 0: no bit field
    bool base = false;
};

struct CEnumerator {
    std::string name;
    i64 value = 0;
};

/// Reads what types are made of. Lists are bounded.
class TypeSource {
  public:
    virtual ~TypeSource() = default;
    virtual TypePtr type_at(u64 entry) = 0;
    virtual std::vector<CMember> members(const CType& structure) = 0;
    virtual std::vector<CEnumerator> enumerators(const CType& enumeration) = 0;
    virtual std::vector<CMember> parameters(const CType& function) = 0;
    /// The whole of a type that is only declared elsewhere.
    virtual TypePtr definition(const CType& declared) = 0;
};

inline constexpr unsigned longest_type_chain = 32; ///< typedefs, qualifiers, pointers to pointers

/// What a pointer, array, typedef … is of; null for void.
TypePtr inner_of(const CType& type);
/// Without typedefs, qualifiers and references' wrappers; structures that are only declared here, as they are defined
/// elsewhere. Null: it has none, or the chain does not end.
TypePtr stripped(TypePtr type);
u64 size_of(const TypePtr& type);

TypePtr pointer_to(TypePtr target, unsigned bits);
TypePtr array_of(TypePtr element, u64 count);
/// "int" and "unsigned long long" of 4 and 8 bytes, and smaller ones.
TypePtr integer_type(unsigned bytes, bool is_signed);
TypePtr floating_type(unsigned bytes);
/// "unsigned", "long long int", "char", "u32", "uint8_t", "dword"; null for what is none. `bits`: of the code, for
/// long.
TypePtr builtin_type(std::string_view name, unsigned bits);

/// "unsigned int", "Entry*", "char[4][16]", "void (*)(int)"; with a name as C declares it: "char lines[4][16]".
std::string type_name(const TypePtr& type, const std::string& variable = {});
/// The type as C defines it, with offsets of members; complete lines.
std::string type_definition(const TypePtr& type);

/// The member of that name, also of anonymous parts and base classes; offsets are from the structure's beginning.
std::optional<CMember> find_member(const TypePtr& structure, std::string_view name);

} // namespace glassbox
