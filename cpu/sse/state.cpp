// The state instructions of MMX and SSE but for FXSAVE and its kin (cpu/sse/image.cpp, cpu/sse/xsave.cpp): EMMS,
// LDMXCSR and STMXCSR (SDM 1, 10.2.3), fences, CLFLUSH.
// Accesses take effect in program order, so fences only have their own checks; CLFLUSH reads its byte's translation and
// changes nothing.
#include "cpu/sse/exec.hpp"
#include "cpu/sse/mxcsr.hpp"

namespace glassbox::sse {

namespace {

using enum Arg;

constexpr OpInfo emms{"emms"}, ldmxcsr{"ldmxcsr"}, stmxcsr{"stmxcsr"},
    lfence{"lfence"}, mfence{"mfence"}, sfence{"sfence"}, clflush{"clflush"};

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
