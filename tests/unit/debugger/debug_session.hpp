// A machine that stands before its first instruction, with its history and its debugger.
#pragma once

#include "cpu/state.hpp"
#include "debugger/command.hpp"
#include "debugger/debugger.hpp"
#include "machine/history/timeline.hpp"
#include "machine/machine.hpp"

#include <doctest/doctest.h>
#include <memory>
#include <string>
#include <string_view>

namespace glassbox::test {

/// The demo guest's machine.
inline MachineConfig demo_machine(unsigned processors = 1) {
    MachineConfig config;
    config.demo = true;
    config.memory_bytes = 16 << 20;
    config.processors = processors;
    return config;
}

/// Flat 32-bit protected mode, without descriptor tables.
inline void enter_flat_mode(Cpu& cpu) {
    cpu.cr0 |= cr0::PE;
    for (Segment& segment : cpu.seg) {
        segment.base = 0;
        segment.limit = 0xFFFF'FFFF;
        segment.access |= Segment::DB;
        segment.update(false);
    }
    cpu.update_mode();
}

struct DebugSession {
    std::unique_ptr<Machine> machine;
    std::unique_ptr<Timeline> timeline;
    std::unique_ptr<Debugger> debugger;

    explicit DebugSession(const MachineConfig& config = demo_machine()) {
        auto made = Machine::create(config, {});
        REQUIRE_MESSAGE(made.has_value(), made.error().message);
        machine = std::move(*made);
        timeline = std::make_unique<Timeline>(*machine);
        debugger = std::make_unique<Debugger>(*machine, *timeline);
        debugger->attach_stopped(StopKind::start);
    }
    /// What the command prints; "error: …" if it fails.
    std::string operator()(std::string_view line) {
        std::string out;
        CommandContext context{*debugger, out};
        const auto done = execute_command(context, line);
        return done ? out : "error: " + done.error().message;
    }
};

} // namespace glassbox::test
