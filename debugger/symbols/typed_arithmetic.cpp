#include "debugger/symbols/typed_arithmetic.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace glassbox {

namespace {

using Kind = CType::Kind;

/// What takes part after the integer promotions (C11 6.3.1.1).
struct Number {
    bool real = false, is_signed = true;
    unsigned bits = 32;
    u64 whole = 0;
    double fraction = 0;
};

bool is_pointer(const TypePtr& type) {
    const TypePtr bare = stripped(type);
    return bare && (bare->kind == Kind::pointer || bare->kind == Kind::array || bare->kind == Kind::reference);
}

/// A plain number: as a constant is the narrowest of int and long long; of a register or memory, unsigned.
Number plain(const TypedOperand& operand) {
    Number number{.whole = operand.number};
    if (operand.width != 0) {
        number.is_signed = operand.width < 32;
        number.bits = operand.width <= 32 ? 32 : 64;
        return number;
    }
    const auto value = static_cast<i64>(operand.number);
    number.bits = value >= -0x8000'0000LL && value <= 0x7FFF'FFFFLL ? 32 : 64;
    return number;
}

Number promoted(const TypedOperand& operand) {
    const TypePtr type = stripped(operand.type);
    if (!type) return plain(operand);
    Number number{.whole = operand.number};
    if (type->kind == Kind::floating) {
        number.real = true;
        number.fraction = std::bit_cast<double>(operand.number);
        return number;
    }
    number.is_signed = type->size < 4 || type->is_signed;
    number.bits = type->size <= 4 && type->kind != Kind::structure ? 32 : 64;
    if (type->kind == Kind::structure || type->kind == Kind::function || is_pointer(type)) number.is_signed = false;
    return number;
}

u64 cut(u64 value, unsigned bits, bool is_signed) {
    if (bits >= 64) return value;
    const unsigned unused = 64 - bits;
    return is_signed ? static_cast<u64>(static_cast<i64>(value << unused) >> unused) : value << unused >> unused;
}

double as_double(const Number& number) {
    if (number.real) return number.fraction;
    return number.is_signed ? static_cast<double>(static_cast<i64>(number.whole)) : static_cast<double>(number.whole);
}

bool compares(Operator op) {
    return op == Operator::equal || op == Operator::not_equal || op == Operator::less || op == Operator::greater ||
           op == Operator::less_equal || op == Operator::greater_equal;
}

template <class T> bool compare(Operator op, T a, T b) {
    switch (op) {
    case Operator::equal: return a == b;
    case Operator::not_equal: return a != b;
    case Operator::less: return a < b;
    case Operator::greater: return a > b;
    case Operator::less_equal: return a <= b;
    default: return a >= b;
    }
}

TypedOperand truth(bool value) { return {.type = {}, .number = value}; }

Expected<TypedOperand> compute_real(Operator op, double a, double b) {
    if (compares(op)) return truth(compare(op, a, b));
    double result = 0;
    switch (op) {
    case Operator::add: result = a + b; break;
    case Operator::subtract: result = a - b; break;
    case Operator::multiply: result = a * b; break;
    case Operator::divide: result = a / b; break;
    default: return fail("floating-point numbers have no such operator");
    }
    return TypedOperand{.type = floating_type(8), .number = std::bit_cast<u64>(result)};
}

u64 divided(Operator op, u64 a, u64 b, bool is_signed) {
    if (!is_signed) return op == Operator::divide ? a / b : a % b;
    const auto x = static_cast<i64>(a), y = static_cast<i64>(b);
    if (y == -1) return op == Operator::divide ? u64{0} - a : 0; // the smallest number has no opposite
    return static_cast<u64>(op == Operator::divide ? x / y : x % y);
}

u64 shifted(Operator op, u64 a, u64 by, bool is_signed) {
    if (op == Operator::shift_left) return by < 64 ? a << by : 0;
    if (is_signed) return static_cast<u64>(static_cast<i64>(a) >> std::min<u64>(by, 63));
    return by < 64 ? a >> by : 0;
}

TypedOperand whole(u64 value, unsigned bits, bool is_signed) {
    return {.type = integer_type(bits / 8, is_signed), .number = cut(value, bits, is_signed)};
}

/// Pointer and number, or two pointers.
Expected<TypedOperand> compute_pointers(Operator op, const TypedOperand& left, const TypedOperand& right,
                                        unsigned code_bits) {
    const bool first = is_pointer(left.type), second = is_pointer(right.type);
    const u64 mask = code_bits == 64 ? ~u64{0} : 0xFFFF'FFFF;
    const u64 a = left.number & mask, b = right.number & mask;
    if (compares(op)) return truth(compare(op, a, b));
    const TypePtr type = stripped(first ? left.type : right.type);
    const TypePtr target = inner_of(*type);
    const u64 size = std::max<u64>(1, size_of(target));
    if (first && second && op == Operator::subtract) {
        const TypePtr other = inner_of(*stripped(right.type));
        const auto distance = static_cast<i64>(cut(a - b, code_bits == 64 ? 64 : 32, true));
        const u64 other_size = std::max<u64>(1, size_of(other));
        return whole(static_cast<u64>(size == other_size ? distance / static_cast<i64>(size) : distance),
                     code_bits == 64 ? 64 : 32, true);
    }
    if (first != second && (op == Operator::add || (op == Operator::subtract && first))) {
        const u64 address = first ? a : b, count = (first ? right : left).number;
        const u64 result = op == Operator::add ? address + count * size : address - count * size;
        return TypedOperand{.type = pointer_to(target, code_bits), .number = result & mask};
    }
    TypedOperand x = left, y = right; // masks and alignment, which C asks a cast for
    if (first) x.type = integer_type(code_bits == 64 ? 8 : 4, false);
    if (second) y.type = integer_type(code_bits == 64 ? 8 : 4, false);
    return compute_typed(op, x, y, code_bits);
}

} // namespace

