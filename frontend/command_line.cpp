// The command line: the table of settings handed to CLI11, and the checks that need all options together.
#include "cpu/features.hpp"
#include "frontend/settings.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>

namespace glassbox {

namespace {

struct Given {
    const Setting* setting = nullptr;
    std::vector<std::string> values;
    CLI::Option* option = nullptr;
};

void describe_options(CLI::App& app, std::vector<Given>& given) {
    given.resize(all_settings().size());
    for (std::size_t i = 0; i < given.size(); ++i) {
        const Setting& setting = all_settings()[i];
        const std::string name = dashed(setting);
        given[i].setting = &setting;
        // Without extra arguments: "--disk a.img MACHINE.toml" is one disk.
        given[i].option =
            is_flag(setting) ? app.add_flag(name) : app.add_option(name, given[i].values)->allow_extra_args(false);
        if (!setting.value.empty()) given[i].option->type_name(std::string(setting.value));
    }
}

/// CLI11 takes --flag=VALUE, too: "true" stands for no value.
Expected<> apply_flag(Options& options, const Given& given, const std::string& name) {
    const std::string& result = given.option->results().back();
    const std::string value = result == "true" ? "" : result;
    if (!value.empty() && !is_optional(*given.setting)) return fail(name + " takes no value: not '" + value + "'");
    if (auto applied = given.setting->apply(options, value, {}); !applied)
        return fail(name + ": " + applied.error().message);
    return {};
}

Expected<> apply_given(Options& options, const Given& given) {
    if (given.option->count() == 0) return {};
    const Setting& setting = *given.setting;
    const std::string name = dashed(setting);
    if (is_flag(setting)) return apply_flag(options, given, name);
    if (given.values.size() > 1 && !setting.repeats) return fail(name + " is given more than once");
    if (setting.clear != nullptr) setting.clear(options);
    for (const std::string& value : given.values) {
        if (auto applied = setting.apply(options, value, {}); !applied) {
            return fail(name + ": " + applied.error().message);
        }
    }
    return {};
}

/// A recording says what the machine is; only where its files are now may differ.
Expected<> check_replay(const std::vector<Given>& given, const std::string& config) {
    static constexpr std::array<std::string_view, 7> files = {"disk",   "cdrom", "floppy", "kernel",
                                                              "initrd", "bios",  "vgabios"};
    const auto is_given = [&](std::string_view name) {
        return std::ranges::any_of(
            given, [&](const Given& one) { return one.setting->name == name && one.option->count() != 0; });
    };
    if (!is_given("replay")) return {};
    if (!config.empty()) return fail("--replay brings its own machine: no MACHINE.toml");
    const std::string_view machine = find_setting("memory")->group, media = find_setting("disk")->group;
    for (const Given& one : given) {
        const std::string_view group = one.setting->group;
        if (one.option->count() == 0 || (group != machine && group != media)) continue;
        if (std::ranges::find(files, one.setting->name) != files.end()) continue;
        return fail("--replay brings its own machine: " + dashed(*one.setting) +
                    " has no place beside it, only the names of files (--disk, --cdrom, --floppy, --kernel, --initrd, "
                    "--bios, --vgabios)");
    }
    return {};
}

/// What was probably meant by a name that is no MACHINE.toml.
std::string positional_hint(const std::string& name) {
    for (const auto& [ending, option] :
         {std::pair{".iso", "--cdrom"}, {".img", "--disk"}, {".qcow2", "--disk"}, {".ima", "--floppy"}}) {
        if (name.ends_with(ending)) return "; did you mean " + std::string(option) + " " + name + "?";
    }
    return {};
}

std::string usage_error(const std::string& message) {
    // CLI11 ends some of its messages with a line break.
    std::string text = message;
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    return text + " (glassbox --help lists the options)";
}

Expected<> check_drives(const MachineConfig& machine) {
    if (machine.floppies.size() > 2) return fail("there are two floppy drives: --floppy is given too often");
    if (machine.disks.size() + (machine.cdrom ? 1 : 0) > 4) {
        return fail("there are four IDE drives: too many of --disk and --cdrom");
    }
    if (std::ranges::any_of(machine.floppies, &DriveConfig::discard_writes)) {
        return fail("--floppy takes readonly, not discard-writes");
    }
    return {};
}

Expected<> check_bootable(const Options& options) {
    // Who is in the debugger from the first instruction on may look at the firmware alone.
    if (boots_something(options) || options.debug.enter) return {};
    return fail("nothing to boot: give --disk FILE, --cdrom FILE, --floppy FILE or --kernel FILE, "
                "or --demo for the built-in guest (glassbox --help shows everything)");
}

Expected<> check_stdio(const Options& options) {
    const auto is_stdio = [](const Endpoint& e) { return e.kind == Endpoint::Kind::stdio; };
    const auto serial = std::ranges::count_if(options.serial, is_stdio);
    if (serial > 1)
        return fail("--serial stdio: one port can have standard input and output, not " + std::to_string(serial));
    const bool debug = options.debug_console && is_stdio(*options.debug_console);
    if (options.display == DisplayKind::terminal && (serial > 0 || debug || options.trace == "-")) {
        return fail("--display terminal needs the terminal for itself: send what goes to stdio to a file or a pty");
    }
    return {};
}

Expected<> check_debug(const Options& options) {
    const DebugOptions& debug = options.debug;
    if (debug.any() && options.lockstep) return fail("--lockstep and the debugger exclude each other");
    if (debug.enter && options.display == DisplayKind::terminal) {
        return fail("--display terminal and the debugger's console both want the terminal: "
                    "use --display none, and the command 'screen' to see the guest's");
    }
    if (debug.gdb_options.arch != gdb::Arch::automatic && !debug.gdb) return fail("--gdb-arch needs --gdb PORT");
    if (!debug.record.empty() && !debug.replay.empty()) return fail("--record and --replay exclude each other");
    if (!debug.replay.empty() && !options.script.empty()) return fail("--replay brings the inputs: no --script");
    if (!debug.replay.empty() && !options.load.empty()) return fail("--replay brings its own beginning: no --load");
    if (options.lockstep && !(debug.record.empty() && debug.replay.empty()))
        return fail("--lockstep goes with neither --record nor --replay");
    return {};
}

} // namespace

bool boots_something(const Options& options) {
    const MachineConfig& machine = options.machine;
    const bool own_firmware = !machine.bios.empty();
    return !machine.disks.empty() || machine.cdrom || !machine.floppies.empty() || machine.kernel || machine.demo ||
           !options.load.empty() || !options.debug.replay.empty() || own_firmware;
}

Expected<> check_options(const Options& options) {
    const MachineConfig& machine = options.machine;
    if (auto drives = check_drives(machine); !drives) return drives;
    if (machine.initrd && !machine.kernel) return fail("--initrd needs --kernel");
    if (!machine.append.empty() && !machine.kernel) return fail("--append needs --kernel");
    if (machine.demo && machine.kernel) return fail("--demo and --kernel exclude each other");
    if (machine.demo && machine.floppies.size() > 1) {
        return fail("--demo takes the first floppy drive: only one --floppy is left");
    }
    if (options.serial.size() > 4) return fail("there are four serial ports: --serial is given too often");
    if (options.lockstep && !options.trace.empty()) {
        return fail("--lockstep and --trace exclude each other: a traced processor goes step by step");
    }
    if (options.lockstep && machine.memory_bytes > lockstep_memory_maximum) {
        return fail(
            "--lockstep holds two machines and a copy of their memory, so it takes 3584M at most: use a smaller "
            "--memory");
    }
    if (options.lockstep_every && !options.lockstep) return fail("--lockstep-every needs --lockstep LIST");
    if (options.trace_filtered && options.trace.empty()) return fail("--trace-filter needs --trace FILE");
    if (auto debug = check_debug(options); !debug) return debug;
    if (auto stdio = check_stdio(options); !stdio) return stdio;
    return check_bootable(options);
}

Expected<CommandLine> parse_command_line(const std::vector<std::string>& arguments) {
    CLI::App app{"GlassBox", "glassbox"};
    std::string config;
    app.add_option("MACHINE.toml", config);
    bool version = false;
    app.add_flag("--version", version);
    std::vector<Given> given;
    describe_options(app, given);

    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend()); // as CLI11 wants them
    const bool debug = !reversed.empty() && reversed.back() == "debug";
    if (debug || (!reversed.empty() && reversed.back() == "run")) reversed.pop_back();
    try {
        app.parse(reversed);
    } catch (const CLI::CallForHelp&) {
        return CommandLine{{}, debug ? debugger_help_text() : help_text()};
    } catch (const CLI::ParseError& error) {
        return fail(usage_error(error.what()));
    }
    for (const Given& one : given) {
        if (one.setting->name == "cpu" && one.values == std::vector<std::string>{"help"})
            return CommandLine{{}, cpu_model_help()};
    }
    if (version) return CommandLine{{}, std::string(version_text) + "\n"};

    CommandLine line;
    if (auto alone = check_replay(given, config); !alone) return tl::unexpected(alone.error());
    if (!config.empty()) {
        if (!config.ends_with(".toml")) return fail("'" + config + "' is not a MACHINE.toml" + positional_hint(config));
        if (auto read = read_config_file(line.options, config); !read) return fail(read.error().message);
    }
    for (const Given& one : given) {
        if (auto applied = apply_given(line.options, one); !applied) return fail(applied.error().message);
    }
    line.options.debug.enter = debug;
    if (auto checked = check_options(line.options); !checked) return fail(checked.error().message);
    line.options.machine.serial_ports = std::max(1u, static_cast<unsigned>(line.options.serial.size()));
    return line;
}

} // namespace glassbox
