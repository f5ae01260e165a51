// What an expression yields: a number, or something with a type that lies somewhere.
#pragma once

#include "debugger/symbols/c_type.hpp"
#include "debugger/symbols/expression.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace glassbox {

class ExpressionScope;

struct TypedValue {
    TypePtr type; ///< null: a plain number
    /// Of what lies nowhere, or is a number: sign-extended where its type has a sign; a double's bits (float too).
    u64 number = 0;
    std::optional<Address> place = {};                ///< where it lies in memory
    std::shared_ptr<const std::vector<u8>> kept = {}; ///< its bytes, where it lies in registers
    u64 kept_at = 0;                                  ///< of those, where its own begin
    unsigned bit = 0, bit_size = 0;                   ///< bit field
    std::string where = {};                           ///< "EDI"
    bool missing = false;                             ///< a variable that is nowhere at this instruction
    bool is_object() const { return place || kept || missing; }
};

/// Reads the guest's memory: all or nothing.
using MemoryReader = std::function<bool(const Address& at, std::span<u8> bytes)>;

/// The scalar that lies there, as TypedValue::number has it. Nothing: it cannot be read, or is none of 1 to 8 bytes.
std::optional<u64> load_scalar(const TypedValue& value, const MemoryReader& read);
/// Bytes of the object; false where they cannot be read.
bool read_object(const TypedValue& value, u64 offset, std::span<u8> bytes, const MemoryReader& read);
/// The number as its type has it: cut to its size, extended by its sign; doubles as they are.
u64 as_typed(const CType& type, u64 raw);
bool is_scalar(const CType& type);

/// How values are written.
struct TypedFormat {
    char letter = 0;                             ///< gdb's: x d u t o c a f s; 0: by the type
    unsigned most_elements = 200;                ///< of arrays and texts, all together
    std::function<std::string(u64)> symbol = {}; ///< "schedule+4" for an address, or ""
    bool one_line = false;                       ///< and cut off where it is long
    bool alone = false;                          ///< one scalar: in more notations than within a structure
};

/// The value as text: "3", "{lines = {...}, count = 3}"; several lines where one would be long.
std::string typed_text(const TypedValue& value, const MemoryReader& read, const TypedFormat& format);
/// A `char*`'s text as C writes it, or "".
std::string c_text(const std::string& bytes, bool more);

} // namespace glassbox
