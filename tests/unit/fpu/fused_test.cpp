// Fused multiply-add and half precision against the host's FMA and F16C, where it has them, and against MPFR.
#include "cpu/fpu/softfloat/fma.hpp"
#include "cpu/fpu/softfloat/half.hpp"
#include "host.hpp"
#include "operands.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cstdio>
#include <mpfr.h>
#include <string>

using namespace glassbox;
using namespace glassbox::softfloat;

namespace {

constexpr u32 daz = 0x40, ftz = 0x8000;

bool host_has(const char* what) {
#ifdef GLASSBOX_HOST_FPU
    return std::string(what) == "fma" ? __builtin_cpu_supports("fma") != 0 : __builtin_cpu_supports("f16c") != 0;
#else
    (void)what;
    return false;
#endif
}
template <class T> T draw(Operands& random) {
    if constexpr (std::is_same_v<T, F32>)
        return random.narrow();
    else
        return random.wide();
}
template <class T> u64 bits_of(T v) { return v.bits; }

/// Three operands that often cancel: the third is near minus the product of the others.
template <class T> struct Triple {
    T a, b, c;
};
template <class T> Triple<T> draw_three(Operands& random) {
    Triple<T> t{draw<T>(random), draw<T>(random), draw<T>(random)};
    if (random.below(3) == 0) {
        FloatEnv quiet{.rounding = static_cast<Rounding>(random.below(4))};
        t.c = multiply<T>(quiet, t.a, t.b);
        t.c.bits ^= decltype(t.c.bits){1} << (8 * sizeof t.c.bits - 1);
        if (random.below(3) == 0) t.c.bits ^= decltype(t.c.bits){1} << random.below(3);
        if (random.below(4) == 0) t.c.bits ^= decltype(t.c.bits){1} << random.below(8 * sizeof t.c.bits);
    }
    return t;
}
FloatEnv draw_env(Operands& random, u32& mxcsr) {
    const unsigned mode = random.below(4);
    mxcsr = 0x1f80 | mode << 13 | (random.below(4) ? 0 : daz) | (random.below(4) ? 0 : ftz);
    return {.rounding = static_cast<Rounding>(mode),
            .denormals_are_zero = (mxcsr & daz) != 0,
            .flush_to_zero = (mxcsr & ftz) != 0};
}

/// VFMADD, VFMSUB, VFNMADD, VFNMSUB of one form (90h: 132, A0h: 213, B0h: 231) and width.
template <class T> void against_host(unsigned form, unsigned kind) {
    const u8 w = std::is_same_v<T, F64> ? 0xf1 : 0x71;
    const auto opcode = static_cast<u8>(form + 9 + 2 * kind);
    const host::Code code(host::Code::Unit::sse, {0xc4, 0xe2, w, opcode, 0x47, host::memory_operand});
    Operands random(form * 7 + kind);
    int different = 0;
    for (int i = 0; i < 10000; ++i) {
        host::Frame frame;
        FloatEnv env = draw_env(random, frame.mxcsr);
        const u32 before = frame.mxcsr;
        const Triple<T> t = draw_three<T>(random);
        const T &x = form == 0x90   ? t.a
                     : form == 0xa0 ? t.b
                                    : t.c,
                &y = form == 0x90   ? t.c
                     : form == 0xa0 ? t.a
                                    : t.a,
                &z = form == 0x90   ? t.b
                     : form == 0xa0 ? t.c
                                    : t.b;
        std::memcpy(frame.a, &x, sizeof x);
        std::memcpy(frame.b, &y, sizeof y);
        std::memcpy(frame.memory, &z, sizeof z);
        const T mine = fused_multiply_add<T>(env, t.a, t.b, t.c, {(kind & 2) != 0, (kind & 1) != 0});
        code.run(frame);
        T theirs;
        std::memcpy(&theirs, frame.out0, sizeof theirs);
        if (mine == theirs && env.flags == (frame.mxcsr & 0x3f)) continue;
        if (++different <= 3) {
            char text[200];
            std::snprintf(text, sizeof text, "form %x kind %u mxcsr %x: %llx * %llx + %llx: ours %llx %x, host %llx %x",
                          form, kind, before, static_cast<unsigned long long>(bits_of(t.a)),
                          static_cast<unsigned long long>(bits_of(t.b)), static_cast<unsigned long long>(bits_of(t.c)),
                          static_cast<unsigned long long>(bits_of(mine)), env.flags,
                          static_cast<unsigned long long>(bits_of(theirs)), frame.mxcsr & 0x3f);
            MESSAGE(std::string(text));
        }
    }
    CHECK(different == 0);
}

} // namespace

