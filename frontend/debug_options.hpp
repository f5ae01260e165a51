// What the command line says about the debugger, recordings and checks.
#pragma once

#include "bus/types.hpp"
#include "debugger/gdb/server.hpp"
#include "machine/history/timeline.hpp"

#include <optional>
#include <string>
#include <vector>

namespace glassbox {

struct DebugOptions {
    struct SymbolFile {
        std::string path;
        u64 offset = 0;
    };

    bool enter = false; ///< `glassbox debug`: stopped before the first instruction
    std::vector<std::string> breaks;
    bool break_at_boot = false, magic_break = false, on_triple_fault = false;
    std::vector<SymbolFile> symbols;
    std::vector<std::string> scripts; ///< -x
    std::optional<GdbServer::Endpoint> gdb;
    GdbOptions gdb_options;
    bool history = true;
    u64 history_memory = u64{1} << 30;
    std::string record, replay;            ///< paths; empty: not asked for
    bool colours = true;                   ///< at a terminal that has them
    bool lint = false, lint_fails = false; ///< --lint, --lint=error

    HistoryOptions history_options() const {
        HistoryOptions options;
        options.memory_budget = history_memory;
        return options;
    }
    /// Something of it needs the debugger from the first instruction on.
    bool any() const {
        return enter || !breaks.empty() || break_at_boot || magic_break || on_triple_fault || !scripts.empty() || gdb;
    }
};

} // namespace glassbox
