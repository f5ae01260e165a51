// AES (FIPS 197), carry-less multiplication, and arithmetic in GF(2^8) (SDM 2: AESENC ..., PCLMULQDQ, GF2P8MULB ...).
#include "cpu/sse/crypto.hpp"

#include <bit>

namespace glassbox::crypto {

namespace {

constexpr u8 times_x(u8 a) { return static_cast<u8>((a << 1) ^ ((a & 0x80) != 0 ? 0x1B : 0)); }
constexpr u8 multiply(u8 a, u8 b) {
    u8 product = 0;
    for (; b != 0; b = static_cast<u8>(b >> 1), a = times_x(a)) {
        if (b & 1) product ^= a;
    }
    return product;
}

using ByteTable = std::array<u8, 256>;
using WordTable = std::array<u32, 256>;

/// Powers of the generator 3 and of its inverse F6h walk through all pairs of inverses.
constexpr ByteTable inverses = [] {
    ByteTable table{};
    u8 a = 1, b = 1;
    for (unsigned i = 0; i < 255; ++i, a = multiply(a, 3), b = multiply(b, 0xF6)) table[a] = b;
    return table;
}();
/// FIPS 197, 5.1.1: the inverse, then an affine map.
constexpr ByteTable s_box = [] {
    ByteTable table{};
    for (unsigned i = 0; i < 256; ++i) {
        const u8 b = inverses[i];
        table[i] = static_cast<u8>(b ^ std::rotl(b, 1) ^ std::rotl(b, 2) ^ std::rotl(b, 3) ^ std::rotl(b, 4) ^ 0x63);
    }
    return table;
}();
constexpr ByteTable inverse_s_box = [] {
    ByteTable table{};
    for (unsigned i = 0; i < 256; ++i) table[s_box[i]] = static_cast<u8>(i);
    return table;
}();
/// What a byte of row 0 adds to a column of MixColumns, row 0 in the low byte; row r's share is that rotated by r
/// bytes.
constexpr u32 column(u8 b, u8 row0, u8 row1, u8 row2, u8 row3) {
    return multiply(b, row0) | u32{multiply(b, row1)} << 8 | u32{multiply(b, row2)} << 16 |
           u32{multiply(b, row3)} << 24;
}
constexpr WordTable mix = [] { // FIPS 197, 5.1.3, after SubBytes
    WordTable table{};
    for (unsigned i = 0; i < 256; ++i) table[i] = column(s_box[i], 2, 1, 1, 3);
    return table;
}();
constexpr WordTable inverse_mix = [] { // 5.3.3
    WordTable table{};
    for (unsigned i = 0; i < 256; ++i) table[i] = column(static_cast<u8>(i), 14, 9, 13, 11);
    return table;
}();
constexpr WordTable inverse_sub_mix = [] { // after InvSubBytes
    WordTable table{};
    for (unsigned i = 0; i < 256; ++i) table[i] = inverse_mix[inverse_s_box[i]];
    return table;
}();

using State = std::array<u8, 16>;
using Words = std::array<u32, 4>;

Xmm add(const Xmm& a, const Xmm& b) { return {{a.q[0] ^ b.q[0], a.q[1] ^ b.q[1]}}; }

/// Row r comes from the column r places on (ShiftRows), or back (InvShiftRows).
template <bool inverse> unsigned shifted(unsigned c, unsigned r) { return 4 * ((inverse ? c - r : c + r) & 3) + r; }

template <bool inverse> Xmm round(const Xmm& state, const Xmm& key, const WordTable& table) {
    const State s = std::bit_cast<State>(state.q);
    Words out;
    for (unsigned c = 0; c < 4; ++c) {
        u32 word = 0;
        for (unsigned r = 0; r < 4; ++r) word ^= std::rotl(table[s[shifted<inverse>(c, r)]], static_cast<int>(8 * r));
        out[c] = word;
    }
    return add(Xmm{std::bit_cast<std::array<u64, 2>>(out)}, key);
}
template <bool inverse> Xmm last_round(const Xmm& state, const Xmm& key, const ByteTable& table) {
    const State s = std::bit_cast<State>(state.q);
    State out;
    for (unsigned c = 0; c < 4; ++c) {
        for (unsigned r = 0; r < 4; ++r) out[4 * c + r] = table[s[shifted<inverse>(c, r)]];
    }
    return add(Xmm{std::bit_cast<std::array<u64, 2>>(out)}, key);
}
u32 substitute(u32 word) {
    return s_box[word & 0xFF] | u32{s_box[(word >> 8) & 0xFF]} << 8 | u32{s_box[(word >> 16) & 0xFF]} << 16 |
           u32{s_box[word >> 24]} << 24;
}

} // namespace

Xmm aes_enc(const Xmm& state, const Xmm& round_key) { return round<false>(state, round_key, mix); }
Xmm aes_enc_last(const Xmm& state, const Xmm& round_key) { return last_round<false>(state, round_key, s_box); }
Xmm aes_dec(const Xmm& state, const Xmm& round_key) { return round<true>(state, round_key, inverse_sub_mix); }
Xmm aes_dec_last(const Xmm& state, const Xmm& round_key) { return last_round<true>(state, round_key, inverse_s_box); }

Xmm aes_imc(const Xmm& round_key) {
    const State s = std::bit_cast<State>(round_key.q);
    Words out;
    for (unsigned c = 0; c < 4; ++c) {
        u32 word = 0;
        for (unsigned r = 0; r < 4; ++r) word ^= std::rotl(inverse_mix[s[4 * c + r]], static_cast<int>(8 * r));
        out[c] = word;
    }
    return {std::bit_cast<std::array<u64, 2>>(out)};
}

Xmm aes_keygen_assist(const Xmm& key, u8 round_constant) {
    const u32 one = substitute(static_cast<u32>(key.q[0] >> 32)), three = substitute(static_cast<u32>(key.q[1] >> 32));
    const auto pair = [&](u32 word) { return word | u64{std::rotr(word, 8) ^ round_constant} << 32; };
    return {{pair(one), pair(three)}};
}

Xmm carryless_product(const Xmm& a, const Xmm& b, u8 which) {
    const u64 x = a.q[which & 1], y = b.q[(which >> 4) & 1];
    // Four bits of y at a time. A multiple of x has up to three bits beyond 64.
    std::array<u64, 16> low{}, high{};
    for (unsigned i = 1; i < 16; ++i) {
        low[i] = (low[i / 2] << 1) ^ ((i & 1) != 0 ? x : 0);
        high[i] = (high[i / 2] << 1) | (low[i / 2] >> 63);
    }
    u64 r0 = 0, r1 = 0;
    for (int shift = 60; shift >= 0; shift -= 4) {
        r1 = (r1 << 4) | (r0 >> 60);
        r0 <<= 4;
        const unsigned digit = (y >> shift) & 15;
        r0 ^= low[digit];
        r1 ^= high[digit];
    }
    return {{r0, r1}};
}

// --- GF(2^8) --------------------------------------------------------------------------------------------------------
namespace {

template <class F> Xmm each_byte(const Xmm& a, F&& f) {
    State bytes = std::bit_cast<State>(a.q);
    for (unsigned i = 0; i < 16; ++i) bytes[i] = f(bytes[i], i);
    return {std::bit_cast<std::array<u64, 2>>(bytes)};
}
/// Row i of the matrix is byte 7-i; bit i of the result is the parity of row i and x.
u8 affine(u8 x, u64 matrix, u8 constant) {
    u8 r = constant;
    for (unsigned i = 0; i < 8; ++i) {
        const u8 row = static_cast<u8>(matrix >> (8 * (7 - i)));
        r = static_cast<u8>(r ^ (std::popcount(static_cast<u8>(row & x)) & 1) << i);
    }
    return r;
}

} // namespace

Xmm gf_multiply(const Xmm& a, const Xmm& b) {
    const State other = std::bit_cast<State>(b.q);
    return each_byte(a, [&](u8 x, unsigned i) { return multiply(x, other[i]); });
}
Xmm gf_affine(const Xmm& x, const Xmm& matrix, u8 constant) {
    return each_byte(x, [&](u8 b, unsigned i) { return affine(b, matrix.q[i / 8], constant); });
}
Xmm gf_affine_inverse(const Xmm& x, const Xmm& matrix, u8 constant) {
    return each_byte(x, [&](u8 b, unsigned i) { return affine(inverses[b], matrix.q[i / 8], constant); });
}

} // namespace glassbox::crypto
