// The script language: words and "strings with C escapes", # comments, one command a line.
#include "frontend/script.hpp"

#include "frontend/values.hpp"
#include "machine/keys.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

namespace glassbox {

namespace {

struct Word {
    std::string text;
    bool quoted = false;
};
using Words = std::vector<Word>;

std::optional<int> hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return std::nullopt;
}

/// One escape after its backslash; `at` moves behind it.
Expected<char> escape(const std::string& line, std::size_t& at) {
    constexpr std::string_view names = "ntrbe0\\\"'", values{"\n\t\r\b\x1B\0\\\"'", 9};
    const char c = at < line.size() ? line[at++] : '\0';
    if (const auto i = names.find(c); c != '\0' && i != std::string_view::npos) return values[i];
    if (c == 'x' && at + 1 < line.size()) {
        const auto high = hex_digit(line[at]), low = hex_digit(line[at + 1]);
        at += 2;
        if (high && low) return static_cast<char>(*high * 16 + *low);
    }
    return fail("unknown escape '\\" + std::string(1, c) + R"(': there are \n \t \r \b \e \0 \\ \" \' \xNN)");
}

Expected<Word> quoted_word(const std::string& line, std::size_t& at) {
    Word word{{}, true};
    for (++at; at < line.size();) {
        const char c = line[at++];
        if (c == '"') return word;
        if (c != '\\') {
            word.text += c;
            continue;
        }
        const auto value = escape(line, at);
        if (!value) return fail(value.error().message);
        word.text += *value;
    }
    return fail("a string has no closing quote");
}

Expected<Words> split_words(const std::string& line) {
    Words words;
    for (std::size_t at = 0; at < line.size();) {
        const char c = line[at];
        if (c == ' ' || c == '\t' || c == '\r') {
            ++at;
        } else if (c == '#') {
            break;
        } else if (c == '"') {
            auto word = quoted_word(line, at);
            if (!word) return fail(word.error().message);
            words.push_back(*std::move(word));
        } else {
            const auto end = std::min(line.find_first_of(" \t\r", at), line.size());
            words.push_back({line.substr(at, end - at), false});
            at = end;
        }
    }
    return words;
}

using Result = Expected<script::Action>;

Expected<Time> timeout(const Words& words, std::size_t index) {
    return words.size() > index ? parse_duration(words[index].text) : Expected<Time>(script_default_timeout);
}

Expected<unsigned> serial_port(const Words& words, std::size_t index) {
    if (words.size() <= index) return 0u;
    const std::string& name = words[index].text;
    if (name.size() == 4 && name.starts_with("com") && name[3] >= '1' && name[3] <= '4') {
        return static_cast<unsigned>(name[3] - '1');
    }
    return fail("'" + name + "' is none of com1, com2, com3, com4");
}

Result wait_screen(const Words& words) {
    const auto time = timeout(words, 2);
    if (!time) return fail(time.error().message);
    return script::WaitScreen{words[1].text, *time};
}

Result wait_serial(const Words& words) {
    const auto time = timeout(words, 2);
    if (!time) return fail(time.error().message);
    const auto port = serial_port(words, 3);
    if (!port) return fail(port.error().message);
    return script::WaitSerial{words[1].text, *time, *port};
}

Result wait_power_off(const Words& words) {
    const auto time = timeout(words, 1);
    if (!time) return fail(time.error().message);
    return script::WaitPowerOff{*time};
}

Result type(const Words& words) {
    script::Keys keys;
    for (const char c : words[1].text) {
        const auto combination = keys_for_character(c);
        if (combination.empty()) {
            return fail("no key of a US keyboard types the byte " + std::to_string(static_cast<u8>(c)));
        }
        const auto inputs = press_and_release(combination);
        keys.inputs.insert(keys.inputs.end(), inputs.begin(), inputs.end());
    }
    return keys;
}

Result key(const Words& words) {
    script::Keys keys;
    for (std::size_t i = 1; i < words.size(); ++i) {
        const auto combination = parse_combination(words[i].text);
        if (!combination) return fail(combination.error().message);
        auto inputs = press_and_release(*combination);
        if (words[0].text != "key") {
            const bool down = words[0].text == "key-down";
            std::erase_if(inputs, [&](const KeyInput& input) { return input.pressed != down; });
        }
        keys.inputs.insert(keys.inputs.end(), inputs.begin(), inputs.end());
    }
    return keys;
}

Expected<int> signed_number(const std::string& text) {
    const bool negative = text.starts_with('-');
    const auto value = parse_number(std::string_view(text).substr(negative ? 1 : 0), 30'000);
    if (!value) return fail(value.error().message);
    return negative ? -static_cast<int>(*value) : static_cast<int>(*value);
}

/// mouse DX DY [WHEEL] [left|right|middle|none]...: the buttons named are held from now on.
Result mouse(const Words& words) {
    MouseInput input;
    std::array<int*, 3> numbers = {&input.dx, &input.dy, &input.wheel};
    std::size_t given = 0;
    for (std::size_t i = 1; i < words.size(); ++i) {
        const std::string& word = words[i].text;
        constexpr std::array<std::string_view, 4> buttons = {"left", "right", "middle", "none"};
        const auto button = std::ranges::find(buttons, word);
        if (button != buttons.end()) {
            if (*button != "none") input.buttons |= static_cast<u8>(1u << (button - buttons.begin()));
        } else if (given < numbers.size()) {
            const auto number = signed_number(word);
            if (!number) return fail("'" + word + "' is neither a distance nor one of left, right, middle, none");
            *numbers[given++] = *number;
        } else {
            return fail("at most three numbers are expected: mouse DX DY WHEEL");
        }
    }
    if (given == 1) return fail("mouse takes two distances: mouse DX DY");
    return script::Send{input};
}

Result floppy(const Words& words) {
    if (words[1].text != "0" && words[1].text != "1") return fail("the floppy drives are 0 and 1");
    MediaInput input{.drive = words[1].text == "0" ? MediaInput::Drive::floppy0 : MediaInput::Drive::floppy1,
                     .path = words[2].text,
                     .read_only = false};
    if (input.path.ends_with(",readonly")) {
        input.path.resize(input.path.size() - 9);
        input.read_only = true;
    }
    if (input.path == "none") input.path.clear();
    return script::Send{input};
}

Result cdrom(const Words& words) {
    const std::string path = words[1].text == "none" ? std::string() : words[1].text;
    return script::Send{MediaInput{.drive = MediaInput::Drive::cdrom, .path = path, .read_only = true}};
}

Result send(const Words& words) {
    const auto port = serial_port(words, 2);
    if (!port) return fail(port.error().message);
    return script::Send{SerialInput{*port, {words[1].text.begin(), words[1].text.end()}}};
}

Result sleep(const Words& words) {
    const auto time = parse_duration(words[1].text);
    if (!time) return fail(time.error().message);
    return script::Sleep{*time};
}

struct CommandRow {
    std::string_view name, arguments, help;
    std::size_t least, most; ///< arguments
    Result (*parse)(const Words&);
};

constexpr std::size_t any = 100;
const std::array commands = {
    CommandRow{"wait-screen", "\"TEXT\" [30s]", "until the text stands on the VGA text screen", 1, 2, wait_screen},
    CommandRow{"wait-serial", "\"TEXT\" [30s] [com1]", "until the guest has sent it since the last match", 1, 3,
               wait_serial},
    CommandRow{"wait-power-off", "[30s]", "until the guest switches the machine off; the run ends with status 0", 0, 1,
               wait_power_off},
    CommandRow{"type", "\"dir\\n\"", "types on a US keyboard", 1, 1, type},
    CommandRow{"key", "ctrl-alt-delete ...", "presses and releases keys; key-down and key-up do one of the two", 1, any,
               key},
    CommandRow{"key-down", "", "", 1, any, key},
    CommandRow{"key-up", "", "", 1, any, key},
    CommandRow{"send", "\"TEXT\" [com1]", "sends to the guest's serial port", 1, 2, send},
    CommandRow{"mouse", "DX DY [WHEEL] [left] [right] [middle]", "moves; the named buttons are held, others released",
               1, 6, mouse},
    CommandRow{"screen", "", "prints the text screen", 0, 0, [](const Words&) -> Result { return script::Screen{}; }},
    CommandRow{"screenshot", "FILE.png", "writes the screen", 1, 1,
               [](const Words& w) -> Result { return script::Screenshot{w[1].text}; }},
    CommandRow{"floppy", "0|1 FILE|none", "changes the disk in a floppy drive", 2, 2, floppy},
    CommandRow{"cdrom", "FILE|none", "changes the disc", 1, 1, cdrom},
    CommandRow{"save", "FILE", "saves a snapshot", 1, 1,
               [](const Words& w) -> Result { return script::Save{w[1].text}; }},
    CommandRow{"sleep", "2s", "lets guest time pass", 1, 1, sleep},
    CommandRow{"power-button", "", "presses the ACPI power button", 0, 0,
               [](const Words&) -> Result { return script::Send{PowerButtonInput{}}; }},
    CommandRow{"reset", "", "presses the reset button", 0, 0,
               [](const Words&) -> Result { return script::Send{ResetInput{}}; }},
    CommandRow{"power-off", "", "switches the machine off; the run ends with status 0", 0, 0,
               [](const Words&) -> Result { return script::PowerOff{}; }},
};

Result parse_command(const Words& words) {
    const auto row = std::ranges::find(commands, words[0].text, &CommandRow::name);
    if (row == commands.end() || words[0].quoted) return fail("unknown command '" + words[0].text + "'");
    const std::size_t arguments = words.size() - 1;
    if (arguments < row->least || arguments > row->most) {
        return fail(words[0].text + ": too " + (arguments < row->least ? "few" : "many") +
                    " arguments; write it as: " + words[0].text + " " + std::string(row->arguments));
    }
    auto action = row->parse(words);
    if (!action) return fail(words[0].text + ": " + action.error().message);
    return action;
}

} // namespace

Expected<Script> parse_script(const std::string& text, const std::string& name) {
    Script script{name, {}};
    unsigned number = 0;
    for (const std::string& line : split(text, '\n')) {
        const std::string place = name + ":" + std::to_string(++number) + ": ";
        const auto words = split_words(line);
        if (!words) return fail(place + words.error().message);
        if (words->empty()) continue;
        auto action = parse_command(*words);
        if (!action) return fail(place + action.error().message);
        script.commands.push_back({number, *std::move(action)});
    }
    return script;
}

Expected<Script> read_script(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (file) text << file.rdbuf();
    std::error_code ignored;
    if (!file || file.bad() || std::filesystem::is_directory(path, ignored))
        return fail("cannot read the script " + path);
    return parse_script(text.str(), path);
}

std::string script_help() {
    std::string out;
    for (const CommandRow& row : commands) {
        if (row.help.empty()) continue;
        std::string line = "  " + std::string(row.name) + " " + std::string(row.arguments);
        line.resize(std::max<std::size_t>(line.size() + 1, 42), ' ');
        out += line + std::string(row.help) + "\n";
    }
    return out;
}

} // namespace glassbox
