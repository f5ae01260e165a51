// The moo suite as `glassbox conform` runs it: which files, which names, how many cases, what it says when it cannot.
#include "moo_writer.hpp"

#include "tests/x86-conformance/runner/run.hpp"

#include <cstdlib>
#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::conformance;
using namespace moo_test;

namespace {

struct Ran {
    std::vector<Form> forms;
    SuiteResult result;
    std::string error;
};
Ran run(const Plan& plan) {
    Ran ran;
    const auto suite = make_moo_suite();
    auto forms = suite->open(plan);
    if (!forms) {
        ran.error = forms.error().message;
        return ran;
    }
    ran.forms = *forms;
    auto result = run_suite(*suite, plan, ran.forms, {});
    if (result)
        ran.result = std::move(*result);
    else
        ran.error = result.error().message;
    return ran;
}
Ran run(std::vector<std::string> arguments) {
    Plan plan;
    plan.arguments = std::move(arguments);
    return run(plan);
}

/// inc ax, as an 80286 does it.
Written inc(u32 ax) {
    Written w;
    w.code = {0x40, 0xF4};
    w.initial = {{reg::eax, ax}};
    w.final = {{reg::eax, ax + 1}, {reg::eip, 0x102}};
    return w;
}
Written wrong() {
    Written w = inc(1);
    w.final[0].second = 3;
    return w;
}

std::vector<std::string> names(const std::vector<Form>& forms) {
    std::vector<std::string> list;
    for (const Form& form : forms) list.push_back(form.name);
    return list;
}

} // namespace

TEST_CASE("moo: folders and files become forms") {
    const Folder folder;
    const Bytes two = file("C286", {inc(0), inc(1)});
    folder.write("a/40.MOO", two);
    folder.write("a/deep/F7.6.moo", two);
    folder.write("a/readme.txt", {'x'});
    const std::string other = folder.write("b/41 #.MOO", two);
    const Ran ran = run({folder.path() + "/a", other, other});
    CHECK_MESSAGE(ran.error.empty(), ran.error);
    CHECK(names(ran.forms) == std::vector<std::string>{"40", "F7.6", "41__"});
    CHECK(ran.result.passed() == 6);
    CHECK(ran.result.failed() == 0);

    folder.write("b/40.MOO", two); // the same stem in two folders
    CHECK(names(run({folder.path()}).forms) == std::vector<std::string>{"a/40", "deep/F7.6", "b/40", "b/41__"});
    folder.write("c/a/40.MOO", two); // and the same folder in two
    const auto whole = names(run({folder.path()}).forms);
    REQUIRE(whole.size() == 5);
    CHECK(whole[0] == folder.path() + "/a/40.MOO");
}

TEST_CASE("moo: what there is none of") {
    const Folder folder;
    CHECK(run({folder.path() + "/none"}).error == folder.path() + "/none: there is no such file or folder");
    CHECK(run({folder.path()}).error == folder.path() + ": no .MOO or .MOO.gz file is in this folder");

    const char* before = std::getenv("GLASSBOX_VECTORS");
    const std::string kept = before ? before : "";
    setenv("GLASSBOX_VECTORS", (folder.path() + "/none").c_str(), 1);
    const std::string error = run(Plan{}).error;
    CHECK(error.find(folder.path() + "/none\", which is no folder") != std::string::npos);
    CHECK(error.find("github.com/SingleStepTests/80286") != std::string::npos);
    folder.write("vectors/80286-real/40.MOO", file("C286", {inc(0)}));
    setenv("GLASSBOX_VECTORS", (folder.path() + "/vectors").c_str(), 1);
    CHECK(run(Plan{}).result.passed() == 1);
    before ? setenv("GLASSBOX_VECTORS", kept.c_str(), 1) : unsetenv("GLASSBOX_VECTORS");
}

TEST_CASE("moo: processors that there are no models of") {
    const Folder folder;
    const std::string path = folder.write("90.MOO", file("V20 ", {inc(0)}));
    CHECK(run({path}).error == path + ": byte 16 of the data: captured from a \"V20\"; there is no such processor "
                                      "model (there are 8088, 8086, 286, 386)");
    const std::string odd = folder.write("91.MOO", file("\x01\xFFxy", {}));
    CHECK(run({odd}).error.find("captured from a \"??xy\"") != std::string::npos);
}

TEST_CASE("moo: --count, --filter and --fail-fast") {
    const Folder folder;
    folder.write("40.MOO", file("C286", {inc(0), wrong(), inc(1), wrong()}));
    folder.write("41.MOO", file("C286", {inc(0), inc(0)}));
    Plan plan;
    plan.arguments = {folder.path()};
    CHECK(run(plan).result.failed() == 2);
    CHECK(run(plan).result.passed() == 4);
    plan.count = 3;
    CHECK(run(plan).forms[0].cases == 2);
    CHECK(run(plan).forms[1].cases == 1);
    CHECK(run(plan).result.failed() == 1);
    plan.count = 100;
    CHECK(run(plan).result.cases() == 6);
    plan.count.reset();
    plan.fail_fast = true;
    CHECK(run(plan).result.failed() == 1);
    plan.fail_fast = false;
    REQUIRE(plan.filter.add("40#3"));
    const Ran one = run(plan);
    CHECK(one.result.cases() == 1);
    REQUIRE(one.result.forms.size() == 1);
    REQUIRE(one.result.forms[0].failures.size() == 1);
    CHECK(one.result.forms[0].failures[0].index == 3);
    CHECK(one.result.forms[0].failures[0].difference == "ax: expected 0003, got 0002");
    plan.count = 4; // all for the form that is chosen
    CHECK(run(plan).forms[0].cases == 4);
}

