// What people type in gdb, in the debugger of Bochs and in QEMU's monitor, as lines of ours. Two tables: lines that
// are rewritten, and the words of `info`. Both are only data (habit_tables.cpp); docs/coming-from.md shows them from
// the user's side, and its test executes every row.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

/// A line as it is typed elsewhere, and what it is here.
///
/// `typed` are words, as Arguments cuts them. '?' stands for any letters, as a word of its own or in one
/// ("*(int*)?"); "a|b" is one of these words, and counts as a '?'; "..." at the end is the rest of the line, or
/// nothing. Of the first word '|' separates names for the same, and no '?' is in it; "i/b" wants that format,
/// "display/" any. In `does`, $1 is what the first '?' stands for,
/// $* the rest, $/ the format ("/4xw", or nothing); " ; " separates lines. What begins with '!' is an error that says
/// what to do instead.
struct Habit {
    std::string_view typed, does;
};
std::span<const Habit> habits();

/// A word of `info`. What follows it is put behind `does`. Begins `does` with '!', it is an error.
struct InfoWord {
    std::string_view name, shorts, does, summary;
};
std::span<const InfoWord> info_words();

struct HabitMeaning {
    std::vector<std::string> lines;
    std::string refusal; ///< why it cannot be done here
};
/// Nothing: the line is one of ours. `row` gets the number of the habit.
std::optional<HabitMeaning> translate_habit(std::string_view line, std::size_t* row = nullptr);
/// The word of `info` that `word` is or begins. The error lists what there is.
struct FoundInfo {
    const InfoWord* word = nullptr;
    std::string error;
};
FoundInfo find_info(std::string_view word);
/// "general cpu": the names and shorts of a list with spaces hold `name`.
bool holds_word(std::string_view list, std::string_view name);

} // namespace glassbox
