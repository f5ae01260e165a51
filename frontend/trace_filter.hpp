// Which instructions `--trace` writes.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"

#include <optional>
#include <string>
#include <vector>

namespace glassbox {

struct TraceFilter {
    struct Range {
        u64 low = 0, high = 0; ///< linear addresses, both included
    };
    std::vector<Range> ranges; ///< none: every address
    std::optional<bool> user;  ///< CPL 3 only, or CPL 0-2 only
    u64 from = 0;              ///< the first instruction count
    u64 count = ~u64{0};       ///< how many lines at most

    bool passes(u64 instruction, u64 linear, bool in_user_mode) const;
};

/// Adds a comma-separated list of LO-HI, user, kernel, from=COUNT, count=N to `filter`.
Expected<> add_trace_filter(TraceFilter& filter, const std::string& text);

} // namespace glassbox
