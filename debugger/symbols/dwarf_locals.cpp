// Parameters and variables of a function that executes (DWARF 5, sections 3.3, 4.1 and 2.6): where they are at this
// instruction, and their values.
#include "debugger/symbols/dwarf_types.hpp"
#include "debugger/symbols/location_machine.hpp"
#include "debugger/symbols/number_text.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace glassbox {

namespace {

constexpr unsigned deepest_block = 32;
constexpr std::size_t most_locals = 500, most_steps = 2'000'000;

std::string register_name(u64 number, unsigned bits) {
    constexpr std::array<std::string_view, 16> names64{"RAX", "RDX", "RCX", "RBX", "RSI", "RDI", "RBP", "RSP",
                                                       "R8",  "R9",  "R10", "R11", "R12", "R13", "R14", "R15"};
    constexpr std::array<std::string_view, 8> names32{"EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"};
    if (bits == 64 && number < names64.size()) return std::string(names64[number]);
    if (bits == 32 && number < names32.size()) return std::string(names32[number]);
    return "register " + std::to_string(number);
}

/// A number as its type shows it.
std::string value_text(Dwarf_Die* type, u64 value, unsigned size) {
    const unsigned shift = 64 - size * 8;
    value = value << shift >> shift;
    const i64 number = static_cast<i64>(value << shift) >> shift;
    const int tag = dwarf_tag(type);
    if (tag == DW_TAG_pointer_type || tag == DW_TAG_reference_type) return marked_hex(value);
    Dwarf_Attribute attribute{};
    Dwarf_Word encoding = 0;
    if (dwarf_attr(type, DW_AT_encoding, &attribute)) dwarf_formudata(&attribute, &encoding);
    switch (encoding) {
    case DW_ATE_boolean: return value == 0 ? "false" : value == 1 ? "true" : marked_hex(value);
    case DW_ATE_signed: return std::to_string(number);
    case DW_ATE_signed_char:
    case DW_ATE_unsigned_char: {
        const std::string character = character_text(value);
        return (encoding == DW_ATE_signed_char ? std::to_string(number) : std::to_string(value)) +
               (character.empty() ? "" : " " + character);
    }
    case DW_ATE_unsigned: return value < 10 ? std::to_string(value) : std::to_string(value) + " = " + marked_hex(value);
    default: return marked_hex(value);
    }
}

/// Reads the variables of one function, block by block.
class LocalReader {
  public:
    LocalReader(u64 address, LocationMachine& machine, Locals& locals)
        : address_(address), machine_(machine), locals_(locals) {}

    void read_block(Dwarf_Die* block, unsigned depth) {
        Dwarf_Die die{};
        if (depth > deepest_block || dwarf_child(block, &die) != 0) return;
        std::vector<Dwarf_Die> inner;
        do {
            const int tag = dwarf_tag(&die);
            if (tag == DW_TAG_formal_parameter || tag == DW_TAG_variable) read(&die);
            if ((tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine) && dwarf_haspc(&die, address_) == 1)
                inner.push_back(die);
        } while (++steps_ < most_steps && locals_.variables.size() < most_locals && dwarf_siblingof(&die, &die) == 0);
        for (Dwarf_Die& one : inner) read_block(&one, depth + 1);
    }

  private:
    void read(Dwarf_Die* die) {
        const char* const name = dwarf_diename(die);
        if (!name) return;
        Local local;
        local.name.assign(name, ::strnlen(name, 200));
        local.type = type_text(die);
        local.parameter = dwarf_tag(die) == DW_TAG_formal_parameter;
        Dwarf_Die type{};
        if (type_of(die, &type)) locate(die, &type, local);
        locals_.variables.push_back(std::move(local));
    }

