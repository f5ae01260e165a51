// The key tables. Positions: IBM PS/2 technical reference, keyboard, scan code set 1; characters: the US layout;
// usage codes: USB HID usage tables 1.12, section 10.
#include "machine/keys.hpp"

#include <algorithm>
#include <array>

namespace glassbox {

namespace {

struct NamedKey {
    std::string_view name;
    Key key;
    unsigned usage; ///< 0 for a second name
};

constexpr std::array named_keys = {
    NamedKey{"esc", {0x01}, 41},
    NamedKey{"escape", {0x01}, 0},
    NamedKey{"1", {0x02}, 30},
    NamedKey{"2", {0x03}, 31},
    NamedKey{"3", {0x04}, 32},
    NamedKey{"4", {0x05}, 33},
    NamedKey{"5", {0x06}, 34},
    NamedKey{"6", {0x07}, 35},
    NamedKey{"7", {0x08}, 36},
    NamedKey{"8", {0x09}, 37},
    NamedKey{"9", {0x0A}, 38},
    NamedKey{"0", {0x0B}, 39},
    NamedKey{"minus", {0x0C}, 45},
    NamedKey{"-", {0x0C}, 0},
    NamedKey{"equal", {0x0D}, 46},
    NamedKey{"=", {0x0D}, 0},
    NamedKey{"backspace", {0x0E}, 42},
    NamedKey{"tab", {0x0F}, 43},
    NamedKey{"q", {0x10}, 20},
    NamedKey{"w", {0x11}, 26},
    NamedKey{"e", {0x12}, 8},
    NamedKey{"r", {0x13}, 21},
    NamedKey{"t", {0x14}, 23},
    NamedKey{"y", {0x15}, 28},
    NamedKey{"u", {0x16}, 24},
    NamedKey{"i", {0x17}, 12},
    NamedKey{"o", {0x18}, 18},
    NamedKey{"p", {0x19}, 19},
    NamedKey{"[", {0x1A}, 47},
    NamedKey{"]", {0x1B}, 48},
    NamedKey{"enter", {0x1C}, 40},
    NamedKey{"return", {0x1C}, 0},
    NamedKey{"ctrl", {0x1D}, 224},
    NamedKey{"control", {0x1D}, 0},
    NamedKey{"a", {0x1E}, 4},
    NamedKey{"s", {0x1F}, 22},
    NamedKey{"d", {0x20}, 7},
    NamedKey{"f", {0x21}, 9},
    NamedKey{"g", {0x22}, 10},
    NamedKey{"h", {0x23}, 11},
    NamedKey{"j", {0x24}, 13},
    NamedKey{"k", {0x25}, 14},
    NamedKey{"l", {0x26}, 15},
    NamedKey{";", {0x27}, 51},
    NamedKey{"'", {0x28}, 52},
    NamedKey{"`", {0x29}, 53},
    NamedKey{"shift", {0x2A}, 225},
    NamedKey{"\\", {0x2B}, 49},
    NamedKey{"z", {0x2C}, 29},
    NamedKey{"x", {0x2D}, 27},
    NamedKey{"c", {0x2E}, 6},
    NamedKey{"v", {0x2F}, 25},
    NamedKey{"b", {0x30}, 5},
    NamedKey{"n", {0x31}, 17},
    NamedKey{"m", {0x32}, 16},
    NamedKey{"comma", {0x33}, 54},
    NamedKey{",", {0x33}, 0},
    NamedKey{".", {0x34}, 55},
    NamedKey{"/", {0x35}, 56},
    NamedKey{"right-shift", {0x36}, 229},
    NamedKey{"kp*", {0x37}, 85},
    NamedKey{"alt", {0x38}, 226},
    NamedKey{"space", {0x39}, 44},
    NamedKey{"caps-lock", {0x3A}, 57},
    NamedKey{"f1", {0x3B}, 58},
    NamedKey{"f2", {0x3C}, 59},
    NamedKey{"f3", {0x3D}, 60},
    NamedKey{"f4", {0x3E}, 61},
    NamedKey{"f5", {0x3F}, 62},
    NamedKey{"f6", {0x40}, 63},
    NamedKey{"f7", {0x41}, 64},
    NamedKey{"f8", {0x42}, 65},
    NamedKey{"f9", {0x43}, 66},
    NamedKey{"f10", {0x44}, 67},
    NamedKey{"num-lock", {0x45}, 83},
    NamedKey{"scroll-lock", {0x46}, 71},
    NamedKey{"kp7", {0x47}, 95},
    NamedKey{"kp8", {0x48}, 96},
    NamedKey{"kp9", {0x49}, 97},
    NamedKey{"kp-minus", {0x4A}, 86},
    NamedKey{"kp4", {0x4B}, 92},
    NamedKey{"kp5", {0x4C}, 93},
    NamedKey{"kp6", {0x4D}, 94},
    NamedKey{"kp+", {0x4E}, 87},
    NamedKey{"kp1", {0x4F}, 89},
    NamedKey{"kp2", {0x50}, 90},
    NamedKey{"kp3", {0x51}, 91},
    NamedKey{"kp0", {0x52}, 98},
    NamedKey{"kp.", {0x53}, 99},
    NamedKey{"iso", {0x56}, 100},
    NamedKey{"f11", {0x57}, 68},
    NamedKey{"f12", {0x58}, 69},
    NamedKey{"kp-enter", {0x1C, true}, 88},
    NamedKey{"right-ctrl", {0x1D, true}, 228},
    NamedKey{"kp/", {0x35, true}, 84},
    NamedKey{"print", {0x37, true}, 70},
    NamedKey{"right-alt", {0x38, true}, 230},
    NamedKey{"pause", {0x45, true}, 72},
    NamedKey{"home", {0x47, true}, 74},
    NamedKey{"up", {0x48, true}, 82},
    NamedKey{"page-up", {0x49, true}, 75},
    NamedKey{"pgup", {0x49, true}, 0},
    NamedKey{"left", {0x4B, true}, 80},
    NamedKey{"right", {0x4D, true}, 79},
    NamedKey{"end", {0x4F, true}, 77},
    NamedKey{"down", {0x50, true}, 81},
    NamedKey{"page-down", {0x51, true}, 78},
    NamedKey{"pgdn", {0x51, true}, 0},
    NamedKey{"insert", {0x52, true}, 73},
    NamedKey{"delete", {0x53, true}, 76},
    NamedKey{"del", {0x53, true}, 0},
    NamedKey{"left-win", {0x5B, true}, 227},
    NamedKey{"right-win", {0x5C, true}, 231},
    NamedKey{"menu", {0x5D, true}, 101},
};

struct Shifted {
    char character;
    std::string_view key;
};
constexpr std::array<Shifted, 21> shifted = {{{'!', "1"}, {'@', "2"}, {'#', "3"}, {'$', "4"}, {'%', "5"}, {'^', "6"},
                                              {'&', "7"}, {'*', "8"}, {'(', "9"}, {')', "0"}, {'_', "-"}, {'+', "="},
                                              {'{', "["}, {'}', "]"}, {':', ";"}, {'"', "'"}, {'~', "`"}, {'|', "\\"},
                                              {'<', ","}, {'>', "."}, {'?', "/"}}};

constexpr Key shift{0x2A}, control{0x1D};

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

} // namespace

std::optional<Key> find_key(std::string_view name) {
    const auto it = std::ranges::find(named_keys, name, &NamedKey::name);
    return it == named_keys.end() ? std::nullopt : std::optional(it->key);
}

Expected<std::vector<Key>> parse_combination(std::string_view text) {
    std::vector<Key> keys;
    std::string rest = lower(text);
    // The longest name that fits is taken, so that "right-ctrl-c" and "ctrl--" are read as meant.
    while (!rest.empty()) {
        std::size_t end = rest.size();
        std::optional<Key> key = find_key(rest);
        while (!key && end != std::string::npos && end > 0) {
            end = rest.rfind('-', end - 1);
            if (end != std::string::npos && end > 0) key = find_key(rest.substr(0, end));
        }
        if (!key) return fail("'" + std::string(text) + "' is no key: write it as a, f1, enter or ctrl-alt-delete");
        keys.push_back(*key);
        if (end + 1 == rest.size()) return fail("'" + std::string(text) + "' ends with a dash");
        rest = end >= rest.size() ? std::string() : rest.substr(end + 1);
    }
    if (keys.empty()) return fail("a key is expected");
    return keys;
}

std::vector<Key> keys_for_character(char character) {
    switch (character) {
    case '\n':
    case '\r': return {*find_key("enter")};
    case '\t': return {*find_key("tab")};
    case '\b':
    case 0x7F: return {*find_key("backspace")};
    case 0x1B: return {*find_key("esc")};
    case ' ': return {*find_key("space")};
    default: break;
    }
    if (character >= 1 && character <= 26) {
        const char letter = static_cast<char>('a' + character - 1);
        return {control, *find_key({&letter, 1})};
    }
    if (character >= 'A' && character <= 'Z') {
        const char letter = static_cast<char>(character + 32);
        return {shift, *find_key({&letter, 1})};
    }
    if (const auto it = std::ranges::find(shifted, character, &Shifted::character); it != shifted.end()) {
        return {shift, *find_key(it->key)};
    }
    if (const auto key = find_key({&character, 1})) return {*key};
    return {};
}

std::optional<Key> key_of_usb_usage(unsigned usage) {
    if (usage == 0) return std::nullopt;
    if (usage == 50) return Key{0x2B}; // the key next to Enter of ISO keyboards sends what backslash sends
    const auto it = std::ranges::find(named_keys, usage, &NamedKey::usage);
    return it == named_keys.end() ? std::nullopt : std::optional(it->key);
}

std::string key_names() {
    std::string names;
    for (const NamedKey& key : named_keys) {
        if (key.name.size() == 1) continue;
        names += (names.empty() ? "" : " ") + std::string(key.name);
    }
    return names;
}

std::vector<KeyInput> press_and_release(const std::vector<Key>& keys) {
    std::vector<KeyInput> inputs;
    for (const Key& key : keys) inputs.push_back({key.code, key.extended, true});
    for (auto it = keys.rbegin(); it != keys.rend(); ++it) inputs.push_back({it->code, it->extended, false});
    return inputs;
}

} // namespace glassbox
