// print, ptype; assignments to variables.
#include "debugger/symbols/value_commands.hpp"

#include "debugger/debugger.hpp"
#include "debugger/symbols/expression_scope.hpp"
#include "debugger/symbols/frame_scope.hpp"
#include "debugger/symbols/number_text.hpp"
#include "debugger/symbols/typed_arithmetic.hpp"
#include "debugger/symbols/typed_value.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace glassbox {

namespace {

using Kind = CType::Kind;
constexpr std::string_view letters = "xdutocafs";

MemoryReader reader_of(CommandContext& context) {
    const Cpu& cpu = context.debugger.cpu();
    return [&cpu](const Address& at, std::span<u8> bytes) {
        return (at.space == Address::Space::physical ? read_physical_quietly(cpu, at.value, bytes)
                                                     : read_linear_quietly(cpu, at.value, bytes)) == bytes.size();
    };
}

TypedFormat format_of(CommandContext& context, char letter) {
    TypedFormat format;
    format.letter = letter;
    format.alone = true;
    const Symbols& symbols = context.debugger.symbols();
    format.symbol = [&symbols](u64 address) { return symbols.describe(address); };
    return format;
}

/// "(unsigned int, at 10FEB0h)"
std::string type_and_place(const TypedValue& value, bool structure) {
    std::string text = type_name(value.type);
    if (value.bit_size) text += " : " + std::to_string(value.bit_size);
    if (structure) {
        const u64 size = size_of(value.type);
        text += ", " + std::to_string(size) + (size == 1 ? " byte" : " bytes");
    }
    if (value.place)
        text += std::string(structure ? " at " : ", at ") + marked_hex(value.place->value + value.bit / 8);
    else if (!value.where.empty())
        text += ", in " + value.where;
    return text;
}

/// A name that is a register's too says which of them it was.
std::string ambiguity(CommandContext& context, const std::string& text) {
    if (text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != std::string::npos)
        return {};
    if (text.empty() || (text[0] >= '0' && text[0] <= '9') || !read_register(context.debugger.cpu(), text)) return {};
    return "  (the variable; $" + text + " is the register)\n";
}

Expected<> print_typed(CommandContext& context, const std::string& text, const TypedValue& value, char letter) {
    if (value.missing) {
        context.out += text + " is not kept at this instruction (" + type_name(value.type) + ")\n";
        return {};
    }
    const std::string shown = typed_text(value, reader_of(context), format_of(context, letter));
    if (letter) {
        context.out += shown + "\n";
        return {};
    }
    const TypePtr type = stripped(value.type);
    const bool aggregate = type && (type->kind == Kind::structure || type->kind == Kind::array);
    context.out += text + " = " + shown + " (" + type_and_place(value, aggregate) + ")\n";
    if (value.is_object()) context.out += ambiguity(context, text);
    return {};
}

/// What is at a symbol whose size is known and type is not: "dword there 5".
std::string memory_of_symbol(CommandContext& context, const std::string& text, u64 address) {
    const auto variable = context.debugger.symbols().variable(text);
    if (!variable || variable->address != address || variable->size > 8) return {};
    constexpr std::array<std::string_view, 9> names{"", "byte", "word", "", "dword", "", "", "", "qword"};
    const std::string_view name = names[variable->size];
    if (name.empty()) return {};
    std::array<u8, 8> bytes{};
    const auto size = static_cast<std::size_t>(variable->size);
    if (read_linear_quietly(context.debugger.cpu(), address, std::span(bytes).first(size)) != size) return {};
    u64 value = 0;
    for (std::size_t i = size; i-- > 0;) value = value << 8 | bytes[i];
    const std::string negative = signed_text(value);
    return "  there      " + std::string(name) + " " + marked_hex(value) + " = " + std::to_string(value) +
           (negative.empty() ? "" : " = " + negative) + "\n";
}

Expected<> print_number(CommandContext& context, const std::string& text, u64 value, char letter) {
    const Symbols& symbols = context.debugger.symbols();
    std::string symbol = symbols.describe(value);
    if (letter == 'a') {
        context.out += marked_hex(value) + (symbol.empty() ? "" : " <" + symbol + ">") + "\n";
        return {};
    }
    if (letter == 'f') {
        TypedValue real{.type = floating_type(8)};
        real.number = value;
        context.out += typed_text(real, reader_of(context), format_of(context, 0)) + "\n";
        return {};
    }
    if (letter == 's') {
        TypedValue pointer{.type = pointer_to(integer_type(1, false), 64)};
        pointer.number = value;
        context.out += typed_text(pointer, reader_of(context), format_of(context, 0)) + "\n";
        return {};
    }
    if (letter) {
        context.out += formatted(value, letter).value_or("") + "\n";
        return {};
    }
    if (const auto line = symbols.line_at(value); line && !symbol.empty())
        symbol += " (" + line->file + ":" + std::to_string(line->line) + ")";
    const std::string negative = signed_text(value), character = value ? character_text(value) : "";
    context.out += "  hex        " + marked_hex(value) + "\n  decimal    " + std::to_string(value) + "\n";
    if (!negative.empty()) context.out += "  signed     " + negative + "\n";
    context.out += "  binary     " + binary_text(value) + "\n";
    if (!character.empty()) context.out += "  character  " + character + "\n";
    if (!symbol.empty()) context.out += "  symbol     " + symbol + "\n";
    context.out += memory_of_symbol(context, text, value);
    return {};
}

} // namespace

