// The value of a parsed expression, and the place that one names: numbers, registers, memory, operators.
#include "debugger/symbols/evaluation.hpp"

#include "cpu/segment.hpp"
#include "debugger/symbols/number_text.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>

namespace glassbox {

namespace {

/// The segment through which a general register addresses memory (SDM 1, table 3-5); none for other registers.
std::optional<unsigned> segment_of(std::string_view name) {
    std::string low(name);
    for (char& c : low) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    std::string_view rest = low;
    if (rest.size() == 3 && (rest[0] == 'e' || rest[0] == 'r')) rest.remove_prefix(1);
    if (rest == "ip") return SegmentName::CS;
    if (rest == "sp" || rest == "bp") return SegmentName::SS;
    for (const std::string_view other : {"ax", "bx", "cx", "dx", "si", "di"}) {
        if (rest == other) return SegmentName::DS;
    }
    if (low[0] == 'r' && low.size() >= 2 && low[1] >= '0' && low[1] <= '9' && low.back() != 'b' && low.back() != 'l')
        return SegmentName::DS;
    return {};
}

using Kind = ExpressionKind;

} // namespace

Expected<Evaluation::Value> Evaluation::value(std::size_t index) {
    const ExpressionNode& node = tree_.nodes[index];
    switch (node.kind) {
    case Kind::number: return Value{.number = node.number};
    case Kind::real: return value_of({.type = floating_type(8), .number = node.number});
    case Kind::name: return name(node);
    case Kind::global: return global(node);
    case Kind::reg: return reg(node);
    case Kind::line: return line(node);
    case Kind::unary: return unary(node);
    case Kind::binary: return node.op == Operator::repeat ? repeat(node) : binary(node);
    case Kind::ternary: return ternary(node);
    case Kind::member: return member_of(node);
    case Kind::arrow: return arrow(node);
    case Kind::element: return element(node);
    case Kind::dereference: return dereference(node);
    case Kind::address_of: return take_address(node);
    case Kind::cast: return cast(node);
    case Kind::size_of:
    case Kind::size_of_type: return size(node);
    case Kind::linear: {
        auto inner = in_brackets(node.a);
        if (!inner) return inner;
        return Value{.number = inner->number, .absolute = true};
    }
    case Kind::segmented:
    case Kind::memory:
    case Kind::physical: break;
    }
    auto place = named_place(node);
    if (!place) return tl::unexpected(place.error());
    if (node.kind == Kind::segmented) return Value{.number = place->address.value, .absolute = true};
    return load(node, *place);
}

Expected<Evaluation::Value> Evaluation::number(std::size_t index) {
    auto found = value(index);
    if (!found || !found->typed) return found;
    return loaded(tree_.nodes[index], std::move(*found));
}

Expected<Evaluation::Value> Evaluation::in_brackets(std::size_t index) {
    const bool outer = std::exchange(brackets_, true);
    auto inner = number(index);
    brackets_ = outer;
    if (inner && inner->typed) return Value{.number = inner->typed->number, .absolute = true};
    return inner;
}

Expected<Evaluation::Value> Evaluation::outside_brackets(std::size_t index) {
    const bool outer = std::exchange(brackets_, false);
    auto inner = number(index);
    brackets_ = outer;
    return inner;
}

Expected<Place> Evaluation::named_place(const ExpressionNode& node) {
    auto inner = in_brackets(node.a);
    if (!inner) return tl::unexpected(inner.error());
    const unsigned size = node.size ? node.size : scope_.code_bits() / 8;
    if (node.kind == Kind::physical) return Place{{.space = Address::Space::physical, .value = inner->number}, size};
    if (node.selector) {
        auto address = through_selector(node, *inner);
        if (!address) return tl::unexpected(address.error());
        return Place{*address, node.kind == Kind::memory ? size : 0};
    }
    const auto address = node.segment ? through(*node.segment, *inner) : by_default(*inner);
    return Place{address, node.kind == Kind::memory ? size : 0};
}

Address Evaluation::by_default(const Value& value) {
    if (!value.segment || value.absolute) return {.value = value.number};
    Address address = through(*value.segment, value);
    address.segmented = address.value != address.offset;
    return address;
}

// --- names

Expected<Evaluation::Value> Evaluation::reg(const ExpressionNode& node) {
    if (const auto found = reg_called(node.name)) return *found;
    return error(node, "no register is called '" + node.name + "'");
}

std::optional<Evaluation::Value> Evaluation::reg_called(const std::string& name) {
    const auto found = scope_.read_register(name);
    if (!found) return {};
    const auto segment = segment_of(name);
    return Value{.number = found->value, .segment = segment, .bits = segment ? found->bits : 0, .width = found->bits};
}

Expected<Evaluation::Value> Evaluation::line(const ExpressionNode& node) {
    if (const auto address = scope_.line(node.name, static_cast<unsigned>(node.number)))
        return Value{.number = *address, .absolute = true};
    return error(node, "no instruction is known to come from line " + std::to_string(node.number) + " of '" +
                           node.name + "'" + scope_.line_hint(node.name, static_cast<unsigned>(node.number)));
}

// --- operators

Expected<Evaluation::Value> Evaluation::unary(const ExpressionNode& node) {
    auto operand = number(node.a);
    if (!operand) return operand;
    if (operand->typed) return checked(node, compute_typed(node.op, operand_of(*operand), scope_.code_bits()));
    u64& n = operand->number;
    operand->width = 0;
    if (node.op == Operator::logical_not) return Value{.number = n == 0};
    n = node.op == Operator::negate ? u64{0} - n : ~n;
    return operand;
}

Expected<Evaluation::Value> Evaluation::ternary(const ExpressionNode& node) {
    auto condition = number(node.a);
    if (!condition) return condition;
    return value(is_true(operand_of(*condition)) ? node.b : node.c);
}

Expected<Evaluation::Value> Evaluation::binary(const ExpressionNode& node) {
    auto left = number(node.a);
    if (!left) return left;
    if (node.op == Operator::logical_and && !is_true(operand_of(*left))) return Value{};
    if (node.op == Operator::logical_or && is_true(operand_of(*left))) return Value{.number = 1};
    auto right = number(node.b);
    if (!right) return right;
    if (left->typed || right->typed)
        return checked(node, compute_typed(node.op, operand_of(*left), operand_of(*right), scope_.code_bits()));
    const bool divides = node.op == Operator::divide || node.op == Operator::remainder;
    if (divides && right->number == 0) return error(node, "division by zero");
    Value result = *left;
    if (!result.segment) result.segment = right->segment;
    result.bits = std::max(left->bits, right->bits);
    result.absolute = left->absolute || right->absolute;
    result.width = 0;
    result.number = compute(node.op, left->number, right->number);
    return result;
}

u64 Evaluation::compute(Operator op, u64 a, u64 b) {
    switch (op) {
    case Operator::logical_or: return a || b;
    case Operator::logical_and: return a && b;
    case Operator::bit_or: return a | b;
    case Operator::bit_xor: return a ^ b;
    case Operator::bit_and: return a & b;
    case Operator::equal: return a == b;
    case Operator::not_equal: return a != b;
    case Operator::less_equal: return a <= b;
    case Operator::greater_equal: return a >= b;
    case Operator::shift_left: return b < 64 ? a << b : 0;
    case Operator::shift_right: return b < 64 ? a >> b : 0;
    case Operator::less: return a < b;
    case Operator::greater: return a > b;
    case Operator::add: return a + b;
    case Operator::subtract: return a - b;
    case Operator::multiply: return a * b;
    case Operator::divide: return a / b;
    case Operator::remainder: return a % b;
    case Operator::repeat:
    case Operator::negate:
    case Operator::complement:
    case Operator::logical_not: break;
    }
    return 0;
}

// --- memory

u64 Evaluation::offset_of(const Value& value) {
    if (value.bits == 16 && !value.absolute) return value.number & 0xFFFF;
    return scope_.code_bits() == 64 ? value.number : value.number & 0xFFFF'FFFF;
}

Address Evaluation::placed(u64 base, u16 selector, u64 offset) {
    const u64 sum = base + offset;
    const u64 linear = scope_.code_bits() == 64 ? sum : sum & 0xFFFF'FFFF;
    return {.value = linear, .segmented = true, .selector = selector, .offset = offset};
}

Address Evaluation::through(unsigned segment, const Value& value) {
    return placed(scope_.segment_base(segment), scope_.segment_selector(segment), offset_of(value));
}

Expected<Address> Evaluation::through_selector(const ExpressionNode& node, const Value& value) {
    auto base = scope_.selector_base(*node.selector);
    if (!base) return tl::unexpected(expression_error(tree_.text, node.column, base.error().message));
    return placed(*base, *node.selector, offset_of(value));
}

Expected<Evaluation::Value> Evaluation::load(const ExpressionNode& node, const Place& place) {
    std::array<u8, 8> bytes{};
    const u64 at = place.address.value;
    const bool physical = place.address.space == Address::Space::physical;
    if (!scope_.read(place.address.space, at, std::span(bytes).first(place.size)))
        return error(node, "there are no " + std::to_string(place.size) + " readable bytes at " +
                               (physical ? "physical " : "linear ") + marked_hex(at));
    u64 number = 0;
    for (unsigned i = place.size; i-- > 0;) number = number << 8 | bytes[i];
    return Value{.number = number, .absolute = true, .width = place.size * 8};
}

// --- the expression

Expected<TypedValue> Expression::typed(ExpressionScope& scope) const {
    return Evaluation(*tree_, scope).typed(tree_->nodes.size() - 1);
}

Expected<u64> Expression::evaluate(ExpressionScope& scope) const {
    const auto value = Evaluation(*tree_, scope).number(tree_->nodes.size() - 1);
    if (!value) return tl::unexpected(value.error());
    if (!value->typed) return value->number;
    const TypePtr type = stripped(value->typed->type);
    if (type && type->kind == CType::Kind::floating) return whole_number(std::bit_cast<double>(value->typed->number));
    return value->typed->number;
}

Expected<Address> Expression::address(ExpressionScope& scope) const {
    Evaluation evaluation(*tree_, scope, true);
    const std::size_t last = tree_->nodes.size() - 1;
    const ExpressionNode& root = tree_->nodes[last];
    if (root.kind == ExpressionKind::segmented || root.kind == ExpressionKind::physical) {
        const auto place = evaluation.named_place(root);
        if (!place) return tl::unexpected(place.error());
        return place->address;
    }
    const auto value = evaluation.value(last);
    if (!value) return tl::unexpected(value.error());
    if (value->typed) return evaluation.address_of(last, *value->typed);
    return evaluation.by_default(*value);
}

Expected<Place> Expression::place(ExpressionScope& scope) const {
    Evaluation evaluation(*tree_, scope, true);
    const std::size_t last = tree_->nodes.size() - 1;
    const ExpressionNode& root = tree_->nodes[last];
    if (root.kind == ExpressionKind::memory || root.kind == ExpressionKind::physical)
        return evaluation.named_place(root);
    if (root.kind != ExpressionKind::segmented) {
        const auto value = evaluation.value(last);
        if (!value) return tl::unexpected(value.error());
        if (value->typed) return evaluation.place_of(last, *value->typed);
        return Place{evaluation.by_default(*value), 0};
    }
    const auto where = evaluation.named_place(root);
    if (!where) return tl::unexpected(where.error());
    return Place{where->address, 0};
}

} // namespace glassbox
