// The debugger of one machine: its stop points, and how it runs, forwards and backwards. The console, the gdb stub and
// the front end all drive this object; none of them owns the machine.
#pragma once

#include "bus/error.hpp"
#include "debugger/control/stop.hpp"
#include "debugger/control/stop_point.hpp"
#include "debugger/explain/fault_log.hpp"
#include "debugger/look/register_text.hpp"
#include "debugger/symbols/symbols.hpp"
#include "machine/history/timeline.hpp"
#include "machine/machine.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace glassbox {

class Lint;

/// How far to go. Backwards, the same the other way round: `next` is over the call that returned here, `finish` to the
/// call of this function, `continue_on` to the last stop point that would have stopped.
struct Plan {
    enum class Kind : u8 {
        step,         ///< `count` instructions of the selected processor (or of whoever's turn it is); into calls,
                      ///< interrupts and REP repetitions as one
        next,         ///< the same, over CALL, INT, REP and LOOP
        step_range,   ///< as `step`, over hardware interrupts, until the instruction pointer (linear) is not in
                      ///< [`address`, `address` + `count`): gdb's steps. Forwards only
        step_line,    ///< to another source line (where there is none, as `step`)
        next_line,    ///< to another source line of this frame
        finish,       ///< until the function that is running has returned
        until,        ///< to `address` (linear)
        instructions, ///< `count` instructions of the machine, whoever executes them
        time,         ///< until virtual time `time`
        continue_on,
    };
    Kind kind = Kind::continue_on;
    u64 count = 1;
    u64 address = 0;
    Time time = 0;
    bool backwards = false;
    bool any_processor = false; ///< step: of whichever processor's turn it is, not of the selected one
};

/// Is told when the machine stops for its debugger and when it goes on.
class StopListener {
  public:
    virtual ~StopListener() = default;
    virtual void stopped(const Stop& stop) = 0;
    virtual void resumed() {}
};

class Debugger {
  public:
    /// Both outlive the debugger. The machine is taken as running until `interrupt` or `attach_stopped`.
    Debugger(Machine& machine, Timeline& timeline);
    ~Debugger();
    Debugger(const Debugger&) = delete;
    Debugger& operator=(const Debugger&) = delete;

    Machine& machine();
    Timeline& timeline();
    Symbols& symbols();
    /// The processor that commands look at: the one that stopped, until another is selected.
    unsigned processor() const;
    void select_processor(unsigned number);
    Cpu& cpu();

    // --- running ----------------------------------------------------------------------------------------------------
    bool running() const;
    const Stop& stop() const; ///< the last one
    /// Whether anything of the debugger was ever in use: only then does the machine's end count as a stop.
    bool entered() const;
    /// Stops here, before anything else happens.
    void attach_stopped(StopKind kind);
    /// Asks for a stop soon: Ctrl-C, the window's key, gdb's break. From the same thread.
    void interrupt(StopKind kind = StopKind::interrupted);
    /// Begins to run; `run` carries it out. Backwards it is carried out at once, and the machine is stopped afterwards.
    /// The error says why it is not possible; the machine is then stopped where it was.
    Expected<> resume(const Plan& plan);
    /// As Machine::run, for whoever owns the loop. StopReason::breakpoint: it is stopped now (also when it was).
    StopReason run(Time until, u64 max_instructions = ~u64{0});
    /// Carries the plan out to its end, for scripts.
    void run_to_stop();
    Expected<> go_to(u64 instructions);
    /// The same to an instant between instructions: a stop's, of `past_stops`.
    Expected<> go_to(const Moment& moment);
    /// Stop points do not hear what is executed until the next `run`: for those who look at the past and come back.
    void look_away();
    /// Where the machine has stopped before, oldest first.
    const std::vector<Stop>& past_stops() const;

    /// Somebody has changed registers, memory or devices: history is told, caches are dropped.
    void changed();

    // --- stop points -------------------------------------------------------------------------------------------------
    /// Returns the number. The error says why it cannot be (a condition that is no expression, a length of 0 …).
    Expected<unsigned> add(StopPoint point);
    bool remove(unsigned number);
    /// A condition besides that of its text, for as long as it exists; it has no effect on the guest. gdb's bytecode.
    void set_test(unsigned number, std::function<Expected<bool>(const Cpu&)> test);
    StopPoint* find(unsigned number);
    const std::vector<StopPoint>& stop_points() const;
    /// After a change of what `find` returned.
    void stop_points_changed();
    void set_magic_break(bool on);
    bool magic_break() const;

    // --- surroundings ------------------------------------------------------------------------------------------------
    void add_listener(StopListener& listener);
    void remove_listener(StopListener& listener);
    /// The registers of each processor as they were when it was last told to go: what `registers` marks as changed.
    std::vector<look::RegisterSnapshot> registers_before;
    /// The last faults with their registers, since the first stop: what `explain` tells of.
    FaultLog faults;
    /// Listens while there is one: `lint on`, or the front end's --lint.
    std::shared_ptr<Lint> lint;
    /// Of whoever has called Machine::request_stop: what the stop is to say. Empty: "stopped on request".
    std::string request_reason;
    /// Told of long work, from 0 to 1; false ends it. May be empty.
    std::function<bool(double)> progress;

    struct Impl; ///< for debugger/control alone
    Impl& implementation() { return *impl_; }

  private:
    void keep_registers();
    std::unique_ptr<Impl> impl_;
};

/// "breakpoint 1 at 0000:7C00" and the next instruction, as after every stop: complete lines.
std::string describe_stop(Debugger& debugger);

} // namespace glassbox