Expected<> print_command(CommandContext& context, Arguments& arguments) {
    char letter = 0;
    if (const std::string word(arguments.peek()); word.size() == 2 && word[0] == '/') {
        letter = word[1];
        arguments.take();
        if (letters.find(letter) == std::string_view::npos)
            return fail(std::string("print has no format '") + letter + "': x, d, u, t, o, c, a, f and s are known");
    }
    const std::string text = arguments.rest();
    if (text.empty()) return fail("print EXPRESSION: of what? (help expressions)");
    const auto parsed = Expression::parse(text);
    if (!parsed) return tl::unexpected(parsed.error());
    const auto value = parsed->typed(context.debugger);
    if (!value) return tl::unexpected(value.error());
    const TypePtr type = stripped(value->type);
    if (value->type && !(type && type->kind == Kind::function)) return print_typed(context, text, *value, letter);
    return print_number(context, text, value->place ? value->place->value : value->number, letter);
}

Expected<> ptype_command(CommandContext& context, Arguments& arguments) {
    const std::string text = arguments.rest();
    if (text.empty()) return fail("ptype NAME: the type of which variable, or which type?");
    const Symbols& symbols = context.debugger.symbols();
    const auto parsed = Expression::parse(text);
    std::string why = parsed ? "" : parsed.error().message;
    if (parsed) {
        const auto value = parsed->typed(context.debugger);
        if (value && value->type) {
            const TypePtr type = stripped(value->type);
            context.out +=
                type && type->kind == Kind::function ? type_name(type, text) + "\n" : type_definition(value->type);
            return {};
        }
        why = value ? "'" + text + "' is a number and has no type" : value.error().message;
    }
    std::string name = text;
    unsigned stars = 0;
    while (!name.empty() && (name.back() == '*' || name.back() == ' ')) {
        stars += name.back() == '*';
        name.pop_back();
    }
    TypePtr type = symbols.type_named(name);
    if (!type) type = builtin_type(name, code_bits(context.debugger.cpu()));
    if (!type)
        return fail(why + (symbols.has_types() ? "" : " (types come from ELF files with DWARF: symbols load FILE)"));
    for (unsigned i = 0; i < std::min(stars, 8u); ++i) type = pointer_to(type, code_bits(context.debugger.cpu()));
    context.out += type_definition(type);
    return {};
}

// --- assignments

bool is_variable(Debugger& debugger, const std::string& text) {
    const auto parsed = Expression::parse(text);
    if (!parsed || text.starts_with('$')) return false;
    const auto value = parsed->typed(debugger);
    const TypePtr type = value ? stripped(value->type) : TypePtr();
    return type && value->is_object() && type->kind != Kind::function;
}

