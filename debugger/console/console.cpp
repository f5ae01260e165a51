#include "debugger/console/console.hpp"

#include "debugger/debugger.hpp"
#include "debugger/view.hpp"

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
constexpr std::size_t most_completions = 200;

std::string_view trimmed(std::string_view line) {
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r')) line.remove_suffix(1);
    return line;
}

std::string_view first_word(std::string_view line) {
    return line.substr(0, std::min(line.find_first_of(" \t/"), line.size()));
}

/// Commands that an empty line repeats: those that go a bit further. The others would only print the same again.
bool repeats(std::string_view line) {
    const auto command = find_command(first_word(line));
    if (!command) return false;
    static constexpr std::array<std::string_view, 3> looking_on = {"disassemble", "examine", "list"};
    return (*command)->group == "Go" || std::ranges::find(looking_on, (*command)->name) != looking_on.end();
}

void add_files(std::string_view begun, std::vector<std::string>& out) {
    namespace fs = std::filesystem;
    const fs::path path(begun);
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        const std::string name = it->path().filename().string();
        if (!name.starts_with(path.filename().string())) continue;
        std::error_code ignored;
        const std::string whole = path.has_parent_path() ? (path.parent_path() / name).string() : name;
        out.push_back(it->is_directory(ignored) ? whole + "/" : whole);
    }
}

void add_words(std::string_view list, std::string_view begun, std::vector<std::string>& out) {
    while (!list.empty()) {
        const std::size_t end = std::min(list.find('|'), list.size());
        const std::string_view word = list.substr(0, end);
        if (word.starts_with(begun)) out.emplace_back(word);
        list.remove_prefix(std::min(end + 1, list.size()));
    }
}

} // namespace

std::string Console::welcome() const {
    return "GlassBox debugger: the machine stands before its next instruction.\n"
           "  c runs it, s steps one instruction, b ADDRESS stops there, rs and rc go backwards,\n"
           "  r shows registers, u disassembles, explain says why; help lists everything, q quits.\n";
}

std::string Console::expand_alias(std::string_view line) const {
    const std::string_view word = first_word(line);
    const auto alias = aliases_.find(std::string(word));
    if (alias == aliases_.end()) return std::string(line);
    return alias->second + std::string(line.substr(word.size()));
}

std::string Console::execute_line(std::string_view line, bool& good) {
    std::string out;
    CommandContext context{debugger_, out, this};
    const auto done = execute_command(context, expand_alias(line));
    good = done.has_value();
    if (!done) out += "error: " + done.error().message + "\n";
    return out;
}

std::string Console::execute(std::string_view line) {
    line = trimmed(line);
    const std::string text(line.empty() ? std::string_view(last_) : line);
    if (text.empty()) return {};
    last_ = repeats(expand_alias(text)) ? text : std::string();
    bool good = true;
    return execute_line(text, good);
}

std::string Console::execute_next() {
    if (waiting_.empty()) return {};
    const std::string line(trimmed(waiting_.front()));
    waiting_.pop_front();
    if (line.empty() || line.front() == '#') return {};
    bool good = true;
    std::string out = std::string(prompt) + line + "\n";
    out += execute_line(line, good);
    if (!good) {
        script_failed_ = true;
        waiting_.clear();
    }
    return out;
}

Expected<> Console::source(const std::string& path) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) return fail("'" + path + "' is a folder, not a script");
    std::ifstream file(path);
    if (!file) return fail("cannot read the script '" + path + "': " + std::strerror(errno));
    std::vector<std::string> lines;
    std::size_t size = 0;
    for (std::string line; std::getline(file, line);) {
        size += line.size() + 1;
        if (size > longest_script) return fail("the script '" + path + "' is longer than a mebibyte");
        lines.push_back(std::move(line));
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
        out += execute_line(command, good);
    }
    const Stop& stop = debugger_.stop();
    waiting_.insert(waiting_.begin(), stop.commands.begin(), stop.commands.end());
    return out;
}

unsigned Console::add_display(std::string command) {
    displays_.emplace(next_display_, std::move(command));
    return next_display_++;
}

bool Console::remove_display(unsigned number) { return displays_.erase(number) != 0; }

Expected<> Console::add_alias(const std::string& name, const std::string& line) {
    for (const Command* command : all_commands()) {
        if (command->name == name) return fail("'" + name + "' is a command already");
    }
    if (first_word(line) == name) return fail("an alias cannot stand for itself");
    aliases_[name] = line;
    return {};
}

std::vector<std::string> Console::complete(std::string_view line) {
    std::vector<std::string> out;
    const std::size_t at = line.find_last_of(" \t");
    const std::string_view begun = at == std::string_view::npos ? line : line.substr(at + 1);
    const std::string_view before = trimmed(at == std::string_view::npos ? std::string_view() : line.substr(0, at));
    if (before.empty()) {
        for (const Command* command : all_commands()) {
            if (command->name.starts_with(begun)) out.emplace_back(command->name);
        }
        for (const auto& [name, text] : aliases_) {
            if (name.starts_with(begun)) out.push_back(name);
        }
    } else if (const auto command = find_command(first_word(before))) {
        const std::string_view kinds = (*command)->completes;
        if (kinds == "file") {
            add_files(begun, out);
        } else if (kinds == "command") {
            for (const Command* other : all_commands()) {
                if (other->name.starts_with(begun)) out.emplace_back(other->name);
            }
        } else {
            if (kinds != "symbol" && kinds != "register" && kinds != "device") add_words(kinds, begun, out);
            if (kinds != "symbol" && !begun.empty()) {
                for (const std::string& name : register_names(debugger_.cpu())) {
                    if (name.starts_with(begun)) out.push_back(name);
                }
            }
            if (!begun.empty()) {
                const auto names = debugger_.symbols().beginning_with(begun, most_completions);
                out.insert(out.end(), names.begin(), names.end());
            }
        }
    }
    std::ranges::sort(out);
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

} // namespace glassbox
