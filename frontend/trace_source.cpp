// The processor's registers and code as the trace shows them, read without any effect on the guest.
#include "cpu/state.hpp"
#include "debugger/view.hpp"
#include "frontend/trace.hpp"
#include "machine/machine.hpp"

#include <array>

namespace glassbox {

namespace {

using Names8 = std::array<std::string_view, 8>;
constexpr Names8 general = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
constexpr std::array<std::string_view, 16> general64 = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                                        "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
constexpr std::array<std::string_view, 6> segments = {"es", "cs", "ss", "ds", "fs", "gs"};
/// The significands of the physical x87 registers, which are the MMX registers.
constexpr Names8 significands = {"mm0", "mm1", "mm2", "mm3", "mm4", "mm5", "mm6", "mm7"};
constexpr Names8 xmm_low = {"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7"};
constexpr Names8 xmm_high = {"xmm0h", "xmm1h", "xmm2h", "xmm3h", "xmm4h", "xmm5h", "xmm6h", "xmm7h"};

class CpuTraceSource final : public TraceSource {
  public:
    explicit CpuTraceSource(Machine& machine) : machine_(machine) {}

    Place place() const override {
        const Cpu& cpu = machine_.cpu(); // whose turn it is
        return {.instruction = cpu.scheduler.instructions(),
                .cs = cpu.seg[CS].selector,
                .ip = cpu.ip,
                .linear = cpu.code_linear(cpu.ip),
                .bits = code_bits(cpu),
                .user = cpu.cpl == 3};
    }

    std::size_t read_code(u64 linear, std::span<u8> bytes) const override {
        return read_linear_quietly(machine_.cpu(), linear, bytes);
    }

    void registers(std::vector<Register>& out) const override {
        const Cpu& cpu = machine_.cpu(); // whose turn it is
        out.clear();
        if (cpu.long_mode()) {
            for (unsigned i = 0; i < 16; ++i) out.push_back({general64[i], cpu.gpr[i], 16});
        } else {
            for (unsigned i = 0; i < 8; ++i) out.push_back({general[i], cpu.r32(static_cast<Gpr>(i)), 8});
        }
        out.push_back({"eflags", cpu.full_eflags(), 8});
        for (unsigned i = 0; i < segments.size(); ++i) out.push_back({segments[i], cpu.seg[i].selector, 4});
        out.push_back({"cr0", cpu.cr0, 8});
        out.push_back({"cr2", cpu.cr2, 8});
        out.push_back({"cr3", cpu.cr3, 8});
        out.push_back({"cr4", cpu.cr4, 8});
        out.push_back({"fsw", cpu.fpu.status_word(), 4});
        out.push_back({"fcw", cpu.fpu.control, 4});
        for (unsigned i = 0; i < 8; ++i) out.push_back({significands[i], cpu.fpu.registers[i].significand, 16});
        for (unsigned i = 0; i < 8; ++i) {
            out.push_back({xmm_low[i], cpu.sse.xmm(i).q[0], 16});
            out.push_back({xmm_high[i], cpu.sse.xmm(i).q[1], 16});
        }
    }

  private:
    Machine& machine_;
};

} // namespace

std::unique_ptr<TraceSource> make_trace_source(Machine& machine) { return std::make_unique<CpuTraceSource>(machine); }

} // namespace glassbox
