#include "tests/x86-conformance/decode/space.hpp"

#include "cpu/decode/row.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace glassbox::conformance {

namespace {

constexpr const char* map_names[] = {"1B", "0F", "0F38", "0F3A"};
constexpr const char* mode_names[] = {"real", "16", "32", "64"};

std::string hex(u8 byte) {
    char text[4];
    std::snprintf(text, sizeof text, "%02X", byte);
    return text;
}

/// Whether a byte after the opcode chooses registers or memory for some row.
bool takes_modrm(unsigned map, u8 opcode) {
    for (const Row* row : rows_at(map, opcode)) {
        if ((row->attributes & attr::modrm) || row->at.digit_ >= 0 || row->at.mod != Mod::any) return true;
        for (const Arg a : row->args) {
            const bool modrm = (a >= Arg::Eb && a <= Arg::Gd) || a == Arg::Gv || (a >= Arg::M && a <= Arg::Dd) ||
                               (a >= Arg::Pq && a <= Arg::Ux) || a == Arg::STi || a > Arg::F;
            if (modrm) return true;
        }
    }
    return false;
}

std::shared_ptr<const Encodings> encodings_of(unsigned map, bool address32) {
    auto list = std::make_shared<Encodings>();
    for (u32 opcode = 0; opcode < 256; ++opcode) {
        const bool sibs = address32 && takes_modrm(map, static_cast<u8>(opcode));
        for (u32 modrm = 0; modrm < 256; ++modrm) {
            const bool sib = sibs && modrm < 0xC0 && (modrm & 7) == 4;
            for (u32 s = 0; s < (sib ? 256u : 1u); ++s) list->push_back(opcode << 16 | modrm << 8 | s);
        }
    }
    return list;
}

/// A bijection of 0..size-1 that takes neighbours far apart.
u64 spread(u64 index, u64 size) {
    constexpr u64 prime = 2'654'435'761; // more than any size, so it divides none
    return index * prime % size;
}

void append(CaseBytes& bytes, std::size_t& n, u8 byte) { bytes[n++] = byte; }

void append_escape(CaseBytes& bytes, std::size_t& n, unsigned map) {
    if (map >= 1) append(bytes, n, 0x0F);
    if (map == 2) append(bytes, n, 0x38);
    if (map == 3) append(bytes, n, 0x3A);
}

CaseBytes random_bytes(Random& random) {
    CaseBytes bytes;
    for (std::size_t i = 0; i < bytes.size(); i += 8) {
        const u64 value = random.next();
        std::memcpy(bytes.data() + i, &value, 8);
    }
    return bytes;
}

/// Mostly up to three prefixes, at times as many as there may be bytes; half with an escape or a VEX prefix.
CaseBytes random_case(Random& random, DecodeMode mode) {
    CaseBytes bytes = random_bytes(random);
    u64 choice = random.next();
    const auto take = [&](unsigned bits) {
        const auto value = static_cast<unsigned>(choice & ((1u << bits) - 1));
        choice >>= bits;
        return value;
    };
    const unsigned prefixes = take(5) == 0 ? take(4) : take(2);
    std::size_t n = 0;
    while (n < prefixes) append(bytes, n, all_prefixes[bytes[n] % all_prefixes.size()]);
    if (mode == DecodeMode::long64 && take(1)) append(bytes, n, static_cast<u8>(0x40 + take(4)));
    const unsigned introduction = take(3);
    if (introduction < 3) append_escape(bytes, n, take(3) ? 1 : 2 + take(1));
    if (introduction == 3) append(bytes, n, static_cast<u8>(0xC4 + take(1)));
    return bytes;
}

/// All maps of VEX and what the prefix says in place of 66, F2, F3, and of the operands' size.
void append_vex_spaces(std::vector<Space>& spaces, DecodeMode mode) {
    constexpr const char* mandatory[] = {"NP", "66", "F3", "F2"};
    for (unsigned map = 1; map < 4; ++map) {
        for (unsigned bits = 0; bits < 16; ++bits) {
            Space space;
            space.name = std::string(mode_names[static_cast<unsigned>(mode)]) + ".V" + map_names[map] + "." +
                         mandatory[bits & 3] + ".L" + (bits & 4 ? "1" : "0") + ".W" + (bits & 8 ? "1" : "0");
            space.kind = Space::Kind::vex;
            space.mode = mode;
            space.map = static_cast<u8>(map);
            space.prefix = static_cast<u8>((bits & 7) | (bits & 8 ? 0x80 : 0));
            spaces.push_back(std::move(space));
        }
    }
}

/// The prefix with registers at random; half of those that can be short are.
void append_vex(CaseBytes& bytes, std::size_t& n, const Space& space, u8 random) {
    const u8 vvvv = random & 1 ? 0x78 : static_cast<u8>(random & 0x78); // half of them name no register
    const bool shortened = space.map == 1 && !(space.prefix & 0x80) && (random & 2);
    // In 32-bit code R and X tell VEX from LDS and LES: they are 1.
    const u8 extensions = space.mode == DecodeMode::long64 ? static_cast<u8>(random << 1) : u8{0xE0};
    if (shortened) {
        append(bytes, n, 0xC5);
        append(
            bytes, n,
            static_cast<u8>((extensions & 0x80) | vvvv | space.prefix | (space.mode == DecodeMode::long64 ? 0 : 0x40)));
        return;
    }
    append(bytes, n, 0xC4);
    append(bytes, n, static_cast<u8>((extensions & 0xE0) | space.map));
    append(bytes, n, static_cast<u8>(vvvv | space.prefix));
}

} // namespace

