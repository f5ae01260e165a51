// The same arithmetic with 32- and 64-bit results against the host's SSE and SSE2, with DAZ and FTZ. All exceptions are
// masked: an unmasked one would be a signal.
#include "cpu/fpu/softfloat/arith.hpp"
#include "cpu/fpu/softfloat/compare.hpp"
#include "cpu/fpu/softfloat/convert.hpp"
#include "host.hpp"
#include "operands.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <string>
#include <type_traits>

using namespace glassbox;
using namespace glassbox::softfloat;

namespace {

constexpr int rounds = 20000;
constexpr u32 daz = 0x40, ftz = 0x8000;

template <class T> T draw(Operands& random) {
    if constexpr (std::is_same_v<T, F32>)
        return random.narrow();
    else
        return random.wide();
}

/// `ours` returns the bits that the host leaves in XMM0, or in RAX when `in_rax`.
template <class A, class B, class Ours>
void against_host(const std::string& name, std::initializer_list<u8> instruction, bool in_rax, Ours ours) {
    if (!host::available) return;
    const host::Code code(host::Code::Unit::sse, instruction);
    Operands random(name.size() * 31 + 3 + instruction.size());
    int different = 0;
    for (int i = 0; i < rounds; ++i) {
        host::Frame frame;
        const unsigned mode = random.below(4);
        frame.mxcsr = 0x1f80 | mode << 13 | (random.below(4) ? 0 : daz) | (random.below(4) ? 0 : ftz);
        const A a = draw<A>(random);
        const B b = draw<B>(random);
        std::memcpy(frame.a, &a, sizeof a);
        std::memcpy(frame.b, &b, sizeof b);
        FloatEnv env{.rounding = static_cast<Rounding>(mode),
                     .denormals_are_zero = (frame.mxcsr & daz) != 0,
                     .flush_to_zero = (frame.mxcsr & ftz) != 0};
        const u32 mxcsr = frame.mxcsr;
        const auto mine = ours(env, a, b);
        code.run(frame);
        std::remove_const_t<decltype(mine)> theirs;
        std::memcpy(&theirs, in_rax ? reinterpret_cast<const u8*>(&frame.rax) : frame.out0, sizeof theirs);
        const u32 flags = frame.mxcsr & 0x3f;
        if (std::memcmp(&mine, &theirs, sizeof mine) == 0 && flags == env.flags) continue;
        if (++different <= 5) {
            char text[160];
            u64 av = 0, bv = 0, mv = 0, tv = 0;
            std::memcpy(&av, &a, sizeof a);
            std::memcpy(&bv, &b, sizeof b);
            std::memcpy(&mv, &mine, sizeof mine);
            std::memcpy(&tv, &theirs, sizeof theirs);
            std::snprintf(text, sizeof text, "mxcsr %x: %llx, %llx: ours %llx %x, host %llx %x", mxcsr,
                          static_cast<unsigned long long>(av), static_cast<unsigned long long>(bv),
                          static_cast<unsigned long long>(mv), env.flags, static_cast<unsigned long long>(tv), flags);
            MESSAGE(name << " " << std::string(text));
        }
    }
    CHECK_MESSAGE(different == 0, name);
}

/// The scalar operations of one width; `prefix` is F3 or F2.
template <class T> void scalar_operations(const std::string& width, u8 prefix) {
    const auto op = [&](const char* name, u8 code, auto ours) {
        against_host<T, T>(name + width, {prefix, 0x0f, code, 0xc1}, false, ours);
    };
    op("add", 0x58, [](FloatEnv& e, T a, T b) { return add<T>(e, a, b); });
    op("sub", 0x5c, [](FloatEnv& e, T a, T b) { return subtract<T>(e, a, b); });
    op("mul", 0x59, [](FloatEnv& e, T a, T b) { return multiply<T>(e, a, b); });
    op("div", 0x5e, [](FloatEnv& e, T a, T b) { return divide<T>(e, a, b); });
    op("min", 0x5d, [](FloatEnv& e, T a, T b) { return minimum<T>(e, a, b); });
    op("max", 0x5f, [](FloatEnv& e, T a, T b) { return maximum<T>(e, a, b); });
    op("sqrt", 0x51, [](FloatEnv& e, T, T b) { return square_root<T>(e, b); });
    // ucomis/comis; pushf; pop rax
    const auto flags_of = [](Order order) {
        return order == Order::unordered ? u8{0x45}
               : order == Order::less    ? u8{1}
               : order == Order::equal   ? u8{0x40}
                                         : u8{0};
    };
    for (const bool quiet : {false, true}) {
        const u8 code = quiet ? 0x2e : 0x2f;
        const auto ours = [&](FloatEnv& e, T a, T b) { return flags_of(compare<T>(e, a, b, quiet)); };
        const auto masked = [](u8 v) { return static_cast<u8>(v & 0x45); };
        // lahf-like: pushf; pop rax; and eax, 45h
        if (std::is_same_v<T, F32>) {
            against_host<T, T>("comiss", {0x0f, code, 0xc1, 0x9c, 0x58, 0x83, 0xe0, 0x45}, true,
                               [&](FloatEnv& e, T a, T b) { return masked(ours(e, a, b)); });
        } else {
            against_host<T, T>("comisd", {0x66, 0x0f, code, 0xc1, 0x9c, 0x58, 0x83, 0xe0, 0x45}, true,
                               [&](FloatEnv& e, T a, T b) { return masked(ours(e, a, b)); });
        }
    }
    // cvtsx2si and its truncating form, 32 and 64 bits
    against_host<T, T>("cvt2si32" + width, {prefix, 0x0f, 0x2d, 0xc1}, true,
                       [](FloatEnv& e, T, T b) { return to_integer<i32, T>(e, b, e.rounding); });
    against_host<T, T>("cvtt2si64" + width, {prefix, 0x48, 0x0f, 0x2c, 0xc1}, true,
                       [](FloatEnv& e, T, T b) { return to_integer<i64, T>(e, b, Rounding::truncate); });
}

} // namespace

