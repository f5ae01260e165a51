// The machine as the run loop and the script see it. `Machine` is behind it in the program, a puppet in the tests.
#pragma once

#include "frontend/trace.hpp"
#include "machine/history/recording.hpp"
#include "machine/machine.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace glassbox {

class Debugger;

class Guest {
  public:
    virtual ~Guest() = default;
    virtual StopReason run(Time until, u64 max_instructions) = 0;
    virtual Time now() const = 0;
    virtual u64 instructions() const = 0;
    /// As Machine::idle_until(): later than `now()` while the processor is halted.
    virtual Time idle_until() const = 0;
    virtual int exit_status() const = 0;
    virtual Expected<> inject(const Input& input) = 0;
    virtual const DisplaySource& display() const = 0;
    virtual std::string processor_mode() const = 0;
    virtual Expected<> save(const std::string& path) = 0;
    virtual Expected<> load(const std::string& path) = 0;
    virtual u64 state_hash() = 0;
    virtual std::string autopsy() const = 0;
    /// Told, once, why the guest triple-faults before that resets it.
    virtual void on_triple_fault(std::function<void(const std::string& why)> told) { static_cast<void>(told); }
    /// Writes what passes the filter from now on. The tracer outlives the guest.
    virtual void trace(Tracer& tracer) = 0;

    /// The debugger of the machine, or null. `run` goes through it from `engage_debugger` on.
    virtual Debugger* debugger() { return nullptr; }
    virtual void engage_debugger() {}
    /// False while it repeats what it did before: an input would begin another future.
    virtual bool live() const { return true; }

    /// Writes everything about the run to a file from now on; the error of `end_recording` is the first that occurred.
    virtual Expected<> record(const std::string& path, const HistoryOptions& options);
    virtual Expected<> end_recording() { return {}; }
    /// Does again what the recording says; the machine was made of its configuration.
    virtual Expected<> replay(Recording recording, const HistoryOptions& options);
    /// The recording is over.
    virtual bool finished() const { return false; }

    /// What a run that checks something has come to; asked once, when it is over.
    struct Verdict {
        std::string text; ///< complete lines
        bool failed = false;
    };
    virtual std::optional<Verdict> verdict() { return std::nullopt; }
};

inline Expected<> Guest::record(const std::string&, const HistoryOptions&) {
    return fail("two machines in lockstep cannot be recorded");
}
inline Expected<> Guest::replay(Recording, const HistoryOptions&) {
    return fail("two machines in lockstep cannot repeat a recording");
}

std::unique_ptr<Guest> make_guest(std::unique_ptr<Machine> machine);
/// Two machines of this configuration side by side, one of them with another engine, compared every so many
/// instructions. What they write to drives is forgotten.
Expected<std::unique_ptr<Guest>> make_lockstep_guest(const MachineConfig& config, const EngineOptions& second_engine,
                                                     u64 every, const HostPorts& ports);

} // namespace glassbox
