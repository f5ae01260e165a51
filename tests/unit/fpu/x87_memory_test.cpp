// x87 instructions with memory operands against the host's: loads, stores, conversions, packed decimal, arithmetic with
// narrow operands, and the constants.
#include "cpu/fpu/softfloat/arith.hpp"
#include "cpu/fpu/softfloat/compare.hpp"
#include "cpu/fpu/softfloat/convert.hpp"
#include "cpu/fpu/softfloat/x87.hpp"
#include "host.hpp"
#include "operands.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <string>

using namespace glassbox;
using namespace glassbox::softfloat;

namespace {

constexpr u16 c1 = 0x200;
constexpr int rounds = 10000;

FloatEnv env_of(u16 control) {
    constexpr u8 precisions[4] = {24, 64, 53, 64};
    return {.rounding = static_cast<Rounding>((control >> 10) & 3),
            .precision = precisions[(control >> 8) & 3],
            .masks = static_cast<u8>(control & 0x3f)};
}
u16 random_control(Operands& random) {
    constexpr u16 precisions[3] = {0, 2, 3};
    const u16 masks = random.below(2) ? u16{0x3f} : static_cast<u16>(random.below(64));
    return static_cast<u16>(masks | 0x40 | precisions[random.below(3)] << 8 | random.below(4) << 10);
}
u16 status_of(const FloatEnv& env) {
    return static_cast<u16>(env.flags | (env.rounded_up && (env.flags & flag::inexact) ? c1 : 0));
}
std::string show(F80 v) {
    char text[40];
    std::snprintf(text, sizeof text, "%04x:%016llx", v.sign_exponent, static_cast<unsigned long long>(v.significand));
    return text;
}
template <class T> std::string hex(const T& value) {
    std::string text;
    const auto* p = reinterpret_cast<const u8*>(&value);
    for (std::size_t i = sizeof(T); i-- > 0;) {
        char digits[4];
        std::snprintf(digits, sizeof digits, "%02x", p[i]);
        text += digits;
    }
    return text;
}

/// A store of ST(0) into a T: `ours` computes the image; unmasked exceptions of kind `keeps` leave memory alone.
template <class T, class Ours>
void store_against_host(const std::string& name, std::initializer_list<u8> instruction, u8 keeps, Ours ours) {
    if (!host::available) return;
    std::array<u8, 16> untouched;
    untouched.fill(0x5a);
    const host::Code code(host::Code::Unit::x87, instruction);
    Operands random(name.size() * 77 + 5);
    int different = 0;
    for (int i = 0; i < rounds; ++i) {
        host::Frame frame;
        frame.control = random_control(random);
        F80 a = random.extended();
        if (random.below(2))
            a.sign_exponent = static_cast<u16>((a.sign_exponent & 0x8000) | (16383 - 2 + random.below(66)));
        host::put80(frame.a, a);
        std::memcpy(frame.memory, untouched.data(), sizeof frame.memory);
        FloatEnv env = env_of(frame.control);
        T mine = ours(env, a);
        u16 status = status_of(env);
        if (env.flags & ~env.masks & keeps) std::memcpy(&mine, untouched.data(), sizeof mine);
        code.run(frame);
        T theirs;
        std::memcpy(&theirs, frame.memory, sizeof theirs);
        const u16 host_status = frame.status & (c1 | 0x3f);
        if (std::memcmp(&mine, &theirs, sizeof mine) == 0 && status == host_status) continue;
        if (++different <= 5) {
            MESSAGE(name << " cw " << frame.control << ": " << show(a) << ": ours " << hex(mine) << " sw " << status
                         << ", host " << hex(theirs) << " sw " << host_status);
        }
    }
    CHECK_MESSAGE(different == 0, name);
}

/// An instruction on ST(0) and a memory operand of type T drawn by `draw`.
template <class T, class Draw, class Ours>
void load_against_host(const std::string& name, std::initializer_list<u8> instruction, u16 mask, Draw draw, Ours ours,
                       u8 keeps = flag::before_result) {
    if (!host::available) return;
    const host::Code code(host::Code::Unit::x87, instruction);
    Operands random(name.size() * 99 + 7);
    int different = 0;
    for (int i = 0; i < rounds; ++i) {
        host::Frame frame;
        frame.control = random_control(random);
        const F80 a = random.extended();
        const T m = draw(random);
        host::put80(frame.a, a);
        std::memcpy(frame.memory, &m, sizeof m);
        FloatEnv env = env_of(frame.control);
        F80 mine = ours(env, a, m);
        if (env.flags & ~env.masks & keeps) mine = a;
        const u16 status = status_of(env) & (mask | 0x3f);
        code.run(frame);
        const F80 theirs = host::get80(frame.out0);
        const u16 host_status = frame.status & (mask | 0x3f);
        if (mine == theirs && status == host_status) continue;
        if (++different <= 5) {
            MESSAGE(name << " cw " << frame.control << ": " << show(a) << ", " << hex(m) << ": ours " << show(mine)
                         << " sw " << status << ", host " << show(theirs) << " sw " << host_status);
        }
    }
    CHECK_MESSAGE(different == 0, name);
}

F32 draw32(Operands& r) { return r.narrow(); }
F64 draw64(Operands& r) { return r.wide(); }

} // namespace