TEST_CASE("moo: many failures are counted, the first ones described") {
    const Folder folder;
    folder.write("40.MOO", file("C286", std::vector<Written>(9, wrong())));
    const Ran ran = run({folder.path()});
    CHECK(ran.result.failed() == 9);
    REQUIRE(ran.result.forms[0].failures.size() == Sink::most_failures);
    CHECK(ran.result.forms[0].failures[4].index == 4);
    CHECK(!ran.result.forms[0].failures[4].what.empty());
}

TEST_CASE("moo: a write to memory that the case does not name fails that case, and only that") {
    const Folder folder;
    Written stray; // mov [0010], al
    stray.code = {0xA2, 0x10, 0x00, 0xF4};
    stray.initial = {{reg::eax, 0x5A}};
    stray.final = {{reg::eip, 0x104}};
    folder.write("A2.MOO", file("C286", {inc(0), stray, inc(1)}));
    const Ran ran = run({folder.path()});
    CHECK(ran.result.passed() == 2);
    CHECK(ran.result.failed() == 1);
    REQUIRE(ran.result.forms[0].failures.size() == 1);
    CHECK(ran.result.forms[0].failures[0].index == 1);
    CHECK(ran.result.forms[0].failures[0].difference == "[030010]: expected not written, got written");
}

TEST_CASE("moo: a file of an 8086 need not name what stayed as it was") {
    const Folder folder;
    Written store; // mov [0010], al
    store.code = {0xA2, 0x10, 0x00};
    store.initial = {{reg::eflags, 0xF002}};
    store.final = {{reg::eip, 0x103}};
    folder.write("A2.MOO", file("8086", {store, store}));
    CHECK(run({folder.path()}).result.passed() == 2);
    store.cycle(1, 0x30010, 1, 5); // but with its bus cycles it tells
    folder.write("A2.MOO", file("8086", {store}));
    CHECK(run({folder.path()}).result.failed() == 1);
}

TEST_CASE("moo: addresses beyond the processor's, and protected mode, end the run") {
    const Folder folder;
    Written beyond = inc(0);
    beyond.memory = {{0x0100'0000, 1}};
    std::string path = folder.write("40.MOO", file("C286", {inc(0), beyond}));
    const Bytes data = file("C286", {inc(0), beyond});
    const std::string error = run({path}).error;
    CHECK_MESSAGE(error.starts_with(path + ": byte "), error);
    CHECK(error.find("address 01000000 is beyond the 16 MiB that a C286 addresses here") != std::string::npos);
    const std::size_t at = std::stoul(error.substr((path + ": byte ").size()));
    CHECK(data[at + 3] == 1); // the address itself

    Written beyond_8086 = inc(0);
    beyond_8086.final_memory = {{0x10'0000, 1}};
    path = folder.write("41.MOO", file("8086", {beyond_8086}));
    CHECK(run({path}).error.find("address 00100000 is beyond the 1 MiB") != std::string::npos);

    Written flags = inc(0);
    flags.exception = moo::ExceptionTaken{13, 0xFFFF'FFFF};
    path = folder.write("42.MOO", file("386E", {flags}));
    CHECK(run({path}).error.find("address ffffffff is beyond the 16 MiB") != std::string::npos);

    Written mode = inc(0);
    mode.wide = true;
    mode.initial.emplace_back(reg::cr0, 0x11);
    path = folder.write("43.MOO", file("386E", {mode}));
    CHECK(run({path}).error.find("protected mode") != std::string::npos);
}

TEST_CASE("moo: damage in the middle of a run is an error, not a failure") {
    const Folder folder;
    Bytes data = file("C286", {inc(0), inc(0)});
    data.resize(data.size() - 3);
    const std::string path = folder.write("40.MOO", data);
    const Ran ran = run({path});
    CHECK(ran.forms.size() == 1); // the header is sound
    CHECK_MESSAGE(ran.error.starts_with(path + ": byte "), ran.error);
}

TEST_CASE("moo: cases that the collection itself revokes are skipped by name") {
    const Folder folder;
    folder.write("v1/40.MOO", file("C286", {inc(0), wrong()})); // hashes a0.. and a1..
    std::string list = "# faulty tests\n";
    for (unsigned i = 0; i < 20; ++i) list += "A1";
    folder.write("revocation_list.txt", Bytes(list.begin(), list.end()));
    const Ran ran = run({folder.path() + "/v1"});
    CHECK(ran.result.passed() == 1);
    CHECK(ran.result.failed() == 0);
    CHECK(ran.result.skipped() == 1);
    CHECK(ran.result.skip_reasons().begin()->first.find("revocation_list.txt") != std::string::npos);
}

TEST_CASE("moo: several processors in one run") {
    const Folder folder;
    folder.write("286/40.MOO", file("C286", {inc(0)}));
    Written short_case = inc(0);
    short_case.code = {0x40};
    short_case.initial.emplace_back(reg::eflags, 0xF002);
    short_case.final = {{reg::eax, 1}, {reg::eip, 0x101}};
    folder.write("8088/40.MOO", file("8088", {short_case}));
    Written wide = inc(0);
    wide.wide = true;
    folder.write("386/40.MOO", file("386E", {wide}));
    const Ran ran = run({folder.path()});
    CHECK_MESSAGE(ran.error.empty(), ran.error);
    CHECK(names(ran.forms) == std::vector<std::string>{"286/40", "386/40", "8088/40"});
    CHECK(ran.result.passed() == 3);
}
