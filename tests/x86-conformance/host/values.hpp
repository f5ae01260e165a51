// Values that crowd at borders: the ends of bytes, words and doublewords; exponents next to each other and to the ends
// of the ranges; significands of few bits, all ones and halfway patterns; every class of encoding.
#pragma once

#include "tests/x86-conformance/runner/suite.hpp"

#include <span>

namespace glassbox::conformance::host {

u32 any_single(Random& random);
u64 any_double(Random& random);
struct Extended {
    u64 significand = 0;
    u16 sign_exponent = 0;
};
Extended any_extended(Random& random);
/// Eight bytes of a vector register: what they mostly hold depends on `kind`, below 5.
u64 any_lane(Random& random, unsigned kind);

/// x87 registers, control, status and tags into an FXSAVE image; `pending`: an unmasked exception may wait.
void any_x87(Random& random, std::span<u8> fx, bool pending);
/// MXCSR, XMM0-15 and the upper halves of YMM0-15.
void any_sse(Random& random, std::span<u8> fx, std::span<u8> ymm);
/// What a program that uses neither has.
void quiet_units(std::span<u8> fx);

/// An operand of x87 instructions in memory: by opcode and ModRM.reg, `size` bytes of it.
void any_x87_operand(Random& random, u8 opcode, unsigned digit, std::span<u8> out);

} // namespace glassbox::conformance::host
