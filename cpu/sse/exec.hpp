// What MMX, SSE and SSE2 instructions have in common: when they may run (SDM 3A, tables 2-2, 12-1 and 13.1), the two
// register files, and how a row picks its handler.
//
// Every body is a template over its source, the r/m operand: `InRegister` or a kind of address. The Op holds the number
// of ModRM.reg in `reg` and, for a register, that of ModRM.rm in `base`.
#pragma once

#include "cpu/exec.hpp"
#include "cpu/operands.hpp"
#include "cpu/sse/memory.hpp"

#include <array>
#include <bit>

namespace glassbox::sse {

// --- may it run -----------------------------------------------------------------------------------------------------
/// CR0.EM: #UD; CR0.TS: #NM; a pending x87 exception: #MF. True only for a pending exception with CR0.NE clear.
[[gnu::cold, gnu::noinline]] bool refuse_mmx(Cpu& cpu);
/// CR0.EM or no CR4.OSFXSR: #UD; CR0.TS: #NM.
[[gnu::cold, gnu::noinline]] bool refuse_sse(Cpu& cpu);

inline bool mmx_ready(Cpu& cpu) {
    if ((cpu.cr0 & (cr0::EM | cr0::TS)) != 0 || cpu.fpu.pending()) [[unlikely]]
        return refuse_mmx(cpu);
    return true;
}
inline bool sse_ready(Cpu& cpu) {
    if ((cpu.cr0 & (cr0::EM | cr0::TS)) != 0 || (cpu.cr4 & cr4::OSFXSR) == 0) [[unlikely]]
        return refuse_sse(cpu);
    return true;
}

// --- sources --------------------------------------------------------------------------------------------------------
struct InRegister {};
template <class Source> inline constexpr bool in_register = std::is_same_v<Source, InRegister>;

/// Memory of an integer's width.
template <Word T, class Ea> inline bool fetch(Cpu& cpu, const Op& op, T& value) {
    u64 linear = 0;
    return Ea::read(cpu, op, sizeof(T), linear) && load<T>(cpu, op, linear, value);
}
template <Word T, class Ea> inline bool put(Cpu& cpu, const Op& op, T value) {
    u64 linear = 0;
    return Ea::write(cpu, op, sizeof(T), linear) && store<T>(cpu, op, linear, value);
}
template <Alignment alignment, class Ea> inline bool fetch_xmm(Cpu& cpu, const Op& op, Xmm& value) {
    u64 linear = 0;
    return Ea::read(cpu, op, sizeof value, linear) && load_xmm<alignment>(cpu, op, linear, value);
}
template <Alignment alignment, class Ea> inline bool put_xmm(Cpu& cpu, const Op& op, const Xmm& value) {
    u64 linear = 0;
    return Ea::write(cpu, op, sizeof value, linear) && store_xmm<alignment>(cpu, op, linear, value);
}
/// The low `T` of an XMM register, or memory of that width.
template <Word T, class Source> inline bool fetch_low(Cpu& cpu, const Op& op, T& value) {
    if constexpr (in_register<Source>) {
        value = static_cast<T>(cpu.sse.xmm[op.base].q[0]);
        return true;
    } else {
        return fetch<T, Source>(cpu, op, value);
    }
}

// --- register files -------------------------------------------------------------------------------------------------
/// MMX registers: 8 bytes, the significands of the x87's. A write puts the unit into MMX state (SDM 1, 9.5.1).
struct Mm {
    using Value = u64;
    static constexpr unsigned bytes = 8;
    static bool ready(Cpu& cpu) { return mmx_ready(cpu); }
    static Value get(const Cpu& cpu, unsigned n) { return cpu.fpu.mmx(n); }
    static void set(Cpu& cpu, unsigned n, Value value) {
        cpu.fpu.enter_mmx();
        cpu.fpu.set_mmx(n, value);
    }
    /// After an instruction that only reads MMX registers.
    static void touch(Cpu& cpu) { cpu.fpu.enter_mmx(); }
    template <class Source> static bool source(Cpu& cpu, const Op& op, Value& value) {
        if constexpr (in_register<Source>) {
            value = get(cpu, op.base);
            return true;
        } else {
            return fetch<u64, Source>(cpu, op, value);
        }
    }
};
/// XMM registers: 16 bytes; memory operands are aligned.
struct Xm {
    using Value = Xmm;
    static constexpr unsigned bytes = 16;
    static bool ready(Cpu& cpu) { return sse_ready(cpu); }
    static const Value& get(const Cpu& cpu, unsigned n) { return cpu.sse.xmm[n]; }
    static void set(Cpu& cpu, unsigned n, const Value& value) { cpu.sse.xmm[n] = value; }
    static void touch(Cpu&) {}
    template <class Source> static bool source(Cpu& cpu, const Op& op, Value& value) {
        if constexpr (in_register<Source>) {
            value = get(cpu, op.base);
            return true;
        } else {
            return fetch_xmm<Alignment::required, Source>(cpu, op, value);
        }
    }
};

/// A register's value as lanes: a vector of the compiler's, so that an operation on all of them is one host operation.
template <class T, unsigned bytes> struct VectorOf {
    typedef T Type __attribute__((vector_size(bytes)));
};
template <class T, class File> using Lanes = typename VectorOf<T, File::bytes>::Type;
template <class T, class File> inline constexpr unsigned lane_count = File::bytes / sizeof(T);
template <class T, class File> inline Lanes<T, File> lanes(const typename File::Value& value) {
    return std::bit_cast<Lanes<T, File>>(value);
}

// --- bodies that many instructions share
// ------------------------------------------------------------------------------
/// destination = S::apply<File>(destination, source)
template <class S, class File> struct Combine {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            typename File::Value b;
            if (!File::ready(cpu) || !File::template source<Source>(cpu, op, b)) return false;
            File::set(cpu, op.reg, S::template apply<File>(File::get(cpu, op.reg), b));
            return true;
        }
    };
};
/// destination = S::apply<File>(destination, source, imm8)
template <class S, class File> struct CombineImm {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            typename File::Value b;
            if (!File::ready(cpu) || !File::template source<Source>(cpu, op, b)) return false;
            File::set(cpu, op.reg, S::template apply<File>(File::get(cpu, op.reg), b, static_cast<u8>(op.imm)));
            return true;
        }
    };
};

