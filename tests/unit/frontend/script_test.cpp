// The script language and what its commands do to a guest.
#include "fake_guest.hpp"

#include "frontend/script_player.hpp"

#include <doctest/doctest.h>
#include <filesystem>
#include <unistd.h>

using namespace glassbox;
using namespace glassbox::test;

namespace {

Script parsed(const std::string& text) {
    auto script = parse_script(text, "s");
    if (!script) FAIL(script.error().message);
    return *script;
}

std::string error_of(const std::string& text) {
    const auto script = parse_script(text, "s");
    REQUIRE_FALSE(script);
    return script.error().message;
}

/// Plays a script against a guest, with time that goes on in steps of 10 ms.
struct Stage {
    FakeGuest guest;
    KeyQueue keys;
    std::array<SerialLog, 4> logs;
    std::string printed;
    ScriptStep last;

    void play(const std::string& text, Time end = 100 * second) {
        ScriptPlayer player(parsed(text), {guest, keys, logs, [this](std::string_view t) { printed += t; }});
        while (true) {
            last = player.step();
            if (last.state != ScriptStep::State::running || guest.now() >= end) return;
            while (const auto key = keys.take(guest.now())) (void)guest.inject(*key);
            const Time until = std::min(guest.now() + 10 * millisecond, std::max(last.wake, guest.now() + 1));
            if (const StopReason reason = guest.run(until, ~u64{0}); reason != StopReason::limit) {
                last = player.guest_stopped("the guest powered off", reason == StopReason::power_off);
                return;
            }
        }
    }
    void send(const std::string& text, unsigned port = 0) {
        for (const char c : text) logs[port].put(static_cast<u8>(c));
    }
};

using State = ScriptStep::State;

} // namespace

TEST_CASE("every command is understood") {
    const Script script = parsed(R"(# a comment
wait-screen "A \"quoted\" text" 30s
wait-serial "login: "
wait-serial "x" 5s com2   # to the end
type "dir\n"
key ctrl-alt-delete f1
key-down shift
key-up shift
send "ls\r" com3
mouse -5 10 1 left middle
mouse none
screen
screenshot a.png
floppy 0 b.img,readonly
floppy 1 none
cdrom c.iso
cdrom "with space.iso"
save d
sleep 2s
power-button
reset
wait-power-off 10s
power-off
)");
    REQUIRE(script.commands.size() == 22);
    CHECK(script.commands[0].line == 2);
    const auto& wait = std::get<script::WaitScreen>(script.commands[0].action);
    CHECK(wait.text == "A \"quoted\" text");
    CHECK(wait.timeout == 30 * second);
    CHECK(std::get<script::WaitSerial>(script.commands[1].action).timeout == script_default_timeout);
    CHECK(std::get<script::WaitSerial>(script.commands[2].action).port == 1);
    CHECK(std::get<script::Keys>(script.commands[3].action).inputs.size() == 8);
    CHECK(std::get<script::Keys>(script.commands[4].action).inputs.size() == 8);
    const auto& serial = std::get<SerialInput>(std::get<script::Send>(script.commands[7].action).input);
    CHECK(serial.port == 2);
    CHECK(serial.data == std::vector<u8>{'l', 's', '\r'});
    const auto& mouse = std::get<MouseInput>(std::get<script::Send>(script.commands[8].action).input);
    CHECK((mouse.dx == -5 && mouse.dy == 10 && mouse.wheel == 1 && mouse.buttons == 5));
    const auto& floppy = std::get<MediaInput>(std::get<script::Send>(script.commands[12].action).input);
    CHECK((floppy.drive == MediaInput::Drive::floppy0 && floppy.path == "b.img" && floppy.read_only));
    CHECK(std::get<MediaInput>(std::get<script::Send>(script.commands[13].action).input).path.empty());
    CHECK(std::get<MediaInput>(std::get<script::Send>(script.commands[15].action).input).path == "with space.iso");
}