TEST_CASE("x87 stores equal the host's") {
    constexpr u8 m = host::memory_operand;
    constexpr u8 float_keeps = flag::invalid | flag::overflow | flag::underflow;
    store_against_host<F32>("fst m32", {0xd9, 0x57, m}, float_keeps,
                            [](FloatEnv& e, F80 a) { return convert<F32>(e, a); });
    store_against_host<F64>("fst m64", {0xdd, 0x57, m}, float_keeps,
                            [](FloatEnv& e, F80 a) { return convert<F64>(e, a); });
    store_against_host<i16>("fist m16", {0xdf, 0x57, m}, flag::invalid,
                            [](FloatEnv& e, F80 a) { return to_integer<i16>(e, a); });
    store_against_host<i32>("fist m32", {0xdb, 0x57, m}, flag::invalid,
                            [](FloatEnv& e, F80 a) { return to_integer<i32>(e, a); });
    store_against_host<i64>("fistp m64", {0xdf, 0x7f, m}, flag::invalid,
                            [](FloatEnv& e, F80 a) { return to_integer<i64>(e, a); });
    store_against_host<PackedDecimal>("fbstp", {0xdf, 0x77, m}, flag::invalid,
                                      [](FloatEnv& e, F80 a) { return to_decimal(e, a); });
}

TEST_CASE("x87 loads equal the host's") {
    constexpr u8 m = host::memory_operand;
    load_against_host<F32>(
        "fld m32", {0xd9, 0x47, m}, 0, draw32, [](FloatEnv& e, F80, F32 v) { return convert<F80>(e, v); },
        flag::invalid);
    load_against_host<F64>(
        "fld m64", {0xdd, 0x47, m}, 0, draw64, [](FloatEnv& e, F80, F64 v) { return convert<F80>(e, v); },
        flag::invalid);
    load_against_host<i16>(
        "fild m16", {0xdf, 0x47, m}, 0, [](Operands& r) { return static_cast<i16>(r.bits()); },
        [](FloatEnv&, F80, i16 v) { return extended_from_integer(v); });
    load_against_host<i32>(
        "fild m32", {0xdb, 0x47, m}, 0, [](Operands& r) { return static_cast<i32>(r.bits()); },
        [](FloatEnv&, F80, i32 v) { return extended_from_integer(v); });
    load_against_host<i64>(
        "fild m64", {0xdf, 0x6f, m}, 0, [](Operands& r) { return static_cast<i64>(r.bits() >> r.below(64)); },
        [](FloatEnv&, F80, i64 v) { return extended_from_integer(v); });
    load_against_host<PackedDecimal>(
        "fbld", {0xdf, 0x67, m}, 0,
        [](Operands& r) {
            PackedDecimal d{};
            for (u8& b : d) b = static_cast<u8>(r.below(10) << 4 | r.below(10));
            if (r.below(8) == 0) d = {};
            d[9] = r.below(2) ? 0x80 : 0;
            return d;
        },
        [](FloatEnv&, F80, PackedDecimal v) { return from_decimal(v); });
}

