// FPREM, FPREM1, FSCALE, FXTRACT and the constants (SDM 2, each under its name).
#include "cpu/fpu/softfloat/x87.hpp"

#include "cpu/fpu/softfloat/convert.hpp"

#include <array>

namespace glassbox::softfloat {
namespace {

/// An exact remainder: |value| = significand × 2^(exponent - 63), not normalised, perhaps zero.
struct Reduction {
    u64 significand;
    i32 exponent;
    u64 quotient; ///< low bits
};

/// a mod b by `steps` + 1 quotient bits, for a.exponent - b.exponent == steps + (b's scale); plain shift and subtract
/// in 128-bit pieces: steps is at most 63.
Reduction reduce(const Unpacked& a, const Unpacked& b, int steps) {
    const u128 n = u128{a.significand} << steps;
    return {static_cast<u64>(n % b.significand), b.exponent, static_cast<u64>(n / b.significand)};
}

Remainder finish(FloatEnv& env, bool sign, const Reduction& r, Remainder result) {
    if (r.significand == 0) {
        result.value = zero<F80>(sign);
        return result;
    }
    const int shift = std::countl_zero(r.significand);
    FloatEnv exact = at_full_precision(env);
    result.value = round_pack<F80>(exact, sign, r.exponent - shift, r.significand << shift, 0);
    env.flags = exact.flags;
    return result;
}

constexpr u8 low_bits(u64 quotient) { return static_cast<u8>(quotient & 7); }

} // namespace

Remainder remainder(FloatEnv& env, F80 x, F80 y, bool to_nearest) {
    const Unpacked a = unpack(x), b = unpack(y);
    env.rounded_up = false;
    if (special(a) || special(b)) return {propagate<F80>(env, a, b)};
    if (a.kind == Kind::infinity || b.kind == Kind::zero) return {invalid<F80>(env)};
    if (stopped_by_denormal(env, a.denormal || b.denormal)) return {x};
    if (a.kind == Kind::zero) return {x};
    const Reduction whole{a.significand, a.exponent, 0};
    if (b.kind == Kind::infinity) return finish(env, a.sign, whole, {});

    const int distance = a.exponent - b.exponent;
    if (distance < (to_nearest ? -1 : 0)) return finish(env, a.sign, whole, {});
    if (distance >= 64) {
        // Partial: the divisor is scaled up so that 32 to 63 quotient bits come out.
        const int steps = (distance & 31) | 32;
        Reduction r = reduce(a, b, steps);
        r.exponent += distance - steps;
        return finish(env, a.sign, r, {.partial = true});
    }
    Reduction r = distance >= 0 ? reduce(a, b, distance) : whole;
    bool sign = a.sign;
    if (to_nearest) {
        // Compare twice the remainder with the divisor; at distance -1 the remainder is counted in halves of its unit.
        const u128 twice = distance >= 0 ? u128{r.significand} << 1 : u128{r.significand};
        if (twice > b.significand || (twice == b.significand && (r.quotient & 1))) {
            const u128 divisor = distance >= 0 ? u128{b.significand} : u128{b.significand} << 1;
            r.significand = static_cast<u64>(divisor - r.significand);
            r.quotient += 1;
            sign = !sign;
        }
    }
    if (r.significand == 0) sign = a.sign;
    return finish(env, sign, r, {.quotient = low_bits(r.quotient)});
}

F80 scale(FloatEnv& env, F80 x, F80 y) {
    const Unpacked a = unpack(x), b = unpack(y);
    env.rounded_up = false;
    if (special(a) || special(b)) return propagate<F80>(env, a, b);
    if (b.kind == Kind::infinity) {
        if (b.sign ? a.kind == Kind::infinity : a.kind == Kind::zero) return invalid<F80>(env);
        if (stopped_by_denormal(env, a.denormal)) return x;
        return b.sign ? zero<F80>(a.sign) : infinity<F80>(a.sign);
    }
    if (stopped_by_denormal(env, a.denormal || b.denormal)) return x;
    if (a.kind != Kind::normal) return x;
    // 2^16 moves any number out of the range, wrapped or not.
    i32 by = 0;
    if (b.kind == Kind::normal && b.exponent >= 0) {
        by = b.exponent > 16 ? 0x20000 : static_cast<i32>(b.significand >> (63 - b.exponent));
        if (b.sign) by = -by;
    }
    FloatEnv full = at_full_precision(env);
    const F80 result = round_pack<F80>(full, a.sign, a.exponent + by, a.significand, 0);
    env.flags = full.flags;
    env.rounded_up = full.rounded_up;
    return result;
}

Extracted extract(FloatEnv& env, F80 value) {
    const Unpacked a = unpack(value);
    env.rounded_up = false;
    if (special(a)) {
        const F80 nan = propagate<F80>(env, a);
        return {nan, nan};
    }
    if (a.kind == Kind::infinity) return {infinity<F80>(false), value};
    if (a.kind == Kind::zero) {
        env.raise(flag::zero_divide);
        return {infinity<F80>(true), value};
    }
    if (stopped_by_denormal(env, a.denormal)) return {value, value};
    return {extended_from_integer(a.exponent), pack<F80>(a.sign, F80::bias, a.significand)};
}

F80 constant(Rounding mode, Constant which) {
    struct Entry {
        u64 truncated; ///< the first 64 bits
        i32 exponent;
        bool above_half; ///< the following bit: rounding to nearest goes up
    };
    static constexpr std::array<Entry, 7> table{{
        {0x8000000000000000, 0, false}, // 1
        {0xd49a784bcd1b8afe, 1, false}, // log2 10
        {0xb8aa3b295c17f0bb, 0, true},  // log2 e
        {0xc90fdaa22168c234, 1, true},  // pi
        {0x9a209a84fbcff798, -2, true}, // log10 2
        {0xb17217f7d1cf79ab, -1, true}, // ln 2
        {0, -F80::bias, false},         // 0
    }};
    const Entry& e = table[static_cast<std::size_t>(which)];
    const bool exact = which == Constant::one || which == Constant::zero;
    const bool up = !exact && (mode == Rounding::up || (mode == Rounding::nearest && e.above_half));
    return pack<F80>(false, e.exponent + F80::bias, e.truncated + up);
}

} // namespace glassbox::softfloat
