// Holds the two results of a case against each other. What may differ is what the manual leaves undefined
// (undefined.hpp), what it allows a tolerance (transcendentals, RCPPS, RSQRTPS), what a 64-bit kernel hides, and the
// rows of the table of known differences, each with its source.
#pragma once

#include "tests/x86-conformance/host/case.hpp"
#include "tests/x86-conformance/host/forms.hpp"
#include "tests/x86-conformance/host/known.hpp"

#include <string>
#include <vector>

namespace glassbox::conformance::host {

enum class Kind : u8 { exception, registers, flags, segments, memory, x87, sse };

struct Difference {
    Kind kind{};
    std::string field, expected, got;
};

class Comparison {
  public:
    explicit Comparison(Vendor vendor) : vendor_(vendor) {}
    /// Quick: whether nothing that counts differs.
    bool same(const Row& row, const Input& in, const Output& host, const Output& ours) const;
    /// Everything that differs and counts.
    std::vector<Difference> differences(const Row& row, const Input& in, const Output& host, const Output& ours) const;

  private:
    Vendor vendor_;
};

} // namespace glassbox::conformance::host
