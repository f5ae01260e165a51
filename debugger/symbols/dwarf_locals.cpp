// Parameters and variables of a function that executes (DWARF 5, sections 3.3, 4.1 and 2.6): where they are at this
// instruction, or what they are. Functions that were inlined there, too.
#include "debugger/symbols/dwarf.hpp"
#include "debugger/symbols/location_machine.hpp"
#include "debugger/symbols/number_text.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace glassbox {

namespace {

constexpr unsigned deepest_block = 32;
constexpr std::size_t most_locals = 500, most_steps = 2'000'000, most_pieces = 16;

std::string register_name(u64 number, unsigned bits) {
    constexpr std::array<std::string_view, 16> names64{"RAX", "RDX", "RCX", "RBX", "RSI", "RDI", "RBP", "RSP",
                                                       "R8",  "R9",  "R10", "R11", "R12", "R13", "R14", "R15"};
    constexpr std::array<std::string_view, 8> names32{"EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"};
    if (bits == 64 && number < names64.size()) return std::string(names64[number]);
    if (bits == 32 && number < names32.size()) return std::string(names32[number]);
    return "register " + std::to_string(number);
}

std::vector<u8> bytes_of(u64 value, u64 size) {
    std::vector<u8> bytes(static_cast<std::size_t>(std::min<u64>(size, 8)));
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<u8>(value >> (8 * i));
    return bytes;
}

/// Reads the variables of one function, block by block.
class ScopeReader {
  public:
    ScopeReader(u64 address, LocationMachine& machine, DwarfTypes& types, FunctionScope& scope, std::string_view only)
        : address_(address), machine_(machine), types_(types), scope_(scope), only_(only) {}

    void read_block(Dwarf_Die* block, unsigned depth) {
        Dwarf_Die die{};
        if (depth > deepest_block || dwarf_child(block, &die) != 0) return;
        std::vector<Dwarf_Die> inner;
        do {
            const int tag = dwarf_tag(&die);
            if (tag == DW_TAG_formal_parameter || tag == DW_TAG_variable) read(&die);
            if ((tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine) && dwarf_haspc(&die, address_) == 1)
                inner.push_back(die);
        } while (++steps_ < most_steps && scope_.variables.size() < most_locals && dwarf_siblingof(&die, &die) == 0);
        for (Dwarf_Die& one : inner) {
            const bool call = dwarf_tag(&one) == DW_TAG_inlined_subroutine;
            if (call) enter_inlined(&one);
            read_block(&one, depth + 1);
        }
    }

  private:
    void enter_inlined(Dwarf_Die* die) {
        InlinedCall call;
        const char* const name = dwarf_diename(die);
        call.function = name ? std::string(name, ::strnlen(name, longest_name)) : "?";
        Dwarf_Attribute attribute{};
        Dwarf_Word number = 0;
        if (dwarf_attr(die, DW_AT_call_line, &attribute) && dwarf_formudata(&attribute, &number) == 0)
            call.line = static_cast<unsigned>(number);
        Dwarf_Die unit{};
        Dwarf_Files* files = nullptr;
        std::size_t count = 0;
        if (dwarf_attr(die, DW_AT_call_file, &attribute) && dwarf_formudata(&attribute, &number) == 0 &&
            dwarf_diecu(die, &unit, nullptr, nullptr) && dwarf_getsrcfiles(&unit, &files, &count) == 0 &&
            number < count) {
            const char* const file = dwarf_filesrc(files, static_cast<std::size_t>(number), nullptr, nullptr);
            if (file) call.file.assign(file, ::strnlen(file, longest_name));
            if (call.file.starts_with("./")) call.file.erase(0, 2);
        }
        scope_.inlined.push_back(std::move(call));
    }

    void read(Dwarf_Die* die) {
        const char* const name = dwarf_diename(die);
        if (!name || (!only_.empty() && only_ != name)) return;
        TypedVariable variable;
        variable.name.assign(name, ::strnlen(name, 200));
        variable.type = types_.type_of(die);
        variable.parameter = dwarf_tag(die) == DW_TAG_formal_parameter;
        variable.inlined = static_cast<unsigned>(scope_.inlined.size());
        locate(die, variable);
        scope_.variables.push_back(std::move(variable));
    }

