// The three formats of the x86 floating point (SDM 1, 4.2.2 and 8.2): values as bits, what kind of number they hold,
// and the environment that an operation reads and reports to. One unpacked form serves all three, so that every
// operation is written once: significand with its leading one in bit 63, and an unbiased exponent.
#pragma once

#include "bus/types.hpp"

#include <bit>

namespace glassbox::softfloat {

enum class Rounding : u8 { nearest, down, up, truncate }; ///< the encoding of RC in the control word and MXCSR

/// Exception bits where the x87 status word and MXCSR have them.
namespace flag {
inline constexpr u8 invalid = 0x01, denormal = 0x02, zero_divide = 0x04, overflow = 0x08, underflow = 0x10,
                    inexact = 0x20, all = 0x3f;
/// Detected before the operation computes: unmasked, they leave its destination alone.
inline constexpr u8 before_result = invalid | denormal | zero_divide;
} // namespace flag

/// What an operation reads (modes, masks) and what it adds to (flags, rounded_up).
struct FloatEnv {
    Rounding rounding = Rounding::nearest;
    u8 precision = 64;               ///< x87 significand bits: 24, 53 or 64; ignored by 32- and 64-bit results
    u8 masks = flag::all;            ///< a set bit masks the exception
    u8 flags = 0;                    ///< exceptions raised: the operations only add to it
    bool rounded_up = false;         ///< C1: the last inexact result was rounded away from zero
    bool denormals_are_zero = false; ///< MXCSR.DAZ; only for 32- and 64-bit operations
    bool flush_to_zero = false;      ///< MXCSR.FTZ; only with underflow masked

    constexpr void raise(u8 exceptions) { flags = static_cast<u8>(flags | exceptions); }
    constexpr bool masked(u8 exception) const { return (masks & exception) != 0; }
    /// True when an exception keeps the result from being written at all (x87 rule; SSE keeps it for every unmasked
    /// one).
    constexpr bool suppressed() const { return (flags & ~masks & flag::before_result) != 0; }
};

/// Half precision: only converted from and to (F16C, SDM 1 14.4).
struct F16 {
    u16 bits = 0;
    constexpr bool operator==(const F16&) const = default;
    static constexpr int precision = 11, bias = 15, max_exponent = 0x1f;
};
struct F32 {
    u32 bits = 0;
    constexpr bool operator==(const F32&) const = default;
    static constexpr int precision = 24, bias = 127, max_exponent = 0xff;
};
struct F64 {
    u64 bits = 0;
    constexpr bool operator==(const F64&) const = default;
    static constexpr int precision = 53, bias = 1023, max_exponent = 0x7ff;
};
/// The x87's extended format: the integer bit is explicit, so encodings exist that no operation produces.
struct F80 {
    u64 significand = 0;
    u16 sign_exponent = 0;
    constexpr bool operator==(const F80&) const = default;
    constexpr bool sign() const { return (sign_exponent & 0x8000) != 0; }
    constexpr int exponent() const { return sign_exponent & 0x7fff; }
    static constexpr int precision = 64, bias = 16383, max_exponent = 0x7fff;
};

template <class F>
concept Float = std::is_same_v<F, F16> || std::is_same_v<F, F32> || std::is_same_v<F, F64> || std::is_same_v<F, F80>;
template <class F> inline constexpr bool is_extended = std::is_same_v<F, F80>;

enum class Kind : u8 { normal, zero, infinity, quiet_nan, signaling_nan, unsupported };

struct Unpacked {
    u64 significand =
        0;            ///< bit 63 set for normal numbers (denormals are normalised); for NaN the payload, aligned left
    i32 exponent = 0; ///< of bit 63, unbiased
    Kind kind = Kind::zero;
    bool sign = false;
    bool denormal = false; ///< the operand was a denormal or pseudo-denormal

