// A gdb that speaks in packets to a stub on a real machine: the built-in guest's PC, from its reset on.
#pragma once

#include "cpu/state.hpp"
#include "debugger/gdb/stub.hpp"
#include "machine/board.hpp"
#include "machine/history/timeline.hpp"
#include "machine/machine.hpp"

#include "debug_session.hpp"

#include <doctest/doctest.h>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace glassbox::gdb_test {

/// The demo guest where no kernel is named, with as little memory as will do.
inline MachineConfig small_machine(MachineConfig config) {
    if (!config.kernel) config.demo = true;
    config.memory_bytes = 8 << 20;
    return config;
}

struct Client : test::DebugSession {
    std::unique_ptr<GdbStub> stub;
    std::string console; ///< what O packets said

    explicit Client(const MachineConfig& config = {}, GdbOptions options = {}) : DebugSession(small_machine(config)) {
        stub = std::make_unique<GdbStub>(*debugger, options);
    }
    static Client with(std::string_view model, gdb::Arch arch = gdb::Arch::automatic) {
        MachineConfig config;
        config.cpu_model = model;
        return Client(config, {.arch = arch});
    }

    Cpu& cpu(unsigned n = 0) { return machine->cpu(n); }

    static std::string frame(std::string_view data) { return gdb::framed(data, false); }

    /// What the stub says: the packets, escapes undone; acknowledgements and console output are taken out.
    std::vector<std::string> packets(std::string_view raw) {
        gdb::PacketReader reader;
        reader.expect_runs();
        std::vector<gdb::Event> events;
        std::string acknowledgements;
        reader.feed(raw, events, acknowledgements);
        std::vector<std::string> out;
        for (const gdb::Event& event : events) {
            REQUIRE(event.kind == gdb::Event::Kind::packet);
            if (event.data.size() > 1 && event.data[0] == 'O' && event.data != "OK")
                console += gdb::from_hex(std::string_view(event.data).substr(1)).value_or("?");
            else
                out.push_back(event.data);
        }
        return out;
    }
    /// The answer to one packet; where it makes the machine run, it runs to its stop.
    std::string ask(std::string_view data) {
        stub->receive(frame(data));
        if (debugger->running() && !stub->finished()) {
            debugger->run(never, machine->instructions() + 100'000'000);
            REQUIRE_FALSE(debugger->running());
        }
        const auto all = packets(stub->take_output());
        if (all.empty()) return "(nothing)";
        REQUIRE(all.size() == 1);
        return all[0];
    }
    std::string monitor(std::string_view line) {
        console.clear();
        CHECK(ask("qRcmd," + gdb::to_hex(line)) == "OK");
        return console;
    }
    /// The bytes of a register as a number.
    u64 number(std::string_view hex) {
        const auto bytes = gdb::from_hex(hex);
        REQUIRE(bytes);
        u64 value = 0;
        for (std::size_t i = 0; i < bytes->size() && i < 8; ++i) value |= u64{static_cast<u8>((*bytes)[i])} << (8 * i);
        return value;
    }
    u64 reg(unsigned n) { return number(ask("p" + gdb::to_hex(u64{n}))); }

    /// Puts code into RAM and lets the processor stand before it, in real mode.
    void code(u16 segment, u16 offset, std::initializer_list<unsigned> bytes) {
        u32 at = segment * 16u + offset;
        for (const unsigned b : bytes) machine->board().memory.write(PhysAddress{at++}, 1, b);
        cpu().seg[CS].load_real(segment);
        cpu().ip = cpu().next_ip = offset;
        cpu().update_mode();
        cpu().reset_pending = false;
        debugger->changed();
    }
};

} // namespace glassbox::gdb_test
