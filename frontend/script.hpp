// The script language of `--script`: parsing. A line is a command; times are guest time.
#pragma once

#include "bus/error.hpp"
#include "machine/input.hpp"

#include <string>
#include <variant>
#include <vector>

namespace glassbox {

namespace script {
struct WaitScreen {
    std::string text;
    Time timeout = 0;
};
struct WaitSerial {
    std::string text;
    Time timeout = 0;
    unsigned port = 0;
};
struct WaitPowerOff {
    Time timeout = 0;
};
struct Keys { ///< `type`, `key`, `key-down`, `key-up`
    std::vector<KeyInput> inputs;
};
struct Send {
    Input input; ///< mouse, media, serial, power button, reset
};
struct Screen {};
struct Screenshot {
    std::string path;
};
struct Save {
    std::string path;
};
struct Sleep {
    Time duration = 0;
};
struct PowerOff {};

using Action =
    std::variant<WaitScreen, WaitSerial, WaitPowerOff, Keys, Send, Screen, Screenshot, Save, Sleep, PowerOff>;
} // namespace script

struct ScriptCommand {
    unsigned line = 0;
    script::Action action;
};

struct Script {
    std::string name; ///< for messages
    std::vector<ScriptCommand> commands;
};

Expected<Script> parse_script(const std::string& text, const std::string& name);
Expected<Script> read_script(const std::string& path);

/// The language in short, for --help.
std::string script_help();

inline constexpr Time script_default_timeout = 30 * second;

} // namespace glassbox
