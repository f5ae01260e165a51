// One row per option: its name on the command line and in MACHINE.toml, its help, and what it does.
#pragma once

#include "frontend/options.hpp"

#include <filesystem>
#include <span>

namespace glassbox {

struct Setting {
    std::string_view name;  ///< without the dashes; one letter has one dash
    std::string_view value; ///< how the value is called in --help; empty: a flag; "[=…]": a flag that may have a value
    std::string_view group;
    std::string_view help;
    bool repeats = false;
    /// `folder` is what a relative path is relative to; empty: the current one.
    Expected<> (*apply)(Options& options, const std::string& value, const std::filesystem::path& folder) = nullptr;
    /// Forgets what was set by a file, before the command line's list replaces it. Null for single values.
    void (*clear)(Options& options) = nullptr;
};

inline bool is_flag(const Setting& setting) { return setting.value.empty() || setting.value.starts_with("[="); }
inline bool is_optional(const Setting& setting) { return setting.value.starts_with("[="); }

/// As it stands on the command line.
inline std::string dashed(const Setting& setting) {
    return (setting.name.size() == 1 ? "-" : "--") + std::string(setting.name);
}

std::span<const Setting> all_settings();
const Setting* find_setting(std::string_view name);

} // namespace glassbox