    void locate(Dwarf_Die* die, TypedVariable& variable) {
        const u64 size = size_of(variable.type);
        Dwarf_Attribute attribute{};
        Dwarf_Word constant = 0;
        if (dwarf_attr_integrate(die, DW_AT_const_value, &attribute)) {
            Dwarf_Block block{};
            if (dwarf_formudata(&attribute, &constant) == 0) {
                if (size >= 1 && size <= 8) variable.bytes = bytes_of(constant, size);
            } else if (dwarf_formblock(&attribute, &block) == 0 && block.length == size && size <= 4096) {
                variable.bytes.emplace(block.data, block.data + block.length);
            }
            return;
        }
        Dwarf_Op* operations = nullptr;
        std::size_t count = 0;
        if (!dwarf_attr_integrate(die, DW_AT_location, &attribute) ||
            dwarf_getlocation_addr(&attribute, address_, &operations, &count, 1) != 1 || count == 0)
            return;
        const bool pieces = std::any_of(operations, operations + std::min<std::size_t>(count, 256),
                                        [](const Dwarf_Op& op) { return op.atom == DW_OP_piece; });
        if (pieces) {
            read_pieces(operations, count, size, variable);
            return;
        }
        if (const auto reg = LocationMachine::register_of(operations[0]); reg && count == 1) {
            variable.where = register_name(*reg, machine_.bits());
            const auto value = machine_.value_of(*reg);
            if (value && size >= 1 && size <= 8) variable.bytes = bytes_of(*value, size);
            return;
        }
        const auto value = machine_.compute(operations, count);
        if (!value) return;
        if (operations[count - 1].atom == DW_OP_stack_value) {
            if (size >= 1 && size <= 8) variable.bytes = bytes_of(*value, size);
            return;
        }
        variable.where = marked_hex(*value);
        variable.address = *value;
    }

    /// A structure that is kept in several places (DWARF 5, 2.6.1.2): all of them, or it is not kept.
    void read_pieces(const Dwarf_Op* operations, std::size_t count, u64 size, TypedVariable& variable) {
        std::vector<u8> all;
        std::size_t begin = 0, pieces = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (operations[i].atom != DW_OP_piece) continue;
            const u64 length = operations[i].number;
            if (++pieces > most_pieces || length > 8 || i == begin) return;
            const auto reg = LocationMachine::register_of(operations[begin]);
            std::optional<u64> value;
            if (reg && i - begin == 1) {
                value = machine_.value_of(*reg);
                variable.where += (variable.where.empty() ? "" : ":") + register_name(*reg, machine_.bits());
            } else {
                value = machine_.compute(operations + begin, i - begin);
                const bool computed = operations[i - 1].atom == DW_OP_stack_value;
                if (value && !computed) value = machine_.load(*value, static_cast<unsigned>(length));
            }
            if (!value) {
                variable.where.clear();
                return;
            }
            const auto part = bytes_of(*value, length);
            all.insert(all.end(), part.begin(), part.end());
            begin = i + 1;
        }
        if (all.size() == size) variable.bytes = std::move(all);
    }

    u64 address_;
    LocationMachine& machine_;
    DwarfTypes& types_;
    FunctionScope& scope_;
    std::string_view only_;
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

bool DebugInformation::function_at(u64 address, Dwarf_Die* function) {
    constexpr std::size_t most_kept = 10'000; // conditions of breakpoints ask again and again
    constexpr Dwarf_Off none = 0;
    if (const auto kept = functions_at_.find(address); kept != functions_at_.end())
        return kept->second != none && dwarf_offdie(dwarf_, kept->second, function) != nullptr;
    bool found = false;
    each_unit([&](Dwarf_Die* unit) {
        if (dwarf_haspc(unit, address) == 1) found = find_function(address, function, unit, 0);
        return !found;
    });
    if (functions_at_.size() >= most_kept) functions_at_.clear();
    functions_at_.emplace(address, found ? dwarf_dieoffset(function) : none);
    return found;
}

std::optional<FunctionScope> DebugInformation::scope(const FrameRegisters& frame, u64 offset,
                                                     const Symbols::ReadMemory& read, std::string_view only) {
    const u64 address = file_address(frame, offset);
    Dwarf_Die function{};
    if (!dwarf_ || !in_code(address) || !function_at(address, &function)) return {};
    FunctionScope scope;
    const char* const name = dwarf_diename(&function);
    scope.function = name ? std::string(name, ::strnlen(name, longest_name)) : "a function";
    if (Dwarf_Addr low = 0; dwarf_lowpc(&function, &low) == 0) scope.entry = low + offset;
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
        // Clang's is the frame pointer, which is still the caller's at the first instructions and again at RET. What it
        // is in between lies below the return address and the saved one.
        const bool frame_pointer = reg && *reg == (bits_ == 64 ? u64{DW_OP_reg6} : u64{DW_OP_reg5}) - DW_OP_reg0;
        if (frame_pointer && machine.cfa) machine.frame_base = machine.masked(*machine.cfa - bits_ / 4);
    }
    ScopeReader(address, machine, *types_, scope, only).read_block(&function, 0);
    return scope;
}

} // namespace glassbox
