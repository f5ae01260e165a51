// A whole PC as its user sees it: run it, feed it, look at it, save it.
#pragma once

#include "bus/byte_sink.hpp"
#include "bus/error.hpp"
#include "bus/types.hpp"
#include "devices/vga/frame.hpp"
#include "machine/config.hpp"
#include "machine/input.hpp"

#include <array>
#include <functional>
#include <memory>
#include <string>

namespace glassbox {

class Board;
class BusProbe;
class Probe;
struct Cpu;

/// Where the machine's bytes go on the host. Null: dropped. The sinks outlive the machine.
struct HostPorts {
    std::array<ByteSink*, 4> serial{};
    ByteSink* parallel = nullptr;
    ByteSink* debug_console = nullptr;
};

enum class StopReason : u8 {
    limit,        ///< the slice asked for is over
    power_off,    ///< ACPI soft-off
    exit_port,    ///< a byte was written to the exit port: `exit_status()`
    triple_fault, ///< with `stop_on_triple_fault`
    breakpoint,   ///< `request_stop` was called
    diverged,     ///< two machines in lockstep differ (machine/lockstep.hpp)
    idle_forever, ///< halted with interrupts off and no NMI source: nothing will ever happen without input
};

/// What observes every instruction (`--trace`). Called before each one; costs nothing while none is set.
using InstructionObserver = std::function<void(Cpu&)>;

class Machine {
  public:
    static Expected<std::unique_ptr<Machine>> create(const MachineConfig& config, const HostPorts& ports);
    ~Machine();

    /// Runs until `now()` reaches `until`, `instructions()` reaches `max_instructions`, or something stops the machine.
    StopReason run(Time until, u64 max_instructions = ~u64{0});
    /// Ends the present `run`, or the next one, between two instructions. From a probe: before the instruction that it
    /// is asked about, else after the one that is executing.
    void request_stop();
    Time now() const;
    u64 instructions() const;
    /// The processor is halted and nothing but an input or this time's event will wake it: for `--clock realtime`.
    Time idle_until() const;
    u8 exit_status() const;

    /// Applies an input now, between two instructions. The error tells why a medium could not be changed.
    Expected<> inject(const Input& input);

    const DisplaySource& display() const;
    u8 keyboard_leds() const; ///< bit 0 scroll, 1 num, 2 caps
    /// For the title line: a word on the disks' activity and the processor's mode.
    std::string processor_mode() const;

    Expected<> save(const std::string& path);
    /// On an error the machine is as it was.
    Expected<> load(const std::string& path);
    /// A hash of everything the guest could observe.
    u64 state_hash();

    /// What stopped the machine, in words, for `triple_fault` and `idle_forever`: registers and the chain of faults.
    std::string autopsy() const;

    void set_observer(const InstructionObserver& observer);
    /// Debuggers and the like, which outlive their attachment (cpu/probe.hpp, bus/probe.hpp). Several may listen: each
    /// hears everything, and one that wants to stop is enough.
    void attach(Probe& probe);
    void attach(BusProbe& probe);
    void detach(Probe& probe);
    void detach(BusProbe& probe);
    /// What the probes want of code and pages has changed: the questions are asked anew. Nothing of it shows in the
    /// guest.
    void probes_changed();
    /// Every instruction comes to Probe::before_instruction while anybody wants that.
    void set_every_instruction(Probe& probe, bool on);
    /// The processor that executes now, or did last; `processors()` of them are numbered from 0.
    Cpu& cpu();
    Cpu& cpu(unsigned number);
    unsigned processors() const;
    Board& board();

  private:
    explicit Machine(std::unique_ptr<Board> board);
    std::unique_ptr<Board> board_;
};

} // namespace glassbox
