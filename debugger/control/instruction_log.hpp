// Writes a line for each instruction that is executed, with what it changed: registers, memory, ports. It only listens.
#pragma once

#include "bus/probe.hpp"
#include "cpu/probe.hpp"
#include "debugger/look/instruction_line.hpp"
#include "debugger/look/register_text.hpp"

#include <functional>
#include <string>
#include <vector>

namespace glassbox {

class Machine;
class Symbols;

class InstructionLog final : public Probe, public BusProbe {
  public:
    using Sink = std::function<void(const std::string& line)>;
    /// How interrupts and exceptions are called.
    using Naming = std::function<std::string(u8 vector, InterruptKind kind)>;
    InstructionLog(Machine& machine, const Symbols& symbols, Naming naming, Sink sink);
    ~InstructionLog() override;
    InstructionLog(const InstructionLog&) = delete;
    InstructionLog& operator=(const InstructionLog&) = delete;

    void listen(bool on);
    /// The machine stands: what its last instructions changed is known.
    void settle();
    u64 lines() const { return lines_; }

    bool before_instruction(Cpu& cpu) override;
    bool watches(Cpu&, u64, u64) override { return true; }
    void accessed(Cpu& cpu, const MemoryAccess& access) override;
    void delivered(Cpu& cpu, u8 vector, InterruptKind kind, u64 from_ip) override;
    void port_accessed(std::string_view owner, Port port, unsigned width, bool write, u32 value) override;
    void memory_writing(PhysAddress start, std::span<const u8> data) override;

  private:
    struct Write {
        u64 linear = 0;
        u32 size = 0;
        u64 value = 0;
    };
    /// An instruction that has begun: its line is written when what it did is known.
    struct Pending {
        bool active = false;
        u64 count = 0, ip = 0, linear = 0;
        look::InstructionLine line;
        look::RegisterSnapshot before;
        std::vector<Write> writes;
        std::vector<std::string> ports;
        u64 more = 0; ///< accesses that are not listed
    };
    enum class End : u8 { executed, interrupted, faulted };

    unsigned number_of(const Cpu& cpu) const;
    void finish(unsigned number, End end);
    std::string start_of(u64 count, unsigned number) const;
    std::string changes(const Cpu& cpu, const Pending& pending, End end) const;
    void write(const std::string& line);

    Machine& machine_;
    const Symbols& symbols_;
    Naming naming_;
    Sink sink_;
    std::vector<Pending> pending_; ///< one a processor
    u64 lines_ = 0;
    bool listening_ = false;
};

} // namespace glassbox
