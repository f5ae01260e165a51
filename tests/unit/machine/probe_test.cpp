// Whoever listens to a machine, it goes the same way; and whatever makes a listener stop it, it stops between two
// instructions at an exact count and goes on as if nothing had happened (cpu/probe.hpp, bus/probe.hpp).
#include "cpu/probe.hpp"
#include "cpu/system/system.hpp"
#include "machine/board.hpp"
#include "machine/machine.hpp"
#include "machine/snapshot.hpp"

#include <doctest/doctest.h>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

using namespace glassbox;

namespace {

MachineConfig smp(unsigned processors) {
    MachineConfig config;
    config.processors = processors;
    config.memory_bytes = 4 << 20;
    config.kernel = GLASSBOX_SMP_PROBE;
    config.exit_port = 0xF4;
    config.stop_on_triple_fault = true;
    return config;
}
MachineConfig demo() {
    MachineConfig config;
    config.memory_bytes = 4 << 20;
    config.demo = true;
    return config;
}

std::unique_ptr<Machine> create(const MachineConfig& config) {
    auto machine = Machine::create(config, {});
    REQUIRE_MESSAGE(machine.has_value(), machine.error().message);
    return std::move(*machine);
}

/// What is looked at: from one instruction count to another.
struct Part {
    MachineConfig config;
    u64 begin, end;
    std::vector<u8> snapshot{}; ///< at `begin`
};
/// The built-in guest as it enters protected mode and turns paging on, and the test kernel to its end.
Part part_of(const MachineConfig& config) {
    Part part = config.demo ? Part{config, 55'000'000, 56'000'000} : Part{config, 11'500'000, 20'000'000};
    const auto machine = create(config);
    REQUIRE(machine->run(never, part.begin) == StopReason::limit);
    part.snapshot = take_snapshot(machine->board());
    return part;
}

std::unique_ptr<Machine> at_begin(const Part& part) {
    auto machine = create(part.config);
    REQUIRE(restore_snapshot(machine->board(), part.snapshot).has_value());
    return machine;
}

struct Nothing : Probe {
    u64 heard = 0;
    bool before_instruction(Cpu&) override { return ++heard, false; }
};
struct Everything : Nothing {
    bool wants(Cpu&, u64, u64, const Insn&) override { return true; }
};
struct EveryThird : Nothing {
    bool wants(Cpu&, u64 linear, u64, const Insn&) override { return linear % 3 == 0; }
};
/// Holds back every fault once, and every fifth instruction.
struct Hinderer : Nothing {
    bool hold = false;
    u64 fault_at = ~u64{0};
    bool wants(Cpu&, u64 linear, u64, const Insn&) override { return linear % 5 == 0; }
    bool before_instruction(Cpu&) override { return ++heard, hold = !hold; }
    bool faulting(Cpu& cpu, const Fault&) override {
        return std::exchange(fault_at, cpu.scheduler.instructions()) != cpu.scheduler.instructions();
    }
};

u64 run_to_end(Machine& machine, const Part& part) {
    for (StopReason reason = StopReason::breakpoint; reason == StopReason::breakpoint;)
        reason = machine.run(never, part.end);
    return machine.state_hash();
}

/// Stops the machine at events of one kind, at most `most` times.
struct Stopper : Probe, BusProbe {
    enum Kind { delivery, fault, control, mode, flush, port, device, irq, kinds };
    Machine* machine = nullptr;
    Kind kind = delivery;
    u64 stride = 1, events = 0;
    void event(Kind k) {
        if (k == kind && events++ % stride == 0) machine->request_stop();
    }
    void delivered(Cpu&, u8, InterruptKind, u64) override { event(delivery); }
    bool faulting(Cpu&, const Fault&) override { return event(fault), false; }
    void control_written(Cpu&, ControlKind, u32, u64, u64) override { event(control); }
    void mode_changed(Cpu&, u32, u8) override { event(mode); }
    void flushed(Cpu&, FlushKind, u64) override { event(flush); }
    void port_accessed(std::string_view, Port, unsigned, bool, u32) override { event(port); }
    void device_accessed(std::string_view, PhysAddress, unsigned, bool, u64) override { event(device); }
    void irq_changed(unsigned, bool) override { event(irq); }
};

} // namespace

