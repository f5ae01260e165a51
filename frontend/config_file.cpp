// MACHINE.toml: the same names as the options on the command line, one table without sections. Every complaint
// names the file, the line and the key.
#include "frontend/settings.hpp"

#include <fstream>
#include <sstream>
#include <toml++/toml.h>

namespace glassbox {

namespace {

std::string place(const std::string& path, const toml::source_region& source) {
    return path + ":" + std::to_string(source.begin.line) + ": ";
}

/// A value as the command line would have it.
Expected<std::string> as_text(const toml::node& node) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return std::to_string(number->get());
    if (const auto* number = node.as_floating_point()) {
        std::ostringstream out;
        out << number->get();
        return out.str();
    }
    if (node.is_date() || node.is_date_time()) {
        std::ostringstream out;
        if (node.is_date()) out << *node.as_date();
        if (node.is_date_time()) out << *node.as_date_time();
        return out.str();
    }
    return fail("a string or a number is expected");
}

Expected<> apply_flag(Options& options, const Setting& setting, const toml::node& node) {
    const auto* flag = node.as_boolean();
    if (flag == nullptr && is_optional(setting) && node.is_string())
        return setting.apply(options, node.as_string()->get(), {});
    if (flag == nullptr) return fail("true or false is expected");
    return flag->get() ? setting.apply(options, {}, {}) : Expected<>{};
}

Expected<> apply_array(Options& options, const Setting& setting, const toml::array& array,
                       const std::filesystem::path& folder) {
    std::string joined;
    for (const toml::node& node : array) {
        auto text = as_text(node);
        if (!text) return fail(text.error().message);
        if (setting.repeats) {
            if (auto applied = setting.apply(options, *text, folder); !applied) return applied;
        }
        joined += (joined.empty() ? "" : ",") + *text;
    }
    if (setting.repeats) return {};
    if (setting.name != "boot") return fail("one value is expected, not a list");
    return setting.apply(options, joined, folder);
}

Expected<> apply_node(Options& options, const Setting& setting, const toml::node& node,
                      const std::filesystem::path& folder) {
    if (is_flag(setting)) return apply_flag(options, setting, node);
    if (const auto* array = node.as_array()) return apply_array(options, setting, *array, folder);
    auto text = as_text(node);
    if (!text) return fail(text.error().message);
    return setting.apply(options, *text, folder);
}

Expected<> apply_table(Options& options, const toml::table& table, const std::string& path) {
    const auto folder = std::filesystem::path(path).parent_path();
    for (const auto& [key, node] : table) {
        const std::string name(key.str());
        const Setting* setting = find_setting(name);
        if (setting == nullptr) {
            return fail(place(path, key.source()) + "unknown key '" + name +
                        "': the keys are the names of the options that --help lists, without the dashes");
        }
        if (auto applied = apply_node(options, *setting, node, folder); !applied) {
            return fail(place(path, key.source()) + name + ": " + applied.error().message);
        }
    }
    return {};
}

} // namespace

Expected<> read_config_text(Options& options, const std::string& text, const std::string& path) {
    try {
        return apply_table(options, toml::parse(text, path), path);
    } catch (const toml::parse_error& error) {
        return fail(place(path, error.source()) + std::string(error.description()));
    }
}

Expected<> read_config_file(Options& options, const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (!file || std::filesystem::is_directory(path) || !(text << file.rdbuf())) {
        if (std::error_code ignored; std::filesystem::is_regular_file(path, ignored) && text.str().empty() && file) {
            return {}; // an empty file configures nothing
        }
        return fail("cannot read the machine's description " + path);
    }
    return read_config_text(options, text.str(), path);
}

} // namespace glassbox
