// The faults that the kernels of the `system` suite provoke on purpose, a few of each form: whatever the processor
// says, the explanation finds by itself. Tables that the kernel changes with stale translations in place, and what only
// a new task knows, are told by the processor's own reason.
#include "cpu/system/system.hpp"
#include "debugger/explain/explain.hpp"
#include "debugger/explain/faults.hpp"
#include "guests/embedded.hpp"
#include "machine/board.hpp"
#include "machine/machine.hpp"
#include "tests/x86-conformance/system/kernel_lines.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <map>
#include <memory>
#include <string>

using namespace glassbox;

namespace {

#ifndef EXPLAIN_FAULTS_A_FORM
#define EXPLAIN_FAULTS_A_FORM 5
#endif
constexpr unsigned most_faults = EXPLAIN_FAULTS_A_FORM;
constexpr u32 kernel_at = 0x10'0000, information_at = 0x9000, command_line_at = 0x9100;

struct Count {
    unsigned exact = 0, agrees = 0, reason = 0, none = 0;
    std::string first;                      ///< the first that was not found
    std::map<std::string, unsigned> missed; ///< the processor's reasons of what was not
};

struct Auditor final : Probe {
    Machine* machine = nullptr;
    Count* count = nullptr;
    unsigned faults = 0;
    bool faulting(Cpu& cpu, const Fault& fault) override {
        explain::Story story;
        const FaultRecord record{fault, cpu.failed_delivery, explain::Moment::of(cpu)};
        const explain::Finding found = explain::tell_record(story, record);
        switch (found.match) {
        case explain::Match::exact: ++count->exact; break;
        case explain::Match::agrees: ++count->agrees; break;
        case explain::Match::reason: ++count->reason; break;
        default: ++count->none; break;
        }
        if (found.match != explain::Match::exact) {
            if (count->first.empty() && found.match == explain::Match::none) count->first = story.text();
            ++count->missed[fault.why ? fault.why : ""];
        }
        if (++faults == most_faults) machine->request_stop();
        return false;
    }
};

void enter(Machine& machine, std::span<const u8> kernel, const std::string& command_line) {
    Board& board = machine.board();
    board.memory.write_block(PhysAddress{kernel_at}, kernel);
    u32 entry = 0;
    std::memcpy(&entry, kernel.data() + 28, sizeof entry);
    const u32 information[5] = {4, 0, 0, 0, command_line_at};
    std::array<u8, sizeof information> bytes;
    std::memcpy(bytes.data(), information, sizeof information);
    board.memory.write_block(PhysAddress{information_at}, bytes);
    std::vector<u8> line(command_line.begin(), command_line.end());
    line.push_back(0);
    board.memory.write_block(PhysAddress{command_line_at}, line);
    Cpu& cpu = board.processors[0];
    cpu.reset_pending = false;
    reset_state(cpu);
    cpu.cr0 = cr0::PE | cr0::ET;
    constexpr u32 rights = Segment::G | Segment::DB | Segment::P | Segment::S | Segment::accessed | Segment::writable;
    for (unsigned name = 0; name < 6; ++name) {
        Segment& s = cpu.seg[name];
        s.selector = name == CS ? 8 : 16;
        s.access = rights | (name == CS ? Segment::code : 0);
        s.base = 0;
        s.limit = ~u32{0};
        s.update(false);
    }
    cpu.update_mode();
    cpu.flush_tlb(false);
    cpu.set_r32(RAX, 0x2BAD'B002);
    cpu.set_r32(RBX, information_at);
    cpu.ip = entry;
}

std::unique_ptr<Machine> start(ByteSink& lines, std::span<const u8> kernel, const std::string& command_line) {
    MachineConfig config;
    config.memory_bytes = 32u << 20;
    config.cpu_model = "max";
    config.exit_port = 0xF4;
    config.stop_on_triple_fault = true;
    HostPorts ports;
    ports.debug_console = &lines;
    auto machine = Machine::create(config, ports);
    REQUIRE_MESSAGE(machine.has_value(), machine.error().message);
    enter(**machine, kernel, command_line);
    return std::move(*machine);
}

void audit(std::span<const u8> kernel, Count& count) {
    conformance::KernelLines listed;
    start(listed, kernel, "list")->run(never, 2'000'000'000);
    REQUIRE(listed.log().forms.size() > 10);
    for (const auto& form : listed.log().forms) {
        u64 from = 0;
        unsigned seen = 0;
        while (from < form.cases && seen < most_faults) {
            conformance::KernelLines lines;
            const auto machine =
                start(lines, kernel,
                      "form=" + form.name + " from=" + std::to_string(from) + " until=" + std::to_string(form.cases));
            Auditor auditor;
            auditor.machine = machine.get();
            auditor.count = &count;
            auditor.faults = seen;
            machine->attach(auditor);
            const StopReason reason = machine->run(never, 2'000'000);
            machine->detach(auditor);
            if (reason != StopReason::triple_fault) break;
            const std::string story = explain_triple_fault(*machine);
            CHECK_MESSAGE(story.find("triple fault") != std::string::npos, story);
            CHECK_MESSAGE(story.find("The processor says") == std::string::npos, story);
            u32 index = 0;
            std::memcpy(&index, machine->board().memory.ram().data() + kernel_at + 0x44, sizeof index);
            from = std::max<u64>(from, index) + 1;
            seen = auditor.faults + 1;
        }
    }
}

} // namespace

TEST_CASE("explain: the kernels' faults") {
    Count count;
    audit(system_kernel(), count);
    audit(system64_kernel(), count);
    std::string missed;
    for (const auto& [why, n] : count.missed) missed += std::to_string(n) + " " + why + "\n";
    INFO(missed);
    INFO(count.first);
    CHECK(count.exact > 100);
    CHECK(count.none == 0);
    CHECK(count.agrees + count.reason < count.exact / 10);
}
