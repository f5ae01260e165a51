// Variables with types in expressions: names, members, pointers, casts (C11 6.5).
#include "debugger/symbols/evaluation.hpp"

#include "debugger/symbols/number_text.hpp"
#include "debugger/symbols/symbols.hpp"

#include <algorithm>
#include <utility>

namespace glassbox {

namespace {
using Kind = CType::Kind;

std::string quoted(const TypePtr& type) { return "'" + type_name(type) + "'"; }
} // namespace

MemoryReader Evaluation::reader() {
    return [this](const Address& at, std::span<u8> bytes) { return scope_.read(at.space, at.value, bytes); };
}

TypedOperand Evaluation::operand_of(const Value& value) {
    if (value.typed) return {.type = value.typed->type, .number = value.typed->number};
    return {.type = {}, .number = value.number, .width = value.width};
}

Evaluation::Value Evaluation::value_of(const TypedOperand& operand) const {
    if (!operand.type) return {.number = operand.number};
    Value value{.number = operand.number, .absolute = true};
    value.typed = TypedValue{.type = operand.type, .number = operand.number};
    return value;
}

Expected<Evaluation::Value> Evaluation::checked(const ExpressionNode& node, Expected<TypedOperand> result) const {
    if (!result) return error(node, result.error().message);
    return value_of(*result);
}

// --- names

Evaluation::Value Evaluation::of_variable(const TypedVariable& variable) {
    TypedValue typed;
    typed.type = variable.type;
    typed.where = variable.where;
    if (variable.address) typed.place = Address{.value = *variable.address};
    if (variable.bytes) typed.kept = std::make_shared<const std::vector<u8>>(*variable.bytes);
    typed.missing = !variable.kept();
    Value value{.number = variable.address.value_or(0), .absolute = true};
    if (typed.type) value.typed = std::move(typed);
    return value;
}

/// A local, then what the symbols have.
std::optional<Evaluation::Value> Evaluation::variable_called(const std::string& name) {
    if (const auto local = scope_.local(name); local && local->type) return of_variable(*local);
    const auto symbol = scope_.symbol(name);
    if (!symbol) return {};
    const auto variable = scope_.variable(name);
    if (variable && variable->address == symbol && variable->type) return of_variable(*variable);
    return Value{.number = *symbol, .absolute = true};
}

Expected<Evaluation::Value> Evaluation::name(const ExpressionNode& node) {
    if (auto found = variable_called(node.name)) return std::move(*found);
    std::string why;
    if (const std::size_t dot = node.name.find('.', 1); dot != std::string::npos) {
        std::optional<Value> whole = variable_called(node.name.substr(0, dot));
        for (std::size_t at = dot; whole && whole->typed && why.empty();) {
            const std::size_t end = std::min(node.name.find('.', at + 1), node.name.size());
            auto part = member(node, *whole->typed, node.name.substr(at + 1, end - at - 1));
            if (part && end == node.name.size()) return part;
            if (!part) why = part.error().message;
            if (part) whole = std::move(*part);
            at = end;
        }
    }
    if (const auto found = reg_called(node.name)) return *found;
    if (!why.empty()) return fail(why);
    if (const auto variable = scope_.variable(node.name); variable && variable->type) return of_variable(*variable);
    if (const auto constant = scope_.constant(node.name))
        return value_of({.type = constant->type, .number = static_cast<u64>(constant->value)});
    return error(node, "no register or symbol is called '" + node.name + "'");
}

Expected<Evaluation::Value> Evaluation::global(const ExpressionNode& node) {
    const auto variable = scope_.variable(node.name);
    const auto symbol = scope_.symbol(node.name);
    if (variable && variable->type && (!symbol || variable->address == symbol)) return of_variable(*variable);
    if (symbol) return Value{.number = *symbol, .absolute = true};
    if (const auto constant = scope_.constant(node.name))
        return value_of({.type = constant->type, .number = static_cast<u64>(constant->value)});
    return error(node, "no variable or symbol is called '" + node.name +
                           "' ('...' is also one character, or a file before ':' and a line)");
}

Expected<TypePtr> Evaluation::type_named(const ExpressionNode& node) {
    TypePtr type = scope_.type(node.name);
    if (!type) type = builtin_type(node.name, scope_.code_bits());
    if (!type) return tl::unexpected(error(node, "no type is called '" + node.name + "'").error());
    for (u64 i = 0; i < node.number; ++i) type = pointer_to(type, scope_.code_bits());
    return type;
}

// --- parts

Expected<Evaluation::Value> Evaluation::member(const ExpressionNode& node, const TypedValue& whole,
                                               const std::string& name) {
    const TypePtr type = stripped(whole.type);
    if (type && (type->kind == Kind::pointer || type->kind == Kind::reference)) { // as gdb takes it
        const TypePtr target = stripped(inner_of(*type));
        if (!target || target->kind != Kind::structure)
            return error(node, "a " + quoted(whole.type) + " has no members");
        Value pointer;
        pointer.typed = whole;
        auto number = loaded_outside(node, std::move(pointer));
        if (!number) return number;
        auto object = target_of(node, *number);
        if (!object) return object;
        return member(node, *object->typed, name);
    }
    if (!type || type->kind != Kind::structure) return error(node, "a " + quoted(whole.type) + " has no members");
    const auto found = find_member(type, name);
    if (!found) {
        std::string known;
        if (type->source && !type->declaration) {
            for (const CMember& one : type->source->members(*type)) {
                if (one.name.empty() || known.size() > 120) continue;
                known += known.empty() ? "" : ", ";
                known += one.name;
            }
        }
        return error(node, quoted(type) + " has no member '" + name + "'" +
                               (type->declaration ? ": it is only declared here"
                                : known.empty()   ? ""
                                                  : ": it has " + known));
    }
    TypedValue part = whole;
    part.type = found->type;
    part.bit = found->bit;
    part.bit_size = found->bit_size;
    if (part.place) part.place->value += found->offset;
    part.kept_at += found->offset;
    if (part.place && scope_.code_bits() != 64) part.place->value &= 0xFFFF'FFFF;
    Value value{.number = part.place ? part.place->value : 0, .absolute = true};
    value.typed = std::move(part);
    return value;
}

Expected<Evaluation::Value> Evaluation::member_of(const ExpressionNode& node) {
    auto whole = value(node.a);
    if (!whole) return whole;
    if (!whole->typed) return error(node, "only a variable with a type has members (debug information is missing)");
    return member(node, *whole->typed, node.name);
}

Expected<Evaluation::Value> Evaluation::arrow(const ExpressionNode& node) {
    auto pointer = value(node.a);
    if (!pointer) return pointer;
    if (!pointer->typed) return error(node, "-> needs a pointer with a type: ((struct NAME*)address)->" + node.name);
    const TypePtr type = stripped(pointer->typed->type);
    if (type && type->kind == Kind::array) {
        auto first = loaded_outside(node, std::move(*pointer));
        if (!first) return first;
        auto object = target_of(node, *first);
        if (!object) return object;
        return member(node, *object->typed, node.name);
    }
    return member(node, *pointer->typed, node.name);
}

/// What a pointer (a number, with its type) leads to.
Expected<Evaluation::Value> Evaluation::target_of(const ExpressionNode& node, const Value& pointer) {
    const TypePtr type = pointer.typed ? stripped(pointer.typed->type) : TypePtr();
    if (!type || (type->kind != Kind::pointer && type->kind != Kind::reference))
        return error(node, "that is no pointer: *(TYPE*)ADDRESS or [ADDRESS] is what lies there");
    TypePtr target = inner_of(*type);
    if (!target) return error(node, "what a void pointer leads to has no type: *(TYPE*)");
    TypedValue object;
    object.type = std::move(target);
    object.place = Address{.value = pointer.typed->number};
    if (scope_.code_bits() != 64) object.place->value &= 0xFFFF'FFFF;
    Value value{.number = object.place->value, .absolute = true};
    value.typed = std::move(object);
    return value;
}

Expected<Evaluation::Value> Evaluation::dereference(const ExpressionNode& node) {
    auto operand = value(node.a);
    if (!operand) return operand;
    if (!operand->typed) {
        if (places_) return operand;
        return error(node, "* needs a pointer with a type: *(TYPE*)ADDRESS, or [ADDRESS]");
    }
    const TypePtr type = stripped(operand->typed->type);
    if (type && type->kind == Kind::function) return operand;
    auto pointer = loaded_outside(node, std::move(*operand));
    if (!pointer) return pointer;
    return target_of(node, *pointer);
}

Expected<Evaluation::Value> Evaluation::element(const ExpressionNode& node) {
    auto whole = value(node.a);
    if (!whole) return whole;
    auto index = outside_brackets(node.b);
    if (!index) return index;
    if (!whole->typed) return error(node, "what has no type has no elements: byte [ADDRESS + N] is what lies there");
    const u64 number = operand_of(*index).number;
    const TypePtr type = stripped(whole->typed->type);
    if (type && type->kind == Kind::array && whole->typed->kept) {
        TypedValue part = *whole->typed;
        part.type = inner_of(*type);
        part.kept_at += number * size_of(part.type);
        Value value{.absolute = true};
        value.typed = std::move(part);
        return value;
    }
    auto pointer = loaded_outside(node, std::move(*whole));
    if (!pointer) return pointer;
    if (!pointer->typed) return error(node, "that is no array and no pointer");
    auto object = target_of(node, *pointer);
    if (!object) return object;
    const u64 size = size_of(object->typed->type);
    if (size == 0) return error(node, "the size of " + quoted(object->typed->type) + " is not known");
    u64& at = object->typed->place->value;
    at += number * size;
    if (scope_.code_bits() != 64) at &= 0xFFFF'FFFF;
    object->number = at;
    return object;
}

Expected<Evaluation::Value> Evaluation::take_address(const ExpressionNode& node) {
    const ExpressionNode& operand = tree_.nodes[node.a];
    if (operand.kind == ExpressionKind::memory) {
        const auto place = named_place(operand);
        if (!place) return tl::unexpected(place.error());
        return Value{.number = place->address.value, .absolute = true};
    }
    auto object = value(node.a);
    if (!object) return object;
    if (!object->typed) {
        if (object->absolute) return object;
        return error(node, "& needs a variable: a number or register has no address");
    }
    const TypedValue& typed = *object->typed;
    if (typed.missing) return loaded(node, std::move(*object));
    if (!typed.place)
        return error(node, typed.where.empty() ? "that value has no address"
                                               : "it is kept in " + typed.where + ", which has no address");
    const TypePtr type = stripped(typed.type);
    const u64 at = typed.place->value + typed.bit / 8;
    if (type && type->kind == Kind::function) return Value{.number = at, .absolute = true};
    return value_of({.type = pointer_to(typed.type, scope_.code_bits()), .number = at});
}

Expected<Evaluation::Value> Evaluation::cast(const ExpressionNode& node) {
    const auto type = type_named(node);
    if (!type) return tl::unexpected(type.error());
    auto operand = number(node.a);
    if (!operand) return operand;
    return checked(node, convert(operand_of(*operand), *type));
}

Expected<Evaluation::Value> Evaluation::size(const ExpressionNode& node) {
    TypePtr type;
    if (node.kind == ExpressionKind::size_of_type) {
        const auto named = type_named(node);
        if (!named) return tl::unexpected(named.error());
        type = *named;
    } else {
        // sizeof(name) may be that of a type.
        const ExpressionNode& operand = tree_.nodes[node.a];
        auto object = value(node.a);
        if (object && object->typed) type = object->typed->type;
        if (!object && operand.kind == ExpressionKind::name) type = scope_.type(operand.name);
        if (!object && !type) return object;
        if (!type) return error(node, "what has no type has no size");
    }
    const u64 bytes = size_of(type);
    if (bytes == 0) return error(node, "the size of " + quoted(type) + " is not known");
    return Value{.number = bytes};
}

/// first@3: three elements from `first` on.
Expected<Evaluation::Value> Evaluation::repeat(const ExpressionNode& node) {
    const ExpressionNode &left = tree_.nodes[node.a], &right = tree_.nodes[node.b];
    if (left.kind == ExpressionKind::name && right.kind == ExpressionKind::number) { // "name@4" is one of Windows'
        const std::string decorated = left.name + "@" + std::to_string(right.number);
        if (const auto symbol = scope_.symbol(decorated)) return Value{.number = *symbol, .absolute = true};
    }
    auto first = value(node.a);
    if (!first) return first;
    auto count = outside_brackets(node.b);
    if (!count) return count;
    if (!first->typed || !first->typed->place) return error(node, "before @ comes a variable in memory: *pointer@10");
    const u64 number = operand_of(*count).number;
    if (number == 0 || number > 1'000'000) return error(node, "behind @ comes a count from 1 to 1,000,000");
    first->typed->type = array_of(first->typed->type, number);
    return first;
}

// --- values

/// A pointer that is followed counts as what it is, within brackets too.
Expected<Evaluation::Value> Evaluation::loaded_outside(const ExpressionNode& node, Value value) {
    const bool outer = std::exchange(brackets_, false);
    auto result = loaded(node, std::move(value));
    brackets_ = outer;
    return result;
}

Expected<Evaluation::Value> Evaluation::loaded(const ExpressionNode& node, Value value) {
    if (!value.typed || !value.typed->is_object()) return value;
    const TypedValue& object = *value.typed;
    const TypePtr type = stripped(object.type);
    if (!type) return error(node, "its type is not known");
    if (object.missing) return error(node, "it is not kept at this instruction (" + type_name(object.type) + ")");
    if (object.place && (brackets_ || type->kind == Kind::structure || type->kind == Kind::function))
        return Value{.number = object.place->value, .absolute = true};
    if (type->kind == Kind::array && object.place)
        return value_of({.type = pointer_to(inner_of(*type), scope_.code_bits()), .number = object.place->value});
    if (!is_scalar(*type)) return error(node, "a " + quoted(object.type) + " is no number");
    const auto number = load_scalar(object, reader());
    if (!number)
        return error(node, "there are no " + std::to_string(type->size) + " readable bytes at linear " +
                               marked_hex(object.place ? object.place->value : 0));
    return value_of({.type = object.type, .number = *number});
}

Expected<TypedValue> Evaluation::typed(std::size_t index) {
    auto found = value(index);
    if (!found) return tl::unexpected(found.error());
    if (found->typed) return std::move(*found->typed);
    return TypedValue{.type = {}, .number = found->number};
}

Expected<Address> Evaluation::address_of(std::size_t index, const TypedValue& object) {
    const TypePtr type = stripped(object.type);
    const bool leads = type && (type->kind == Kind::pointer || type->kind == Kind::reference);
    if (object.place && !leads) {
        Address address = *object.place;
        if (object.bit_size) address.value += object.bit / 8;
        return address;
    }
    Value value;
    value.typed = object;
    const auto number = loaded(tree_.nodes[index], std::move(value));
    if (!number) return tl::unexpected(number.error());
    return Address{.value = operand_of(*number).number};
}

Expected<Place> Evaluation::place_of(std::size_t index, const TypedValue& object) {
    const ExpressionNode& node = tree_.nodes[index];
    const TypePtr type = stripped(object.type);
    constexpr u64 largest = 1 << 20;
    if (object.place) {
        Place place{*object.place, static_cast<unsigned>(std::min(size_of(object.type), largest))};
        if (object.bit_size) {
            place.address.value += object.bit / 8;
            place.size = (object.bit % 8 + object.bit_size + 7) / 8;
        }
        return place;
    }
    if (object.is_object()) {
        if (object.missing) return tl::unexpected(error(node, "it is not kept at this instruction").error());
        return tl::unexpected(
            error(node, "it is kept in " + (object.where.empty() ? "no memory" : object.where) + ", not in memory")
                .error());
    }
    const bool leads = type && type->kind == Kind::pointer;
    const u64 size = leads ? size_of(inner_of(*type)) : 0;
    return Place{{.value = object.number}, static_cast<unsigned>(std::min(size, largest))};
}

} // namespace glassbox
