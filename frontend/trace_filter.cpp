// Which instructions `--trace` writes: address ranges are alternatives, all other conditions must hold together.
#include "frontend/trace_filter.hpp"

#include "frontend/values.hpp"

#include <algorithm>

namespace glassbox {

bool TraceFilter::passes(u64 instruction, u64 linear, bool in_user_mode) const {
    if (instruction < from || (user && *user != in_user_mode)) return false;
    return ranges.empty() ||
           std::ranges::any_of(ranges, [&](const Range& r) { return linear >= r.low && linear <= r.high; });
}

namespace {

Expected<> add_range(TraceFilter& filter, const std::string& text) {
    const auto dash = text.find('-');
    if (dash == std::string::npos) {
        return fail("'" + text + "' is none of LO-HI, user, kernel, from=COUNT, count=N");
    }
    // Addresses are hexadecimal with or without a prefix, as they stand in the trace itself.
    const auto address = [](std::string part) {
        if (!part.starts_with("0x") && !part.ends_with('h')) part += 'h';
        return parse_number(part, ~u64{0});
    };
    const auto low = address(text.substr(0, dash)), high = address(text.substr(dash + 1));
    if (!low) return fail(low.error().message);
    if (!high) return fail(high.error().message);
    if (*low > *high) return fail("the range '" + text + "' ends before it begins");
    filter.ranges.push_back({*low, *high});
    return {};
}

} // namespace

Expected<> add_trace_filter(TraceFilter& filter, const std::string& text) {
    for (const std::string& part : split(text, ',')) {
        if (part == "user" || part == "kernel") {
            if (filter.user && *filter.user != (part == "user")) return fail("user and kernel exclude each other");
            filter.user = part == "user";
        } else if (part.starts_with("from=") || part.starts_with("count=")) {
            const auto value = parse_count(part.substr(part.find('=') + 1));
            if (!value) return fail(value.error().message);
            (part.starts_with("from=") ? filter.from : filter.count) = *value;
        } else if (auto added = add_range(filter, part); !added) {
            return added;
        }
    }
    return {};
}

} // namespace glassbox
