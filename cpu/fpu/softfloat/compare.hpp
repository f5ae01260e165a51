// Comparison, examination, and the SSE minimum and maximum.
#pragma once

#include "cpu/fpu/softfloat/nan.hpp"

namespace glassbox::softfloat {

enum class Order : u8 { less, equal, greater, unordered };

constexpr Order order_of_numbers(const Unpacked& a, const Unpacked& b) {
    const bool zero_a = a.kind == Kind::zero, zero_b = b.kind == Kind::zero;
    if (zero_a && zero_b) return Order::equal;
    if (zero_a) return b.sign ? Order::greater : Order::less;
    if (zero_b || a.sign != b.sign) return a.sign ? Order::less : Order::greater;
    const bool infinite_a = a.kind == Kind::infinity, infinite_b = b.kind == Kind::infinity;
    bool greater = false; // by magnitude
    if (infinite_a || infinite_b) {
        if (infinite_a && infinite_b) return Order::equal;
        greater = infinite_a;
    } else {
        if (a.exponent == b.exponent && a.significand == b.significand) return Order::equal;
        greater = a.exponent != b.exponent ? a.exponent > b.exponent : a.significand > b.significand;
    }
    return greater != a.sign ? Order::greater : Order::less;
}

/// Compares. `quiet_nan_is_fine` is FUCOM and UCOMISS: a quiet NaN then raises no IE. R chooses x87 or SSE rules.
template <Float R, Float A, Float B> constexpr Order compare(FloatEnv& env, A x, B y, bool quiet_nan_is_fine) {
    const Unpacked a = unpack_operand<R>(env, x), b = unpack_operand<R>(env, y);
    env.rounded_up = false;
    if (special(a) || special(b)) {
        const auto bad = [&](const Unpacked& u) {
            return u.kind == Kind::unsupported || u.kind == Kind::signaling_nan ||
                   (u.kind == Kind::quiet_nan && !quiet_nan_is_fine);
        };
        if (bad(a) || bad(b)) env.raise(flag::invalid);
        return Order::unordered;
    }
    if (a.denormal || b.denormal) env.raise(flag::denormal);
    return order_of_numbers(a, b);
}

/// MINSS/MAXSS: the second operand when either is a NaN (IE, even if quiet) or both are zero.
template <Float R> constexpr R select(FloatEnv& env, R x, R y, Order wanted) {
    const Order order = compare<R>(env, x, y, false);
    Unpacked a = unpack_operand<R>(env, x), b = unpack_operand<R>(env, y);
    const R chosen = order == wanted ? x : y;
    const Unpacked& u = order == wanted ? a : b;
    return u.kind == Kind::zero ? zero<R>(u.sign) : chosen; // DAZ turns what is chosen into zero
}
template <Float R> constexpr R minimum(FloatEnv& env, R a, R b) { return select<R>(env, a, b, Order::less); }
template <Float R> constexpr R maximum(FloatEnv& env, R a, R b) { return select<R>(env, a, b, Order::greater); }

/// FXAM's class in the order of its C3 C2 C0 code, for a register that is not empty (SDM 2, FXAM).
enum class Class : u8 { unsupported = 0, nan = 1, normal = 2, infinity = 3, zero = 4, denormal = 6 };
constexpr Class examine(F80 value) {
    const Unpacked u = unpack(value);
    switch (u.kind) {
    case Kind::unsupported: return Class::unsupported;
    case Kind::quiet_nan:
    case Kind::signaling_nan: return Class::nan;
    case Kind::infinity: return Class::infinity;
    case Kind::zero: return Class::zero;
    case Kind::normal: break;
    }
    return u.denormal ? Class::denormal : Class::normal;
}

} // namespace glassbox::softfloat
