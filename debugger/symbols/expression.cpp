// The value of a parsed expression, and the place that one names. Recursion is bounded by the depth that the parser
// allows.
#include "debugger/symbols/expression_scope.hpp"
#include "debugger/symbols/expression_tree.hpp"

#include "cpu/segment.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>

namespace glassbox {

namespace {

using Kind = ExpressionKind;

/// A value, and what it was computed from: the segment that an instruction would add to it.
struct Value {
    u64 number = 0;
    std::optional<unsigned> segment = {}; ///< of the first general register in it
    unsigned bits = 0;                    ///< of the widest general register in it
    bool absolute = false;                ///< made of symbols or memory: linear whatever else is in it
};

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

class Evaluation {
  public:
    Evaluation(const Expression::Tree& tree, ExpressionScope& scope) : tree_(tree), scope_(scope) {}

    Expected<Value> value(std::size_t index) {
        const ExpressionNode& node = tree_.nodes[index];
        switch (node.kind) {
        case Kind::number: return Value{.number = node.number};
        case Kind::name: return name(node);
        case Kind::reg: return reg(node);
        case Kind::line: return line(node);
        case Kind::unary: return unary(node);
        case Kind::binary: return binary(node);
        case Kind::ternary: return ternary(node);
        case Kind::linear: return plain(value(node.a));
        case Kind::segmented:
        case Kind::memory:
        case Kind::physical: break;
        }
        auto place = named_place(node);
        if (!place) return tl::unexpected(place.error());
        if (node.kind == Kind::segmented) return Value{.number = place->address.value, .absolute = true};
        return load(node, *place);
    }

    /// What a memory operand or segmented address names.
    Expected<Place> named_place(const ExpressionNode& node) {
        auto inner = value(node.a);
        if (!inner) return tl::unexpected(inner.error());
        const unsigned size = node.size ? node.size : scope_.code_bits() / 8;
        if (node.kind == Kind::physical)
            return Place{{.space = Address::Space::physical, .value = inner->number}, size};
        if (node.selector) {
            auto address = through_selector(node, *inner);
            if (!address) return tl::unexpected(address.error());
            return Place{*address, node.kind == Kind::memory ? size : 0};
        }
        const auto address = node.segment ? through(*node.segment, *inner) : by_default(*inner);
        return Place{address, node.kind == Kind::memory ? size : 0};
    }

    /// The address that a number is, by what it was computed from.
    Address by_default(const Value& value) {
        if (!value.segment || value.absolute) return {.value = value.number};
        Address address = through(*value.segment, value);
        address.segmented = address.value != address.offset;
        return address;
    }

  private:
    Expected<Value> error(const ExpressionNode& node, const std::string& what) const {
        return tl::unexpected(expression_error(tree_.text, node.column, what));
    }

    static Expected<Value> plain(Expected<Value> value) {
        if (!value) return value;
        return Value{.number = value->number, .absolute = true};
    }

    Expected<Value> name(const ExpressionNode& node) {
        if (const auto address = scope_.symbol(node.name)) return Value{.number = *address, .absolute = true};
        if (const auto found = reg_called(node.name)) return *found;
        return error(node, "no register or symbol is called '" + node.name + "'");
    }

    Expected<Value> reg(const ExpressionNode& node) {
        if (const auto found = reg_called(node.name)) return *found;
        return error(node, "no register is called '" + node.name + "'");
    }

    std::optional<Value> reg_called(const std::string& name) {
        const auto found = scope_.read_register(name);
        if (!found) return {};
        const auto segment = segment_of(name);
        return Value{.number = found->value, .segment = segment, .bits = segment ? found->bits : 0};
    }

    Expected<Value> line(const ExpressionNode& node) {
        if (const auto address = scope_.line(node.name, static_cast<unsigned>(node.number)))
            return Value{.number = *address, .absolute = true};
        return error(node, "no instruction is known to come from line " + std::to_string(node.number) + " of '" +
                               node.name + "'" + scope_.line_hint(node.name, static_cast<unsigned>(node.number)));
    }

    Expected<Value> unary(const ExpressionNode& node) {
        auto operand = value(node.a);
        if (!operand) return operand;
        u64& n = operand->number;
        if (node.op == Operator::logical_not) return Value{.number = n == 0};
        n = node.op == Operator::negate ? u64{0} - n : ~n;
        return operand;
    }

