// The run loop: exit statuses, limits, what is written at the end, and that slices do not depend on the host.
#include "fake_guest.hpp"

#include "frontend/session.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

using namespace glassbox;
using namespace glassbox::test;

namespace {

class FakeDisplay final : public Display {
  public:
    std::function<void(DisplayEvents&)> on_collect;
    std::string* last_notice = nullptr;
    void collect(short, DisplayEvents& events) override {
        if (on_collect) on_collect(events);
    }
    void show(const DisplaySource&, const DisplayStatus& status) override {
        if (last_notice != nullptr && !status.notice.empty()) *last_notice = status.notice;
    }
};

struct Run {
    FakeGuest guest;
    Options options;
    std::string complaints, printed;
    std::unique_ptr<FakeDisplay> display;
    bool realtime = false;

    int run(const std::string& script = {}) {
        const std::string path = "/tmp/glassbox-test-" + std::to_string(::getpid()) + "-out.txt";
        auto out = Output::create_file(path);
        REQUIRE(out);
        auto ports = Ports::open(options, **out, -1);
        REQUIRE(ports);
        const HostPorts host = (*ports)->host_ports();
        serial_ = host.serial[0];
        std::optional<Script> parsed;
        if (!script.empty()) {
            auto result = parse_script(script, "s");
            REQUIRE(result);
            parsed = *result;
        }
        Session session(options, {.guest = guest,
                                  .ports = **ports,
                                  .out = **out,
                                  .signals = nullptr,
                                  .display = std::move(display),
                                  .script = std::move(parsed),
                                  .complain = [this](std::string_view text) { complaints += std::string(text) + "\n"; },
                                  .realtime = realtime,
                                  .interactive = false});
        const int status = session.run();
        std::ostringstream text;
        text << std::ifstream(path).rdbuf();
        printed = text.str();
        std::filesystem::remove(path);
        return status;
    }
    void send(const std::string& text) {
        for (const char c : text) serial_->put(static_cast<u8>(c));
    }

  private:
    ByteSink* serial_ = nullptr;
};

auto stops_with(StopReason reason) {
    return [reason](FakeGuest&) { return reason; };
}

} // namespace

TEST_CASE("exit statuses") {
    Run off;
    off.guest.plan[second] = stops_with(StopReason::power_off);
    CHECK(off.run() == 0);
    CHECK(off.complaints.empty());
    CHECK(off.printed.empty());

    Run triple;
    triple.guest.plan[second] = stops_with(StopReason::triple_fault);
    CHECK(triple.run() == 2);
    CHECK(triple.complaints.find("EIP=00001234") != std::string::npos);

    Run reset;
    reset.guest.plan[second] = [](FakeGuest& guest) {
        guest.told_triple_fault("no IDT has been loaded");
        return StopReason::power_off;
    };
    CHECK(reset.run() == 0);
    CHECK(reset.complaints.find("triple-faulted and is reset") != std::string::npos);
    CHECK(reset.complaints.find("no IDT has been loaded") != std::string::npos);

    Run exit;
    exit.guest.plan[second] = stops_with(StopReason::exit_port);
    CHECK(exit.run() == 11);

    Run halted;
    halted.guest.dead = true;
    CHECK(halted.run() == 3);
    CHECK(halted.complaints.find("interrupts off") != std::string::npos);
}

TEST_CASE("a run that checks something ends with what it has come to") {
    Run differs;
    differs.guest.plan[second] = stops_with(StopReason::diverged);
    differs.guest.told = Guest::Verdict{"EAX differs\n", true};
    CHECK(differs.run() == 6);
    CHECK(differs.complaints.find("EAX differs") != std::string::npos);

    Run at_the_end; // seen only when all is compared
    at_the_end.guest.plan[second] = stops_with(StopReason::power_off);
    at_the_end.guest.told = Guest::Verdict{"memory differs\n", true};
    CHECK(at_the_end.run() == 6);

    Run same;
    same.guest.plan[second] = stops_with(StopReason::power_off);
    same.guest.told = Guest::Verdict{"no difference\n", false};
    CHECK(same.run() == 0);
    CHECK(same.complaints.find("no difference") != std::string::npos);
}

