// `locals`: the variables of the function that executes, or of one of its callers.
#include "debugger/symbols/local_variables.hpp"

#include "debugger/debugger.hpp"
#include "debugger/symbols/expression.hpp"
#include "debugger/symbols/frame_scope.hpp"
#include "debugger/symbols/number_text.hpp"
#include "debugger/view.hpp"

#include <algorithm>

namespace glassbox {

u64 present_address(Debugger& debugger) {
    const Cpu& cpu = debugger.cpu();
    return cpu.code_linear(cpu.ip);
}

namespace {

/// Those of the chosen frame, or of its `up`th caller.
Expected<Locals> locals_of(Debugger& debugger, u64 up) {
    const Cpu& cpu = debugger.cpu();
    const unsigned bits = code_bits(cpu);
    if (bits == 16) return fail("variables of functions are known to 32-bit and 64-bit code alone");
    const Symbols::ReadMemory read = memory_of(cpu);
    FrameRegisters frame = chosen_registers(cpu, debugger.symbols());
    for (u64 n = 0; n < up; ++n) {
        const auto caller = debugger.symbols().unwind(frame, bits, read);
        if (!caller) return fail("there is no call-frame information to go further up than frame " + std::to_string(n));
        frame = *caller;
    }
    auto locals = debugger.symbols().locals(frame, bits, read);
    if (!locals)
        return fail("no debug information describes the function at " + marked_hex(frame.pc) +
                    (debugger.symbols().empty() ? " (symbols load FILE)" : ""));
    return *locals;
}

std::string padded(std::string text, std::size_t width) {
    text.resize(std::max(text.size(), width), ' ');
    return text;
}

} // namespace

Expected<> locals_command(CommandContext& context, Arguments& arguments) {
    u64 up = 0;
    if (!arguments.empty()) {
        const auto value = evaluate(context.debugger, arguments.rest());
        if (!value) return tl::unexpected(value.error());
        if (*value > 1000) return fail("locals FRAME: 0 is the function that executes, 1 its caller ...");
        up = *value;
    }
    const auto locals = locals_of(context.debugger, up);
    if (!locals) return tl::unexpected(locals.error());
    context.out += locals->function + ":" + (locals->variables.empty() ? " no variables" : "") + "\n";
    std::size_t names = 0, types = 0, values = 0;
    for (const Local& local : locals->variables) {
        names = std::max(names, local.name.size());
        types = std::max(types, std::min<std::size_t>(30, local.type.size()));
        values = std::max(values, std::min<std::size_t>(30, local.value.size()));
    }
    for (const Local& local : locals->variables) {
        const bool known = !local.value.empty() || !local.where.empty();
        std::string line = (local.parameter ? "  parameter  " : "             ") + padded(local.name, names) + "  " +
                           padded(local.type, types) + "  " + (known ? padded(local.value, values) : "(not kept here)");
        if (!local.where.empty()) line += "  in " + local.where;
        line.erase(line.find_last_not_of(' ') + 1);
        context.out += line + "\n";
    }
    return {};
}

} // namespace glassbox
