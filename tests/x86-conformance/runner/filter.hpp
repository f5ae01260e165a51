// --filter: which forms and cases run. A pattern is a glob (* ? [abc]) over a form's name, with or without "#INDEX" for
// one case of it; several patterns select what any of them selects; none selects all.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox::conformance {

class Filter {
  public:
    /// Fails when the part after # is no number.
    Expected<> add(std::string_view pattern);
    bool empty() const { return patterns_.empty(); }
    /// Whether some case of the form may match.
    bool matches_form(std::string_view form) const;
    /// Whether every case of it does.
    bool matches_whole_form(std::string_view form) const;
    bool matches_case(std::string_view form, u64 index) const;
    /// The cases of it that patterns name by number, in order.
    std::vector<u64> indexes(std::string_view form) const;

  private:
    struct Pattern {
        std::string form;
        std::optional<u64> index;
    };
    std::vector<Pattern> patterns_;
};

/// Whether the glob matches the whole of `text`. Never takes more than |pattern| * |text| steps.
bool glob_matches(std::string_view pattern, std::string_view text);

} // namespace glassbox::conformance
