#include "tests/x86-conformance/host/values.hpp"

#include "tests/x86-conformance/host/case.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace glassbox::conformance::host {

namespace {

template <class T> void put(std::span<u8> out, std::size_t at, T value) {
    std::memcpy(out.data() + at, &value, std::min(sizeof value, out.size() - at));
}

constexpr u64 integer_bit = u64{1} << 63;

u64 significand(Random& r) {
    switch (r.below(10)) {
    case 0: return integer_bit;
    case 1: return ~u64{0};
    case 2: return integer_bit | u64{1} << r.below(64);
    case 3: return ~u64{0} << r.below(64);
    case 4: return ~(u64{1} << r.below(63));
    case 5: return integer_bit | (u64{1} << 39) | (r.chance(2) ? u64{1} << r.below(40) : 0); // halfway for 24 bits
    case 6: return integer_bit | (r.next() << 11) | (u64{1} << 10);                          // for 53 bits
    case 7: return integer_bit | (r.next() & r.next() & r.next());
    default: return integer_bit | r.next();
    }
}

} // namespace

u32 any_single(Random& r) {
    const u32 sign = r.below(2) << 31;
    switch (r.below(14)) {
    case 0: return sign;
    case 1: return sign | 0x7F80'0000;
    case 2: return sign | 0x7F80'0000 | r.below(0x80'0000); // NaN, mostly
    case 3: return sign | r.below(0x80'0000);               // denormal
    case 4: return sign | (0x0080'0000 + r.below(0x180'0000));
    case 5: return sign | (0x7E80'0000 + r.below(0x100'0000));
    case 6: return sign | (0x3F00'0000 + (r.below(64) << 17));
    case 7: return std::bit_cast<u32>(static_cast<float>(static_cast<i32>(r.next())));
    case 8: return sign | (0x4E80'0000 + r.below(0x100'0000)); // near 2^31
    case 9: return std::bit_cast<u32>(static_cast<float>(r.below(2000)) * 0.5f) | sign;
    case 10: return sign | r.below(256) << 23 | static_cast<u32>(significand(r) >> 40 & 0x7F'FFFF);
    case 11: return sign | (0x1F00'0000 + r.below(0x100'0000)); // squares underflow
    default: return static_cast<u32>(r.next());
    }
}

