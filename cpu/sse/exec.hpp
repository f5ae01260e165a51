// What MMX, SSE and AVX instructions have in common: when they may run (SDM 3A, tables 2-2, 12-1 and 13.1; SDM
// 1, 14.3), the register files, and how a row picks its handler.
//
// An operation is written once, for 8 or 16 bytes. A register file (`Mm`, `Xm`, `V128`, `V256`) says where operands
// come from and what happens to the rest of the destination:
//   Xm     destination = first source; bits above 127 stay; memory is aligned
//   V128   three operands, the first source is VEX.vvvv (Op::imm2); bits above 127 are zeroed; memory need not be
//   aligned V256   the same with 32 bytes: the operation on both 16-byte lanes
// Every body is a template over its source, the r/m operand: `InRegister` or a kind of address. The Op holds the number
// of ModRM.reg in `reg` and, for a register, that of ModRM.rm in `base`. Immediates are `Source::immediate(op)`.
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
/// No CR4.OSXSAVE or XCR0[2:1] not 11b: #UD; CR0.TS: #NM (SDM 2A, 2.4.1).
[[gnu::cold, gnu::noinline]] bool refuse_avx(Cpu& cpu);

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
inline bool avx_ready(Cpu& cpu) {
    if ((cpu.xcr0 & 6) != 6 || (cpu.cr4 & cr4::OSXSAVE) == 0 || (cpu.cr0 & cr0::TS) != 0) [[unlikely]]
        return refuse_avx(cpu);
    return true;
}

// --- sources --------------------------------------------------------------------------------------------------------
struct InRegister : ImmediateInPlace {};
template <class Source> inline constexpr bool in_register = std::is_same_v<Source, InRegister>;

/// Addresses that are worth no handler of their own: segments with a base or a limit, FS and GS, 16-bit addressing and
/// 32-bit addressing in 64-bit mode.
struct EaElsewhere : ImmediateInPlace {
    static bool read(Cpu& cpu, const Op& op, unsigned size, u64& linear) {
        return cpu.code64() ? EaAny64::read(cpu, op, size, linear) : EaSeg::read(cpu, op, size, linear);
    }
    static bool write(Cpu& cpu, const Op& op, unsigned size, u64& linear) {
        return cpu.code64() ? EaAny64::write(cpu, op, size, linear) : EaSeg::write(cpu, op, size, linear);
    }
};

/// Memory of an integer's width.
template <Word T, class Ea> inline bool fetch(Cpu& cpu, const Op& op, T& value) {
    u64 linear = 0;
    return Ea::read(cpu, op, sizeof(T), linear) && load<T>(cpu, op, linear, value);
}
template <Word T, class Ea> inline bool put(Cpu& cpu, const Op& op, T value) {
    u64 linear = 0;
    return Ea::write(cpu, op, sizeof(T), linear) && store<T>(cpu, op, linear, value);
}
/// Memory of a register's width: Xmm or Ymm.
template <Alignment alignment, class Ea, class V> inline bool fetch_vector(Cpu& cpu, const Op& op, V& value) {
    u64 linear = 0;
    return Ea::read(cpu, op, sizeof value, linear) && load_vector<alignment>(cpu, op, linear, value);
}
template <Alignment alignment, class Ea, class V> inline bool put_vector(Cpu& cpu, const Op& op, const V& value) {
    u64 linear = 0;
    return Ea::write(cpu, op, sizeof value, linear) && store_vector<alignment>(cpu, op, linear, value);
}
/// The low `T` of an XMM register, or memory of that width.
template <Word T, class Source> inline bool fetch_low(Cpu& cpu, const Op& op, T& value) {
    if constexpr (in_register<Source>) {
        value = static_cast<T>(cpu.sse.xmm(op.base).q[0]);
        return true;
    } else {
        return fetch<T, Source>(cpu, op, value);
    }
}

