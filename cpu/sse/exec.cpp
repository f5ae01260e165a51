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

bool refuse_avx(Cpu& cpu) {
    if ((cpu.cr4 & cr4::OSXSAVE) == 0) return cpu.ud("AVX instruction with CR4.OSXSAVE clear");
    if ((cpu.xcr0 & 6) != 6) return cpu.ud("AVX instruction without XCR0.SSE and XCR0.AVX");
    return cpu.raise(Exception::NM, "AVX instruction with CR0.TS set");
}

bool refuse_alignment(Cpu& cpu) { return cpu.gp(0, "a vector operand is not aligned to its size"); }

namespace {
/// Outside 64-bit mode addresses wrap at 4 GiB.
u64 wrapped_linear(const Cpu& cpu, u64 linear) { return cpu.code64() ? linear : static_cast<u32>(linear); }
} // namespace

bool slow_load_vector(Cpu& cpu, const Op& op, u64 linear, u64* value, unsigned count) {
    if (!probe_read(cpu, linear, 8 * count, Privilege::current, &op))
        return false; // before a device sees the first part
    for (unsigned i = 0; i < count; ++i) {
        if (!slow_read(cpu, &op, wrapped_linear(cpu, linear + 8 * i), 8, value[i], Privilege::current)) return false;
    }
    return true;
}

bool slow_store_vector(Cpu& cpu, const Op& op, u64 linear, const u64* value, unsigned count) {
    if (!probe_write(cpu, linear, 8 * count, Privilege::current, &op)) return false;
    for (unsigned i = 0; i < count; ++i) {
        if (!slow_write(cpu, &op, wrapped_linear(cpu, linear + 8 * i), 8, value[i], Privilege::current)) return false;
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
    static const std::vector<Row> rows =
        sse::join({sse::integer_rows(), sse::across_rows(), sse::shift_rows(), sse::shuffle_rows(), sse::blend_rows(),
                   sse::element_rows(), sse::permute_rows(), sse::masked_rows(), sse::text_rows(), sse::sse4a_rows()});
    return rows;
}

/// Floating point, moves of either kind, and the state.
std::span<const Row> families::sse() {
    static const std::vector<Row> rows =
        sse::join({sse::move_rows(), sse::float_rows(), sse::convert_rows(), sse::state_rows()});
    return rows;
}

} // namespace glassbox