    Expected<Value> ternary(const ExpressionNode& node) {
        auto condition = value(node.a);
        if (!condition) return condition;
        return value(condition->number ? node.b : node.c);
    }

    Expected<Value> binary(const ExpressionNode& node) {
        auto left = value(node.a);
        if (!left) return left;
        if (node.op == Operator::logical_and && !left->number) return Value{};
        if (node.op == Operator::logical_or && left->number) return Value{.number = 1};
        auto right = value(node.b);
        if (!right) return right;
        const bool divides = node.op == Operator::divide || node.op == Operator::remainder;
        if (divides && right->number == 0) return error(node, "division by zero");
        Value result = *left;
        if (!result.segment) result.segment = right->segment;
        result.bits = std::max(left->bits, right->bits);
        result.absolute = left->absolute || right->absolute;
        result.number = compute(node.op, left->number, right->number);
        return result;
    }

    static u64 compute(Operator op, u64 a, u64 b) {
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
        case Operator::negate:
        case Operator::complement:
        case Operator::logical_not: break;
        }
        return 0;
    }

    // --- memory
    /// Outside 64-bit code offsets and linear addresses have 32 bits, and what 16-bit registers make has 16.
    u64 offset_of(const Value& value) {
        if (value.bits == 16 && !value.absolute) return value.number & 0xFFFF;
        return scope_.code_bits() == 64 ? value.number : value.number & 0xFFFF'FFFF;
    }
    Address placed(u64 base, u16 selector, u64 offset) {
        const u64 sum = base + offset;
        const u64 linear = scope_.code_bits() == 64 ? sum : sum & 0xFFFF'FFFF;
        return {.value = linear, .segmented = true, .selector = selector, .offset = offset};
    }
    Address through(unsigned segment, const Value& value) {
        return placed(scope_.segment_base(segment), scope_.segment_selector(segment), offset_of(value));
    }
    Expected<Address> through_selector(const ExpressionNode& node, const Value& value) {
        auto base = scope_.selector_base(*node.selector);
        if (!base) return tl::unexpected(expression_error(tree_.text, node.column, base.error().message));
        return placed(*base, *node.selector, offset_of(value));
    }

    Expected<Value> load(const ExpressionNode& node, const Place& place) {
        std::array<u8, 8> bytes{};
        const u64 at = place.address.value;
        const bool physical = place.address.space == Address::Space::physical;
        if (!scope_.read(place.address.space, at, std::span(bytes).first(place.size)))
            return error(node, "there are no " + std::to_string(place.size) + " readable bytes at " +
                                   (physical ? "physical " : "linear ") + hexadecimal(at));
        u64 number = 0;
        for (unsigned i = place.size; i-- > 0;) number = number << 8 | bytes[i];
        return Value{.number = number, .absolute = true};
    }

    static std::string hexadecimal(u64 value) {
        constexpr std::string_view digits = "0123456789ABCDEF";
        std::string text;
        do {
            text.insert(text.begin(), digits[value & 15]);
            value >>= 4;
        } while (value);
        return (text[0] > '9' ? "0" : "") + text + "h";
    }

    const Expression::Tree& tree_;
    ExpressionScope& scope_;
};

} // namespace

Expected<u64> Expression::evaluate(ExpressionScope& scope) const {
    const auto value = Evaluation(*tree_, scope).value(tree_->nodes.size() - 1);
    if (!value) return tl::unexpected(value.error());
    return value->number;
}

Expected<Address> Expression::address(ExpressionScope& scope) const {
    Evaluation evaluation(*tree_, scope);
    const ExpressionNode& root = tree_->nodes.back();
    if (root.kind == Kind::segmented || root.kind == Kind::physical) {
        const auto place = evaluation.named_place(root);
        if (!place) return tl::unexpected(place.error());
        return place->address;
    }
    const auto value = evaluation.value(tree_->nodes.size() - 1);
    if (!value) return tl::unexpected(value.error());
    return evaluation.by_default(*value);
}

Expected<Place> Expression::place(ExpressionScope& scope) const {
    const ExpressionNode& root = tree_->nodes.back();
    if (root.kind == Kind::memory || root.kind == Kind::physical) return Evaluation(*tree_, scope).named_place(root);
    const auto where = address(scope);
    if (!where) return tl::unexpected(where.error());
    return Place{*where, 0};
}

} // namespace glassbox