TEST_CASE("limits") {
    Run seconds;
    seconds.options.max_time = 1'234'567 * microsecond;
    CHECK(seconds.run() == 3);
    CHECK(seconds.guest.now() == 1'234'567 * microsecond);

    Run instructions;
    instructions.options.max_instructions = 5'000;
    CHECK(instructions.run() == 3);
    CHECK(instructions.guest.instructions() == 5'000);

    Run none_left;
    none_left.options.max_time = 0;
    CHECK(none_left.run() == 3);
    CHECK(none_left.guest.stops.empty());

    Run halted;
    halted.guest.dead = true;
    halted.options.max_time = second;
    CHECK(halted.run() == 3);
    CHECK(halted.guest.now() == second);
}

TEST_CASE("script results become exit statuses") {
    Run failed;
    CHECK(failed.run("wait-screen \"never\" 1s\n") == 4);
    CHECK(failed.complaints.find("s:1: waited 1s for \"never\"") != std::string::npos);

    Run good;
    good.guest.screen.print(0, "hello");
    CHECK(good.run("wait-screen \"hello\" 1s\nscreen\npower-off\n") == 0);
    CHECK(good.printed == "hello\n");

    Run error;
    CHECK(error.run("floppy 0 missing.img\n") == 1);

    Run limit;
    limit.options.max_time = second;
    CHECK(limit.run("sleep 5s\n") == 3);
    CHECK(limit.complaints.find("s:1") != std::string::npos);

    Run halted;
    halted.guest.dead = true;
    CHECK(halted.run("wait-screen \"never\" 2s\n") == 4);
    CHECK(halted.guest.now() == 2 * second);

    Run early;
    early.guest.plan[second] = stops_with(StopReason::power_off);
    CHECK(early.run("wait-screen \"never\" 2s\n") == 4);

    Run goes_on;
    goes_on.guest.plan[second] = stops_with(StopReason::power_off);
    CHECK(goes_on.run("sleep 10ms\n") == 0);
    CHECK(goes_on.guest.now() == second);
}

TEST_CASE("a script sees serial output") {
    Run run;
    run.options.serial.push_back({});
    run.guest.plan[50 * millisecond] = [&](FakeGuest&) { return run.send("login: "), StopReason::limit; };
    CHECK(run.run("wait-serial \"login:\" 1s\nsend \"root\\n\"\npower-off\n") == 0);
    REQUIRE(run.guest.inputs.size() == 1);
    CHECK(std::get<SerialInput>(run.guest.inputs[0]).data.size() == 5);
}

TEST_CASE("what was asked for at the end") {
    Run run;
    const std::string png = "/tmp/glassbox-test-" + std::to_string(::getpid()) + "-end.png";
    run.options.state_hash = true;
    run.options.save = "snapshot";
    run.options.screenshot = png;
    run.guest.plan[second] = stops_with(StopReason::power_off);
    CHECK(run.run() == 0);
    CHECK(run.printed == "state-hash: 0123456789abcdef\n");
    CHECK(run.guest.saved == std::vector<std::string>{"snapshot"});
    CHECK(std::filesystem::exists(png));
    std::filesystem::remove(png);

    Run unwritable;
    unwritable.options.screenshot = "/nonexistent/x.png";
    unwritable.guest.plan[second] = stops_with(StopReason::power_off);
    CHECK(unwritable.run() == 1);
}

TEST_CASE("virtual time: slices end at the same instants wherever a run begins") {
    Run whole, later;
    whole.options.max_time = later.options.max_time = 50 * millisecond;
    later.guest.set_now(20'000'001 * nanosecond);
    CHECK(whole.run("sleep 7777us\n") == 3);
    CHECK(later.run() == 3);
    for (const Time stop : later.guest.stops) {
        CAPTURE(stop);
        CHECK(std::ranges::find(whole.guest.stops, stop) != whole.guest.stops.end());
    }
}

TEST_CASE("closing asks the guest first and then ends") {
    Run asks;
    std::string notice;
    asks.display = std::make_unique<FakeDisplay>();
    asks.display->last_notice = &notice;
    int looks = 0;
    asks.display->on_collect = [&](DisplayEvents& events) { events.close = ++looks == 3 || looks == 30; };
    CHECK(asks.run() == 0);
    REQUIRE(asks.guest.inputs.size() == 1);
    CHECK(std::holds_alternative<PowerButtonInput>(asks.guest.inputs[0]));
    CHECK(looks == 30);

    Run quits;
    quits.display = std::make_unique<FakeDisplay>();
    quits.display->on_collect = [](DisplayEvents& events) { events.quit = true; };
    CHECK(quits.run() == 0);
    CHECK(quits.guest.inputs.empty());

    Run typed;
    typed.display = std::make_unique<FakeDisplay>();
    bool first = true;
    typed.display->on_collect = [&](DisplayEvents& events) {
        if (std::exchange(first, false)) events.typed = {{0x1E, false, true}, {0x1E, false, false}};
    };
    typed.guest.plan[second] = stops_with(StopReason::power_off);
    CHECK(typed.run() == 0);
    CHECK(typed.guest.typed() == "+1E-1E");
}

TEST_CASE("real time: the guest's clock follows the host's") {
    Run run;
    run.realtime = true;
    run.guest.idle = true;
    run.guest.plan[60 * millisecond] = stops_with(StopReason::power_off);
    const auto begin = std::chrono::steady_clock::now();
    CHECK(run.run() == 0);
    CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(55));
}
