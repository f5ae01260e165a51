#include "tests/x86-conformance/runner/report.hpp"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace glassbox::conformance {

namespace {

std::string padded_left(const std::string& text, std::size_t width) {
    return (text.size() < width ? std::string(width - text.size(), ' ') : std::string()) + text;
}

std::string seconds_text(double seconds) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.1f", seconds);
    return text.data();
}

/// "  label:    first line" with further lines under the first.
void add_field(std::string& out, std::string_view label, std::string_view value) {
    if (value.empty()) return;
    constexpr std::size_t column = 12;
    std::string head = "  " + std::string(label) + ":";
    head.resize(column, ' ');
    out += head;
    for (const char c : value) {
        out += c;
        if (c == '\n') out.append(column, ' ');
    }
    out += '\n';
}

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        case '\n': out += "&#10;"; break;
        default: out += static_cast<unsigned char>(c) < ' ' ? '?' : c; // XML has no other control characters
        }
    }
    return out;
}

std::string attribute(std::string_view name, std::string_view value) {
    return " " + std::string(name) + "=\"" + escaped(value) + "\"";
}

std::string junit_form(std::string_view suite, const FormResult& form) {
    std::string out = "    <testcase" + attribute("classname", suite) + attribute("name", form.form) +
                      attribute("time", seconds_text(form.seconds)) + ">\n";
    if (form.failed != 0) {
        std::string text;
        for (const Failure& failure : form.failures) text += failure_text(suite, form.form, failure, "");
        out += "      <failure" +
               attribute("message", grouped(form.failed) + " of " + grouped(form.cases()) + " cases failed") + ">" +
               escaped(text) + "</failure>\n";
    } else if (form.passed == 0 && !form.skipped.empty()) {
        out += "      <skipped" + attribute("message", form.skipped.begin()->first) + "/>\n";
    }
    return out + "    </testcase>\n";
}

nlohmann::ordered_json json_form(const FormResult& form) {
    nlohmann::ordered_json failures = nlohmann::ordered_json::array();
    for (const Failure& f : form.failures) {
        failures.push_back({{"case", f.index},
                            {"what", f.what},
                            {"before", f.before},
                            {"expected", f.expected},
                            {"got", f.got},
                            {"difference", f.difference}});
    }
    nlohmann::ordered_json out = {{"form", form.form},     {"cases", form.cases()},   {"passed", form.passed},
                                  {"failed", form.failed}, {"skipped", form.skipped}, {"seconds", form.seconds}};
    if (!failures.empty()) out["failures"] = std::move(failures);
    return out;
}

} // namespace

std::string grouped(u64 number) {
    std::string text = std::to_string(number);
    for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
    return text;
}

std::string failure_text(std::string_view suite, std::string_view form, const Failure& failure,
                         std::string_view command) {
    std::string out =
        "FAILED " + std::string(suite) + " " + std::string(form) + "#" + std::to_string(failure.index) + "\n";
    add_field(out, "case", failure.what);
    add_field(out, "before", failure.before);
    add_field(out, "expected", failure.expected);
    add_field(out, "got", failure.got);
    add_field(out, "differs", failure.difference);
    add_field(out, "again", command);
    return out;
}

std::string summary_table(std::span<const SuiteResult> results) {
    constexpr std::array<std::size_t, 6> widths = {8, 14, 14, 10, 14, 9};
    constexpr std::array<std::string_view, 6> heads = {"forms", "cases", "passed", "failed", "skipped", "seconds"};
    std::string out = "suite   ";
    for (std::size_t i = 0; i < heads.size(); ++i) out += padded_left(std::string(heads[i]), widths[i]);
    out += '\n';
    for (const SuiteResult& r : results) {
        std::string name = r.suite;
        name.resize(std::max<std::size_t>(name.size(), 8), ' ');
        out += name;
        const std::array<std::string, 6> values = {grouped(r.forms.size()), grouped(r.cases()),
                                                   grouped(r.passed()),     grouped(r.failed()),
                                                   grouped(r.skipped()),    seconds_text(r.seconds)};
        for (std::size_t i = 0; i < values.size(); ++i) out += padded_left(values[i], widths[i]);
        out += r.interrupted ? "  interrupted\n" : "\n";
    }
    for (const SuiteResult& r : results) {
        for (const auto& [reason, cases] : r.skip_reasons())
            out += r.suite + ": " + grouped(cases) + " cases skipped: " + reason + "\n";
    }
    return out;
}

std::string junit_xml(std::span<const SuiteResult> results) {
    std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"glassbox conform\">\n";
    for (const SuiteResult& r : results) {
        u64 failed = 0, skipped = 0;
        for (const FormResult& form : r.forms) {
            failed += form.failed != 0;
            skipped += form.failed == 0 && form.passed == 0 && !form.skipped.empty();
        }
        out += "  <testsuite" + attribute("name", r.suite) + attribute("tests", std::to_string(r.forms.size())) +
               attribute("failures", std::to_string(failed)) + attribute("skipped", std::to_string(skipped)) +
               attribute("time", seconds_text(r.seconds)) + ">\n";
        for (const FormResult& form : r.forms) out += junit_form(r.suite, form);
        out += "  </testsuite>\n";
    }
    return out + "</testsuites>\n";
}

std::string json_text(std::span<const SuiteResult> results) {
    nlohmann::ordered_json suites = nlohmann::ordered_json::array();
    for (const SuiteResult& r : results) {
        nlohmann::ordered_json forms = nlohmann::ordered_json::array();
        for (const FormResult& form : r.forms) forms.push_back(json_form(form));
        suites.push_back({{"suite", r.suite},
                          {"cases", r.cases()},
                          {"passed", r.passed()},
                          {"failed", r.failed()},
                          {"skipped", r.skipped()},
                          {"seconds", r.seconds},
                          {"interrupted", r.interrupted},
                          {"forms", std::move(forms)}});
    }
    // Bytes that are no UTF-8 (from a file's names) become the replacement character.
    return nlohmann::ordered_json{{"suites", std::move(suites)}}.dump(2, ' ', false,
                                                                      nlohmann::json::error_handler_t::replace) +
           "\n";
}

} // namespace glassbox::conformance
