#include "debugger/command.hpp"

#include "debugger/debugger.hpp"
#include "debugger/explain/past.hpp"
#include "debugger/symbols/expression.hpp"

#include <array>

namespace glassbox {

AddressNames names_of(Debugger& debugger) {
    return [&debugger](u64 linear) { return debugger.symbols().describe(linear); };
}

namespace {

Expected<u64> number(CommandContext& context, Arguments& arguments, const char* what, u64 most) {
    if (arguments.empty()) return fail(std::string(what) + " is missing");
    auto value = evaluate(context.debugger, arguments.take());
    if (value && *value > most) return fail(std::string(what) + " is too large");
    return value;
}

/// The fault that the user has in mind: what shut the processor down, what it stands at, or the last one seen.
Expected<> last_fault(CommandContext& context) {
    Cpu& cpu = context.debugger.cpu();
    if (cpu.shutdown) {
        Evidence evidence;
        context.out += explain_triple_fault(context.debugger.machine(), names_of(context.debugger), evidence);
        context.out += explain::tell_past(context.debugger, evidence);
        return {};
    }
    const FaultRecord* record = context.debugger.faults.last(cpu);
    if (record == nullptr) {
        context.out += "No fault of this processor has been seen since the debugger listens.\n\n";
        if (cpu.halted) {
            context.out += explain_sleep(context.debugger.machine(), cpu, names_of(context.debugger));
            return {};
        }
        context.out += explain_next(cpu, names_of(context.debugger));
        return {};
    }
    const u64 ago = cpu.scheduler.instructions() - record->moment.instructions;
    if (ago != 0)
        context.out +=
            "The last fault, " + std::to_string(ago) + (ago == 1 ? " instruction" : " instructions") + " ago:\n";
    Evidence evidence;
    context.out += explain_fault(*record, names_of(context.debugger), evidence);
    context.out += explain::tell_past(context.debugger, evidence);
    return {};
}

Expected<> one_interrupt(CommandContext& context, Arguments& arguments) {
    const auto vector = number(context, arguments, "the vector", 255);
    if (!vector) return tl::unexpected(vector.error());
    context.out += explain_interrupt(context.debugger.cpu(), static_cast<u8>(*vector), names_of(context.debugger));
    return {};
}

Expected<> one_selector(CommandContext& context, Arguments& arguments) {
    const auto selector = number(context, arguments, "the selector", 0xFFFF);
    if (!selector) return tl::unexpected(selector.error());
    context.out += explain_selector(context.debugger.cpu(), static_cast<u16>(*selector));
    return {};
}

Expected<> one_error(CommandContext& context, Arguments& arguments) {
    const auto error = number(context, arguments, "the error code", 0xFFFF'FFFF);
    if (!error) return tl::unexpected(error.error());
    std::optional<unsigned> vector;
    static constexpr std::array<std::pair<std::string_view, unsigned>, 12> names{{{"pf", 14},
                                                                                  {"#pf", 14},
                                                                                  {"gp", 13},
                                                                                  {"#gp", 13},
                                                                                  {"np", 11},
                                                                                  {"#np", 11},
                                                                                  {"ss", 12},
                                                                                  {"#ss", 12},
                                                                                  {"ts", 10},
                                                                                  {"#ts", 10},
                                                                                  {"ac", 17},
                                                                                  {"df", 8}}};
    if (!arguments.empty()) {
        std::string word(arguments.peek());
        for (char& c : word) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
        for (const auto& [name, v] : names) {
            if (word == name) vector = v;
        }
        if (vector) {
            arguments.take();
        } else {
            const auto value = number(context, arguments, "the vector", 255);
            if (!value) return tl::unexpected(value.error());
            vector = static_cast<unsigned>(*value);
        }
    }
    context.out += explain_error(static_cast<u32>(*error), vector);
    return {};
}

Expected<> one_register(CommandContext& context, Arguments& arguments) {
    if (arguments.empty())
        return fail("the register is missing: "
                    "cr0 cr2 cr3 cr4 efer eflags mxcsr xcr0 dr6 dr7 pkru fcw fsw");
    const std::string name = arguments.take();
    const std::string text = explain_register(context.debugger.cpu(), name);
    if (text.empty())
        return fail("'" + name +
                    "' is not a register of bits; those are cr0 cr2 cr3 cr4 efer eflags mxcsr xcr0 dr6 "
                    "dr7 pkru fcw fsw");
    context.out += text;
    return {};
}

Expected<> dispatch(CommandContext& context, Arguments& arguments) {
    if (arguments.empty() || arguments.take_if("fault")) return last_fault(context);
    if (arguments.take_if("interrupt") || arguments.take_if("int")) return one_interrupt(context, arguments);
    if (arguments.take_if("selector") || arguments.take_if("sel")) return one_selector(context, arguments);
    if (arguments.take_if("error")) return one_error(context, arguments);
    if (arguments.take_if("register") || arguments.take_if("reg")) return one_register(context, arguments);
    if (arguments.take_if("flags")) {
        context.out += explain_register(context.debugger.cpu(), "eflags");
        return {};
    }
    if (arguments.take_if("next")) {
        context.out += explain_next(context.debugger.cpu(), names_of(context.debugger));
        return {};
    }
    const std::string bits =
        arguments.left() == 1 ? explain_register(context.debugger.cpu(), arguments.peek()) : std::string();
    if (!bits.empty()) {
        arguments.take();
        context.out += bits;
        return {};
    }
    const auto address = evaluate_address(context.debugger, arguments.rest());
    if (!address) return tl::unexpected(address.error());
    context.out += explain_address(context.debugger.cpu(), *address, names_of(context.debugger));
    return {};
}

Expected<> run_explain(CommandContext& context, Arguments& arguments) {
    if (auto done = dispatch(context, arguments); !done) return done;
    if (arguments.empty()) return {};
    return fail("nothing is expected behind that, not '" + arguments.rest() + "'");
}

constexpr Command commands[] = {
    {.name = "explain",
     .shorts = "why",
     .group = "Explain",
     .usage = "[fault | next | ADDR | interrupt N | selector S | error CODE [VECTOR] | register R | flags]",
     .summary = "Why: from an instruction, address or vector to the bit that decides",
     .help = R"(Tells, in sentences that name the manual's section, how the processor comes to what it does.

  explain                  what raised the last fault: from the instruction and its operands
                           through segment, pages or gates to the bit that denied it. After a triple
                           fault: all three faults and how they met, then the registers.
  explain next             whether the instruction at CS:EIP can execute as things stand, and if not,
                           why not.
  explain ss:esp           the way from seg:off to linear, every paging level, physical address, the
                           memory or device there; a stale TLB entry; what is allowed at this CPL.
  explain interrupt 80h    what happens if that vector arrives now: gate, handler, stack, and whether
                           INT is allowed.
  explain selector cs      the descriptor that a selector names, and what it may be loaded into.
  explain error 18h gp     an error code in words, as vector V (a number, or pf gp np ss ts) pushes it.
  explain register cr4     cr0 cr2 cr3 cr4 efer eflags mxcsr xcr0 dr6 dr7 pkru fcw fsw, bit by bit.
  explain flags            the same as explain register eflags.

Examples:
  explain                  explain ss:esp-4         explain interrupt 0x80
  why                      explain dword [esp]      explain error 0x18 gp
  explain cr4              explain phys(0xa0000)    explain selector ds)",
     .run = run_explain,
     .completes = "fault|next|interrupt|selector|error|register|flags"},
};

} // namespace

std::span<const Command> explain_commands() { return commands; }

} // namespace glassbox
