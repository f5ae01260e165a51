// What is behind Debugger: the probe that listens while something is armed, the plan that is being carried out, and
// the hits that were seen and are not settled yet. Files of debugger/control share it; nobody else includes it.
//
// Rule: a callback of a probe never changes what the probes want. It notes what it has seen and ends the run; `run`
// settles it between two instructions, where everything is exact.
#pragma once

#include "bus/probe.hpp"
#include "cpu/probe.hpp"
#include "debugger/control/call_tracker.hpp"
#include "debugger/control/flow.hpp"
#include "debugger/control/instruction_log.hpp"
#include "debugger/control/stop_points.hpp"
#include "debugger/debugger.hpp"
#include "debugger/hex.hpp"

#include <functional>
#include <map>
#include <optional>

namespace glassbox {

/// A stop point was met.
struct Hit {
    unsigned number = 0; ///< 0: a magic break
    unsigned processor = 0;
    bool before = false;  ///< the instruction has not been executed
    bool checked = false; ///< its condition and ignore count were, too
    u64 address = 0;
    unsigned size = 0;
    bool write = false;
    u64 old_value = 0, new_value = 0;
    std::string what = {}; ///< in words, for all but breakpoints
    std::string by = {};   ///< watchpoints: whose access it was
    bool device = false;   ///< … a device's, by DMA
};

/// Where `next` and the like wait for the machine to come by.
struct Arrival {
    bool armed = false;
    u64 linear = 0;
    bool any_stack = false; ///< only the address counts
    bool any_cpl = false;
    u64 stack = 0; ///< linear; returns may take arguments off it, too
    u8 cpl = 0;
    u64 space = 0; ///< CR3's page, for user code
    /// A return to there may lead elsewhere, too: handlers change what they were called with. Which are looked at, to
    /// follow them.
    enum class Returns : u8 { none, far, all } returns = Returns::none;
    bool follows(Flow flow) const {
        return armed && returns != Returns::none && is_return(flow) && (flow != Flow::ret || returns == Returns::all);
    }
};

/// A moment at which a processor was about to execute an instruction.
struct Point {
    u64 count = 0;
    u64 linear = 0;
    u64 stack = 0;
};

/// What an execution in the past looks for.
class PastObserver {
  public:
    virtual ~PastObserver() = default;
    virtual bool every() const { return false; }              ///< every instruction
    virtual bool flow() const { return false; }               ///< calls and returns
    virtual bool points() const { return false; }             ///< the stop points are armed, and `hit` is told
    virtual std::optional<u64> address() const { return {}; } ///< instructions at this linear address
    virtual bool before(Cpu& cpu, unsigned number, u64 count) { return (void)cpu, (void)number, (void)count, false; }
    virtual void delivered(Cpu& cpu, unsigned number, InterruptKind kind, u64 from_ip, u64 count) {
        (void)cpu, (void)number, (void)kind, (void)from_ip, (void)count;
    }
    virtual void hit(const Hit& hit, const Moment& moment) { (void)hit, (void)moment; }
    virtual bool finished() const { return false; } ///< asked when `before` has ended the run
};

struct Debugger::Impl final : Probe, BusProbe {
    Impl(Debugger& debugger, Machine& machine_, Timeline& timeline_);
    ~Impl() override;

    Debugger& self;
    Machine& machine;
    Timeline& timeline;
    Symbols symbols;
    StopPoints points;
    std::map<unsigned, std::function<Expected<bool>(const Cpu&)>> tests; ///< conditions that are no text
    std::vector<StopListener*> listeners;
    unsigned selected = 0;
    bool magic = false;
    bool running = true, entered = false;
    bool faults_attached = false; ///< the log listens from the first stop on
    Stop stop;
    std::vector<Stop> past;

    // --- running forwards (run_control.cpp) --------------------------------------------------------------------------
    StopReason run(Time until, u64 max_instructions);
    Expected<> resume(const Plan& plan);
    void interrupt(StopKind kind);
    /// What follows from what was seen: true when the machine is stopped now.
    bool settle(bool requested);
    void pass_over_delivery();
    Stop stop_for(const StopPoint* point, const Hit& hit) const;
    bool settle_hits();
    bool limit_reached();
    bool recording_over();
    StopReason ended(StopReason reason);
    void halt(Stop stop_);
    unsigned next_to_execute() const;
    Stop stop_here(StopKind kind, std::string text);
    void connect();
    void disconnect();
    void tell_stopped();
    void begin_unplanned();
    unsigned number_of(const Cpu& cpu) const;

    // --- the plan (plans.cpp) ----------------------------------------------------------------------------------------
    void start_plan(const Plan& plan);
    void prepare_next();
    void wait_for(u64 linear, u64 stack, const Cpu& cpu);
    bool plan_before(Cpu& cpu, unsigned number, u64 count);
    bool stepped(Cpu& cpu, unsigned number, u64 count);
    bool line_reached(Cpu& cpu, unsigned number, u64 count);
    bool finish_before(Cpu& cpu, unsigned number, u64 count);
    bool aim(Cpu& cpu, unsigned number);
    std::string delivery_text(u8 vector, InterruptKind kind) const;
    void plan_delivered(Cpu& cpu, unsigned number, u8 vector, InterruptKind kind, u64 from_ip, u64 count);
    void replan();
    void reached(unsigned number);
    bool arrives(const Cpu& cpu) const;
    std::string plan_text() const;
    bool plan_every() const { return every; }
    bool plan_flow() const { return running && tracking; }

