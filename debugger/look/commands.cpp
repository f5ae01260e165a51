#include "debugger/command.hpp"

#include "debugger/look/arguments.hpp"
#include "debugger/look/text.hpp"

#include <vector>

namespace glassbox {

namespace look {

const RegisterSnapshot& before_of(const CommandContext& context) {
    static const RegisterSnapshot none;
    const auto& kept = context.debugger.registers_before;
    const unsigned n = context.debugger.processor();
    return n < kept.size() ? kept[n] : none;
}

Expected<u64> take_number(CommandContext& context, Arguments& arguments, std::optional<u64> fallback,
                          std::string_view what) {
    if (arguments.empty()) {
        if (fallback) return *fallback;
        return fail(std::string(what) + " is missing");
    }
    return evaluate(context.debugger, arguments.take());
}

Expected<u64> take_count(CommandContext& context, Arguments& arguments, u64 fallback, u64 most, std::string_view what) {
    auto value = take_number(context, arguments, fallback, what);
    if (value && *value > most) return fail(std::string(what) + " is at most " + std::to_string(most));
    return value;
}

Expected<Address> take_address(CommandContext& context, Arguments& arguments, std::string_view what) {
    if (arguments.empty()) return fail(std::string(what) + " is missing");
    return evaluate_address(context.debugger, arguments.take());
}

Expected<> nothing_more(Arguments& arguments) {
    if (arguments.empty()) return {};
    return fail("nothing is expected behind that, not '" + arguments.rest() + "'");
}

} // namespace look

std::span<const Command> look_commands() {
    static const std::vector<Command> all = [] {
        std::vector<Command> joined;
        for (const auto topic :
             {look::register_commands(), look::code_commands(), look::memory_commands(), look::descriptor_commands(),
              look::paging_commands(), look::processor_commands(), look::change_commands()})
            joined.insert(joined.end(), topic.begin(), topic.end());
        return joined;
    }();
    return all;
}

} // namespace glassbox
