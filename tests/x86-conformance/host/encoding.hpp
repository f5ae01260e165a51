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
    u8 rex = 0;              ///< 40h to 4Fh, 0 for none; VEX takes its W, R, X and B from it
    bool memory = false;
    u8 reg = 0; ///< ModRM.reg unless the row fixes it
    u8 mod = 0, rm = 0, sib = 0;
    u64 displacement = 0;
    u64 immediate = 0; ///< the bytes of all immediates, as many as it takes
    // VEX
    u8 vvvv = 0; ///< the register, not its complement
    bool vector_length = false, three_bytes = false;
};

/// The width of a code segment's instructions.
enum class CodeSize : u8 { bits16, bits32, bits64 };

inline bool is_vex(const Row& row) { return row.at.encoding == glassbox::Encoding::vex; }

inline bool has_modrm(const Row& row) {
    if ((row.attributes & attr::modrm) || row.at.digit_ >= 0 || row.at.rm_ >= 0 || row.at.mod != Mod::any) return true;
    for (const Arg a : row.args) {
        if (a >= Arg::Eb && a <= Arg::Gv) return true;
        if (a >= Arg::M && a <= Arg::Dd && a != Arg::none) return true;
        if (a >= Arg::Pq && a <= Arg::Ux) return true;
        if (a == Arg::STi) return true;
        const bool elsewhere = a == Arg::By || a == Arg::Hx || a == Arg::Hdq || a == Arg::Hqq; // VEX.vvvv
        if (a >= Arg::Ey && !elsewhere && a != Arg::Lx && a != Arg::Ldq) return true;
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
    case Arg::Lx:
    case Arg::Ldq:
    case Arg::Jb: return 1;
    case Arg::Iw: return 2;
    case Arg::Iz:
    case Arg::Jz: return opsize == 2 ? 2 : 4;
    case Arg::Iv: return opsize;
    case Arg::Iq: return 8;
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

/// In bytes.
inline unsigned operand_size(const Row& row, const Encoding& e, CodeSize code) {
    if (code != CodeSize::bits64) return (code == CodeSize::bits32) != e.opsize_prefix ? 4 : 2;
    if (row.attributes & attr::force64) return 8;
    const unsigned size = (e.rex & 8) ? 8 : e.opsize_prefix && !(row.attributes & attr::opsize_fixed) ? 2 : 4;
    if (size == 8 && (row.attributes & attr::at_most_32)) return 4;
    return size == 4 && (row.attributes & attr::default64) ? 8 : size;
}
inline unsigned address_size(const Encoding& e, CodeSize code) {
    if (code == CodeSize::bits64) return e.addrsize_prefix ? 4 : 8;
    return (code == CodeSize::bits32) != e.addrsize_prefix ? 4 : 2;
}

/// The prefix with its escape bytes (SDM 2A 2.3.5).
inline void append_vex(std::vector<u8>& out, const Row& row, const Encoding& e) {
    const unsigned pp = row.at.mandatory == Mandatory::p66   ? 1
                        : row.at.mandatory == Mandatory::pF3 ? 2
                        : row.at.mandatory == Mandatory::pF2 ? 3
                                                             : 0;
    const unsigned last = (~e.vvvv & 15u) << 3 | (e.vector_length ? 4u : 0) | pp, high = ~e.rex & 7u; // R, X, B
    if (row.at.map == 1 && (e.rex & 0xB) == 0 && !e.three_bytes) {
        out.insert(out.end(), {0xC5, static_cast<u8>((high & 4) << 5 | last)});
    } else {
        out.insert(out.end(),
                   {0xC4, static_cast<u8>(high << 5 | row.at.map), static_cast<u8>((e.rex & 8u) << 4 | last)});
    }
}
inline void append_opcode(std::vector<u8>& out, const Row& row, const Encoding& e) {
    if (is_vex(row)) {
        append_vex(out, row, e);
    } else {
        if (e.rex) out.push_back(e.rex);
        if (row.at.map >= 1) out.push_back(0x0F);
        if (row.at.map == 2) out.push_back(0x38);
        if (row.at.map == 3) out.push_back(0x3A);
        if (row.at.map == 4) out.push_back(0x0F);
    }
    if (row.at.map != 4) out.push_back(row.at.opcode);
}
inline void append_prefixes(std::vector<u8>& out, const Row& row, const Encoding& e) {
    const bool legacy = !is_vex(row);
    if (e.lock) out.push_back(0xF0);
    if (e.segment) out.push_back(e.segment);
    if (e.opsize_prefix || (legacy && row.at.mandatory == Mandatory::p66)) out.push_back(0x66);
    if (e.addrsize_prefix) out.push_back(0x67);
    if (legacy && row.at.mandatory == Mandatory::pF3)
        out.push_back(0xF3);
    else if (legacy && row.at.mandatory == Mandatory::pF2)
        out.push_back(0xF2);
    else if (e.rep)
        out.push_back(e.rep);
}

/// The bytes of `row` in a code segment.
inline std::vector<u8> encode(const Row& row, const Encoding& e, CodeSize code) {
    const unsigned opsize = operand_size(row, e, code), addrsize = address_size(e, code);
    std::vector<u8> out;
    const auto number = [&](u64 value, unsigned width) {
        for (unsigned i = 0; i < width; ++i) out.push_back(i < 8 ? static_cast<u8>(value >> (8 * i)) : u8{0});
    };
    append_prefixes(out, row, e);
    append_opcode(out, row, e);
    if (has_modrm(row)) {
        const unsigned reg = row.at.digit_ >= 0 ? static_cast<unsigned>(row.at.digit_) : e.reg;
        const unsigned rm = row.at.rm_ >= 0 ? static_cast<unsigned>(row.at.rm_) : e.rm;
        out.push_back(static_cast<u8>(e.mod << 6 | reg << 3 | rm));
        if (addrsize != 2 && e.mod != 3 && rm == 4) out.push_back(e.sib);
        number(e.displacement, displacement_bytes(e, addrsize));
    }
    if (is_offset(row)) number(e.displacement, addrsize);
    u64 immediate = e.immediate;
    for (const Arg a : row.args) {
        const unsigned width = immediate_bytes(a, opsize);
        number(immediate, width);
        if (width) immediate = width < 8 ? immediate >> (8 * width) : 0;
    }
    if (row.at.map == 4) out.push_back(row.at.opcode);
    return out;
}
inline std::vector<u8> encode(const Row& row, const Encoding& e, bool code32) {
    return encode(row, e, code32 ? CodeSize::bits32 : CodeSize::bits16);
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

/// The same for quadwords.
inline u64 biased64(Random& random) {
    constexpr u64 edges[] = {0x8000'0000'0000'0000, 0x7FFF'FFFF'FFFF'FFFF, 0xFFFF'FFFF, 0x1'0000'0000,
                             0xFFFF'FFFF'8000'0000, 0x0000'7FFF'FFFF'FFFF, ~u64{0},     0xFFFF'8000'0000'0000};
    switch (random.below(6)) {
    case 0: return edges[random.below(8)] + random.below(5) - 2;
    case 1: return static_cast<u64>(static_cast<i64>(static_cast<i32>(biased(random))));
    case 2: return biased(random);
    case 3: return random.next() >> random.below(64);
    default: return random.next();
    }
}

} // namespace glassbox::conformance
