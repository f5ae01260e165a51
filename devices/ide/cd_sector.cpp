#include "devices/ide/cd_sector.hpp"

#include <algorithm>

namespace glassbox::ide {

namespace {

/// CRC of P(x) = (x^16 + x^15 + x^2 + 1)(x^16 + x^2 + x + 1), least significant bit first (ECMA-130 14.3).
constexpr std::array<u32, 256> make_edc_table() {
    std::array<u32, 256> table{};
    for (u32 i = 0; i < 256; ++i) {
        u32 value = i;
        for (unsigned k = 0; k < 8; ++k) value = value >> 1 ^ (value & 1 ? 0xD8018001u : 0);
        table[i] = value;
    }
    return table;
}
constexpr auto edc_table = make_edc_table();

/// Multiplication by alpha in GF(2^8) of x^8 + x^4 + x^3 + x^2 + 1 (annex A).
constexpr u8 times_alpha(u8 a) { return static_cast<u8>(a << 1 ^ (a & 0x80 ? 0x1D : 0)); }

/// Division by alpha + 1, as a table: the parity equations' solution.
constexpr std::array<u8, 256> make_divide_table() {
    std::array<u8, 256> table{};
    for (unsigned i = 0; i < 256; ++i) table[static_cast<u8>(i ^ times_alpha(static_cast<u8>(i)))] = static_cast<u8>(i);
    return table;
}
constexpr auto divide_table = make_divide_table();

/// One of the two product codes over the bytes from 12 on: `vectors` code words of `length` bytes. Both code words of
/// a vector position hold even and odd bytes of 16-bit words.
void parity(std::span<const u8> data, unsigned vectors, unsigned length, unsigned vector_step, unsigned byte_step,
            u8* out) {
    const unsigned bytes = vectors * length;
    for (unsigned vector = 0; vector < vectors; ++vector) {
        unsigned at = (vector >> 1) * vector_step + (vector & 1);
        u8 weighted = 0, sum = 0;
        for (unsigned i = 0; i < length; ++i) {
            const u8 byte = data[at];
            at += byte_step;
            if (at >= bytes) at -= bytes;
            weighted = times_alpha(weighted ^ byte);
            sum ^= byte;
        }
        const u8 first = divide_table[static_cast<u8>(times_alpha(weighted) ^ sum)];
        out[vector] = first;
        out[vector + vectors] = static_cast<u8>(first ^ sum);
    }
}

constexpr u8 bcd(u8 value) { return static_cast<u8>(value / 10 << 4 | value % 10); }

} // namespace

void complete_mode1_sector(u32 lba, std::span<u8, 2352> sector) {
    std::fill(sector.begin(), sector.begin() + 12, u8{0xFF});
    sector[0] = sector[11] = 0;
    const Msf msf = to_msf(lba);
    sector[12] = bcd(msf.minute);
    sector[13] = bcd(msf.second);
    sector[14] = bcd(msf.frame);
    sector[15] = 1;
    u32 edc = 0;
    for (unsigned i = 0; i < 2064; ++i) edc = edc >> 8 ^ edc_table[(edc ^ sector[i]) & 0xFF];
    for (unsigned i = 0; i < 4; ++i) sector[2064 + i] = static_cast<u8>(edc >> (8 * i));
    std::fill(sector.begin() + 2068, sector.begin() + 2076, u8{0});
    parity(sector.subspan(12), 86, 24, 2, 86, &sector[2076]);  // P
    parity(sector.subspan(12), 52, 43, 86, 88, &sector[2248]); // Q, over P too
}

} // namespace glassbox::ide