TEST_CASE("fused multiply-add equals the host's") {
    if (!host::available || !host_has("fma")) return;
    for (const unsigned form : {0x90u, 0xa0u, 0xb0u}) {
        for (unsigned kind = 0; kind < 4; ++kind) {
            against_host<F32>(form, kind);
            against_host<F64>(form, kind);
        }
    }
}

TEST_CASE("fused multiply-add equals MPFR's") {
    const mpfr_rnd_t modes[4] = {MPFR_RNDN, MPFR_RNDD, MPFR_RNDU, MPFR_RNDZ};
    mpfr_t a, b, c, r;
    mpfr_inits2(53, a, b, c, r, nullptr);
    const mpfr_exp_t low = mpfr_get_emin(), high = mpfr_get_emax();
    Operands random(77);
    int compared = 0, different = 0;
    for (int i = 0; i < 20000; ++i) {
        const Triple<F64> t = draw_three<F64>(random);
        const unsigned mode = random.below(4);
        const double x = std::bit_cast<double>(t.a), y = std::bit_cast<double>(t.b), z = std::bit_cast<double>(t.c);
        if (!(x - x == 0 && y - y == 0 && z - z == 0)) continue;
        mpfr_set_d(a, x, MPFR_RNDN);
        mpfr_set_d(b, y, MPFR_RNDN);
        mpfr_set_d(c, z, MPFR_RNDN);
        mpfr_set_emin(-1073);
        mpfr_set_emax(1024);
        int ternary = mpfr_fma(r, a, b, c, modes[mode]);
        ternary = mpfr_check_range(r, ternary, modes[mode]);
        ternary = mpfr_subnormalize(r, ternary, modes[mode]);
        mpfr_set_emin(low);
        mpfr_set_emax(high);
        FloatEnv env{.rounding = static_cast<Rounding>(mode)};
        const F64 mine = fused_multiply_add<F64>(env, t.a, t.b, t.c);
        const double theirs = mpfr_get_d(r, MPFR_RNDN);
        ++compared;
        if (std::bit_cast<u64>(theirs) != mine.bits || (ternary != 0) != ((env.flags & flag::inexact) != 0))
            ++different;
    }
    mpfr_clears(a, b, c, r, nullptr);
    mpfr_free_cache();
    CHECK(compared > 10000);
    CHECK(different == 0);
}

TEST_CASE("half precision: every half, and singles at its borders, equal the host's") {
    if (!host::available || !host_has("f16c")) return;
    {
        const host::Code code(host::Code::Unit::sse, {0xc4, 0xe2, 0x79, 0x13, 0xc1}); // vcvtph2ps xmm0, xmm1
        int different = 0;
        for (const u32 mxcsr : {0x1f80u, 0x1f80u | daz | ftz}) {
            for (u32 half = 0; half < 0x10000; ++half) {
                host::Frame frame;
                frame.mxcsr = mxcsr;
                std::memcpy(frame.b, &half, 2);
                FloatEnv env{.denormals_are_zero = (mxcsr & daz) != 0, .flush_to_zero = (mxcsr & ftz) != 0};
                const F32 mine = from_half(env, {static_cast<u16>(half)});
                code.run(frame);
                if (std::memcmp(&mine, frame.out0, 4) != 0 || env.flags != (frame.mxcsr & 0x3f)) ++different;
            }
        }
        CHECK(different == 0);
    }
    for (u8 imm = 0; imm < 8; ++imm) {
        // vcvtps2ph xmm0, xmm1, imm
        const host::Code code(host::Code::Unit::sse, {0xc4, 0xe3, 0x79, 0x1d, 0xc8, imm});
        Operands random(imm);
        int different = 0;
        for (int i = 0; i < 20000; ++i) {
            host::Frame frame;
            FloatEnv env = draw_env(random, frame.mxcsr);
            F32 value = random.narrow();
            if (random.below(2)) { // near a half, or halfway between two
                value.bits = (random.below(2) << 31) | ((100 + random.below(45)) << 23) | (random.below(1024) << 13) |
                             (random.below(2) << 12) | (random.below(4) ? 0 : random.below(4096));
            }
            std::memcpy(frame.b, &value, 4);
            const u32 mxcsr = frame.mxcsr;
            const F16 mine = to_half(env, value, (imm & 4) ? env.rounding : static_cast<Rounding>(imm & 3));
            code.run(frame);
            if (std::memcmp(&mine, frame.out0, 2) == 0 && env.flags == (frame.mxcsr & 0x3f)) continue;
            if (++different <= 3) {
                char text[120];
                std::snprintf(text, sizeof text, "imm %u mxcsr %x: %x: ours %x %x, host %02x%02x %x", imm, mxcsr,
                              value.bits, mine.bits, env.flags, frame.out0[1], frame.out0[0], frame.mxcsr & 0x3f);
                MESSAGE(std::string(text));
            }
        }
        CHECK(different == 0);
    }
}
