// The state instructions of MMX and SSE: EMMS, FXSAVE and FXRSTOR (SDM 1, 10.5), LDMXCSR and STMXCSR (SDM 1, 10.2.3),
// fences, CLFLUSH.
// Implementation-specific choices: FXSAVE and FXRSTOR leave the XMM registers out while CR4.OSFXSR is clear; MXCSR is
// there whenever the model has SSE. Reserved bytes of the image stay as they were in memory. Accesses take effect in
// program order, so fences only have their own checks; CLFLUSH reads its byte's translation and changes nothing.
#include "cpu/fpu/exec.hpp"
#include "cpu/sse/exec.hpp"
#include "cpu/sse/mxcsr.hpp"

namespace glassbox::sse {

namespace {

using enum Arg;

constexpr OpInfo emms{"emms"}, fxsave_info{"fxsave"}, fxrstor_info{"fxrstor"}, ldmxcsr{"ldmxcsr"}, stmxcsr{"stmxcsr"},
    lfence{"lfence"}, mfence{"mfence"}, sfence{"sfence"}, clflush{"clflush"};

struct Emms {
    static bool run(Cpu& cpu, const Op&, Flags&) {
        if (!mmx_ready(cpu)) return false;
        cpu.fpu.emms();
        return true;
    }
};
Handler select_emms(const Insn&, Op&) { return &handler<Emms>; }

// --- FXSAVE, FXRSTOR
// --------------------------------------------------------------------------------------------------
constexpr unsigned image_size = 512, x87_size = 160, mxcsr_at = 24, mask_at = 28, xmm_at = 160, xmm_count = 8;

bool image_available(Cpu& cpu) {
    if (cpu.cr0 & (cr0::EM | cr0::TS)) return cpu.raise(Exception::NM, "FXSAVE or FXRSTOR with CR0.EM or CR0.TS set");
    return true;
}
bool aligned(Cpu& cpu, u64 linear) { return (linear & 15) == 0 || refuse_alignment(cpu); }
bool has_xmm(const Cpu& cpu) { return cpu.has(Feature::sse) && (cpu.cr4 & cr4::OSFXSR) != 0; }

bool fxsave(Cpu& cpu, const Op& op) {
    u64 linear = 0;
    if (!image_available(cpu) || !segment_write(cpu, op.seg, offset_of(cpu, op), image_size, linear) ||
        !aligned(cpu, linear) || !probe_write(cpu, linear, image_size))
        return false;
    std::array<u8, x87_size> image{};
    cpu.fpu.store_fx(image);
    for (unsigned at = 0; at < x87_size; at += 8) {
        if (at == mxcsr_at) continue;
        u64 value;
        std::memcpy(&value, image.data() + at, sizeof value);
        if (!write_linear<u64>(cpu, static_cast<u32>(linear + at), value)) return false;
    }
    if (cpu.has(Feature::sse)) {
        if (!write_linear<u32>(cpu, static_cast<u32>(linear + mxcsr_at), cpu.sse.mxcsr) ||
            !write_linear<u32>(cpu, static_cast<u32>(linear + mask_at), mxcsr_mask_field(cpu)))
            return false;
    }
    if (!has_xmm(cpu)) return true;
    for (unsigned i = 0; i < 2 * xmm_count; ++i) {
        const u64 value = cpu.sse.xmm(i / 2).q[i % 2];
        if (!write_linear<u64>(cpu, static_cast<u32>(linear + xmm_at + 8 * i), value)) return false;
    }
    return true;
}

bool fxrstor(Cpu& cpu, const Op& op) {
    u64 linear = 0;
    if (!image_available(cpu) || !segment_read(cpu, op.seg, offset_of(cpu, op), image_size, linear) ||
        !aligned(cpu, linear) || !probe_read(cpu, linear, image_size))
        return false;
    std::array<u8, xmm_at + 16 * xmm_count> image{};
    for (unsigned at = 0; at < image.size(); at += 8) {
        u64 value = 0;
        if (!read_linear<u64>(cpu, static_cast<u32>(linear + at), value)) return false;
        std::memcpy(image.data() + at, &value, sizeof value);
    }
    if (cpu.has(Feature::sse)) {
        u32 mxcsr;
        std::memcpy(&mxcsr, image.data() + mxcsr_at, sizeof mxcsr);
        if (!set_mxcsr(cpu, mxcsr)) return false;
    }
    if (has_xmm(cpu)) {
        for (unsigned i = 0; i < xmm_count; ++i) std::memcpy(&cpu.sse.xmm(i), image.data() + xmm_at + 16 * i, 16);
    }
    cpu.fpu.load_fx(image);
    x87::update_ferr(cpu);
    return true;
}

// --- MXCSR
// ------------------------------------------------------------------------------------------------------------
template <class Ea> struct Ldmxcsr {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        u32 value;
        return sse_ready(cpu) && fetch<u32, Ea>(cpu, op, value) && set_mxcsr(cpu, value);
    }
};
template <class Ea> struct Stmxcsr {
    static bool run(Cpu& cpu, const Op& op, Flags&) { return sse_ready(cpu) && put<u32, Ea>(cpu, op, cpu.sse.mxcsr); }
};

// --- order and caches
// ---------------------------------------------------------------------------------------------------
struct Fence {
    static void run(Cpu&, const Op&, Flags&) {}
};
/// Faults like a load of one byte (SDM 2, CLFLUSH).
template <class Ea> struct Clflush {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        u64 linear = 0, phys = 0;
        return Ea::read(cpu, op, 1, linear) && translate(cpu, linear, AccessKind::read, Privilege::current, phys);
    }
};

constexpr std::array rows = {
    row_of(emms, at(0x0F77).np(), {}, &select_emms, Feature::mmx), // no ModRM
    cold_row<fxsave>(fxsave_info, at(0x0FAE).digit(0).mem().np(), {M}, attr::opsize_fixed, Feature::fxsr),
    cold_row<fxrstor>(fxrstor_info, at(0x0FAE).digit(1).mem().np(), {M}, attr::opsize_fixed, Feature::fxsr),
    memory_row<Ldmxcsr>(ldmxcsr, at(0x0FAE).digit(2).np(), {Md}, Feature::sse),
    memory_row<Stmxcsr>(stmxcsr, at(0x0FAE).digit(3).np(), {Md}, Feature::sse),
    memory_row<Clflush>(clflush, at(0x0FAE).digit(7).np(), {Mb}, Feature::clflush),
    register_row<Fence>(lfence, at(0x0FAE).digit(5).np(), {}, Feature::sse2),
    register_row<Fence>(mfence, at(0x0FAE).digit(6).np(), {}, Feature::sse2),
    register_row<Fence>(sfence, at(0x0FAE).digit(7).np(), {}, Feature::sse),
};

} // namespace

std::span<const Row> state_rows() { return rows; }

} // namespace glassbox::sse
