// The program from its arguments to its exit status: opens what the options name, builds the machine, runs it.
#include "frontend/program.hpp"

#include "frontend/debug_desk.hpp"
#include "frontend/options.hpp"
#include "frontend/session.hpp"
#include "tests/x86-conformance/runner/command.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <unistd.h>

namespace glassbox {

namespace {

void complain(std::string_view message) {
    std::string line = "glassbox: " + std::string(message);
    if (!line.ends_with('\n')) line += '\n';
    if (::write(STDERR_FILENO, line.data(), line.size()) < 0) {
        // There is nowhere left to say so.
    }
}

bool has_value(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0';
}

bool uses_standard_streams(const Options& options) {
    const auto is_stdio = [](const Endpoint& e) { return e.kind == Endpoint::Kind::stdio; };
    return std::ranges::any_of(options.serial, is_stdio) || options.trace == "-" ||
           (options.debug_console && is_stdio(*options.debug_console));
}

bool has_display() { return has_value("DISPLAY") || has_value("WAYLAND_DISPLAY"); }

/// Whether the terminal is one, and not used for something else.
bool has_free_terminal(const Options& options) {
    return ::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0 && !uses_standard_streams(options);
}

Expected<std::unique_ptr<Display>> open_display(DisplayKind kind) {
    switch (kind) {
    case DisplayKind::sdl: return make_sdl_window();
    case DisplayKind::terminal: return make_terminal_display();
    case DisplayKind::automatic:
    case DisplayKind::none: break;
    }
    return std::unique_ptr<Display>();
}

struct FileCloser {
    void operator()(std::FILE* file) const {
        if (file == stdout) {
            std::fflush(file);
        } else {
            std::fclose(file);
        }
    }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

Expected<File> open_trace(const std::string& path) {
    if (path == "-") return File(stdout);
    File file(std::fopen(path.c_str(), "w"));
    if (!file) return fail("cannot write " + path + ": " + std::strerror(errno));
    return file;
}

/// A slip of the hand must not cost a disk image: what is replaced is a recording, or empty.
Expected<> may_be_replaced(const std::string& path) {
    if (std::error_code error; !std::filesystem::is_regular_file(path, error)) return {}; // what is wrong is said later
    constexpr std::string_view magic = "GLASSREC";
    std::string begin(magic.size(), '\0');
    std::ifstream file(path, std::ios::binary);
    if (!file.read(begin.data(), static_cast<std::streamsize>(begin.size()))) {
        if (file.gcount() == 0) return {};
    }
    if (begin == magic) return {};
    return fail("--record " + path + ": the file is there and is no recording; it is not replaced");
}

/// Everything a run needs, in the order in which it is built; torn down in reverse.
class Run {
  public:
    explicit Run(Options options) : options_(std::move(options)), out_(STDOUT_FILENO, signals_.fd()) {}

    Expected<int> start() {
        std::optional<Script> script;
        if (!options_.script.empty()) {
            auto read = read_script(options_.script);
            if (!read) return fail(read.error().message);
            script = *std::move(read);
        }
        if (!boots_something(options_))
            complain("nothing to boot: the firmware will find no medium (--disk, --cdrom, --floppy, --kernel, --demo)");
        if (auto built = build_machine(); !built) return fail(built.error().message);
        auto display = choose_display();
        if (!display) return fail(display.error().message);
        return run(std::move(script), *std::move(display));
    }

  private:
    Expected<> build_machine() {
        // What the guest writes to drives must be undone when it goes back.
        const DebugOptions& debug = options_.debug;
        options_.machine.keep_media = !debug.record.empty() || (debug.history && debug.any());
        std::optional<Recording> recording;
        if (!debug.replay.empty()) {
            auto opened = Recording::open(debug.replay);
            if (!opened) return fail(opened.error().message);
            recording.emplace(*std::move(opened));
            if (auto taken = take_recorded_machine(*recording); !taken) return taken;
        }
        auto ports = Ports::open(options_, out_, signals_.fd());
        if (!ports) return fail(ports.error().message);
        ports_ = *std::move(ports);
        auto guest = make_machine();
        if (!guest) return fail(guest.error().message);
        guest_ = *std::move(guest);
        if (!options_.load.empty()) {
            if (auto loaded = guest_->load(options_.load); !loaded) return loaded;
        }
        if (recording) {
            if (auto begun = guest_->replay(*std::move(recording), debug.history_options()); !begun) return begun;
        }
        if (!debug.record.empty()) {
            if (auto replaced = may_be_replaced(debug.record); !replaced) return replaced;
            if (auto begun = guest_->record(debug.record, debug.history_options()); !begun) return begun;
        }
        if (options_.trace.empty()) return {};
        auto file = open_trace(options_.trace);
        if (!file) return fail(file.error().message);
        trace_file_ = *std::move(file);
        tracer_ = std::make_unique<Tracer>(trace_file_.get(), options_.trace_filter);
        guest_->trace(*tracer_);
        return {};
    }