    void locate(Dwarf_Die* die, Dwarf_Die* type, Local& local) {
        const u64 size = size_of(type);
        Dwarf_Attribute attribute{};
        Dwarf_Word constant = 0;
        if (dwarf_attr_integrate(die, DW_AT_const_value, &attribute) && dwarf_formudata(&attribute, &constant) == 0) {
            if (size >= 1 && size <= 8) local.value = value_text(type, constant, static_cast<unsigned>(size));
            return;
        }
        Dwarf_Op* operations = nullptr;
        std::size_t count = 0;
        if (!dwarf_attr_integrate(die, DW_AT_location, &attribute) ||
            dwarf_getlocation_addr(&attribute, address_, &operations, &count, 1) != 1 || count == 0)
            return;
        if (const auto reg = LocationMachine::register_of(operations[0]); reg && count == 1) {
            local.where = register_name(*reg, machine_.bits());
            const auto value = machine_.value_of(*reg);
            if (value && size >= 1 && size <= 8) local.value = value_text(type, *value, static_cast<unsigned>(size));
            return;
        }
        const auto value = machine_.compute(operations, count);
        if (!value) return;
        if (operations[count - 1].atom == DW_OP_stack_value) {
            if (size >= 1 && size <= 8) local.value = value_text(type, *value, static_cast<unsigned>(size));
            return;
        }
        local.where = marked_hex(*value);
        if (size != 1 && size != 2 && size != 4 && size != 8) {
            local.value = size ? "{" + std::to_string(size) + " bytes}" : "{...}";
            return;
        }
        const auto loaded = machine_.load(*value, static_cast<unsigned>(size));
        const int tag = dwarf_tag(type);
        if (tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_array_type) {
            local.value = "{" + std::to_string(size) + " bytes}";
        } else {
            local.value = loaded ? value_text(type, *loaded, static_cast<unsigned>(size)) : "(not readable)";
        }
    }

    u64 address_;
    LocationMachine& machine_;
    Locals& locals_;
    std::size_t steps_ = 0;
};

} // namespace

bool DebugInformation::find_function(u64 address, Dwarf_Die* function, Dwarf_Die* parent, unsigned depth) {
    constexpr unsigned deepest_namespace = 8;
    Dwarf_Die die{};
    if (depth > deepest_namespace || dwarf_child(parent, &die) != 0) return false;
    std::size_t steps = 0;
    do {
        const int tag = dwarf_tag(&die);
        if (tag == DW_TAG_namespace && find_function(address, function, &die, depth + 1)) return true;
        if (tag == DW_TAG_subprogram && dwarf_haspc(&die, address) == 1) {
            *function = die;
            return true;
        }
    } while (++steps < most_steps && dwarf_siblingof(&die, &die) == 0);
    return false;
}

std::optional<Locals> DebugInformation::locals(const FrameRegisters& frame, u64 offset,
                                               const Symbols::ReadMemory& read) {
    const u64 address = file_address(frame, offset);
    if (!dwarf_ || !in_code(address)) return {};
    Dwarf_Die function{};
    bool found = false;
    each_unit([&](Dwarf_Die* unit) {
        if (dwarf_haspc(unit, address) == 1) found = find_function(address, &function, unit, 0);
        return !found;
    });
    if (!found) return {};
    Locals locals;
    const char* const name = dwarf_diename(&function);
    locals.function = name ? std::string(name, ::strnlen(name, longest_name)) : "a function";
    LocationMachine machine(frame, read, bits_);
    machine.offset = offset;
    machine.cfa = cfa(frame, offset, read);
    Dwarf_Attribute attribute{};
    Dwarf_Op* operations = nullptr;
    std::size_t count = 0;
    if (dwarf_attr_integrate(&function, DW_AT_frame_base, &attribute) &&
        dwarf_getlocation_addr(&attribute, address, &operations, &count, 1) == 1 && count != 0) {
        const auto reg = LocationMachine::register_of(operations[0]);
        machine.frame_base = reg ? machine.value_of(*reg) : machine.compute(operations, count);
    }
    LocalReader(address, machine, locals).read_block(&function, 0);
    return locals;
}

} // namespace glassbox
