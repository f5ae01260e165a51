#include "debugger/look/change.hpp"

#include "debugger/look/text.hpp"
#include "debugger/view.hpp"

#include <bit>
#include <cstdlib>
#include <cstring>

namespace glassbox::look {

namespace {

void put(u64& word, unsigned at, unsigned bits, u64 value) {
    const u64 mask = ((u64{1} << bits) - 1) << at;
    word = (word & ~mask) | (value << at & mask);
}

Expected<> put_checked(u64& word, unsigned at, unsigned bits, u64 value, std::string_view field) {
    if (value >> bits != 0) return fail(std::string(field) + " has " + count_text(bits, "bit", "bits"));
    put(word, at, bits, value);
    return {};
}

/// A limit of more than a megabyte counts in pages (SDM 3A 3.4.5).
Expected<> set_limit(Descriptor& d, u64 value) {
    if (value > 0xFFFF'FFFF) return fail("a limit has 32 bits");
    const bool pages = value > 0xFFFFF;
    if (pages && (value & 0xFFF) != 0xFFF) return fail("a limit of more than FFFFFh counts in pages: it ends in FFFh");
    put(d.raw, 55, 1, pages);
    const u64 field = pages ? value >> 12 : value;
    put(d.raw, 0, 16, field);
    put(d.raw, 48, 4, field >> 16);
    return {};
}

} // namespace

Expected<> write_by_hand(Cpu& cpu, MemoryPlace at, std::span<const u8> bytes, unsigned width) {
    return at.physical ? write_physical_by_hand(cpu, at.address, bytes, width)
                       : write_linear_by_hand(cpu, at.address, bytes, width);
}

Expected<> set_descriptor_field(Descriptor& d, bool wide, std::string_view name, u64 value) {
    const std::string field = lower(name);
    struct Simple {
        std::string_view name;
        unsigned at, bits;
    };
    static constexpr Simple simple[] = {{"type", 40, 4}, {"s", 44, 1},   {"dpl", 45, 2},       {"p", 47, 1},
                                        {"avl", 52, 1},  {"l", 53, 1},   {"d", 54, 1},         {"b", 54, 1},
                                        {"g", 55, 1},    {"ist", 32, 3}, {"selector", 16, 16}, {"count", 32, 5}};
    for (const Simple& s : simple) {
        if (s.name == field) return put_checked(d.raw, s.at, s.bits, value, field);
    }
    if (field == "limit") return set_limit(d, value);
    if (field == "raw") {
        d.raw = value;
        return {};
    }
    if (field != "base" && field != "offset")
        return fail("'" + std::string(name) +
                    "' is no field: type s dpl p base limit g d l avl, selector offset ist count, raw");
    if (!wide && value > 0xFFFF'FFFF) return fail(field + " has 32 bits");
    d.high = (d.high & ~u64{0xFFFF'FFFF}) | value >> 32;
    if (field == "base") {
        put(d.raw, 16, 24, value & 0xFF'FFFF);
        put(d.raw, 56, 8, value >> 24 & 0xFF);
    } else {
        put(d.raw, 0, 16, value & 0xFFFF);
        put(d.raw, 48, 16, value >> 16 & 0xFFFF);
    }
    return {};
}

bool parse_floating(std::string_view text, ValueType type, std::span<u8> bytes) {
    const std::string copy(text);
    char* end = nullptr;
    const double value = std::strtod(copy.c_str(), &end);
    if (copy.empty() || *end != 0 || type.kind != 'f') return false;
    if (type.size == 4) {
        const auto narrow = std::bit_cast<u32>(static_cast<float>(value));
        std::memcpy(bytes.data(), &narrow, 4);
    } else {
        const auto wide = std::bit_cast<u64>(value);
        std::memcpy(bytes.data(), &wide, 8);
    }
    return true;
}

} // namespace glassbox::look
