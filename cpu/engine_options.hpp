// Switches of the engine's shortcuts. Every combination gives identical results: they exist to prove exactly that
// (docs/engine-proof.md) and to find out which shortcut is to blame when they do not. They act where blocks are built,
// found and linked; what runs is not asked.
#pragma once

#include "bus/error.hpp"

#include <string>
#include <string_view>

namespace glassbox {

struct EngineOptions {
    bool cache = true; ///< off: every block is decoded afresh each time it is entered
    bool chain = true; ///< off: no links and no jump cache, every block returns to the main loop
    bool fuse = true;  ///< off: one handler an instruction, all flags computed, and only the slow road to memory

    bool operator==(const EngineOptions&) const = default;
};

/// "no-cache,no-chain,no-fuse" in any choice and order; an empty list turns nothing off.
Expected<EngineOptions> parse_engine_options(std::string_view list);
/// The same list back; empty when everything is on.
std::string name_of(const EngineOptions& options);

} // namespace glassbox
