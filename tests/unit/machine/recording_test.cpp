// Recordings: the same run again, divergence found, and files that lie refused.
#include "history_guests.hpp"
#include "machine/history/recording.hpp"

#include <algorithm>
#include <zlib.h>

using namespace glassbox;
using namespace glassbox::history_test;

namespace {

constexpr u64 end = 9'000'000;

struct Recorded {
    u64 hash = 0;
    Moment frontier;
    std::string serial;
};

/// A run with inputs; `then` may do more before the recording ends.
template <class F> Recorded record(const std::string& path, const MachineConfig& config, F&& then, bool finish = true) {
    Text serial;
    HostPorts ports;
    ports.serial[0] = &serial;
    auto machine = create(config, ports);
    Timeline timeline(*machine);
    timeline.begin({.spacing = 500'000, .percent = 0});
    auto recorder = Recorder::create(path, *machine, timeline);
    REQUIRE_MESSAGE(recorder.has_value(), recorder.error().message);
    for (const Event& event : typing()) {
        if (event.at >= end) break;
        timeline.run(never, event.at);
        REQUIRE(timeline.inject(event.what).has_value());
    }
    timeline.run(never, end);
    then(timeline);
    if (finish) REQUIRE((*recorder)->finish().has_value());
    return {machine->state_hash(), timeline.frontier(), serial.text};
}

Recorded record(const std::string& path, bool finish = true) {
    return record(path, demo_config(), [](Timeline&) {}, finish);
}

struct Replayed {
    std::unique_ptr<Machine> machine;
    std::unique_ptr<Timeline> timeline;
    Text serial;
};

void prepare(const Recording& recording, Replayed& replay, u64 from = 0) {
    REQUIRE(recording.check_files(recording.config()).has_value());
    HostPorts ports;
    ports.serial[0] = &replay.serial;
    replay.machine = create(recording.config(), ports);
    replay.timeline = std::make_unique<Timeline>(*replay.machine);
    const auto begun = recording.begin(*replay.machine, *replay.timeline, {.spacing = 700'000, .percent = 0}, from);
    REQUIRE_MESSAGE(begun.has_value(), begun.error().message);
}

Recording open(const std::string& path) {
    auto recording = Recording::open(path);
    REQUIRE_MESSAGE(recording.has_value(), recording.error().message);
    return std::move(*recording);
}

std::string refusal(const std::string& path) {
    const auto recording = Recording::open(path);
    return recording ? "" : recording.error().message;
}

/// Offsets of the chunks' headers, and the file's end.
std::vector<std::size_t> boundaries(const std::vector<u8>& file) {
    std::vector<std::size_t> at = {12};
    while (at.back() < file.size()) {
        u64 length = 0;
        for (unsigned i = 0; i < 8; ++i) length |= u64{file[at.back() + 4 + i]} << (8 * i);
        at.push_back(at.back() + 20 + length);
    }
    return at;
}

void put_u32(std::vector<u8>& file, std::size_t at, u32 value) {
    for (unsigned i = 0; i < 4; ++i) file[at + i] = static_cast<u8>(value >> (8 * i));
}

void repair(std::vector<u8>& file, std::size_t header, std::size_t length) {
    put_u32(file, header + 12, static_cast<u32>(crc32_z(0, file.data() + header + 20, length)));
    put_u32(file, header + 16, static_cast<u32>(crc32_z(0, file.data() + header, 16)));
}

} // namespace

TEST_CASE("recording: replayed twice with equal hashes, to the last state") {
    const Folder folder;
    const std::string path = folder.file("run.rec");
    const Recorded recorded = record(path);
    const Recording recording = open(path);
    CHECK(recording.complete());
    CHECK(recording.frontier() == recorded.frontier);
    CHECK(recording.inputs() > 5);
    CHECK(recording.digests() > 8);
    for (int round = 0; round < 2; ++round) {
        Replayed replay;
        prepare(recording, replay);
        const auto outcome = recording.run(*replay.machine, *replay.timeline);
        REQUIRE(outcome.has_value());
        CHECK_MESSAGE(outcome->same, outcome->text);
        CHECK(replay.machine->state_hash() == recorded.hash);
        CHECK(replay.serial.text == recorded.serial);
    }
}

TEST_CASE("recording: in the debugger one goes back and forth in it, and can leave it") {
    const Folder folder;
    const std::string path = folder.file("run.rec");
    const Recorded recorded = record(path);
    const Recording recording = open(path);
    Replayed replay;
    prepare(recording, replay);
    Timeline& timeline = *replay.timeline;
    CHECK(timeline.replaying());
    CHECK_FALSE(timeline.inject(KeyInput{0x1E, false, true}).has_value());
    REQUIRE(timeline.go_to(5'000'000).has_value());
    const u64 there = replay.machine->state_hash();
    CHECK(timeline.run(never) == StopReason::limit); // the recording's end
    CHECK(timeline.at_frontier());
    CHECK(replay.machine->state_hash() == recorded.hash);
    REQUIRE(timeline.go_to(5'000'000).has_value());
    CHECK(replay.machine->state_hash() == there);
    CHECK_FALSE(timeline.diverged().has_value());
    timeline.leave_future();
    CHECK_FALSE(timeline.replaying());
    CHECK(timeline.frontier().instructions == 5'000'000);
    CHECK(timeline.inject(KeyInput{0x1E, false, true}).has_value());
    timeline.run(never, end + 100);
    CHECK(timeline.now().instructions == end + 100);
}

TEST_CASE("recording: going back as it is recorded, other futures and changes by hand") {
    const Folder folder;
    const std::string path = folder.file("run.rec");
    const Recorded recorded = record(path, demo_config(), [](Timeline& timeline) {
        REQUIRE(timeline.go_to(6'500'000).has_value());
        REQUIRE(timeline.inject(KeyInput{0x10, false, true}).has_value());
        timeline.run(never, 7'700'000);
        timeline.machine().board().memory.write(PhysAddress{0x70'0000}, 4, 0x1234'5678);
        timeline.changed_by_hand();
        timeline.run(never, 8'800'000);
        REQUIRE(timeline.go_to(8'000'000).has_value()); // the recording's end
    });
    const Recording recording = open(path);
    CHECK(recording.frontier().instructions == 8'000'000);
    Replayed replay;
    prepare(recording, replay);
    const auto outcome = recording.run(*replay.machine, *replay.timeline);
    REQUIRE(outcome.has_value());
    CHECK_MESSAGE(outcome->same, outcome->text);
    CHECK(replay.machine->state_hash() == recorded.hash);
    REQUIRE(replay.timeline->go_to(7'000'000).has_value());
    CHECK(replay.machine->board().memory.read(PhysAddress{0x70'0000}, 4) == 0);
    REQUIRE(replay.timeline->go_to(7'800'000).has_value());
    CHECK(replay.machine->board().memory.read(PhysAddress{0x70'0000}, 4) == 0x1234'5678);
}

TEST_CASE("recording: what happens at its last instant is part of it") {
    const Folder folder;
    const std::string path = folder.file("run.rec");
    const Recorded recorded = record(path, demo_config(), [](Timeline& timeline) {
        REQUIRE(timeline.inject(KeyInput{0x10, false, true}).has_value());
        REQUIRE(timeline.inject(ResetInput{}).has_value());
    });
    const Recording recording = open(path);
    CHECK(recording.frontier().instructions == end);
    Replayed replay;
    prepare(recording, replay);
    while (!replay.timeline->at_frontier()) replay.timeline->run(replay.timeline->now().time + millisecond);
    const auto same = recording.verify(*replay.machine, *replay.timeline);
    CHECK_MESSAGE(same.has_value(), same.error().message);
    CHECK(replay.machine->state_hash() == recorded.hash);
}

TEST_CASE("recording: of disks, media and the end of the guest") {
    const Folder folder;
    auto config = disk_config(folder.write("disk", bootable(disk_writer())));
    config.floppies = {{folder.write("a", std::vector<u8>(1'474'560, 1))}};
    folder.write("b", std::vector<u8>(1'474'560, 2));
    const std::string path = folder.file("run.rec");
    u64 hash = 0;
    {
        auto machine = create(config);
        Timeline timeline(*machine);
        auto recorder = Recorder::create(path, *machine, timeline);
        REQUIRE(recorder.has_value());
        timeline.run(never, 20'000'000);
        REQUIRE(timeline.inject(MediaInput{MediaInput::Drive::floppy0, folder.file("b"), false}).has_value());
        timeline.run(never, 30'000'000);
        REQUIRE((*recorder)->finish().has_value());
        hash = machine->state_hash();
    }
    Recording recording = open(path);
    {
        Replayed replay;
        prepare(recording, replay);
        const auto outcome = recording.run(*replay.machine, *replay.timeline);
        REQUIRE(outcome.has_value());
        CHECK_MESSAGE(outcome->same, outcome->text);
        CHECK(replay.machine->state_hash() == hash);
    }
    // Files elsewhere, changed or missing.
    MachineConfig moved = recording.config();
    moved.disks[0].path = folder.write("copy", folder.read("disk"));
    CHECK(recording.check_files(moved).has_value());
    auto changed = folder.read("disk");
    changed[5000] ^= 1;
    folder.write("copy", changed);
    auto check = recording.check_files(moved);
    REQUIRE_FALSE(check.has_value());
    CHECK(check.error().message.find("disk 1") != std::string::npos);
    moved.disks[0].path = folder.file("nowhere");
    CHECK_FALSE(recording.check_files(moved).has_value());
    moved.disks.clear();
    CHECK_FALSE(recording.check_files(moved).has_value());
    const auto refused = [&] {
        auto machine = create(recording.config());
        Timeline timeline(*machine);
        return !recording.begin(*machine, timeline, {}).has_value();
    };
    std::filesystem::rename(folder.file("b"), folder.file("c"));
    CHECK(refused());
    recording.rename_medium(folder.file("b"), folder.file("c"));
    CHECK_FALSE(refused());
    folder.write("c", std::vector<u8>(1'474'560, 3));
    CHECK(refused());
}

TEST_CASE("recording: a machine that goes another way is found out, between which hashes") {
    const Folder folder;
    const std::string path = folder.file("run.rec");
    record(path);
    const Recording recording = open(path);
    Replayed replay;
    prepare(recording, replay);
    replay.timeline->run(never, 4'300'000);
    replay.machine->board().memory.write(PhysAddress{0x70'0000}, 1, 1); // as a defect of the emulator would
    const auto outcome = recording.run(*replay.machine, *replay.timeline);
    REQUIRE(outcome.has_value());
    CHECK_FALSE(outcome->same);
    const auto where = replay.timeline->diverged();
    REQUIRE(where.has_value());
    CHECK(where->after <= 4'300'000);
    CHECK(where->before > 4'300'000);
    CHECK(where->before - where->after <= 1'000'000);
    CHECK(outcome->text.find(std::to_string(where->before)) != std::string::npos);
}

TEST_CASE("recording: what there is of it is good wherever it breaks off") {
    const Folder folder;
    const std::string path = folder.file("run.rec");
    record(path, false);
    {
        const Recording recording = open(path);
        CHECK_FALSE(recording.complete());
        Replayed replay;
        prepare(recording, replay);
        const auto outcome = recording.run(*replay.machine, *replay.timeline);
        REQUIRE(outcome.has_value());
        CHECK_MESSAGE(outcome->same, outcome->text);
    }
    record(path);
    const std::vector<u8> file = folder.read("run.rec");
    const auto cuts = boundaries(file);
    REQUIRE(cuts.back() == file.size());
    u64 reached = 0;
    for (std::size_t i = 0; i < cuts.size(); ++i) {
        for (const std::size_t more : {0u, 1u, 19u, 20u, 25u}) {
            const std::size_t size = cuts[i] + more;
            if (size > file.size()) continue;
            CAPTURE(size);
            const auto cut = folder.write("cut.rec", {file.begin(), file.begin() + static_cast<long>(size)});
            const auto recording = Recording::open(cut);
            CHECK(recording.has_value() == (i >= 2));
            if (!recording) continue;
            CHECK(recording->complete() == (size == file.size()));
            CHECK(recording->frontier().instructions >= reached);
            reached = recording->frontier().instructions;
        }
    }
    CHECK(reached == end);
    for (const std::size_t size : {0u, 7u, 11u})
        CHECK_FALSE(refusal(folder.write("cut.rec", {file.begin(), file.begin() + static_cast<long>(size)})).empty());
    CHECK_FALSE(refusal(folder.file("absent.rec")).empty());
    CHECK_FALSE(refusal("/").empty());
}

TEST_CASE("recording: damage and lies are refused with the offset") {
    const Folder folder;
    const std::string path = folder.file("run.rec");
    record(path);
    const std::vector<u8> file = folder.read("run.rec");
    const auto cuts = boundaries(file);
    // A flipped bit anywhere.
    u64 random = 12345;
    for (int i = 0; i < 60; ++i) {
        random = random * 6364136223846793005 + 1442695040888963407;
        auto bad = file;
        const std::size_t at = i < 40 ? cuts[static_cast<std::size_t>(random >> 33) % (cuts.size() - 1)] + i % 24
                                      : static_cast<std::size_t>(random >> 33) % file.size();
        if (at >= bad.size()) continue;
        bad[at] ^= static_cast<u8>(1u << (random >> 60 & 7));
        CAPTURE(at);
        const std::string why = refusal(folder.write("bad.rec", bad));
        CHECK(why.find("offset") != std::string::npos);
    }
    // Contents that lie, with checksums that hold: an error or a recording, never a crash.
    int refused = 0, tried = 0;
    for (std::size_t c = 0; c + 1 < cuts.size(); ++c) {
        const std::size_t length = cuts[c + 1] - cuts[c] - 20;
        for (std::size_t at = 0; at < std::min<std::size_t>(length, 40); at += c < 2 ? 1 : 7) {
            auto bad = file;
            bad[cuts[c] + 20 + at] ^= 0xFF;
            repair(bad, cuts[c], length);
            ++tried;
            if (!refusal(folder.write("bad.rec", bad)).empty()) ++refused;
        }
    }
    CHECK(tried > 50);
    CHECK(refused > tried / 4);
    // Lengths that lie in headers whose checksum holds.
    for (const u64 length : {u64{1} << 63, ~u64{0}, u64{1} << 40, u64{33} << 20, u64{0}}) {
        auto bad = file;
        for (unsigned i = 0; i < 8; ++i) bad[cuts[0] + 4 + i] = static_cast<u8>(length >> (8 * i));
        put_u32(bad, cuts[0] + 16, static_cast<u32>(crc32_z(0, bad.data() + cuts[0], 16)));
        CHECK_FALSE(refusal(folder.write("bad.rec", bad)).empty());
    }
    // Something after the end, and a second end.
    auto longer = file;
    longer.push_back(0);
    CHECK_FALSE(refusal(folder.write("bad.rec", longer)).empty());
    longer = file;
    longer.insert(longer.end(), file.begin() + static_cast<long>(cuts[cuts.size() - 2]), file.end());
    CHECK_FALSE(refusal(folder.write("bad.rec", longer)).empty());
}

TEST_CASE("recording: a snapshot in it that lies is refused when it is used") {
    const Folder folder;
    const std::string path = folder.file("run.rec");
    record(path);
    auto file = folder.read("run.rec");
    const auto cuts = boundaries(file);
    const std::size_t length = cuts[2] - cuts[1] - 20;
    file[cuts[1] + 20 + length / 2] ^= 0x40;
    repair(file, cuts[1], length);
    const Recording recording = open(folder.write("bad.rec", file));
    auto machine = create(recording.config());
    Timeline timeline(*machine);
    const auto begun = recording.begin(*machine, timeline, {});
    REQUIRE_FALSE(begun.has_value());
    CHECK(begun.error().message.find("offset") != std::string::npos);
}

TEST_CASE("recording: what cannot be recorded says so") {
    const Folder folder;
    auto config = disk_config(folder.write("disk", bootable(disk_writer())));
    config.keep_media = false;
    auto machine = create(config);
    Timeline timeline(*machine);
    CHECK_FALSE(Recorder::create(folder.file("run.rec"), *machine, timeline).has_value());
    auto demo = create(demo_config());
    Timeline another(*demo);
    CHECK_FALSE(Recorder::create("/nowhere/run.rec", *demo, another).has_value());
}
