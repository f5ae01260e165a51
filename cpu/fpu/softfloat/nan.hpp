// Invalid operations and NaN operands. The x87 (SDM 1, table 4-7) lets the larger significand win and prefers a quiet
// NaN to a signaling one; SSE takes the first operand that is a NaN.
#pragma once

#include "cpu/fpu/softfloat/values.hpp"

#include <optional>

namespace glassbox::softfloat {

template <Float R> constexpr R invalid(FloatEnv& env) {
    env.raise(flag::invalid);
    return indefinite<R>();
}

/// True for operands that are no numbers: the caller then returns `propagate`.
constexpr bool special(const Unpacked& a) { return a.nan() || a.kind == Kind::unsupported; }

template <Float R> constexpr R propagate(FloatEnv& env, const Unpacked& a) {
    if (a.kind == Kind::unsupported) return invalid<R>(env);
    if (a.kind == Kind::signaling_nan) env.raise(flag::invalid);
    return quiet<R>(a);
}

template <Float R> constexpr R propagate(FloatEnv& env, const Unpacked& a, const Unpacked& b) {
    if (a.kind == Kind::unsupported || b.kind == Kind::unsupported) return invalid<R>(env);
    if (a.kind == Kind::signaling_nan || b.kind == Kind::signaling_nan) env.raise(flag::invalid);
    if constexpr (!is_extended<R>) return quiet<R>(a.nan() ? a : b);
    if (!a.nan()) return quiet<R>(b);
    if (!b.nan()) return quiet<R>(a);
    if (a.kind != b.kind) return quiet<R>(a.kind == Kind::quiet_nan ? a : b);
    if (a.significand != b.significand) return quiet<R>(a.significand > b.significand ? a : b);
    return quiet<R>(a.sign ? b : a); // equal significands: the positive one
}

/// Raises the denormal-operand exception; true when it is unmasked and the operation must not go on.
constexpr bool stopped_by_denormal(FloatEnv& env, bool any_denormal) {
    if (!any_denormal) return false;
    env.raise(flag::denormal);
    return !env.masked(flag::denormal);
}

} // namespace glassbox::softfloat