    constexpr bool nan() const { return kind == Kind::quiet_nan || kind == Kind::signaling_nan; }
};

inline constexpr u64 integer_bit = u64{1} << 63;
inline constexpr u64 quiet_bit = u64{1} << 62;

constexpr Unpacked unpack_parts(bool sign, int biased, int bias, int max_exponent, u64 fraction) {
    Unpacked u;
    u.sign = sign;
    u.significand = fraction;
    if (biased == max_exponent) {
        u.significand |= integer_bit;
        const bool is_nan = (fraction << 1) != 0;
        u.kind = !is_nan ? Kind::infinity : (fraction & quiet_bit) ? Kind::quiet_nan : Kind::signaling_nan;
    } else if (biased == 0) {
        if (fraction == 0) return u;
        const int shift = std::countl_zero(fraction);
        u.significand = fraction << shift;
        u.exponent = 1 - bias - shift;
        u.kind = Kind::normal;
        u.denormal = true;
    } else {
        u.significand |= integer_bit;
        u.exponent = biased - bias;
        u.kind = Kind::normal;
    }
    return u;
}

constexpr Unpacked unpack(F16 v) {
    return unpack_parts(v.bits >> 15, (v.bits >> 10) & 0x1f, F16::bias, F16::max_exponent, u64{v.bits & 0x3ffu} << 53);
}
constexpr Unpacked unpack(F32 v) {
    return unpack_parts(v.bits >> 31, (v.bits >> 23) & 0xff, F32::bias, F32::max_exponent,
                        u64{v.bits & 0x7fffff} << 40);
}
constexpr Unpacked unpack(F64 v) {
    return unpack_parts(v.bits >> 63, static_cast<int>((v.bits >> 52) & 0x7ff), F64::bias, F64::max_exponent,
                        (v.bits & 0xfffffffffffff) << 11);
}
constexpr Unpacked unpack(F80 v) {
    // Unnormals, pseudo-infinities and pseudo-NaNs: unsupported since the 387 (SDM 1, 8.2.2).
    if (v.exponent() != 0 && !(v.significand & integer_bit)) {
        return Unpacked{.significand = v.significand, .kind = Kind::unsupported, .sign = v.sign()};
    }
    return unpack_parts(v.sign(), v.exponent(), F80::bias, F80::max_exponent, v.significand);
}

/// Unpacks an operand of an operation whose result is an `R`: MXCSR.DAZ is obeyed where it exists.
template <Float R, Float A> constexpr Unpacked unpack_operand(const FloatEnv& env, A a) {
    Unpacked u = unpack(a);
    if constexpr (!is_extended<R>) {
        if (env.denormals_are_zero && u.denormal) u = Unpacked{.sign = u.sign};
    }
    return u;
}

/// Packs fields: `biased` is the exponent field, `significand` has its leading one (if any) in bit 63.
template <Float F> constexpr F pack(bool sign, int biased, u64 significand) {
    if constexpr (std::is_same_v<F, F16>) {
        return {static_cast<u16>((u32{sign} << 15) | (static_cast<u32>(biased) << 10) |
                                 (static_cast<u32>(significand >> 53) & 0x3ff))};
    } else if constexpr (std::is_same_v<F, F32>) {
        return {(u32{sign} << 31) | (static_cast<u32>(biased) << 23) |
                (static_cast<u32>(significand >> 40) & 0x7fffff)};
    } else if constexpr (std::is_same_v<F, F64>) {
        return {(u64{sign} << 63) | (static_cast<u64>(biased) << 52) | ((significand >> 11) & 0xfffffffffffff)};
    } else {
        return {significand, static_cast<u16>((sign ? 0x8000 : 0) | biased)};
    }
}

template <Float F> constexpr F zero(bool sign) { return pack<F>(sign, 0, 0); }
template <Float F> constexpr F infinity(bool sign) { return pack<F>(sign, F::max_exponent, integer_bit); }
/// The real indefinite: what a masked invalid operation delivers.
template <Float F> constexpr F indefinite() { return pack<F>(true, F::max_exponent, integer_bit | quiet_bit); }
template <Float F> constexpr F quiet(const Unpacked& nan) {
    return pack<F>(nan.sign, F::max_exponent, nan.significand | integer_bit | quiet_bit);
}
/// A zero or a finite, normalised number of which `biased` is certainly a normal exponent.
constexpr bool plain(F80 v) {
    return (v.significand & integer_bit) && static_cast<unsigned>(v.exponent() - 1) < 0x7ffe;
}
constexpr bool plain(F64 v) { return ((v.bits >> 52) & 0x7ff) - 1 < 0x7fe; }
constexpr bool plain(F32 v) { return ((v.bits >> 23) & 0xff) - 1 < 0xfe; }

/// Unpacks a value known to be `plain`: no branches.
constexpr Unpacked unpack_plain(F80 v) {
    return {v.significand, v.exponent() - F80::bias, Kind::normal, v.sign(), false};
}
constexpr Unpacked unpack_plain(F64 v) {
    return {(v.bits << 11) | integer_bit, static_cast<i32>((v.bits >> 52) & 0x7ff) - F64::bias, Kind::normal,
            (v.bits >> 63) != 0, false};
}
constexpr Unpacked unpack_plain(F32 v) {
    return {(u64{v.bits} << 40) | integer_bit, static_cast<i32>((v.bits >> 23) & 0xff) - F32::bias, Kind::normal,
            (v.bits >> 31) != 0, false};
}

} // namespace glassbox::softfloat
