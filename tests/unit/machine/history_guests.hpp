// Guests and helpers of the history's tests.
#pragma once

#include "machine/board.hpp"
#include "machine/history/timeline.hpp"
#include "machine/machine.hpp"

#include <doctest/doctest.h>
#include <memory>
#include <string>
#include <vector>

namespace glassbox::history_test {

struct Text : ByteSink {
    std::string text;
    void put(u8 byte) override { text += static_cast<char>(byte); }
};

inline MachineConfig demo_config() {
    MachineConfig config;
    config.memory_bytes = 8u << 20;
    config.demo = true;
    config.boot = {"floppy"};
    return config;
}

inline std::unique_ptr<Machine> create(const MachineConfig& config, const HostPorts& ports = {}) {
    auto machine = Machine::create(config, ports);
    REQUIRE_MESSAGE(machine.has_value(), machine.error().message);
    return std::move(*machine);
}

/// A floppy image with a boot sector of the given code.
std::vector<u8> boot_sector(const std::vector<u8>& code);

} // namespace glassbox::history_test
