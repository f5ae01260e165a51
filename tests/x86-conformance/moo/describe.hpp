// A failing case in words.
#pragma once

#include "tests/x86-conformance/moo/execution.hpp"

namespace glassbox::conformance::moo {

/// `index`: of the case in its file, from 0.
Failure describe(const Case& test, u64 index, const Outcome& outcome);
/// 40 hexadecimal digits, or "" when the case has no hash.
std::string hash_text(const Case& test);

} // namespace glassbox::conformance::moo