namespace {

/// The bytes of a scalar as memory has them; of a bit field those around it, with its bits replaced.
Expected<std::vector<u8>> bytes_to_write(const TypedValue& target, const CType& type, u64 number,
                                         const MemoryReader& read) {
    if (!target.bit_size) {
        if (type.kind == Kind::floating && type.size == 4)
            number = std::bit_cast<u32>(static_cast<float>(std::bit_cast<double>(number)));
        std::vector<u8> bytes(static_cast<std::size_t>(type.size));
        for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<u8>(number >> (8 * i));
        return bytes;
    }
    const unsigned shift = target.bit % 8;
    std::vector<u8> bytes(std::size_t{(shift + target.bit_size + 7) / 8});
    if (!read_object(target, target.bit / 8, bytes, read)) return fail("the bit field's memory cannot be read");
    for (unsigned i = 0; i < target.bit_size; ++i) {
        u8& byte = bytes[(shift + i) / 8];
        const auto mask = static_cast<u8>(1u << ((shift + i) % 8));
        byte = static_cast<u8>((number >> i & 1) ? byte | mask : byte & ~mask);
    }
    return bytes;
}

Expected<> fits(const TypedValue& target, const CType& type, const TypedValue& value) {
    const unsigned bits = target.bit_size ? target.bit_size : static_cast<unsigned>(type.size * 8);
    if (type.kind == Kind::floating || type.kind == Kind::boolean || bits >= 64) return {};
    const TypePtr from = stripped(value.type);
    if (from && from->kind == Kind::floating) return {};
    const u64 rest = value.number >> bits, ones = ~u64{0} >> bits;
    const bool negative = rest == ones && (value.number >> (bits - 1) & 1);
    if (rest == 0 || negative) return {};
    return fail(marked_hex(value.number) + " does not fit " + std::to_string(bits) + " bits");
}

Expected<TypedValue> value_to_assign(Debugger& debugger, const std::string& text) {
    const auto parsed = Expression::parse("(" + text + ")+0");
    const auto plain = Expression::parse(text);
    if (!plain) return tl::unexpected(plain.error());
    auto value = plain->typed(debugger);
    if (!value) return value;
    const TypePtr type = stripped(value->type);
    if (!type || !value->is_object()) return value;
    if (type->kind == Kind::structure) return fail("a whole structure cannot be assigned: name a member of it");
    if (is_scalar(*type) && type->kind != Kind::floating && !value->missing) {
        const auto number = plain->evaluate(debugger);
        if (!number) return tl::unexpected(number.error());
        TypedValue result{.type = value->type};
        result.number = *number;
        return result;
    }
    return parsed ? parsed->typed(debugger) : Expected<TypedValue>(tl::unexpected(parsed.error()));
}

} // namespace

Expected<> assign_variable(CommandContext& context, const std::string& variable, const std::string& value) {
    Debugger& debugger = context.debugger;
    const auto parsed = Expression::parse(variable);
    if (!parsed) return tl::unexpected(parsed.error());
    const auto target = parsed->typed(debugger);
    if (!target) return tl::unexpected(target.error());
    const TypePtr type = stripped(target->type);
    if (target->missing) return fail(variable + " is not kept at this instruction");
    if (!type || !is_scalar(*type))
        return fail(variable + " is a whole " + type_name(target->type) + ": name a member or element of it");
    const auto given = value_to_assign(debugger, value);
    if (!given) return tl::unexpected(given.error());
    if (const auto good = fits(*target, *type, *given); !good) return good;
    const auto number = convert({.type = given->type, .number = given->number}, target->type);
    if (!number) return tl::unexpected(number.error());
    const auto bytes = bytes_to_write(*target, *type, number->number, reader_of(context));
    if (!bytes) return tl::unexpected(bytes.error());
    Cpu& cpu = debugger.cpu();
    if (target->place) {
        const u64 at = target->place->value + (target->bit_size ? target->bit / 8 : 0);
        const auto done = target->place->space == Address::Space::physical ? write_physical_by_hand(cpu, at, *bytes)
                                                                           : write_linear_by_hand(cpu, at, *bytes);
        if (!done) return done;
    } else {
        const bool whole = target->kept_at == 0 && !target->bit_size && target->where.find(':') == std::string::npos;
        if (!whole || target->where.empty() || !read_register(cpu, target->where))
            return fail(variable + " is computed, or kept in parts: it cannot be set");
        if (chosen_frame(cpu, debugger.symbols()) != 0)
            return fail(variable + " was in " + target->where +
                        " in that frame: only the innermost one's registers can be set");
        if (const auto done = write_register(cpu, target->where, number->number); !done) return done;
    }
    debugger.changed();
    const auto now = parsed->typed(debugger);
    if (!now) return tl::unexpected(now.error());
    return print_typed(context, variable, *now, 0);
}

} // namespace glassbox