// --- register files -------------------------------------------------------------------------------------------------
/// MMX registers: 8 bytes, the significands of the x87's. A write puts the unit into MMX state (SDM 1, 9.5.1). There
/// are eight; REX does not extend their numbers.
struct Mm {
    using Value = u64;
    static constexpr unsigned bytes = 8;
    static constexpr bool vex = false;
    static bool ready(Cpu& cpu) { return mmx_ready(cpu); }
    static Value get(const Cpu& cpu, unsigned n) { return cpu.fpu.mmx(n); }
    static Value first(const Cpu& cpu, const Op& op) { return get(cpu, op.reg); }
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
/// XMM registers as SSE sees them.
struct Xm {
    using Value = Xmm;
    static constexpr unsigned bytes = 16;
    static constexpr bool vex = false;
    static constexpr Alignment alignment = Alignment::required;
    static bool ready(Cpu& cpu) { return sse_ready(cpu); }
    static const Value& get(const Cpu& cpu, unsigned n) { return cpu.sse.xmm(n); }
    static const Value& first(const Cpu& cpu, const Op& op) { return get(cpu, op.reg); }
    static void set(Cpu& cpu, unsigned n, const Value& value) { cpu.sse.xmm(n) = value; }
    static void touch(Cpu&) {}
    template <class Source> static bool source(Cpu& cpu, const Op& op, Value& value) {
        if constexpr (in_register<Source>) {
            value = get(cpu, op.base);
            return true;
        } else {
            return fetch_vector<alignment, Source>(cpu, op, value);
        }
    }
};
/// XMM registers as VEX.128 instructions see them.
struct V128 {
    using Value = Xmm;
    static constexpr unsigned bytes = 16;
    static constexpr bool vex = true;
    static constexpr Alignment alignment = Alignment::free;
    static bool ready(Cpu& cpu) { return avx_ready(cpu); }
    static const Value& get(const Cpu& cpu, unsigned n) { return cpu.sse.xmm(n); }
    static const Value& first(const Cpu& cpu, const Op& op) { return get(cpu, op.imm2); }
    static void set(Cpu& cpu, unsigned n, const Value& value) { cpu.sse.set_xmm_zeroing(n, value); }
    static void touch(Cpu&) {}
    template <class Source> static bool source(Cpu& cpu, const Op& op, Value& value) {
        if constexpr (in_register<Source>) {
            value = get(cpu, op.base);
            return true;
        } else {
            return fetch_vector<alignment, Source>(cpu, op, value);
        }
    }
};
/// YMM registers.
struct V256 {
    using Value = Ymm;
    static constexpr unsigned bytes = 32;
    static constexpr bool vex = true;
    static constexpr Alignment alignment = Alignment::free;
    static bool ready(Cpu& cpu) { return avx_ready(cpu); }
    static Value get(const Cpu& cpu, unsigned n) { return cpu.sse.ymm(n); }
    static Value first(const Cpu& cpu, const Op& op) { return get(cpu, op.imm2); }
    static void set(Cpu& cpu, unsigned n, const Value& value) { cpu.sse.set_ymm(n, value); }
    static void touch(Cpu&) {}
    template <class Source> static bool source(Cpu& cpu, const Op& op, Value& value) {
        if constexpr (in_register<Source>) {
            value = get(cpu, op.base);
            return true;
        } else {
            return fetch_vector<alignment, Source>(cpu, op, value);
        }
    }
};

/// A register's value as lanes: a vector of the compiler's, so that an operation on all of them is one host operation.
/// Of 8 or 16 bytes: wider ones the host's baseline would only cut again.
template <class T, unsigned bytes> struct VectorOf {
    typedef T Type __attribute__((vector_size(bytes)));
};
template <class T, class File> using Lanes = typename VectorOf<T, File::bytes>::Type;
template <class T, class File> inline constexpr unsigned lane_count = File::bytes / sizeof(T);
template <class T, class File> inline Lanes<T, File> lanes(const typename File::Value& value) {
    return std::bit_cast<Lanes<T, File>>(value);
}

/// S on a whole register of `File`: `apply` knows MMX and 16 bytes, and gets each 16-byte lane of a YMM register. Where
/// the upper lane has bits of its own in the immediate, S::for_high_lane(imm) brings them down.
template <class S, class File, class... More>
inline typename File::Value apply(const typename File::Value& a, const typename File::Value& b, More... more) {
    if constexpr (File::bytes == 32 && requires { S::for_high_lane(more...); })
        return {{S::template apply<Xm>(a.part[0], b.part[0], more...),
                 S::template apply<Xm>(a.part[1], b.part[1], S::for_high_lane(more...))}};
    else if constexpr (File::bytes == 32)
        return {{S::template apply<Xm>(a.part[0], b.part[0], more...),
                 S::template apply<Xm>(a.part[1], b.part[1], more...)}};
    else
        return S::template apply<std::conditional_t<File::bytes == 16, Xm, File>>(a, b, more...);
}

/// The register that bits 7-4 of an immediate byte name (SDM 2A 2.3.12): outside 64-bit mode bit 7 does not count.
inline unsigned register_in(const Cpu& cpu, u64 immediate) {
    return static_cast<unsigned>(immediate >> 4) & (cpu.code64() ? 15 : 7);
}

// --- bodies that many instructions share
// ------------------------------------------------------------------------------
/// destination = S::apply<File>(first source, source)
template <class S, class File> struct Combine {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            typename File::Value b;
            if (!File::ready(cpu) || !File::template source<Source>(cpu, op, b)) return false;
            File::set(cpu, op.reg, apply<S, File>(File::first(cpu, op), b));
            return true;
        }
    };
};
/// destination = S::apply<File>(first source, source, imm8)
template <class S, class File> struct CombineImm {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            typename File::Value b;
            if (!File::ready(cpu) || !File::template source<Source>(cpu, op, b)) return false;
            File::set(cpu, op.reg, apply<S, File>(File::first(cpu, op), b, static_cast<u8>(Source::immediate(op))));
            return true;
        }
    };
};

