// What the commands of this folder take: addresses, counts, keywords.
#pragma once

#include "debugger/command.hpp"
#include "debugger/debugger.hpp"
#include "debugger/look/memory_text.hpp"
#include "debugger/symbols/expression.hpp"

#include <span>

namespace glassbox::look {

/// Null without symbols, so that nobody looks for names.
inline const Symbols* symbols_of(CommandContext& context) {
    return context.debugger.symbols().empty() ? nullptr : &context.debugger.symbols();
}
/// The registers of the selected processor before it last ran; empty when it has not.
const RegisterSnapshot& before_of(const CommandContext& context);

/// The value of the next word; `fallback` when there is none, an error without one.
Expected<u64> take_number(CommandContext& context, Arguments& arguments, std::optional<u64> fallback,
                          std::string_view what);
/// The same, up to `most`: more is an error.
Expected<u64> take_count(CommandContext& context, Arguments& arguments, u64 fallback, u64 most, std::string_view what);
Expected<Address> take_address(CommandContext& context, Arguments& arguments, std::string_view what);
inline MemoryPlace place_of(const Address& a) { return {a.value, a.space == Address::Space::physical}; }
/// Something was left over.
Expected<> nothing_more(Arguments& arguments);

/// The topics, in the order of `help`.
std::span<const Command> register_commands();
std::span<const Command> code_commands();
std::span<const Command> memory_commands();
std::span<const Command> descriptor_commands();
std::span<const Command> paging_commands();
std::span<const Command> processor_commands();
std::span<const Command> change_commands();

} // namespace glassbox::look