u64 Space::size() const {
    switch (kind) {
    case Kind::one_prefix: return encodings->size();
    case Kind::two_prefixes: return 0x10000u * all_prefixes.size();
    case Kind::vex: return 0x10000;
    case Kind::random: break;
    }
    return 0;
}

std::vector<Space> all_spaces() {
    std::vector<Space> spaces;
    std::array<std::array<std::shared_ptr<const Encodings>, 2>, 4> encodings;
    for (unsigned map = 0; map < 4; ++map) {
        for (const bool address32 : {false, true}) encodings[map][address32] = encodings_of(map, address32);
    }
    constexpr DecodeMode modes[] = {DecodeMode::protected32, DecodeMode::protected16, DecodeMode::real16,
                                    DecodeMode::long64};
    for (const DecodeMode mode : modes) {
        const std::string mode_name = mode_names[static_cast<unsigned>(mode)];
        for (unsigned map = 0; map < 4; ++map) {
            const std::string place = mode_name + "." + map_names[map] + ".";
            const auto one = [&](u8 prefix) {
                const bool address32 =
                    mode == DecodeMode::long64 || (mode == DecodeMode::protected32) != (prefix == 0x67);
                spaces.push_back({place + (prefix ? hex(prefix) : "none"), Space::Kind::one_prefix, mode,
                                  static_cast<u8>(map), prefix, encodings[map][address32], address32});
            };
            one(0);
            for (const u8 prefix : all_prefixes) one(prefix);
            if (mode == DecodeMode::long64) {
                for (unsigned rex = 0x40; rex < 0x50; ++rex) one(static_cast<u8>(rex));
            }
            if (map > 1 || mode == DecodeMode::real16) continue;
            for (const u8 prefix : all_prefixes)
                spaces.push_back({place + hex(prefix) + "+", Space::Kind::two_prefixes, mode, static_cast<u8>(map),
                                  prefix, nullptr, false});
        }
    }
    for (const DecodeMode mode : {DecodeMode::long64, DecodeMode::protected32, DecodeMode::protected16})
        append_vex_spaces(spaces, mode);
    for (const DecodeMode mode : modes) {
        Space space;
        space.name = std::string("random.") + mode_names[static_cast<unsigned>(mode)];
        space.mode = mode;
        spaces.push_back(space);
    }
    return spaces;
}

CaseBytes bytes_of(const Space& space, u64 index, Random random) {
    if (space.kind == Space::Kind::random) return random_case(random, space.mode);
    CaseBytes bytes = random_bytes(random);
    std::size_t n = 0;
    u64 at = spread(index % space.size(), space.size());
    if (space.kind == Space::Kind::vex) {
        append_vex(bytes, n, space, bytes[23]);
        append(bytes, n, static_cast<u8>(at >> 8));
        append(bytes, n, static_cast<u8>(at));
        return bytes;
    }
    if (space.prefix) append(bytes, n, space.prefix);
    if (space.kind == Space::Kind::two_prefixes) append(bytes, n, all_prefixes[at >> 16]);
    append_escape(bytes, n, space.map);
    if (space.kind == Space::Kind::two_prefixes) {
        append(bytes, n, static_cast<u8>(at >> 8));
        append(bytes, n, static_cast<u8>(at));
        return bytes;
    }
    const u32 encoding = (*space.encodings)[at];
    append(bytes, n, static_cast<u8>(encoding >> 16));
    append(bytes, n, static_cast<u8>(encoding >> 8));
    // Where there is no SIB, this byte is the first of a displacement or an immediate.
    const auto modrm = static_cast<u8>(encoding >> 8);
    if (space.sib_given && modrm < 0xC0 && (modrm & 7) == 4 && takes_modrm(space.map, static_cast<u8>(encoding >> 16)))
        append(bytes, n, static_cast<u8>(encoding));
    return bytes;
}

} // namespace glassbox::conformance
