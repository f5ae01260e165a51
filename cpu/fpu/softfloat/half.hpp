// Half precision from and to single precision (SDM 1, 14.4.1; SDM 2, VCVTPH2PS and VCVTPS2PH).
#pragma once

#include "cpu/fpu/softfloat/nan.hpp"
#include "cpu/fpu/softfloat/round.hpp"

namespace glassbox::softfloat {

/// Exact. DAZ does not reach denormal halves, and they raise no DE.
inline F32 from_half(FloatEnv& env, F16 value) {
    const Unpacked a = unpack(value);
    if (a.nan()) return propagate<F32>(env, a);
    if (a.kind == Kind::zero) return zero<F32>(a.sign);
    if (a.kind == Kind::infinity) return infinity<F32>(a.sign);
    return pack<F32>(a.sign, a.exponent + F32::bias, a.significand);
}

/// Rounds by `mode`. Denormal results are never flushed: FTZ does not apply.
inline F16 to_half(FloatEnv& env, F32 value, Rounding mode) {
    const Unpacked a = unpack_operand<F32>(env, value);
    if (a.nan()) return propagate<F16>(env, a);
    if (a.kind == Kind::zero) return zero<F16>(a.sign);
    if (a.kind == Kind::infinity) return infinity<F16>(a.sign);
    if (stopped_by_denormal(env, a.denormal)) return zero<F16>(false);
    FloatEnv inner = env;
    inner.rounding = mode;
    inner.flush_to_zero = false;
    const F16 result = round_pack<F16>(inner, a.sign, a.exponent, a.significand, 0);
    env.flags = inner.flags;
    return result;
}

} // namespace glassbox::softfloat
