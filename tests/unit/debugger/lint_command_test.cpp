// The command `lint`.
#include "debugger/command.hpp"
#include "debugger/debugger.hpp"
#include "lint_fixture.hpp"
#include "machine/history/timeline.hpp"

using namespace glassbox;
using namespace glassbox::lint_test;

TEST_CASE("lint as a command: on, what it found, clear, off") {
    Guest g;
    g.lint.reset();
    Timeline timeline(*g.machine);
    Debugger debugger(*g.machine, timeline);
    debugger.attach_stopped(StopKind::start);
    const auto say = [&](std::string_view line) {
        std::string out;
        CommandContext context{debugger, out};
        const auto done = execute_command(context, line);
        return done ? out : "error: " + done.error().message;
    };
    CHECK(say("lint").starts_with("error: lint does not listen"));
    CHECK(say("lint on") == "lint listens\n");
    CHECK(say("lint") == "lint: nothing to complain about\n");
    g.run({0xF6, 0xE3, 0x78, 0x00, 0x90}, 2);
    CHECK(has(say("lint list"), "undefined-flags: 1 place"));
    say("lint clear");
    CHECK(say("lint list") == "lint: nothing to complain about\n");
    CHECK(say("lint maybe").starts_with("error"));
    CHECK(say("lint on off").starts_with("error"));
    say("lint off");
    CHECK(debugger.lint == nullptr);
    g.run({0xF6, 0xE3, 0x78, 0x00, 0x90}, 2);
    CHECK(say("lint").starts_with("error"));
}
