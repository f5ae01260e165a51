// `glassbox conform`: the command line, from its words to the exit status.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"
#include "tests/x86-conformance/runner/filter.hpp"

#include <optional>
#include <string>
#include <vector>

namespace glassbox::conformance {

/// Exit statuses: everything passed; something failed; a suite could not be read or the command line makes no sense.
inline constexpr int all_passed = 0, something_failed = 1, could_not_read = 2;

struct SuiteCall {
    std::string suite;
    std::vector<std::string> arguments;
};
struct Command {
    std::vector<SuiteCall> calls;
    Filter filter;
    std::vector<std::string> filter_text; ///< as given, to be quoted back
    u64 seed = 1;
    std::optional<u64> count;
    unsigned jobs = 1;
    std::string junit, json, engine; ///< paths; engine switches
    bool fail_fast = false, list = false, coverage = false, help = false;
};

/// `words`: what follows `conform`.
Expected<Command> parse_conform(const std::vector<std::string>& words);
std::string conform_help();

/// Runs it, prints to standard output (progress to standard error when that is a terminal).
int run_conform(const std::vector<std::string>& words);

} // namespace glassbox::conformance
