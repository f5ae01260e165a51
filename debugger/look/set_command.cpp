// set: registers, memory, descriptors, MSRs, elements of vectors.
#include "debugger/look/set_command.hpp"

#include "cpu/system/system.hpp"
#include "debugger/look/arguments.hpp"
#include "debugger/look/change.hpp"
#include "debugger/look/descriptor_text.hpp"
#include "debugger/look/msr_names.hpp"
#include "debugger/look/system_text.hpp"
#include "debugger/look/text.hpp"
#include "debugger/look/vector_text.hpp"
#include "debugger/symbols/value_commands.hpp"
#include "debugger/view.hpp"

#include <array>
#include <cstring>

namespace glassbox::look {

namespace {

std::optional<unsigned> size_of(std::string_view word) {
    static constexpr std::array<std::string_view, 4> names = {"byte", "word", "dword", "qword"};
    for (unsigned i = 0; i < names.size(); ++i) {
        if (names[i] == word) return 1u << i;
    }
    return std::nullopt;
}

/// A value that fits `size` bytes, with or without a sign.
Expected<u64> take_value(CommandContext& context, Arguments& arguments, unsigned size) {
    auto value = take_number(context, arguments, std::nullopt, "the value");
    if (!value || size >= 8) return value;
    const u64 rest = *value >> (8 * size);
    if (rest != 0 && rest != ~u64{0} >> (8 * size))
        return fail(prose(*value) + " does not fit " + count_text(size, "byte", "bytes"));
    return value;
}

Expected<> write_values(CommandContext& context, Arguments& arguments, MemoryPlace at, unsigned size) {
    arguments.take_if("=");
    std::vector<u8> bytes;
    do {
        auto value = take_value(context, arguments, size);
        if (!value) return tl::unexpected(value.error());
        for (unsigned i = 0; i < size; ++i) bytes.push_back(static_cast<u8>(*value >> (8 * i)));
    } while (!arguments.empty());
    if (auto done = write_by_hand(context.debugger.cpu(), at, bytes, size); !done) return done;
    context.debugger.changed();
    write_dump(context.debugger.cpu(), at, bytes.size(), size, context.out);
    return {};
}

Expected<> set_string(CommandContext& context, Arguments& arguments) {
    auto address = take_address(context, arguments, "the address");
    if (!address) return tl::unexpected(address.error());
    arguments.take_if("=");
    if (arguments.empty()) return fail("the text is missing");
    const std::string text = arguments.take();
    if (auto ok = nothing_more(arguments); !ok) return ok;
    const std::span bytes(reinterpret_cast<const u8*>(text.data()), text.size());
    if (auto done = write_by_hand(context.debugger.cpu(), place_of(*address), bytes, 1); !done) return done;
    context.debugger.changed();
    write_dump(context.debugger.cpu(), place_of(*address), bytes.size(), 1, context.out);
    return {};
}

/// "FIELD=VALUE", or "FIELD = VALUE" in words of their own.
Expected<std::pair<std::string, u64>> take_field(CommandContext& context, Arguments& arguments) {
    std::string word = arguments.take();
    std::string value;
    if (word.starts_with('=')) return fail("a field's name is missing: set descriptor gdt 3 dpl=3 p=1");
    if (const std::size_t equals = word.find('='); equals != std::string::npos) {
        value = word.substr(equals + 1);
        word.resize(equals);
    } else {
        arguments.take_if("=");
    }
    if (value.empty()) value = arguments.take();
    if (value.empty()) return fail("the value of " + word + " is missing");
    auto number = evaluate(context.debugger, value);
    if (!number) return tl::unexpected(number.error());
    return std::pair{word, *number};
}

Expected<DescriptorTable> take_table(const Cpu& cpu, Arguments& arguments) {
    const std::string name = lower(arguments.take());
    if (name == "gdt") return gdt_of(cpu);
    if (name == "idt") return DescriptorTable{"IDT", cpu.idtr.base, cpu.idtr.limit, false};
    if (name != "ldt") return fail("set descriptor needs a table: gdt, ldt or idt");
    if (const auto table = ldt_of(cpu)) return *table;
    return fail("there is no LDT: LDTR is null");
}

Expected<> set_descriptor(CommandContext& context, Arguments& arguments) {
    Cpu& cpu = context.debugger.cpu();
    auto table = take_table(cpu, arguments);
    if (!table) return tl::unexpected(table.error());
    const bool gates = table->name == "IDT";
    auto number = take_count(context, arguments, 0, gates ? 255 : 8191, "the descriptor's number");
    if (!number) return tl::unexpected(number.error());
    if (arguments.empty()) return fail("no field was given: set descriptor gdt 3 dpl=3 p=1");
    const bool wide_gate = gates && cpu.long_mode();
    const u64 offset = *number * (wide_gate ? 16 : 8);
    if (offset + (wide_gate ? 15 : 7) > table->limit) return fail("the descriptor lies beyond the table's limit");
    const MemoryPlace at{table->base + offset, false};
    const auto raw = read_value(cpu, at, 8);
    if (!raw) return fail("the descriptor's memory cannot be read");
    Descriptor d{*raw, 0};
    const bool room = offset + 15 <= table->limit;
    // Which form it has may change with its fields: the upper half is written only when it is one before and after.
    d.high = wide_gate || (is_wide(cpu, d) && room) ? read_value(cpu, after(at, 8), 8).value_or(0) : 0;
    while (!arguments.empty()) {
        auto field = take_field(context, arguments);
        if (!field) return tl::unexpected(field.error());
        const bool wide = wide_gate || (is_wide(cpu, d) && room);
        if (auto done = set_descriptor_field(d, wide, field->first, field->second); !done) return done;
    }
    std::array<u8, 16> bytes{};
    std::memcpy(bytes.data(), &d.raw, 8);
    std::memcpy(bytes.data() + 8, &d.high, 8);
    const bool wide = wide_gate || (is_wide(cpu, d) && room);
    if (auto done = write_by_hand(cpu, at, std::span<const u8>(bytes).first(wide ? 16 : 8)); !done) return done;
    context.debugger.changed();
    const auto n = static_cast<u32>(*number);
    if (gates)
        write_idt(cpu, symbols_of(context), n, 1, context.out);
    else
        write_table(cpu, symbols_of(context), *table, n, 1, context.out);
    return {};
}

Expected<> set_msr(CommandContext& context, Arguments& arguments) {
    Cpu& cpu = context.debugger.cpu();
    const std::string word = arguments.take();
    auto number = find_msr(word);
    if (!number) {
        auto value = evaluate(context.debugger, word);
        if (!value) return tl::unexpected(value.error());
        if (*value > 0xFFFF'FFFF) return fail("the number of an MSR has 32 bits");
        number = static_cast<u32>(*value);
    }
    arguments.take_if("=");
    auto value = take_number(context, arguments, std::nullopt, "the value");
    if (!value) return tl::unexpected(value.error());
    if (auto ok = nothing_more(arguments); !ok) return ok;
    const Fault before = cpu.fault;
    const bool done = write_msr(cpu, *number, *value);
    const std::string why = done ? "" : cpu.fault.why;
    cpu.fault = before;
    if (!done) return fail(why);
    cpu.link_from = nullptr;
    cpu.update_mode();
    context.debugger.changed();
    // Some can be written and not read.
    (void)write_msr_value(cpu, *number, context.out);
    return {};
}

/// "xmm0 as f32 1.0 2.0 3.0 4.0": the lowest element first; those that are not given stay.
Expected<> set_vector(CommandContext& context, Arguments& arguments, const std::string& name) {
    Cpu& cpu = context.debugger.cpu();
    const auto type = parse_value_type(arguments.take());
    if (!type || type->size > 8) return fail("elements are f32 f64 i8 i16 i32 i64 u8 u16 u32 u64 x8 x16 x32 x64");
    arguments.take_if("=");
    const std::string low = lower(name);
    const bool mmx = low.starts_with("mm"), ymm = low.starts_with("ymm");
    const std::string number = low.substr(mmx ? 2 : 3);
    std::vector<std::string> parts;
    if (mmx)
        parts = {low};
    else if (ymm)
        parts = {low + ".0", low + ".1", low + ".2", low + ".3"};
    else
        parts = {"xmm" + number, "xmm" + number + "h"};
    std::array<u8, 32> bytes{};
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto value = read_register(cpu, parts[i]);
        if (!value) return fail("there is no register '" + name + "'");
        std::memcpy(bytes.data() + 8 * i, &value->value, 8);
    }
    for (std::size_t i = 0; !arguments.empty(); i += type->size) {
        if (i + type->size > parts.size() * 8)
            return fail("the register has no more than " + std::to_string(parts.size() * 8 / type->size) +
                        " such elements");
        const auto at = std::span(bytes).subspan(i, type->size);
        if (parse_floating(arguments.peek(), *type, at)) {
            arguments.take();
            continue;
        }
        auto value = take_value(context, arguments, type->size);
        if (!value) return tl::unexpected(value.error());
        std::memcpy(at.data(), &*value, type->size);
    }
    for (std::size_t i = 0; i < parts.size(); ++i) {
        u64 value = 0;
        std::memcpy(&value, bytes.data() + 8 * i, 8);
        if (auto done = write_register(cpu, parts[i], value); !done) return done;
    }
    context.debugger.changed();
    return write_vectors(cpu, before_of(context), name, type, context.out);
}

Expected<> set_register(CommandContext& context, Arguments& arguments, const std::string& name) {
    Cpu& cpu = context.debugger.cpu();
    arguments.take_if("=");
    auto value = take_number(context, arguments, std::nullopt, "the value");
    if (!value) return tl::unexpected(value.error());
    if (auto ok = nothing_more(arguments); !ok) return ok;
    if (auto done = write_register(cpu, name, *value); !done) return done;
    context.debugger.changed();
    write_one(cpu, before_of(context), name, context.out);
    return {};
}

/// "[ebx+4] = 5", "dword phys(1000h) = 5": what the expression names, as wide as it says.
Expected<> set_place(CommandContext& context, Arguments& arguments, std::string text, std::optional<unsigned> size) {
    if (text.empty()) return fail("the address is missing");
    auto place = evaluate_place(context.debugger, text);
    if (!place) return tl::unexpected(place.error());
    if (!size && place->size == 0)
        return fail(
            "'" + text +
            "' is no register and names no memory: [address], phys(address), or byte, word, dword, qword ADDRESS");
    return write_values(context, arguments, place_of(place->address), size.value_or(place->size));
}

} // namespace

Expected<> run_set(CommandContext& context, Arguments& arguments) {
    // "eax=5" and "[ebx]=5" are words of their own, too.
    std::string target = arguments.take();
    if (target.empty()) return fail("set needs a register, an address or descriptor, and a value");
    std::optional<Arguments> joined;
    if (const std::size_t equals = target.find('='); equals != std::string::npos && equals > 0) {
        joined.emplace(target.substr(equals + 1) + " " + arguments.rest());
        target.resize(equals);
    }
    Arguments& values = joined ? *joined : arguments;
    if (target == "descriptor") return set_descriptor(context, values);
    if (target == "msr") return set_msr(context, values);
    if (target == "string" || target == "text") return set_string(context, values);
    if (const auto size = size_of(target)) {
        std::string place = values.take();
        if (const std::size_t equals = place.find('='); equals != std::string::npos && equals > 0) {
            Arguments rest(place.substr(equals + 1) + " " + values.rest());
            return set_place(context, rest, place.substr(0, equals), size);
        }
        return set_place(context, values, place, size);
    }
    if ((target == "var" || target == "variable") && !values.empty()) return run_set(context, values); // gdb's
    if (!values.empty() && values.peek() != "as" && is_variable(context.debugger, target)) {
        values.take_if("=");
        return assign_variable(context, target, values.rest());
    }
    const std::string name = target.starts_with('$') ? target.substr(1) : target;
    if (values.take_if("as")) return set_vector(context, values, name);
    if (read_register(context.debugger.cpu(), name)) return set_register(context, values, name);
    return set_place(context, values, target, std::nullopt);
}

} // namespace glassbox::look