// --- rows -----------------------------------------------------------------------------------------------------------
template <template <class Source> class Body> Handler select_memory(const Insn& insn, Op& op) {
    op.reg = static_cast<u8>(insn.reg_number());
    if (insn.code64()) {
        if (insn.absolute) return &handler<Body<EaAbsolute>>;
        return flat_operand(insn) ? &handler<Body<EaFull<u64>>> : &handler<Body<EaElsewhere>>;
    }
    return flat_operand(insn) ? &handler<Body<EaFull<u32>>> : &handler<Body<EaElsewhere>>;
}
template <class Body> Handler select_registers(const Insn& insn, Op& op) {
    op.reg = static_cast<u8>(insn.reg_number());
    op.base = static_cast<u8>(insn.rm_number());
    return &handler<Body>;
}
template <template <class Source> class Body> Handler select(const Insn& insn, Op& op) {
    return insn.mem ? select_memory<Body>(insn, op) : select_registers<Body<InRegister>>(insn, op);
}

inline constexpr u32 attributes = attr::may_fault | attr::opsize_fixed;

/// VEX rows that name no vvvv operand leave it at 1111b.
consteval u32 attributes_of(At at, const std::array<Arg, 4>& args) {
    if (at.encoding != Encoding::vex) return attributes;
    for (const Arg a : args) {
        if (a == Arg::Hx || a == Arg::Hdq || a == Arg::Hqq || a == Arg::By) return attributes;
    }
    return attributes | attr::vex_no_vvvv;
}
consteval Row row_of(const OpInfo& info, At at, std::array<Arg, 4> args, Select select, Feature feature,
                     u32 more_attributes = 0) {
    return {at, args, &info, select, attributes_of(at, args) | more_attributes, feature};
}
/// The r/m operand may be either.
template <template <class Source> class Body>
consteval Row row(const OpInfo& info, At at, std::array<Arg, 4> args, Feature feature, u32 more_attributes = 0) {
    return row_of(info, at, args, &select<Body>, feature, more_attributes);
}
template <template <class Source> class Body>
consteval Row memory_row(const OpInfo& info, At at, std::array<Arg, 4> args, Feature feature, u32 more_attributes = 0) {
    return row_of(info, at.mem(), args, &select_memory<Body>, feature, more_attributes);
}
template <class Body> consteval Row register_row(const OpInfo& info, At at, std::array<Arg, 4> args, Feature feature,
                                                 u32 more_attributes = 0) {
    return row_of(info, at.reg(), args, &select_registers<Body>, feature, more_attributes);
}

