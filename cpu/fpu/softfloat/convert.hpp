// Conversions between formats and integers, and packed decimal. Loads of a narrower format are exact; stores round by
// RC alone: precision control does not touch them.
#pragma once

#include "cpu/fpu/softfloat/nan.hpp"
#include "cpu/fpu/softfloat/round.hpp"

#include <array>

namespace glassbox::softfloat {

/// The widest precision: for operations that precision control does not reach.
constexpr FloatEnv at_full_precision(FloatEnv env) {
    env.precision = 64;
    return env;
}

/// Format conversion. To F80 (FLD) and between F32 and F64 it raises IE for a signaling NaN and DE for a denormal; even
/// an unmasked DE lets FLD push the value, as hardware does. From F80 (FST) a denormal raises no DE (SDM 2, FST), and
/// an unmasked overflow or underflow is the only flag then: nothing is stored, see `store_suppressed`.
template <Float To, Float From> inline To convert(FloatEnv& env, From value) {
    env.rounded_up = false;
    const Unpacked a = unpack_operand<To>(env, value);
    if (special(a)) return propagate<To>(env, a);
    if (a.kind == Kind::zero) return zero<To>(a.sign);
    if (a.kind == Kind::infinity) return infinity<To>(a.sign);
    if (!is_extended<From> && stopped_by_denormal(env, a.denormal) && !is_extended<To>) return zero<To>(false);
    if constexpr (is_extended<To>) {
        return pack<F80>(a.sign, a.exponent + F80::bias, a.significand);
    } else {
        FloatEnv narrow = env;
        narrow.flags = 0;
        const To result = round_pack<To>(narrow, a.sign, a.exponent, a.significand, 0);
        const auto trapped = static_cast<u8>(narrow.flags & ~env.masks & (flag::overflow | flag::underflow));
        if (is_extended<From> && trapped != 0) {
            env.raise(trapped);
            return result;
        }
        env.raise(narrow.flags);
        env.rounded_up = narrow.rounded_up;
        return result;
    }
}
/// True when FST m32/m64 after `convert` must leave memory, and the stack, alone.
constexpr bool store_suppressed(const FloatEnv& env) {
    return (env.flags & ~env.masks & (flag::invalid | flag::overflow | flag::underflow)) != 0;
}

/// Any 64-bit integer is exact in F80; for F32 and F64 it rounds.
template <Float To> inline To from_integer(FloatEnv& env, i64 value) {
    env.rounded_up = false;
    if (value == 0) return zero<To>(false);
    const u64 magnitude = value < 0 ? 0 - static_cast<u64>(value) : static_cast<u64>(value);
    const int shift = std::countl_zero(magnitude);
    if constexpr (is_extended<To>) {
        return pack<F80>(value < 0, F80::bias + 63 - shift, magnitude << shift);
    } else {
        return round_pack<To>(env, value < 0, 63 - shift, magnitude << shift, 0);
    }
}
constexpr F80 extended_from_integer(i64 value) {
    if (value == 0) return {};
    const u64 magnitude = value < 0 ? 0 - static_cast<u64>(value) : static_cast<u64>(value);
    const int shift = std::countl_zero(magnitude);
    return pack<F80>(value < 0, F80::bias + 63 - shift, magnitude << shift);
}

/// Magnitude of `a` rounded to an integer; `fits` is false from 2^64 on.
struct IntegerMagnitude {
    u64 value;
    bool fits, inexact, up;
};
constexpr IntegerMagnitude round_to_magnitude(Rounding mode, const Unpacked& a) {
    if (a.kind == Kind::zero) return {0, true, false, false};
    if (a.exponent > 63) return {0, false, false, false};
    u64 whole = 0, rest = 0;
    if (a.exponent >= 0) {
        const int drop = 63 - a.exponent;
        whole = a.significand >> drop;
        rest = drop == 0 ? 0 : a.significand << (64 - drop);
    } else {
        rest = a.exponent == -1 ? a.significand : 1; // below one half only "not zero" matters
    }
    bool up = false;
    switch (mode) {
    case Rounding::nearest: up = rest > integer_bit || (rest == integer_bit && (whole & 1)); break;
    case Rounding::down: up = a.sign && rest != 0; break;
    case Rounding::up: up = !a.sign && rest != 0; break;
    case Rounding::truncate: break;
    }
    if (up && whole == ~u64{0}) return {0, false, false, false};
    return {whole + up, true, rest != 0, up};
}

/// To a signed integer under `mode`; NaN and what does not fit give the integer indefinite and IE. No DE.
template <class Int, Float R = F80, Float From> inline Int to_integer(FloatEnv& env, From value, Rounding mode) {
    constexpr Int integer_indefinite = static_cast<Int>(u64{1} << (8 * sizeof(Int) - 1));
    env.rounded_up = false;
    const Unpacked a = unpack_operand<R>(env, value);
    if (a.kind == Kind::normal || a.kind == Kind::zero) {
        const IntegerMagnitude m = round_to_magnitude(mode, a);
        constexpr u64 limit = u64{1} << (8 * sizeof(Int) - 1);
        if (m.fits && m.value < limit + a.sign) {
            if (m.inexact) env.raise(flag::inexact);
            env.rounded_up = m.up;
            return static_cast<Int>(a.sign ? 0 - m.value : m.value);
        }
    }
    env.raise(flag::invalid);
    return integer_indefinite;
}
template <class Int, Float From> inline Int to_integer(FloatEnv& env, From value) {
    return to_integer<Int, From>(env, value, env.rounding);
}

/// FRNDINT, and ROUNDSS and its like for R = F32, F64.
template <Float R> R round_to_integer(FloatEnv& env, R value, Rounding mode);
extern template F32 round_to_integer<F32>(FloatEnv&, F32, Rounding);
extern template F64 round_to_integer<F64>(FloatEnv&, F64, Rounding);
extern template F80 round_to_integer<F80>(FloatEnv&, F80, Rounding);

/// Eighteen packed digits and a sign byte (SDM 1, 4.7).
using PackedDecimal = std::array<u8, 10>;
F80 from_decimal(const PackedDecimal& digits);
/// FBSTP: IE and the packed indefinite for NaN, infinities and what needs more than 18 digits.
PackedDecimal to_decimal(FloatEnv& env, F80 value);

} // namespace glassbox::softfloat
