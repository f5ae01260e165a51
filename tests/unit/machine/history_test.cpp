// Going back and forth: at every instant the machine must be what it was in a straight run.
#include "history_guests.hpp"

#include <algorithm>
#include <map>

using namespace glassbox;
using namespace glassbox::history_test;

namespace {

struct Event {
    u64 at;
    Input what;
};

std::vector<Event> typing() {
    std::vector<Event> events;
    u64 at = 6'000'000;
    for (const u8 code : {u8{0x1E}, u8{0x30}, u8{0x2E}, u8{0x39}, u8{0x1C}}) {
        events.push_back({at, KeyInput{code, false, true}});
        events.push_back({at + 300'000, KeyInput{code, false, false}});
        at += 1'000'000;
    }
    events.push_back({at, SerialInput{0, {'h', 'e', 'l', 'l', 'o', '\r'}}});
    events.push_back({at, MouseInput{5, -3, 0, 1}});
    events.push_back({at, EntropyInput{42}});
    events.push_back({at, SkipTimeInput{3 * millisecond}});
    events.push_back({at, KeyInput{0x20, false, true}});
    return events;
}

/// A straight run, with the hash at each of the counts.
template <class Runner> void play(Runner&& run_to, Timeline& timeline, const std::vector<Event>& events, u64 end) {
    for (const Event& event : events) {
        run_to(event.at);
        REQUIRE(timeline.inject(event.what).has_value());
    }
    run_to(end);
}

std::map<u64, u64> straight(const MachineConfig& config, const std::vector<Event>& events,
                            const std::vector<u64>& counts) {
    auto machine = create(config);
    std::map<u64, u64> hashes;
    std::size_t next = 0;
    for (const u64 count : counts) {
        for (; next < events.size() && events[next].at < count; ++next) {
            machine->run(never, events[next].at);
            REQUIRE(machine->inject(events[next].what).has_value());
        }
        machine->run(never, count);
        CHECK(machine->instructions() == count);
        hashes[count] = machine->state_hash();
    }
    return hashes;
}

constexpr u64 end = 14'000'000;
const std::vector<u64> counts = {1,         999'999,   1'000'000, 2'345'678,  5'999'999,  6'000'000,  6'000'001,
                                 7'123'456, 8'888'888, 9'300'000, 10'999'999, 11'000'001, 13'000'000, end};

} // namespace

TEST_CASE("history: any instant is what it was in a straight run") {
    const auto events = typing();
    const auto expected = straight(demo_config(), events, counts);
    Text serial;
    HostPorts ports;
    ports.serial[0] = &serial;
    auto machine = create(demo_config(), ports);
    Timeline timeline(*machine);
    timeline.begin({.spacing = 700'000});
    play([&](u64 to) { timeline.run(never, to); }, timeline, events, end);
    CHECK(machine->state_hash() == expected.at(end));
    CHECK(timeline.at_frontier());
    const std::string said = serial.text;
    // A fixed shuffle: near and far, back and forth.
    std::vector<u64> order = counts;
    for (std::size_t i = 0; i < order.size(); ++i) std::swap(order[i], order[(i * 7 + 3) % order.size()]);
    for (int round = 0; round < 3; ++round) {
        for (const u64 count : order) {
            CAPTURE(count);
            const auto went = timeline.go_to(count);
            REQUIRE_MESSAGE(went.has_value(), went.error().message);
            CHECK(machine->instructions() == count);
            CHECK(machine->state_hash() == expected.at(count));
        }
    }
    CHECK(timeline.frontier().instructions == end);
    CHECK(serial.text == said);
    REQUIRE(timeline.go_to(counts[3]).has_value());
    timeline.run(never, end);
    CHECK(machine->state_hash() == expected.at(end));
    CHECK(serial.text == said);
}
