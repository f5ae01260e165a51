// What AES-NI, PCLMULQDQ, SHA and GFNI compute on one lane of 128 bits (SDM 2; FIPS 197; FIPS 180-4). AVX's wide forms
// do the same to every lane.
#pragma once

#include "cpu/sse/state.hpp"

namespace glassbox::crypto {

// --- AES: bytes 4c+r of a lane are row r, column c of the state
// -------------------------------------------------------
Xmm aes_enc(const Xmm& state, const Xmm& round_key);
Xmm aes_enc_last(const Xmm& state, const Xmm& round_key);
Xmm aes_dec(const Xmm& state, const Xmm& round_key);
Xmm aes_dec_last(const Xmm& state, const Xmm& round_key);
Xmm aes_imc(const Xmm& round_key);
Xmm aes_keygen_assist(const Xmm& key, u8 round_constant);

// --- carry-less multiplication: bit 0 and bit 4 of `which` choose the halves
// --------------------------------------------
Xmm carryless_product(const Xmm& a, const Xmm& b, u8 which);

// --- SHA-1, SHA-256: the word with the lowest index is in the highest doubleword for SHA-1, in the lowest for SHA-256
// --
Xmm sha1_rounds4(const Xmm& abcd, const Xmm& words, u8 function);
Xmm sha1_next_e(const Xmm& abcd, const Xmm& words);
Xmm sha1_msg1(const Xmm& a, const Xmm& b);
Xmm sha1_msg2(const Xmm& a, const Xmm& b);
Xmm sha256_rounds2(const Xmm& cdgh, const Xmm& abef, const Xmm& words);
Xmm sha256_msg1(const Xmm& a, const Xmm& b);
Xmm sha256_msg2(const Xmm& a, const Xmm& b);

// --- GF(2^8) modulo x^8 + x^4 + x^3 + x + 1
// -----------------------------------------------------------------------------
Xmm gf_multiply(const Xmm& a, const Xmm& b);
/// Every byte of x by the 8x8 bit matrix in the same quadword of `matrix`, plus `constant`.
Xmm gf_affine(const Xmm& x, const Xmm& matrix, u8 constant);
/// The same of the bytes' inverses.
Xmm gf_affine_inverse(const Xmm& x, const Xmm& matrix, u8 constant);

} // namespace glassbox::crypto
