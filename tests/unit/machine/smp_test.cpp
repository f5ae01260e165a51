// Machines with several processors run a kernel that puts them to every use (guests/kernels/smp_probe.asm), and do so
// alike however the run is cut, saved or executed.
#include "machine/board.hpp"
#include "machine/lockstep.hpp"
#include "machine/machine.hpp"
#include "machine/snapshot.hpp"

#include <doctest/doctest.h>
#include <memory>
#include <string>

using namespace glassbox;

namespace {

struct Text : ByteSink {
    std::string text;
    void put(u8 byte) override { text += static_cast<char>(byte); }
};

MachineConfig probe(unsigned processors) {
    MachineConfig config;
    config.processors = processors;
    config.memory_bytes = 16 << 20;
    config.kernel = GLASSBOX_SMP_PROBE;
    config.exit_port = 0xF4;
    config.stop_on_triple_fault = true;
    return config;
}

std::unique_ptr<Machine> create(const MachineConfig& config, const HostPorts& ports = {}) {
    auto machine = Machine::create(config, ports);
    REQUIRE_MESSAGE(machine.has_value(), machine.error().message);
    return std::move(*machine);
}

constexpr u64 limit = 400'000'000;
constexpr u8 success = 0x20 << 1 | 1;

} // namespace

TEST_CASE("smp: processors start, lock, interrupt and reprogram each other") {
    for (const unsigned processors : {1u, 2u, 4u, 8u, 33u}) {
        CAPTURE(processors);
        Text serial;
        HostPorts ports;
        ports.serial[0] = &serial;
        const auto machine = create(probe(processors), ports);
        CHECK(machine->run(never, limit) == StopReason::exit_port);
        CAPTURE(serial.text);
        CHECK(machine->exit_status() == success);
        CHECK(serial.text.find("smp: done") != std::string::npos);
    }
}

TEST_CASE("smp: x2APIC mode where the model has it, xAPIC mode elsewhere") {
    for (const char* model : {"max", "pentium-pro", "haswell", "k8"}) {
        CAPTURE(model);
        MachineConfig config = probe(2);
        config.cpu_model = model;
        const auto machine = create(config);
        CHECK(machine->run(never, limit) == StopReason::exit_port);
        CHECK(machine->exit_status() == success);
        const bool extended = machine->cpu(1).has(Feature::x2apic);
        for (unsigned i = 0; i < 2; ++i)
            CHECK(((machine->board().processors.apic(i).apic_base() >> 10 & 1) != 0) == extended);
    }
    CHECK(find_cpu_model("max")->features.has(Feature::x2apic));
    CHECK_FALSE(find_cpu_model("pentium-pro")->features.has(Feature::x2apic));
}

TEST_CASE("smp: the time-stamp counters agree after a reset, and whoever waits for a SIPI is not runnable") {
    const auto machine = create(probe(3));
    machine->run(never, 5000);
    for (unsigned i = 1; i < 3; ++i) {
        CHECK(machine->cpu(i).tsc() == machine->cpu(0).tsc());
        CHECK(machine->cpu(i).wait_for_sipi);
        CHECK_FALSE(machine->cpu(i).runnable());
    }
    REQUIRE(machine->inject(ResetInput{}).has_value());
    machine->run(never, 9000);
    for (unsigned i = 1; i < 3; ++i) CHECK(machine->cpu(i).tsc() == machine->cpu(0).tsc());
    machine->cpu(1).startup(0x12);
    CHECK(machine->cpu(1).runnable());
    CHECK(machine->cpu(1).seg[CS].base == 0x12000);
    machine->cpu(1).startup(0x34); // nobody waits for it
    CHECK(machine->cpu(1).seg[CS].base == 0x12000);
    machine->cpu(1).init();
    machine->cpu(1).startup(0x56); // INIT comes first, though it has had no turn since
    CHECK(machine->cpu(1).seg[CS].base == 0x56000);
    machine->cpu(0).startup(0x12); // the bootstrap processor never waits
    CHECK(machine->cpu(0).seg[CS].base != 0x12000);
}

TEST_CASE("smp: two runs are one, in whatever pieces and by whatever engine they are executed") {
    const auto whole = create(probe(4)), pieces = create(probe(4));
    MachineConfig plain = probe(4);
    plain.engine = {.cache = true, .chain = false, .fuse = false};
    const auto slow = create(plain);
    REQUIRE(whole->run(never, limit) == StopReason::exit_port);
    StopReason reason = StopReason::limit;
    for (u64 n = 1; reason == StopReason::limit && n < 1'000'000; ++n) {
        const u64 step = n * 7919 % 99'991 + 1;
        reason = n % 3 ? pieces->run(never, pieces->instructions() + step)
                       : pieces->run(pieces->now() + step * nanosecond, limit);
    }
    CHECK(reason == StopReason::exit_port);
    CHECK(slow->run(never, limit) == StopReason::exit_port);
    CHECK(pieces->instructions() == whole->instructions());
    CHECK(pieces->now() == whole->now());
    CHECK(pieces->state_hash() == whole->state_hash());
    CHECK(slow->state_hash() == whole->state_hash());
}

