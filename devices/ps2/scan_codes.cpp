#include "devices/ps2/scan_codes.hpp"

#include <array>
#include <string_view>

namespace glassbox {

namespace {

constexpr std::array<u8, 0x80> translation{
    0xFF, 0x43, 0x41, 0x3F, 0x3D, 0x3B, 0x3C, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3E, 0x0F, 0x29, 0x59, // 00
    0x65, 0x38, 0x2A, 0x70, 0x1D, 0x10, 0x02, 0x5A, 0x66, 0x71, 0x2C, 0x1F, 0x1E, 0x11, 0x03, 0x5B, // 10
    0x67, 0x2E, 0x2D, 0x20, 0x12, 0x05, 0x04, 0x5C, 0x68, 0x39, 0x2F, 0x21, 0x14, 0x13, 0x06, 0x5D, // 20
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5E, 0x6A, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5F, // 30
    0x6B, 0x33, 0x25, 0x17, 0x18, 0x0B, 0x0A, 0x60, 0x6C, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0C, 0x61, // 40
    0x6D, 0x73, 0x28, 0x74, 0x1A, 0x0D, 0x62, 0x6E, 0x3A, 0x36, 0x1C, 0x1B, 0x75, 0x2B, 0x63, 0x76, // 50
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7A, 0x0E, 0x7B, 0x7C, 0x4F, 0x7D, 0x4B, 0x47, 0x7E, 0x7F, 0x6F, // 60
    0x52, 0x53, 0x50, 0x4C, 0x4D, 0x48, 0x01, 0x45, 0x57, 0x4E, 0x51, 0x4A, 0x37, 0x49, 0x46, 0x54, // 70
};

// Set 2 is what the controller translates back to set 1, so its table is the other one turned round.
constexpr std::array<u8, 0x80> make_set2() {
    std::array<u8, 0x80> table{};
    for (unsigned code = 0x7F; code > 0; --code) {
        if (translation[code] < 0x80) table[translation[code]] = static_cast<u8>(code);
    }
    table[0x41] = 0x83; // F7 and the Alt form of Print Screen lie above the table
    table[0x54] = 0x84;
    return table;
}
constexpr std::array<u8, 0x80> set2_codes = make_set2();

constexpr std::array<u8, 0x59> set3_plain{
    0x00, 0x08, 0x16, 0x1E, 0x26, 0x25, 0x2E, 0x36, 0x3D, 0x3E, 0x46, 0x45, 0x4E, 0x55, 0x66, 0x0D, // 00
    0x15, 0x1D, 0x24, 0x2D, 0x2C, 0x35, 0x3C, 0x43, 0x44, 0x4D, 0x54, 0x5B, 0x5A, 0x11, 0x1C, 0x1B, // 10
    0x23, 0x2B, 0x34, 0x33, 0x3B, 0x42, 0x4B, 0x4C, 0x52, 0x0E, 0x12, 0x5C, 0x1A, 0x22, 0x21, 0x2A, // 20
    0x32, 0x31, 0x3A, 0x41, 0x49, 0x4A, 0x59, 0x7E, 0x19, 0x29, 0x14, 0x07, 0x0F, 0x17, 0x1F, 0x27, // 30
    0x2F, 0x37, 0x3F, 0x47, 0x4F, 0x76, 0x5F, 0x6C, 0x75, 0x7D, 0x84, 0x6B, 0x73, 0x74, 0x7C, 0x69, // 40
    0x72, 0x7A, 0x70, 0x71, 0x57, 0x00, 0x13, 0x56, 0x5E,                                           // 50
};

struct Set3Extended {
    u8 set1, set3;
};
constexpr Set3Extended set3_extended[] = {
    {0x1C, 0x79}, {0x1D, 0x58}, {0x35, 0x77}, {0x37, 0x57}, {0x38, 0x39}, {0x45, 0x62}, {0x46, 0x62},
    {0x47, 0x6E}, {0x48, 0x63}, {0x49, 0x6F}, {0x4B, 0x61}, {0x4D, 0x6A}, {0x4F, 0x65}, {0x50, 0x60},
    {0x51, 0x6D}, {0x52, 0x67}, {0x53, 0x64}, {0x5B, 0x8B}, {0x5C, 0x8C}, {0x5D, 0x8D},
};

// Keys that in set 3 send a make code alone; shifts and the like send break codes too; all others repeat.
constexpr std::string_view make_only =
    "\x08\x07\x0F\x17\x1F\x27\x2F\x37\x3F\x47\x4F\x56\x5E\x39\x58\x57\x5F\x62\x67\x6E\x6F\x65\x6D\x76\x6C\x6B\x69\x77"
    "\x75\x73\x72\x70\x7E\x7D\x74\x7A\x71\x84\x79\x8B\x8C\x8D";
constexpr std::string_view make_and_break = "\x11\x12\x14\x19\x59";

void append(std::vector<u8>& out, KeyId key, bool pressed, unsigned set) {
    const u8 code = set == 1 ? key.code : set2_code(key.code);
    if (code == 0) return;
    if (key.extended) out.push_back(0xE0);
    if (set == 1) {
        out.push_back(static_cast<u8>(code | (pressed ? 0 : 0x80)));
    } else {
        if (!pressed) out.push_back(0xF0);
        out.push_back(code);
    }
}

constexpr KeyId false_left{0x2A, true}, false_right{0x36, true};

// Pause sends its make and break codes together and never repeats; with Control it is Break.
std::vector<u8> pause_codes(bool pressed, unsigned set, bool control) {
    if (!pressed) return {};
    if (control)
        return set == 1 ? std::vector<u8>{0xE0, 0x46, 0xE0, 0xC6} : std::vector<u8>{0xE0, 0x7E, 0xE0, 0xF0, 0x7E};
    if (set == 1) return {0xE1, 0x1D, 0x45, 0xE1, 0x9D, 0xC5};
    return {0xE1, 0x14, 0x77, 0xE1, 0xF0, 0x14, 0xF0, 0x77};
}

bool is_navigation(KeyId key) {
    return key.extended && key.code >= 0x47 && key.code <= 0x53 && key.code != 0x4A && key.code != 0x4C &&
           key.code != 0x4E;
}

/// The false shifts around a key: `release` hides shifts that are held, the others pretend one.
struct FalseShifts {
    bool pretend = false, hide_left = false, hide_right = false;
};

FalseShifts false_shifts(KeyId key, const KeyModifiers& m) {
    if (key.index() == print_screen_key.index()) return {.pretend = !m.shift() && !m.control};
    const bool slash = key.extended && key.code == 0x35;
    if (slash || (is_navigation(key) && !m.num_lock)) return {.hide_left = m.left_shift, .hide_right = m.right_shift};
    return {.pretend = is_navigation(key) && !m.shift()};
}

} // namespace

u8 translate_to_set1(u8 set2) {
    if (set2 < translation.size()) return translation[set2];
    return set2 == 0x83 ? 0x41 : set2 == 0x84 ? 0x54 : set2;
}

u8 set2_code(u8 set1) { return set2_codes[set1 & 0x7F]; }

u8 set3_code(KeyId key) {
    if (!key.extended) return key.code < set3_plain.size() ? set3_plain[key.code] : u8{0};
    for (const Set3Extended& row : set3_extended) {
        if (row.set1 == key.code) return row.set3;
    }
    return 0;
}

KeyType default_key_type(u8 set3) {
    if (make_only.find(static_cast<char>(set3)) != std::string_view::npos) return KeyType::make;
    if (make_and_break.find(static_cast<char>(set3)) != std::string_view::npos) return KeyType::make_break;
    return KeyType::typematic;
}

std::vector<u8> scan_codes(KeyId key, bool pressed, unsigned set, const KeyModifiers& modifiers) {
    std::vector<u8> out;
    if (set == 3) {
        const u8 code = set3_code(key);
        if (code == 0) return out;
        if (!pressed) out.push_back(0xF0);
        out.push_back(code);
        return out;
    }
    if (key.index() == pause_key.index()) return pause_codes(pressed, set, modifiers.control);
    if (key.index() == print_screen_key.index() && modifiers.alt) key = {0x54, false}; // SysRq
    const FalseShifts shifts = false_shifts(key, modifiers);
    if (pressed) {
        if (shifts.pretend) append(out, false_left, true, set);
        if (shifts.hide_left) append(out, false_left, false, set);
        if (shifts.hide_right) append(out, false_right, false, set);
        append(out, key, true, set);
    } else {
        append(out, key, false, set);
        if (shifts.hide_right) append(out, false_right, true, set);
        if (shifts.hide_left) append(out, false_left, true, set);
        if (shifts.pretend) append(out, false_left, false, set);
    }
    return out;
}

} // namespace glassbox
