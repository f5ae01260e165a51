// 3DNow! arithmetic on one single-precision number (APM 5; APM 1, 5.5.6): round to nearest, no infinities, NaNs or
// denormals. A denormal operand counts as a zero of its sign, results saturate at the largest normal number, and those
// below the least normal number become zero.
//
// Implementation-specific choices: an operand with an exponent of all ones, whose result is undefined, is taken as the
// number that it would be if that were an ordinary exponent. PFRCP gives 15 significant bits and PFRSQRT 16, in the
// reciprocal rounded to nearest, which PFRCPIT1, PFRSQIT1 and PFRCPIT2 refine by Newton's formula.
#pragma once

#include "bus/types.hpp"

namespace glassbox::now3d {

u32 add(u32 a, u32 b);
u32 subtract(u32 a, u32 b);
u32 multiply(u32 a, u32 b);
/// Of which zeros are positive.
u32 minimum(u32 a, u32 b);
u32 maximum(u32 a, u32 b);
bool equal(u32 a, u32 b);
bool greater(u32 a, u32 b);
bool greater_or_equal(u32 a, u32 b);

u32 reciprocal(u32 b);             ///< PFRCP
u32 reciprocal_root(u32 b);        ///< PFRSQRT: of the magnitude, with the operand's sign
u32 reciprocal_step(u32 a, u32 b); ///< PFRCPIT1: 2 - ab
u32 root_step(u32 a, u32 b);       ///< PFRSQIT1: (3 - ab) / 2

/// Truncated; saturated at the ends of the integer's range of `bits` bits.
u32 to_integer(u32 b, unsigned bits);
/// Truncated to 24 significant bits.
u32 from_integer(u32 b);

} // namespace glassbox::now3d
