// The scan codes of the 101/102-key keyboard (IBM PS/2 Hardware Interface Technical Reference, "Keyboards (101- and
// 102-Key)", and the 8042's translation table in "Keyboard and Auxiliary Device Controller").
#pragma once

#include "bus/types.hpp"

#include <vector>

namespace glassbox {

/// A key as the machine's input names it: its set-1 code and whether E0 precedes it.
struct KeyId {
    u8 code = 0; // 00h-7Fh
    bool extended = false;
    constexpr u8 index() const { return static_cast<u8>((code & 0x7F) | (extended ? 0x80 : 0)); }
    constexpr static KeyId from(u8 index) { return {static_cast<u8>(index & 0x7F), index >= 0x80}; }
};

inline constexpr KeyId pause_key{0x45, true}, print_screen_key{0x37, true};

/// What the keyboard's other keys and its lights do to a key's codes.
struct KeyModifiers {
    bool left_shift = false, right_shift = false, control = false, alt = false, num_lock = false;
    bool shift() const { return left_shift || right_shift; }
};

/// The bytes that a press, a repetition or a release sends in scan code set 1, 2 or 3; may be none.
std::vector<u8> scan_codes(KeyId key, bool pressed, unsigned set, const KeyModifiers& modifiers);

/// What the 8042 makes of a set-2 byte when it translates. F0h, the break prefix, is the controller's business.
u8 translate_to_set1(u8 set2);

u8 set2_code(u8 set1);
/// 0: the key has no code in set 3.
u8 set3_code(KeyId key);

/// A key's behaviour in set 3.
enum class KeyType : u8 { typematic_make_break, typematic, make_break, make };
KeyType default_key_type(u8 set3);

} // namespace glassbox
