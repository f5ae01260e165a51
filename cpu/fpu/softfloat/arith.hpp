// Add, subtract, multiply, divide and square root for any mix of operand formats; `R` is the format of the result and
// with it the rules for NaN and precision: F80 the x87's, F32 and F64 those of SSE. An x87 instruction with a 32- or
// 64-bit memory operand is simply `add<F80>(env, st0, F32{m})`.
// Every function is pure but for env.flags (added to) and env.rounded_up (set).
#pragma once

#include "cpu/fpu/softfloat/nan.hpp"
#include "cpu/fpu/softfloat/round.hpp"

#include <utility>

namespace glassbox::softfloat {

namespace detail {

/// (-1)^sign × wide × 2^(exponent of bit 127), not normalised, `wide` not zero.
template <Float R> [[gnu::always_inline]] inline R round_wide(FloatEnv& env, bool sign, i32 exponent, u128 wide) {
    u64 high = static_cast<u64>(wide >> 64);
    if (!(high & integer_bit)) {
        const int shift = high ? std::countl_zero(high) : 64 + std::countl_zero(static_cast<u64>(wide));
        wide <<= shift;
        exponent -= shift;
        high = static_cast<u64>(wide >> 64);
    }
    return round_pack<R>(env, sign, exponent, high, static_cast<u64>(wide));
}

template <Float R> [[gnu::always_inline]] inline R add_numbers(FloatEnv& env, Unpacked a, Unpacked b) {
    if (a.exponent < b.exponent || (a.exponent == b.exponent && a.significand < b.significand)) std::swap(a, b);
    const auto distance = static_cast<u32>(a.exponent - b.exponent);
    const u128 high = u128{a.significand} << 64;
    u128 low = u128{b.significand} << 64;
    if (distance > 64) { // what is shifted out leaves a sticky bit; up to 64 places nothing is
        low = distance < 128 ? (low >> distance) | static_cast<u128>((low << (128 - distance)) != 0) : 1;
    } else {
        low >>= distance;
    }
    if (a.sign == b.sign) {
        const u128 sum = high + low;
        if (sum < high) { // carry: one place to the right, keeping the sticky bit
            const u128 shifted = (sum >> 1) | (sum & 1) | (u128{integer_bit} << 64);
            return round_pack<R>(env, a.sign, a.exponent + 1, static_cast<u64>(shifted >> 64),
                                 static_cast<u64>(shifted));
        }
        return round_pack<R>(env, a.sign, a.exponent, static_cast<u64>(sum >> 64), static_cast<u64>(sum));
    }
    const u128 difference = high - low;
    if (difference == 0) {
        env.rounded_up = false;
        return zero<R>(env.rounding == Rounding::down);
    }
    return round_wide<R>(env, a.sign, a.exponent, difference);
}

template <Float R> [[gnu::noinline]] R add_special(FloatEnv& env, const Unpacked& a, const Unpacked& b) {
    env.rounded_up = false;
    if (special(a) || special(b)) return propagate<R>(env, a, b);
    const bool infinite_a = a.kind == Kind::infinity, infinite_b = b.kind == Kind::infinity;
    if (infinite_a && infinite_b && a.sign != b.sign) return invalid<R>(env);
    if (stopped_by_denormal(env, a.denormal || b.denormal)) return zero<R>(false);
    if (infinite_a || infinite_b) return infinity<R>(infinite_a ? a.sign : b.sign);
    if (a.kind == Kind::zero && b.kind == Kind::zero) {
        return zero<R>(a.sign == b.sign ? a.sign : env.rounding == Rounding::down);
    }
    if (a.kind == Kind::zero) return round_pack<R>(env, b.sign, b.exponent, b.significand, 0);
    if (b.kind == Kind::zero) return round_pack<R>(env, a.sign, a.exponent, a.significand, 0);
    return add_numbers<R>(env, a, b);
}

template <Float R>
[[gnu::always_inline]] inline R multiply_numbers(FloatEnv& env, const Unpacked& a, const Unpacked& b) {
    u128 product = u128{a.significand} * b.significand;
    const int top = static_cast<int>(product >> 127);
    product <<= 1 - top;
    return round_pack<R>(env, a.sign != b.sign, a.exponent + b.exponent + top, static_cast<u64>(product >> 64),
                         static_cast<u64>(product));
}

template <Float R> [[gnu::noinline]] R multiply_special(FloatEnv& env, const Unpacked& a, const Unpacked& b) {
    env.rounded_up = false;
    if (special(a) || special(b)) return propagate<R>(env, a, b);
    const bool infinite = a.kind == Kind::infinity || b.kind == Kind::infinity;
    const bool null = a.kind == Kind::zero || b.kind == Kind::zero;
    if (infinite && null) return invalid<R>(env);
    if (stopped_by_denormal(env, a.denormal || b.denormal)) return zero<R>(false);
    const bool sign = a.sign != b.sign;
    if (infinite) return infinity<R>(sign);
    if (null) return zero<R>(sign);
    return multiply_numbers<R>(env, a, b);
}

struct Quotient {
    u64 quotient, remainder;
};
/// (high:0) / divisor with high < divisor and bit 63 of the divisor set.
[[gnu::always_inline]] inline Quotient divide_wide(u64 high, u64 low, u64 divisor) {
#if defined(__x86_64__) && defined(__GNUC__)
    Quotient q; // the compiler would call its 128-bit library routine: it cannot know that the quotient fits
    __asm__("divq %4" : "=a"(q.quotient), "=d"(q.remainder) : "a"(low), "d"(high), "r"(divisor) : "cc");
    return q;
#else
    const u128 n = (u128{high} << 64) | low;
    return {static_cast<u64>(n / divisor), static_cast<u64>(n % divisor)};
#endif
}

template <Float R> [[gnu::always_inline]] inline R divide_numbers(FloatEnv& env, const Unpacked& a, const Unpacked& b) {
    const bool whole = a.significand >= b.significand;
    const Quotient q = divide_wide(a.significand >> whole, whole ? a.significand << 63 : 0, b.significand);
    // The remainder against half the divisor is all that rounding needs to know.
    const u64 other = b.significand - q.remainder;
    u64 extra = q.remainder != 0;
    if (q.remainder >= other) extra = integer_bit | static_cast<u64>(q.remainder > other);
    return round_pack<R>(env, a.sign != b.sign, a.exponent - b.exponent - !whole, q.quotient, extra);
}

template <Float R> [[gnu::noinline]] R divide_special(FloatEnv& env, const Unpacked& a, const Unpacked& b) {
    env.rounded_up = false;
    if (special(a) || special(b)) return propagate<R>(env, a, b);
    const bool sign = a.sign != b.sign;
    if (a.kind == b.kind && (a.kind == Kind::infinity || a.kind == Kind::zero)) return invalid<R>(env);
    if (b.kind == Kind::zero && a.kind != Kind::infinity) {
        env.raise(flag::zero_divide);
        return infinity<R>(sign);
    }
    if (stopped_by_denormal(env, a.denormal || b.denormal)) return zero<R>(false);
    if (a.kind == Kind::infinity) return infinity<R>(sign);
    if (a.kind == Kind::zero || b.kind == Kind::infinity) return zero<R>(sign);
    return divide_numbers<R>(env, a, b);
}

} // namespace detail

template <Float R, Float A, Float B> inline R add(FloatEnv& env, A a, B b) {
    if (plain(a) && plain(b)) [[likely]]
        return detail::add_numbers<R>(env, unpack_plain(a), unpack_plain(b));
    return detail::add_special<R>(env, unpack_operand<R>(env, a), unpack_operand<R>(env, b));
}

/// a - b
template <Float R, Float A, Float B> inline R subtract(FloatEnv& env, A a, B b) {
    if (plain(a) && plain(b)) [[likely]] {
        Unpacked minus = unpack_plain(b);
        minus.sign = !minus.sign;
        return detail::add_numbers<R>(env, unpack_plain(a), minus);
    }
    Unpacked minus = unpack_operand<R>(env, b);
    if (!minus.nan()) minus.sign = !minus.sign; // a NaN operand keeps its sign
    return detail::add_special<R>(env, unpack_operand<R>(env, a), minus);
}

template <Float R, Float A, Float B> inline R multiply(FloatEnv& env, A a, B b) {
    if (plain(a) && plain(b)) [[likely]]
        return detail::multiply_numbers<R>(env, unpack_plain(a), unpack_plain(b));
    return detail::multiply_special<R>(env, unpack_operand<R>(env, a), unpack_operand<R>(env, b));
}

/// a / b
template <Float R, Float A, Float B> inline R divide(FloatEnv& env, A a, B b) {
    if (plain(a) && plain(b)) [[likely]]
        return detail::divide_numbers<R>(env, unpack_plain(a), unpack_plain(b));
    return detail::divide_special<R>(env, unpack_operand<R>(env, a), unpack_operand<R>(env, b));
}

template <Float R> R square_root(FloatEnv& env, R value);

extern template F32 square_root<F32>(FloatEnv&, F32);
extern template F64 square_root<F64>(FloatEnv&, F64);
extern template F80 square_root<F80>(FloatEnv&, F80);

} // namespace glassbox::softfloat