TEST_CASE("probes: whoever listens to whatever, the machine goes the same way") {
    for (const MachineConfig& config : {demo(), smp(1), smp(4)}) {
        const Part part = part_of(config);
        CAPTURE(part.config.processors);
        CAPTURE(part.config.demo);
        const auto plain = at_begin(part);
        const u64 hash = run_to_end(*plain, part);
        const u64 time = plain->now();
        const auto same = [&](Nothing& probe, bool every, bool hears) {
            const auto machine = at_begin(part);
            Stopper bus; // hears everything, and stops nothing
            bus.kind = Stopper::kinds;
            machine->attach(probe);
            machine->attach(static_cast<BusProbe&>(bus));
            machine->set_every_instruction(probe, every);
            CHECK(run_to_end(*machine, part) == hash);
            CHECK(machine->now() == time);
            CHECK((probe.heard > 100'000) == hears);
        };
        Nothing nothing, every;
        Everything everything;
        EveryThird third;
        Hinderer hinderer;
        {
            INFO("nothing");
            same(nothing, false, false);
        }
        {
            INFO("everything");
            same(everything, false, true);
        }
        {
            INFO("every third address");
            same(third, false, true);
        }
        {
            INFO("every instruction");
            same(every, true, true);
        }
        {
            INFO("held back");
            same(hinderer, false, true);
        }
    }
}

TEST_CASE("probes: a request to stop from any event ends the run after the instruction, at its exact count") {
    for (const MachineConfig& config : {demo(), smp(4)}) {
        const Part part = part_of(config);
        CAPTURE(part.config.processors);
        const auto plain = at_begin(part);
        const u64 hash = run_to_end(*plain, part);
        for (int kind = 0; kind < Stopper::kinds; ++kind) {
            CAPTURE(kind);
            const auto machine = at_begin(part), shadow = at_begin(part);
            Stopper stopper;
            stopper.machine = machine.get();
            stopper.kind = static_cast<Stopper::Kind>(kind);
            stopper.stride = 1009;
            if (kind == Stopper::control || kind == Stopper::fault || kind == Stopper::irq) stopper.stride = 7;
            machine->attach(static_cast<Probe&>(stopper));
            machine->attach(static_cast<BusProbe&>(stopper));
            u64 stops = 0;
            while (machine->run(never, part.end) == StopReason::breakpoint) {
                ++stops;
                if (kind == Stopper::irq || stops > 4) continue; // a wire may change while time passes without anybody
                shadow->run(never, machine->instructions());
                REQUIRE(shadow->instructions() == machine->instructions());
                CHECK(shadow->state_hash() == machine->state_hash());
            }
            CHECK(stops == (stopper.events + stopper.stride - 1) / stopper.stride);
            CHECK(machine->state_hash() == hash);
        }
    }
}

TEST_CASE("probes: several listen, each hears everything, and each may leave when it is told") {
    const auto machine = create(demo());
    struct Leaver : Nothing {
        Machine* machine = nullptr;
        bool before_instruction(Cpu&) override {
            if (++heard == 1000) machine->detach(*this);
            return false;
        }
    } leaver;
    leaver.machine = machine.get();
    Nothing every;
    Everything everything;
    machine->attach(leaver);
    machine->attach(everything);
    machine->attach(every);
    machine->set_every_instruction(leaver, true);
    machine->run(never, 10'000);
    CHECK(leaver.heard == 1000);
    CHECK(everything.heard > 8000);
    CHECK(every.heard + 1 >= everything.heard); // one may be passed over when another leaves
    machine->detach(everything);
    machine->detach(every);
    const u64 before = every.heard;
    machine->run(never, 20'000);
    CHECK(every.heard == before);
    CHECK(machine->cpu().probe == nullptr);
    CHECK_FALSE(machine->cpu().probe_every);
}

TEST_CASE("probes: a stop before a run ends it at once, also while everything sleeps") {
    const auto machine = create(demo());
    machine->run(never, 1000);
    machine->request_stop();
    CHECK(machine->run(never, 2000) == StopReason::breakpoint);
    CHECK(machine->instructions() == 1000);
    CHECK(machine->run(never, 2000) == StopReason::limit);
    CHECK(machine->instructions() == 2000);
}
