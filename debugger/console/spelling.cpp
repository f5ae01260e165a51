#include "debugger/console/spelling.hpp"

#include "debugger/command.hpp"
#include "debugger/console/habits.hpp"

#include <algorithm>
#include <utility>

namespace glassbox {

namespace {

constexpr std::size_t longest_word = 40; ///< longer ones are no command that was mistyped
constexpr std::size_t most_named = 4;

} // namespace

/// The optimal string alignment distance, by rows.
unsigned letters_apart(std::string_view a, std::string_view b) {
    std::vector<unsigned> older(b.size() + 1), old(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) old[j] = static_cast<unsigned>(j);
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = static_cast<unsigned>(i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            row[j] = std::min({old[j] + 1, row[j - 1] + 1, old[j - 1] + (a[i - 1] != b[j - 1])});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], older[j - 2] + 1);
        }
        std::swap(older, old);
        std::swap(old, row);
    }
    return old[b.size()];
}

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& words) {
    if (word.size() < 2 || word.size() > longest_word) return {};
    const unsigned most = word.size() < 4 ? 1 : word.size() < 7 ? 2 : 3;
    std::vector<std::pair<unsigned, std::string_view>> near;
    for (const std::string_view other : words) {
        if (other.size() < 2) continue;
        unsigned apart = letters_apart(word, other);
        // A name that goes on, or that this one goes on from, is meant as likely as one with a wrong letter.
        if (word.size() >= 3 && other.size() >= 4 &&
            (other.find(word) != std::string_view::npos || word.starts_with(other)))
            apart = std::min(apart, 2u);
        if (apart <= most) near.emplace_back(apart, other);
    }
    std::ranges::sort(near);
    near.erase(std::unique(near.begin(), near.end()), near.end());
    const unsigned least = near.empty() ? 0 : near.front().first;
    std::erase_if(near, [&](const auto& one) { return one.first != least; });
    if (near.size() > most_named) near.resize(most_named);
    std::string text;
    for (std::size_t i = 0; i < near.size(); ++i) {
        text += i == 0 ? "" : i + 1 == near.size() ? " or " : ", ";
        text += near[i].second;
    }
    return text;
}

std::vector<std::string_view> command_names() {
    std::vector<std::string_view> names;
    for (const Command* command : all_commands()) {
        names.push_back(command->name);
        for (std::string_view shorts = command->shorts; !shorts.empty();) {
            const std::size_t end = std::min(shorts.find(' '), shorts.size());
            if (end > 2) names.push_back(shorts.substr(0, end));
            shorts.remove_prefix(std::min(end + 1, shorts.size()));
        }
    }
    for (const Habit& habit : habits()) {
        for (std::string_view first = command_word(habit.typed); !first.empty();) {
            const std::size_t end = std::min(first.find('|'), first.size());
            names.push_back(first.substr(0, end));
            first.remove_prefix(std::min(end + 1, first.size()));
        }
    }
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

} // namespace glassbox