    struct Active {
        Plan plan;
        bool over = false;     ///< reached: settle makes the stop
        unsigned who = 0;      ///< the processor that it is about
        u64 left = 0;          ///< steps
        u64 start = 0;         ///< count at which the present step began
        u64 target = ~u64{0};  ///< instructions
        Time deadline = never; ///< time, and how long a halted processor is waited for
        u64 frame = 0;         ///< finish: the stack when it began
        u8 cpl = 0;
        std::optional<SourceLine> line;
        u64 line_stack = 0;
        std::optional<u64> again;  ///< arriving there is no step: the instruction has not been executed yet
        bool not_its_turn = false; ///< another processor goes first: the step begins when this one comes
        u64 ip = 0;                ///< of the step's instruction
        std::string text;          ///< when it is over
        struct Landing {
            u64 count = 0, ip = 0;
            std::string into;
        };
        std::optional<Landing> landing; ///< the last handler that was entered
    } active;
    bool every = false;    ///< the plan hears of every instruction
    bool tracking = false; ///< … of calls and returns
    Arrival arrival;
    CallTracker calls;

    // --- what was seen -----------------------------------------------------------------------------------------------
    std::vector<Hit> hits;
    bool asked = false;        ///< the run was ended by us
    bool request_left = false; ///< the machine still has such a request
    bool in_run = false;
    bool replan_wanted = false;
    std::optional<StopKind> interrupt_wanted;
    struct Delivered {
        u64 from_ip = 0;
        bool early = false; ///< before the step's instruction was executed
    };
    std::optional<Delivered> delivery; ///< an interrupt that `next` passes over
    bool aimed = false;                ///< `arrival` is another one now
    u64 code_base = 0;                 ///< CS.base before the present instruction of `next`
    u64 skip_count = ~u64{0};          ///< breakpoints at this count were met before
    u64 skip_fault_count = ~u64{0};    ///< exceptions, too
    struct Asked {
        u64 linear = ~u64{0}, phys = 0;
    } last_wanted;
    void ask();

    bool attached = false, bus_attached = false, every_attached = false, questions_changed = false;

    // --- stop points (hits.cpp) --------------------------------------------------------------------------------------
    bool accepts(StopPoint& point, unsigned processor, std::string& trouble);
    bool code_hit(Cpu& cpu, unsigned number, u64 count);
    bool matches_code(StopPoint& point, Cpu& cpu, u64 linear, u64 phys, u64 count);
    void note(const StopPoint& point, unsigned processor, Hit hit);
    template <class Match> void note_all(StopPointKind kind, unsigned processor, const Match& match);
    std::string mnemonic_at(const Cpu& cpu, u64 linear) const;
    static bool is_magic(const Insn& insn);
    std::map<unsigned, std::string> modes; ///< the last that was seen of each processor
    std::string mode_name(const Cpu& cpu) const;

    // --- trace (trace_command.cpp) -----------------------------------------------------------------------------------
    std::unique_ptr<InstructionLog> tracer; ///< `trace on`: it listens while the machine runs
    std::shared_ptr<std::string> traced;    ///< its lines, which the next stop tells
    Expected<> trace_on(InstructionLog& with, u64 count);
    Expected<> trace_past(InstructionLog& with, u64 count);

    // --- going back (backwards.cpp) ----------------------------------------------------------------------------------
    PastObserver* observer = nullptr;
    Expected<> backwards(const Plan& plan);
    Expected<> go_to(const Moment& moment);

    // --- Probe, BusProbe ---------------------------------------------------------------------------------------------
    bool wants(Cpu& cpu, u64 linear, u64 phys, const Insn& insn) override;
    bool before_instruction(Cpu& cpu) override;
    bool watches(Cpu& cpu, u64 linear_page, u64 phys_page) override;
    void accessed(Cpu& cpu, const MemoryAccess& access) override;
    bool faulting(Cpu& cpu, const Fault& fault) override;
    void delivered(Cpu& cpu, u8 vector, InterruptKind kind, u64 from_ip) override;
    void control_written(Cpu& cpu, ControlKind kind, u32 number, u64 before, u64 value) override;
    void task_switched(Cpu& cpu, u16 from, u16 to) override;
    void mode_changed(Cpu& cpu, u32 mode_before, u8 cpl_before) override;
    void shut_down(Cpu& cpu) override;
    void port_accessed(std::string_view owner, Port port, unsigned width, bool write, u32 value) override;
    void device_accessed(std::string_view region, PhysAddress address, unsigned width, bool write, u64 value) override;
    void irq_changed(unsigned irq, bool level) override;
    void memory_writing(PhysAddress start, std::span<const u8> data) override;
};

template <class Match> void Debugger::Impl::note_all(StopPointKind kind, unsigned processor, const Match& match) {
    if (!points.has(kind)) return;
    for (const StopPoint& point : points.list()) {
        if (!point.enabled || point.kind != kind || (point.processor && *point.processor != processor)) continue;
        if (std::optional<Hit> hit = match(point)) note(point, processor, std::move(*hit));
    }
}

/// Whether a vector, port or register is among those that the stop point names.
inline bool within(const StopPoint& point, u64 value) { return value >= point.first && value <= point.last; }
inline bool direction(const StopPoint& point, bool write) { return write ? point.on_write : point.on_read; }

/// CS:IP as people write it: "0000:7C00", "0008:C0101000".
std::string code_place(const Cpu& cpu);
std::string stop_kind_name(StopPointKind kind);

} // namespace glassbox
