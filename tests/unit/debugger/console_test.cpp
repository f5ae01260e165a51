// The console over a whole machine: scripts, repetition, aliases, displays, completion, refusals.
#include "debugger/console/console.hpp"

#include "debugger/debugger.hpp"
#include "machine/history/timeline.hpp"
#include "machine/machine.hpp"

#include "debug_session.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

using namespace glassbox;

namespace {

struct Desk : test::DebugSession {
    std::optional<Console> console;

    Desk() { console.emplace(*debugger); }
    std::string operator()(std::string_view line) { return console->execute(line); }
    std::string run_script() {
        std::string out;
        while (console->has_waiting()) out += console->execute_next();
        return out;
    }
};

struct ScriptFile {
    std::string path;
    explicit ScriptFile(const std::string& text)
        : path((std::filesystem::temp_directory_path() / ("glassbox-script-" + std::to_string(::getpid()))).string()) {
        std::ofstream(path) << text;
    }
    ~ScriptFile() { std::filesystem::remove(path); }
};

} // namespace

TEST_CASE("a script's commands are shown, carried out in order, and end with the first that fails") {
    Desk desk;
    const ScriptFile script("# a comment\n\n  echo one\nassert cs.base == 0xFFFF0000\nassert 1 == 2\necho never\n");
    REQUIRE(desk.console->source(script.path));
    const std::string out = desk.run_script();
    CHECK(out == "(glassbox) echo one\none\n(glassbox) assert cs.base == 0xFFFF0000\n(glassbox) assert 1 == 2\n"
                 "error: it does not hold: 1 == 2\n" +
                     script.path + ":5: the script ends here\n");
    CHECK(desk.console->take_script_failure());
    CHECK_FALSE(desk.console->take_script_failure());
    CHECK_FALSE(desk.console->has_waiting());
}

