#include "cpu/decode/prefixes.hpp"

#include <utility>

namespace glassbox::decoding {

namespace {

/// Consumes one prefix; false when `b` is none.
bool take_prefix(u8 b, Prefixes& p, bool has_386, bool code64) {
    if (code64 && (b & 0xF0) == 0x40) {
        p.rex = b;
        return true;
    }
    const auto override_segment = [&](i8 name) {
        if (!code64 || name >= FS) p.segment = name; // the others have no meaning in 64-bit mode
        return true;
    };
    const u8 rex = std::exchange(p.rex, u8{0});
    switch (b) {
    case 0x26: return override_segment(ES);
    case 0x2E: return override_segment(CS);
    case 0x36: return override_segment(SS);
    case 0x3E: return override_segment(DS);
    case 0x64:
        if (has_386) return override_segment(FS);
        break;
    case 0x65:
        if (has_386) return override_segment(GS);
        break;
    case 0x66:
        if (has_386) return p.opsize = true;
        break;
    case 0x67:
        if (has_386) return p.addrsize = true;
        break;
    case 0xF0: return p.lock = true;
    case 0xF1: // LOCK again on the 8086; without effect on an 80286 that no in-circuit emulator listens to
        if (!has_386) return true;
        break;
    case 0xF2:
    case 0xF3: p.rep = b; return true;
    default: break;
    }
    p.rex = rex;
    return false;
}

} // namespace

u8 read_prefixes(Cursor& in, Prefixes& p, const FeatureSet& features, bool code64, unsigned longest) {
    const bool has_386 = features.has(Feature::i386);
    for (;;) {
        const u8 b = in.byte();
        if (in.ran_out() || in.at() > longest || !take_prefix(b, p, has_386, code64)) return b;
    }
}

bool is_vex(const Insn& insn, u8 next) {
    if (insn.opcode != 0xC4 && insn.opcode != 0xC5) return false;
    if (insn.code64()) return true;
    return next >= 0xC0 && (insn.mode & mode::protected_mode) && !(insn.mode & mode::v86);
}

void read_vex(Cursor& in, Insn& insn, Prefixes& p) {
    const bool three_bytes = insn.opcode == 0xC4;
    const u8 first = in.byte();
    const u8 last = three_bytes ? in.byte() : first;
    insn.encoding = Encoding::vex;
    insn.map = three_bytes ? first & 0x1F : 1;
    unsigned rex = 0x40u | (static_cast<unsigned>(~first >> 7) & 1) << 2;
    if (three_bytes) rex |= (static_cast<unsigned>(~first >> 5) & 3) | ((last & 0x80u) >> 4);
    insn.vvvv = static_cast<u8>((~last >> 3) & 15);
    if (!insn.code64()) rex &= 0x48; // R and X are 1 here anyway, B is ignored, and so is the top bit of vvvv: below
    insn.rex = static_cast<u8>(rex);
    insn.vector_bytes = (last & 4) ? 32 : 16;
    static constexpr u8 reps[] = {0, 0, 0xF3, 0xF2};
    p.opsize = (last & 3) == 1;
    p.rep = reps[last & 3];
    insn.opcode = in.byte();
}

} // namespace glassbox::decoding
