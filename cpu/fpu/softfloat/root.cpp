// The square root. The estimate comes from the host's double square root, and exact integer arithmetic corrects it:
// the result does not depend on the host.
#include "cpu/fpu/softfloat/arith.hpp"

#include <cmath>

namespace glassbox::softfloat {
namespace {

__extension__ typedef __int128 i128;

/// floor(sqrt(n)) for n with one of its two top bits set.
u64 integer_root(u128 n) {
    const double estimate = std::sqrt(static_cast<double>(static_cast<u64>(n >> 64))) * 4294967296.0;
    u64 root = estimate >= 18446744073709551615.0 ? ~u64{0} : static_cast<u64>(estimate);
    if (root < integer_bit) root = integer_bit;
    // One Newton step brings an error of about 2^12 below one.
    const auto error = static_cast<double>(static_cast<i128>(n - u128{root} * root));
    const auto step = static_cast<i64>(error / (2.0 * static_cast<double>(root)));
    const u64 next = root + static_cast<u64>(step);
    root = next < integer_bit ? (step > 0 ? ~u64{0} : integer_bit) : next;
    while (u128{root} * root > n) --root;
    while (n - u128{root} * root > 2 * u128{root}) ++root;
    return root;
}

template <Float R> R root_of_number(FloatEnv& env, const Unpacked& a) {
    const bool odd = (a.exponent & 1) != 0;
    const u128 radicand = u128{a.significand} << (odd ? 64 : 63);
    const u64 root = integer_root(radicand);
    const u128 remainder = radicand - u128{root} * root;
    // (root + 1/2)² = root² + root + 1/4: the half is never hit exactly.
    u64 extra = remainder != 0;
    if (remainder > root) extra = integer_bit | 1;
    return round_pack<R>(env, false, a.exponent >> 1, root, extra);
}

} // namespace

template <Float R> R square_root(FloatEnv& env, R value) {
    const Unpacked a = unpack_operand<R>(env, value);
    env.rounded_up = false;
    if (special(a)) return propagate<R>(env, a);
    if (a.kind == Kind::zero) return zero<R>(a.sign);
    if (a.sign) return invalid<R>(env);
    if (a.kind == Kind::infinity) return infinity<R>(false);
    if (stopped_by_denormal(env, a.denormal)) return zero<R>(false);
    return root_of_number<R>(env, a);
}

template F32 square_root<F32>(FloatEnv&, F32);
template F64 square_root<F64>(FloatEnv&, F64);
template F80 square_root<F80>(FloatEnv&, F80);

} // namespace glassbox::softfloat
