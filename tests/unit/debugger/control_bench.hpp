// A machine with a small guest, its history and its debugger.
#pragma once

#include "debugger/command.hpp"
#include "debugger/debugger.hpp"
#include "machine/board.hpp"
#include "tests/unit/debugger/control_guests.hpp"

#include <array>
#include <doctest/doctest.h>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace glassbox::control_guests {

inline std::unique_ptr<Machine> machine_with(std::span<const u8> code, unsigned processors = 1,
                                             const std::function<void(MachineConfig&)>& more = {}) {
    MachineConfig config;
    config.memory_bytes = 2 << 20;
    config.processors = processors;
    config.instructions_per_second = 1'000'000;
    config.stop_on_triple_fault = true;
    if (more) more(config);
    auto made = Machine::create(config, {});
    REQUIRE_MESSAGE(made.has_value(), made.error().message);
    Machine& machine = **made;
    machine.board().memory.write_block(PhysAddress{0x7C00}, code);
    const auto gate = [&](unsigned vector, u32 handler, u8 rights) {
        const std::array<u8, 8> bytes = {
            static_cast<u8>(handler), static_cast<u8>(handler >> 8), 8, 0, 0, rights, 0, 0};
        machine.board().memory.write_block(PhysAddress{0x500 + 8 * vector}, bytes);
    };
    if (code.size() == prot.size()) {
        gate(14, 0x7CCE, 0x8E);
        gate(0x80, 0x7CD7, 0xEE);
    }
    // The others: again: inc word [9100h] / jmp again
    machine.board().memory.write_block(PhysAddress{0x9000}, std::array<u8, 6>{0xFF, 0x06, 0x00, 0x91, 0xEB, 0xFA});
    for (unsigned i = 0; i < processors; ++i) {
        if (i > 0) machine.cpu(i).startup(0x07);
        machine.cpu(i).reset_pending = false; // the BIOS is not wanted
        machine.cpu(i).seg[CS].load_real(0);
        machine.cpu(i).ip = i == 0 ? 0x7C00 : 0x9000;
        machine.cpu(i).update_mode();
    }
    return std::move(*made);
}

struct Bench {
    std::unique_ptr<Machine> machine;
    Timeline timeline;
    Debugger debugger;

    explicit Bench(std::span<const u8> code, unsigned processors = 1,
                   const std::function<void(MachineConfig&)>& more = {}, const HistoryOptions& history = {})
        : machine(machine_with(code, processors, more)), timeline(*machine), debugger(*machine, timeline) {
        timeline.begin(history);
        debugger.progress = [this](double) { // no test runs for ever
            return !debugger.running() || machine->instructions() < 3'000'000;
        };
        debugger.attach_stopped(StopKind::start);
    }

    u64 count() const { return machine->instructions(); }
    u64 ip() { return debugger.cpu().ip; }
    const Stop& stop() { return debugger.stop(); }

    /// Carries a plan out; false when it could not begin.
    bool go(const Plan& plan) {
        const auto begun = debugger.resume(plan);
        if (begun) debugger.run_to_stop();
        return begun.has_value();
    }
    void go_on() { REQUIRE(go({.kind = Plan::Kind::continue_on})); }
    void back() { REQUIRE(go({.kind = Plan::Kind::continue_on, .backwards = true})); }
    void step(bool backwards = false) { REQUIRE(go({.kind = Plan::Kind::step, .backwards = backwards})); }
    void next(bool backwards = false) { REQUIRE(go({.kind = Plan::Kind::next, .backwards = backwards})); }

    unsigned add(StopPoint point) {
        const auto number = debugger.add(std::move(point));
        REQUIRE_MESSAGE(number.has_value(), number.error().message);
        return *number;
    }
    unsigned break_at(u64 linear) { return add({.where = {.value = linear}}); }

    /// A command as typed, and what it makes the machine do.
    std::string command(std::string_view line) {
        std::string out;
        CommandContext context{debugger, out};
        const auto done = execute_command(context, line);
        if (!done) return "error: " + done.error().message;
        if (debugger.running()) debugger.run_to_stop();
        return out;
    }
};

/// The offsets of the guest's marks.
inline constexpr u64 mark_a = 0x7C4F, mark_b = 0x7C5C, mark_c = 0x7C61, mark_d = 0x7C64, mark_e = 0x7C67,
                     mark_f = 0x7C69, mark_g = 0x7C6E, mark_h = 0x7C70, mark_i = 0x7C71, mark_k = 0x7C7F, sum = 0x7C75,
                     counter = 0x7CA0, seen = 0x7CA6;

} // namespace glassbox::control_guests
