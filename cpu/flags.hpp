// The six arithmetic flags, lazily, as two words (SDM 1, 3.4.3):
//   result  the sign-extended result: ZF, SF and PF are read off it
//   carries the vector of carries (or borrows) out of every bit: CF, OF and AF are read off it
// Producing them costs a few ALU operations without a branch; most are overwritten before anybody looks.
//
// Layout. carries: bit 63 the carry out of the top bit (CF), bit 62 the carry into it (OF = bit 63 ^ bit 62), bit 3 AF.
// result: bits 31-0 zero if and only if ZF; bit 63 SF; PF is the even parity of bits 7-0, inverted when bit 62 differs
// from bit 63. An ordinary sign-extended result has them equal; a POPF may ask for any of the 64 combinations.
#pragma once

#include "bus/types.hpp"

#include <bit>
#include <concepts>
#include <type_traits>

namespace glassbox {

template <class T>
concept Word = std::same_as<T, u8> || std::same_as<T, u16> || std::same_as<T, u32> || std::same_as<T, u64>;

template <Word T> inline constexpr unsigned bits_of = sizeof(T) * 8;
template <Word T> using Signed = std::make_signed_t<T>;
template <Word T> constexpr bool sign_of(T v) { return static_cast<Signed<T>>(v) < 0; }

namespace eflags {
inline constexpr u32 CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, TF = 0x100, IF = 0x200, DF = 0x400, OF = 0x800;
inline constexpr u32 IOPL = 0x3000, NT = 0x4000, RF = 0x1'0000, VM = 0x2'0000, AC = 0x4'0000, VIF = 0x8'0000,
                     VIP = 0x10'0000, ID = 0x20'0000;
inline constexpr u32 arithmetic = CF | PF | AF | ZF | SF | OF;
inline constexpr u32 OSZAPC = arithmetic, OSZAP = arithmetic & ~CF;
} // namespace eflags

struct Flags {
    u64 result = 0x100;
    u64 carries = 0;

    bool cf() const { return static_cast<i64>(carries) < 0; }
    bool of() const { return static_cast<i64>(carries ^ (carries << 1)) < 0; }
    bool af() const { return (carries & 8) != 0; }
    bool zf() const { return static_cast<u32>(result) == 0; }
    bool sf() const { return static_cast<i64>(result) < 0; }
    bool pf() const {
        const bool odd = (std::popcount(static_cast<u8>(result)) & 1) != 0;
        const bool inverted = static_cast<i64>(result ^ (result << 1)) < 0;
        return odd == inverted;
    }
    /// SF != OF, the signed "less".
    bool less() const { return static_cast<i64>(result ^ carries ^ (carries << 1)) < 0; }

    template <Word T> void set_result(T r) {
        if constexpr (sizeof(T) == 8) {
            const u64 low = static_cast<u32>(r) | (static_cast<u64>((r >> 32) != 0) << 8);
            result = (static_cast<u64>(static_cast<i64>(r) >> 1) & ~u64{0xFFFF'FFFF}) | low;
        } else {
            result = static_cast<u64>(static_cast<i64>(static_cast<Signed<T>>(r)));
        }
    }
    template <Word T> void set_carries(T vector) { carries = u64{vector} | (u64{vector} << (64 - bits_of<T>)); }

    /// After r = a + b (+ carry).
    template <Word T> void add(T a, T b, T r) {
        set_result(r);
        set_carries(static_cast<T>((a & b) | ((a | b) & ~r)));
    }
    /// After r = a - b (- borrow).
    template <Word T> void sub(T a, T b, T r) {
        set_result(r);
        set_carries(static_cast<T>((~a & b) | ((~a | b) & r)));
    }
    /// After AND, OR, XOR, TEST: CF = OF = 0; AF is undefined and cleared.
    template <Word T> void logic(T r) {
        set_result(r);
        carries = 0;
    }
    void set_cf_of_af(bool c, bool o, bool a) {
        carries = (u64{c} << 63) | (static_cast<u64>(c != o) << 62) | (u64{a} << 3);
    }
    void set_cf(bool c) { set_cf_of_af(c, of(), af()); }

    /// The six flags at their places in EFLAGS.
    u32 value() const {
        return (cf() ? eflags::CF : 0) | (pf() ? eflags::PF : 0) | (af() ? eflags::AF : 0) | (zf() ? eflags::ZF : 0) |
               (sf() ? eflags::SF : 0) | (of() ? eflags::OF : 0);
    }
    void load(u32 v) {
        const bool s = (v & eflags::SF) != 0;
        const bool p = (v & eflags::PF) != 0;
        result = (u64{s} << 63) | (static_cast<u64>(s == p) << 62) | ((v & eflags::ZF) ? 0u : 0x100u);
        set_cf_of_af((v & eflags::CF) != 0, (v & eflags::OF) != 0, (v & eflags::AF) != 0);
    }
    /// Replaces the flags of `mask` by those of `v`.
    void replace(u32 mask, u32 v) { load((value() & ~mask) | (v & mask)); }
};

} // namespace glassbox
