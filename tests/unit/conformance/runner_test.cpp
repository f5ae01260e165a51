// The runner: filters, jobs, reports, the command line.
#include "tests/x86-conformance/runner/command.hpp"
#include "tests/x86-conformance/runner/report.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <set>

using namespace glassbox;
using namespace glassbox::conformance;

namespace {

/// Ten forms of a hundred cases; every case whose number ends in 7 fails, form "f3" is skipped.
class Sample final : public Suite {
  public:
    std::string_view name() const override { return "sample"; }
    std::string_view summary() const override { return "for tests"; }
    Expected<std::vector<Form>> open(const Plan& plan) override {
        plan_ = &plan;
        for (std::size_t i = 0; i < 10; ++i) forms_.push_back({"f" + std::to_string(i), 100});
        share_count(plan, forms_, finite);
        return forms_;
    }
    Expected<std::unique_ptr<Worker>> worker() override {
        struct One final : Worker {
            explicit One(Sample& s) : suite(s) {}
            Expected<> run(std::size_t form, Sink& sink) override {
                if (form == suite.error_in) return fail("sample.bin: byte 17: broken");
                for (u64 i = 0; i < suite.forms_[form].cases && !sink.stop(); ++i) {
                    if (!sink.wanted(i)) continue;
                    if (form == 3)
                        sink.skipped("no such thing here");
                    else if (i % 10 == 7)
                        sink.failed({i, "what", "before", "1", "2", "it"});
                    else
                        sink.passed();
                }
                return {};
            }
            Sample& suite;
        };
        return std::make_unique<One>(*this);
    }
    std::size_t error_in = ~std::size_t{0};
    bool finite = true;

  private:
    const Plan* plan_ = nullptr;
    std::vector<Form> forms_;
};

SuiteResult run(const Plan& plan, unsigned jobs = 1) {
    Sample sample;
    const auto forms = sample.open(plan);
    auto result = run_suite(sample, plan, *forms, {.jobs = jobs, .progress = {}, .interrupted = {}});
    REQUIRE(result);
    return *std::move(result);
}

Plan plan_with(std::initializer_list<const char*> patterns) {
    Plan plan;
    for (const char* pattern : patterns) REQUIRE(plan.filter.add(pattern));
    return plan;
}

} // namespace

TEST_CASE("globs") {
    CHECK(glob_matches("*", ""));
    CHECK(glob_matches("F7.*", "F7.6"));
    CHECK_FALSE(glob_matches("F7.*", "F6.6"));
    CHECK(glob_matches("?7.[0-36]", "F7.6"));
    CHECK(glob_matches("?7.[0-36]", "F7.2"));
    CHECK_FALSE(glob_matches("?7.[0-36]", "F7.5"));
    CHECK_FALSE(glob_matches("[!F]*", "F7"));
    CHECK(glob_matches("a*b*c", "aXbXbc"));
    CHECK_FALSE(glob_matches("a*b*c", "aXcXb"));
    CHECK(glob_matches("a[b", "a[b"));                 // no closing bracket: it is itself
    const std::string stars(60, '*'), text(5000, 'a'); // not exponential
    CHECK_FALSE(glob_matches("a" + stars + "b", text));
}

TEST_CASE("filters choose forms and cases") {
    const Plan plan = plan_with({"f1", "f2#5"});
    const SuiteResult result = run(plan);
    REQUIRE(result.forms.size() == 2);
    CHECK(result.forms[0].form == "f1");
    CHECK(result.forms[0].cases() == 100);
    CHECK(result.forms[1].cases() == 1);
    CHECK(result.cases() == 101);
    Filter filter;
    CHECK_FALSE(filter.add("f1#x"));
    CHECK_FALSE(filter.add("f1#"));
}

TEST_CASE("jobs change nothing but the time") {
    const Plan plan;
    const SuiteResult one = run(plan, 1), four = run(plan, 4);
    CHECK(one.passed() == 810);
    CHECK(one.failed() == 90);
    CHECK(one.skipped() == 100);
    CHECK(one.skip_reasons() == std::map<std::string, u64>{{"no such thing here", 100}});
    REQUIRE(four.forms.size() == one.forms.size());
    for (std::size_t i = 0; i < one.forms.size(); ++i) {
        CHECK(four.forms[i].form == one.forms[i].form);
        CHECK(four.forms[i].passed == one.forms[i].passed);
        REQUIRE(four.forms[i].failures.size() == one.forms[i].failures.size());
        if (i == 3) continue;
        CHECK(one.forms[i].failures.size() == Sink::most_failures);
        CHECK(one.forms[i].failures[1].index == 17);
    }
}

