// The state instructions of MMX and SSE but for FXSAVE and its kin (cpu/sse/image.cpp, cpu/sse/xsave.cpp): EMMS,
// LDMXCSR and STMXCSR (SDM 1, 10.2.3), fences, CLFLUSH.
// Accesses take effect in program order, so fences only have their own checks; CLFLUSH reads its byte's translation and
// changes nothing.
#include "cpu/sse/exec.hpp"
#include "cpu/sse/mxcsr.hpp"

namespace glassbox::sse {

namespace {

using enum Arg;

constexpr OpInfo emms{"emms"}, ldmxcsr{"ldmxcsr"}, stmxcsr{"stmxcsr"}, lfence{"lfence"}, mfence{"mfence"},
    sfence{"sfence"};

struct Emms {
    static bool run(Cpu& cpu, const Op&, Flags&) {
        if (!mmx_ready(cpu)) return false;
        cpu.fpu.emms();
        return true;
    }
};
Handler select_emms(const Insn&, Op&) { return &handler<Emms>; }

// --- MXCSR
// ------------------------------------------------------------------------------------------------------------
template <class File> struct Mxcsr {
    template <class Ea> struct Load {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            u32 value;
            return File::ready(cpu) && fetch<u32, Ea>(cpu, op, value) && set_mxcsr(cpu, value);
        }
    };
    template <class Ea> struct Store {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            return File::ready(cpu) && put<u32, Ea>(cpu, op, cpu.sse.mxcsr);
        }
    };
};

// --- VZEROUPPER, VZEROALL: outside 64-bit mode of the eight registers that are there
// ---------------------------------------------------------------------------------------
template <bool all> struct Vzero {
    static bool run(Cpu& cpu, const Op&, Flags&) {
        if (!avx_ready(cpu)) return false;
        for (unsigned n = 0; n < (cpu.code64() ? 16u : 8u); ++n) {
            if (all) cpu.sse.xmm(n) = {};
            cpu.sse.ymm_high(n) = {};
        }
        return true;
    }
};
template <bool all> Handler select_vzero(const Insn&, Op&) { return &handler<Vzero<all>>; }

// --- order and caches
// ---------------------------------------------------------------------------------------------------
struct Fence {
    static void run(Cpu&, const Op&, Flags&) {}
};
constexpr std::array rows = {
    row_of(emms, at(0x0F77).np(), {}, &select_emms, Feature::mmx), // no ModRM
    row_of(info_of<"vzeroupper">, at(0x0F77).np().vex().l(0), {}, &select_vzero<false>, Feature::avx),
    row_of(info_of<"vzeroall">, at(0x0F77).np().vex().l(1), {}, &select_vzero<true>, Feature::avx),
    memory_row<Mxcsr<Xm>::Load>(ldmxcsr, at(0x0FAE).digit(2).np(), {Md}, Feature::sse),
    memory_row<Mxcsr<Xm>::Store>(stmxcsr, at(0x0FAE).digit(3).np(), {Md}, Feature::sse),
    memory_row<Mxcsr<V128>::Load>(vex_info<"ldmxcsr">, at(0x0FAE).digit(2).np().vex().l(0), {Md}, Feature::avx),
    memory_row<Mxcsr<V128>::Store>(vex_info<"stmxcsr">, at(0x0FAE).digit(3).np().vex().l(0), {Md}, Feature::avx),
    register_row<Fence>(lfence, at(0x0FAE).digit(5).np(), {}, Feature::sse2),
    register_row<Fence>(mfence, at(0x0FAE).digit(6).np(), {}, Feature::sse2),
    register_row<Fence>(sfence, at(0x0FAE).digit(7).np(), {}, Feature::sse),
};

} // namespace

std::span<const Row> state_rows() { return rows; }

} // namespace glassbox::sse
