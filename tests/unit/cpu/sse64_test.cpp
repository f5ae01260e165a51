// Floating point in 64-bit mode against the host's processor: conversions from and to 64-bit integers, registers above
// XMM7, RIP-relative operands beside an immediate.
#include "sse_fixture.hpp"
#include "system64_fixture.hpp"

#include <string>

using namespace glassbox;
using namespace glassbox::sse_test;

#if defined(GLASSBOX_TEST_NATIVE)

namespace {

struct Guest64 : system_test::Machine64 {
    static constexpr u64 code = 0x10000, data = 0x30000;
    Guest64() {
        everything = *cpu.model;
        for (const Feature f : {Feature::sse3, Feature::ssse3, Feature::sse41, Feature::sse42, Feature::avx,
                                Feature::avx2, Feature::fma, Feature::f16c, Feature::xsave})
            everything.features.add(f);
        cpu.model = &everything;
        cpu.cr4 |= cr4::OSFXSR | cr4::OSXMMEXCPT | cr4::OSXSAVE;
        cpu.xcr0 = 7;
    }
    void run(const Bytes& bytes, unsigned instructions, State& s) {
        std::memset(memory.ram().data() + code, 0x90, 64);
        std::memcpy(memory.ram().data() + code, bytes.data(), bytes.size());
        cpu.memory_written(PhysAddress{code}, 64);
        for (unsigned i = 0; i < 8; ++i) {
            cpu.sse.xmm(i).q = {s.xmm[i][0], s.xmm[i][1]};
            cpu.sse.ymm_high(i).q = {s.xmm[i][2], s.xmm[i][3]};
        }
        for (unsigned i = 0; i < 4; ++i) cpu.gpr[i] = s.gpr[i];
        std::memcpy(memory.ram().data() + data, s.memory.data(), s.memory.size());
        cpu.gpr[RSI] = data;
        cpu.sse.mxcsr = s.mxcsr;
        cpu.flags.load(s.flags);
        cpu.ip = code;
        cpu.run(instructions);
        REQUIRE(cpu.ip == code + bytes.size());
        for (unsigned i = 0; i < 8; ++i) {
            const Ymm y = cpu.sse.ymm(i);
            s.xmm[i] = {y.part[0].q[0], y.part[0].q[1], y.part[1].q[0], y.part[1].q[1]};
        }
        for (unsigned i = 0; i < 4; ++i) s.gpr[i] = cpu.gpr[i];
        s.mxcsr = cpu.sse.mxcsr;
        s.flags = cpu.flags.value();
    }
    CpuModel everything;
};

u64 any_double(Rng& rng) {
    const u64 sign = rng.below(2) << 63;
    switch (rng.below(8)) {
    case 0: return sign | 0x7FF0'0000'0000'0000;
    case 1: return sign | 0x7FF0'0000'0000'0000 | (rng.next() >> 12);
    case 2: return sign | (0x43D0'0000'0000'0000 + (rng.next() >> 11)); // near 2^63
    case 3: return sign | (0x4310'0000'0000'0000 + (rng.next() >> 9));  // near 2^52
    case 4: return std::bit_cast<u64>(static_cast<double>(static_cast<i64>(rng.next())));
    case 5: return std::bit_cast<u64>(static_cast<double>(rng.below(2000)) * 0.5) | sign;
    case 6: return sign | (rng.next() >> 12);
    default: return rng.next();
    }
}
u64 two_singles(Rng& rng) {
    const auto one = [&]() -> u64 {
        const u64 sign = rng.below(2) << 31;
        switch (rng.below(4)) {
        case 0: return sign | (0x5E80'0000 + rng.below(0x100'0000)); // near 2^63
        case 1: return std::bit_cast<u32>(static_cast<float>(static_cast<i64>(rng.next())));
        case 2: return std::bit_cast<u32>(static_cast<float>(rng.below(2000)) * 0.5f) | sign;
        default: return static_cast<u32>(rng.next());
        }
    };
    return one() | one() << 32;
}
u64 any_integer(Rng& rng) {
    switch (rng.below(4)) {
    case 0: return u64{1} << rng.below(64);
    case 1: return (u64{1} << rng.below(64)) - rng.below(3);
    case 2: return static_cast<u64>(static_cast<i64>(rng.next()) >> rng.below(64));
    default: return rng.next();
    }
}
State any_state(Rng& rng) {
    State s;
    const bool singles = rng.below(2) != 0;
    const auto lane = [&] { return singles ? two_singles(rng) : any_double(rng); };
    for (auto& x : s.xmm) x = {lane(), lane(), lane(), lane()};
    for (auto& g : s.gpr) g = any_integer(rng);
    for (unsigned i = 0; i < 4; ++i) {
        const u64 value = rng.below(2) ? any_integer(rng) : lane();
        std::memcpy(s.memory.data() + 8 * i, &value, 8);
    }
    s.mxcsr = 0x1F80 | (rng.below(4) ? 0x20u : 0u);
    if (rng.below(2))
        s.mxcsr |= static_cast<u32>(rng.below(4)) << 13 | static_cast<u32>(rng.below(4) * 0x4020 & 0x8040);
    return s;
}

struct Case {
    const char* what;
    Bytes bytes;
    unsigned instructions = 1;
};
const std::vector<Case>& cases() {
    static const std::vector<Case> all = {
        {"cvtsi2ss xmm1, rcx", {0xF3, 0x48, 0x0F, 0x2A, 0xC9}},
        {"cvtsi2sd xmm1, rcx", {0xF2, 0x48, 0x0F, 0x2A, 0xC9}},
        {"cvtsi2ss xmm1, ecx", {0xF3, 0x0F, 0x2A, 0xC9}},
        {"cvtsi2sd xmm1, qword [rsi]", {0xF2, 0x48, 0x0F, 0x2A, 0x0E}},
        {"vcvtsi2ss xmm1, xmm2, rcx", {0xC4, 0xE1, 0xEA, 0x2A, 0xC9}},
        {"vcvtsi2sd xmm1, xmm2, rcx", {0xC4, 0xE1, 0xEB, 0x2A, 0xC9}},
        {"vcvtsi2sd xmm1, xmm2, ecx", {0xC4, 0xE1, 0x6B, 0x2A, 0xC9}},
        {"vcvtsi2ss xmm1, xmm2, qword [rsi]", {0xC4, 0xE1, 0xEA, 0x2A, 0x0E}},
        {"cvttss2si rcx, xmm2", {0xF3, 0x48, 0x0F, 0x2C, 0xCA}},
        {"cvttsd2si rcx, xmm2", {0xF2, 0x48, 0x0F, 0x2C, 0xCA}},
        {"cvtss2si rcx, xmm2", {0xF3, 0x48, 0x0F, 0x2D, 0xCA}},
        {"cvtsd2si rcx, xmm2", {0xF2, 0x48, 0x0F, 0x2D, 0xCA}},
        {"cvtsd2si ecx, xmm2", {0xF2, 0x0F, 0x2D, 0xCA}},
        {"cvtsd2si rcx, [rsi]", {0xF2, 0x48, 0x0F, 0x2D, 0x0E}},
        {"vcvttss2si rcx, xmm2", {0xC4, 0xE1, 0xFA, 0x2C, 0xCA}},
        {"vcvttsd2si rcx, xmm2", {0xC4, 0xE1, 0xFB, 0x2C, 0xCA}},
        {"vcvtsd2si rcx, xmm2", {0xC4, 0xE1, 0xFB, 0x2D, 0xCA}},
        {"vcvtss2si rcx, [rsi]", {0xC4, 0xE1, 0xFA, 0x2D, 0x0E}},
        {"movaps xmm9, xmm2; addsd xmm1, xmm9", {0x44, 0x0F, 0x28, 0xCA, 0xF2, 0x41, 0x0F, 0x58, 0xC9}, 2},
        {"movaps xmm9, xmm2; mulps xmm9, xmm1; movaps xmm3, xmm9",
         {0x44, 0x0F, 0x28, 0xCA, 0x44, 0x0F, 0x59, 0xC9, 0x41, 0x0F, 0x28, 0xD9},
         3},
        {"vmovaps ymm9, ymm2; vfmadd231pd ymm1, ymm9, ymm9", {0xC5, 0x7C, 0x28, 0xCA, 0xC4, 0xC2, 0xB5, 0xB8, 0xC9}, 2},
        {"vmovaps ymm9, ymm2; vfnmsub213ss xmm9, xmm1, xmm9; vmovaps ymm3, ymm9",
         {0xC5, 0x7C, 0x28, 0xCA, 0xC4, 0x42, 0x71, 0xAF, 0xC9, 0xC5, 0x7C, 0x29, 0xCB},
         3},
        {"vmovaps ymm9, ymm2; vdivps ymm1, ymm9, [rsi]", {0xC5, 0x7C, 0x28, 0xCA, 0xC5, 0xB4, 0x5E, 0x0E}, 2},
        // These read their own bytes.
        {"roundsd xmm1, [rip-10], 10", {0x66, 0x0F, 0x3A, 0x0B, 0x0D, 0xF6, 0xFF, 0xFF, 0xFF, 0x0A}},
        {"vcmpsd xmm1, xmm2, [rip-9], 14", {0xC5, 0xEB, 0xC2, 0x0D, 0xF7, 0xFF, 0xFF, 0xFF, 0x0E}},
        {"vfmadd132sd xmm1, xmm2, [rip-9]", {0xC4, 0xE2, 0xE9, 0x99, 0x0D, 0xF7, 0xFF, 0xFF, 0xFF}},
        {"vcvtph2ps xmm1, [rip-9]", {0xC4, 0xE2, 0x79, 0x13, 0x0D, 0xF7, 0xFF, 0xFF, 0xFF}},
    };
    return all;
}

} // namespace

TEST_CASE("floating point of 64-bit mode agrees with the host's processor") {
    Native native;
    if (!native.usable() || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return;
    Guest64 guest;
    Rng rng{0x64};
    for (const Case& c : cases()) {
        unsigned wrong = 0;
        for (unsigned i = 0; i < 400 && wrong < 2; ++i) {
            const State before = any_state(rng);
            State ours = before, theirs = before;
            guest.run(c.bytes, c.instructions, ours);
            native.run(c.bytes, theirs);
            if (ours == theirs) continue;
            ++wrong;
            char text[200];
            std::snprintf(text, sizeof text, "mxcsr %x: xmm1 %016llx rcx %016llx mxcsr %x; host %016llx %016llx %x",
                          before.mxcsr, static_cast<unsigned long long>(ours.xmm[1][0]),
                          static_cast<unsigned long long>(ours.gpr[1]), ours.mxcsr,
                          static_cast<unsigned long long>(theirs.xmm[1][0]),
                          static_cast<unsigned long long>(theirs.gpr[1]), theirs.mxcsr);
            MESSAGE(c.what << ": " << std::string(text));
        }
        CHECK_MESSAGE(wrong == 0, c.what);
    }
}

#endif