// --- one line, several rows -----------------------------------------------------------------------------------------
/// A mnemonic as a template argument, so that a row's line names it on the spot: `info_of<"paddb">`, and with a "v"
/// before it `vex_info<"paddb">`.
template <std::size_t size> struct Name {
    char text[size]{};
    consteval Name(const char (&from)[size]) { // NOLINT(google-explicit-constructor): literals
        for (std::size_t i = 0; i < size; ++i) text[i] = from[i];
    }
};
template <Name name> struct VexName {
    char text[sizeof name.text + 1]{'v'};
    consteval VexName() {
        for (std::size_t i = 0; i < sizeof name.text; ++i) text[i + 1] = name.text[i];
    }
};
template <Name name> inline constexpr VexName<name> vex_name{};
template <Name name> inline constexpr Name stored_name = name;
template <Name name, u32 flags = 0> inline constexpr OpInfo info_of{stored_name<name>.text, flags};
template <Name name, u32 flags = 0> inline constexpr OpInfo vex_info{vex_name<name>.text, flags};

/// `table(row, rows, ...)`: one array of single rows and arrays of rows.
template <class T> inline constexpr std::size_t row_count = 1;
template <std::size_t n> inline constexpr std::size_t row_count<std::array<Row, n>> = n;
template <class... Parts> consteval auto table(const Parts&... parts) {
    std::array<Row, (row_count<Parts> + ...)> all;
    std::size_t at = 0;
    const auto add = [&]<class Part>(const Part& part) {
        if constexpr (std::is_same_v<Part, Row>) {
            all[at++] = part;
        } else {
            for (const Row& row : part) all[at++] = row;
        }
    };
    (add(parts), ...);
    return all;
}

/// destination, first source, source: legacy, VEX.128 and VEX.256. `Shape<File>` holds the Body.
template <Name name, template <class File> class Shape>
consteval std::array<Row, 3> three(At at, Feature legacy, Feature wide = Feature::avx2) {
    using enum Arg;
    return {row<Shape<Xm>::template Body>(info_of<name>, at, {Vx, Wx}, legacy),
            row<Shape<V128>::template Body>(vex_info<name>, at.vex().l(0), {Vx, Hx, Wx}, Feature::avx),
            row<Shape<V256>::template Body>(vex_info<name>, at.vex().l(1), {Vx, Hx, Wx}, wide)};
}
/// ... and imm8
template <Name name, template <class File> class Shape>
consteval std::array<Row, 3> three_imm(At at, Feature legacy, Feature wide = Feature::avx2) {
    using enum Arg;
    return {row<Shape<Xm>::template Body>(info_of<name>, at, {Vx, Wx, Ib}, legacy),
            row<Shape<V128>::template Body>(vex_info<name>, at.vex().l(0), {Vx, Hx, Wx, Ib}, Feature::avx),
            row<Shape<V256>::template Body>(vex_info<name>, at.vex().l(1), {Vx, Hx, Wx, Ib}, wide)};
}
/// destination, source: no first source.
template <Name name, template <class File> class Shape>
consteval std::array<Row, 3> two(At at, Feature legacy, Feature wide = Feature::avx2) {
    using enum Arg;
    return {row<Shape<Xm>::template Body>(info_of<name>, at, {Vx, Wx}, legacy),
            row<Shape<V128>::template Body>(vex_info<name>, at.vex().l(0), {Vx, Wx}, Feature::avx),
            row<Shape<V256>::template Body>(vex_info<name>, at.vex().l(1), {Vx, Wx}, wide)};
}
template <Name name, template <class File> class Shape>
consteval std::array<Row, 3> two_imm(At at, Feature legacy, Feature wide = Feature::avx2) {
    using enum Arg;
    return {row<Shape<Xm>::template Body>(info_of<name>, at, {Vx, Wx, Ib}, legacy),
            row<Shape<V128>::template Body>(vex_info<name>, at.vex().l(0), {Vx, Wx, Ib}, Feature::avx),
            row<Shape<V256>::template Body>(vex_info<name>, at.vex().l(1), {Vx, Wx, Ib}, wide)};
}

