// The command `lint`.
#include "debugger/command.hpp"
#include "debugger/debugger.hpp"
#include "lint_fixture.hpp"
#include "machine/history/timeline.hpp"

using namespace glassbox;
using namespace glassbox::lint_test;

namespace {

const std::vector<u8> guilty{0xF6, 0xE3, 0x78, 0x00, 0x90}; // MUL BL; JS $+2

struct Talk : Guest {
    Timeline timeline{*machine};
    Debugger debugger{*machine, timeline};
    Talk() {
        lint.reset();
        debugger.attach_stopped(StopKind::start);
    }
    std::string say(std::string_view line) {
        std::string out;
        CommandContext context{debugger, out};
        const auto done = execute_command(context, line);
        return done ? out : "error: " + done.error().message;
    }
};

} // namespace

TEST_CASE("lint as a command: on, what it found, clear, off") {
    Talk g;
    CHECK(g.say("lint").starts_with("error: lint does not listen"));
    CHECK(g.say("lint off undefined").starts_with("error: lint does not listen"));
    CHECK(g.say("lint on") == "lint listens\n");
    CHECK(g.say("lint") == "lint: nothing to complain about\n");
    g.run(guilty, 2);
    CHECK(has(g.say("lint list"), "undefined-flags: 1 place"));
    CHECK(has(g.say("lint list undef"), "Do: compute the flag"));
    CHECK(has(g.say("lint list undef"), "1 time, the last at #"));
    CHECK(g.say("lint list missing-eoi") == "lint: nothing of missing-eoi\n");
    g.say("lint clear");
    CHECK(g.say("lint list") == "lint: nothing to complain about\n");
    CHECK(g.say("lint maybe").starts_with("error"));
    CHECK(g.say("lint on off").starts_with("error"));
    CHECK(g.say("lint on undef off").starts_with("error"));
    CHECK(g.say("lint list m").starts_with("error")); // several begin so
    g.say("lint off");
    CHECK(g.debugger.lint == nullptr);
    g.run(guilty, 2);
    CHECK(g.say("lint").starts_with("error"));
}

TEST_CASE("lint as a command: each rule off and on, and explained") {
    Talk g;
    CHECK(has(g.say("lint rules"), "stale-translation"));
    g.say("lint on");
    CHECK(has(g.say("lint off undef"), "undefined-flags is not looked for"));
    CHECK(has(g.say("lint rules"), "(off)"));
    g.run(guilty, 2);
    CHECK(g.say("lint") == "lint: nothing to complain about\n");
    g.say("lint on undefined-flags");
    g.run(guilty, 2);
    CHECK(has(g.say("lint"), "undefined-flags: 1 place"));
    for (unsigned i = 0; i < lint_kinds; ++i) {
        const auto kind = static_cast<LintKind>(i);
        CHECK(find_rule(name_of(kind)) == kind);
        const std::string text = g.say("lint explain " + std::string(name_of(kind)));
        CHECK(has(text, "\nDo: "));
        CHECK(has(text, "\nSections: "));
    }
    CHECK(g.say("lint explain nothing").starts_with("error: there is no lint rule"));
}

TEST_CASE("lint as a command: an instruction is let off, of a rule or of all") {
    Talk g;
    g.say("lint on");
    g.run(guilty, 2);
    CHECK(has(g.say("lint suppress 1002h reserved"), "00001002h is let off"));
    CHECK(has(g.say("lint"), "undefined-flags: 1 place"));
    CHECK(has(g.say("lint suppress 1002h"), "is let off"));
    CHECK(g.say("lint suppress 1002h").starts_with("error"));
    CHECK(g.say("lint") == "lint: nothing to complain about\n");
    g.run(guilty, 2);
    CHECK(has(g.say("lint"), "lint: 1 time suppressed"));
    CHECK(has(g.say("lint rules"), "suppressed at 00001002h, 1 time"));
    CHECK(has(g.say("lint unsuppress 1002h"), "is looked at again"));
    CHECK(g.say("lint unsuppress 1002h").starts_with("error"));
    g.run(guilty, 2);
    CHECK(has(g.say("lint"), "undefined-flags: 1 place"));
    CHECK(g.say("lint suppress").starts_with("error"));
    CHECK(g.say("lint suppress nowhere").starts_with("error"));
}

TEST_CASE("lint as a command: a finding stops the machine") {
    Talk g;
    CHECK(has(g.say("lint stop undef"), "undefined-flags stops the machine"));
    CHECK(has(g.say("lint rules"), "(stops)"));
    g.write(0x1000, {0xF6, 0xE3, 0x78, 0x00, 0x90, 0x90, 0xEB, 0xF8}); // … JMP 1000h
    g.cpu().ip = 0x1000;
    for (int time = 0; time < 2; ++time) {
        REQUIRE(g.debugger.resume(Plan{Plan::Kind::instructions, 1000, 0, 0, false, false}).has_value());
        g.debugger.run_to_stop();
        CHECK(g.cpu().ip == 0x1004);
        CHECK(has(g.debugger.stop().text, "lint, undefined-flags: 0000:1002  js"));
    }
    g.say("lint nostop undef");
    REQUIRE(g.debugger.resume(Plan{Plan::Kind::instructions, 100, 0, 0, false, false}).has_value());
    const u64 from = g.machine->instructions();
    g.debugger.run_to_stop();
    CHECK(g.machine->instructions() == from + 100);
}
