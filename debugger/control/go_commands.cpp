// The commands of "Go".
#include "debugger/control/commands.hpp"
#include "debugger/control/flow.hpp"
#include "debugger/control/impl.hpp"
#include "debugger/debugger.hpp"
#include "debugger/symbols/expression.hpp"

#include <algorithm>
#include <cstdio>

namespace glassbox::control {

namespace {

Expected<> go(CommandContext& context, const Plan& plan) { return context.debugger.resume(plan); }

Expected<> counted(CommandContext& context, Arguments& arguments, Plan::Kind kind, bool backwards) {
    Plan plan{.kind = kind, .backwards = backwards};
    plan.any_processor = kind == Plan::Kind::step && arguments.take_if("any");
    const auto count = take_count(context, arguments);
    if (!count) return tl::unexpected(count.error());
    plan.count = *count;
    return go(context, plan);
}

Expected<> to_address(CommandContext& context, Arguments& arguments, bool backwards) {
    Debugger& debugger = context.debugger;
    Plan plan{.kind = Plan::Kind::until, .backwards = backwards};
    if (!arguments.empty()) {
        const auto address = evaluate_address(debugger, arguments.rest());
        if (!address) return tl::unexpected(address.error());
        if (address->space == Address::Space::physical)
            return fail("a linear address is needed (break takes physical ones)");
        plan.address = address->value;
        return go(context, plan);
    }
    if (backwards) return fail("an address is needed");
    const FlowInsn insn = flow_at(debugger.cpu());
    if (insn.length == 0) return fail("there is no instruction at CS:IP that could be passed");
    plan.address = debugger.cpu().code_linear(debugger.cpu().ip + insn.length);
    return go(context, plan);
}

std::string seconds(Time time) {
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%.9f s", static_cast<double>(time) / static_cast<double>(second));
    return text.data();
}

} // namespace

Expected<> step(CommandContext& c, Arguments& a) { return counted(c, a, Plan::Kind::step, false); }
Expected<> next(CommandContext& c, Arguments& a) { return counted(c, a, Plan::Kind::next, false); }
Expected<> step_line(CommandContext& c, Arguments& a) { return counted(c, a, Plan::Kind::step_line, false); }
Expected<> next_line(CommandContext& c, Arguments& a) { return counted(c, a, Plan::Kind::next_line, false); }
Expected<> reverse_step(CommandContext& c, Arguments& a) { return counted(c, a, Plan::Kind::step, true); }
Expected<> reverse_next(CommandContext& c, Arguments& a) { return counted(c, a, Plan::Kind::next, true); }
Expected<> reverse_step_line(CommandContext& c, Arguments& a) { return counted(c, a, Plan::Kind::step_line, true); }
Expected<> reverse_next_line(CommandContext& c, Arguments& a) { return counted(c, a, Plan::Kind::next_line, true); }
Expected<> run_instructions(CommandContext& c, Arguments& a) { return counted(c, a, Plan::Kind::instructions, false); }
Expected<> reverse_instructions(CommandContext& c, Arguments& a) {
    return counted(c, a, Plan::Kind::instructions, true);
}

Expected<> finish(CommandContext& context, Arguments& arguments) {
    if (const auto good = nothing_more(arguments); !good) return good;
    return go(context, {.kind = Plan::Kind::finish});
}
Expected<> reverse_finish(CommandContext& context, Arguments& arguments) {
    if (const auto good = nothing_more(arguments); !good) return good;
    return go(context, {.kind = Plan::Kind::finish, .backwards = true});
}
Expected<> until(CommandContext& context, Arguments& arguments) { return to_address(context, arguments, false); }
Expected<> reverse_until(CommandContext& context, Arguments& arguments) { return to_address(context, arguments, true); }

Expected<> continue_on(CommandContext& context, Arguments& arguments) {
    if (!arguments.empty()) { // gdb's: pass over this stop point's next hits
        const auto count = take_count(context, arguments);
        if (!count) return tl::unexpected(count.error());
        StopPoint* point = context.debugger.find(context.debugger.stop().number);
        if (!point) return fail("the machine did not stop at a stop point whose hits could be passed over");
        point->ignore = *count - 1;
    }
    return go(context, {.kind = Plan::Kind::continue_on});
}
Expected<> reverse_continue(CommandContext& context, Arguments& arguments) {
    if (const auto good = nothing_more(arguments); !good) return good;
    return go(context, {.kind = Plan::Kind::continue_on, .backwards = true});
}

namespace {

/// "1.5s", "-20ms": a number of a unit.
bool is_time(std::string_view text) {
    if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
    const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    const std::string_view unit = text.substr(digits);
    return digits != 0 && (unit == "s" || unit == "ms" || unit == "us" || unit == "ns" || unit == "ps");
}

Expected<> run_to_time_text(CommandContext& context, std::string text) {
    if (text.empty()) return fail("a time is needed: 1.5s, +20ms");
    const char sign = text.front();
    if (sign == '+' || sign == '-') text.erase(0, 1);
    const auto time = parse_time(context, text);
    if (!time) return tl::unexpected(time.error());
    const Time now = context.debugger.machine().now();
    if (sign == '-' && *time > now) return fail("only " + seconds(now) + " have passed since power-on");
    const Time target = sign == '+' ? now + std::min(*time, never - 1 - now) : sign == '-' ? now - *time : *time;
    if (target == now) return {};
    return go(context, {.kind = Plan::Kind::time, .time = target, .backwards = target < now});
}

} // namespace

Expected<> run_to_time(CommandContext& context, Arguments& arguments) {
    return run_to_time_text(context, arguments.rest());
}

Expected<> go_to(CommandContext& context, Arguments& arguments) {
    Debugger& debugger = context.debugger;
    std::string text = arguments.rest();
    if (text.empty()) return fail("a count of instructions is needed: goto 1_000_000, goto -50, goto start, goto end");
    const u64 now = debugger.machine().instructions();
    u64 target = 0;
    if (text == "start" || text == "begin") {
        target = debugger.timeline().earliest().instructions;
    } else if (is_time(text)) {
        return run_to_time_text(context, text);
    } else if (text == "end") {
        return debugger.go_to(debugger.timeline().frontier()); // with the time that passed without instructions
    } else {
        const char sign = text.front();
        const auto value = evaluate(debugger, std::string_view(text).substr(sign == '+' || sign == '-' ? 1 : 0));
        if (!value) return tl::unexpected(value.error());
        if (sign == '-' && *value > now)
            return fail("only " + std::to_string(now) + " instructions have been executed");
        target = sign == '-' ? now - *value : sign == '+' ? now + *value : *value;
    }
    if (target > debugger.timeline().frontier().instructions || (!debugger.timeline().active() && target > now))
        return go(context, {.kind = Plan::Kind::instructions, .count = target - now});
    return debugger.go_to(target);
}

Expected<> history(CommandContext& context, Arguments& arguments) {
    Debugger& debugger = context.debugger;
    const std::vector<Stop>& past = debugger.past_stops();
    if (!arguments.empty() && arguments.peek() != "all") {
        const auto number = evaluate(debugger, arguments.rest());
        if (!number) return tl::unexpected(number.error());
        if (*number == 0 || *number > past.size())
            return fail("there is no stop " + std::to_string(*number) + ": they are 1 to " +
                        std::to_string(past.size()));
        const Moment moment = past[static_cast<std::size_t>(*number - 1)].moment;
        return debugger.go_to(moment);
    }
    constexpr std::size_t shown = 20;
    const std::size_t first = arguments.take_if("all") || past.size() <= shown ? 0 : past.size() - shown;
    context.out += "   No.     Instructions  Time              Why\n";
    for (std::size_t i = first; i < past.size(); ++i) {
        std::array<char, 80> line{};
        std::snprintf(line.data(), line.size(), "%6zu %16llu  %-16s  ", i + 1,
                      static_cast<unsigned long long>(past[i].moment.instructions),
                      seconds(past[i].moment.time).c_str());
        context.out += std::string(line.data()) + past[i].text + "\n";
    }
    const Timeline& timeline = debugger.timeline();
    if (timeline.active()) {
        context.out += "The history reaches from instruction " + std::to_string(timeline.earliest().instructions) +
                       " to " + std::to_string(timeline.frontier().instructions) + "; now is " +
                       std::to_string(debugger.machine().instructions()) + ".\n";
    } else {
        context.out += "No history is being kept: there is no way back.\n";
    }
    return {};
}

} // namespace glassbox::control
