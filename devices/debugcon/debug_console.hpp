// Two ports for whoever writes a kernel: the debug console of Bochs and QEMU (a byte written to E9h is printed, and
// reading E9h tells that it is there), and the exit port, off by default, whose byte ends the run.
#pragma once

#include "bus/byte_sink.hpp"
#include "bus/port_bus.hpp"

#include <functional>
#include <utility>

namespace glassbox {

class DebugConsole : public IoDevice {
  public:
    static constexpr u8 readback = 0xE9;

    /// `sink` may be null.
    explicit DebugConsole(ByteSink* sink) : sink_(sink) {}
    void map(PortBus& ports) { ports.map("debug console", {Port{0xE9}, 1}, *this); }

    u64 read(u64, unsigned) override { return readback; }
    std::optional<u64> peek(u64, unsigned) const override { return readback; }
    void write(u64, unsigned, u64 value) override {
        if (sink_) sink_->put(static_cast<u8>(value));
    }

  private:
    ByteSink* sink_;
};

class ExitPort : public IoDevice {
  public:
    /// `exit` gets the run's status: (byte << 1) | 1, in eight bits.
    explicit ExitPort(std::function<void(u8 status)> exit) : exit_(std::move(exit)) {}
    void map(PortBus& ports, u16 port) { ports.map("exit port", {Port{port}, 1}, *this); }

    u64 read(u64, unsigned) override { return 0; }
    std::optional<u64> peek(u64, unsigned) const override { return 0; }
    void write(u64, unsigned, u64 value) override {
        if (exit_) exit_(static_cast<u8>(value << 1 | 1));
    }

  private:
    std::function<void(u8)> exit_;
};

} // namespace glassbox
