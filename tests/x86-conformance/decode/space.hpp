// The instruction encodings that the decode suite goes through. A form is a mode, an opcode map and prefixes:
//   32.0F.66      one prefix (or "none"): every opcode x every ModRM x every SIB where there is one
//   32.0F.66+     that prefix and any second one, the same included: every opcode x every ModRM, SIB at random
//   64.0F.48      a REX prefix, the same way
//   64.V0F.66.L1.W0   a VEX prefix: every opcode x every ModRM, the other fields at random, in its short form where it
//   has one random.32     byte strings, biased to prefixes and escapes
// with modes 64, 32 and 16 (protected mode) and real (16 bits), and maps 1B, 0F, 0F38, 0F3A. Displacements and
// immediates are random. A form of the first two kinds enumerates its space in an order that spreads the first cases
// over all of it; a map's SIBs are enumerated for the opcodes that the table has.
#pragma once

#include "tests/x86-conformance/decode/comparison.hpp"
#include "tests/x86-conformance/runner/suite.hpp"

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace glassbox::conformance {

inline constexpr std::array<u8, 11> all_prefixes = {0x66, 0x67, 0xF2, 0xF3, 0xF0, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65};

/// Opcode, ModRM and SIB, packed: opcode << 16 | ModRM << 8 | SIB.
using Encodings = std::vector<u32>;

struct Space {
    enum class Kind : u8 { one_prefix, two_prefixes, vex, random };

    std::string name;
    Kind kind = Kind::random;
    DecodeMode mode = DecodeMode::protected32;
    u8 map = 0;
    u8 prefix = 0;                              ///< 0: none; `vex`: pp, L and W as in the prefix's last byte
    std::shared_ptr<const Encodings> encodings; ///< `one_prefix`
    bool sib_given = false;                     ///< the SIB of `encodings` counts

    /// Cases that cover it; 0 when that has no end.
    u64 size() const;
};

using CaseBytes = std::array<u8, 24>;

/// Every space, in a fixed order, the endless ones last.
std::vector<Space> all_spaces();
/// The bytes of case `index`; `random` is the case's own.
CaseBytes bytes_of(const Space& space, u64 index, Random random);

} // namespace glassbox::conformance
