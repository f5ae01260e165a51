// The rows of AES-NI, VAES, PCLMULQDQ, VPCLMULQDQ, SHA and GFNI (SDM 2).
// A VEX.128 form needs AVX besides the feature that its row names: without AVX, XCR0 cannot enable it.
#include "cpu/ops/families.hpp"
#include "cpu/sse/crypto.hpp"
#include "cpu/sse/exec.hpp"

namespace glassbox {

namespace {

using namespace sse;
using enum Arg;

/// An operation on lanes of 128 bits, with or without an immediate.
template <auto operation> struct Lane {
    template <class File, class... More> static Xmm apply(const Xmm& a, const Xmm& b, More... more) {
        return operation(a, b, more...);
    }
};
/// The same of the second source alone.
template <auto operation> struct SourceLane {
    template <class File, class... More> static Xmm apply(const Xmm&, const Xmm& b, More... more) {
        return operation(b, more...);
    }
};

struct Sha256Rounds { // XMM0 is the third operand
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            Xmm b;
            if (!Xm::ready(cpu) || !Xm::source<Source>(cpu, op, b)) return false;
            Xm::set(cpu, op.reg, crypto::sha256_rounds2(Xm::get(cpu, op.reg), b, Xm::get(cpu, 0)));
            return true;
        }
    };
};

template <Name name, auto operation> consteval std::array<Row, 3> lanes3(At at, Feature narrow, Feature wide) {
    using S = Lane<operation>;
    return {row<Combine<S, Xm>::template Body>(info_of<name>, at, {Vx, Wx}, narrow),
            row<Combine<S, V128>::template Body>(vex_info<name>, at.vex().l(0), {Vx, Hx, Wx}, narrow),
            row<Combine<S, V256>::template Body>(vex_info<name>, at.vex().l(1), {Vx, Hx, Wx}, wide)};
}
template <Name name, auto operation>
consteval std::array<Row, 3> lanes3_imm(At legacy, At vex, Feature narrow, Feature wide) {
    using S = Lane<operation>;
    return {row<CombineImm<S, Xm>::template Body>(info_of<name>, legacy, {Vx, Wx, Ib}, narrow),
            row<CombineImm<S, V128>::template Body>(vex_info<name>, vex.vex().l(0), {Vx, Hx, Wx, Ib}, narrow),
            row<CombineImm<S, V256>::template Body>(vex_info<name>, vex.vex().l(1), {Vx, Hx, Wx, Ib}, wide)};
}
template <Name name, auto operation> consteval Row sha(At at) {
    return row<Combine<Lane<operation>, Xm>::template Body>(info_of<name>, at.np(), {Vx, Wx}, Feature::sha);
}
consteval std::array<Row, 3> gf_multiply_rows() {
    using S = Lane<crypto::gf_multiply>;
    constexpr At here = at(0x0F38CF).p66();
    return {
        row<Combine<S, Xm>::template Body>(info_of<"gf2p8mulb">, here, {Vx, Wx}, Feature::gfni),
        row<Combine<S, V128>::template Body>(vex_info<"gf2p8mulb">, here.vex().l(0).w(0), {Vx, Hx, Wx}, Feature::gfni),
        row<Combine<S, V256>::template Body>(vex_info<"gf2p8mulb">, here.vex().l(1).w(0), {Vx, Hx, Wx}, Feature::gfni)};
}

constexpr At imc = at(0x0F38DB).p66(), keygen = at(0x0F3ADF).p66(), product = at(0x0F3A44).p66(),
             affine = at(0x0F3ACE).p66(), affine_inverse = at(0x0F3ACF).p66();
using Imc = SourceLane<crypto::aes_imc>;
using Keygen = SourceLane<crypto::aes_keygen_assist>;

constexpr auto rows = table(
    lanes3<"aesenc", crypto::aes_enc>(at(0x0F38DC).p66(), Feature::aes, Feature::vaes),
    lanes3<"aesenclast", crypto::aes_enc_last>(at(0x0F38DD).p66(), Feature::aes, Feature::vaes),
    lanes3<"aesdec", crypto::aes_dec>(at(0x0F38DE).p66(), Feature::aes, Feature::vaes),
    lanes3<"aesdeclast", crypto::aes_dec_last>(at(0x0F38DF).p66(), Feature::aes, Feature::vaes),
    row<Combine<Imc, Xm>::Body>(info_of<"aesimc">, imc, {Vx, Wx}, Feature::aes),
    row<Combine<Imc, V128>::Body>(vex_info<"aesimc">, imc.vex().l(0), {Vx, Wx}, Feature::aes),
    row<CombineImm<Keygen, Xm>::Body>(info_of<"aeskeygenassist">, keygen, {Vx, Wx, Ib}, Feature::aes),
    row<CombineImm<Keygen, V128>::Body>(vex_info<"aeskeygenassist">, keygen.vex().l(0), {Vx, Wx, Ib}, Feature::aes),

    lanes3_imm<"pclmulqdq", crypto::carryless_product>(product, product, Feature::pclmulqdq, Feature::vpclmulqdq),

    sha<"sha1nexte", crypto::sha1_next_e>(at(0x0F38C8)), sha<"sha1msg1", crypto::sha1_msg1>(at(0x0F38C9)),
    sha<"sha1msg2", crypto::sha1_msg2>(at(0x0F38CA)),
    row<Sha256Rounds::Body>(info_of<"sha256rnds2">, at(0x0F38CB).np(), {Vx, Wx}, Feature::sha),
    sha<"sha256msg1", crypto::sha256_msg1>(at(0x0F38CC)), sha<"sha256msg2", crypto::sha256_msg2>(at(0x0F38CD)),
    row<CombineImm<Lane<crypto::sha1_rounds4>, Xm>::Body>(info_of<"sha1rnds4">, at(0x0F3ACC).np(), {Vx, Wx, Ib},
                                                          Feature::sha),

    gf_multiply_rows(),
    lanes3_imm<"gf2p8affineqb", crypto::gf_affine>(affine, affine.w(1), Feature::gfni, Feature::gfni),
    lanes3_imm<"gf2p8affineinvqb", crypto::gf_affine_inverse>(affine_inverse, affine_inverse.w(1), Feature::gfni,
                                                              Feature::gfni));

} // namespace

std::span<const Row> families::crypto() { return rows; }

} // namespace glassbox
