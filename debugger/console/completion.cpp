// What could stand in the place of the last word of a line.
#include "debugger/console/console.hpp"
#include "debugger/console/habits.hpp"
#include "debugger/console/spelling.hpp"
#include "debugger/debugger.hpp"
#include "debugger/view.hpp"
#include "machine/board.hpp"

#include <algorithm>
#include <filesystem>

namespace glassbox {

namespace {

constexpr std::size_t most_completions = 200;

using Words = std::vector<std::string>;

void add_files(std::string_view begun, Words& out) {
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

/// A device is named by what its name begins with, so the first word of it will do.
void add_devices(Debugger& debugger, std::string_view begun, Words& out) {
    const auto add = [&](std::string_view name) {
        name = name.substr(0, std::min(name.find(' '), name.size()));
        if (!name.empty() && name.starts_with(begun)) out.emplace_back(name);
    };
    Board& board = debugger.machine().board();
    for (const PortBus::Mapping& mapping : board.ports.mappings()) {
        if (mapping.live) add(mapping.name);
    }
    for (const MemoryMap::Region& region : board.memory.regions()) {
        if (region.device) add(region.name);
    }
}

void add_commands(std::string_view begun, Words& out) {
    for (const Command* command : all_commands()) {
        if (command->name.starts_with(begun)) out.emplace_back(command->name);
    }
}

void add_info_words(std::string_view begun, Words& out) {
    for (const InfoWord& word : info_words()) {
        if (word.name.starts_with(begun) && !word.does.starts_with('!')) out.emplace_back(word.name);
    }
}

/// Registers and symbols: what an expression may begin with. A name that nobody has begun would be all of them.
void add_expression(Debugger& debugger, std::string_view begun, bool registers, Words& out) {
    if (begun.empty()) return;
    const bool dollar = begun.front() == '$';
    const std::string_view plain = begun.substr(dollar ? 1 : 0);
    for (const std::string& name : register_names(debugger.cpu())) {
        if ((registers || dollar) && name.starts_with(plain)) out.push_back(dollar ? "$" + name : name);
    }
    if (dollar) return;
    // Behind "*" or "[" goes on what the expression is of.
    const auto names = debugger.symbols().beginning_with(begun, most_completions);
    out.insert(out.end(), names.begin(), names.end());
}

/// What `kind` of Command::completes stands for; false: it is a word of its own.
bool add_kind(Debugger& debugger, std::string_view kind, std::string_view begun, Words& out) {
    if (kind == "file") {
        add_files(begun, out);
    } else if (kind == "command") {
        add_commands(begun, out);
    } else if (kind == "info") {
        add_info_words(begun, out);
    } else if (kind == "device") {
        add_devices(debugger, begun, out);
    } else {
        return kind == "symbol" || kind == "register";
    }
    return true;
}

/// The words of a list; `kinds` among them are what they stand for.
void add_list(Debugger& debugger, std::string_view list, char separator, std::string_view begun, Words& out) {
    while (!list.empty()) {
        const std::size_t end = std::min(list.find(separator), list.size());
        const std::string_view piece = list.substr(0, end);
        const std::string_view word = piece.substr(0, std::min(piece.find(':'), piece.size()));
        if (!add_kind(debugger, word, begun, out) && word.starts_with(begun)) out.emplace_back(word);
        list.remove_prefix(std::min(end + 1, list.size()));
    }
}

/// What may follow `word`, the first argument: behind its colon.
std::string_view following(std::string_view list, std::string_view word) {
    while (!list.empty()) {
        const std::size_t end = std::min(list.find('|'), list.size());
        const std::string_view piece = list.substr(0, end);
        if (const std::size_t colon = piece.find(':');
            colon != std::string_view::npos && piece.substr(0, colon) == word)
            return piece.substr(colon + 1);
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return {};
}

} // namespace

std::vector<std::string> Console::complete(std::string_view line) {
    Words out;
    while (line.starts_with(' ') || line.starts_with('\t')) line.remove_prefix(1);
    const std::size_t at = line.find_last_of(" \t");
    const std::string_view begun = at == std::string_view::npos ? line : line.substr(at + 1);
    const std::string_view before = at == std::string_view::npos ? std::string_view() : line.substr(0, at);
    const Arguments earlier(before.substr(std::min(command_word(before).size(), before.size())));
    if (before.empty()) {
        add_commands(begun, out);
        for (const auto& [name, text] : aliases_) {
            if (name.starts_with(begun)) out.push_back(name);
        }
        for (const std::string_view name : command_names()) {
            if (begun.size() >= 3 && name.starts_with(begun)) out.emplace_back(name); // other debuggers' words
        }
    } else if (const auto command = find_command(command_word(before))) {
        const std::string_view kinds = (*command)->completes;
        const std::string_view behind = line.substr(std::min(line.find_first_of(" \t"), line.size()));
        if (!earlier.words().empty() && (kinds == "command" || kinds == "info")) {
            // What is completed is another command: "display registers ge", "info registers ge".
            if (kinds == "command") return complete(behind);
            const FoundInfo found = find_info(earlier.words().front());
            if (!found.word || found.word->does.starts_with('!')) return out;
            const std::size_t first = behind.find_first_not_of(" \t");
            return complete(std::string(found.word->does) +
                            std::string(behind.substr(std::min(behind.find_first_of(" \t", first), behind.size()))));
        }
        const std::string_view sub = earlier.words().empty() ? kinds : following(kinds, earlier.words().front());
        if (!sub.empty()) {
            add_list(debugger_, sub, earlier.words().empty() ? '|' : ',', begun, out);
        } else if (kinds == "file") {
            add_files(begun, out);
        } else {
            add_list(debugger_, kinds, '|', begun, out);
        }
        static constexpr std::string_view not_values[] = {"file", "command", "info"};
        if (std::ranges::find(not_values, kinds) == std::end(not_values))
            add_expression(debugger_, begun, kinds != "symbol", out);
    } else if (translate_habit(std::string(before) + " x")) {
        add_expression(debugger_, begun, true, out);
    }
    std::ranges::sort(out);
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

} // namespace glassbox