TEST_CASE("counts are shared, failures may end the run, errors do") {
    Plan plan;
    plan.count = 25;
    CHECK(run(plan).cases() == 25);
    CHECK(run(plan).forms[4].cases() == 3);
    CHECK(run(plan).forms[5].cases() == 2);
    plan = plan_with({"f1", "f2#5"}); // only what the filter chooses has a share
    plan.count = 25;
    CHECK(run(plan).forms[0].cases() == 13);
    plan.count = 1000;
    CHECK(run(plan).forms[0].cases() == 100);
    Sample endless;
    endless.finite = false;
    CHECK(endless.open(plan)->at(1).cases == 500);
    CHECK(endless.open(plan)->at(0).cases == 100);
    Plan fast;
    fast.fail_fast = true;
    const SuiteResult result = run(fast);
    CHECK(result.failed() == 1);
    CHECK(result.cases() == 8);
    Sample broken;
    broken.error_in = 2;
    const Plan all;
    const auto forms = broken.open(all);
    const auto outcome = run_suite(broken, all, *forms, {.jobs = 2, .progress = {}, .interrupted = {}});
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().message == "sample.bin: byte 17: broken");
}

TEST_CASE("reports") {
    const SuiteResult result = run(plan_with({"f1", "f3"}));
    const std::string table = summary_table({&result, 1});
    CHECK(table.find("sample") != std::string::npos);
    CHECK(table.find("sample: 100 cases skipped: no such thing here\n") != std::string::npos);
    CHECK(grouped(0) == "0");
    CHECK(grouped(999) == "999");
    CHECK(grouped(1234567) == "1,234,567");

    Failure failure{4, "f7 f8\nidiv eax", "eax=1", "eax=2", "eax=3", "eax"};
    CHECK(failure_text("host", "idiv", failure, "glassbox conform host --filter 'idiv#4'") ==
          "FAILED host idiv#4\n"
          "  case:     f7 f8\n"
          "            idiv eax\n"
          "  before:   eax=1\n"
          "  expected: eax=2\n"
          "  got:      eax=3\n"
          "  differs:  eax\n"
          "  again:    glassbox conform host --filter 'idiv#4'\n");

    const auto json = nlohmann::json::parse(json_text({&result, 1}));
    CHECK(json["suites"][0]["failed"] == 10);
    CHECK(json["suites"][0]["forms"][0]["failures"][0]["case"] == 7);
    CHECK(json["suites"][0]["forms"][1]["skipped"]["no such thing here"] == 100);

    const std::string xml = junit_xml({&result, 1});
    CHECK(xml.find("<testsuite name=\"sample\" tests=\"2\" failures=\"1\" skipped=\"1\"") != std::string::npos);
    CHECK(xml.find("<failure message=\"10 of 100 cases failed\">") != std::string::npos);
    SuiteResult hostile = result;
    hostile.forms[0].failures[0].what = "<&\"\x01>";
    CHECK(junit_xml({&hostile, 1}).find("&lt;&amp;&quot;?&gt;") != std::string::npos);
    hostile.forms[0].failures[0].what = "\xFF";
    CHECK_NOTHROW(json_text({&hostile, 1}));
}

TEST_CASE("cases are independent of each other and of the platform") {
    std::set<u64> first;
    for (u64 i = 0; i < 1000; ++i) first.insert(Random::of_case(1, "add", i).next());
    CHECK(first.size() == 1000);
    CHECK(Random::of_case(1, "add", 5).next() == Random::of_case(1, "add", 5).next());
    CHECK(Random::of_case(2, "add", 5).next() != Random::of_case(1, "add", 5).next());
    CHECK(Random::of_case(1, "sub", 5).next() != Random::of_case(1, "add", 5).next());
}

TEST_CASE("the command line") {
    const auto command = parse_conform({"moo", "a", "b", "host", "--count", "10M", "--seed", "0x10", "--filter", "x*",
                                        "--filter", "y#3", "--fail-fast", "--jobs", "3"});
    REQUIRE(command);
    REQUIRE(command->calls.size() == 2);
    CHECK(command->calls[0].suite == "moo");
    CHECK(command->calls[0].arguments == std::vector<std::string>{"a", "b"});
    CHECK(command->calls[1].arguments.empty());
    CHECK(command->count == 10'000'000);
    CHECK(command->seed == 16);
    CHECK(command->jobs == 3);
    CHECK(command->fail_fast);
    for (const std::vector<std::string>& wrong :
         std::vector<std::vector<std::string>>{{},
                                               {"nosuite"},
                                               {"moo", "--count", "x"},
                                               {"moo", "--count", "-1"},
                                               {"moo", "--jobs", "0"},
                                               {"moo", "--wrong"},
                                               {"moo", "--filter", "a#b"},
                                               {"moo", "--count", "99999999999999999999"}}) {
        CHECK_FALSE(parse_conform(wrong));
    }
    for (const auto& suite : all_suites()) CHECK(conform_help().find(suite->name()) != std::string::npos);
}
