// Cases from random numbers. Every case follows from (seed, form, index) alone.
#pragma once

#include "tests/x86-conformance/host/case.hpp"
#include "tests/x86-conformance/host/forms.hpp"
#include "tests/x86-conformance/runner/suite.hpp"

namespace glassbox::conformance::host {

void make_case(const RowForm& form, u64 seed, u64 index, Input& in);

} // namespace glassbox::conformance::host