// --- rows -----------------------------------------------------------------------------------------------------------
template <template <class Source> class Body> Handler select(const Insn& insn, Op& op) {
    op.reg = static_cast<u8>(insn.reg_field());
    if (insn.mem) return flat_operand(insn) ? &handler<Body<EaFull>> : &handler<Body<EaSeg>>;
    op.base = static_cast<u8>(insn.rm_field());
    return &handler<Body<InRegister>>;
}
template <template <class Source> class Body> Handler select_memory(const Insn& insn, Op& op) {
    op.reg = static_cast<u8>(insn.reg_field());
    return flat_operand(insn) ? &handler<Body<EaFull>> : &handler<Body<EaSeg>>;
}
template <class Body> Handler select_registers(const Insn& insn, Op& op) {
    op.reg = static_cast<u8>(insn.reg_field());
    op.base = static_cast<u8>(insn.rm_field());
    return &handler<Body>;
}

inline constexpr u16 attributes = attr::may_fault | attr::opsize_fixed;

consteval Row row_of(const OpInfo& info, At at, std::array<Arg, 4> args, Select select, Feature feature) {
    return {at, args, &info, select, attributes, feature};
}
/// The r/m operand may be either.
template <template <class Source> class Body>
consteval Row row(const OpInfo& info, At at, std::array<Arg, 4> args, Feature feature) {
    return row_of(info, at, args, &select<Body>, feature);
}
template <template <class Source> class Body>
consteval Row memory_row(const OpInfo& info, At at, std::array<Arg, 4> args, Feature feature) {
    return row_of(info, at.mem(), args, &select_memory<Body>, feature);
}
template <class Body> consteval Row register_row(const OpInfo& info, At at, std::array<Arg, 4> args, Feature feature) {
    return row_of(info, at.reg(), args, &select_registers<Body>, feature);
}

// The parts of the table; families::mmx() and families::sse() join them.
std::span<const Row> move_rows();
std::span<const Row> integer_rows();
std::span<const Row> shuffle_rows();
std::span<const Row> float_rows();
std::span<const Row> convert_rows();
std::span<const Row> state_rows();

} // namespace glassbox::sse