    /// The recorded machine, with its files where the command line says that they are now.
    Expected<> take_recorded_machine(Recording& recording) {
        MachineConfig config = recording.config();
        const MachineConfig& named = options_.machine;
        if (named.disks.size() > config.disks.size() || named.floppies.size() > config.floppies.size())
            return fail("the recorded machine has fewer drives than are named here");
        for (std::size_t i = 0; i < named.disks.size(); ++i) config.disks[i].path = named.disks[i].path;
        for (std::size_t i = 0; i < named.floppies.size(); ++i) config.floppies[i].path = named.floppies[i].path;
        if (named.cdrom) config.cdrom = named.cdrom;
        if (named.kernel) config.kernel = named.kernel;
        if (named.initrd) config.initrd = named.initrd;
        if (!named.bios.empty()) config.bios = named.bios;
        if (!named.vgabios.empty()) config.vgabios = named.vgabios;
        if (auto checked = recording.check_files(config); !checked) return checked;
        options_.machine = std::move(config);
        return {};
    }

    Expected<std::unique_ptr<Guest>> make_machine() {
        constexpr u64 default_every = 100'000;
        if (options_.lockstep)
            return make_lockstep_guest(options_.machine, *options_.lockstep,
                                       options_.lockstep_every.value_or(default_every), ports_->host_ports());
        auto machine = Machine::create(options_.machine, ports_->host_ports());
        if (!machine) return tl::unexpected(machine.error());
        return make_guest(*std::move(machine));
    }

    /// A window if there is a display, else the terminal if it is one, else none.
    Expected<std::unique_ptr<Display>> choose_display() {
        if (options_.display != DisplayKind::automatic) {
            kind_ = options_.display;
            return open_display(kind_);
        }
        if (has_display()) {
            kind_ = DisplayKind::sdl;
            auto window = open_display(kind_);
            if (window) return window;
            complain(window.error().message + "; going on without a window");
        }
        const bool console = options_.debug.enter || !options_.debug.scripts.empty(); // it has the terminal
        kind_ = has_free_terminal(options_) && !console ? DisplayKind::terminal : DisplayKind::none;
        return open_display(kind_);
    }

    /// Where the debugger's commands come from: a terminal that nothing else reads all the time, or what is piped in.
    DebugDesk::Input command_input() const {
        if (::isatty(STDIN_FILENO) != 0)
            return ::isatty(STDOUT_FILENO) != 0 ? DebugDesk::Input::terminal : DebugDesk::Input::none;
        const bool serial =
            std::ranges::any_of(options_.serial, [](const Endpoint& e) { return e.kind == Endpoint::Kind::stdio; });
        return serial || !options_.debug.enter ? DebugDesk::Input::none : DebugDesk::Input::pipe;
    }

    /// A message for the user, who may be typing a line to the debugger.
    void tell(std::string_view message) {
        if (desk_) desk_->make_room();
        complain(message);
    }

    Expected<> open_desk() {
        if (guest_->debugger() == nullptr) return {};
        desk_ = std::make_unique<DebugDesk>(
            options_.debug, DebugDesk::Parts{.guest = *guest_,
                                             .out = out_,
                                             .signals = &signals_,
                                             .input = command_input(),
                                             .complain = [this](std::string_view message) { tell(message); }});
        return desk_->open();
    }

    Expected<int> run(std::optional<Script> script, std::unique_ptr<Display> display) {
        if (auto opened = open_desk(); !opened) return fail(opened.error().message);
        const bool typing = std::ranges::any_of(options_.serial, [](const Endpoint& e) {
            return e.kind == Endpoint::Kind::stdio && ::isatty(STDIN_FILENO) != 0;
        });
        Session session(options_,
                        {.guest = *guest_,
                         .ports = *ports_,
                         .out = out_,
                         .signals = &signals_,
                         .display = std::move(display),
                         .desk = desk_.get(),
                         .open_display = [this] { return open_display(kind_); },
                         .script = std::move(script),
                         .complain = [this](std::string_view message) { tell(message); },
                         .realtime = options_.clock == ClockKind::automatic ? kind_ == DisplayKind::sdl
                                                                            : options_.clock == ClockKind::realtime,
                         .interactive = typing || kind_ != DisplayKind::none});
        return session.run();
    }

    Options options_;
    SignalWatch signals_; // before anything that starts threads: they inherit the blocked signals
    Output out_;
    File trace_file_;
    std::unique_ptr<Tracer> tracer_;
    std::unique_ptr<Ports> ports_;
    std::unique_ptr<Guest> guest_;
    std::unique_ptr<DebugDesk> desk_;
    DisplayKind kind_ = DisplayKind::none;
};

} // namespace

int run_program(const std::vector<std::string>& arguments) {
    try {
        if (!arguments.empty() && arguments.front() == "conform")
            return conformance::run_conform({arguments.begin() + 1, arguments.end()});
        auto line = parse_command_line(arguments);
        if (!line) {
            complain(line.error().message);
            return status_usage;
        }
        if (!line->print.empty()) {
            std::cout << line->print << std::flush;
            return std::cout ? status_ok : status_usage;
        }
        Run run(std::move(line->options));
        const auto status = run.start();
        if (status) return *status;
        complain(status.error().message);
    } catch (const std::bad_alloc&) {
        complain("the host has not enough memory for this machine");
    } catch (const std::exception& error) {
        complain(error.what());
    }
    return status_usage;
}

} // namespace glassbox
