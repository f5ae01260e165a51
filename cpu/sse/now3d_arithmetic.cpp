#include "cpu/sse/now3d.hpp"

#include <bit>
#include <cmath>

namespace glassbox::now3d {

namespace {

constexpr u32 sign_bit = 0x8000'0000, largest = 0x7F7F'FFFF;

u32 sign(u32 a) { return a & sign_bit; }
bool is_zero(u32 a) { return (a & 0x7F80'0000) == 0; } // denormals too
u32 flushed(u32 a) { return is_zero(a) ? sign(a) : a; }

/// Every number here is a number of double precision, which holds all sums that matter and all products exactly.
double value(u32 a) {
    if (is_zero(a)) return sign(a) ? -0.0 : 0.0;
    const u64 exponent = ((a >> 23) & 0xFF) + 1023 - 127;
    return std::bit_cast<double>(u64{sign(a)} << 32 | exponent << 52 | u64{a & 0x7F'FFFF} << 29);
}
/// Rounded to nearest; `zero_sign` is the sign of a result that becomes zero.
u32 rounded(double x, u32 zero_sign) {
    const double magnitude = std::fabs(x);
    if (magnitude < 0x1p-126) return zero_sign;
    const u32 with = x < 0 ? sign_bit : 0;
    if (magnitude >= 0x1.ffffffp127) return with | largest; // halfway to 2^128, and beyond
    return std::bit_cast<u32>(static_cast<float>(x));
}
/// The `digits` most significant bits, rounded to nearest.
u32 rounded_to(double x, unsigned digits, u32 zero_sign) {
    int exponent = 0;
    const double significand = std::frexp(x, &exponent); // 0.5 to 1
    const double scale = static_cast<double>(u64{1} << digits);
    return rounded(std::ldexp(std::nearbyint(significand * scale) / scale, exponent), zero_sign);
}
/// The sign of a sum that is zero: of the operand that is larger in magnitude, the first when they are equal. Of two
/// zeros, the sign that both have.
u32 sum_sign(u32 a, u32 b) {
    if (is_zero(a) && is_zero(b)) return a & b & sign_bit;
    const u32 size_a = flushed(a) & ~sign_bit, size_b = flushed(b) & ~sign_bit;
    return sign(size_a >= size_b ? a : b);
}

} // namespace

u32 add(u32 a, u32 b) { return rounded(value(a) + value(b), sum_sign(a, b)); }
u32 subtract(u32 a, u32 b) { return add(a, b ^ sign_bit); }
u32 multiply(u32 a, u32 b) { return rounded(value(a) * value(b), sign(a ^ b)); }

u32 minimum(u32 a, u32 b) {
    const u32 r = value(a) < value(b) ? a : b;
    return is_zero(r) ? 0 : r;
}
u32 maximum(u32 a, u32 b) {
    const u32 r = value(a) > value(b) ? a : b;
    return is_zero(r) ? 0 : r;
}
bool equal(u32 a, u32 b) { return value(a) == value(b); }
bool greater(u32 a, u32 b) { return value(a) > value(b); }
bool greater_or_equal(u32 a, u32 b) { return value(a) >= value(b); }

u32 reciprocal(u32 b) { return is_zero(b) ? sign(b) | largest : rounded_to(1.0 / value(b), 15, sign(b)); }
u32 reciprocal_root(u32 b) {
    if (is_zero(b)) return sign(b) | largest;
    return sign(b) | rounded_to(1.0 / std::sqrt(std::fabs(value(b))), 16, 0);
}
u32 reciprocal_step(u32 a, u32 b) { return rounded(2.0 - value(a) * value(b), 0); }
u32 root_step(u32 a, u32 b) { return rounded((3.0 - value(a) * value(b)) / 2.0, 0); }

u32 to_integer(u32 b, unsigned bits) {
    const double x = value(b), limit = static_cast<double>(u64{1} << (bits - 1));
    const u32 most = (u32{1} << (bits - 1)) - 1;
    if (x >= limit) return most;
    if (x <= -limit) return ~most;
    return static_cast<u32>(static_cast<i32>(x));
}
u32 from_integer(u32 b) {
    const i64 n = static_cast<i32>(b);
    u64 magnitude = static_cast<u64>(n < 0 ? -n : n);
    const unsigned width = static_cast<unsigned>(std::bit_width(magnitude));
    if (width > 24) magnitude &= ~u64{0} << (width - 24);
    const double x = static_cast<double>(magnitude);
    return std::bit_cast<u32>(static_cast<float>(n < 0 ? -x : x));
}

} // namespace glassbox::now3d
