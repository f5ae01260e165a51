// Makes a failing case simpler while it still fails in the same way.
#pragma once

#include "tests/x86-conformance/host/compare.hpp"

#include <functional>

namespace glassbox::conformance::host {

/// Runs a case on both sides.
using Judge = std::function<std::vector<Difference>(const Input& in)>;

/// `kind`: of the first difference, which must stay.
Input shrink(const Input& in, Kind kind, const Judge& judge);

} // namespace glassbox::conformance::host