TEST_CASE("scripts that cannot be read, or never end, are refused") {
    Desk desk;
    CHECK(desk("source /nowhere/at/all").find("cannot read the script '/nowhere/at/all'") != std::string::npos);
    CHECK(desk("source /tmp").find("is a folder") != std::string::npos);
    CHECK(desk("source").find("needs the name of a file") != std::string::npos);
    const ScriptFile script("source " + std::filesystem::temp_directory_path().string() + "/glassbox-script-" +
                            std::to_string(::getpid()) + "\n" + std::string(30'000, '\n'));
    REQUIRE(desk.console->source(script.path));
    const std::string out = desk.run_script();
    CHECK(out.find("does it source itself?") != std::string::npos);
}

TEST_CASE("aliases take further words; they cannot hide commands or stand for themselves") {
    Desk desk;
    CHECK(desk("alias say echo well,").empty());
    CHECK(desk("say hello") == "well, hello\n");
    CHECK(desk("alias help echo").find("is a command already") != std::string::npos);
    CHECK(desk("alias loop loop").find("cannot stand for itself") != std::string::npos);
    CHECK(desk("alias a/b echo").find("letters, digits") != std::string::npos);
    CHECK(desk("alias").find("say") != std::string::npos);
    CHECK(desk("help say").find("your own name for: echo well,") != std::string::npos);
}

TEST_CASE("aliases put their arguments where they belong, and may be several commands") {
    Desk desk;
    const auto all = [&](std::string_view line) {
        const std::string out = desk(line);
        return out + desk.run_script();
    };
    desk("alias turn echo $2 $1.");
    CHECK(desk("turn a b") == "b a.\n");
    CHECK(desk("turn \"a c\" b") == "b \"a c\".\n");
    CHECK(desk("turn a") == "error: 'turn' needs 2 arguments: echo $2 $1.\n");
    desk("alias twice echo $*; echo \"one; two\"");
    CHECK(all("twice x y") == "(glassbox) echo x y\nx y\n(glassbox) echo \"one; two\"\n\"one; two\"\n");
    desk("alias again again-too");
    desk("alias stop-and commands 1 registers; continue");
    CHECK(desk("stop-and").find("there is no stop point 1") != std::string::npos); // its semicolons are not ours
}

TEST_CASE("define: lines up to end, with gdb's arguments, at the prompt and in scripts") {
    Desk desk;
    for (const char* line : {"define show-two", "echo first $arg0", "", "echo of $argc: $*", "end"})
        CHECK(desk(line).empty());
    CHECK(desk("show-two a b").empty());
    CHECK(desk.run_script() == "(glassbox) echo first a\nfirst a\n(glassbox) echo of 2: a b\nof 2: a b\n");
    CHECK(desk("define step") == "error: 'step' is a command already\n");
    CHECK(desk("define") == "error: define needs one word: the name of the new command\n");
    CHECK(desk("end").starts_with("error: end closes what define has begun"));
    const ScriptFile script("define hello\necho hello, $1\nassert 0\nend\nhello you\necho never\n");
    REQUIRE(desk.console->source(script.path));
    const std::string out = desk.run_script();
    CHECK(
        out.ends_with("hello, you\n(glassbox) assert 0\nerror: it does not hold: 0\nhello:2: the script ends here\n"));
    CHECK(desk("define forever").empty());
    desk("forever");
    desk("echo");
    desk("end");
    desk("forever");
    CHECK(desk.run_script().find("'forever' leads to itself without an end") != std::string::npos);
}

TEST_CASE("displays are executed after every stop, until they are taken away") {
    Desk desk;
    CHECK(desk("display echo here") == "display 1: echo here\nhere\n");
    CHECK(desk.console->report_stop().ends_with("here\n"));
    CHECK(desk("display nonsense").find("there is no command 'nonsense'") != std::string::npos);
    CHECK(desk("undisplay 1").empty());
    CHECK(desk("undisplay 1") == "error: there is no display 1\n");
    CHECK_FALSE(desk.console->report_stop().ends_with("here\n"));
}

TEST_CASE("an empty line repeats a step, and nothing else") {
    Desk desk;
    desk("echo once");
    CHECK(desk("").empty());
    REQUIRE(desk.machine->instructions() == 0);
    desk("step");
    desk.debugger->run_to_stop();
    CHECK(desk.machine->instructions() == 1);
    desk("");
    desk.debugger->run_to_stop();
    CHECK(desk.machine->instructions() == 2);
}

TEST_CASE("completion: commands, registers, words of a command, files") {
    Desk desk;
    const auto has = [&](std::string_view line, std::string_view word) {
        const auto words = desk.console->complete(line);
        return std::ranges::find(words, word) != words.end();
    };
    CHECK(has("apr", "apropos"));
    CHECK(has("help apr", "apropos"));
    CHECK(has("assert ea", "eax"));
    CHECK(has("print $ea", "$eax"));
    CHECK(has("catch exc", "exception"));
    CHECK(has("catch device pi", "pit"));
    CHECK(has("catch device 8", "8042")); // of "8042 command"
    CHECK(desk.console->complete("catch device ").size() > 10);
    CHECK(has("catch mode ", "real"));
    CHECK_FALSE(has("catch mode ", "port"));
    CHECK(has("info brea", "breakpoints"));
    CHECK(has("info registers ea", "eax"));
    CHECK(has("display registers gen", "general"));
    CHECK(has("registers gen", "general"));
    CHECK(has("advan", "advance"));
    CHECK(has("help inf", "info"));
    CHECK(has("xp ea", "eax"));
    CHECK(desk.console->complete("info sharedl").empty());
    desk("alias mine echo");
    CHECK(has("min", "mine"));
    const ScriptFile script("");
    CHECK(has("source " + script.path.substr(0, script.path.size() - 1), script.path));
    CHECK(desk.console->complete("nonsense ").empty());
}

TEST_CASE("inputs: keys by name, text for the serial line, refusals") {
    Desk desk;
    CHECK(desk("key ctrl-alt-delete").empty());
    CHECK(desk("key no-such-key").starts_with("error: "));
    CHECK(desk("serial-input ls\\n").empty());
    CHECK(desk("serial-input").starts_with("error: "));
    CHECK(desk("reset").empty());
    CHECK(desk("state-hash").starts_with("state-hash: "));
}

TEST_CASE("what help prints fits the page, whatever the tables say") {
    Desk desk;
    for (const Command* command : all_commands()) {
        std::istringstream help{desk("help " + std::string(command->name))};
        for (std::string line; std::getline(help, line);) CHECK_MESSAGE(line.size() <= 104, line); // UTF-8 counts bytes
    }
}

TEST_CASE("help knows groups, commands and expressions, and says what it does not know") {
    Desk desk;
    CHECK(desk("help").find("Console:") != std::string::npos);
    CHECK(desk("help console").find("apropos") != std::string::npos);
    CHECK(desk("help assert").find("status 4") != std::string::npos);
    CHECK(desk("help expressions").find("phys(1000h)") != std::string::npos);
    CHECK(desk("help nonsense").starts_with("error: "));
    CHECK(desk("apropos status").find("assert") != std::string::npos);
}
