// The table of all options.
#include "frontend/settings.hpp"

#include "cpu/features.hpp"

#include <algorithm>
#include <array>

namespace glassbox {

namespace {

using Path = std::filesystem::path;
using Text = const std::string&;

std::string resolve(Text path, const Path& folder) {
    if (path.empty() || folder.empty() || Path(path).is_absolute()) return path;
    return (folder / path).string();
}

/// Stores a parsed value, or passes the parser's error on.
template <class Target, class T> Expected<> store(Target& target, Expected<T> parsed) {
    if (!parsed) return fail(parsed.error().message);
    target = static_cast<Target>(*std::move(parsed));
    return {};
}

Expected<> store_path(std::string& target, Text value, const Path& folder) {
    if (value.empty()) return fail("the file's name is empty");
    target = resolve(value, folder);
    return {};
}

Expected<> add_drive(std::vector<DriveConfig>& drives, Text value, const Path& folder) {
    auto drive = parse_drive(resolve(value, folder));
    if (!drive) return fail(drive.error().message);
    drives.push_back(*std::move(drive));
    return {};
}

Expected<Endpoint> endpoint(Text value, const Path& folder) {
    auto result = parse_endpoint(value);
    if (result && result->kind == Endpoint::Kind::file) result->target = resolve(result->target, folder);
    return result;
}

template <class Enum, std::size_t N>
Expected<> choose(Enum& target, Text value, const std::array<std::pair<std::string_view, Enum>, N>& choices) {
    std::string names;
    for (const auto& [name, choice] : choices) {
        if (name == value) {
            target = choice;
            return {};
        }
        names += (names.empty() ? "" : ", ") + std::string(name);
    }
    return fail("'" + value + "' is none of " + names);
}

// --- Machine ---

Expected<> set_memory(Options& o, Text value, const Path&) {
    const auto size = parse_size(value);
    if (!size) return fail(size.error().message);
    if (*size < memory_minimum || *size > memory_maximum) {
        return fail("'" + value + "' is out of range: a machine has from 1M to 16G of memory");
    }
    if (*size % page_size != 0) return fail("'" + value + "' is not a multiple of 4K");
    o.machine.memory_bytes = *size;
    return {};
}

Expected<> set_processors(Options& o, Text value, const Path&) {
    const auto count = parse_count(value);
    if (!count) return fail(count.error().message);
    if (*count < 1 || *count > processors_maximum)
        return fail("'" + value + "' is out of range: a machine has from 1 to " + std::to_string(processors_maximum) +
                    " processors");
    o.machine.processors = static_cast<unsigned>(*count);
    return {};
}

/// What a machine can have: its firmware is 32-bit code.
bool fits_machine(const CpuModel& model) { return model.features.has(Feature::i386); }

std::string machine_models() {
    std::string names;
    for (const std::string& name : split(cpu_model_names(), ' ')) {
        const CpuModel* model = find_cpu_model(name);
        if (model && fits_machine(*model)) names += (names.empty() ? "" : ", ") + name;
    }
    return names;
}

Expected<> set_cpu(Options& o, Text value, const Path&) {
    if (!find_cpu_model(value.substr(0, value.find(',')))) {
        return fail("'" + value.substr(0, value.find(',')) + "' is none of " + machine_models());
    }
    const auto model = parse_cpu_model(value);
    if (!model) return fail(model.error().message);
    if (!fits_machine(*model)) {
        return fail(
            "a machine cannot have a " + value +
            ": its firmware, SeaBIOS, needs a 386 (`glassbox conform moo` runs the bare processor); there are " +
            machine_models());
    }
    o.machine.cpu_model = value;
    return {};
}

Expected<> set_boot(Options& o, Text value, const Path&) {
    std::vector<std::string> order = split(value, ',');
    for (auto it = order.begin(); it != order.end(); ++it) {
        if (*it != "disk" && *it != "cdrom" && *it != "floppy") {
            return fail("'" + *it + "' is none of disk, cdrom, floppy");
        }
        if (std::find(order.begin(), it, *it) != it) return fail("'" + *it + "' is named twice");
    }
    o.machine.boot = std::move(order);
    return {};
}

Expected<> set_cdrom(Options& o, Text value, const Path& folder) {
    o.machine.cdrom = value == "none" ? std::string() : resolve(value, folder);
    return {};
}

Expected<> set_optional_path(std::optional<std::string>& target, Text value, const Path& folder) {
    return store_path(target.emplace(), value, folder);
}

Expected<> set_exit_port(Options& o, Text value, const Path&) {
    return store(o.machine.exit_port, parse_number(value, 0xFFFF));
}

Expected<> set_test_device(Options& o, Text, const Path&) {
    constexpr u16 usual_exit_port = 0xF4;
    o.machine.test_device = true;
    if (!o.machine.exit_port) o.machine.exit_port = usual_exit_port;
    return {};
}

Expected<> set_hostile(Options& o, Text value, const Path&) {
    return store(o.machine.hostile_seed.emplace(), parse_number(value, ~u64{0}));
}

enum class TripleFault : u8 { reset, stop, debug };
Expected<> set_triple_fault(Options& o, Text value, const Path&) {
    constexpr std::array<std::pair<std::string_view, TripleFault>, 3> choices = {
        {{"reset", TripleFault::reset}, {"stop", TripleFault::stop}, {"debug", TripleFault::debug}}};
    TripleFault action{};
    if (auto chosen = choose(action, value, choices); !chosen) return chosen;
    o.machine.stop_on_triple_fault = action != TripleFault::reset;
    o.debug.on_triple_fault = action == TripleFault::debug;
    return {};
}

// --- Front end ---

Expected<> set_display(Options& o, Text value, const Path&) {
    constexpr std::array<std::pair<std::string_view, DisplayKind>, 3> choices = {
        {{"sdl", DisplayKind::sdl}, {"terminal", DisplayKind::terminal}, {"none", DisplayKind::none}}};
    return choose(o.display, value, choices);
}

Expected<> set_clock(Options& o, Text value, const Path&) {
    constexpr std::array<std::pair<std::string_view, ClockKind>, 2> choices = {
        {{"virtual", ClockKind::virtual_time}, {"realtime", ClockKind::realtime}}};
    return choose(o.clock, value, choices);
}

Expected<> set_ips(Options& o, Text value, const Path&) {
    const auto speed = parse_count(value);
    if (!speed) return fail(speed.error().message);
    if (*speed < 1'000 || *speed > 1'000'000'000'000) return fail("'" + value + "' is out of range: from 1K to 1000G");
    o.machine.instructions_per_second = *speed;
    return {};
}

Expected<> add_serial(Options& o, Text value, const Path& folder) {
    return store(o.serial.emplace_back(), endpoint(value, folder));
}

Expected<> set_parallel(Options& o, Text value, const Path& folder) {
    auto result = endpoint(value, folder);
    if (!result) return fail(result.error().message);
    if (result->kind != Endpoint::Kind::file) return fail("'" + value + "': a parallel port writes to file:PATH");
    o.parallel = *std::move(result);
    return {};
}

Expected<> set_debugcon(Options& o, Text value, const Path& folder) {
    auto result = endpoint(value, folder);
    if (!result) return fail(result.error().message);
    if (result->kind != Endpoint::Kind::file && result->kind != Endpoint::Kind::stdio) {
        return fail("'" + value + "': the debug console writes to stdio or file:PATH");
    }
    o.debug_console = *std::move(result);
    return {};
}

Expected<> set_max_seconds(Options& o, Text value, const Path&) { return store(o.max_time, parse_duration(value)); }

Expected<> set_trace_filter(Options& o, Text value, const Path&) {
    o.trace_filtered = true;
    return add_trace_filter(o.trace_filter, value);
}

Expected<> set_engine(Options& o, Text value, const Path&) {
    return store(o.machine.engine, parse_engine_options(value));
}

Expected<> set_lockstep(Options& o, Text value, const Path&) {
    return store(o.lockstep.emplace(), parse_engine_options(value));
}

Expected<> set_lockstep_every(Options& o, Text value, const Path&) {
    const auto count = parse_count(value);
    if (!count) return fail(count.error().message);
    if (*count == 0) return fail("'" + value + "' is out of range: at least 1");
    o.lockstep_every = *count;
    return {};
}

Expected<> set_state_hash(Options& o, Text, const Path&) {
    o.state_hash = true;
    return {};
}

// --- Debugger ---

Expected<> add_symbols(Options& o, Text value, const Path& folder) {
    DebugOptions::SymbolFile file;
    std::string path = value;
    if (const std::size_t at = path.rfind('@'); at != std::string::npos) {
        const auto offset = parse_number(path.substr(at + 1), ~u64{0});
        if (!offset) return fail("'" + value + "': behind @ stands the number that is added to every address");
        file.offset = *offset;
        path.resize(at);
    }
    if (auto stored = store_path(file.path, path, folder); !stored) return stored;
    o.debug.symbols.push_back(std::move(file));
    return {};
}

Expected<> set_gdb(Options& o, Text value, const Path&) {
    GdbServer::Endpoint endpoint;
    const std::size_t colon = value.rfind(':');
    if (colon != std::string::npos) endpoint.host = value.substr(0, colon);
    if (endpoint.host.size() > 2 && endpoint.host.front() == '[') // an IPv6 address
        endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
    const auto port = parse_number(value.substr(colon == std::string::npos ? 0 : colon + 1), 0xFFFF);
    if (!port) return fail("'" + value + "' is not [HOST:]PORT: " + port.error().message);
    endpoint.port = static_cast<u16>(*port);
    o.debug.gdb = endpoint;
    return {};
}

Expected<> set_gdb_arch(Options& o, Text value, const Path&) {
    constexpr std::array<std::pair<std::string_view, gdb::Arch>, 4> choices = {{{"auto", gdb::Arch::automatic},
                                                                                {"i8086", gdb::Arch::i8086},
                                                                                {"i386", gdb::Arch::i386},
                                                                                {"x86-64", gdb::Arch::x86_64}}};
    return choose(o.debug.gdb_options.arch, value, choices);
}

Expected<> set_colour(Options& o, Text value, const Path&) {
    constexpr std::array<std::pair<std::string_view, bool>, 2> choices = {{{"auto", true}, {"never", false}}};
    return choose(o.debug.colours, value, choices);
}

Expected<> set_lint(Options& o, Text value, const Path&) {
    if (!value.empty() && value != "error") return fail("'" + value + "' is none of error (or nothing)");
    o.debug.lint = true;
    o.debug.lint_fails = value == "error";
    return {};
}

template <bool DebugOptions::* flag> Expected<> set_debug_flag(Options& o, Text, const Path&) {
    o.debug.*flag = true;
    return {};
}

Expected<> set_demo(Options& o, Text, const Path&) {
    o.machine.demo = true;
    return {};
}

constexpr std::string_view machine = "The machine", media = "Drives and what to boot", ports = "Display and ports",
                           running = "Running", looking = "Looking inside", debugging = "The debugger";

const std::string cpu_help =
    machine_models() + " (max is the default); features can be added and taken away; an instruction that the model "
                       "lacks raises #UD; --cpu help lists models and features";

const std::array settings = {
    Setting{"memory", "SIZE", machine, "Memory, from 1M to 16G: 640K, 64M, 1G … (default 128M)", false, set_memory},
    Setting{"smp", "N", machine, "Processors, from 1 to 64 (default 1); they take turns, the same in every run", false,
            set_processors},
    Setting{"cpu", "MODEL[,+FEATURE][,-FEATURE]", machine, cpu_help, false, set_cpu},
    Setting{"bios", "FILE", machine, "System firmware (default: SeaBIOS of Debian's package seabios)", false,
            [](Options& o, Text v, const Path& f) { return store_path(o.machine.bios, v, f); }},
    Setting{"vgabios", "FILE", machine, "Display firmware (default: stdvga of Debian's package seabios)", false,
            [](Options& o, Text v, const Path& f) { return store_path(o.machine.vgabios, v, f); }},
    Setting{"rtc", "DATE", machine,
            "The clock at power-on: host, seconds since 1970, 2026-01-31 or 2026-01-31T12:30:00, UTC (default "
            "2026-01-01)",
            false, [](Options& o, Text v, const Path&) { return store(o.machine.rtc_base, parse_rtc(v)); }},
    Setting{"exit-port", "PORT", machine,
            "An I/O port: a byte V written there ends the run with status (V<<1)|1 (default: none)", false,
            set_exit_port},
    Setting{
        "test-device", "", machine,
        "The device that kvm-unit-tests drive (QEMU's pc-testdev), with an exit port at F4h unless another is given",
        false, set_test_device},
    Setting{"on-triple-fault", "ACTION", machine,
            "reset (default), stop, which ends the run with status 2, or debug, which enters the debugger", false,
            set_triple_fault},

    Setting{"hostile", "SEED", machine,
            "Memory and registers hold anything at power-on, and timers are late, as the number says: what the manuals "
            "leave undefined",
            false, set_hostile},

    Setting{"disk", "FILE[,discard-writes][,readonly]", media,
            "A hard disk image, raw or qcow2; discard-writes keeps all writes in memory; repeat for up to 4 drives "
            "with the CD-ROM",
            true, [](Options& o, Text v, const Path& f) { return add_drive(o.machine.disks, v, f); },
            [](Options& o) { o.machine.disks.clear(); }},
    Setting{"cdrom", "FILE", media, "A CD-ROM image (ISO); none is a drive without a disc", false, set_cdrom},
    Setting{"floppy", "FILE[,readonly]", media, "A floppy image of 160K to 2.88M; repeat for the second drive", true,
            [](Options& o, Text v, const Path& f) { return add_drive(o.machine.floppies, v, f); },
            [](Options& o) { o.machine.floppies.clear(); }},
    Setting{"boot", "ORDER", media, "What to boot from, in order (default disk,cdrom,floppy)", false, set_boot},
    Setting{"kernel", "FILE", media, "Boots a kernel directly: Linux (bzImage or ELF), multiboot or multiboot2", false,
            [](Options& o, Text v, const Path& f) { return set_optional_path(o.machine.kernel, v, f); }},
    Setting{"initrd", "FILE", media,
            "The initial RAM disk for --kernel; of multiboot the modules: FILE WORDS,FILE WORDS", false,
            [](Options& o, Text v, const Path& f) { return set_optional_path(o.machine.initrd, v, f); }},
    Setting{"append", "TEXT", media, "The command line for --kernel", false,
            [](Options& o, Text v, const Path&) { return store(o.machine.append, Expected<std::string>(v)); }},
    Setting{"demo", "", media, "Boots the built-in demo guest", false, set_demo},

    Setting{"display", "KIND", ports,
            "sdl (a window), terminal or none; default: a window if there is a display, else the terminal if it is "
            "one, else none",
            false, set_display},
    Setting{"serial", "WHERE", ports,
            "stdio, none, file:PATH, pty or tcp:HOST:PORT[,listen]; the first is COM1, repeat for COM2 to COM4", true,
            add_serial, [](Options& o) { o.serial.clear(); }},
    Setting{"parallel", "file:PATH", ports, "What the guest prints on LPT1 goes to the file", false, set_parallel},
    Setting{"debugcon", "stdio|file:PATH", ports, "What the guest writes to port E9h goes there", false, set_debugcon},

    Setting{"clock", "KIND", running,
            "virtual: time is the number of executed instructions, idle time is skipped (default without a window); "
            "realtime: time follows the host's clock (default with a window)",
            false, set_clock},
    Setting{"ips", "N", running, "Instructions in a second of virtual time (default 500M)", false, set_ips},
    Setting{"max-instructions", "N", running, "Ends the run with status 3 after N instructions", false,
            [](Options& o, Text v, const Path&) { return store(o.max_instructions, parse_count(v)); }},
    Setting{"max-seconds", "S", running, "Ends the run with status 3 after S seconds of guest time", false,
            set_max_seconds},
    Setting{"script", "FILE", running, "Drives the machine; the language is below", false,
            [](Options& o, Text v, const Path& f) { return store_path(o.script, v, f); }},
    Setting{"load", "FILE", running, "Starts from a snapshot of the same machine", false,
            [](Options& o, Text v, const Path& f) { return store_path(o.load, v, f); }},
    Setting{"save", "FILE", running, "Saves a snapshot when the run ends", false,
            [](Options& o, Text v, const Path& f) { return store_path(o.save, v, f); }},

    Setting{
        "engine", "LIST", looking,
        "Does without shortcuts of the engine: no-cache, no-chain, no-fuse with commas between them; slower, and the "
        "guest sees no difference (docs/engine-proof.md)",
        false, set_engine},
    Setting{
        "lockstep", "LIST", looking,
        "Runs a second machine with the same inputs and --engine LIST beside the first, compares them, and ends the "
        "run with status 6 and the instruction at the first difference; all writes to drives are discarded, media "
        "put in later are read-only",
        false, set_lockstep},
    Setting{"lockstep-every", "N", looking,
            "Instructions between comparisons of the processors (default 100K); all else is compared every 10M and at "
            "the end",
            false, set_lockstep_every},
    Setting{"state-hash", "", looking, "Prints 'state-hash: ' and 16 hexadecimal digits when the run ends", false,
            set_state_hash},
    Setting{"screenshot", "FILE.png", looking, "Writes the screen when the run ends", false,
            [](Options& o, Text v, const Path& f) { return store_path(o.screenshot, v, f); }},
    Setting{"trace", "FILE", looking,
            "One line an instruction: count, CS:IP, bytes, disassembly, changed registers; - is standard output", false,
            [](Options& o, Text v, const Path& f) {
                return v == "-" ? store_path(o.trace, v, {}) : store_path(o.trace, v, f);
            }},
    Setting{"trace-filter", "WHAT", looking,
            "LO-HI (linear addresses, hexadecimal), user, kernel, from=COUNT, count=N; several with commas or by "
            "repeating",
            true, set_trace_filter, [](Options& o) { o.trace_filter = {}; }},

    Setting{"break", "PLACE", debugging,
            "Stops before the instruction at an address (7C00h, 0:7C00h, phys(7C00h)) or a symbol; repeats", true,
            [](Options& o, Text v, const Path&) { return o.debug.breaks.push_back(v), Expected<>{}; },
            [](Options& o) { o.debug.breaks.clear(); }},
    Setting{"break-at-boot", "", debugging, "Stops before the first instruction of the boot sector, 0:7C00h", false,
            set_debug_flag<&DebugOptions::break_at_boot>},
    Setting{"magic-break", "", debugging, "XCHG BX,BX stops the machine for the debugger", false,
            set_debug_flag<&DebugOptions::magic_break>},
    Setting{
        "symbols", "FILE[@OFFSET]", debugging,
        "Names for addresses: ELF with or without DWARF, System.map, lines of address and name, NASM's and Watcom's "
        "map files; repeats",
        true, add_symbols, [](Options& o) { o.debug.symbols.clear(); }},
    Setting{"x", "FILE", debugging,
            "Executes the debugger's commands in FILE, then those of standard input; one that fails ends the run with "
            "status 4 unless a terminal is there; repeats",
            true, [](Options& o, Text v, const Path& f) { return store_path(o.debug.scripts.emplace_back(), v, f); },
            [](Options& o) { o.debug.scripts.clear(); }},
    Setting{"gdb", "[HOST:]PORT", debugging,
            "Waits for gdb (target remote :PORT), beside the console; for this computer alone unless HOST is given",
            false, set_gdb},
    Setting{"gdb-arch", "ARCH", debugging,
            "The registers that gdb is told of: auto (default), i8086, i386 or x86-64 (docs/gdb.md)", false,
            set_gdb_arch},
    Setting{
        "record", "FILE", debugging,
        "Writes everything about the run to FILE: the machine, its inputs, checks of its state; what the guest writes "
        "to drives is forgotten at the end. An older recording in FILE is replaced, any other file is not",
        false, [](Options& o, Text v, const Path& f) { return store_path(o.debug.record, v, f); }},
    Setting{
        "replay", "FILE", debugging,
        "Does again what FILE recorded, on any host, and ends with status 6 where it differs; with debug, forwards and "
        "backwards. Files of drives and firmware that have moved are named as usual",
        false, [](Options& o, Text v, const Path& f) { return store_path(o.debug.replay, v, f); }},
    Setting{"lint", "[=error]", debugging,
            "Warns where the guest relies on what hardware does not promise, and sums it up at the end (docs/lint.md); "
            "with =error what it finds in the guest, firmware aside, ends the run with status 5",
            false, set_lint},
    Setting{"color", "WHEN", debugging,
            "auto (default): colours in what the debugger prints at a terminal, unless NO_COLOR is set; never", false,
            set_colour},
    Setting{"no-history", "", debugging, "Keeps nothing that going back needs", false,
            [](Options& o, Text, const Path&) { return o.debug.history = false, Expected<>{}; }},
    Setting{"history-memory", "SIZE", debugging, "How much memory of the host going back may take (default 1G)", false,
            [](Options& o, Text v, const Path&) { return store(o.debug.history_memory, parse_size(v)); }},
};

} // namespace

std::span<const Setting> all_settings() { return settings; }

const Setting* find_setting(std::string_view name) {
    const auto it = std::ranges::find(settings, name, &Setting::name);
    return it == settings.end() ? nullptr : &*it;
}

} // namespace glassbox
