#include "tests/x86-conformance/boot/guest_list.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <toml++/toml.h>

namespace glassbox::conformance {

namespace {

std::string place(const std::string& path, const toml::source_region& source) {
    return path + ":" + std::to_string(source.begin.line) + ": ";
}

/// Reads one guest's table; the first thing that is wrong ends up in `error`.
class Reader {
  public:
    Reader(const toml::table& table, const std::string& path) : table_(table), path_(path) {}

    void text(const char* key, std::string& target) {
        const toml::node* node = table_.get(key);
        if (!node) return;
        if (const auto value = node->value<std::string>(); value && node->is_string())
            target = *value;
        else
            wrong(*node, key, "a text in quotes");
    }
    void texts(const char* key, std::vector<std::string>& target) {
        const toml::node* node = table_.get(key);
        if (!node) return;
        if (!node->is_array()) return wrong(*node, key, "a list of texts");
        for (const toml::node& item : *node->as_array()) {
            if (!item.is_string()) return wrong(item, key, "a list of texts");
            target.push_back(*item.value<std::string>());
        }
    }
    template <class T> void number(const char* key, T& target, i64 least, i64 most) {
        const toml::node* node = table_.get(key);
        if (!node) return;
        const auto value = node->value<i64>();
        if (!node->is_integer() || *value < least || *value > most)
            return wrong(*node, key, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
        target = static_cast<T>(*value);
    }
    void known_keys_only() {
        constexpr std::string_view keys[] = {"name",   "arguments", "script",  "serial",
                                             "screen", "status",    "seconds", "needs"};
        for (const auto& [key, node] : table_) {
            if (std::ranges::find(keys, key.str()) == std::end(keys) && error_.empty())
                error_ = place(path_, key.source()) + "'" + std::string(key.str()) + "' is nothing a guest has";
        }
    }
    void complain(const std::string& what) {
        if (error_.empty()) error_ = place(path_, table_.source()) + what;
    }
    const std::string& error() const { return error_; }

  private:
    void wrong(const toml::node& node, const char* key, const std::string& wanted) {
        if (error_.empty()) error_ = place(path_, node.source()) + key + " is not " + wanted;
    }

    const toml::table& table_;
    const std::string& path_;
    std::string error_;
};

bool is_form_name(const std::string& name) {
    return !name.empty() && std::ranges::none_of(name, [](char c) {
        return c == ' ' || c == '#' || static_cast<unsigned char>(c) < ' ';
    });
}

Expected<BootGuest> read_guest(const toml::table& table, const std::string& path) {
    BootGuest guest;
    Reader reader(table, path);
    reader.known_keys_only();
    reader.text("name", guest.name);
    reader.text("script", guest.script);
    reader.texts("arguments", guest.arguments);
    reader.texts("serial", guest.serial);
    reader.texts("screen", guest.screen);
    reader.texts("needs", guest.needs);
    reader.number("status", guest.status, 0, 255);
    reader.number("seconds", guest.seconds, 1, 1'000'000);
    if (!is_form_name(guest.name)) reader.complain("a guest needs a name, without spaces and #");
    if (guest.arguments.empty()) reader.complain("guest '" + guest.name + "' has no arguments: nothing to start");
    if (!reader.error().empty()) return fail(reader.error());
    const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
    for (std::string& argument : guest.arguments) {
        for (std::size_t at = 0; (at = argument.find("{dir}", at)) != std::string::npos;) {
            argument.replace(at, 5, folder.string());
            at += folder.string().size();
        }
    }
    for (std::string& file : guest.needs) file = (folder / file).string();
    return guest;
}

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        switch (c) {
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        case '"':
        case '\\': out += '\\'; [[fallthrough]];
        default: out += c;
        }
    }
    return out + "\"";
}

} // namespace

Expected<std::vector<BootGuest>> parse_guest_list(const std::string& text, const std::string& path) {
    toml::table root;
    try {
        root = toml::parse(text, path);
    } catch (const toml::parse_error& error) {
        return fail(place(path, error.source()) + std::string(error.description()));
    }
    const toml::array* list = root["guest"].as_array();
    if (!list || root.size() != 1) return fail(path + ": a list of guests has [[guest]] tables, and nothing else");
    std::vector<BootGuest> guests;
    for (const toml::node& node : *list) {
        if (!node.is_table()) return fail(place(path, node.source()) + "a guest is a table: [[guest]]");
        auto guest = read_guest(*node.as_table(), path);
        if (!guest) return fail(guest.error().message);
        if (std::ranges::any_of(guests, [&](const BootGuest& g) { return g.name == guest->name; }))
            return fail(place(path, node.source()) + "there is another guest '" + guest->name + "'");
        guests.push_back(*std::move(guest));
    }
    return guests;
}

Expected<std::vector<BootGuest>> read_guest_list(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in) return fail("cannot read " + path);
    return parse_guest_list(text.str(), path);
}

std::string script_of(const BootGuest& guest) {
    std::string out = guest.script;
    if (!out.empty() && !out.ends_with('\n')) out += '\n';
    const std::string limit = " " + std::to_string(guest.seconds) + "s\n";
    for (const std::string& text : guest.serial) out += "wait-serial " + quoted(text) + limit;
    for (const std::string& text : guest.screen) out += "wait-screen " + quoted(text) + limit;
    if (!guest.serial.empty() || !guest.screen.empty()) out += "power-off\n";
    return out;
}

} // namespace glassbox::conformance
