// A parsed expression: its nodes, each after those it is made of.
#pragma once

#include "debugger/symbols/expression.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

enum class ExpressionKind : u8 {
    number,
    real,      ///< 1.5: `number` has a double's bits
    name,      ///< a variable, symbol, register or constant
    global,    ///< ::name, 'name': a variable or symbol, no local and no register
    reg,       ///< $name
    line,      ///< 'file':line
    segmented, ///< selector:offset
    memory,    ///< [a]
    physical,  ///< phys(a)
    linear,    ///< linear(a)
    unary,
    binary,
    ternary,
    member,       ///< a.name
    arrow,        ///< a->name
    element,      ///< a[b]
    dereference,  ///< *a
    address_of,   ///< &a
    cast,         ///< (type)a: `name` and `number` stars
    size_of,      ///< sizeof a
    size_of_type, ///< sizeof(type)
};

enum class Operator : u8 {
    logical_or,
    logical_and,
    bit_or,
    bit_xor,
    bit_and,
    equal,
    not_equal,
    less_equal,
    greater_equal,
    shift_left,
    shift_right,
    less,
    greater,
    add,
    subtract,
    multiply,
    divide,
    remainder,
    repeat, ///< a @ b: b elements from a on
    negate,
    complement,
    logical_not,
};

struct ExpressionNode {
    ExpressionKind kind = ExpressionKind::number;
    Operator op = Operator::add;
    u8 size = 0;                          ///< memory, physical: bytes; 0: the operand size
    std::optional<unsigned> segment = {}; ///< segmented, memory: the segment register named
    std::optional<u16> selector = {};     ///< segmented, memory: the selector written as a number
    unsigned column = 0;                  ///< from 1
    unsigned depth = 1;
    u64 number = 0;                  ///< line: the line; cast: how many '*'
    std::string name = {};           ///< line: the file
    std::size_t a = 0, b = 0, c = 0; ///< indexes of operands
};

struct Expression::Tree {
    std::string text;
    std::vector<ExpressionNode> nodes; ///< the last one is the root
};

/// "what (column N of 'text')"
Error expression_error(std::string_view text, std::size_t column, const std::string& what);
std::string lower_case(std::string_view text);
/// Digits of `base`, '_' between them; nothing if it is none or does not fit in 64 bits.
std::optional<u64> number_of(std::string_view text, unsigned base);
/// A number as it is marked (0x, h, 0b); nothing if it is none.
std::optional<u64> marked_number(std::string_view word, unsigned unmarked_base);
/// ES to GS by name, whatever its case.
std::optional<unsigned> segment_register(std::string_view name);

} // namespace glassbox
