// cpu, cpuid.
#include "debugger/look/arguments.hpp"
#include "debugger/look/system_text.hpp"

namespace glassbox::look {

namespace {

Expected<> run_cpu(CommandContext& context, Arguments& arguments) {
    Debugger& debugger = context.debugger;
    if (!arguments.empty()) {
        auto number = take_number(context, arguments, std::nullopt, "the processor");
        if (!number) return tl::unexpected(number.error());
        if (auto ok = nothing_more(arguments); !ok) return ok;
        if (*number >= debugger.machine().processors())
            return fail("there is no processor " + std::to_string(*number) + ": the machine has " +
                        std::to_string(debugger.machine().processors()));
        debugger.select_processor(static_cast<unsigned>(*number));
    }
    write_processors(debugger.machine(), debugger.processor(), symbols_of(context), context.out);
    return {};
}

Expected<> run_cpuid(CommandContext& context, Arguments& arguments) {
    std::optional<u32> leaf, subleaf;
    for (std::optional<u32>* which : {&leaf, &subleaf}) {
        if (arguments.empty()) break;
        auto value = take_count(context, arguments, 0, 0xFFFF'FFFF, "the leaf");
        if (!value) return tl::unexpected(value.error());
        *which = static_cast<u32>(*value);
    }
    if (auto ok = nothing_more(arguments); !ok) return ok;
    write_cpuid(context.debugger.cpu(), leaf, subleaf, context.out);
    return {};
}

constexpr Command commands[] = {
    {"cpu", "processor", "Look", "[N]", "Lists the processors, or selects the one that commands look at",
     "State, mode, privilege level and what each executes; the selected one has a star. A stop selects the\nprocessor "
     "that stopped.\n  cpu\n  cpu 1\n",
     run_cpu},
    {"cpuid", "", "Look", "[LEAF [SUBLEAF]]", "What CPUID returns",
     "Without a leaf: all that the processor has, and its features by name.\n  cpuid\n  cpuid 7 0\n  cpuid "
     "80000008h\n",
     run_cpuid},
};

} // namespace

std::span<const Command> processor_commands() { return commands; }

} // namespace glassbox::look
