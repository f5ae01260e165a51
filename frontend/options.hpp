// What one start of the program was asked to do, from the command line and MACHINE.toml together.
#pragma once

#include "frontend/debug_options.hpp"
#include "frontend/trace_filter.hpp"
#include "frontend/values.hpp"
#include "machine/config.hpp"

#include <optional>
#include <string>
#include <vector>

namespace glassbox {

enum class DisplayKind : u8 { automatic, sdl, terminal, none };
enum class ClockKind : u8 { automatic, virtual_time, realtime };

struct Options {
    MachineConfig machine;
    DisplayKind display = DisplayKind::automatic;
    ClockKind clock = ClockKind::automatic;
    std::vector<Endpoint> serial; ///< COM1, COM2 …
    std::optional<Endpoint> parallel, debug_console;
    u64 max_instructions = ~u64{0};
    Time max_time = never;
    std::string trace, save, load, script, screenshot; ///< paths; empty: not asked for
    TraceFilter trace_filter;
    bool trace_filtered = false;
    bool state_hash = false;
    DebugOptions debug;
    std::optional<EngineOptions> lockstep; ///< the engine of a second machine to compare with
    std::optional<u64> lockstep_every;
};

/// What the command line comes to: a machine to run, or a text to print and end with status 0.
struct CommandLine {
    Options options;
    std::string print;
};

/// `arguments` without the program's name.
Expected<CommandLine> parse_command_line(const std::vector<std::string>& arguments);

/// Adds the settings of a MACHINE.toml. Relative paths in it are relative to its folder.
Expected<> read_config_file(Options& options, const std::string& path);
/// The same for a text; `path` is for messages and relative paths.
Expected<> read_config_text(Options& options, const std::string& text, const std::string& path);

/// What a single option cannot know: combinations that make no sense, too many drives, nothing to boot.
Expected<> check_options(const Options& options);

/// Whether there is anything to boot or to go on with; else the firmware finds nothing.
bool boots_something(const Options& options);

/// All of --help.
std::string help_text();
/// `glassbox debug --help`: what belongs to the debugger.
std::string debugger_help_text();

inline constexpr std::string_view version_text = "GlassBox 0.1";
inline constexpr u64 memory_minimum = u64{1} << 20;
inline constexpr u64 memory_maximum = u64{16} << 30;
inline constexpr u64 lockstep_memory_maximum = u64{3584} << 20;
inline constexpr u64 processors_maximum = 64;

} // namespace glassbox
