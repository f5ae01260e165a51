// Sum, difference, product, quotient and root of lanes: on the host where that is the guest's result without a doubt,
// else with the soft float (cpu/sse/float.hpp says how they are used).
#pragma once

#include "cpu/fpu/softfloat/arith.hpp"
#include "cpu/sse/float.hpp"

namespace glassbox::sse {

/// The fast paths of S: `S::on_host(a, b)` computes, on a lane or on all; `S::exact(a, b, r)` may prove that r is not
/// rounded, and `S::zero_is_exact(a, b)` that a result of zero did not underflow.
template <class S> struct Arithmetic {
    static constexpr bool rounds = true;
    template <class F> static bool fast(u32 value, F a, F b, F& r) {
        if constexpr (!S::unary) {
            if (!not_denormal(a)) return false;
        }
        if (!not_denormal(b)) return false; // from a NaN or an infinity comes no ordinary result
        const Host<F> x = host(a), y = host(b), result = S::on_host(x, y);
        r = guest<F>(result);
        if (!ordinary(r)) return result == 0 && rounds_to_nearest(value) && S::zero_is_exact(x, y);
        return inexact_is_free(value) || (rounds_to_nearest(value) && S::exact(x, y, result));
    }
    template <class V> static auto whole(V a, V b) {
        const V r = S::on_host(a, b);
        MaskOf<V> good = (ordinary_lanes(r) | ((r == LaneOf<V>{0}) & S::zero_is_exact(a, b))) & tame(b);
        if constexpr (!S::unary) good &= tame(a);
        return whole_result(r, good);
    }
};
/// a + b == s without rounding (the error term of Knuth's two-sum).
template <class T> bool sum_is(T a, T b, T s) {
    const T part = s - a;
    return (a - (s - part)) + (b - part) == 0;
}
struct Add : Arithmetic<Add> {
    static constexpr bool unary = false;
    template <class T> static T on_host(T a, T b) { return a + b; }
    template <class T> static bool exact(T a, T b, T r) { return sum_is(a, b, r); }
    template <class T> static auto zero_is_exact(T a, T) { return a == a; }
    template <class F> static F soft(FloatEnv& env, F a, F b) { return softfloat::add<F>(env, a, b); }
};
struct Subtract : Arithmetic<Subtract> {
    static constexpr bool unary = false;
    template <class T> static T on_host(T a, T b) { return a - b; }
    template <class T> static bool exact(T a, T b, T r) { return sum_is(a, -b, r); }
    template <class T> static auto zero_is_exact(T a, T) { return a == a; }
    template <class F> static F soft(FloatEnv& env, F a, F b) { return softfloat::subtract<F>(env, a, b); }
};
struct Multiply : Arithmetic<Multiply> {
    static constexpr bool unary = false;
    template <class T> static T on_host(T a, T b) { return a * b; }
    template <class T> static bool exact(T a, T b, T r) { return product_is(a, b, r); }
    template <class T> static auto zero_is_exact(T a, T b) { return (a == 0) | (b == 0); }
    template <class F> static F soft(FloatEnv& env, F a, F b) { return softfloat::multiply<F>(env, a, b); }
};
struct Divide : Arithmetic<Divide> {
    static constexpr bool unary = false;
    template <class T> static T on_host(T a, T b) { return a / b; }
    template <class T> static bool exact(T a, T b, T r) { return product_is(r, b, a); }
    template <class T> static auto zero_is_exact(T a, T) { return a == 0; } // zero by zero is a NaN
    template <class F> static F soft(FloatEnv& env, F a, F b) { return softfloat::divide<F>(env, a, b); }
};
struct Root : Arithmetic<Root> { // of a negative number: a NaN, not ordinary
    static constexpr bool unary = true;
    template <class T> static T on_host(T, T b) {
        if constexpr (std::is_floating_point_v<T>)
            return std::sqrt(b);
        else
            return roots(b);
    }
    template <class T> static bool exact(T, T b, T r) { return product_is(r, r, b); }
    template <class T> static auto zero_is_exact(T, T b) { return b == 0; }
    template <class F> static F soft(FloatEnv& env, F, F b) { return softfloat::square_root<F>(env, b); }
};

} // namespace glassbox::sse
