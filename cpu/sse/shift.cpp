// Shifts of packed integers (SDM 2): by an immediate, by the low quadword of the source, lane by lane by another vector
// (AVX2), of whole 16-byte lanes by bytes, and PALIGNR.
// A count beyond the lane gives zeros, or copies of the sign.
#include "cpu/sse/exec.hpp"

#include <algorithm>

namespace glassbox::sse {

namespace {

using enum Arg;
constexpr Feature mmx = Feature::mmx, sse2 = Feature::sse2, ssse3 = Feature::ssse3, avx = Feature::avx,
                  avx2 = Feature::avx2;

template <class T> struct ShiftLeft {
    using Lane = T;
    template <class V> static V of(V a, u64 count) { return count < bits_of<T> ? a << static_cast<T>(count) : V{}; }
};
template <class T> struct ShiftRight {
    using Lane = T;
    template <class V> static V of(V a, u64 count) { return count < bits_of<T> ? a >> static_cast<T>(count) : V{}; }
};
template <class T> struct ShiftArithmetic {
    using Lane = Signed<T>;
    template <class V> static V of(V a, u64 count) {
        return a >> static_cast<Lane>(std::min<u64>(count, bits_of<T> - 1));
    }
};
template <class S, class File> typename File::Value shifted(const typename File::Value& a, u64 count) {
    if constexpr (File::bytes == 32) {
        return {{shifted<S, V128>(a.part[0], count), shifted<S, V128>(a.part[1], count)}};
    } else {
        return std::bit_cast<typename File::Value>(S::of(lanes<typename S::Lane, File>(a), count));
    }
}
/// The count is the low quadword of 8 or 16 bytes.
template <class S> struct BySource {
    template <class File> struct Shape {
        template <class Source> struct Body {
            using Count = std::conditional_t<File::bytes == 32, V128, File>;
            static bool run(Cpu& cpu, const Op& op, Flags&) {
                typename Count::Value b;
                if (!File::ready(cpu) || !Count::template source<Source>(cpu, op, b)) return false;
                File::set(cpu, op.reg, shifted<S, File>(File::first(cpu, op), lanes<u64, Count>(b)[0]));
                return true;
            }
        };
    };
};
/// Group 12 to 14: the source is ModRM.rm, which is also the destination unless VEX.vvvv names another.
template <class S, class File> struct ByImmediate {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!File::ready(cpu)) return false;
        File::set(cpu, File::vex ? op.imm2 : op.base,
                  shifted<S, File>(File::get(cpu, op.base), static_cast<u8>(op.imm)));
        return true;
    }
};

/// PSLLDQ, PSRLDQ: each 16-byte lane by bytes.
template <bool left, class File> struct ShiftBytes {
    static Xmm lane(const Xmm& value, unsigned count) {
        const auto from = lanes<u8, Xm>(value);
        Lanes<u8, Xm> to{};
        for (unsigned i = 0; i + count < 16; ++i) to[left ? i + count : i] = from[left ? i : i + count];
        return std::bit_cast<Xmm>(to);
    }
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!File::ready(cpu)) return false;
        typename File::Value value = File::get(cpu, op.base);
        const unsigned count = std::min(16u, static_cast<unsigned>(op.imm & 0xFF));
        if constexpr (File::bytes == 32)
            value = {{lane(value.part[0], count), lane(value.part[1], count)}};
        else
            value = lane(value, count);
        File::set(cpu, File::vex ? op.imm2 : op.base, value);
        return true;
    }
};
/// PALIGNR: the first source above the second, shifted right by bytes.
struct Align {
    template <class File>
    static typename File::Value apply(const typename File::Value& a, const typename File::Value& b, u8 count) {
        constexpr unsigned n = File::bytes;
        std::array<u8, 3 * n> both{};
        std::memcpy(both.data(), &b, n);
        std::memcpy(both.data() + n, &a, n);
        typename File::Value r;
        std::memcpy(static_cast<void*>(&r), both.data() + std::min<unsigned>(count, 2 * n), n);
        return r;
    }
};