TEST_CASE("SSE single precision equals the host's") { scalar_operations<F32>("ss", 0xf3); }
TEST_CASE("SSE2 double precision equals the host's") { scalar_operations<F64>("sd", 0xf2); }

TEST_CASE("SSE conversions equal the host's") {
    against_host<F32, F64>("cvtsd2ss", {0xf2, 0x0f, 0x5a, 0xc1}, false,
                           [](FloatEnv& e, F32, F64 b) { return convert<F32>(e, b); });
    against_host<F64, F32>("cvtss2sd", {0xf3, 0x0f, 0x5a, 0xc1}, false,
                           [](FloatEnv& e, F64, F32 b) { return convert<F64>(e, b); });
    // movq rax, xmm1; cvtsi2ss/sd xmm0, rax
    const auto bits = [](F64 b) { return static_cast<i64>(b.bits); };
    against_host<F32, F64>("cvtsi2ss", {0x66, 0x48, 0x0f, 0x7e, 0xc8, 0xf3, 0x48, 0x0f, 0x2a, 0xc0}, false,
                           [&](FloatEnv& e, F32, F64 b) { return from_integer<F32>(e, bits(b)); });
    against_host<F64, F64>("cvtsi2sd", {0x66, 0x48, 0x0f, 0x7e, 0xc8, 0xf2, 0x48, 0x0f, 0x2a, 0xc0}, false,
                           [&](FloatEnv& e, F64, F64 b) { return from_integer<F64>(e, bits(b)); });
}

TEST_CASE("ROUNDSS and ROUNDSD equal the host's") {
#ifdef GLASSBOX_HOST_FPU
    if (!__builtin_cpu_supports("sse4.1")) return;
#endif
    for (u8 mode = 0; mode < 4; ++mode) {
        against_host<F32, F32>("roundss", {0x66, 0x0f, 0x3a, 0x0a, 0xc1, mode}, false, [&](FloatEnv& e, F32, F32 b) {
            return round_to_integer<F32>(e, b, static_cast<Rounding>(mode));
        });
        against_host<F64, F64>("roundsd", {0x66, 0x0f, 0x3a, 0x0b, 0xc1, mode}, false, [&](FloatEnv& e, F64, F64 b) {
            return round_to_integer<F64>(e, b, static_cast<Rounding>(mode));
        });
    }
}
