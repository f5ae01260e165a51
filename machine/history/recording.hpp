// `--record FILE` and `--replay FILE`: the machine's configuration, what came from outside with the instants of it,
// digests of the state now and then, and snapshots; written as the machine runs, so that what there is of a recording
// is good whatever happens to the program (docs/history.md).
#pragma once

#include "machine/history/future.hpp"
#include "machine/history/recording_file.hpp"
#include "machine/history/recording_parts.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace glassbox {

class Recorder final : public TimelineListener {
  public:
    /// Begins with the present state. Begins the timeline's history, too, if that was not done. The machine and the
    /// timeline outlive the recorder.
    static Expected<std::unique_ptr<Recorder>> create(const std::string& path, Machine& machine, Timeline& timeline);
    ~Recorder() override;

    /// The first thing that could not be written.
    Expected<> status() const { return writer_->status(); }
    /// Ends the recording with the hash of all of the state at the frontier, or where the machine is if the user went
    /// back. Nothing is recorded after it.
    Expected<> finish();
    u64 size() const { return writer_->size(); } ///< bytes written

    void injected(const Moment& at, bool settled, const Input& input) override;
    void changed_by_hand(const Moment& at, bool settled) override;
    void future_dropped(const Moment& now, u64 entries) override;
    void checkpoint(const Checkpoint& checkpoint) override;

  private:
    Recorder(std::unique_ptr<RecordingWriter> writer, Machine& machine, Timeline& timeline)
        : writer_(std::move(writer)), machine_(machine), timeline_(timeline) {}
    Expected<> describe_machine();
    void snapshot(ChunkKind kind, const Position& position);

    std::unique_ptr<RecordingWriter> writer_;
    Machine& machine_;
    Timeline& timeline_;
    u64 last_digest_ = 0;  ///< the count of the last one
    double since_ = 0;     ///< seconds of the host at the last snapshot
    double last_cost_ = 0; ///< seconds that it took
    bool finished_ = false;
};

class Recording {
  public:
    /// Checks all of the file. A recording whose end is missing is usable up to where it breaks off.
    static Expected<Recording> open(const std::string& path);

    /// Of the recorded machine, with drives whose writes are forgotten. Paths may be changed before the machine is
    /// created: what they name must have the contents that it had.
    const MachineConfig& config() const { return config_; }
    Expected<> check_files(const MachineConfig& config) const;
    /// Gives a medium that was inserted as the machine ran another path.
    void rename_medium(const std::string& recorded, const std::string& now);

    Moment start() const { return snapshots_.front().position.moment; }
    Moment frontier() const { return frontier_; }
    bool complete() const { return ended_; } ///< else the program was killed before it could say so
    std::size_t inputs() const { return entries_.size(); }
    std::size_t digests() const { return digests_.size(); }

    /// Makes the machine, which was created of `config()`, what it was at the latest snapshot at or before `from`, and
    /// begins the timeline with what the recording says of later. Media that were inserted are opened now.
    Expected<> begin(Machine& machine, Timeline& timeline, const HistoryOptions& options, u64 from = 0) const;
    /// At the frontier: compares all of the state. The error says what differs, or where the machine went another way.
    Expected<> verify(Machine& machine, const Timeline& timeline) const;

    struct Outcome {
        bool same = false;
        std::string text; ///< a line on what was compared, or where the run diverged
    };
    /// Runs from where the machine is to the end. `progress` as in Timeline::go_to: false ends it with an error.
    Expected<Outcome> run(Machine& machine, Timeline& timeline, const std::function<bool(double)>& progress = {}) const;

  private:
    struct Snapshot {
        Position position;
        RecordedChunk chunk;
        u64 offset = 0; ///< of the rest in the chunk
    };
    struct Entry {
        Moment at;
        bool settled = false;
        Input input;
        RecordedFile medium;
        std::optional<Snapshot> by_hand;
    };
    Expected<> read(const RecordedChunk& chunk);
    Expected<> read_configuration(Archive& archive);
    void read_input(Archive& archive);
    void read_snapshot(Archive& archive, const RecordedChunk& chunk);
    void read_digest(Archive& archive);
    void read_dropped(Archive& archive);
    void read_end(Archive& archive);
    void advance(Archive& archive, const Moment& to);

    std::shared_ptr<RecordingReader> reader_;
    MachineConfig config_;
    std::vector<RecordedFile> files_;
    std::vector<Snapshot> snapshots_;
    std::vector<Entry> entries_;
    std::vector<Future::Expectation> digests_;
    Moment frontier_;
    bool ended_ = false;
    u64 final_hash_ = 0;
    std::vector<std::pair<std::string, std::string>> renamed_;
};

} // namespace glassbox
