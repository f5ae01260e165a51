#include "machine/history/recording.hpp"

#include "machine/snapshot.hpp"
#include "mmu/park.hpp"

#include <algorithm>
#include <chrono>

namespace glassbox {

namespace {

/// Snapshots are where executions can begin without those before: they cost this part of the time at most.
constexpr double share_of_snapshots = 0.02;
constexpr double seconds_between_snapshots = 10;

double host_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

} // namespace

Expected<std::unique_ptr<Recorder>> Recorder::create(const std::string& path, Machine& machine, Timeline& timeline) {
    if (const std::string* medium = machine.board().written_at_once())
        return fail("'" + *medium +
                    "' is written at once, which a recording cannot take back: the machine has to be "
                    "started with its media kept (MachineConfig::keep_media)");
    if (timeline.replaying()) return fail("a machine that replays a recording cannot be recorded: leave it first");
    auto writer = RecordingWriter::create(path);
    if (!writer) return tl::unexpected(writer.error());
    std::unique_ptr<Recorder> recorder(new Recorder(std::move(*writer), machine, timeline));
    if (auto done = recorder->describe_machine(); !done) return tl::unexpected(done.error());
    timeline.begin_here();
    recorder->snapshot(ChunkKind::snapshot, {timeline.now(), 0, true});
    recorder->last_digest_ = machine.instructions();
    timeline.set_listener(recorder.get());
    if (auto status = recorder->status(); !status) return tl::unexpected(status.error());
    return recorder;
}

Recorder::~Recorder() {
    if (!finished_) timeline_.set_listener(nullptr);
}

Expected<> Recorder::describe_machine() {
    MachineConfig config = machine_.board().config;
    const auto named = files_of(config);
    if (!named) return tl::unexpected(named.error());
    std::vector<RecordedFile> files;
    for (const NamedFile& file : *named) {
        auto identity = identify_file(file.role, file.path);
        if (!identity) return tl::unexpected(identity.error());
        files.push_back(std::move(*identity));
    }
    Archive archive = Archive::saver();
    persist_config(archive, config);
    archive(files);
    writer_->write(ChunkKind::configuration, archive.bytes());
    return {};
}

void Recorder::snapshot(ChunkKind kind, const Position& position) {
    const double start = host_seconds();
    Archive archive = Archive::saver();
    Position copy = position;
    persist_position(archive, copy);
    Archive translations = Archive::saver();
    for (unsigned i = 0; i < machine_.processors(); ++i) persist_tlb(machine_.cpu(i), translations);
    archive.bounded(translations.bytes(), ~u64{0});
    std::vector<u8> payload = std::move(archive.bytes());
    const std::vector<u8> state = take_snapshot(machine_.board());
    payload.insert(payload.end(), state.begin(), state.end());
    writer_->write(kind, payload);
    since_ = host_seconds();
    last_cost_ = since_ - start;
}

void Recorder::injected(const Moment& at, bool settled, const Input& input) {
    Archive archive = Archive::saver();
    Moment moment = at;
    Input copy = input;
    RecordedFile medium;
    if (const auto* media = std::get_if<MediaInput>(&input); media && !media->path.empty()) {
        if (auto identity = identify_file("medium", media->path)) medium = std::move(*identity);
    }
    persist_moment(archive, moment);
    archive(settled);
    persist_input(archive, copy);
    archive(medium);
    writer_->write(ChunkKind::input, archive.bytes());
}

void Recorder::changed_by_hand(const Moment& at, bool settled) {
    snapshot(ChunkKind::by_hand, {at, timeline_.entries(), settled});
}

void Recorder::future_dropped(const Moment& now, u64 entries) {
    Archive archive = Archive::saver();
    Moment moment = now;
    persist_moment(archive, moment);
    archive(entries);
    writer_->write(ChunkKind::dropped, archive.bytes());
    last_digest_ = std::min(last_digest_, now.instructions);
}

void Recorder::checkpoint(const Checkpoint& checkpoint) {
    if (checkpoint.instructions() <= last_digest_) return;
    last_digest_ = checkpoint.instructions();
    Archive archive = Archive::saver();
    Moment moment = checkpoint.position.moment;
    u64 digest = digest_of(checkpoint);
    persist_moment(archive, moment);
    archive(digest);
    writer_->write(ChunkKind::digest, archive.bytes());
    if (host_seconds() - since_ > std::max(seconds_between_snapshots, last_cost_ / share_of_snapshots))
        snapshot(ChunkKind::snapshot, checkpoint.position);
}

Expected<> Recorder::finish() {
    if (finished_) return status();
    finished_ = true;
    timeline_.set_listener(nullptr);
    Moment now = timeline_.now();
    if (now < timeline_.frontier()) future_dropped(now, timeline_.entries());
    (void)timeline_.run(now.time, now.instructions); // what is due at this instant is done, as when it is replayed
    Archive archive = Archive::saver();
    u64 hash = machine_.state_hash(), entries = timeline_.entries();
    persist_moment(archive, now);
    archive(entries, hash);
    writer_->write(ChunkKind::end, archive.bytes());
    return status();
}

} // namespace glassbox
