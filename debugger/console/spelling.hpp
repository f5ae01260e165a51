// What somebody may have meant by a word that nobody knows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

/// How many letters must be inserted, removed, replaced or swapped with their neighbour to make one of the other.
unsigned letters_apart(std::string_view a, std::string_view b);
/// "break, tbreak or bt": the nearest of `words`, those that are near; else "".
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& words);
/// The names of all commands, and the words of other debuggers that stand for some.
std::vector<std::string_view> command_names();

} // namespace glassbox
