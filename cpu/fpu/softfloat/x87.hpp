// The x87's own operations: remainders, scaling, extraction, constants and transcendental functions.
// None of them obeys precision control (SDM 1, 8.1.5.2).
#pragma once

#include "cpu/fpu/softfloat/values.hpp"

namespace glassbox::softfloat {

struct Remainder {
    F80 value{};
    u8 quotient = 0;      ///< low three bits: C1 is bit 0, C3 bit 1, C0 bit 2 (all zero when partial)
    bool partial = false; ///< C2: the exponents were too far apart; run it again
};
/// FPREM (truncating) and FPREM1 (IEEE, to nearest). A partial step reduces the exponent by 32 to 63.
Remainder remainder(FloatEnv& env, F80 a, F80 b, bool to_nearest);

/// FSCALE: a × 2^trunc(b).
F80 scale(FloatEnv& env, F80 a, F80 b);

struct Extracted {
    F80 exponent, significand;
};
/// FXTRACT.
Extracted extract(FloatEnv& env, F80 value);

enum class Constant : u8 { one, log2_10, log2_e, pi, log10_2, ln_2, zero }; ///< in the order of D9 E8 to D9 EE
F80 constant(Rounding mode, Constant which);

F80 exp2_minus_1(FloatEnv& env, F80 x);           ///< F2XM1
F80 y_log2_x(FloatEnv& env, F80 y, F80 x);        ///< FYL2X
F80 y_log2_x_plus_1(FloatEnv& env, F80 y, F80 x); ///< FYL2XP1
F80 arctangent(FloatEnv& env, F80 y, F80 x);      ///< FPATAN

struct Trigonometric {
    F80 first, second;         ///< sine, cosine, or tangent in `first`; FSINCOS: sine and cosine
    bool out_of_range = false; ///< C2: |x| >= 2^63, the operand stays
    bool special = false;      ///< FPTAN: a NaN; it is pushed in the place of 1.0
};
Trigonometric sine(FloatEnv& env, F80 x);
Trigonometric cosine(FloatEnv& env, F80 x);
Trigonometric sine_cosine(FloatEnv& env, F80 x);
Trigonometric tangent(FloatEnv& env, F80 x);

} // namespace glassbox::softfloat