TEST_CASE("x87 arithmetic with narrow memory operands equals the host's") {
    constexpr u8 m = host::memory_operand;
    load_against_host<F32>("fadd m32", {0xd8, 0x47, m}, c1, draw32,
                           [](FloatEnv& e, F80 a, F32 v) { return add<F80>(e, a, v); });
    load_against_host<F64>("fadd m64", {0xdc, 0x47, m}, c1, draw64,
                           [](FloatEnv& e, F80 a, F64 v) { return add<F80>(e, a, v); });
    load_against_host<F32>("fmul m32", {0xd8, 0x4f, m}, c1, draw32,
                           [](FloatEnv& e, F80 a, F32 v) { return multiply<F80>(e, a, v); });
    load_against_host<F64>("fsubr m64", {0xdc, 0x6f, m}, c1, draw64,
                           [](FloatEnv& e, F80 a, F64 v) { return subtract<F80>(e, v, a); });
    load_against_host<F32>("fdivr m32", {0xd8, 0x7f, m}, c1, draw32,
                           [](FloatEnv& e, F80 a, F32 v) { return divide<F80>(e, v, a); });
    load_against_host<F64>("fdiv m64", {0xdc, 0x77, m}, c1, draw64,
                           [](FloatEnv& e, F80 a, F64 v) { return divide<F80>(e, a, v); });
    load_against_host<i16>(
        "fiadd m16", {0xde, 0x47, m}, c1, [](Operands& r) { return static_cast<i16>(r.bits() >> (48 + r.below(16))); },
        [](FloatEnv& e, F80 a, i16 v) { return add<F80>(e, a, extended_from_integer(v)); });
    load_against_host<i32>(
        "fidivr m32", {0xda, 0x7f, m}, c1, [](Operands& r) { return static_cast<i32>(r.bits() >> (32 + r.below(32))); },
        [](FloatEnv& e, F80 a, i32 v) { return divide<F80>(e, extended_from_integer(v), a); });
}

TEST_CASE("x87 constants follow the rounding control as the host's do") {
    if (!host::available) return;
    for (unsigned n = 0; n < 7; ++n) {
        const host::Code code(host::Code::Unit::x87, {0xd9, static_cast<u8>(0xe8 + n)});
        for (unsigned mode = 0; mode < 4; ++mode) {
            host::Frame frame;
            frame.control = static_cast<u16>(0x7f | mode << 10); // 24 bits: no effect on constants
            code.run(frame);
            CHECK(constant(static_cast<Rounding>(mode), static_cast<Constant>(n)) == host::get80(frame.out0));
        }
    }
}

TEST_CASE("conversions on any host: values worked out by hand") {
    FloatEnv env;
    CHECK(convert<F80>(env, F32{0x3f800000}) == F80{integer_bit, 0x3fff});
    CHECK(convert<F80>(env, F32{0x00000001}) == F80{integer_bit, 0x3fff - 149});
    CHECK(env.flags == flag::denormal);
    env = {};
    CHECK(convert<F80>(env, F64{0x7ff0000000000001}) == F80{0xc000000000000800, 0x7fff});
    CHECK(env.flags == flag::invalid);
    env = {};
    CHECK(to_integer<i16>(env, F80{0xffff000000000000, 0x400e}) == i16{-0x8000}); // 65535: indefinite
    CHECK(env.flags == flag::invalid);
    env = {};
    CHECK(to_integer<i16>(env, F80{0x8000000000000000, 0xc00e}) == i16{-0x8000}); // -32768 fits
    CHECK(env.flags == 0);
    CHECK(to_decimal(env, extended_from_integer(-1234567890)) ==
          PackedDecimal{0x90, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0, 0x80});
    CHECK(from_decimal({0x90, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0, 0x80}) == extended_from_integer(-1234567890));
}
