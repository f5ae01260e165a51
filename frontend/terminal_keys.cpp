// Terminal input (ECMA-48 control sequences as xterm and the Linux console send them) to keys. Ctrl+] is the prefix of
// the display's own commands, as in telnet: it is typed on few keyboards of guests.
#include "frontend/terminal_keys.hpp"

#include "machine/keys.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace glassbox {

namespace {

constexpr char escape = 0x1B, control_bracket = 0x1D;

struct Sequence {
    std::string_view bytes; ///< after ESC
    std::string_view key;
};
constexpr std::array sequences = {
    Sequence{"[A", "up"},    Sequence{"[B", "down"},      Sequence{"[C", "right"},    Sequence{"[D", "left"},
    Sequence{"OA", "up"},    Sequence{"OB", "down"},      Sequence{"OC", "right"},    Sequence{"OD", "left"},
    Sequence{"[H", "home"},  Sequence{"[F", "end"},       Sequence{"OH", "home"},     Sequence{"OF", "end"},
    Sequence{"[1~", "home"}, Sequence{"[2~", "insert"},   Sequence{"[3~", "delete"},  Sequence{"[4~", "end"},
    Sequence{"[5~", "pgup"}, Sequence{"[6~", "pgdn"},     Sequence{"[7~", "home"},    Sequence{"[8~", "end"},
    Sequence{"OP", "f1"},    Sequence{"OQ", "f2"},        Sequence{"OR", "f3"},       Sequence{"OS", "f4"},
    Sequence{"[11~", "f1"},  Sequence{"[12~", "f2"},      Sequence{"[13~", "f3"},     Sequence{"[14~", "f4"},
    Sequence{"[[A", "f1"},   Sequence{"[[B", "f2"},       Sequence{"[[C", "f3"},      Sequence{"[[D", "f4"},
    Sequence{"[[E", "f5"},   Sequence{"[15~", "f5"},      Sequence{"[17~", "f6"},     Sequence{"[18~", "f7"},
    Sequence{"[19~", "f8"},  Sequence{"[20~", "f9"},      Sequence{"[21~", "f10"},    Sequence{"[23~", "f11"},
    Sequence{"[24~", "f12"}, Sequence{"[Z", "shift-tab"}, Sequence{"OM", "kp-enter"},
};
// xterm's forms with modifiers: ESC [ 1 ; M letter and ESC [ number ; M ~, where M-1 is a bit set.
constexpr std::array<std::pair<char, std::string_view>, 10> letters = {{{'A', "up"},
                                                                        {'B', "down"},
                                                                        {'C', "right"},
                                                                        {'D', "left"},
                                                                        {'H', "home"},
                                                                        {'F', "end"},
                                                                        {'P', "f1"},
                                                                        {'Q', "f2"},
                                                                        {'R', "f3"},
                                                                        {'S', "f4"}}};

void add(TerminalKeys::Result& result, const std::vector<Key>& keys) {
    const auto inputs = press_and_release(keys);
    result.keys.insert(result.keys.end(), inputs.begin(), inputs.end());
}

std::vector<Key> with_modifiers(unsigned modifiers, std::string_view key) {
    std::vector<Key> keys;
    if ((modifiers & 1) != 0) keys.push_back(*find_key("shift"));
    if ((modifiers & 2) != 0) keys.push_back(*find_key("alt"));
    if ((modifiers & 4) != 0) keys.push_back(*find_key("ctrl"));
    keys.push_back(*find_key(key));
    return keys;
}

/// The keys of "[1;5A" or "[3;2~" (without ESC).
std::vector<Key> modified(std::string_view sequence) {
    const auto semicolon = sequence.find(';');
    if (semicolon == std::string_view::npos || semicolon + 2 >= sequence.size()) return {};
    const unsigned modifiers = static_cast<unsigned>(sequence[semicolon + 1] - '0') - 1;
    const char last = sequence.back();
    if (last == '~') {
        const std::string plain = std::string(sequence.substr(0, semicolon)) + "~";
        const auto it = std::ranges::find(sequences, plain, &Sequence::bytes);
        return it == sequences.end() ? std::vector<Key>{} : with_modifiers(modifiers, it->key);
    }
    for (const auto& [letter, key] : letters) {
        if (letter == last) return with_modifiers(modifiers, key);
    }
    return {};
}

/// How long the control sequence that begins at `text` (an ESC) is; 0 while its end has not come.
std::size_t sequence_length(std::string_view text) {
    if (text.size() < 2) return 0;
    if (text[1] == 'O') return text.size() < 3 ? 0 : 3;
    if (text[1] != '[') return 2; // Alt with a character
    std::size_t at = 2;
    if (at < text.size() && text[at] == '[') return text.size() < 4 ? 0 : 4; // the Linux console's F1-F5
    while (at < text.size() && text[at] >= 0x20 && text[at] < 0x40) ++at;
    if (at >= text.size()) return text.size() > 32 ? text.size() : 0;
    return at + 1;
}

} // namespace

void TerminalKeys::take_command(u8 byte, Result& result) {
    switch (byte) {
    case control_bracket:
    case 'q': result.commands.push_back(Command::quit); break;
    case 'p': result.commands.push_back(Command::power_button); break;
    case 'r': result.commands.push_back(Command::reset); break;
    case 'l': result.commands.push_back(Command::redraw); break;
    case 'b': result.commands.push_back(Command::debug); break;
    case 'd': add(result, *parse_combination("ctrl-alt-delete")); break;
    case ']': add(result, *parse_combination("ctrl-]")); break;
    default: break;
    }
}

/// Takes the first key off `pending_`; false when more bytes are needed.
bool TerminalKeys::take_one(Result& result) {
    const char first = pending_.front();
    if (prefix_ || first == control_bracket) {
        if (prefix_) take_command(static_cast<u8>(first), result);
        prefix_ = !prefix_;
        pending_.erase(0, 1);
        return true;
    }
    if (first != escape) {
        // A terminal sends DEL for Backspace; bytes above 7Fh are no key of a US keyboard.
        if (static_cast<u8>(first) < 0x80)
            add(result, first == 0x08 ? *parse_combination("ctrl-h") : keys_for_character(first));
        pending_.erase(0, 1);
        return true;
    }
    const std::size_t length = sequence_length(pending_);
    if (length == 0) return false;
    const std::string sequence = pending_.substr(1, length - 1);
    pending_.erase(0, length);
    if (const auto it = std::ranges::find(sequences, sequence, &Sequence::bytes); it != sequences.end()) {
        add(result, *parse_combination(it->key));
    } else if (sequence.size() == 1) {
        auto keys = keys_for_character(sequence[0]);
        if (!keys.empty() && sequence[0] != escape) keys.insert(keys.begin(), *find_key("alt"));
        add(result, keys);
    } else if (const auto keys = modified(sequence); !keys.empty()) {
        add(result, keys);
    }
    return true;
}

TerminalKeys::Result TerminalKeys::feed(std::span<const u8> bytes) {
    Result result;
    pending_.append(bytes.begin(), bytes.end());
    while (!pending_.empty() && take_one(result)) {
    }
    return result;
}

TerminalKeys::Result TerminalKeys::settle() {
    Result result;
    if (pending_.empty()) return result;
    add(result, {*find_key("esc")});
    pending_.erase(0, 1);
    while (!pending_.empty() && take_one(result)) {
    }
    return result;
}

} // namespace glassbox