u64 any_double(Random& r) {
    const u64 sign = u64{r.below(2)} << 63;
    switch (r.below(15)) {
    case 0: return sign;
    case 1: return sign | 0x7FF0'0000'0000'0000;
    case 2: return sign | 0x7FF0'0000'0000'0000 | (r.next() >> 12);
    case 3: return sign | (r.next() >> 12);
    case 4: return sign | (0x0010'0000'0000'0000 + (r.next() >> 11));
    case 5: return sign | (0x7FD0'0000'0000'0000 + (r.next() >> 11));
    case 6: return sign | (0x3FE0'0000'0000'0000 + (u64{r.below(64)} << 46));
    case 7:
        return std::bit_cast<u64>(static_cast<double>(static_cast<i32>(r.next())) +
                                  0.5 * static_cast<double>(r.below(3)));
    case 8: return sign | (0x41D0'0000'0000'0000 + (r.next() >> 11));
    case 9: return std::bit_cast<u64>(static_cast<double>(r.below(2000)) * 0.5) | sign;
    case 10: return sign | (0x3800'0000'0000'0000 + (r.next() >> 8));  // near the least single
    case 11: return sign | (0x47E0'0000'0000'0000 + (r.next() >> 10)); // near the largest single
    case 12: return sign | u64{r.below(2048)} << 52 | (significand(r) >> 11 & 0xF'FFFF'FFFF'FFFF);
    default: return r.next();
    }
}

Extended any_extended(Random& r) {
    constexpr int bias = 16383;
    constexpr int edges[] = {0,           1,     bias,  bias - 126, bias + 127, bias - 1022,
                             bias + 1023, 32766, 32767, 24576,      8191,       bias + 63};
    u64 s = significand(r);
    int e = 0;
    switch (r.below(9)) {
    case 0: e = edges[r.below(std::size(edges))] + static_cast<int>(r.below(5)) - 2; break;
    case 1: e = static_cast<int>(r.below(0x8000)); break;
    case 2: e = bias + static_cast<int>(r.below(64)); break;
    case 3: e = r.chance(2) ? 0x7FFF : 0; break;
    case 4: e = bias - 200 + static_cast<int>(r.below(400)); break;
    case 5: e = bias + 30 - (r.chance(2) ? static_cast<int>(60 + r.below(10)) : 0); break; // 64 places apart
    default: e = bias - 3 + static_cast<int>(r.below(7)); break;
    }
    e = std::clamp(e, 0, 0x7FFF);
    if (e == 0x7FFF && r.chance(2)) s = r.chance(3) ? s : integer_bit;
    if (e == 0 && r.chance(2)) s = r.chance(2) ? s >> (1 + r.below(63)) : 0;
    if (r.chance(12)) s &= ~integer_bit; // unnormal, pseudo-infinity, pseudo-NaN
    return {s, static_cast<u16>(e | (r.chance(2) ? 0x8000 : 0))};
}

u64 any_lane(Random& r, unsigned kind) {
    switch (kind) {
    case 0: return any_single(r) | u64{any_single(r)} << 32;
    case 1: return any_double(r);
    case 2: return r.below(80); // shift counts
    case 3: {                   // edges of bytes and words
        constexpr u16 edges[] = {0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF};
        u64 lane = 0;
        for (unsigned i = 0; i < 4; ++i)
            lane = lane << 16 | static_cast<u16>(edges[r.below(8)] + (r.chance(4) ? 0xFF01 : 0));
        return lane;
    }
    default: return r.next();
    }
}

void quiet_units(std::span<u8> fx) {
    std::ranges::fill(fx, u8{0});
    put<u16>(fx, fx_control, 0x037F);
    put<u32>(fx, fx_mxcsr, 0x1F80);
}

void any_x87(Random& r, std::span<u8> fx, bool pending) {
    constexpr u32 precisions[4] = {0, 2, 3, 3};
    const u32 masks = r.chance(3) ? r.below(64) : 0x3F;
    put<u16>(fx, fx_control, static_cast<u16>(masks | 0x40 | precisions[r.below(4)] << 8 | r.below(4) << 10));
    u32 flags = r.below(64);
    const bool waits = pending && r.chance(12);
    if (!waits) flags &= masks;
    u32 status = (static_cast<u32>(r.next()) & 0x7F00) | flags;
    if ((flags & 1) && r.chance(2)) status |= 0x40;
    if (flags & ~masks) { // it has left its pointers behind
        status |= 0x8080;
        put<u16>(fx, fx_opcode, static_cast<u16>(r.below(0x800)));
        put<u32>(fx, fx_ip, static_cast<u32>(r.next()));
        put<u32>(fx, fx_dp, static_cast<u32>(r.next()));
    }
    put<u16>(fx, fx_status, static_cast<u16>(status));
    u32 tags = 0; // mostly full or mostly empty, so that both kinds of stack fault happen
    const bool full = !r.chance(3);
    for (unsigned i = 0; i < 8; ++i) tags |= static_cast<u32>(r.chance(6) != full) << i;
    put<u8>(fx, fx_tags, static_cast<u8>(tags));
    for (unsigned i = 0; i < 8; ++i) {
        const Extended x = any_extended(r);
        put<u64>(fx, fx_registers + 16 * i, x.significand);
        put<u16>(fx, fx_registers + 16 * i + 8, x.sign_exponent);
    }
}

void any_sse(Random& r, std::span<u8> fx, std::span<u8> ymm) {
    u32 mxcsr = 0x1F80;
    if (!r.chance(3)) mxcsr |= r.chance(2) ? 0x20 : r.below(64);
    if (r.chance(2)) mxcsr |= r.below(4) << 13 | r.below(2) << 15 | r.below(2) << 6;
    if (r.chance(4)) mxcsr = (mxcsr & ~0x1F80u) | r.below(64) << 7;
    put(fx, fx_mxcsr, mxcsr);
    const unsigned kind = r.below(5);
    const auto lane = [&] { return any_lane(r, r.chance(8) ? r.below(5) : kind); };
    for (unsigned i = 0; i < 32; ++i) put(fx, fx_xmm + 8 * i, lane());
    if (r.chance(8)) return;
    for (unsigned i = 0; i < 32; ++i) put(ymm, 8 * i, lane());
}

void any_x87_operand(Random& r, u8 opcode, unsigned digit, std::span<u8> out) {
    for (u8& b : out) b = static_cast<u8>(r.next());
    const bool arithmetic = (opcode & 1) == 0;
    if (r.chance(12)) return;
    if (opcode == 0xD8 || (opcode == 0xD9 && digit < 4)) return put(out, 0, any_single(r));
    if (opcode == 0xDC || (opcode == 0xDD && digit < 4)) return put(out, 0, any_double(r));
    if (opcode == 0xDB && digit >= 5) {
        const Extended x = any_extended(r);
        put(out, 0, x.significand);
        return put(out, 8, x.sign_exponent);
    }
    if (opcode == 0xDF && (digit == 4 || digit == 6)) { // packed decimals
        for (u8& b : out) b = static_cast<u8>(r.below(10) << 4 | r.below(10));
        return put(out, 9, static_cast<u8>(r.chance(2) ? 0x80 : 0));
    }
    if (arithmetic || r.chance(2)) { // integers
        constexpr u64 edges[] = {0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF'FFFF, 0x8000'0000, integer_bit, ~u64{0}};
        put(out, 0, edges[r.below(std::size(edges))]);
    }
}

} // namespace glassbox::conformance::host
