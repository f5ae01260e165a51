// AES, SHA, carry-less multiplication and GF(2^8): whole ciphers and digests built from the steps against the examples
// of the standards, and every step against the host's own where it has it.
#include "cpu/sse/crypto.hpp"

#include <bit>
#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <string_view>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace glassbox;
using namespace glassbox::crypto;

namespace {

using Block = std::array<u8, 16>;

u8 digit(char c) { return static_cast<u8>(c <= '9' ? c - '0' : c - 'a' + 10); }
/// The bytes of a hexadecimal string, first byte in the low byte of the lane.
Xmm bytes(std::string_view hex) {
    Block b{};
    for (unsigned i = 0; i < 16; ++i) b[i] = static_cast<u8>(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    return {std::bit_cast<std::array<u64, 2>>(b)};
}
/// A 128-bit number, most significant digit first.
Xmm number(std::string_view hex) {
    Xmm x;
    for (unsigned i = 0; i < 32; ++i) {
        x.q[1] = x.q[1] << 4 | x.q[0] >> 60;
        x.q[0] = x.q[0] << 4 | digit(hex[i]);
    }
    return x;
}
u32 word(const Xmm& x, unsigned i) { return static_cast<u32>(x.q[i / 2] >> (32 * (i % 2))); }
Xmm words(u32 w0, u32 w1, u32 w2, u32 w3) { return {{w0 | u64{w1} << 32, w2 | u64{w3} << 32}}; }
Xmm add(const Xmm& a, const Xmm& b) { return {{a.q[0] ^ b.q[0], a.q[1] ^ b.q[1]}}; }

/// The key schedule of FIPS 197, 5.2, from AESKEYGENASSIST.
std::array<Xmm, 11> expand(const Xmm& key) {
    std::array<Xmm, 11> keys;
    keys[0] = key;
    u8 constant = 1;
    for (unsigned i = 1; i < 11; ++i) {
        const u32 assist = word(aes_keygen_assist(keys[i - 1], constant), 3);
        std::array<u32, 4> w;
        for (unsigned j = 0; j < 4; ++j) w[j] = word(keys[i - 1], j) ^ (j == 0 ? assist : w[j - 1]);
        keys[i] = words(w[0], w[1], w[2], w[3]);
        constant = static_cast<u8>(constant == 0x80 ? 0x1B : constant << 1);
    }
    return keys;
}
Xmm encrypt(const Xmm& plain, const Xmm& key) {
    const auto keys = expand(key);
    Xmm state = add(plain, keys[0]);
    for (unsigned i = 1; i < 10; ++i) state = aes_enc(state, keys[i]);
    return aes_enc_last(state, keys[10]);
}
/// The equivalent inverse cipher, 5.3.5.
Xmm decrypt(const Xmm& cipher, const Xmm& key) {
    const auto keys = expand(key);
    Xmm state = add(cipher, keys[10]);
    for (unsigned i = 9; i > 0; --i) state = aes_dec(state, aes_imc(keys[i]));
    return aes_dec_last(state, keys[0]);
}

/// One padded block of a short message, as big-endian words.
std::array<u32, 16> padded(std::string_view text) {
    std::array<u32, 16> w{};
    const auto put = [&](std::size_t i, u8 b) { w[i / 4] |= u32{b} << (24 - 8 * (i % 4)); };
    for (std::size_t i = 0; i < text.size(); ++i) put(i, static_cast<u8>(text[i]));
    put(text.size(), 0x80);
    w[15] = static_cast<u32>(text.size() * 8);
    return w;
}

std::array<u32, 5> sha1(std::string_view text) {
    const auto w = padded(text);
    Xmm msg[4];
    for (unsigned i = 0; i < 4; ++i) msg[i] = words(w[4 * i + 3], w[4 * i + 2], w[4 * i + 1], w[4 * i]);
    const Xmm abcd0 = words(0x10325476, 0x98BADCFE, 0xEFCDAB89, 0x67452301);
    Xmm abcd = abcd0, previous = words(0, 0, 0, std::rotr(0xC3D2E1F0u, 30)); // SHA1NEXTE rotates by 30
    for (unsigned round = 0; round < 20; ++round) {
        const Xmm now = msg[round & 3];
        const Xmm with_e = sha1_next_e(previous, now);
        previous = abcd;
        abcd = sha1_rounds4(abcd, with_e, static_cast<u8>(round / 5));
        const Xmm& w8 = msg[(round + 2) & 3];
        msg[round & 3] = sha1_msg2(add(sha1_msg1(now, msg[(round + 1) & 3]), w8), msg[(round + 3) & 3]);
    }
    const u32 e = word(sha1_next_e(previous, words(0, 0, 0, 0)), 3);
    return {word(abcd, 3) + word(abcd0, 3), word(abcd, 2) + word(abcd0, 2), word(abcd, 1) + word(abcd0, 1),
            word(abcd, 0) + word(abcd0, 0), e + 0xC3D2E1F0};
}

constexpr u32 sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

std::array<u32, 8> sha256(std::string_view text) {
    const auto w = padded(text);
    Xmm msg[4];
    for (unsigned i = 0; i < 4; ++i) msg[i] = words(w[4 * i], w[4 * i + 1], w[4 * i + 2], w[4 * i + 3]);
    const Xmm abef0 = words(0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667);
    const Xmm cdgh0 = words(0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372);
    Xmm abef = abef0, cdgh = cdgh0;
    for (unsigned round = 0; round < 16; ++round) {
        const Xmm now = msg[round & 3];
        const u32* k = sha256_constants + 4 * round;
        const Xmm wk = words(word(now, 0) + k[0], word(now, 1) + k[1], word(now, 2) + k[2], word(now, 3) + k[3]);
        const Xmm first = sha256_rounds2(cdgh, abef, wk);
        cdgh = abef;
        abef = first;
        const Xmm second = sha256_rounds2(cdgh, abef, words(word(wk, 2), word(wk, 3), 0, 0));
        cdgh = abef;
        abef = second;
        // w16 = msg1(w0, w4) + (w9..w12), then MSG2 with w12..w15
        const Xmm &w8 = msg[(round + 2) & 3], &w12 = msg[(round + 3) & 3];
        const Xmm sum = sha256_msg1(now, msg[(round + 1) & 3]);
        msg[round & 3] = sha256_msg2(words(word(sum, 0) + word(w8, 1), word(sum, 1) + word(w8, 2),
                                           word(sum, 2) + word(w8, 3), word(sum, 3) + word(w12, 0)),
                                     w12);
    }
    const auto sum = [](const Xmm& a, const Xmm& b, unsigned i) { return word(a, i) + word(b, i); };
    return {sum(abef, abef0, 3), sum(abef, abef0, 2), sum(cdgh, cdgh0, 3), sum(cdgh, cdgh0, 2),
            sum(abef, abef0, 1), sum(abef, abef0, 0), sum(cdgh, cdgh0, 1), sum(cdgh, cdgh0, 0)};
}

} // namespace

TEST_CASE("AES: the examples of FIPS 197, appendices B and C.1") {
    const Xmm key = bytes("2b7e151628aed2a6abf7158809cf4f3c"), plain = bytes("3243f6a8885a308d313198a2e0370734");
    const Xmm cipher = bytes("3925841d02dc09fbdc118597196a0b32");
    CHECK(expand(key)[10].q == bytes("d014f9a8c9ee2589e13f0cc8b6630ca6").q); // appendix A.1
    CHECK(encrypt(plain, key).q == cipher.q);
    CHECK(decrypt(cipher, key).q == plain.q);
    const Xmm key_c = bytes("000102030405060708090a0b0c0d0e0f"), plain_c = bytes("00112233445566778899aabbccddeeff");
    const Xmm cipher_c = bytes("69c4e0d86a7b0430d8cdb78070b4c55a");
    CHECK(encrypt(plain_c, key_c).q == cipher_c.q);
    CHECK(decrypt(cipher_c, key_c).q == plain_c.q);
}

TEST_CASE("SHA-1 and SHA-256: the examples of FIPS 180") {
    using Digest1 = std::array<u32, 5>;
    using Digest256 = std::array<u32, 8>;
    CHECK(sha1("abc") == Digest1{0xa9993e36, 0x4706816a, 0xba3e2571, 0x7850c26c, 0x9cd0d89d});
    CHECK(sha1("") == Digest1{0xda39a3ee, 0x5e6b4b0d, 0x3255bfef, 0x95601890, 0xafd80709});
    CHECK(sha256("abc") ==
          Digest256{0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223, 0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad});
    CHECK(sha256("") ==
          Digest256{0xe3b0c442, 0x98fc1c14, 0x9afbf4c8, 0x996fb924, 0x27ae41e4, 0x649b934c, 0xa495991b, 0x7852b855});
}

TEST_CASE("PCLMULQDQ: Intel's carry-less multiplication paper, and the field of GCM") {
    const Xmm a = number("7b5b54657374566563746f725d53475d"), b = number("48692853686179295b477565726f6e5d");
    CHECK(carryless_product(a, b, 0x00).q == number("1d4d84c85c3440c0929633d5d36f0451").q);
    CHECK(carryless_product(a, b, 0x10).q == number("1bd17c8d556ab5a17fa540ac2a281315").q);
    CHECK(carryless_product(a, b, 0x01).q == number("1a2bf6db3a30862fbabf262df4b7d5c9").q);
    CHECK(carryless_product(a, b, 0x11).q == number("1d1e1f2c592e7c45d66ee03e410fd4ed").q);
    CHECK(carryless_product(a, b, 0xEE).q == carryless_product(a, b, 0x00).q); // only bits 0 and 4 count
    const Xmm ones{{~u64{0}, ~u64{0}}};
    CHECK(carryless_product(ones, ones, 0).q == number("55555555555555555555555555555555").q);
}

TEST_CASE("GF(2^8): products of FIPS 197, 4.2, the S-box as an affine map of inverses") {
    const auto all = [](u64 b) { return Xmm{{b * 0x0101'0101'0101'0101, b * 0x0101'0101'0101'0101}}; };
    CHECK(gf_multiply(all(0x57), all(0x83)).q == all(0xC1).q);
    CHECK(gf_multiply(all(0x57), all(0x13)).q == all(0xFE).q);
    CHECK(gf_multiply(all(0x53), all(0xCA)).q == all(1).q);
    const Xmm identity{{0x0102'0408'1020'4080, 0x0102'0408'1020'4080}};
    CHECK(gf_affine(all(0x9A), identity, 0).q == all(0x9A).q);
    CHECK(gf_affine(all(0x9A), identity, 0xFF).q == all(0x65).q);
    CHECK(gf_affine_inverse(all(0x53), identity, 0).q == all(0xCA).q);
    CHECK(gf_affine_inverse(all(0), identity, 0).q == all(0).q);
    const Xmm aes{{0xF1E3'C78F'1F3E'7CF8, 0xF1E3'C78F'1F3E'7CF8}};
    for (unsigned i = 0; i < 256; ++i) // AESENCLAST of equal bytes with a zero key is the S-box
        CHECK(gf_affine_inverse(all(i), aes, 0x63).q == aes_enc_last(all(i), Xmm{}).q);
    // A matrix for each half of the lane.
    CHECK(gf_affine(all(0x81), Xmm{{0x0102'0408'1020'4080, 0}}, 0).q == Xmm{{0x8181'8181'8181'8181, 0}}.q);
}

#if defined(__x86_64__)

namespace {

__m128i host(const Xmm& x) { return std::bit_cast<__m128i>(x.q); }
Xmm guest(__m128i x) { return {std::bit_cast<std::array<u64, 2>>(x)}; }

struct Random {
    u64 state = 0x1234'5678'9ABC'DEF0;
    u64 next() {
        state ^= state << 13;
        state ^= state >> 7;
        return state ^= state << 17;
    }
    Xmm lane() { return {{next(), next()}}; }
};
constexpr unsigned rounds = 2000;

template <class Ours, class Theirs> void compare(Ours&& ours, Theirs&& theirs) {
    Random random;
    for (unsigned i = 0; i < rounds; ++i) {
        const Xmm a = random.lane(), b = random.lane(), c = random.lane();
        const Xmm mine = ours(a, b, c);
        REQUIRE(mine.q == guest(theirs(host(a), host(b), host(c))).q);
    }
}

void check_aes() {
    using X = const Xmm&;
    const auto enc = [](__m128i a, __m128i b, __m128i)
                         __attribute__((target("aes"))) { return _mm_aesenc_si128(a, b); };
    const auto enc_last = [](__m128i a, __m128i b, __m128i)
                              __attribute__((target("aes"))) { return _mm_aesenclast_si128(a, b); };
    const auto dec = [](__m128i a, __m128i b, __m128i)
                         __attribute__((target("aes"))) { return _mm_aesdec_si128(a, b); };
    const auto dec_last = [](__m128i a, __m128i b, __m128i)
                              __attribute__((target("aes"))) { return _mm_aesdeclast_si128(a, b); };
    const auto imc = [](__m128i a, __m128i, __m128i) __attribute__((target("aes"))) { return _mm_aesimc_si128(a); };
    const auto keygen = [](__m128i a, __m128i, __m128i)
                            __attribute__((target("aes"))) { return _mm_aeskeygenassist_si128(a, 0x1B); };
    compare([](X a, X b, X) { return aes_enc(a, b); }, enc);
    compare([](X a, X b, X) { return aes_enc_last(a, b); }, enc_last);
    compare([](X a, X b, X) { return aes_dec(a, b); }, dec);
    compare([](X a, X b, X) { return aes_dec_last(a, b); }, dec_last);
    compare([](X a, X, X) { return aes_imc(a); }, imc);
    compare([](X a, X, X) { return aes_keygen_assist(a, 0x1B); }, keygen);
}
void check_product() {
    using X = const Xmm&;
    const auto p00 = [](__m128i a, __m128i b, __m128i)
                         __attribute__((target("pclmul"))) { return _mm_clmulepi64_si128(a, b, 0x00); };
    const auto p10 = [](__m128i a, __m128i b, __m128i)
                         __attribute__((target("pclmul"))) { return _mm_clmulepi64_si128(a, b, 0x10); };
    compare([](X a, X b, X) { return carryless_product(a, b, 0x00); }, p00);
    compare([](X a, X b, X) { return carryless_product(a, b, 0x10); }, p10);
}
void check_sha() {
    using X = const Xmm&;
    const auto rounds_f1 = [](__m128i a, __m128i b, __m128i)
                               __attribute__((target("sha"))) { return _mm_sha1rnds4_epu32(a, b, 1); };
    const auto rounds_f2 = [](__m128i a, __m128i b, __m128i)
                               __attribute__((target("sha"))) { return _mm_sha1rnds4_epu32(a, b, 2); };
    const auto next_e = [](__m128i a, __m128i b, __m128i)
                            __attribute__((target("sha"))) { return _mm_sha1nexte_epu32(a, b); };
    const auto msg1 = [](__m128i a, __m128i b, __m128i)
                          __attribute__((target("sha"))) { return _mm_sha1msg1_epu32(a, b); };
    const auto msg2 = [](__m128i a, __m128i b, __m128i)
                          __attribute__((target("sha"))) { return _mm_sha1msg2_epu32(a, b); };
    const auto rounds2 = [](__m128i a, __m128i b, __m128i c)
                             __attribute__((target("sha"))) { return _mm_sha256rnds2_epu32(a, b, c); };
    const auto msg1_256 = [](__m128i a, __m128i b, __m128i)
                              __attribute__((target("sha"))) { return _mm_sha256msg1_epu32(a, b); };
    const auto msg2_256 = [](__m128i a, __m128i b, __m128i)
                              __attribute__((target("sha"))) { return _mm_sha256msg2_epu32(a, b); };
    compare([](X a, X b, X) { return sha1_rounds4(a, b, 1); }, rounds_f1);
    compare([](X a, X b, X) { return sha1_rounds4(a, b, 2); }, rounds_f2);
    compare([](X a, X b, X) { return sha1_next_e(a, b); }, next_e);
    compare([](X a, X b, X) { return sha1_msg1(a, b); }, msg1);
    compare([](X a, X b, X) { return sha1_msg2(a, b); }, msg2);
    compare([](X a, X b, X c) { return sha256_rounds2(a, b, c); }, rounds2);
    compare([](X a, X b, X) { return sha256_msg1(a, b); }, msg1_256);
    compare([](X a, X b, X) { return sha256_msg2(a, b); }, msg2_256);
}
void check_gf() {
    using X = const Xmm&;
    const auto product = [](__m128i a, __m128i b, __m128i)
                             __attribute__((target("gfni"))) { return _mm_gf2p8mul_epi8(a, b); };
    const auto affine = [](__m128i a, __m128i b, __m128i)
                            __attribute__((target("gfni"))) { return _mm_gf2p8affine_epi64_epi8(a, b, 0x63); };
    const auto affine_inverse = [](__m128i a, __m128i b, __m128i)
                                    __attribute__((target("gfni"))) { return _mm_gf2p8affineinv_epi64_epi8(a, b, 5); };
    compare([](X a, X b, X) { return gf_multiply(a, b); }, product);
    compare([](X a, X b, X) { return gf_affine(a, b, 0x63); }, affine);
    compare([](X a, X b, X) { return gf_affine_inverse(a, b, 5); }, affine_inverse);
}

} // namespace

TEST_CASE("cryptographic steps agree with the host's") {
    const auto leaf7 = [] {
        u32 eax = 7, ebx = 0, ecx = 0, edx = 0;
        __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
        return std::array{ebx, ecx};
    }();
    if (__builtin_cpu_supports("aes")) check_aes();
    if (__builtin_cpu_supports("pclmul")) check_product();
    if (leaf7[0] >> 29 & 1) check_sha();
    if (leaf7[1] >> 8 & 1) check_gf();
}

#endif
