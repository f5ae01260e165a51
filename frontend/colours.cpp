// Where colours go in the debugger's text is told by how its lines begin: "#12  " and "=> " what is executed next,
// "*EAX " a register that has changed, "error: ".
#include "frontend/colours.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace glassbox {

namespace {

constexpr std::string_view bold = "\x1b[1m", red = "\x1b[31m", yellow = "\x1b[33m", plain = "\x1b[0m";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

bool tells_a_stop(std::string_view line) {
    return line.size() > 2 && line[0] == '#' && is_digit(line[1]) && line.find("  ") != std::string_view::npos;
}

void paint(std::string& out, std::string_view colour, std::string_view text) {
    out += colour;
    out += text;
    out += plain;
}

/// Behind "*EAX 00000001", which begins at `at`.
std::size_t end_of_change(std::string_view line, std::size_t at) {
    const std::size_t name_end = std::min(line.find(' ', at), line.size());
    const std::size_t value = std::min(line.find_first_not_of(' ', name_end), line.size());
    return std::min(line.find(' ', value), line.size());
}

void mark_changes(std::string& out, std::string_view line) {
    std::size_t done = 0;
    for (std::size_t at = line.find('*'); at != std::string_view::npos; at = line.find('*', at + 1)) {
        const bool begins = at == 0 || line[at - 1] == ' ';
        if (at < done || !begins || at + 1 >= line.size() || !is_upper(line[at + 1])) continue;
        out += line.substr(done, at - done);
        done = end_of_change(line, at);
        paint(out, yellow, line.substr(at, done - at));
    }
    out += line.substr(done);
}

} // namespace

std::string coloured(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        if (tells_a_stop(line) || line.starts_with("=> ")) {
            paint(out, bold, line);
        } else if (line.starts_with("error: ")) {
            paint(out, red, line);
        } else {
            mark_changes(out, line);
        }
        if (end < text.size()) out += '\n';
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

bool terminal_has_colours() {
    const char* refused = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    if (refused != nullptr && *refused != '\0') return false;
    if (terminal == nullptr) return false;
    constexpr std::array<std::string_view, 13> known = {"color", "xterm", "screen", "tmux",  "linux",   "rxvt", "ansi",
                                                        "kitty", "foot",  "putty",  "alacr", "konsole", "st-"};
    const std::string_view name = terminal;
    return std::ranges::any_of(known, [&](std::string_view part) { return name.find(part) != std::string_view::npos; });
}

} // namespace glassbox