/// `three` for an operation that is only an `apply`.
template <class S> struct Combined {
    template <class File> using Shape = Combine<S, File>;
    template <class File> using ShapeImm = CombineImm<S, File>;
};
template <Name name, class S> consteval std::array<Row, 3> vector(At at, Feature legacy, Feature wide = Feature::avx2) {
    return three<name, Combined<S>::template Shape>(at, legacy, wide);
}
template <Name name, class S>
consteval std::array<Row, 3> vector_imm(At at, Feature legacy, Feature wide = Feature::avx2) {
    return three_imm<name, Combined<S>::template ShapeImm>(at, legacy, wide);
}
/// The same where the first source does not count.
template <Name name, class S>
consteval std::array<Row, 3> vector_of_one(At at, Feature legacy, Feature wide = Feature::avx2) {
    return two<name, Combined<S>::template Shape>(at, legacy, wide);
}
template <Name name, class S>
consteval std::array<Row, 3> vector_of_one_imm(At at, Feature legacy, Feature wide = Feature::avx2) {
    return two_imm<name, Combined<S>::template ShapeImm>(at, legacy, wide);
}

/// Legacy and VEX.128 alone.
template <Name name, class S> consteval std::array<Row, 2> vector128_of_one(At at, Feature legacy) {
    using enum Arg;
    return {row<Combine<S, Xm>::template Body>(info_of<name>, at, {Vx, Wx}, legacy),
            row<Combine<S, V128>::template Body>(vex_info<name>, at.vex().l(0), {Vx, Wx}, Feature::avx)};
}
/// VEX alone: the name has its "v".
template <Name name, template <class File> class Shape> consteval std::array<Row, 2> vex_three(At at, Feature feature) {
    using enum Arg;
    return {row<Shape<V128>::template Body>(info_of<name>, at.vex().l(0), {Vx, Hx, Wx}, feature),
            row<Shape<V256>::template Body>(info_of<name>, at.vex().l(1), {Vx, Hx, Wx}, feature)};
}
template <Name name, class S> consteval std::array<Row, 2> vex_vector(At at, Feature feature) {
    return vex_three<name, Combined<S>::template Shape>(at, feature);
}
template <Name name, class S> consteval std::array<Row, 2> vex_vector_imm(At at, Feature feature) {
    using enum Arg;
    return {row<CombineImm<S, V128>::template Body>(info_of<name>, at.vex().l(0), {Vx, Hx, Wx, Ib}, feature),
            row<CombineImm<S, V256>::template Body>(info_of<name>, at.vex().l(1), {Vx, Hx, Wx, Ib}, feature)};
}
template <Name name, class S> consteval std::array<Row, 2> vex_vector_of_one_imm(At at, Feature feature) {
    using enum Arg;
    return {row<CombineImm<S, V128>::template Body>(info_of<name>, at.vex().l(0), {Vx, Wx, Ib}, feature),
            row<CombineImm<S, V256>::template Body>(info_of<name>, at.vex().l(1), {Vx, Wx, Ib}, feature)};
}
/// On MMX registers.
template <Name name, class S> consteval Row mmx_vector(u32 opcode, Feature feature) {
    using enum Arg;
    return row<Combine<S, Mm>::template Body>(info_of<name>, at(opcode).np(), {Pq, Qq}, feature);
}
/// On all registers: MMX without a prefix, the others with 66.
template <Name name, class S>
consteval std::array<Row, 4> packed(u32 opcode, Feature mmx = Feature::mmx, Feature legacy = Feature::sse2) {
    const auto wide = vector<name, S>(at(opcode).p66(), legacy);
    return {mmx_vector<name, S>(opcode, mmx), wide[0], wide[1], wide[2]};
}

// The parts of the table; families::mmx() and families::sse() join them.
std::span<const Row> move_rows();
std::span<const Row> integer_rows();
std::span<const Row> across_rows(); ///< integers: sums and products of neighbours
std::span<const Row> shift_rows();
std::span<const Row> shuffle_rows();
std::span<const Row> blend_rows();   ///< blends, tests, widening moves
std::span<const Row> element_rows(); ///< single elements in and out
std::span<const Row> permute_rows(); ///< AVX: broadcasts and what crosses lanes
std::span<const Row> masked_rows();  ///< masked moves and gathers
std::span<const Row> text_rows();    ///< SSE4.2's string comparisons
std::span<const Row> sse4a_rows();
std::span<const Row> float_rows();
std::span<const Row> convert_rows();
std::span<const Row> state_rows();

} // namespace glassbox::sse
