// The debugger's options, on the command line and in MACHINE.toml.
#include "frontend/settings.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <sstream>

using namespace glassbox;

namespace {

Options good(const std::vector<std::string>& arguments) {
    auto line = parse_command_line(arguments);
    if (!line) FAIL(line.error().message);
    return line->options;
}

std::string bad(const std::vector<std::string>& arguments) {
    const auto line = parse_command_line(arguments);
    REQUIRE_FALSE(line);
    return line.error().message;
}

bool mentions(const std::string& message, const std::string& what) { return message.find(what) != std::string::npos; }

} // namespace

TEST_CASE("the debugger from the reset vector needs nothing to boot; a run does") {
    CHECK(good({"debug"}).debug.enter);
    CHECK_FALSE(boots_something(good({"debug"})));
    CHECK(boots_something(good({"debug", "--demo"})));
    CHECK(mentions(bad({}), "nothing to boot"));
    CHECK(mentions(bad({"run"}), "nothing to boot"));
    CHECK(mentions(bad({"--break", "0:7C00h"}), "nothing to boot"));
}

TEST_CASE("lint warns, or decides the status") {
    CHECK_FALSE(good({"--demo"}).debug.lint);
    CHECK(good({"--demo", "--lint"}).debug.lint);
    CHECK_FALSE(good({"--demo", "--lint"}).debug.lint_fails);
    CHECK(good({"--demo", "--lint=error"}).debug.lint);
    CHECK(good({"--demo", "--lint=error"}).debug.lint_fails);
    CHECK(mentions(bad({"--demo", "--lint=warning"}), "error"));
}

TEST_CASE("an option without a value takes none") {
    CHECK(good({"--demo", "--magic-break"}).debug.magic_break);
    CHECK(mentions(bad({"--demo", "--magic-break=no"}), "--magic-break takes no value"));
    CHECK(mentions(bad({"--demo", "--state-hash=1234"}), "--state-hash takes no value"));
}

TEST_CASE("gdb: what goes together, and what is a port") {
    const Options o = good({"--demo", "--gdb", "[::1]:77", "--gdb-arch", "i386"});
    CHECK(o.debug.gdb->host == "::1");
    CHECK(o.debug.gdb->port == 77);
    CHECK(o.debug.gdb_options.arch == gdb::Arch::i386);
    CHECK(good({"--demo", "--gdb", "1234"}).debug.gdb->host == "127.0.0.1");
    CHECK(mentions(bad({"--demo", "--gdb-arch", "i386"}), "needs --gdb"));
    CHECK(mentions(bad({"--demo", "--gdb", "1", "--gdb", "2"}), "more than once"));
    CHECK(mentions(bad({"--demo", "--gdb", "70000"}), "65535"));
    CHECK(mentions(bad({"--demo", "--gdb", ":"}), "[HOST:]PORT"));
}

TEST_CASE("MACHINE.toml has the debugger's options, too") {
    Options o;
    const auto read = read_config_text(
        o,
        "demo = true\nbreak = [\"main\", \"0:7c00h\"]\nbreak-at-boot = true\nmagic-break = true\ngdb = 1234\n"
        "gdb-arch = \"i386\"\nsymbols = [\"kernel.elf@0x1000\"]\nx = \"boot.gbd\"\nlint = \"error\"\n"
        "no-history = true\nhistory-memory = \"64M\"\nrecord = \"run.rec\"\non-triple-fault = \"debug\"\n",
        "/m/machine.toml");
    if (!read) FAIL(read.error().message);
    const DebugOptions& d = o.debug;
    CHECK(d.breaks == std::vector<std::string>{"main", "0:7c00h"});
    CHECK(d.break_at_boot);
    CHECK(d.magic_break);
    CHECK(d.gdb->port == 1234);
    CHECK(d.gdb_options.arch == gdb::Arch::i386);
    REQUIRE(d.symbols.size() == 1);
    CHECK(d.symbols[0].path == "/m/kernel.elf");
    CHECK(d.symbols[0].offset == 0x1000);
    CHECK(d.scripts == std::vector<std::string>{"/m/boot.gbd"});
    CHECK(d.lint_fails);
    CHECK_FALSE(d.history);
    CHECK(d.history_memory == 64u << 20);
    CHECK(d.record == "/m/run.rec");
    CHECK(d.on_triple_fault);
    Options plain;
    REQUIRE(read_config_text(plain, "lint = true\n", "m.toml"));
    CHECK(plain.debug.lint);
    CHECK_FALSE(plain.debug.lint_fails);
    CHECK_FALSE(read_config_text(plain, "lint = \"much\"\n", "m.toml"));
    CHECK_FALSE(read_config_text(plain, "magic-break = \"yes\"\n", "m.toml"));
}

TEST_CASE("help: all options are in it, and no line is wider than the page") {
    const std::string all = help_text(), debugger = debugger_help_text();
    for (const Setting& setting : all_settings()) {
        CHECK_MESSAGE(mentions(all, "  " + dashed(setting)), setting.name);
        if (setting.group == find_setting("break")->group)
            CHECK_MESSAGE(mentions(debugger, "  " + dashed(setting)), setting.name);
    }
    CHECK(debugger.size() < all.size() / 2);
    for (const std::string& text : {all, debugger}) {
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) CHECK_MESSAGE(line.size() <= 100, line);
    }
}
