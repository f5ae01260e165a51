#include "debugger/console/console.hpp"

#include "debugger/console/habits.hpp"
#include "debugger/debugger.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace glassbox {

namespace {

constexpr std::size_t longest_script = 1u << 20; ///< bytes: a script is written by hand
constexpr std::size_t most_waiting = 100'000;    ///< lines: a script that sources itself ends here
constexpr unsigned deepest_aliases = 16;

std::string_view trimmed(std::string_view line) {
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r')) line.remove_suffix(1);
    return line;
}

/// Commands that an empty line repeats: those that go a bit further. The others would only print the same again.
bool repeats(const std::string& line) {
    const auto meaning = translate_habit(line);
    const auto command = find_command(command_word(meaning && meaning->lines.size() == 1 ? meaning->lines[0] : line));
    if (!command) return false;
    static constexpr std::array<std::string_view, 3> looking_on = {"disassemble", "examine", "list"};
    return (*command)->group == "Go" || std::ranges::find(looking_on, (*command)->name) != looking_on.end();
}

} // namespace

std::string Console::welcome() const {
    return "GlassBox debugger: the machine stands before its next instruction.\n"
           "  c runs it, s steps one instruction, b ADDRESS stops there, rs and rc go backwards,\n"
           "  r shows registers, u disassembles, explain says why; help lists everything, q quits.\n";
}

std::string Console::execute_line(std::string_view line, unsigned depth, bool& good) {
    std::string out;
    CommandContext context{debugger_, out, this};
    std::vector<std::string> lines;
    auto done = expand_alias(line, lines);
    if (done && lines.size() == 1) {
        done = execute_command(context, lines.front());
    } else if (done) { // they wait for what the first of them may start
        if (depth == deepest_aliases) {
            done = fail("'" + std::string(command_word(line)) + "' leads to itself without an end");
        } else {
            std::vector<Waiting> waiting;
            for (std::size_t i = 0; i < lines.size(); ++i)
                waiting.push_back({lines[i], std::string(command_word(line)) + ":" + std::to_string(i + 1), depth + 1});
            waiting_.insert(waiting_.begin(), waiting.begin(), waiting.end());
        }
    }
    good = done.has_value();
    if (!done) out += "error: " + done.error().message + "\n";
    return out;
}

std::string Console::execute(std::string_view line) {
    line = trimmed(line);
    if (take_definition(line)) return {};
    const std::string text(line.empty() ? std::string_view(last_) : line);
    if (text.empty()) return {};
    std::vector<std::string> lines;
    last_ = expand_alias(text, lines) && lines.size() == 1 && repeats(lines.front()) ? text : std::string();
    bool good = true;
    return execute_line(text, 0, good);
}

std::string Console::execute_next() {
    if (waiting_.empty()) return {};
    const Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    const std::string line(trimmed(next.line));
    if (line.empty() || line.front() == '#') return {};
    std::string out = std::string(prompt) + line + "\n";
    if (take_definition(line)) return out;
    bool good = true;
    out += execute_line(line, next.depth, good);
    if (!good) {
        if (!next.place.empty()) out += next.place + ": the script ends here\n";
        script_failed_ = true;
        waiting_.clear();
        definition_.reset();
    }
    return out;
}

Expected<> Console::source(const std::string& path) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) return fail("'" + path + "' is a folder, not a script");
    std::ifstream file(path);
    if (!file) return fail("cannot read the script '" + path + "': " + std::strerror(errno));
    std::vector<Waiting> lines;
    std::size_t size = 0;
    for (std::string line; std::getline(file, line);) {
        size += line.size() + 1;
        if (size > longest_script) return fail("the script '" + path + "' is longer than a mebibyte");
        lines.push_back({std::move(line), path + ":" + std::to_string(lines.size() + 1), 0});
    }
    if (waiting_.size() + lines.size() > most_waiting)
        return fail("the script '" + path + "' makes more than 100,000 commands wait: does it source itself?");
    waiting_.insert(waiting_.begin(), lines.begin(), lines.end());
    return {};
}

std::string Console::report_stop() {
    std::string out = describe_stop(debugger_);
    for (const auto& [number, command] : displays_) {
        bool good = true;
        out += execute_line(command, 0, good);
    }
    std::vector<Waiting> commands;
    for (const std::string& command : debugger_.stop().commands) commands.push_back({command, {}, 0});
    waiting_.insert(waiting_.begin(), commands.begin(), commands.end());
    return out;
}

unsigned Console::add_display(std::string command) {
    displays_.emplace(next_display_, std::move(command));
    return next_display_++;
}

bool Console::remove_display(unsigned number) { return displays_.erase(number) != 0; }

} // namespace glassbox
