// The real machine behind the Guest interface.
#include "frontend/guest.hpp"

#include "debugger/debugger.hpp"
#include "debugger/explain/explain.hpp"

#include <algorithm>

namespace glassbox {

namespace {

class MachineGuest final : public Guest {
  public:
    explicit MachineGuest(std::unique_ptr<Machine> machine)
        : machine_(std::move(machine)), timeline_(*machine_), debugger_(*machine_, timeline_) {}
    ~MachineGuest() override {
        if (tracer_ != nullptr) tracer_->finish(source_.get());
    }
    MachineGuest(const MachineGuest&) = delete;
    MachineGuest& operator=(const MachineGuest&) = delete;

    StopReason run(Time until, u64 max_instructions) override {
        if (tracer_ == nullptr) return go(until, max_instructions);
        // Nothing is observed, and the guest runs at its full speed, before the first line and after the last one.
        const u64 first = tracer_->filter().from;
        if (machine_->instructions() < first) {
            const StopReason reason = go(until, std::min(first, max_instructions));
            if (reason != StopReason::limit || machine_->instructions() < first) return reason;
        }
        observe(!tracer_->done());
        return go(until, max_instructions);
    }
    Time now() const override { return machine_->now(); }
    u64 instructions() const override { return machine_->instructions(); }
    Time idle_until() const override { return machine_->idle_until(); }
    int exit_status() const override { return machine_->exit_status(); }
    Expected<> inject(const Input& input) override {
        // Behind the frontier only what a person does on purpose begins another future.
        if (!live()) {
            if (std::holds_alternative<MouseInput>(input) || std::holds_alternative<SkipTimeInput>(input)) return {};
            if (std::holds_alternative<SerialInput>(input)) return fail("the machine repeats what it did before");
            if (timeline_.replaying()) return fail("the machine repeats a recording");
        }
        return timeline_.inject(input);
    }
    const DisplaySource& display() const override { return machine_->display(); }
    std::string processor_mode() const override { return machine_->processor_mode(); }
    Expected<> save(const std::string& path) override { return machine_->save(path); }
    Expected<> load(const std::string& path) override { return machine_->load(path); }
    u64 state_hash() override { return machine_->state_hash(); }
    std::string autopsy() const override { return explain_triple_fault(*machine_, names_); }
    void on_triple_fault(std::function<void(const std::string& why)> told) override {
        machine_->board().on_triple_fault = [this, told = std::move(told)] {
            told(summarize_triple_fault(*machine_, names_));
        };
    }

    void trace(Tracer& tracer) override {
        tracer_ = &tracer;
        source_ = make_trace_source(*machine_);
    }

    Debugger* debugger() override { return &debugger_; }
    void engage_debugger() override { engaged_ = true; }
    bool live() const override { return !timeline_.active() || (!timeline_.replaying() && timeline_.at_frontier()); }

    Expected<> record(const std::string& path, const HistoryOptions& options) override {
        timeline_.begin(options);
        auto recorder = Recorder::create(path, *machine_, timeline_);
        if (!recorder) return tl::unexpected(recorder.error());
        recorder_ = *std::move(recorder);
        return {};
    }
    Expected<> end_recording() override { return recorder_ ? recorder_->finish() : Expected<>{}; }
    Expected<> replay(Recording recording, const HistoryOptions& options) override {
        recording_.emplace(std::move(recording));
        return recording_->begin(*machine_, timeline_, options);
    }
    bool finished() const override {
        return recording_ && timeline_.replaying() && (timeline_.at_frontier() || timeline_.diverged());
    }
    std::optional<Verdict> verdict() override {
        if (!recording_ || !timeline_.replaying()) return std::nullopt;
        if (!timeline_.at_frontier() && !timeline_.diverged())
            return Verdict{"the recording was not repeated to its end", false};
        const auto same = recording_->verify(*machine_, timeline_);
        if (!same) return Verdict{same.error().message, true};
        return Verdict{"the recording was repeated: " + std::to_string(machine_->instructions()) + " instructions, " +
                           std::to_string(recording_->digests()) + " digests of the state agree" +
                           (recording_->complete() ? "" : "; its end is missing"),
                       false};
    }

  private:
    StopReason go(Time until, u64 max_instructions) {
        return engaged_ ? debugger_.run(until, max_instructions) : timeline_.run(until, max_instructions);
    }
    void observe(bool on) {
        if (on == observing_) return;
        observing_ = on;
        if (!on) return machine_->set_observer({});
        machine_->set_observer([this](Cpu&) { tracer_->before_instruction(*source_); });
    }

    std::unique_ptr<Machine> machine_;
    Timeline timeline_;
    Debugger debugger_;
    AddressNames names_ = names_of(debugger_);
    bool engaged_ = false;
    std::unique_ptr<Recorder> recorder_; ///< listens to the timeline
    std::optional<Recording> recording_;
    std::unique_ptr<TraceSource> source_;
    Tracer* tracer_ = nullptr;
    bool observing_ = false;
};

} // namespace

std::unique_ptr<Guest> make_guest(std::unique_ptr<Machine> machine) {
    return std::make_unique<MachineGuest>(std::move(machine));
}

} // namespace glassbox