TEST_CASE("smp: a machine that is saved and loaded again and again stays the same") {
    const auto whole = create(probe(4));
    auto one = create(probe(4)), other = create(probe(4));
    REQUIRE(whole->run(never, limit) == StopReason::exit_port);
    const u64 length = whole->instructions();
    for (u64 at = length / 4; at < length; at += length / 37 + 1) {
        REQUIRE(one->run(never, at) == StopReason::limit);
        const auto saved = take_snapshot(one->board());
        REQUIRE(restore_snapshot(other->board(), saved).has_value());
        CHECK(one->state_hash() == other->state_hash());
        std::swap(one, other);
    }
    CHECK(one->run(never, limit) == StopReason::exit_port);
    CHECK(one->state_hash() == whole->state_hash());
}

TEST_CASE("smp: a snapshot of another number of processors is refused with a reason") {
    const auto two = create(probe(2)), one = create(probe(1));
    two->run(never, 10'000);
    const auto of_two = restore_snapshot(one->board(), take_snapshot(two->board()));
    REQUIRE_FALSE(of_two.has_value());
    CHECK(of_two.error().message.find("2 processors (use --smp)") != std::string::npos);
    const auto of_one = restore_snapshot(two->board(), take_snapshot(one->board()));
    REQUIRE_FALSE(of_one.has_value());
    CHECK(of_one.error().message.find("1 processor (use --smp)") != std::string::npos);
}

TEST_CASE("smp: lockstep compares every processor") {
    MachineConfig other = probe(3);
    other.engine = {.cache = true, .chain = true, .fuse = false};
    const auto first = create(probe(3)), unfused = create(other);
    Lockstep lockstep(*first, *unfused, {.every = 10'000, .checkpoint_every = 1'000'000});
    CHECK(lockstep.run(never, limit) == StopReason::exit_port);
    CHECK_FALSE(lockstep.difference().has_value());

    const auto third = create(probe(3)), fourth = create(probe(3));
    Lockstep finds(*third, *fourth, {.every = 10'000, .checkpoint_every = 100'000});
    finds.at_instruction(50'000, [](Machine& m) { m.cpu(2).gpr[RSI] ^= 0x40; });
    CHECK(finds.run(never, 200'000) == StopReason::diverged);
    REQUIRE(finds.difference().has_value());
    CHECK(finds.difference()->narrowed);
    REQUIRE_FALSE(finds.difference()->values.empty());
    CHECK(finds.difference()->values[0].name == "cpu2.rsi");
}

TEST_CASE("smp: machines that cannot be") {
    const auto refused = [](const MachineConfig& config) {
        auto machine = Machine::create(config, {});
        return machine ? std::string() : machine.error().message;
    };
    MachineConfig config = probe(2);
    config.cpu_model = "486";
    CHECK(refused(config).find("no local APIC") != std::string::npos);
    CHECK(refused(probe(0)).find("from 1 to 64") != std::string::npos);
    CHECK(refused(probe(65)).find("from 1 to 64") != std::string::npos);
    MachineConfig large;
    large.cpu_model = "486";
    large.memory_bytes = u64{4} << 30;
    CHECK(refused(large).find("address lines") != std::string::npos);
}

TEST_CASE("memory: what is above 3584 MiB lies beyond the hole") {
    MachineConfig config = probe(1);
    config.memory_bytes = u64{6} << 30;
    const auto machine = create(config);
    MemoryMap& memory = machine->board().memory;
    CHECK(memory.page_for_write(PhysAddress{0xBFFF'F000}) != nullptr);
    CHECK(memory.page_for_write(PhysAddress{0xC000'0000}) == nullptr);
    CHECK(memory.page_for_write(PhysAddress{0x1'0000'0000}) != nullptr);
    CHECK(memory.page_for_write(PhysAddress{0x1'BFFF'F000}) != nullptr);
    CHECK(memory.page_for_write(PhysAddress{0x1'C000'0000}) == nullptr);
    CHECK(machine->run(never, limit) == StopReason::exit_port);
    CHECK(machine->exit_status() == success);
}
