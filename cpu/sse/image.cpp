// FXSAVE and FXRSTOR (SDM 1, 10.5; SDM 2), and what the XSAVE family shares with them.
// Implementation-specific choices: FXSAVE and FXRSTOR leave the XMM registers out while CR4.OSFXSR is clear; MXCSR is
// there whenever the model has SSE. Reserved bytes of the image stay as they were in memory.
#include "cpu/sse/image.hpp"

#include "cpu/fpu/exec.hpp"
#include "cpu/sse/memory.hpp"
#include "cpu/sse/mxcsr.hpp"

#include <cstring>

namespace glassbox::sse::image {

namespace {

u64 wrapped_linear(const Cpu& cpu, u64 linear) { return cpu.code64() ? linear : static_cast<u32>(linear); }

} // namespace

bool write(Cpu& cpu, u64 linear, std::span<const u8> bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += 8) {
        u64 value;
        std::memcpy(&value, bytes.data() + at, sizeof value);
        if (!write_linear<u64>(cpu, wrapped_linear(cpu, linear + at), value)) return false;
    }
    return true;
}

bool read(Cpu& cpu, u64 linear, std::span<u8> bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += 8) {
        u64 value = 0;
        if (!read_linear<u64>(cpu, wrapped_linear(cpu, linear + at), value)) return false;
        std::memcpy(bytes.data() + at, &value, sizeof value);
    }
    return true;
}

bool write_x87(Cpu& cpu, u64 linear, bool wide) {
    std::array<u8, xmm_at> bytes{};
    cpu.fpu.store_fx(bytes, wide);
    const std::span<const u8> all = bytes;
    return write(cpu, linear, all.first(mxcsr_at)) && write(cpu, linear + registers_at, all.subspan(registers_at));
}

bool write_mxcsr(Cpu& cpu, u64 linear) {
    return write_linear<u64>(cpu, wrapped_linear(cpu, linear + mxcsr_at),
                             cpu.sse.mxcsr | u64{mxcsr_mask_field(cpu)} << 32);
}

bool write_xmm(Cpu& cpu, u64 linear) {
    std::array<u8, 16> bytes;
    for (unsigned i = 0; i < vector_count(cpu); ++i) {
        std::memcpy(bytes.data(), cpu.sse.xmm(i).q.data(), bytes.size());
        if (!write(cpu, linear + xmm_at + 16 * i, bytes)) return false;
    }
    return true;
}

u32 mxcsr_of(std::span<const u8, size> bytes) {
    u32 value;
    std::memcpy(&value, bytes.data() + mxcsr_at, sizeof value);
    return value;
}

void load_xmm(Cpu& cpu, std::span<const u8, size> bytes) {
    for (unsigned i = 0; i < vector_count(cpu); ++i)
        std::memcpy(cpu.sse.xmm(i).q.data(), bytes.data() + xmm_at + 16 * i, 16);
}

// --- FXSAVE, FXRSTOR
// --------------------------------------------------------------------------------------------------
namespace {

bool available(Cpu& cpu) {
    if (cpu.cr0 & (cr0::EM | cr0::TS)) return cpu.raise(Exception::NM, "FXSAVE or FXRSTOR with CR0.EM or CR0.TS set");
    return true;
}
bool aligned(Cpu& cpu, u64 linear) { return (linear & 15) == 0 || refuse_alignment(cpu); }
/// AMD's fast form leaves the XMM registers out in 64-bit mode at level 0 (APM 2, 11.4.4).
bool has_xmm(const Cpu& cpu) {
    const bool fast = (cpu.msrs.efer & efer::FFXSR) != 0 && cpu.code64() && cpu.cpl == 0;
    return cpu.has(Feature::sse) && (cpu.cr4 & cr4::OSFXSR) != 0 && !fast;
}

} // namespace

namespace {
/// EFER.FFXSR leaves XMM registers alone in 64-bit mode at level 0; MXCSR still counts (APM 2, 3.1.7).
bool fast(const Cpu& cpu) { return (cpu.msrs.efer & efer::FFXSR) != 0 && cpu.cpl == 0 && cpu.code64(); }
} // namespace

template <bool wide> bool fxsave(Cpu& cpu, const Op& op) {
    u64 linear = 0;
    if (!available(cpu) || !locate_write(cpu, op.seg, effective_offset(cpu, op), size, linear) ||
        !aligned(cpu, linear) || !probe_write(cpu, linear, size) || !write_x87(cpu, linear, wide))
        return false;
    if (cpu.has(Feature::sse) && !write_mxcsr(cpu, linear)) return false;
    return !has_xmm(cpu) || fast(cpu) || write_xmm(cpu, linear);
}
template bool fxsave<false>(Cpu&, const Op&);
template bool fxsave<true>(Cpu&, const Op&);

template <bool wide> bool fxrstor(Cpu& cpu, const Op& op) {
    u64 linear = 0;
    std::array<u8, size> bytes{};
    if (!available(cpu) || !locate_read(cpu, op.seg, effective_offset(cpu, op), size, linear) ||
        !aligned(cpu, linear) || !probe_read(cpu, linear, size) || !read(cpu, linear, bytes))
        return false;
    if (cpu.has(Feature::sse) && !set_mxcsr(cpu, mxcsr_of(bytes))) return false;
    if (has_xmm(cpu) && !fast(cpu)) load_xmm(cpu, bytes);
    cpu.fpu.load_fx(bytes, wide);
    x87::update_ferr(cpu);
    return true;
}
template bool fxrstor<false>(Cpu&, const Op&);
template bool fxrstor<true>(Cpu&, const Op&);

} // namespace glassbox::sse::image