u64 whole_number(double value) {
    if (std::isnan(value)) return 0;
    if (value <= -0x1p63) return u64{1} << 63;
    if (value >= 0x1p64) return ~u64{0};
    return value < 0 ? static_cast<u64>(static_cast<i64>(value)) : static_cast<u64>(value);
}

bool is_true(const TypedOperand& operand) {
    const TypePtr type = stripped(operand.type);
    if (type && type->kind == Kind::floating) return std::bit_cast<double>(operand.number) != 0;
    return operand.number != 0;
}

Expected<TypedOperand> compute_typed(Operator op, const TypedOperand& left, const TypedOperand& right,
                                     unsigned code_bits) {
    if (op == Operator::logical_and) return truth(is_true(left) && is_true(right));
    if (op == Operator::logical_or) return truth(is_true(left) || is_true(right));
    if (is_pointer(left.type) || is_pointer(right.type)) return compute_pointers(op, left, right, code_bits);
    const Number a = promoted(left), b = promoted(right);
    if (a.real || b.real) return compute_real(op, as_double(a), as_double(b));
    if (op == Operator::shift_left || op == Operator::shift_right)
        return whole(shifted(op, cut(a.whole, a.bits, a.is_signed), b.whole, a.is_signed), a.bits, a.is_signed);
    const unsigned bits = std::max(a.bits, b.bits);
    const bool is_signed = a.bits == b.bits ? a.is_signed && b.is_signed : a.bits > b.bits ? a.is_signed : b.is_signed;
    const u64 x = cut(a.whole, bits, is_signed), y = cut(b.whole, bits, is_signed);
    if (compares(op))
        return truth(is_signed ? compare(op, static_cast<i64>(x), static_cast<i64>(y)) : compare(op, x, y));
    switch (op) {
    case Operator::add: return whole(x + y, bits, is_signed);
    case Operator::subtract: return whole(x - y, bits, is_signed);
    case Operator::multiply: return whole(x * y, bits, is_signed);
    case Operator::bit_and: return whole(x & y, bits, is_signed);
    case Operator::bit_or: return whole(x | y, bits, is_signed);
    case Operator::bit_xor: return whole(x ^ y, bits, is_signed);
    case Operator::divide:
    case Operator::remainder:
        if (y == 0) return fail("division by zero");
        return whole(divided(op, x, y, is_signed), bits, is_signed);
    default: return fail("these have no such operator");
    }
}

Expected<TypedOperand> compute_typed(Operator op, const TypedOperand& operand, unsigned code_bits) {
    if (op == Operator::logical_not) return truth(!is_true(operand));
    const Number number = promoted(operand);
    if (number.real) {
        if (op != Operator::negate) return fail("floating-point numbers have no such operator");
        return TypedOperand{.type = operand.type, .number = std::bit_cast<u64>(-number.fraction)};
    }
    if (is_pointer(operand.type))
        return whole(op == Operator::negate ? u64{0} - number.whole : ~number.whole, code_bits == 64 ? 64 : 32, false);
    return whole(op == Operator::negate ? u64{0} - number.whole : ~number.whole, number.bits, number.is_signed);
}

Expected<TypedOperand> convert(const TypedOperand& operand, const TypePtr& type) {
    const TypePtr to = stripped(type), from = stripped(operand.type);
    if (!to || !is_scalar(*to)) return fail("nothing can be made a " + type_name(type));
    const bool real = from && from->kind == Kind::floating;
    TypedOperand result{.type = type, .number = operand.number};
    if (to->kind == Kind::floating) {
        const Number number = promoted(operand);
        double value = as_double(number);
        if (!from && operand.width == 0) value = static_cast<double>(static_cast<i64>(operand.number));
        if (to->size == 4) value = static_cast<double>(static_cast<float>(value));
        result.number = std::bit_cast<u64>(value);
        return result;
    }
    if (to->kind == Kind::boolean) {
        result.number = is_true(operand);
        return result;
    }
    result.number = as_typed(*to, real ? whole_number(std::bit_cast<double>(operand.number)) : operand.number);
    return result;
}

} // namespace glassbox
