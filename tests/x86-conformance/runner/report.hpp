// The results as a person reads them, and as JUnit's XML and JSON for machines.
#pragma once

#include "tests/x86-conformance/runner/run.hpp"

#include <span>

namespace glassbox::conformance {

/// A failing case, ready to be acted on. `command`: what runs just this case again.
std::string failure_text(std::string_view suite, std::string_view form, const Failure& failure,
                         std::string_view command);

/// One line a suite, and why cases were skipped.
std::string summary_table(std::span<const SuiteResult> results);

/// JUnit: a testsuite a suite, a testcase a form.
std::string junit_xml(std::span<const SuiteResult> results);
std::string json_text(std::span<const SuiteResult> results);

/// 1234567 as "1,234,567".
std::string grouped(u64 number);

} // namespace glassbox::conformance
