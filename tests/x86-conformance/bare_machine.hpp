// A processor with nothing around it but RAM: what the conformance tests run instructions on.
#pragma once

#include "cpu/state.hpp"
#include "cpu/system/system.hpp"
#include "tests/x86-conformance/runner/suite.hpp" // Random

#include <cstring>
#include <span>
#include <string_view>

namespace glassbox::conformance {

struct NoInterrupts final : InterruptPort {
    u8 acknowledge() override { return 0; }
};

struct Machine {
    MemoryMap memory;
    PortBus ports;
    Scheduler scheduler;
    NoInterrupts interrupts;
    Cpu cpu;

    Machine(u64 ram_bytes, std::string_view model)
        : memory(ram_bytes), cpu(mapped(memory, ram_bytes), ports, scheduler, interrupts, *find_cpu_model(model)) {}

    std::span<u8> ram() { return memory.ram(); }
    template <class T> T get(u64 at) {
        T value;
        std::memcpy(&value, ram().data() + at, sizeof value);
        return value;
    }
    /// Behind the processor's back: for pages that hold no code.
    template <class T> void put(u64 at, T value) { std::memcpy(ram().data() + at, &value, sizeof value); }

  private:
    static MemoryMap& mapped(MemoryMap& memory, u64 size) {
        memory.add({.name = "ram",
                    .start = 0,
                    .size = size,
                    .access = MemoryMap::Access::read_write,
                    .host = memory.ram().data()});
        return memory;
    }
};

} // namespace glassbox::conformance
