#include "debugger/control/commands.hpp"
#include "debugger/control/impl.hpp"
#include "debugger/debugger.hpp"
#include "debugger/symbols/expression.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace glassbox::control {

Expected<> nothing_more(Arguments& arguments) {
    if (arguments.empty()) return {};
    return fail("nothing is expected here: '" + arguments.rest() + "'");
}

Expected<u64> take_count(CommandContext& context, Arguments& arguments) {
    if (arguments.empty()) return u64{1};
    auto count = evaluate(context.debugger, arguments.rest());
    if (count && *count == 0) return fail("0 times is not at all");
    return count;
}

bool is_option(std::string_view word) {
    return word == "if" || word == "temporary" || word == "ignore" || word == "cpu";
}

std::string take_expression(Arguments& arguments) {
    std::string text;
    while (!arguments.empty() && !is_option(arguments.peek())) {
        if (!text.empty()) text += ' ';
        text += arguments.take();
    }
    return text;
}

Expected<> take_options(CommandContext& context, Arguments& arguments, StopPoint& point) {
    while (!arguments.empty()) {
        if (arguments.take_if("if")) {
            point.condition = arguments.rest();
            if (point.condition.empty()) return fail("an expression is expected behind 'if'");
            return {};
        }
        if (arguments.take_if("temporary")) {
            point.temporary = true;
        } else if (arguments.take_if("ignore")) {
            const auto count = evaluate(context.debugger, arguments.take());
            if (!count) return tl::unexpected(count.error());
            point.ignore = *count;
        } else if (arguments.take_if("cpu")) {
            const auto number = evaluate(context.debugger, arguments.take());
            if (!number) return tl::unexpected(number.error());
            if (*number >= context.debugger.machine().processors())
                return fail("there is no processor " + std::to_string(*number));
            point.processor = static_cast<unsigned>(*number);
        } else {
            return fail("'if EXPR', 'temporary', 'ignore N' or 'cpu N' is expected, not '" + arguments.take() + "'");
        }
    }
    return {};
}

Expected<> parse_range(CommandContext& context, std::string_view text, u64& first, u64& last) {
    std::size_t cut = text.find(".."), width = 2;
    if (cut == std::string_view::npos) cut = text.find('-', 1), width = 1;
    const auto low = evaluate(context.debugger, text.substr(0, cut));
    if (!low) return tl::unexpected(low.error());
    first = last = *low;
    if (cut == std::string_view::npos) return {};
    const auto high = evaluate(context.debugger, text.substr(cut + width));
    if (!high) return tl::unexpected(high.error());
    last = *high;
    if (last < first) return fail("the range '" + std::string(text) + "' ends before it begins");
    return {};
}

Expected<Time> parse_time(CommandContext& context, std::string_view text) {
    struct Unit {
        std::string_view name;
        Time length;
    };
    constexpr std::array<Unit, 5> units = {
        {{"ms", millisecond}, {"us", microsecond}, {"ns", nanosecond}, {"ps", 1}, {"s", second}}};
    for (const Unit& unit : units) {
        if (!text.ends_with(unit.name)) continue;
        const std::string number(text.substr(0, text.size() - unit.name.size()));
        double value = 0;
        const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
        if (error != std::errc{} || end != number.data() + number.size() || !(value >= 0)) break;
        const double time = value * static_cast<double>(unit.length);
        if (time > 1e19) return fail("that is later than any time: '" + std::string(text) + "'");
        return static_cast<Time>(std::llround(std::min(time, 9.2e18)));
    }
    const auto value = evaluate(context.debugger, text);
    if (!value)
        return fail("a time is written as 1.5s, 20ms, 3us, 100ns or a number of picoseconds, not '" +
                    std::string(text) + "'");
    return *value;
}

namespace {

std::string range_text(u64 first, u64 last, bool hexadecimal) {
    const auto number = [&](u64 value) { return hexadecimal ? capital_hex(value) + "h" : std::to_string(value); };
    return first == last ? number(first) : number(first) + "-" + number(last);
}

std::string direction_text(const StopPoint& point) {
    return point.on_read && point.on_write ? "" : point.on_read ? ", reads" : ", writes";
}

} // namespace

std::string describe_point(const StopPoint& point) {
    const std::string place =
        (point.where.space == Address::Space::physical ? "physical " : "") + capital_hex(point.where.value) + "h";
    const std::string length = point.length == 1 ? "" : ", " + std::to_string(point.length) + " bytes";
    const bool everything = point.first == 0 && point.last >= 255;
    switch (point.kind) {
    case StopPointKind::execute:
    case StopPointKind::read:
    case StopPointKind::write:
    case StopPointKind::access:
    case StopPointKind::change: return place + length;
    case StopPointKind::mmio: return place + length + direction_text(point);
    case StopPointKind::port: return range_text(point.first, point.last, true) + direction_text(point);
    case StopPointKind::device: return point.name + direction_text(point);
    case StopPointKind::interrupt:
    case StopPointKind::exception: return everything ? "any" : range_text(point.first, point.last, true);
    case StopPointKind::irq:
    case StopPointKind::cpl: return everything ? "any" : range_text(point.first, point.last, false);
    case StopPointKind::mode: return point.name.empty() ? "any" : point.name;
    case StopPointKind::control: return point.name + std::to_string(point.first);
    case StopPointKind::msr: return range_text(point.first, point.last, true);
    case StopPointKind::mnemonic: return point.name;
    case StopPointKind::new_code: return point.length == 0 ? "everywhere" : place + length;
    case StopPointKind::task:
    case StopPointKind::shutdown: break;
    }
    return "";
}

Expected<> add_point(CommandContext& context, StopPoint point) {
    const auto number = context.debugger.add(std::move(point));
    if (!number) return tl::unexpected(number.error());
    const StopPoint& made = *context.debugger.find(*number);
    context.out += (made.temporary ? "temporary " : "") + stop_kind_name(made.kind) + " " + std::to_string(*number);
    const std::string where = describe_point(made);
    if (!where.empty()) context.out += ": " + where;
    if (!made.text.empty()) {
        const std::string symbol =
            made.kind == StopPointKind::execute ? context.debugger.symbols().describe(made.where.value) : "";
        if (!symbol.empty()) context.out += " <" + symbol + ">";
    }
    if (!made.condition.empty()) context.out += ", if " + made.condition;
    context.out += "\n";
    return {};
}

} // namespace glassbox::control
