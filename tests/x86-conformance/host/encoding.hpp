// Encodings from the instruction table: for any row, random bytes that decode to it.
#pragma once

#include "tests/x86-conformance/bare_machine.hpp"

#include "cpu/decode/row.hpp"

#include <vector>

namespace glassbox::conformance {

/// How an instruction is to be encoded; the encoder takes what the row leaves open.
struct Encoding {
    bool opsize_prefix = false, addrsize_prefix = false, lock = false;
    u8 rep = 0, segment = 0; ///< prefix bytes, 0 for none
    bool memory = false;
    u8 reg = 0; ///< ModRM.reg unless the row fixes it
    u8 mod = 0, rm = 0, sib = 0;
    u32 displacement = 0;
    u64 immediate = 0; ///< the bytes of all immediates, as many as it takes
};

inline bool has_modrm(const Row& row) {
    if ((row.attributes & attr::modrm) || row.at.digit_ >= 0 || row.at.rm_ >= 0 || row.at.mod != Mod::any) return true;
    for (const Arg a : row.args) {
        if (a >= Arg::Eb && a <= Arg::Gv) return true;
        if (a >= Arg::M && a <= Arg::Dd && a != Arg::none) return true;
        if (a >= Arg::Pq && a <= Arg::Ux) return true;
        if (a == Arg::STi) return true;
    }
    return false;
}
inline bool is_offset(const Row& row) {
    for (const Arg a : row.args) {
        if (a == Arg::Ob || a == Arg::Ov) return true;
    }
    return false;
}
inline unsigned immediate_bytes(Arg a, unsigned opsize) {
    switch (a) {
    case Arg::Ib:
    case Arg::Ibs:
    case Arg::Jb: return 1;
    case Arg::Iw: return 2;
    case Arg::Iz:
    case Arg::Jz:
    case Arg::Iv: return opsize;
    case Arg::Ap: return opsize + 2;
    default: return 0;
    }
}
inline unsigned displacement_bytes(const Encoding& e, unsigned addrsize) {
    if (e.mod == 3) return 0;
    if (addrsize == 2) return e.mod == 1 ? 1 : e.mod == 2 || e.rm == 6 ? 2 : 0;
    const unsigned base = e.rm == 4 ? e.sib & 7u : e.rm;
    return e.mod == 1 ? 1 : e.mod == 2 || base == 5 ? 4 : 0;
}

/// The bytes of `row` in a 32-bit (or 16-bit) code segment.
inline std::vector<u8> encode(const Row& row, const Encoding& e, bool code32) {
    const unsigned opsize = code32 != e.opsize_prefix ? 4 : 2, addrsize = code32 != e.addrsize_prefix ? 4 : 2;
    std::vector<u8> out;
    const auto number = [&](u64 value, unsigned width) {
        for (unsigned i = 0; i < width; ++i) out.push_back(static_cast<u8>(value >> (8 * i)));
    };
    if (e.lock) out.push_back(0xF0);
    if (e.segment) out.push_back(e.segment);
    if (e.opsize_prefix || row.at.mandatory == Mandatory::p66) out.push_back(0x66);
    if (e.addrsize_prefix) out.push_back(0x67);
    if (row.at.mandatory == Mandatory::pF3)
        out.push_back(0xF3);
    else if (row.at.mandatory == Mandatory::pF2)
        out.push_back(0xF2);
    else if (e.rep)
        out.push_back(e.rep);
    if (row.at.map >= 1) out.push_back(0x0F);
    if (row.at.map == 2) out.push_back(0x38);
    if (row.at.map == 3) out.push_back(0x3A);
    out.push_back(row.at.opcode);
    if (has_modrm(row)) {
        const unsigned reg = row.at.digit_ >= 0 ? static_cast<unsigned>(row.at.digit_) : e.reg;
        const unsigned rm = row.at.rm_ >= 0 ? static_cast<unsigned>(row.at.rm_) : e.rm;
        out.push_back(static_cast<u8>(e.mod << 6 | reg << 3 | rm));
        if (addrsize == 4 && e.mod != 3 && rm == 4) out.push_back(e.sib);
        number(e.displacement, displacement_bytes(e, addrsize));
    }
    if (is_offset(row)) number(e.displacement, addrsize);
    u64 immediate = e.immediate;
    for (const Arg a : row.args) {
        const unsigned width = immediate_bytes(a, opsize);
        number(immediate, width);
        if (width) immediate = width < 8 ? immediate >> (8 * width) : 0;
    }
    return out;
}

/// Values at the edges of bytes, words and doublewords as often as others.
inline u32 biased(Random& random) {
    constexpr u32 edges[] = {0,      1,      2,       0x7F,        0x80,        0xFF,        0x100,       0x7FFF,
                             0x8000, 0xFFFF, 0x10000, 0x7FFF'FFFF, 0x8000'0000, 0xFFFF'FFFF, 0x9999'9999, 0xFFFF'8000};
    switch (random.below(4)) {
    case 0: return edges[random.below(16)];
    case 1: return edges[random.below(16)] + random.below(5) - 2;
    default: return static_cast<u32>(random.next());
    }
}

} // namespace glassbox::conformance
