// Every row of integers, moves and shuffles in 64-bit mode, legacy and VEX, against the host's processor: random
// operands and registers, memory at aligned and other addresses, bits above the operand, flags and faults.
#include "simd_fixture.hpp"

#include "cpu/ops/families.hpp"

#include <string_view>

using namespace glassbox;
using namespace glassbox::simd_test;

#if defined(GLASSBOX_TEST_NATIVE_AVX)

namespace {

u64 any_lane(Rng& rng, unsigned kind) {
    switch (kind) {
    case 0: return rng.below(80); // shift counts
    case 1: return rng.next() & 0x0303'0303'0303'0303;
    case 2: return (rng.next() & 0x8080'8080'8080'8080) | (rng.next() & rng.next() & 0x0101'0101'0101'0101);
    case 3: return (rng.next() & 0x0000'003F'0000'001F) + rng.below(3);
    case 4: return rng.below(2) ? 0x8000'7FFF'8000'FFFF : 0x8000'0000'7FFF'FFFF;
    default: return rng.next();
    }
}
State any_state(Rng& rng) {
    State s;
    const unsigned kind = static_cast<unsigned>(rng.below(8));
    for (auto& y : s.ymm) {
        for (auto& q : y) q = any_lane(rng, kind);
    }
    for (auto& m : s.mm) m = any_lane(rng, kind);
    for (auto& g : s.gpr) g = rng.below(2) ? rng.next() : rng.below(40) - 20;
    for (unsigned i = 0; i < s.memory.size(); i += 8) {
        const u64 lane = any_lane(rng, kind);
        std::memcpy(s.memory.data() + i, &lane, 8);
    }
    s.flags = rng.next() & eflags::arithmetic;
    constexpr u64 offsets[] = {0, 32, 16, 8, 1, 33};
    s.offset = offsets[rng.below(4) ? rng.below(2) : rng.below(6)];
    return s;
}

bool host_has(Feature f) {
    if (f == Feature::sse4a) return __builtin_cpu_supports("sse4a");
    return true; // AVX2 brings the others
}
bool left_out(std::string_view name) {
    constexpr std::string_view names[] = {"maskmovq", "maskmovdqu", "vmaskmovdqu"};
    for (const auto n : names) {
        if (n == name) return true;
    }
    return name.find("gather") != name.npos;
}

Form any_form(Rng& rng, const Row& row, bool memory) {
    using enum Arg;
    Form f;
    f.place = memory ? Place::rsi : Place::reg;
    const bool general_rm = has_arg(row, {Ed, Eq, Ey, Edb, Edw, Ry});
    const bool general_reg = has_arg(row, {Gd, Gy});
    f.reg = static_cast<unsigned>(rng.below(general_reg ? 4 : 16));
    f.rm = static_cast<unsigned>(rng.below(general_rm ? 4 : 16));
    f.vvvv = static_cast<unsigned>(rng.below(16));
    f.w = rng.below(8) == 0;
    f.l = rng.below(2) != 0;
    f.imm = {static_cast<u8>(rng.next()), static_cast<u8>(rng.next())};
    if (rng.below(2)) f.imm[0] &= 0x3F;
    return f;
}

std::string describe(const Row& row, const Bytes& bytes, const State& before, const State& guest, const State& host) {
    std::string text = row.info->mnemonic;
    const auto hex = [&](u64 v, const char* format = " %016llx") {
        char digits[24];
        std::snprintf(digits, sizeof digits, format, static_cast<unsigned long long>(v));
        text += digits;
    };
    for (const u8 b : bytes) hex(b, " %02llx");
    text += "\n  fault ours host flags ours host";
    hex(static_cast<u64>(guest.fault)), hex(static_cast<u64>(host.fault)), hex(guest.flags), hex(host.flags);
    for (unsigned i = 0; i < 16; ++i) {
        if (guest.ymm[i] == host.ymm[i]) continue;
        text += "\n  ymm" + std::to_string(i) + " before, ours, host";
        for (const State* s : {&before, &guest, &host}) {
            text += "\n   ";
            for (unsigned k = 4; k-- > 0;) hex(s->ymm[i][k]);
        }
    }
    for (unsigned i = 0; i < 4; ++i) {
        if (guest.gpr[i] != host.gpr[i]) text += "\n  gpr " + std::to_string(i), hex(guest.gpr[i]), hex(host.gpr[i]);
    }
    if (guest.mm != host.mm) text += "\n  MMX registers differ";
    if (guest.memory != host.memory) text += "\n  memory differs";
    return text;
}

/// The same operand through FS, and by RIP: other kinds of addresses.
bool other_addresses_agree(Guest& guest, const Row& row, Form f, const State& before) {
    State flat = before, through_fs = before, by_rip = before;
    guest.run(encode(row, f), flat);
    f.place = Place::fs_rsi;
    guest.run(encode(row, f), through_fs);
    f.place = Place::rip;
    f.rip = static_cast<i32>(Guest::data + before.offset) - static_cast<i32>(Guest::code);
    guest.run(encode(row, f), by_rip);
    return flat == through_fs && flat == by_rip;
}

unsigned compare_row(Guest& guest, Native& native, const Row& row, bool memory, unsigned rounds, Rng& rng) {
    unsigned wrong = 0;
    for (unsigned i = 0; i < rounds && wrong < 2; ++i) {
        const Form form = any_form(rng, row, memory);
        const Bytes bytes = encode(row, form);
        const State before = any_state(rng);
        State ours = before, theirs = before;
        guest.run(bytes, ours);
        native.run(bytes, theirs);
        if (ours != theirs) {
            ++wrong;
            MESSAGE(describe(row, bytes, before, ours, theirs));
        }
        if (memory && i % 8 == 0 && !other_addresses_agree(guest, row, form, before)) {
            ++wrong;
            MESSAGE(row.info->mnemonic << " through FS or by RIP");
        }
    }
    return wrong;
}

} // namespace

TEST_CASE("rows of integers, moves and shuffles agree with the host's processor in 64-bit mode") {
    Native native;
    if (!native.usable()) return;
    Guest guest;
    Rng rng{0x51D};
    unsigned rows = 0, wrong = 0;
    for (const auto family : {families::mmx(), sse::move_rows()}) {
        for (const Row& row : family) {
            if (left_out(row.info->mnemonic) || !host_has(row.feature)) continue;
            ++rows;
            if (row.at.mod != Mod::memory) wrong += compare_row(guest, native, row, false, 120, rng);
            if (row.at.mod != Mod::reg) wrong += compare_row(guest, native, row, true, 80, rng);
        }
    }
    CHECK(wrong == 0);
    CHECK(rows > 600);
}

#endif
