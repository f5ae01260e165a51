// From an exact (or sticky) result to a value of the format: rounding, overflow, underflow, and what masks make of
// them (SDM 1, 4.9.1 and 8.5). x86 detects tininess after rounding. An unmasked overflow or underflow of an x87
// result delivers the number with its exponent wrapped by 24576; a 32- or 64-bit result is then never written, so its
// value does not matter.
#pragma once

#include "cpu/fpu/softfloat/values.hpp"

namespace glassbox::softfloat {

struct RoundedSignificand {
    u64 significand; ///< low bits below the precision are zero; zero means that the carry left bit 63
    bool inexact;
    bool up;
};

/// Rounds `significand`.`extra` to its top `precision` bits (1 to 64).
constexpr RoundedSignificand round_significand(Rounding mode, bool sign, u64 significand, u64 extra, int precision) {
    const int drop = 64 - precision;
    const u64 unit = u64{1} << drop;
    // The dropped part, as a fraction of the unit in its top bit and the rest below it as sticky bits.
    u64 rest = extra;
    if (drop != 0) rest = (significand << precision) | static_cast<u64>(extra != 0);
    const u64 kept = significand & ~(unit - 1);
    bool up = false;
    switch (mode) {
    case Rounding::nearest: up = rest > integer_bit || (rest == integer_bit && (kept & unit)); break;
    case Rounding::down: up = sign && rest != 0; break;
    case Rounding::up: up = !sign && rest != 0; break;
    case Rounding::truncate: break;
    }
    return {up ? kept + unit : kept, rest != 0, up};
}

template <Float R> constexpr int result_precision(const FloatEnv& env) {
    if constexpr (is_extended<R>) return env.precision;
    return R::precision;
}

/// Masked overflow: infinity or the largest finite number, as the rounding mode says.
template <Float R> R overflowed(FloatEnv& env, bool sign, int precision) {
    const bool to_infinity = env.rounding == Rounding::nearest || (env.rounding == Rounding::down && sign) ||
                             (env.rounding == Rounding::up && !sign);
    env.raise(flag::overflow | flag::inexact);
    env.rounded_up = to_infinity;
    if (to_infinity) return infinity<R>(sign);
    return pack<R>(sign, R::max_exponent - 1, ~u64{0} << (64 - precision));
}

/// Masked underflow: a denormal, `shift` (at least 1) places below the least normal number's position.
template <Float R> R denormalised(FloatEnv& env, bool sign, i32 shift, u64 significand, u64 extra, int precision) {
    if (!is_extended<R> && env.flush_to_zero) {
        env.raise(flag::underflow | flag::inexact);
        return zero<R>(sign);
    }
    u64 high = 0, low = 1;
    if (shift < 64) {
        low = (significand << (64 - shift)) | static_cast<u64>(extra != 0);
        high = significand >> shift;
    } else if (shift == 64) {
        low = significand | static_cast<u64>(extra != 0);
    }
    const RoundedSignificand r = round_significand(env.rounding, sign, high, low, precision);
    if (r.inexact) env.raise(flag::underflow | flag::inexact);
    env.rounded_up = r.up;
    // Rounding may have carried into the least normal number.
    return pack<R>(sign, (r.significand & integer_bit) ? 1 : 0, r.significand);
}

/// The edges of the exponent range, away from the path of ordinary results.
template <Float R>
[[gnu::cold, gnu::noinline]] R round_at_edge(FloatEnv& env, bool sign, i32 exponent, u64 significand, u64 extra) {
    constexpr i32 wrap = 24576;
    const int precision = result_precision<R>(env);
    const i32 before = exponent + R::bias;
    const RoundedSignificand r = round_significand(env.rounding, sign, significand, extra, precision);
    const i32 after = r.significand == 0 ? before + 1 : before; // exponent after rounding, range unbounded
    const bool overflow = after >= R::max_exponent, tiny = after <= 0;
    if (overflow && env.masked(flag::overflow)) return overflowed<R>(env, sign, precision);
    if (tiny && env.masked(flag::underflow)) {
        return denormalised<R>(env, sign, 1 - before, significand, extra, precision);
    }
    env.rounded_up = r.up;
    if (r.inexact) env.raise(flag::inexact);
    if (!overflow && !tiny) return pack<R>(sign, after, r.significand | integer_bit);
    env.raise(overflow ? flag::overflow : flag::underflow);
    if constexpr (!is_extended<R>) return zero<R>(sign);
    const i32 wrapped = after + (overflow ? -wrap : wrap);
    // FSCALE can leave even the wrapped range: infinity and zero then, inexact (SDM 1, 8.5.4 and 8.5.5).
    if (wrapped >= R::max_exponent || wrapped <= 0) {
        env.raise(flag::inexact);
        env.rounded_up = overflow;
        return overflow ? infinity<R>(sign) : zero<R>(sign);
    }
    return pack<R>(sign, wrapped, r.significand | integer_bit);
}

/// Rounds and packs (-1)^sign × significand.extra × 2^exponent; bit 63 of `significand` is set, `extra` may be sticky.
template <Float R>
[[gnu::always_inline]] inline R round_pack(FloatEnv& env, bool sign, i32 exponent, u64 significand, u64 extra) {
    const i32 biased = exponent + R::bias;
    if (static_cast<u32>(biased - 1) >= static_cast<u32>(R::max_exponent - 2)) [[unlikely]] {
        return round_at_edge<R>(env, sign, exponent, significand, extra);
    }
    const int precision = result_precision<R>(env);
    if (env.rounding == Rounding::nearest && (!is_extended<R> || precision == 64)) [[likely]] {
        constexpr int drop = 64 - R::precision;
        u64 rest = extra;
        if constexpr (drop != 0) rest = (significand << R::precision) | static_cast<u64>(extra != 0);
        const u64 up = (rest >> 63) & static_cast<u64>(((rest << 1) != 0) | ((significand >> drop) & 1));
        const u64 kept = (significand >> drop) + up;
        env.raise(rest != 0 ? flag::inexact : u8{0});
        env.rounded_up = up != 0;
        // The carry, if any, runs into the exponent by itself.
        if constexpr (std::is_same_v<R, F16>) {
            return {static_cast<u16>((u64{sign} << 15) + (static_cast<u64>(biased - 1) << 10) + kept)};
        } else if constexpr (std::is_same_v<R, F32>) {
            return {static_cast<u32>((u64{sign} << 31) + (static_cast<u64>(biased - 1) << 23) + kept)};
        } else if constexpr (std::is_same_v<R, F64>) {
            return {(u64{sign} << 63) + (static_cast<u64>(biased - 1) << 52) + kept};
        } else {
            const bool carry = kept == 0;
            return {carry ? integer_bit : kept, static_cast<u16>((u32{sign} << 15) + static_cast<u32>(biased) + carry)};
        }
    }
    const RoundedSignificand r = round_significand(env.rounding, sign, significand, extra, precision);
    env.raise(r.inexact ? flag::inexact : u8{0});
    env.rounded_up = r.up;
    return pack<R>(sign, r.significand == 0 ? biased + 1 : biased, r.significand | integer_bit);
}

} // namespace glassbox::softfloat