// --- counts lane by lane
// -----------------------------------------------------------------------------------------------
template <class T> struct EachLeft {
    template <class File> static Xmm apply(const Xmm& a, const Xmm& b) {
        const auto x = lanes<T, Xm>(a), n = lanes<T, Xm>(b);
        return std::bit_cast<Xmm>((x << (n & (bits_of<T> - 1))) & std::bit_cast<Lanes<T, Xm>>(n < bits_of<T>));
    }
};
template <class T> struct EachRight {
    template <class File> static Xmm apply(const Xmm& a, const Xmm& b) {
        const auto x = lanes<T, Xm>(a), n = lanes<T, Xm>(b);
        return std::bit_cast<Xmm>((x >> (n & (bits_of<T> - 1))) & std::bit_cast<Lanes<T, Xm>>(n < bits_of<T>));
    }
};
struct EachArithmetic {
    template <class File> static Xmm apply(const Xmm& a, const Xmm& b) {
        const auto n = lanes<u32, Xm>(b);
        const Lanes<u32, Xm> most = Lanes<u32, Xm>{} + 31;
        return std::bit_cast<Xmm>(lanes<i32, Xm>(a) >> std::bit_cast<Lanes<i32, Xm>>(n < 32 ? n : most));
    }
};

// --- rows -----------------------------------------------------------------------------------------------------------
template <Name name, class S> consteval auto by_immediate(u32 opcode, int digit) {
    const At place = at(opcode).digit(digit);
    return table(register_row<ByImmediate<S, Mm>>(info_of<name>, place.np(), {Nq, Ib}, mmx),
                 register_row<ByImmediate<S, Xm>>(info_of<name>, place.p66(), {Ux, Ib}, sse2),
                 register_row<ByImmediate<S, V128>>(vex_info<name>, place.p66().vex().l(0), {Hx, Ux, Ib}, avx),
                 register_row<ByImmediate<S, V256>>(vex_info<name>, place.p66().vex().l(1), {Hx, Ux, Ib}, avx2));
}
template <Name name, class S> consteval auto by_source(u32 opcode) {
    const At place = at(opcode).p66();
    return table(
        row<BySource<S>::template Shape<Mm>::template Body>(info_of<name>, at(opcode).np(), {Pq, Qq}, mmx),
        row<BySource<S>::template Shape<Xm>::template Body>(info_of<name>, place, {Vx, Wx}, sse2),
        row<BySource<S>::template Shape<V128>::template Body>(vex_info<name>, place.vex().l(0), {Vx, Hx, Wdq}, avx),
        row<BySource<S>::template Shape<V256>::template Body>(vex_info<name>, place.vex().l(1), {Vx, Hx, Wdq}, avx2));
}
/// Opcodes: by the source, and the group's with its digit.
template <Name name, class S> consteval auto shift(u32 source, u32 group, int digit) {
    return table(by_source<name, S>(source), by_immediate<name, S>(group, digit));
}
template <Name name, bool left> consteval auto bytes(int digit) {
    const At place = at(0x0F73).digit(digit).p66();
    return table(register_row<ShiftBytes<left, Xm>>(info_of<name>, place, {Ux, Ib}, sse2),
                 register_row<ShiftBytes<left, V128>>(vex_info<name>, place.vex().l(0), {Hx, Ux, Ib}, avx),
                 register_row<ShiftBytes<left, V256>>(vex_info<name>, place.vex().l(1), {Hx, Ux, Ib}, avx2));
}

constexpr auto rows =
    table(shift<"psrlw", ShiftRight<u16>>(0x0FD1, 0x0F71, 2), shift<"psrld", ShiftRight<u32>>(0x0FD2, 0x0F72, 2),
          shift<"psrlq", ShiftRight<u64>>(0x0FD3, 0x0F73, 2), shift<"psraw", ShiftArithmetic<u16>>(0x0FE1, 0x0F71, 4),
          shift<"psrad", ShiftArithmetic<u32>>(0x0FE2, 0x0F72, 4), shift<"psllw", ShiftLeft<u16>>(0x0FF1, 0x0F71, 6),
          shift<"pslld", ShiftLeft<u32>>(0x0FF2, 0x0F72, 6), shift<"psllq", ShiftLeft<u64>>(0x0FF3, 0x0F73, 6),
          bytes<"psrldq", false>(3), bytes<"pslldq", true>(7),

          row<CombineImm<Align, Mm>::Body>(info_of<"palignr">, at(0x0F3A0F).np(), {Pq, Qq, Ib}, ssse3),
          vector_imm<"palignr", Align>(at(0x0F3A0F).p66(), ssse3),

          vex_vector<"vpsllvd", EachLeft<u32>>(at(0x0F3847).p66().w(0), avx2),
          vex_vector<"vpsllvq", EachLeft<u64>>(at(0x0F3847).p66().w(1), avx2),
          vex_vector<"vpsrlvd", EachRight<u32>>(at(0x0F3845).p66().w(0), avx2),
          vex_vector<"vpsrlvq", EachRight<u64>>(at(0x0F3845).p66().w(1), avx2),
          vex_vector<"vpsravd", EachArithmetic>(at(0x0F3846).p66().w(0), avx2));

} // namespace

std::span<const Row> shift_rows() { return rows; }

} // namespace glassbox::sse
