// The instruction trace: one line an instruction with its count, CS:IP, bytes, disassembly and the registers it
// changed.
#pragma once

#include "bus/types.hpp"
#include "frontend/trace_filter.hpp"

#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

class Machine;

/// The processor as a trace sees it, asked between two instructions.
class TraceSource {
  public:
    struct Place {
        u64 instruction = 0; ///< how many have been executed
        u16 cs = 0;
        u64 ip = 0;         ///< offset in CS
        u64 linear = 0;     ///< CS base + ip
        unsigned bits = 16; ///< default operand and address size: 16, 32 or 64
        bool user = false;  ///< CPL 3
    };
    struct Register {
        std::string_view name; ///< constant for the whole run
        u64 value = 0;
        unsigned digits = 8; ///< hexadecimal digits to print
    };

    virtual ~TraceSource() = default;
    virtual Place place() const = 0;
    /// Reads code without a side effect (no accessed bits, no faults); returns how many bytes are readable.
    virtual std::size_t read_code(u64 linear, std::span<u8> bytes) const = 0;
    /// Replaces `registers` by all registers worth showing, always in the same order.
    virtual void registers(std::vector<Register>& registers) const = 0;
};

std::unique_ptr<TraceSource> make_trace_source(Machine& machine);

class Tracer {
  public:
    /// `out` belongs to the caller.
    Tracer(std::FILE* out, TraceFilter filter) : out_(out), filter_(std::move(filter)) {}
    ~Tracer() { finish(nullptr); }
    Tracer(const Tracer&) = delete;
    Tracer& operator=(const Tracer&) = delete;

    const TraceFilter& filter() const { return filter_; }
    /// The filter's count of lines is reached, and the last one is complete.
    bool done() const { return lines_ >= filter_.count && line_.empty(); }

    void before_instruction(const TraceSource& source);
    /// Completes the last line: with the registers that changed, if the source is still there.
    void finish(const TraceSource* source);

  private:
    void begin_line(const TraceSource& source, const TraceSource::Place& place);

    std::FILE* out_;
    TraceFilter filter_;
    std::string line_; ///< the instruction under way, waiting for what it changes
    u64 lines_ = 0;
    std::vector<TraceSource::Register> before_, after_;
};

} // namespace glassbox
