// The commands of "Stop" but for `catch`.
#include "debugger/control/commands.hpp"
#include "debugger/control/flow.hpp"
#include "debugger/control/impl.hpp"
#include "debugger/debugger.hpp"
#include "debugger/view.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace glassbox::control {

namespace {

Expected<> breakpoint(CommandContext& context, Arguments& arguments, bool temporary) {
    StopPoint point;
    point.temporary = temporary;
    point.text = take_expression(arguments);
    if (point.text.empty()) {
        point.where.value = code_address(context.debugger.cpu());
    } else {
        const auto where = evaluate_address(context.debugger, point.text);
        if (!where) return tl::unexpected(where.error());
        point.where = *where;
    }
    if (const auto good = take_options(context, arguments, point); !good) return good;
    return add_point(context, std::move(point));
}

std::optional<u64> size_word(std::string_view word) {
    if (word == "byte") return 1;
    if (word == "word") return 2;
    if (word == "dword") return 4;
    if (word == "qword") return 8;
    return {};
}

/// "counter 4", "[esp+8]", "dword [counter]", "phys(0x1000) qword": where and how many bytes.
Expected<> parse_watched(CommandContext& context, const std::string& text, StopPoint& point) {
    Debugger& debugger = context.debugger;
    std::string place = text;
    std::optional<u64> length;
    const std::size_t first = text.find(' '), last = text.find_last_of(' ');
    if (first != std::string::npos && size_word(text.substr(0, first)) && !Expression::parse(text)) {
        length = size_word(text.substr(0, first)); // "word 7C00h"
        place = text.substr(first + 1);
    } else if (last != std::string::npos && !size_word(text.substr(0, last)) &&
               Expression::parse(text.substr(0, last))) {
        length = size_word(text.substr(last + 1)); // "counter 4"
        if (!length) {
            const auto value = evaluate(debugger, text.substr(last + 1));
            if (!value) return tl::unexpected(value.error());
            length = *value;
        }
        place = text.substr(0, last);
    }
    const auto found = evaluate_place(debugger, place);
    if (!found) return tl::unexpected(found.error());
    point.where = found->address;
    if (!length && found->size != 0) length = found->size;
    if (!length) {
        if (const auto variable = debugger.symbols().variable(place); variable && variable->size != 0)
            length = variable->size;
    }
    point.length = length.value_or(code_bits(debugger.cpu()) / 8u);
    return {};
}

Expected<> watchpoint(CommandContext& context, Arguments& arguments, StopPointKind kind) {
    StopPoint point;
    point.kind = kind;
    point.text = take_expression(arguments);
    if (point.text.empty()) return fail("what is to be watched? watch ADDRESS [LENGTH]");
    if (const auto good = parse_watched(context, point.text, point); !good) return good;
    if (const auto good = take_options(context, arguments, point); !good) return good;
    return add_point(context, std::move(point));
}

/// The stop points whose numbers follow; "all", or none named: every one.
Expected<std::vector<unsigned>> take_numbers(CommandContext& context, Arguments& arguments) {
    std::vector<unsigned> numbers;
    if (arguments.empty() || arguments.take_if("all")) {
        for (const StopPoint& point : context.debugger.stop_points()) {
            if (!point.hidden) numbers.push_back(point.number);
        }
        return numbers;
    }
    while (!arguments.empty()) {
        u64 first = 0, last = 0;
        if (const auto good = parse_range(context, arguments.take(), first, last); !good)
            return tl::unexpected(good.error());
        if (last - first > 10'000) return fail("that are too many numbers");
        for (u64 number = first; number <= last; ++number) {
            const StopPoint* point = context.debugger.find(static_cast<unsigned>(number));
            if (!point || point->hidden)
                return fail("there is no stop point " + std::to_string(number) + " (stops lists them)");
            numbers.push_back(static_cast<unsigned>(number));
        }
    }
    return numbers;
}

Expected<StopPoint*> take_point(CommandContext& context, Arguments& arguments) {
    const std::string word = arguments.take();
    if (word.empty()) return fail("the number of a stop point is needed (stops lists them)");
    const auto number = evaluate(context.debugger, word);
    if (!number) return tl::unexpected(number.error());
    StopPoint* point = *number <= ~0u ? context.debugger.find(static_cast<unsigned>(*number)) : nullptr;
    if (!point) return fail("there is no stop point " + word + " (stops lists them)");
    return point;
}

Expected<> enable(CommandContext& context, Arguments& arguments, bool on) {
    const auto numbers = take_numbers(context, arguments);
    if (!numbers) return tl::unexpected(numbers.error());
    for (const unsigned number : *numbers) context.debugger.find(number)->enabled = on;
    context.debugger.stop_points_changed();
    return {};
}

} // namespace

Expected<> add_break(CommandContext& c, Arguments& a) { return breakpoint(c, a, false); }
Expected<> add_temporary_break(CommandContext& c, Arguments& a) { return breakpoint(c, a, true); }
Expected<> add_watch(CommandContext& c, Arguments& a) { return watchpoint(c, a, StopPointKind::write); }
Expected<> add_read_watch(CommandContext& c, Arguments& a) { return watchpoint(c, a, StopPointKind::read); }
Expected<> add_access_watch(CommandContext& c, Arguments& a) { return watchpoint(c, a, StopPointKind::access); }
Expected<> add_change_watch(CommandContext& c, Arguments& a) { return watchpoint(c, a, StopPointKind::change); }
Expected<> add_execute_watch(CommandContext& c, Arguments& a) { return watchpoint(c, a, StopPointKind::execute); }

Expected<> list_points(CommandContext& context, Arguments& arguments) {
    if (const auto good = nothing_more(arguments); !good) return good;
    std::string lines;
    for (const StopPoint& point : context.debugger.stop_points()) {
        if (point.hidden) continue;
        std::array<char, 80> start{};
        std::snprintf(start.data(), start.size(), "%3u  %-28s %-3s %8llu  ", point.number,
                      stop_kind_name(point.kind).c_str(), point.enabled ? "yes" : "no",
                      static_cast<unsigned long long>(point.hits));
        lines += start.data() + describe_point(point);
        if (point.kind == StopPointKind::execute || point.kind == StopPointKind::read ||
            point.kind == StopPointKind::write || point.kind == StopPointKind::access ||
            point.kind == StopPointKind::change) {
            if (point.where.space == Address::Space::linear) {
                const std::string symbol = context.debugger.symbols().describe(point.where.value);
                if (!symbol.empty()) lines += " <" + symbol + ">";
            }
        }
        if (!point.condition.empty()) lines += ", if " + point.condition;
        if (point.processor) lines += ", processor " + std::to_string(*point.processor);
        if (point.temporary) lines += ", temporary";
        if (point.ignore != 0) lines += ", the next " + std::to_string(point.ignore) + " ignored";
        lines += "\n";
        for (const std::string& command : point.commands) lines += "       " + command + "\n";
    }
    if (lines.empty() && !context.debugger.magic_break()) {
        context.out += "There are no stop points.\n";
        return {};
    }
    if (!lines.empty()) context.out += "No.  Kind                         On      Hits  Where\n" + lines;
    if (context.debugger.magic_break()) context.out += "XCHG BX, BX stops, too (magic-break off).\n";
    return {};
}

Expected<> delete_points(CommandContext& context, Arguments& arguments) {
    const auto numbers = take_numbers(context, arguments);
    if (!numbers) return tl::unexpected(numbers.error());
    for (const unsigned number : *numbers) context.debugger.remove(number);
    return {};
}

Expected<> enable_points(CommandContext& c, Arguments& a) { return enable(c, a, true); }
Expected<> disable_points(CommandContext& c, Arguments& a) { return enable(c, a, false); }

Expected<> set_ignore(CommandContext& context, Arguments& arguments) {
    const auto point = take_point(context, arguments);
    if (!point) return tl::unexpected(point.error());
    const auto count = evaluate(context.debugger, arguments.rest());
    if (!count) return tl::unexpected(count.error());
    (*point)->ignore = *count;
    return {};
}

Expected<> set_condition(CommandContext& context, Arguments& arguments) {
    const auto point = take_point(context, arguments);
    if (!point) return tl::unexpected(point.error());
    const std::string text = arguments.rest();
    if (!text.empty()) {
        if (const auto good = Expression::parse(text); !good) return tl::unexpected(good.error());
    }
    (*point)->condition = text;
    context.debugger.stop_points_changed();
    return {};
}

Expected<> set_commands(CommandContext& context, Arguments& arguments) {
    const auto point = take_point(context, arguments);
    if (!point) return tl::unexpected(point.error());
    std::vector<std::string> commands(1);
    char quote = 0;
    for (const char c : arguments.rest()) {
        if (quote ? c == quote : c == '"' || c == '\'') quote = quote ? '\0' : c;
        if (c == ';' && !quote) {
            commands.emplace_back();
        } else if (!commands.back().empty() || c != ' ') {
            commands.back() += c;
        }
    }
    std::erase(commands, "");
    (*point)->commands = std::move(commands);
    return {};
}

Expected<> magic_break(CommandContext& context, Arguments& arguments) {
    if (arguments.take_if("on")) {
        context.debugger.set_magic_break(true);
    } else if (arguments.take_if("off")) {
        context.debugger.set_magic_break(false);
    } else if (arguments.empty()) {
        context.out += std::string("XCHG BX, BX ") + (context.debugger.magic_break() ? "stops" : "does not stop") +
                       " the machine.\n";
        return {};
    }
    return nothing_more(arguments);
}

} // namespace glassbox::control
