// Prefixes: legacy, REX (SDM 2A 2.1.1, 2.2.1) and VEX (2.3.5).
#pragma once

#include "cpu/decode/cursor.hpp"
#include "cpu/decode/insn.hpp"

namespace glassbox::decoding {

struct Prefixes {
    bool opsize = false, addrsize = false, lock = false;
    u8 rep = 0;
    u8 rex = 0; ///< counts only right before the opcode
    i8 segment = -1;
};

/// Consumes prefixes; returns the first other byte.
u8 read_prefixes(Cursor& in, Prefixes& p, const FeatureSet& features, bool code64, unsigned longest);

/// Whether C4 or C5 introduces a VEX prefix: always in 64-bit mode, elsewhere where LDS and LES have no register form.
/// In real and virtual-8086 mode that form stays undefined.
bool is_vex(const Insn& insn, u8 next);
/// The VEX prefix from its second byte on (SDM 2A 2.3.5), as if it were REX, 66, F2, F3 and the opcode map.
void read_vex(Cursor& in, Insn& insn, Prefixes& p);

inline u8 segment_or(i8 override_segment, SegmentName usual) {
    return override_segment >= 0 ? static_cast<u8>(override_segment) : static_cast<u8>(usual);
}

} // namespace glassbox::decoding
