#include "tests/x86-conformance/runner/suite.hpp"

#include <algorithm>

namespace glassbox::conformance {

Random Random::of_case(u64 seed, std::string_view form, u64 index) {
    u64 hash = 0xCBF2'9CE4'8422'2325; // FNV-1a over the name
    for (const char c : form) hash = (hash ^ static_cast<u8>(c)) * 0x100'0000'01B3;
    Random first(seed ^ hash);
    Random mixed(first.next() + index);
    mixed.next();
    return mixed;
}

void share_count(const Plan& plan, std::vector<Form>& forms, bool finite) {
    if (!plan.count) return;
    const auto chosen = [&](const Form& form) { return plan.filter.matches_form(form.name); };
    const auto sharing = static_cast<u64>(std::ranges::count_if(forms, chosen));
    u64 place = 0;
    for (Form& form : forms) {
        if (!chosen(form)) continue;
        const u64 share = *plan.count / sharing + (place++ < *plan.count % sharing ? 1 : 0);
        form.cases = finite ? std::min(form.cases, share) : share;
    }
}

std::vector<std::unique_ptr<Suite>> all_suites() {
    std::vector<std::unique_ptr<Suite>> suites;
    suites.push_back(make_moo_suite());
    suites.push_back(make_host_suite());
    suites.push_back(make_decode_suite());
    suites.push_back(make_system_suite());
    suites.push_back(make_boot_suite());
    return suites;
}

} // namespace glassbox::conformance
