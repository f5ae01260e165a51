// A case in words, for a person who has to act on it.
#pragma once

#include "tests/x86-conformance/host/compare.hpp"
#include "tests/x86-conformance/runner/suite.hpp"

namespace glassbox::conformance::host {

/// `shrunk` is what the two outputs belong to; `original` is the case by its number.
Failure describe(const RowForm& form, u64 index, u64 seed, const Input& original, const Input& shrunk,
                 const Output& host, const Output& ours, const std::vector<Difference>& differences);

} // namespace glassbox::conformance::host
