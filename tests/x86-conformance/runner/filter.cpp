#include "tests/x86-conformance/runner/filter.hpp"

#include <algorithm>
#include <charconv>

namespace glassbox::conformance {

namespace {

/// Matches one character against the pattern's element at `at`; `at` moves behind the element.
bool element_matches(std::string_view pattern, std::size_t& at, char c) {
    if (pattern[at] == '?') return ++at, true;
    const std::size_t close = pattern[at] == '[' ? pattern.find(']', at + 2) : std::string_view::npos;
    if (close == std::string_view::npos) return pattern[at++] == c;
    std::string_view set = pattern.substr(at + 1, close - at - 1);
    at = close + 1;
    const bool negated = set.size() > 1 && set[0] == '!';
    if (negated) set.remove_prefix(1);
    bool found = false;
    for (std::size_t i = 0; i < set.size(); ++i) {
        const bool range = i + 2 < set.size() && set[i + 1] == '-';
        found |= range ? set[i] <= c && c <= set[i + 2] : set[i] == c;
        if (range) i += 2;
    }
    return found != negated;
}

} // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
    std::size_t p = 0, t = 0;
    std::size_t star = std::string_view::npos, retry = 0; // the last * and where its match ends at present
    while (t < text.size()) {
        std::size_t next = p;
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            retry = t;
        } else if (p < pattern.size() && element_matches(pattern, next, text[t])) {
            p = next;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++retry;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

Expected<> Filter::add(std::string_view pattern) {
    Pattern parsed;
    const auto hash = pattern.find('#');
    parsed.form = pattern.substr(0, hash);
    if (hash != std::string_view::npos) {
        const std::string_view number = pattern.substr(hash + 1);
        u64 index = 0;
        const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), index);
        if (error != std::errc() || end != number.data() + number.size())
            return fail("'" + std::string(pattern) + "': after # stands the number of a case");
        parsed.index = index;
    }
    patterns_.push_back(std::move(parsed));
    return {};
}

bool Filter::matches_form(std::string_view form) const {
    return patterns_.empty() ||
           std::ranges::any_of(patterns_, [&](const Pattern& p) { return glob_matches(p.form, form); });
}

bool Filter::matches_whole_form(std::string_view form) const {
    return patterns_.empty() ||
           std::ranges::any_of(patterns_, [&](const Pattern& p) { return !p.index && glob_matches(p.form, form); });
}

std::vector<u64> Filter::indexes(std::string_view form) const {
    std::vector<u64> list;
    for (const Pattern& p : patterns_) {
        if (p.index && glob_matches(p.form, form)) list.push_back(*p.index);
    }
    std::ranges::sort(list);
    list.erase(std::unique(list.begin(), list.end()), list.end());
    return list;
}

bool Filter::matches_case(std::string_view form, u64 index) const {
    return patterns_.empty() || std::ranges::any_of(patterns_, [&](const Pattern& p) {
               return (!p.index || *p.index == index) && glob_matches(p.form, form);
           });
}

} // namespace glassbox::conformance
