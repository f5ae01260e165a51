// x87 arithmetic against the host's own unit: every operation under every rounding, precision and several masks.
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

constexpr u16 c1 = 0x200, condition_bits = 0x4700;
constexpr int rounds = 20000;

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
std::string show(F80 v) {
    char text[40];
    std::snprintf(text, sizeof text, "%04x:%016llx", v.sign_exponent, static_cast<unsigned long long>(v.significand));
    return text;
}

struct Outcome {
    F80 value;
    u16 status = 0; ///< exceptions and, where `mask` has it, condition codes
};

/// Counts differences and prints the first few in full.
struct Comparison {
    std::string name;
    int different = 0;
    void check(F80 a, F80 b, u16 control, const Outcome& ours, const Outcome& theirs) {
        if (ours.status == theirs.status && ours.value == theirs.value) return;
        if (++different <= 5) {
            MESSAGE(name << " cw " << control << ": " << show(a) << ", " << show(b) << ": ours " << show(ours.value)
                         << " sw " << ours.status << ", host " << show(theirs.value) << " sw " << theirs.status);
        }
    }
};

template <class Ours> void against_host(const std::string& name, std::initializer_list<u8> instruction, u16 mask,
                                        Ours ours, u64 seed, bool second_result = false) {
    if (!host::available) return;
    const host::Code code(host::Code::Unit::x87, instruction);
    Operands random(seed);
    Comparison comparison{name};
    for (int i = 0; i < rounds; ++i) {
        host::Frame frame;
        frame.control = random_control(random);
        const F80 a = random.extended(), b = random.extended();
        host::put80(frame.a, a);
        host::put80(frame.b, b);
        FloatEnv env = env_of(frame.control);
        Outcome mine = ours(env, a, b);
        mine.status |= env.flags;
        if (env.rounded_up && (env.flags & flag::inexact)) mine.status |= c1;
        if (env.suppressed()) mine.value = second_result ? b : a;
        mine.status &= mask | 0x3f;
        code.run(frame);
        comparison.check(
            a, b, frame.control, mine,
            {host::get80(second_result ? frame.out1 : frame.out0), static_cast<u16>(frame.status & (mask | 0x3f))});
    }
    CHECK_MESSAGE(comparison.different == 0, name);
}

u16 order_bits(Order order) {
    switch (order) {
    case Order::greater: return 0;
    case Order::less: return 0x100;
    case Order::equal: return 0x4000;
    case Order::unordered: break;
    }
    return 0x4500;
}

} // namespace

TEST_CASE("x87 add, subtract, multiply, divide and root equal the host's") {
    against_host("fadd", {0xd8, 0xc1}, c1, [](FloatEnv& e, F80 a, F80 b) { return Outcome{add<F80>(e, a, b)}; }, 1);
    against_host(
        "fsub", {0xd8, 0xe1}, c1, [](FloatEnv& e, F80 a, F80 b) { return Outcome{subtract<F80>(e, a, b)}; }, 2);
    against_host(
        "fsubr", {0xd8, 0xe9}, c1, [](FloatEnv& e, F80 a, F80 b) { return Outcome{subtract<F80>(e, b, a)}; }, 3);
    against_host(
        "fmul", {0xd8, 0xc9}, c1, [](FloatEnv& e, F80 a, F80 b) { return Outcome{multiply<F80>(e, a, b)}; }, 4);
    against_host("fdiv", {0xd8, 0xf1}, c1, [](FloatEnv& e, F80 a, F80 b) { return Outcome{divide<F80>(e, a, b)}; }, 5);
    against_host("fdivr", {0xd8, 0xf9}, c1, [](FloatEnv& e, F80 a, F80 b) { return Outcome{divide<F80>(e, b, a)}; }, 6);
    against_host("fsqrt", {0xd9, 0xfa}, c1, [](FloatEnv& e, F80 a, F80) { return Outcome{square_root<F80>(e, a)}; }, 7);
}

TEST_CASE("x87 rounding, scaling, extraction and remainders equal the host's") {
    against_host(
        "frndint", {0xd9, 0xfc}, c1,
        [](FloatEnv& e, F80 a, F80) { return Outcome{round_to_integer<F80>(e, a, e.rounding)}; }, 11);
    against_host("fscale", {0xd9, 0xfd}, c1, [](FloatEnv& e, F80 a, F80 b) { return Outcome{scale(e, a, b)}; }, 12);
    against_host(
        "fxtract significand", {0xd9, 0xf4}, 0,
        [](FloatEnv& e, F80 a, F80) { return Outcome{extract(e, a).significand}; }, 13);
    against_host(
        "fxtract exponent", {0xd9, 0xf4}, 0, [](FloatEnv& e, F80 a, F80) { return Outcome{extract(e, a).exponent}; },
        14, true);
    const auto prem = [](bool nearest) {
        return [nearest](FloatEnv& e, F80 a, F80 b) {
            const Remainder r = remainder(e, a, b, nearest);
            const unsigned q = r.quotient;
            const u16 conditions = static_cast<u16>((q & 1) << 9 | (q & 2) << 13 | (q & 4) << 6 | r.partial << 10);
            return Outcome{r.value, conditions};
        };
    };
    against_host("fprem", {0xd9, 0xf8}, condition_bits, prem(false), 15);
    against_host("fprem1", {0xd9, 0xf5}, condition_bits, prem(true), 16);
}

TEST_CASE("x87 comparison and examination equal the host's") {
    const auto fcom = [](bool quiet) {
        return [quiet](FloatEnv& e, F80 a, F80 b) {
            const Order order = compare<F80>(e, a, b, quiet);
            return Outcome{a, order_bits(order)}; // set even when the exception is not masked
        };
    };
    against_host("fcom", {0xd8, 0xd1}, 0x4500, fcom(false), 21);
    against_host("fucom", {0xdd, 0xe1}, 0x4500, fcom(true), 22);
    against_host(
        "fxam", {0xd9, 0xe5}, condition_bits,
        [](FloatEnv&, F80 a, F80) {
            const auto c = static_cast<unsigned>(examine(a));
            return Outcome{a, static_cast<u16>((c & 1) << 8 | (c & 2) << 9 | (c & 4) << 12 | (a.sign() ? c1 : 0))};
        },
        23);
}
