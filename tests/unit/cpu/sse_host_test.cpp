// Every row of MMX, SSE to SSE4 and AVX against the host's processor: random operands, register and memory forms,
// rounding modes, DAZ, FTZ, masked and unmasked exceptions. What the manual leaves to the implementation is left out:
// RCP and RSQRT.
#include "sse_fixture.hpp"

#include "cpu/ops/families.hpp"

#include <string_view>

using namespace glassbox;
using namespace glassbox::sse_test;

#if defined(GLASSBOX_TEST_NATIVE)

namespace {

u32 any_single(Rng& rng) {
    const u32 sign = static_cast<u32>(rng.below(2)) << 31;
    switch (rng.below(12)) {
    case 0: return sign;
    case 1: return sign | 0x7F80'0000;
    case 2: return sign | 0x7F80'0000 | static_cast<u32>(rng.below(0x80'0000)); // NaN, mostly
    case 3: return sign | static_cast<u32>(rng.below(0x80'0000));               // denormal
    case 4: return sign | static_cast<u32>(0x0080'0000 + rng.below(0x180'0000));
    case 5: return sign | static_cast<u32>(0x7E80'0000 + rng.below(0x100'0000));
    case 6: return sign | static_cast<u32>(0x3F00'0000 + (rng.below(64) << 17));
    case 7: return std::bit_cast<u32>(static_cast<float>(static_cast<i32>(rng.next())));
    case 8: return sign | static_cast<u32>(0x4E80'0000 + rng.below(0x100'0000)); // near 2^31
    case 9: return std::bit_cast<u32>(static_cast<float>(rng.below(2000)) * 0.5f) | sign;
    default: return static_cast<u32>(rng.next());
    }
}
u64 any_double(Rng& rng) {
    const u64 sign = rng.below(2) << 63;
    switch (rng.below(14)) {
    case 0: return sign;
    case 1: return sign | 0x7FF0'0000'0000'0000;
    case 2: return sign | 0x7FF0'0000'0000'0000 | (rng.next() >> 12);
    case 3: return sign | (rng.next() >> 12);
    case 4: return sign | (0x0010'0000'0000'0000 + (rng.next() >> 11));
    case 5: return sign | (0x7FD0'0000'0000'0000 + (rng.next() >> 11));
    case 6: return sign | (0x3FE0'0000'0000'0000 + (rng.below(64) << 46));
    case 7:
        return std::bit_cast<u64>(static_cast<double>(static_cast<i32>(rng.next())) +
                                  0.5 * static_cast<double>(rng.below(3)));
    case 8: return sign | (0x41D0'0000'0000'0000 + (rng.next() >> 11));
    case 9: return std::bit_cast<u64>(static_cast<double>(rng.below(2000)) * 0.5) | sign;
    case 10: return sign | (0x3800'0000'0000'0000 + (rng.next() >> 8));  // near the least single
    case 11: return sign | (0x47E0'0000'0000'0000 + (rng.next() >> 10)); // near the largest single
    default: return rng.next();
    }
}
u64 any_lane(Rng& rng, unsigned kind) {
    switch (kind) {
    case 0: return any_single(rng) | u64{any_single(rng)} << 32;
    case 1: return any_double(rng);
    case 2: return rng.below(80); // shift counts
    default: return rng.next();
    }
}
State any_state(Rng& rng) {
    State s;
    const unsigned kind = static_cast<unsigned>(rng.below(4));
    for (auto& x : s.xmm) x = {any_lane(rng, kind), any_lane(rng, kind), any_lane(rng, kind), any_lane(rng, kind)};
    for (auto& m : s.mm) m = any_lane(rng, kind);
    for (auto& g : s.gpr) g = static_cast<u32>(rng.next());
    for (unsigned i = 0; i < 4; ++i) {
        const u64 lane = any_lane(rng, kind);
        std::memcpy(s.memory.data() + 8 * i, &lane, 8);
    }
    s.mxcsr = 0x1F80;
    if (rng.below(4) != 0) s.mxcsr |= 0x20; // the fast path's usual case
    if (rng.below(2))
        s.mxcsr |= static_cast<u32>(rng.below(4)) << 13 | static_cast<u32>(rng.below(2)) << 15 |
                   static_cast<u32>(rng.below(2)) << 6;
    if (rng.below(4) == 0) s.mxcsr = (s.mxcsr & ~0x1F80u) | static_cast<u32>(rng.below(64)) << 7;
    s.flags = static_cast<u32>(rng.next()) & eflags::arithmetic;
    return s;
}

bool left_out(std::string_view name) {
    if (name.starts_with("v")) name.remove_prefix(1);
    constexpr std::string_view names[] = {"rcpps",   "rcpss",   "rsqrtps",   "rsqrtss", "fxsave",   "fxrstor",
                                          "ldmxcsr", "stmxcsr", "emms",      "clflush", "maskmovq", "maskmovdqu",
                                          "extrq",   "insertq", "zeroupper", "zeroall"};
    for (const auto n : names) {
        if (n == name) return true;
    }
    return name.find("gather") != name.npos; // a SIB byte: simd_masked_test.cpp
}

std::string describe(const Row& row, const Bytes& bytes, const State& before, const State& guest, const State& host) {
    std::string text = row.info->mnemonic;
    const auto hex = [&](u64 v) {
        char digits[24];
        std::snprintf(digits, sizeof digits, " %016llx", static_cast<unsigned long long>(v));
        text += digits;
    };
    for (const u8 b : bytes) hex(b);
    for (const State* s : {&before, &guest, &host}) {
        for (unsigned n = 0; n < 3; ++n) {
            text += "\n  ymm" + std::to_string(n);
            for (unsigned k = 4; k-- > 0;) hex(s->xmm[n][k]);
        }
        text += "\n  memory";
        for (unsigned k = 4; k-- > 0;) {
            u64 value;
            std::memcpy(&value, s->memory.data() + 8 * k, 8);
            hex(value);
        }
        text += "\n ";
        text += " mm1";
        hex(s->mm[1]), hex(s->mm[2]);
        text += " ecx";
        hex(s->gpr[1]);
        text += " mxcsr flags fault";
        hex(s->mxcsr), hex(s->flags), hex(static_cast<u64>(s->fault));
    }
    return text;
}

Bytes with_fs(Bytes bytes) {
    bytes.insert(bytes.begin(), 0x64);
    return bytes;
}

unsigned compare_row(Guest& guest, Native& native, const Row& row, bool memory, unsigned rounds, Rng& rng) {
    unsigned wrong = 0;
    for (unsigned i = 0; i < rounds && wrong < 2; ++i) {
        const unsigned rm = rng.below(8) == 0 ? 1 : 2;
        const Bytes bytes =
            encode(row, memory, 1, rm, static_cast<u8>(rng.next()), static_cast<unsigned>(rng.below(16)));
        const State before = any_state(rng);
        State ours = before, theirs = before;
        for (unsigned k = 0; k < 4; ++k) { // the same operands again: flags that stay set change the path
            guest.run(bytes, ours);
            native.run(bytes, theirs);
            if (ours == theirs && ours.fault < 0) continue;
            break;
        }
        if (memory && i % 4 == 0) { // through a segment register: another kind of address
            State flat = before, through_fs = before;
            guest.run(bytes, flat);
            guest.run(with_fs(bytes), through_fs);
            wrong += flat != through_fs;
        }
        if (ours == theirs) continue;
        ++wrong;
        MESSAGE(describe(row, bytes, before, ours, theirs));
    }
    return wrong;
}

} // namespace

TEST_CASE("every row agrees with the host's processor") {
    Native native;
    if (!native.usable()) return;
    Guest guest;
    guest.give_everything();
    Rng rng{0x5EED};
    unsigned rows = 0, wrong = 0;
    for (const auto family : {families::mmx(), families::sse()}) {
        for (const Row& row : family) {
            if (left_out(row.info->mnemonic) || !host_has(row) || (row.attributes & attr::only_64)) continue;
            ++rows;
            if (row.at.mod != Mod::memory) wrong += compare_row(guest, native, row, false, 400, rng);
            if (row.at.mod != Mod::reg) wrong += compare_row(guest, native, row, true, 200, rng);
        }
    }
    CHECK(wrong == 0);
    CHECK(rows > 250);
}

#endif
