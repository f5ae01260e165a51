#include "machine/history/recording.hpp"

#include "machine/snapshot.hpp"
#include "mmu/park.hpp"

#include <algorithm>
#include <cinttypes>

namespace glassbox {

namespace {

constexpr u64 most_memory = u64{16} << 30, least_memory = u64{1} << 20;
constexpr u64 most_entries = 50'000'000;

std::string count(u64 n) { return std::to_string(n); }

/// Snapshots of the file are trusted no more than others.
Expected<> load(Machine& machine, const RecordingReader& reader, const RecordedChunk& chunk, u64 offset) {
    const auto data = reader.payload(chunk);
    if (!data) return tl::unexpected(data.error());
    Archive archive = Archive::loader(std::span(*data).subspan(offset));
    std::vector<u8> translations;
    archive.bounded(translations, u64{1} << 30);
    if (!archive.ok()) return reader.bad(chunk.offset, archive.reason());
    const std::size_t snapshot = offset + 8 + translations.size();
    if (auto done = restore_snapshot(machine.board(), std::span(*data).subspan(snapshot)); !done)
        return reader.bad(chunk.offset + snapshot, done.error().message);
    Archive tlbs = Archive::loader(translations);
    for (unsigned i = 0; i < machine.processors(); ++i) persist_tlb(machine.cpu(i), tlbs);
    if (!tlbs.ok() || !tlbs.at_end()) return reader.bad(chunk.offset + offset, "its translations: " + tlbs.reason());
    return {};
}

} // namespace

Expected<Recording> Recording::open(const std::string& path) {
    auto reader = RecordingReader::open(path);
    if (!reader) return tl::unexpected(reader.error());
    Recording recording;
    recording.reader_ = std::move(*reader);
    const auto& chunks = recording.reader_->chunks();
    if (chunks.size() < 2 || chunks[0].kind != ChunkKind::configuration || chunks[1].kind != ChunkKind::snapshot)
        return recording.reader_->bad(recording.reader_->whole(),
                                      "it breaks off before the machine has begun to run, or begins otherwise");
    for (const RecordedChunk& chunk : chunks) {
        if (auto done = recording.read(chunk); !done) return tl::unexpected(done.error());
    }
    return recording;
}

Expected<> Recording::read(const RecordedChunk& chunk) {
    std::vector<u8> data;
    const bool first = chunk.offset == reader_->chunks()[0].offset;
    const bool large = chunk.kind == ChunkKind::snapshot || chunk.kind == ChunkKind::by_hand;
    RecordedChunk part = chunk;
    if (large) part.length = std::min<u64>(chunk.length, 64); // the position; the rest is read when it is needed
    auto bytes = reader_->payload(part);
    if (!bytes) return tl::unexpected(bytes.error());
    Archive archive = Archive::loader(*bytes);
    switch (chunk.kind) {
    case ChunkKind::configuration:
        if (!first) return reader_->bad(chunk.offset, "it describes a second machine");
        if (auto done = read_configuration(archive); !done) return done;
        break;
    case ChunkKind::snapshot:
    case ChunkKind::by_hand: read_snapshot(archive, chunk); break;
    case ChunkKind::input: read_input(archive); break;
    case ChunkKind::digest: read_digest(archive); break;
    case ChunkKind::dropped: read_dropped(archive); break;
    case ChunkKind::end: read_end(archive); break;
    }
    if (archive.ok() && !large && !archive.at_end()) archive.refuse("something follows what it holds");
    if (!archive.ok()) return reader_->bad(chunk.offset, archive.reason());
    return {};
}

Expected<> Recording::read_configuration(Archive& archive) {
    persist_config(archive, config_);
    archive.require(config_.memory_bytes >= least_memory && config_.memory_bytes <= most_memory &&
                        config_.memory_bytes % page_size == 0,
                    "the machine has an impossible amount of memory");
    archive.require(config_.serial_ports <= 4, "the machine has too many serial ports");
    archive.require(config_.instructions_per_second <= 1'000'000'000'000, "the machine is impossibly fast");
    u64 files = 0;
    archive(files);
    archive.require(files < 64, "it names too many files");
    for (u64 i = 0; i < files && archive.ok(); ++i) archive(files_.emplace_back());
    config_.keep_media = true;
    for (DriveConfig& drive : config_.disks) drive.discard_writes = !drive.read_only;
    for (DriveConfig& drive : config_.floppies) drive.discard_writes = !drive.read_only;
    return {};
}

/// Chunks come in the order of time.
void Recording::advance(Archive& archive, const Moment& to) {
    archive.require(!(to < frontier_) && to.time < never, "it goes back in time");
    archive.require(to.instructions >= frontier_.instructions, "instructions are taken back");
    if (archive.ok()) frontier_ = to;
}

void Recording::read_snapshot(Archive& archive, const RecordedChunk& chunk) {
    Snapshot snapshot;
    persist_position(archive, snapshot.position);
    archive.require(snapshot.position.entries == entries_.size(), "it counts its inputs otherwise");
    if (snapshots_.empty()) frontier_ = snapshot.position.moment;
    advance(archive, snapshot.position.moment);
    archive.require(entries_.size() < most_entries, "it has too many inputs");
    if (!archive.ok()) return;
    snapshot.chunk = chunk;
    snapshot.offset = 25;
    if (chunk.kind == ChunkKind::snapshot) {
        snapshots_.push_back(snapshot);
        return;
    }
    Entry entry;
    entry.at = snapshot.position.moment;
    entry.settled = snapshot.position.settled;
    entry.by_hand = snapshot;
    entries_.push_back(std::move(entry));
}

void Recording::read_input(Archive& archive) {
    Entry entry;
    persist_moment(archive, entry.at);
    archive(entry.settled);
    persist_input(archive, entry.input);
    archive(entry.medium);
    advance(archive, entry.at);
    archive.require(entries_.size() < most_entries, "it has too many inputs");
    if (!archive.ok()) return;
    if (const auto* skip = std::get_if<SkipTimeInput>(&entry.input)) {
        archive.require(skip->duration < never - entry.at.time, "it skips more time than there is");
        if (archive.ok()) frontier_.time = std::max(frontier_.time, entry.at.time + skip->duration);
    }
    if (archive.ok()) entries_.push_back(std::move(entry));
}

void Recording::read_digest(Archive& archive) {
    Moment at;
    Future::Expectation expectation;
    persist_moment(archive, at);
    archive(expectation.digest);
    expectation.instructions = at.instructions;
    advance(archive, at);
    archive.require(digests_.empty() || digests_.back().instructions < at.instructions, "its hashes are out of order");
    if (archive.ok()) digests_.push_back(expectation);
}

void Recording::read_dropped(Archive& archive) {
    Moment now;
    u64 entries = 0;
    persist_moment(archive, now);
    archive(entries);
    archive.require(entries <= entries_.size(), "it drops inputs that never were");
    archive.require(!(now < start()) && !(frontier_ < now), "it goes back to where it has not been");
    if (!archive.ok()) return;
    entries_.resize(entries);
    archive.require(entries_.empty() || !(now < entries_.back().at), "it goes back to before what it keeps");
    std::erase_if(digests_, [&](const Future::Expectation& e) { return e.instructions > now.instructions; });
    std::erase_if(snapshots_,
                  [&](const Snapshot& s) { return s.position.entries > entries || now < s.position.moment; });
    frontier_ = now;
}

void Recording::read_end(Archive& archive) {
    Moment at;
    u64 entries = 0;
    persist_moment(archive, at);
    archive(entries, final_hash_);
    advance(archive, at);
    archive.require(entries == entries_.size(), "it counts its inputs otherwise");
    ended_ = archive.ok();
}

Expected<> Recording::check_files(const MachineConfig& config) const {
    const auto named = files_of(config);
    if (!named) return tl::unexpected(named.error());
    for (const RecordedFile& recorded : files_) {
        const auto found = std::find_if(named->begin(), named->end(),
                                        [&](const NamedFile& file) { return file.role == recorded.role; });
        if (found == named->end())
            return fail("the recorded machine had '" + recorded.path + "' (" + recorded.role + "), this one has not");
        if (auto same = check_file(recorded, found->path); !same) return same;
    }
    for (const NamedFile& file : *named) {
        if (std::none_of(files_.begin(), files_.end(), [&](const RecordedFile& f) { return f.role == file.role; }))
            return fail("the recorded machine had no " + file.role + ", this one has '" + file.path + "'");
    }
    return {};
}

void Recording::rename_medium(const std::string& recorded, const std::string& now) {
    renamed_.emplace_back(recorded, now);
}

Expected<> Recording::begin(Machine& machine, Timeline& timeline, const HistoryOptions& options, u64 from) const {
    const Snapshot* snapshot = &snapshots_.front();
    for (const Snapshot& s : snapshots_) {
        // One that was taken with other media than the machine begins with cannot be loaded.
        const auto changes = std::any_of(entries_.begin(), entries_.begin() + static_cast<i64>(s.position.entries),
                                         [](const Entry& e) { return std::holds_alternative<MediaInput>(e.input); });
        if (s.position.moment.instructions <= from && !changes) snapshot = &s;
    }
    Future future;
    future.frontier = frontier_;
    future.expectations = digests_;
    std::erase_if(future.expectations, [&](const Future::Expectation& e) {
        return e.instructions <= snapshot->position.moment.instructions;
    });
    for (std::size_t i = snapshot->position.entries; i < entries_.size(); ++i) {
        const Entry& entry = entries_[i];
        Future::Entry& copy = future.entries.emplace_back(Future::Entry{entry.at, entry.settled, entry.input});
        if (entry.by_hand) {
            copy.what = [reader = reader_, s = *entry.by_hand](Machine& m) {
                return load(m, *reader, s.chunk, s.offset);
            };
        } else if (const auto* media = std::get_if<MediaInput>(&entry.input); media && !media->path.empty()) {
            std::string path = media->path;
            for (const auto& [recorded, now] : renamed_) {
                if (recorded == media->path) path = now;
            }
            if (auto same = check_file(entry.medium, path); !same) return same;
            auto image = open_image(path, {.read_only = true});
            if (!image) return tl::unexpected(image.error());
            const bool cd = media->drive == MediaInput::Drive::cdrom;
            copy.medium = {std::move(*image), !media->read_only && !cd, nullptr, true};
        }
    }
    if (auto done = load(machine, *reader_, snapshot->chunk, snapshot->offset); !done) return done;
    const Moment now{machine.instructions(), machine.now()};
    if (now != snapshot->position.moment)
        return reader_->bad(snapshot->chunk.offset, "the snapshot is of another instant");
    timeline.begin(options);
    timeline.load_future(std::move(future));
    return {};
}

Expected<> Recording::verify(Machine& machine, const Timeline& timeline) const {
    if (const auto where = timeline.diverged())
        return fail("the machine went another way than the recording says, between instructions " +
                    count(where->after) + " and " + count(where->before));
    if (timeline.now() != frontier_)
        return fail("the recording ends at instruction " + count(frontier_.instructions) + ", the machine stopped at " +
                    count(machine.instructions()));
    if (ended_ && machine.state_hash() != final_hash_)
        return fail("the machine's last state differs from the recorded one, after instruction " +
                    count(digests_.empty() ? start().instructions : digests_.back().instructions) +
                    " where they were still the same");
    return {};
}

Expected<Recording::Outcome> Recording::run(Machine& machine, Timeline& timeline,
                                            const std::function<bool(double)>& progress) const {
    constexpr u64 step = 50'000'000;
    const u64 from = machine.instructions();
    const double all = static_cast<double>(frontier_.instructions - std::min(from, frontier_.instructions)) + 1;
    while (timeline.now() < frontier_ && !timeline.diverged()) {
        const Moment before = timeline.now();
        if (progress && !progress(static_cast<double>(before.instructions - from) / all))
            return fail("the replay was cancelled");
        const StopReason reason = timeline.run(never, before.instructions + step);
        if (timeline.now() == before && reason != StopReason::breakpoint) break;
    }
    (void)timeline.run(never); // what happened at the last moment
    if (auto same = verify(machine, timeline); !same) return Outcome{false, same.error().message};
    std::string text = "the same run: " + count(frontier_.instructions) + " instructions, " + count(inputs()) +
                       " inputs, " + count(digests()) + " hashes";
    text += ended_ ? ", and the same last state" : "; the recording breaks off there";
    return Outcome{true, text};
}

} // namespace glassbox
