// The transcendental instructions (SDM 1, 8.3.10; SDM 2, F2XM1, FYL2X, FYL2XP1, FPATAN, FSIN, FCOS, FSINCOS, FPTAN).
// MPFR computes 128 bits towards zero and says whether more follow; `round_pack` then rounds once under RC, so results
// are correctly rounded, well inside the SDM's bound of one unit in the last place, and the same on every host.
//
// Trigonometric arguments are reduced as Intel processors do, with a pi of 66 bits (SDM 1, 8.3.8): exactly, but modulo
// that pi. Near multiples of pi the result therefore differs from the mathematical one, as it does on hardware.
// Deviations: none known in values; PE is raised exactly when the result is inexact.
// Outside [-1, 1] F2XM1, and below -(1 - sqrt(1/2)) or above sqrt(2) - 1 FYL2XP1, are undefined by the SDM: the
// mathematical value is delivered, for x <= -1 in FYL2XP1 an invalid operation.
#include "cpu/fpu/softfloat/convert.hpp"
#include "cpu/fpu/softfloat/x87.hpp"

#define MPFR_USE_INTMAX_T // mpfr_set_uj_2exp: `unsigned long` has 32 bits on some hosts
#include <cstdint>
#include <mpfr.h>

namespace glassbox::softfloat {
namespace {

class Real {
  public:
    explicit Real(mpfr_prec_t bits) { mpfr_init2(value_, bits); }
    ~Real() { mpfr_clear(value_); }
    Real(const Real&) = delete;
    Real& operator=(const Real&) = delete;
    operator mpfr_ptr() { return value_; }

    void set(const Unpacked& a) {
        mpfr_set_uj_2exp(value_, a.significand, a.exponent - 63, MPFR_RNDN); // exact: 64 bits or more
        if (a.sign) mpfr_neg(value_, value_, MPFR_RNDN);
    }

