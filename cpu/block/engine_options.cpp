#include "cpu/engine_options.hpp"

#include <array>
#include <utility>

namespace glassbox {

namespace {
constexpr std::array<std::pair<std::string_view, bool EngineOptions::*>, 3> switches = {
    {{"no-cache", &EngineOptions::cache}, {"no-chain", &EngineOptions::chain}, {"no-fuse", &EngineOptions::fuse}}};

bool turn_off(EngineOptions& options, std::string_view word) {
    for (const auto& [name, member] : switches) {
        if (word != name) continue;
        options.*member = false;
        return true;
    }
    return false;
}
} // namespace

Expected<EngineOptions> parse_engine_options(std::string_view list) {
    EngineOptions options;
    while (!list.empty()) {
        const auto comma = list.find(',');
        const std::string_view word = list.substr(0, comma);
        list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
        if (!turn_off(options, word) || (list.empty() && comma != std::string_view::npos))
            return fail("'" + std::string(word) + "' is none of no-cache, no-chain, no-fuse");
    }
    return options;
}

std::string name_of(const EngineOptions& options) {
    std::string list;
    for (const auto& [name, member] : switches) {
        if (!(options.*member)) list += (list.empty() ? "" : ",") + std::string(name);
    }
    return list;
}

} // namespace glassbox
