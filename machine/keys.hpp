// Keys by name, by character and by USB usage code, as positions of the PS/2 set-1 table.
#pragma once

#include "bus/error.hpp"
#include "machine/input.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

struct Key {
    u8 code = 0;
    bool extended = false;
    bool operator==(const Key&) const = default;
};

/// A key alone: "a", "f1", "enter", "left", "kp5", "ctrl" …
std::optional<Key> find_key(std::string_view name);
/// A combination: "ctrl-alt-delete", "shift-a", "-", "ctrl--". The keys in the order in which they go down.
Expected<std::vector<Key>> parse_combination(std::string_view text);
/// What types an ASCII character on a US keyboard: modifiers first. Empty: nothing does.
std::vector<Key> keys_for_character(char character);
/// SDL's scan codes are USB usage codes (HID usage tables, page 07h).
std::optional<Key> key_of_usb_usage(unsigned usage);

/// The names, for --help.
std::string key_names();

/// Presses of all keys in order, then their releases in reverse.
std::vector<KeyInput> press_and_release(const std::vector<Key>& keys);

} // namespace glassbox
