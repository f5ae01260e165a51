#include "cpu/sse/image.hpp"

#include "cpu/sse/mxcsr.hpp"
#include "mmu/access.hpp"

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

} // namespace glassbox::sse::image
