// How a line is matched with the tables of habit_tables.cpp.
#include "debugger/console/habits.hpp"

#include "debugger/command.hpp"
#include "debugger/console/spelling.hpp"

#include <algorithm>
#include <cstddef>

namespace glassbox {

namespace {

/// The next piece of a list, which is taken off.
std::string_view take_piece(std::string_view& list, std::string_view separator) {
    const std::size_t end = std::min(list.find(separator), list.size());
    const std::string_view piece = list.substr(0, end);
    list.remove_prefix(std::min(end + separator.size(), list.size()));
    return piece;
}

bool one_of(std::string_view list, std::string_view word) {
    while (!list.empty()) {
        if (take_piece(list, "|") == word) return true;
    }
    return false;
}

/// What '?' stands for is added to `taken`. Only the first '?' of a word is as short as it can be: there is no need for
/// more than that.
bool matches(std::string_view pattern, std::string_view word, std::vector<std::string>& taken) {
    if (pattern.find('|') != std::string_view::npos) {
        if (!one_of(pattern, word)) return false;
        taken.emplace_back(word);
        return true;
    }
    const std::size_t hole = pattern.find('?');
    if (hole == std::string_view::npos) return pattern == word;
    if (!word.starts_with(pattern.substr(0, hole))) return false;
    word.remove_prefix(hole);
    pattern.remove_prefix(hole + 1);
    if (word.size() <= pattern.size() || !word.ends_with(pattern)) return false;
    taken.emplace_back(word.substr(0, word.size() - pattern.size()));
    return true;
}

struct Match {
    std::string format;
    std::vector<std::string> taken;
    std::string rest;
};

bool match_line(const Habit& habit, std::string_view line, const Arguments& words, Match& match) {
    std::string_view pattern = habit.typed;
    std::string_view first = take_piece(pattern, " ");
    const std::size_t slash = std::min(first.find('/'), first.size());
    const std::string_view wanted_format = first.substr(slash); // "/": any
    std::size_t next = 0;
    const std::string_view word = command_word(line);
    if (!one_of(first.substr(0, slash), word)) return false;
    match = {};
    if (line.substr(word.size()).starts_with('/')) {
        if (wanted_format.empty() && habit.does.find("$/") == std::string_view::npos) return false;
        match.format = words.written(next++);
        if (wanted_format.size() > 1 && match.format != wanted_format) return false;
    } else if (!wanted_format.empty()) {
        return false;
    }
    while (!pattern.empty()) {
        const std::string_view piece = take_piece(pattern, " ");
        if (piece == "...") {
            match.rest = words.written_from(next);
            return true;
        }
        if (next == words.words().size() || !matches(piece, words.written(next), match.taken)) return false;
        ++next;
    }
    return next == words.words().size();
}

std::string filled_in(std::string_view text, const Match& match) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char key = text[i] == '$' && i + 1 < text.size() ? text[i + 1] : '\0';
        const auto number = static_cast<std::size_t>(key - '1');
        if (key == '*') {
            out += match.rest;
        } else if (key == '/') {
            out += match.format;
        } else if (key >= '1' && key <= '9' && number < match.taken.size()) {
            out += match.taken[number];
        } else {
            out += text[i];
            continue;
        }
        ++i;
    }
    while (out.ends_with(' ')) out.pop_back();
    return out;
}

} // namespace

std::optional<HabitMeaning> translate_habit(std::string_view line, std::size_t* row) {
    const std::size_t begin = std::min(line.find_first_not_of(" \t"), line.size());
    line.remove_prefix(begin);
    const Arguments words(line.substr(command_word(line).size()));
    const auto all = habits();
    for (std::size_t i = 0; i < all.size(); ++i) {
        Match match;
        if (!match_line(all[i], line, words, match)) continue;
        if (row) *row = i;
        HabitMeaning meaning;
        std::string_view does = all[i].does;
        if (does.starts_with('!')) {
            meaning.refusal = filled_in(does.substr(1), match);
            return meaning;
        }
        while (!does.empty()) meaning.lines.push_back(filled_in(take_piece(does, " ; "), match));
        return meaning;
    }
    return std::nullopt;
}

bool holds_word(std::string_view list, std::string_view name) {
    while (!list.empty()) {
        if (take_piece(list, " ") == name) return true;
    }
    return false;
}

FoundInfo find_info(std::string_view word) {
    std::vector<const InfoWord*> beginning;
    std::vector<std::string_view> names;
    for (const InfoWord& row : info_words()) {
        if (row.name == word || holds_word(row.shorts, word)) return {&row, {}};
        if (row.name.starts_with(word)) beginning.push_back(&row);
        names.push_back(row.name);
    }
    const auto same = [&](const InfoWord* row) { return row->does == beginning.front()->does; };
    if (!beginning.empty() && std::ranges::all_of(beginning, same)) return {beginning.front(), {}};
    std::string text = "'info " + std::string(word) + "' may be";
    if (!beginning.empty()) {
        for (const InfoWord* row : beginning) text += " " + std::string(row->name);
        return {nullptr, text};
    }
    const std::string meant = did_you_mean(word, names);
    text = "info has nothing about '" + std::string(word) + "'" +
           (meant.empty() ? "; it knows" : "; did you mean " + meant + "? It knows");
    for (const std::string_view name : names) text += " " + std::string(name);
    return {nullptr, text};
}

} // namespace glassbox
