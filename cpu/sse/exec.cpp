#include "cpu/sse/exec.hpp"

#include "cpu/fpu/exec.hpp"
#include "cpu/ops/families.hpp"

#include <vector>

namespace glassbox {

namespace sse {

bool refuse_mmx(Cpu& cpu) {
    if (cpu.cr0 & cr0::EM) return cpu.ud("MMX instruction with CR0.EM set");
    if (cpu.cr0 & cr0::TS) return cpu.raise(Exception::NM, "MMX instruction with CR0.TS set");
    return x87::refuse_pending(cpu);
}

bool refuse_sse(Cpu& cpu) {
    if (cpu.cr0 & cr0::EM) return cpu.ud("SSE instruction with CR0.EM set");
    if ((cpu.cr4 & cr4::OSFXSR) == 0) return cpu.ud("SSE instruction with CR4.OSFXSR clear");
    return cpu.raise(Exception::NM, "SSE instruction with CR0.TS set");
}

bool refuse_alignment(Cpu& cpu) { return cpu.gp(0, "a 16-byte operand is not aligned to 16 bytes"); }

bool slow_load_xmm(Cpu& cpu, const Op& op, u64 linear, Xmm& value) {
    if (!probe_read(cpu, linear, sizeof value)) return false; // before a device sees the first half
    Xmm read;
    for (unsigned half = 0; half < 2; ++half) {
        if (!slow_read(cpu, &op, linear + 8 * half, 8, read.q[half], Privilege::current)) return false;
    }
    value = read;
    return true;
}

bool slow_store_xmm(Cpu& cpu, const Op& op, u64 linear, const Xmm& value) {
    if (!probe_write(cpu, linear, sizeof value)) return false;
    for (unsigned half = 0; half < 2; ++half) {
        if (!slow_write(cpu, &op, linear + 8 * half, 8, value.q[half], Privilege::current)) return false;
    }
    return true;
}

namespace {
std::vector<Row> join(std::initializer_list<std::span<const Row>> parts) {
    std::vector<Row> all;
    for (const auto part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}
} // namespace

} // namespace sse

/// Packed integers, on MMX and on XMM registers.
std::span<const Row> families::mmx() {
    static const std::vector<Row> rows = sse::join({sse::integer_rows(), sse::shuffle_rows()});
    return rows;
}

/// Floating point, moves of either kind, and the state.
std::span<const Row> families::sse() {
    static const std::vector<Row> rows =
        sse::join({sse::move_rows(), sse::float_rows(), sse::convert_rows(), sse::state_rows()});
    return rows;
}

} // namespace glassbox
