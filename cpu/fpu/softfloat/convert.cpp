// Rounding to an integer value in floating point (SDM 2, FRNDINT) and packed decimal (SDM 2, FBLD and FBSTP).
#include "cpu/fpu/softfloat/convert.hpp"

namespace glassbox::softfloat {

template <Float R> R round_to_integer(FloatEnv& env, R value, Rounding mode) {
    env.rounded_up = false;
    const Unpacked a = unpack_operand<R>(env, value);
    if (special(a)) return propagate<R>(env, a);
    if (a.kind == Kind::zero) return zero<R>(a.sign);
    if (a.kind == Kind::infinity) return infinity<R>(a.sign);
    if (is_extended<R> && stopped_by_denormal(env, a.denormal)) return value; // ROUNDSS raises no DE
    if (a.exponent >= R::precision - 1) return value;
    const IntegerMagnitude m = round_to_magnitude(mode, a);
    if (m.inexact) env.raise(flag::inexact);
    env.rounded_up = m.up;
    if (m.value == 0) return zero<R>(a.sign);
    const int shift = std::countl_zero(m.value);
    return pack<R>(a.sign, R::bias + 63 - shift, m.value << shift);
}

template F32 round_to_integer<F32>(FloatEnv&, F32, Rounding);
template F64 round_to_integer<F64>(FloatEnv&, F64, Rounding);
template F80 round_to_integer<F80>(FloatEnv&, F80, Rounding);

F80 from_decimal(const PackedDecimal& digits) {
    u64 value = 0;
    for (int i = 8; i >= 0; --i) {
        // Digits above nine are undefined by the SDM; hardware adds them up with their weight, and so is it here.
        const u8 pair = digits[static_cast<std::size_t>(i)];
        value = value * 100 + (pair >> 4) * 10u + (pair & 15u);
    }
    F80 result = extended_from_integer(static_cast<i64>(value));
    if (digits[9] & 0x80) result.sign_exponent |= 0x8000;
    return result;
}

PackedDecimal to_decimal(FloatEnv& env, F80 value) {
    constexpr PackedDecimal packed_indefinite{0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff};
    constexpr u64 limit = 1'000'000'000'000'000'000;
    env.rounded_up = false;
    const Unpacked a = unpack(value);
    IntegerMagnitude m{};
    if (a.kind == Kind::normal || a.kind == Kind::zero) m = round_to_magnitude(env.rounding, a);
    if (!m.fits || m.value >= limit) {
        env.raise(flag::invalid);
        return packed_indefinite;
    }
    if (m.inexact) env.raise(flag::inexact);
    env.rounded_up = m.up;
    PackedDecimal out{};
    for (std::size_t i = 0; i < 9; ++i) {
        const u64 pair = m.value % 100;
        m.value /= 100;
        out[i] = static_cast<u8>(pair / 10 << 4 | pair % 10);
    }
    out[9] = a.sign ? 0x80 : 0;
    return out;
}

} // namespace glassbox::softfloat
