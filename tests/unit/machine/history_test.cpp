// Going back and forth: at every instant the machine must be what it was in a straight run.
#include "history_guests.hpp"

#include <algorithm>
#include <map>

using namespace glassbox;
using namespace glassbox::history_test;

namespace {

using Hashes = std::map<u64, u64>;

/// The hash at each of the counts, of a machine that nobody keeps a history of.
Hashes straight(const MachineConfig& config, const std::vector<Event>& events, const std::vector<u64>& counts) {
    auto machine = create(config);
    Hashes hashes;
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

void play(Timeline& timeline, const std::vector<Event>& events, u64 end) {
    for (const Event& event : events) {
        timeline.run(never, event.at);
        REQUIRE(timeline.inject(event.what).has_value());
    }
    timeline.run(never, end);
}

void visit(Timeline& timeline, const Hashes& expected, u64 count) {
    CAPTURE(count);
    const auto went = timeline.go_to(count);
    REQUIRE_MESSAGE(went.has_value(), went.error().message);
    CHECK(timeline.now().instructions == count);
    CHECK(timeline.machine().state_hash() == expected.at(count));
}

/// Near and far, back and forth, always the same.
std::vector<u64> shuffled(std::vector<u64> counts) {
    for (std::size_t i = 0; i < counts.size(); ++i) std::swap(counts[i], counts[(i * 7 + 3) % counts.size()]);
    return counts;
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
    timeline.begin({.spacing = 700'000, .percent = 0});
    play(timeline, events, end);
    CHECK(machine->state_hash() == expected.at(end));
    CHECK(timeline.at_frontier());
    const std::string said = serial.text;
    for (int round = 0; round < 2; ++round) {
        for (const u64 count : shuffled(counts)) visit(timeline, expected, count);
    }
    CHECK(timeline.frontier().instructions == end);
    CHECK(serial.text == said);
    REQUIRE(timeline.go_to(counts[3]).has_value());
    CHECK_FALSE(timeline.at_frontier());
    timeline.run(never, end);
    CHECK(machine->state_hash() == expected.at(end));
    CHECK(serial.text == said);
    timeline.run(never, end + 100'000); // and on as if nothing had been
    auto other = create(demo_config());
    Timeline plain(*other);
    play(plain, events, end + 100'000);
    CHECK(machine->state_hash() == other->state_hash());
}

TEST_CASE("history: an idle machine lets time pass between two instructions, and inputs fall into that") {
    const Folder folder;
    auto config = disk_config(folder.write("disk", bootable(disk_writer())));
    config.disks[0].discard_writes = true; // two machines read it
    const auto run = [&](Timeline& timeline, std::vector<u64>& hashes, std::vector<Moment>& moments) {
        Machine& machine = timeline.machine();
        for (Time at = 20 * millisecond; at < 900 * millisecond; at += 37 * millisecond) {
            timeline.run(at);
            moments.push_back(timeline.now());
            hashes.push_back(machine.state_hash());
            REQUIRE(timeline.inject(KeyInput{static_cast<u8>(2 + at / millisecond % 10), false, true}).has_value());
            if (at / millisecond % 3 == 0) REQUIRE(timeline.inject(SkipTimeInput{millisecond / 3}).has_value());
            if (at / millisecond % 5 == 0) REQUIRE(timeline.inject(MouseInput{1, 1, 0, 0}).has_value());
        }
    };
    auto machine = create(config), other = create(config);
    Timeline timeline(*machine), plain(*other);
    timeline.begin({.spacing = 300'000, .percent = 0});
    std::vector<u64> hashes, expected;
    std::vector<Moment> moments, same;
    run(timeline, hashes, moments);
    run(plain, expected, same);
    CHECK(hashes == expected);
    CHECK(moments == same);
    const Time passed = moments.back().time - moments[4].time;
    CHECK((moments.back().instructions - moments[4].instructions) * 2 * nanosecond < passed / 2); // mostly asleep
    REQUIRE(timeline.go_to(1000).has_value());
    for (std::size_t i = 0; i < moments.size(); ++i) {
        CAPTURE(i);
        timeline.run(moments[i].time);
        CHECK(timeline.now() == moments[i]);
        CHECK(machine->state_hash() == hashes[i]);
    }
}

TEST_CASE("history: disks are taken back, and their files never written") {
    const Folder folder;
    const auto image = bootable(disk_writer());
    const auto config = disk_config(folder.write("disk", image));
    std::vector<u64> places;
    for (u64 at = 500'000; at <= 40'000'000; at += 2'111'111) places.push_back(at);
    const auto expected = straight(config, {}, places);
    auto machine = create(config);
    Timeline timeline(*machine);
    timeline.begin({.spacing = 1'000'000, .percent = 0});
    timeline.run(never, places.back());
    for (const u64 count : shuffled(places)) visit(timeline, expected, count);
    visit(timeline, expected, places.back());
    CHECK(folder.read("disk") == image);
    const u16 last = static_cast<u16>(machine->board().memory.read(PhysAddress{0x7E00}, 2));
    CHECK(last > 3);
    REQUIRE(timeline.commit_media().has_value());
    CHECK(timeline.earliest() == timeline.now());
    const auto written = folder.read("disk");
    CHECK(written != image);
    const u16 before = static_cast<u16>(last - 1); // the last but one was written for certain
    CHECK(written[(1 + (before & 15)) * 512] == static_cast<u8>(before));
}

TEST_CASE("history: without kept media there is no way back, and it says so") {
    const Folder folder;
    auto config = disk_config(folder.write("disk", bootable(disk_writer())));
    config.keep_media = false;
    auto machine = create(config);
    Timeline timeline(*machine);
    timeline.begin({});
    timeline.run(never, 1000);
    const auto went = timeline.go_to(10);
    REQUIRE_FALSE(went.has_value());
    CHECK(went.error().message.find("keep_media") != std::string::npos);
}

TEST_CASE("history: translations that the guest should have flushed are what they were") {
    const Folder folder;
    const auto config = disk_config(folder.write("disk", bootable(stale_reader())));
    std::vector<u64> places;
    for (u64 at = 15'000'000; at <= 25'000'000; at += 1'234'567) places.push_back(at);
    const auto expected = straight(config, {}, places);
    auto machine = create(config);
    Timeline timeline(*machine);
    timeline.begin({.spacing = 500'000, .percent = 0});
    timeline.run(never, places.back());
    const u64 sum = machine->board().memory.read(PhysAddress{0x7E00}, 4);
    CHECK(sum > 1000);
    CHECK(sum < 10'000'000); // of ones, not of millions
    for (const u64 count : shuffled(places)) visit(timeline, expected, count);
}

TEST_CASE("history: several processors") {
    MachineConfig config;
    config.processors = 3;
    config.memory_bytes = 16 << 20;
    config.kernel = GLASSBOX_SMP_PROBE;
    config.exit_port = 0xF4;
    auto first = create(config);
    CHECK(first->run(never, 400'000'000) == StopReason::exit_port);
    const u64 all = first->instructions();
    std::vector<u64> places;
    for (u64 i = 1; i <= 11; ++i) places.push_back(all * i / 11);
    const auto expected = straight(config, {}, places);
    auto machine = create(config);
    Timeline timeline(*machine);
    timeline.begin({.spacing = 200'000, .percent = 0});
    CHECK(timeline.run(never, 400'000'000) == StopReason::exit_port);
    for (const u64 count : shuffled(places)) visit(timeline, expected, count);
    REQUIRE(timeline.go_to(all / 2).has_value());
    CHECK(timeline.run(never, 400'000'000) == StopReason::exit_port); // that, too, happens again
    CHECK(timeline.now().instructions == all);
    CHECK(machine->exit_status() == first->exit_status());
    REQUIRE(timeline.go_to(all / 3).has_value());
    CHECK(machine->run(never, all / 2) == StopReason::limit);
}

TEST_CASE("history: what is injected behind the frontier begins another future") {
    auto machine = create(demo_config());
    Timeline timeline(*machine);
    timeline.begin({.spacing = 500'000, .percent = 0});
    play(timeline, typing(), end);
    REQUIRE(timeline.go_to(7'500'000).has_value());
    REQUIRE(timeline.inject(KeyInput{0x21, false, true}).has_value());
    CHECK(timeline.frontier().instructions == 7'500'000);
    CHECK_FALSE(timeline.go_to(7'500'001).has_value());
    timeline.run(never, 9'000'000);
    auto events = typing();
    std::erase_if(events, [](const Event& e) { return e.at >= 7'500'000; });
    events.push_back({7'500'000, KeyInput{0x21, false, true}});
    const auto expected = straight(demo_config(), events, {5'000'000, 7'400'000, 8'000'000, 9'000'000});
    CHECK(machine->state_hash() == expected.at(9'000'000));
    for (const u64 count : {8'000'000, 5'000'000, 9'000'000, 7'400'000}) visit(timeline, expected, count);
}

TEST_CASE("history: changes by hand stay in the past that they were made in") {
    auto machine = create(demo_config());
    Timeline timeline(*machine);
    timeline.begin({.spacing = 500'000, .percent = 0});
    timeline.run(never, 5'000'000);
    REQUIRE(timeline.go_to(3'000'000).has_value());
    const u64 untouched = machine->state_hash();
    const std::vector<u8> word = {0xDE, 0xAD, 0xBE, 0xEF};
    machine->board().memory.write_block(PhysAddress{0x70'0000}, word);
    timeline.changed_by_hand();
    machine->cpu().gpr[RDX] ^= 0x10;
    timeline.changed_by_hand(); // one more at the same instant
    const u64 changed = machine->state_hash();
    CHECK(changed != untouched);
    CHECK(timeline.frontier().instructions == 3'000'000);
    timeline.run(never, 4'000'000);
    const u64 later = machine->state_hash();
    CHECK(machine->board().memory.read(PhysAddress{0x70'0000}, 4) == 0xEFBE'ADDE);
    REQUIRE(timeline.go_to(2'000'000).has_value());
    CHECK(machine->board().memory.read(PhysAddress{0x70'0000}, 4) == 0);
    timeline.run(never, 4'000'000); // through that instant
    CHECK(machine->state_hash() == later);
    REQUIRE(timeline.go_to(3'500'000).has_value());
    CHECK(machine->board().memory.read(PhysAddress{0x70'0000}, 4) == 0xEFBE'ADDE);
    REQUIRE(timeline.go_to(3'000'000).has_value());
    CHECK(machine->state_hash() == changed);
}

TEST_CASE("history: a budget is kept by thinning, and every instant stays within reach") {
    const auto events = typing();
    const auto expected = straight(demo_config(), events, counts);
    auto machine = create(demo_config());
    Timeline timeline(*machine);
    timeline.begin({.memory_budget = ~u64{0}, .spacing = 50'000, .percent = 0});
    play(timeline, events, end);
    const auto all = timeline.statistics();
    auto again = create(demo_config());
    Timeline thinned(*again);
    const u64 budget = all.memory * 2 / 3;
    thinned.begin({.memory_budget = budget, .spacing = 50'000, .percent = 0});
    play(thinned, events, end);
    const auto few = thinned.statistics();
    CHECK(few.checkpoints < all.checkpoints);
    CHECK(few.memory <= budget);
    CHECK(thinned.earliest().instructions == 0);
    // Dense near the present, sparse far from it.
    const auto between = [&](u64 from, u64 to) {
        std::size_t found = 0;
        for (auto at = thinned.checkpoint_before(to); at && *at >= from; at = thinned.checkpoint_before(*at)) ++found;
        return found;
    };
    CHECK(between(end - 2'000'000, end) > between(1, 4'000'000));
    for (const u64 count : shuffled(counts)) {
        visit(thinned, expected, count);
        CHECK(thinned.statistics().memory <= budget + (1u << 20));
    }
}

TEST_CASE("history: a long way can be cancelled, and the machine is where it was") {
    auto machine = create(demo_config());
    Timeline timeline(*machine);
    timeline.begin({.spacing = 1'000'000'000, .percent = 0});
    timeline.run(never, 30'000'000);
    const u64 hash = machine->state_hash();
    int told = 0;
    const auto went = timeline.go_to(20'000'000, [&](double done) {
        CHECK(done >= 0);
        CHECK(done <= 1);
        return ++told < 2;
    });
    CHECK_FALSE(went.has_value());
    CHECK(told == 2);
    CHECK(timeline.at_frontier());
    CHECK(machine->state_hash() == hash);
    CHECK(timeline.go_to(20'000'000, [](double) { return true; }).has_value());
    CHECK_FALSE(timeline.go_to(30'000'001).has_value());
}

TEST_CASE("history: nobody hears of executions that go somewhere, and stops in a run are stops") {
    auto machine = create(demo_config());
    Timeline timeline(*machine);
    timeline.begin({.spacing = 1'000'000, .percent = 0});
    timeline.run(never, 4'000'000);
    struct Ear final : Probe {
        u64 heard = 0, stop_at = ~u64{0};
        bool before_instruction(Cpu& cpu) override {
            ++heard;
            return cpu.scheduler.instructions() == stop_at;
        }
    } ear;
    machine->attach(ear);
    machine->set_every_instruction(ear, true);
    REQUIRE(timeline.go_to(3'500'000).has_value());
    CHECK(ear.heard == 0);
    ear.stop_at = 3'600'000;
    CHECK(timeline.run(never, 4'000'000) == StopReason::breakpoint);
    CHECK(timeline.now().instructions == 3'600'000);
    CHECK(ear.heard == 100'001);
    ear.stop_at = ~u64{0};
    timeline.run(never, 4'000'000);
    CHECK(timeline.at_frontier());
    machine->detach(ear);
}

TEST_CASE("history: media that were changed are back in their drives, files or no files") {
    const Folder folder;
    std::vector<u8> disc(2048 * 40, 0x11), other(2048 * 50, 0x22), floppy(1'474'560, 0x33);
    auto config = demo_config();
    config.keep_media = true;
    config.cdrom = folder.write("disc", disc);
    const std::vector<Event> events = {
        {2'000'000, MediaInput{MediaInput::Drive::cdrom, folder.write("other", other), true}},
        {3'000'000, MediaInput{MediaInput::Drive::cdrom, "", true}},
        {4'000'000, MediaInput{MediaInput::Drive::floppy0, folder.write("floppy", floppy), false}},
        {5'000'000, MediaInput{MediaInput::Drive::cdrom, folder.file("other"), true}},
    };
    const std::vector<u64> places = {1'500'000, 2'500'000, 3'500'000, 4'500'000, 5'500'000, 8'000'000};
    const auto expected = straight(config, events, places);
    auto machine = create(config);
    Timeline timeline(*machine);
    timeline.begin({.spacing = 400'000, .percent = 0});
    play(timeline, events, places.back());
    std::filesystem::remove(folder.file("other"));
    std::filesystem::remove(folder.file("floppy"));
    for (const u64 count : shuffled(places)) visit(timeline, expected, count);
    CHECK_FALSE(timeline.inject(MediaInput{MediaInput::Drive::cdrom, folder.file("other"), true}).has_value());
}

TEST_CASE("history: a timeline that was not begun only passes calls on") {
    auto machine = create(demo_config());
    Timeline timeline(*machine);
    CHECK_FALSE(timeline.active());
    CHECK(timeline.run(never, 1000) == StopReason::limit);
    CHECK(machine->instructions() == 1000);
    CHECK_FALSE(timeline.go_to(10).has_value());
    CHECK_FALSE(timeline.checkpoint_before(1000).has_value());
    CHECK(timeline.at_frontier());
    CHECK(timeline.inject(KeyInput{0x1E, false, true}).has_value());
}
