// `locals`: the variables of the function that executes, or of one of its callers.
#include "debugger/symbols/local_variables.hpp"

#include "debugger/debugger.hpp"
#include "debugger/look/stack_text.hpp"
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

/// Those of the chosen frame, or of one as `backtrace` counts them.
Expected<Locals> locals_of(Debugger& debugger, std::optional<u64> number) {
    const Cpu& cpu = debugger.cpu();
    unsigned bits = chosen_bits(cpu, debugger.symbols());
    FrameRegisters frame = chosen_registers(cpu, debugger.symbols());
    if (number) {
        std::string why;
        const auto frames = look::call_frames(cpu, &debugger.symbols(), static_cast<std::size_t>(*number) + 1, why);
        if (*number >= frames.size())
            return fail("there is no frame " + std::to_string(*number) + ": the outermost that is found is " +
                        std::to_string(frames.size() - 1));
        frame = frames.back().registers;
        bits = frames.back().bits;
    }
    if (bits == 16) return fail("variables of functions are known to 32-bit and 64-bit code alone");
    auto locals = debugger.symbols().locals(frame, bits, memory_of(cpu));
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
    std::optional<u64> number;
    if (!arguments.empty()) {
        const auto value = evaluate(context.debugger, arguments.rest());
        if (!value) return tl::unexpected(value.error());
        if (*value > 1000) return fail("locals FRAME: 0 is the function that executes, 1 its caller ...");
        number = *value;
    }
    const auto locals = locals_of(context.debugger, number);
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
