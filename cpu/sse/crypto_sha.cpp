// SHA-1 and SHA-256 (FIPS 180-4) in the steps that the SHA extensions have (SDM 2: SHA1RNDS4 ...).
#include "cpu/sse/crypto.hpp"

#include <bit>

namespace glassbox::crypto {

namespace {

using Words = std::array<u32, 4>;

Words words_of(const Xmm& x) { return std::bit_cast<Words>(x.q); }
Xmm join(u32 w0, u32 w1, u32 w2, u32 w3) { return {{w0 | u64{w1} << 32, w2 | u64{w3} << 32}}; }

u32 choose(u32 x, u32 y, u32 z) { return (x & y) ^ (~x & z); }
u32 parity(u32 x, u32 y, u32 z) { return x ^ y ^ z; }
u32 majority(u32 x, u32 y, u32 z) { return (x & y) ^ (x & z) ^ (y & z); }

u32 big_sigma0(u32 x) { return std::rotr(x, 2) ^ std::rotr(x, 13) ^ std::rotr(x, 22); }
u32 big_sigma1(u32 x) { return std::rotr(x, 6) ^ std::rotr(x, 11) ^ std::rotr(x, 25); }
u32 small_sigma0(u32 x) { return std::rotr(x, 7) ^ std::rotr(x, 18) ^ (x >> 3); }
u32 small_sigma1(u32 x) { return std::rotr(x, 17) ^ std::rotr(x, 19) ^ (x >> 10); }

} // namespace

/// E comes added to the first word (SHA1NEXTE does that).
Xmm sha1_rounds4(const Xmm& abcd, const Xmm& words, u8 function) {
    static constexpr Words constants = {0x5A82'7999, 0x6ED9'EBA1, 0x8F1B'BCDC, 0xCA62'C1D6};
    const unsigned n = function & 3;
    const Words s = words_of(abcd), w = words_of(words);
    u32 a = s[3], b = s[2], c = s[1], d = s[0], e = 0;
    for (unsigned i = 0; i < 4; ++i) {
        const u32 f = n == 0 ? choose(b, c, d) : n == 2 ? majority(b, c, d) : parity(b, c, d);
        const u32 next = f + std::rotl(a, 5) + w[3 - i] + e + constants[n];
        e = d;
        d = c;
        c = std::rotl(b, 30);
        b = a;
        a = next;
    }
    return join(d, c, b, a);
}
Xmm sha1_next_e(const Xmm& abcd, const Xmm& words) {
    const Words w = words_of(words);
    return join(w[0], w[1], w[2], w[3] + std::rotl(words_of(abcd)[3], 30));
}
Xmm sha1_msg1(const Xmm& a, const Xmm& b) {
    const Words x = words_of(a), y = words_of(b); // x[3] is W0, y[3] is W4
    return join(y[2] ^ x[0], y[3] ^ x[1], x[0] ^ x[2], x[1] ^ x[3]);
}
Xmm sha1_msg2(const Xmm& a, const Xmm& b) {
    const Words x = words_of(a), y = words_of(b); // y[2] is W13
    const u32 w16 = std::rotl(x[3] ^ y[2], 1), w17 = std::rotl(x[2] ^ y[1], 1), w18 = std::rotl(x[1] ^ y[0], 1);
    return join(std::rotl(x[0] ^ w16, 1), w18, w17, w16);
}

Xmm sha256_rounds2(const Xmm& cdgh, const Xmm& abef, const Xmm& words) {
    const Words low = words_of(cdgh), high = words_of(abef), w = words_of(words);
    u32 a = high[3], b = high[2], c = low[3], d = low[2], e = high[1], f = high[0], g = low[1], h = low[0];
    for (unsigned i = 0; i < 2; ++i) {
        const u32 t1 = choose(e, f, g) + big_sigma1(e) + w[i] + h;
        const u32 t2 = majority(a, b, c) + big_sigma0(a);
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    return join(f, e, b, a);
}
Xmm sha256_msg1(const Xmm& a, const Xmm& b) {
    const Words x = words_of(a);
    return join(x[0] + small_sigma0(x[1]), x[1] + small_sigma0(x[2]), x[2] + small_sigma0(x[3]),
                x[3] + small_sigma0(words_of(b)[0]));
}
Xmm sha256_msg2(const Xmm& a, const Xmm& b) {
    const Words x = words_of(a), y = words_of(b);
    const u32 w16 = x[0] + small_sigma1(y[2]), w17 = x[1] + small_sigma1(y[3]);
    return join(w16, w17, x[2] + small_sigma1(w16), x[3] + small_sigma1(w17));
}

} // namespace glassbox::crypto