TEST_CASE("mistakes name the line") {
    CHECK(error_of("\n\nwait-scren \"x\"").starts_with("s:3: unknown command 'wait-scren'"));
    CHECK(error_of("wait-screen").starts_with("s:1: wait-screen: too few"));
    CHECK(error_of("wait-screen \"x\" 30s 5").starts_with("s:1: wait-screen: too many"));
    CHECK(error_of("wait-screen \"x\" soon").starts_with("s:1: wait-screen: 'soon'"));
    CHECK(error_of("type \"abc").starts_with("s:1: a string has no closing quote"));
    CHECK(error_of("type \"\\q\"").starts_with("s:1: unknown escape"));
    CHECK(error_of("type \"\\x4\"").starts_with("s:1: unknown escape"));
    CHECK(error_of("type \"\\").starts_with("s:1: unknown escape"));
    CHECK(error_of("type \"\xC3\xA4\"").starts_with("s:1: type: no key"));
    CHECK(error_of("key any").starts_with("s:1: key: 'any'"));
    CHECK(error_of("floppy 2 a").starts_with("s:1: floppy: "));
    CHECK(error_of("send \"x\" com5").starts_with("s:1: send: 'com5'"));
    CHECK(error_of("mouse 5").starts_with("s:1: mouse: "));
    CHECK(error_of("mouse 1 2 3 4").starts_with("s:1: mouse: "));
    CHECK(error_of("screen now").starts_with("s:1: screen: too many"));
}

TEST_CASE("escapes") {
    const auto script = parsed(R"(send "\n\t\r\b\e\0\\\"\x41b")");
    const auto& data = std::get<SerialInput>(std::get<script::Send>(script.commands[0].action).input).data;
    CHECK(data == std::vector<u8>{10, 9, 13, 8, 27, 0, '\\', '"', 'A', 'b'});
}

TEST_CASE("waiting for the screen") {
    Stage stage;
    stage.guest.plan[2 * second] = [](FakeGuest& g) {
        g.screen.print(3, "C:\\> ready");
        return StopReason::limit;
    };
    stage.play("wait-screen \"ready\" 3s\nscreen\n");
    CHECK(stage.last.state == State::finished);
    CHECK(stage.guest.now() >= 2 * second);
    CHECK(stage.guest.now() <= 2 * second + 20 * millisecond);
    CHECK(stage.printed == "\n\n\nC:\\> ready\n");
}

TEST_CASE("a wait that fails says what it waited for and shows the screen") {
    Stage stage;
    stage.guest.screen.print(0, "Non-system disk");
    stage.play("sleep 1s\nwait-screen \"ready\" 3s\n");
    CHECK(stage.last.state == State::failed);
    CHECK(stage.guest.now() == 4 * second);
    CHECK(stage.last.message == "s:2: waited 3s for \"ready\" on the screen; the screen shows:\nNon-system disk\n");
}

TEST_CASE("a graphics screen is named") {
    Stage stage;
    stage.guest.screen.graphics = true;
    stage.play("screen\nwait-screen \"x\" 10ms\n");
    CHECK(stage.printed == "(graphics, 4x2)\n");
    CHECK(stage.last.state == State::failed);
}

TEST_CASE("serial output is matched once and in order") {
    Stage stage;
    stage.send("login: one login: two");
    stage.play("wait-serial \"login: \" 1s\nwait-serial \"login: \" 1s\nwait-serial \"one\" 1s\n");
    CHECK(stage.last.state == State::failed);
    CHECK(stage.last.message.starts_with("s:3: waited 1s for \"one\" from COM1"));
    CHECK(stage.last.message.find("last output is:\ntwo") != std::string::npos);
}