  private:
    mpfr_t value_;
};

constexpr mpfr_prec_t operand_bits = 64, result_bits = 128, working_bits = 320;

/// Rounds `value`, computed towards zero; `more` says that it was inexact.
F80 deliver(FloatEnv& env, mpfr_ptr value, bool more) {
    const bool sign = mpfr_signbit(value) != 0;
    if (mpfr_zero_p(value)) return zero<F80>(sign);
    const auto exponent = static_cast<i32>(mpfr_get_exp(value)) - 1;
    // The significand as a 128-bit integer, in halves.
    Real part(result_bits);
    mpfr_abs(part, value, MPFR_RNDZ);
    mpfr_mul_2si(part, part, 63 - exponent, MPFR_RNDZ);
    const u64 high = mpfr_get_uj(part, MPFR_RNDZ);
    mpfr_frac(part, part, MPFR_RNDZ);
    mpfr_mul_2si(part, part, 64, MPFR_RNDZ);
    const u64 low = mpfr_get_uj(part, MPFR_RNDZ);
    FloatEnv full = at_full_precision(env);
    const F80 result = round_pack<F80>(full, sign, exponent, high, low | static_cast<u64>(more));
    env.flags = full.flags;
    env.rounded_up = full.rounded_up;
    return result;
}

F80 with_sign(F80 value, bool sign) {
    return {value.significand, static_cast<u16>((value.sign_exponent & 0x7fff) | (sign ? 0x8000 : 0))};
}

/// pi / 4 × 2^k rounded under RC, and times three for 3 pi / 4: the special values of FPATAN.
F80 quarters_of_pi(FloatEnv& env, bool sign, unsigned quarters) {
    if (quarters == 0) return zero<F80>(sign);
    Real pi(result_bits);
    Real value(result_bits);
    mpfr_const_pi(pi, MPFR_RNDZ);
    mpfr_mul_ui(value, pi, quarters, MPFR_RNDZ);
    mpfr_div_2ui(value, value, 2, MPFR_RNDZ);
    if (sign) mpfr_neg(value, value, MPFR_RNDN);
    return deliver(env, value, true);
}

/// An argument reduced to [-pi/4, pi/4] and the number of quarter turns taken off, modulo four.
struct Reduced {
    Real angle{operand_bits + 66};
    unsigned quadrant = 0;
};
void reduce_angle(Reduced& out, const Unpacked& a) {
    Real x(operand_bits);
    x.set(a);
    if (a.exponent < -1) { // below 1/2 < pi/4
        mpfr_set(out.angle, x, MPFR_RNDN);
        return;
    }
    // pi/2 = C90FDAA2 2168C234 C × 2^-67: 66 significant bits in 68.
    Real half_pi(68);
    mpfr_set_uj_2exp(half_pi, 0xc90fdaa22168c234, -63, MPFR_RNDN);
    Real tail(68);
    mpfr_set_uj_2exp(tail, 0xc, -67, MPFR_RNDN);
    mpfr_add(half_pi, half_pi, tail, MPFR_RNDN);
    long quotient = 0;
    mpfr_remquo(out.angle, &quotient, x, half_pi, MPFR_RNDN); // exact: the remainder is on the grid of the operands
    out.quadrant = static_cast<unsigned>(quotient & 3);
}

/// Common checks of FSIN, FCOS, FSINCOS and FPTAN; true when `out` is already the result.
bool trigonometric_special(FloatEnv& env, F80 x, const Unpacked& a, Trigonometric& out) {
    env.rounded_up = false;
    if (special(a) || a.kind == Kind::infinity) {
        out.first = out.second = special(a) ? propagate<F80>(env, a) : invalid<F80>(env);
        out.special = true;
        return true;
    }
    if (a.kind == Kind::normal && a.exponent >= 63) {
        out.first = out.second = x;
        out.out_of_range = true;
        return true;
    }
    return stopped_by_denormal(env, a.denormal);
}

F80 sine_of(FloatEnv& env, Reduced& r, unsigned turn) {
    Real value(result_bits);
    const unsigned quadrant = (r.quadrant + turn) & 3;
    const int more = (quadrant & 1) ? mpfr_cos(value, r.angle, MPFR_RNDZ) : mpfr_sin(value, r.angle, MPFR_RNDZ);
    if (quadrant & 2) mpfr_neg(value, value, MPFR_RNDN);
    return deliver(env, value, more != 0);
}

constexpr F80 plus_one{integer_bit, F80::bias};

bool below_one(const Unpacked& a) { return a.kind == Kind::zero || (a.kind == Kind::normal && a.exponent < 0); }
bool is_one(const Unpacked& a) { return a.kind == Kind::normal && a.exponent == 0 && a.significand == integer_bit; }

/// y × log, where log was computed with `working_bits` towards zero.
F80 times_logarithm(FloatEnv& env, const Unpacked& y, mpfr_ptr logarithm, bool more) {
    Real factor(operand_bits);
    factor.set(y);
    Real value(result_bits);
    const int rest = mpfr_mul(value, factor, logarithm, MPFR_RNDZ);
    return deliver(env, value, more || rest != 0);
}

} // namespace

F80 exp2_minus_1(FloatEnv& env, F80 x) {
    const Unpacked a = unpack(x);
    env.rounded_up = false;
    if (special(a)) return propagate<F80>(env, a);
    if (a.kind == Kind::infinity) return a.sign ? with_sign(plus_one, true) : x;
    if (a.kind == Kind::zero) return x;
    if (stopped_by_denormal(env, a.denormal)) return x;
    if (a.exponent >= 15) { // out of the instruction's range, and of MPFR's patience
        if (!a.sign) return infinity<F80>(false);
        return with_sign(plus_one, true);
    }
    Real argument(operand_bits);
    argument.set(a);
    Real value(result_bits);
    const int more = mpfr_exp2m1(value, argument, MPFR_RNDZ);
    return deliver(env, value, more != 0);
}

F80 y_log2_x(FloatEnv& env, F80 yy, F80 xx) {
    const Unpacked y = unpack(yy), x = unpack(xx);
    env.rounded_up = false;
    if (special(y) || special(x)) return propagate<F80>(env, y, x);
    if (x.sign && x.kind != Kind::zero) return invalid<F80>(env);
    if (x.kind == Kind::zero) {
        if (y.kind == Kind::zero) return invalid<F80>(env);
        if (y.kind == Kind::infinity) return infinity<F80>(!y.sign);
        env.raise(flag::zero_divide);
        return infinity<F80>(!y.sign);
    }
    if (y.kind == Kind::infinity && is_one(x)) return invalid<F80>(env);
    if (y.kind == Kind::zero && x.kind == Kind::infinity) return invalid<F80>(env);
    if (stopped_by_denormal(env, y.denormal || x.denormal)) return yy;
    if (y.kind == Kind::infinity || x.kind == Kind::infinity) return infinity<F80>(y.sign != below_one(x));
    if (is_one(x)) return zero<F80>(y.sign);
    if (y.kind == Kind::zero) return zero<F80>(y.sign != below_one(x));
    Real argument(operand_bits);
    argument.set(x);
    Real logarithm(working_bits);
    const int more = mpfr_log2(logarithm, argument, MPFR_RNDZ);
    return times_logarithm(env, y, logarithm, more != 0);
}

F80 y_log2_x_plus_1(FloatEnv& env, F80 yy, F80 xx) {
    const Unpacked y = unpack(yy), x = unpack(xx);
    env.rounded_up = false;
    if (special(y) || special(x)) return propagate<F80>(env, y, x);
    if (x.sign && (x.kind == Kind::infinity || (x.kind == Kind::normal && x.exponent >= 0))) return invalid<F80>(env);
    if (y.kind == Kind::infinity && x.kind == Kind::zero) return invalid<F80>(env);
    if (y.kind == Kind::zero && x.kind == Kind::infinity) return invalid<F80>(env);
    if (stopped_by_denormal(env, y.denormal || x.denormal)) return yy;
    const bool sign = y.sign != x.sign;
    if (y.kind == Kind::infinity || x.kind == Kind::infinity) return infinity<F80>(sign);
    if (y.kind == Kind::zero || x.kind == Kind::zero) return zero<F80>(sign);
    Real argument(operand_bits);
    argument.set(x);
    Real logarithm(working_bits);
    const int more = mpfr_log2p1(logarithm, argument, MPFR_RNDZ);
    return times_logarithm(env, y, logarithm, more != 0);
}

F80 arctangent(FloatEnv& env, F80 yy, F80 xx) {
    const Unpacked y = unpack(yy), x = unpack(xx);
    env.rounded_up = false;
    if (special(y) || special(x)) return propagate<F80>(env, y, x);
    if (stopped_by_denormal(env, y.denormal || x.denormal)) return yy;
    // SDM 2, table 3-24.
    if (y.kind == Kind::infinity && x.kind == Kind::infinity) return quarters_of_pi(env, y.sign, x.sign ? 3 : 1);
    if (y.kind == Kind::infinity) return quarters_of_pi(env, y.sign, 2);
    if (x.kind == Kind::infinity || y.kind == Kind::zero) return quarters_of_pi(env, y.sign, x.sign ? 4 : 0);
    if (x.kind == Kind::zero) return quarters_of_pi(env, y.sign, 2);
    Real ordinate(operand_bits);
    ordinate.set(y);
    Real abscissa(operand_bits);
    abscissa.set(x);
    Real value(result_bits);
    const int more = mpfr_atan2(value, ordinate, abscissa, MPFR_RNDZ);
    return deliver(env, value, more != 0);
}

Trigonometric sine(FloatEnv& env, F80 x) {
    const Unpacked a = unpack(x);
    Trigonometric out;
    if (trigonometric_special(env, x, a, out)) return out;
    if (a.kind == Kind::zero) return {.first = x, .second = {}};
    Reduced r;
    reduce_angle(r, a);
    out.first = sine_of(env, r, 0);
    return out;
}

Trigonometric cosine(FloatEnv& env, F80 x) {
    const Unpacked a = unpack(x);
    Trigonometric out;
    if (trigonometric_special(env, x, a, out)) return out;
    if (a.kind == Kind::zero) return {.first = plus_one, .second = {}};
    Reduced r;
    reduce_angle(r, a);
    out.first = sine_of(env, r, 1);
    return out;
}

Trigonometric sine_cosine(FloatEnv& env, F80 x) {
    const Unpacked a = unpack(x);
    Trigonometric out;
    if (trigonometric_special(env, x, a, out)) return out;
    if (a.kind == Kind::zero) return {.first = x, .second = plus_one};
    Reduced r;
    reduce_angle(r, a);
    out.first = sine_of(env, r, 0);
    out.second = sine_of(env, r, 1);
    return out;
}

Trigonometric tangent(FloatEnv& env, F80 x) {
    const Unpacked a = unpack(x);
    Trigonometric out;
    if (trigonometric_special(env, x, a, out)) return out;
    if (a.kind == Kind::zero) return {.first = x, .second = plus_one};
    Reduced r;
    reduce_angle(r, a);
    Real value(result_bits);
    int more = 0;
    if (r.quadrant & 1) {
        more = mpfr_cot(value, r.angle, MPFR_RNDZ);
        mpfr_neg(value, value, MPFR_RNDN);
    } else {
        more = mpfr_tan(value, r.angle, MPFR_RNDZ);
    }
    out.first = deliver(env, value, more != 0);
    out.second = plus_one;
    return out;
}

} // namespace glassbox::softfloat
