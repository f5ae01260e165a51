// What the machine writes to the host passes here. When it executes again what it has executed before, the host does
// not hear it a second time: bytes are counted, and those that were delivered already are dropped.
#pragma once

#include "bus/byte_sink.hpp"
#include "bus/types.hpp"

#include <array>

namespace glassbox {

class OutputGate final : public ByteSink {
  public:
    /// Null where bytes are dropped anyway.
    void connect(ByteSink* sink) { sink_ = sink; }
    ByteSink* face() { return sink_ ? this : nullptr; }
    void put(u8 byte) override {
        if (position_++ < delivered_) return;
        delivered_ = position_;
        sink_->put(byte);
    }
    /// Bytes that the guest has written, in this past.
    u64 position() const { return position_; }
    /// The machine has been put back to where it had written so many.
    void go_back(u64 position) { position_ = position; }
    /// What was delivered of another future does not count any more.
    void forget_future() { delivered_ = position_; }

  private:
    ByteSink* sink_ = nullptr;
    u64 position_ = 0, delivered_ = 0;
};

struct OutputGates {
    std::array<OutputGate, 4> serial;
    OutputGate parallel, debug_console;

    static constexpr std::size_t count = 6;
    using Positions = std::array<u64, count>;
    Positions positions() const {
        return {serial[0].position(), serial[1].position(), serial[2].position(),
                serial[3].position(), parallel.position(),  debug_console.position()};
    }
    void go_back(const Positions& to) {
        for (std::size_t i = 0; i < serial.size(); ++i) serial[i].go_back(to[i]);
        parallel.go_back(to[4]);
        debug_console.go_back(to[5]);
    }
    void forget_future() {
        for (OutputGate& gate : serial) gate.forget_future();
        parallel.forget_future();
        debug_console.forget_future();
    }
};

} // namespace glassbox