TEST_CASE("serial output that arrives in pieces is matched") {
    Stage stage;
    stage.guest.plan[100 * millisecond] = [&](FakeGuest&) { return stage.send("rea", 1), StopReason::limit; };
    stage.guest.plan[200 * millisecond] = [&](FakeGuest&) { return stage.send("dy", 1), StopReason::limit; };
    stage.play("wait-serial \"ready\" 1s com2\n");
    CHECK(stage.last.state == State::finished);
    CHECK(stage.guest.now() >= 200 * millisecond);
}

TEST_CASE("typing is paced and done before the next command") {
    Stage stage;
    stage.play("type \"a?\"\nkey ctrl-alt-delete\nsleep 1ms\n");
    CHECK(stage.last.state == State::finished);
    CHECK(stage.guest.typed() == "+1E-1E+2A+35-35-2A+1D+38+e53-e53-38-1D");
    for (std::size_t i = 1; i < stage.guest.input_times.size(); ++i) {
        CHECK(stage.guest.input_times[i] - stage.guest.input_times[i - 1] >= KeyQueue::spacing);
    }
}

TEST_CASE("sleeping is exact") {
    Stage stage;
    stage.play("sleep 1234567us\nsave x\n");
    CHECK(stage.last.state == State::finished);
    CHECK(stage.guest.now() == 1234567 * microsecond);
    CHECK(stage.guest.saved == std::vector<std::string>{"x"});
}

TEST_CASE("media, power button and reset reach the guest; errors end the script") {
    Stage stage;
    stage.play("floppy 0 a.img\npower-button\nreset\n");
    CHECK(stage.last.state == State::finished);
    REQUIRE(stage.guest.inputs.size() == 3);
    CHECK(std::get<MediaInput>(stage.guest.inputs[0]).path == "a.img");
    CHECK(std::holds_alternative<PowerButtonInput>(stage.guest.inputs[1]));
    CHECK(std::holds_alternative<ResetInput>(stage.guest.inputs[2]));
    Stage other;
    other.play("\nfloppy 0 missing.img\nreset\n");
    CHECK(other.last.state == State::error);
    CHECK(other.last.message == "s:2: cannot open missing.img");
    CHECK(other.guest.inputs.empty());
}

TEST_CASE("power-off ends, wait-power-off waits for it") {
    Stage stage;
    stage.play("power-off\nreset\n");
    CHECK(stage.last.state == State::power_off);
    CHECK(stage.guest.inputs.empty());

    const auto off = [](FakeGuest&) { return StopReason::power_off; };
    Stage waits;
    waits.guest.plan[second] = off;
    waits.play("wait-power-off 5s\n");
    CHECK(waits.last.state == State::finished);

    Stage early;
    early.guest.plan[second] = off;
    early.play("sleep 5s\nwait-serial \"done\" 1s\n");
    CHECK(early.last.state == State::failed);
    CHECK(early.last.message.starts_with("s:2: waited for \"done\" from COM1, but the guest powered off"));

    Stage nothing_expected;
    nothing_expected.guest.plan[second] = off;
    nothing_expected.play("sleep 5s\n");
    CHECK(nothing_expected.last.state == State::finished);

    Stage last_words;
    last_words.guest.plan[second] = [&](FakeGuest&) { return last_words.send("done"), StopReason::power_off; };
    last_words.play("wait-serial \"done\" 5s\nwait-power-off 1s\n");
    CHECK(last_words.last.state == State::finished);

    Stage too_late;
    too_late.play("wait-power-off 2s\n");
    CHECK(too_late.last.state == State::failed);
}

TEST_CASE("a script can write a screenshot") {
    const std::string path = "/tmp/glassbox-test-" + std::to_string(::getpid()) + "-script.png";
    Stage stage;
    stage.play("screenshot " + path + "\n");
    CHECK(stage.last.state == State::finished);
    CHECK(std::filesystem::exists(path));
    std::filesystem::remove(path);
    stage.play("screenshot /nonexistent/x.png\n");
    CHECK(stage.last.state == State::error);
}
