// Runs suites: hands forms to jobs, shows progress, gathers what they report.
#pragma once

#include "tests/x86-conformance/runner/suite.hpp"

#include <functional>

namespace glassbox::conformance {

struct SuiteResult {
    std::string suite;
    std::vector<FormResult> forms; ///< in the order of the suite's list, whichever job was first
    double seconds = 0;
    bool interrupted = false;
    u64 passed() const;
    u64 failed() const;
    u64 skipped() const;
    u64 cases() const { return passed() + failed() + skipped(); }
    std::map<std::string, u64> skip_reasons() const;
};

struct Progress {
    std::size_t forms_done = 0, forms = 0;
    u64 cases = 0, failed = 0;
    double seconds = 0;
};

struct RunSettings {
    unsigned jobs = 1;
    /// Called a few times a second from one thread while jobs run; null: no progress.
    std::function<void(const Progress&)> progress;
    /// Asked as often: true ends the run early (Ctrl-C).
    std::function<bool()> interrupted;
};

/// The forms of `suite` that the plan's filter wants, in order; `suite` has been opened with the same plan.
Expected<SuiteResult> run_suite(Suite& suite, const Plan& plan, const std::vector<Form>& forms,
                                const RunSettings& settings);

} // namespace glassbox::conformance
