// Fused multiply-add: (a * b) + c rounded once (SDM 1, 14.5.3), for F32 and F64. The product of two such significands
// leaves its low 22 bits zero in 128 bits, an addend its low 75: what is shifted out of the smaller one matters only
// when at most one place can cancel, so a sticky bit stands for it.
#pragma once

#include "cpu/fpu/softfloat/arith.hpp"

namespace glassbox::softfloat {

/// Which of the two terms is negated; NaN operands keep their signs.
struct FusedSigns {
    bool product = false, addend = false;
};

namespace detail {

struct WideNumber {
    u128 significand; ///< bit 127 set
    i32 exponent;     ///< of bit 127
    bool sign;
};

[[gnu::always_inline]] inline WideNumber exact_product(const Unpacked& a, const Unpacked& b, bool minus) {
    const u128 product = u128{a.significand} * b.significand;
    const int top = static_cast<int>(product >> 127);
    return {product << (1 - top), a.exponent + b.exponent + top, (a.sign != b.sign) != minus};
}

template <Float R> [[gnu::always_inline]] inline R add_wide(FloatEnv& env, WideNumber a, WideNumber b) {
    if (a.exponent < b.exponent || (a.exponent == b.exponent && a.significand < b.significand)) std::swap(a, b);
    const auto distance = static_cast<u32>(a.exponent - b.exponent);
    u128 low = b.significand;
    if (distance >= 128) {
        low = 1;
    } else if (distance != 0) {
        low = (low >> distance) | static_cast<u128>((low << (128 - distance)) != 0);
    }
    if (a.sign == b.sign) {
        const u128 sum = a.significand + low;
        if (sum < low) { // carry: one place to the right, keeping the sticky bit
            const u128 shifted = (sum >> 1) | (sum & 1) | (u128{integer_bit} << 64);
            return round_pack<R>(env, a.sign, a.exponent + 1, static_cast<u64>(shifted >> 64),
                                 static_cast<u64>(shifted));
        }
        return round_pack<R>(env, a.sign, a.exponent, static_cast<u64>(sum >> 64), static_cast<u64>(sum));
    }
    const u128 difference = a.significand - low;
    if (difference == 0) {
        env.rounded_up = false;
        return zero<R>(env.rounding == Rounding::down);
    }
    return round_wide<R>(env, a.sign, a.exponent, difference);
}

/// The first NaN in the order multiplicand, multiplier, addend; a quiet NaN hides that infinity times zero is invalid.
template <Float R> R propagate_fused(FloatEnv& env, const Unpacked& a, const Unpacked& b, const Unpacked& c) {
    for (const Unpacked* u : {&a, &b, &c}) {
        if (u->kind == Kind::signaling_nan) env.raise(flag::invalid);
    }
    return quiet<R>(a.nan() ? a : b.nan() ? b : c);
}

template <Float R> [[gnu::noinline]] R fused_special(FloatEnv& env, R x, R y, R z, FusedSigns minus) {
    const Unpacked a = unpack_operand<R>(env, x), b = unpack_operand<R>(env, y);
    Unpacked c = unpack_operand<R>(env, z);
    env.rounded_up = false;
    if (a.nan() || b.nan() || c.nan()) return propagate_fused<R>(env, a, b, c);
    const bool sign = (a.sign != b.sign) != minus.product;
    c.sign = c.sign != minus.addend;
    const bool infinite = a.kind == Kind::infinity || b.kind == Kind::infinity;
    const bool null = a.kind == Kind::zero || b.kind == Kind::zero;
    if (infinite && null) return invalid<R>(env);
    if (infinite && c.kind == Kind::infinity && sign != c.sign) return invalid<R>(env);
    if (stopped_by_denormal(env, a.denormal || b.denormal || c.denormal)) return zero<R>(false);
    if (infinite || c.kind == Kind::infinity) return infinity<R>(infinite ? sign : c.sign);
    if (null && c.kind == Kind::zero) return zero<R>(sign == c.sign ? sign : env.rounding == Rounding::down);
    if (null) return round_pack<R>(env, c.sign, c.exponent, c.significand, 0);
    const WideNumber product = exact_product(a, b, minus.product);
    if (c.kind == Kind::zero) return round_wide<R>(env, product.sign, product.exponent, product.significand);
    return add_wide<R>(env, product, {u128{c.significand} << 64, c.exponent, c.sign});
}

} // namespace detail

/// ±(a * b) ± c
template <Float R>
    requires(!is_extended<R>)
inline R fused_multiply_add(FloatEnv& env, R a, R b, R c, FusedSigns minus = {}) {
    if (plain(a) && plain(b) && plain(c)) [[likely]] {
        const Unpacked addend = unpack_plain(c);
        return detail::add_wide<R>(env, detail::exact_product(unpack_plain(a), unpack_plain(b), minus.product),
                                   {u128{addend.significand} << 64, addend.exponent, addend.sign != minus.addend});
    }
    return detail::fused_special<R>(env, a, b, c, minus);
}

} // namespace glassbox::softfloat
