#include "frontend/debug_desk.hpp"

#include "debugger/lint/lint.hpp"
#include "debugger/symbols/expression.hpp"
#include "frontend/colours.hpp"
#include "frontend/session.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <unistd.h>

namespace glassbox {

namespace {

constexpr std::size_t progress_width = 26;
constexpr std::size_t longest_piped_line = 1u << 16;

/// $XDG_STATE_HOME/glassbox/history, made if need be; empty where there is no place for it.
std::string history_file() {
    namespace fs = std::filesystem;
    const char* state = std::getenv("XDG_STATE_HOME");
    const char* home = std::getenv("HOME");
    fs::path folder;
    if (state != nullptr && *state != '\0') {
        folder = state;
    } else if (home != nullptr && *home != '\0') {
        folder = fs::path(home) / ".local" / "state";
    } else {
        return {};
    }
    std::error_code error;
    fs::create_directories(folder / "glassbox", error);
    return error ? std::string() : (folder / "glassbox" / "history").string();
}

} // namespace

DebugDesk::DebugDesk(const DebugOptions& options, Parts parts)
    : options_(options), parts_(std::move(parts)), debugger_(*parts_.guest.debugger()), console_(debugger_) {
    colours_ = options_.colours && parts_.input == Input::terminal && terminal_has_colours();
    debugger_.add_listener(*this);
    debugger_.progress = [this](double done) { return keep_going(done); };
}

DebugDesk::~DebugDesk() {
    debugger_.progress = {};
    debugger_.remove_listener(*this);
}

Expected<> DebugDesk::open() {
    Debugger& debugger = debugger_;
    for (const auto& file : options_.symbols) {
        auto loaded = debugger.symbols().load(file.path, file.offset);
        if (!loaded) return fail(loaded.error().message);
    }
    if (options_.lint) {
        debugger.lint = std::make_shared<Lint>(debugger.machine(), [this](const LintWarning& warning) {
            parts_.complain("lint: " + Lint::to_text(warning));
            if (findings_) findings_->add(warning);
        });
        debugger.lint->set_symbols(&debugger.symbols());
        if (options_.lint_fails) findings_ = std::make_unique<GuestFindings>(debugger.machine());
    }
    if (!options_.any()) return {};
    engage();
    debugger.set_magic_break(options_.magic_break);
    if (auto set = set_breaks(); !set) return set;
    if (options_.gdb) {
        auto server = GdbServer::listen(debugger, *options_.gdb, options_.gdb_options);
        if (!server) return fail("--" + server.error().message);
        gdb_ = *std::move(server);
        parts_.complain("gdb: target remote " + gdb_->name());
    }
    for (auto path = options_.scripts.rbegin(); path != options_.scripts.rend(); ++path) {
        if (auto read = console_.source(*path); !read) return read; // before those that wait already
    }
    const bool runs_on = !options_.breaks.empty() || options_.break_at_boot;
    if (runs_on || (!options_.enter && options_.scripts.empty()))
        return debugger.resume({}); // so that whatever ends the run is a stop
    debugger.attach_stopped(StopKind::start);
    if (options_.enter && (parts_.input != Input::none || console_.has_waiting())) print(console_.welcome());
    return {};
}

Expected<> DebugDesk::set_breaks() {
    std::vector<std::string> places = options_.breaks;
    if (options_.break_at_boot) places.insert(places.begin(), "0:7C00h");
    for (const std::string& place : places) {
        const auto refused = [&](std::string why) {
            why.insert(0, "--break " + place + ": ");
            return fail(std::move(why));
        };
        const auto where = evaluate_address(debugger_, place);
        if (!where) {
            std::string why = where.error().message;
            if (options_.symbols.empty() && why.find("symbol") != std::string::npos)
                why += "; names of the guest's own come with --symbols FILE";
            return refused(std::move(why));
        }
        StopPoint point;
        point.where = *where;
        point.text = place;
        if (auto added = debugger_.add(point); !added) return refused(added.error().message);
    }
    return {};
}

void DebugDesk::engage() {
    if (engaged_) return;
    engaged_ = true;
    parts_.guest.engage_debugger();
    Timeline& timeline = debugger_.timeline();
    if (options_.history && !timeline.active()) timeline.begin(options_.history_options());
}

bool DebugDesk::finish() {
    if (options_.lint && debugger_.lint) parts_.complain("lint: all together\n" + debugger_.lint->summary());
    if (!findings_ || findings_->count() == 0) return true;
    const u64 count = findings_->count();
    parts_.complain("lint: " + std::to_string(count) + (count == 1 ? " place" : " places") +
                    " in the guest, which --lint=error does not let pass");
    return false;
}

bool DebugDesk::interrupt() {
    if (stopped()) {
        if (parts_.input != Input::terminal) return false;
        drop_waiting();
        if (editor_) editor_->clear();
        print("\n");
        return true;
    }
    if (parts_.input != Input::terminal) return false;
    stop_soon();
    return true;
}

/// Who presses Ctrl-C wants to give the next command himself.
void DebugDesk::drop_waiting() {
    if (!console_.has_waiting() || parts_.input != Input::terminal) return;
    console_.drop_waiting();
    print("the commands that waited are dropped\n");
}

bool DebugDesk::call() {
    if (parts_.input != Input::terminal && !gdb_) return false;
    if (!stopped()) stop_soon();
    return true;
}

void DebugDesk::stop_soon() {
    const bool first = !engaged_;
    engage();
    drop_waiting();
    debugger_.interrupt(StopKind::interrupted);
    if (first && parts_.input == Input::terminal) print("\n" + console_.welcome());
}

/// A shell may have put the program into the background, where whoever touches the terminal is stopped.
bool DebugDesk::in_foreground() const { return ::tcgetpgrp(STDIN_FILENO) == ::getpgrp(); }

std::string DebugDesk::whereabouts() const {
    if (parts_.input == Input::terminal)
        return in_foreground() ? "the debugger waits in the terminal"
                               : "the debugger waits until its terminal has glassbox in the foreground (fg)";
    if (gdb_) return gdb_->connected() ? "gdb has it" : "waits for gdb: target remote " + gdb_->name();
    return "the debugger executes commands";
}

void DebugDesk::make_room() {
    if (!editor_ || !editor_->active()) return;
    editor_->suspend();
    print("\n");
    parts_.out.flush();
}

void DebugDesk::stopped(const Stop&) { report_ = true; }

void DebugDesk::resumed() {
    report_ = false;
    make_room(); // gdb may have made it run while a line was being typed
    if (has_terminal_ && return_terminal) return_terminal();
    has_terminal_ = false;
}

void DebugDesk::print(std::string_view text) {
    if (progress_shown_) parts_.out.write("\r" + std::string(progress_width, ' ') + "\r");
    progress_shown_ = false;
    if (text.empty()) return;
    parts_.out.fresh_line();
    parts_.out.write(colours_ ? coloured(text) : std::string(text));
}

void DebugDesk::execute(const std::string& line) { print(console_.execute(line)); }

/// The scripts are over and there is nobody to ask: what the machine came to is the result.
void DebugDesk::out_of_commands() {
    const Stop& stop = debugger_.stop();
    status_ = status_ok;
    if (stop.kind == StopKind::triple_fault) status_ = status_triple_fault;
    if (stop.kind != StopKind::ended) return;
    if (stop.machine == StopReason::exit_port) status_ = parts_.guest.exit_status();
    if (stop.machine == StopReason::idle_forever) status_ = status_limit;
}

void DebugDesk::attend() {
    if (!stopped() || status_) return;
    const bool background = parts_.input == Input::terminal && !in_foreground();
    if (!has_terminal_ && parts_.input == Input::terminal && !background) {
        if (take_terminal) take_terminal();
        has_terminal_ = true;
    }
    if (std::exchange(report_, false)) {
        print(console_.report_stop());
        // Who did not come for the debugger is told at once what a command would say.
        if (!options_.enter && debugger_.stop().kind == StopKind::triple_fault) print(parts_.guest.autopsy());
    }
    print(console_.execute_next());
    if (console_.take_script_failure() && parts_.input != Input::terminal) status_ = status_script;
    if (console_.quit_requested()) status_ = status_.value_or(status_ok);
    if (status_ || report_ || !stopped() || console_.has_waiting()) return;
    switch (parts_.input) {
    case Input::none:
        if (!gdb_ || (!gdb_->connected() && debugger_.stop().kind == StopKind::ended)) out_of_commands();
        break;
    case Input::pipe:
        if (pipe_ended_ && pipe_.empty() && !gdb_) out_of_commands();
        break;
    case Input::terminal:
        if (!editor_) {
            editor_ = std::make_unique<LineEditor>(
                std::string(Console::prompt), [this](std::string_view line) { return console_.complete(line); },
                history_file());
        }
        if (editor_->ended()) return out_of_commands();
        if (editor_->active()) break;
        if (background) {
            if (!std::exchange(waits_for_terminal_, true))
                parts_.complain("the debugger waits until its terminal has glassbox in the foreground (fg)");
            break;
        }
        waits_for_terminal_ = false;
        parts_.out.fresh_line();
        parts_.out.flush();
        editor_->begin();
        break;
    }
}

void DebugDesk::add_interests(std::vector<pollfd>& polls) const {
    pollfd input{-1, POLLIN, 0};
    if (stopped() && !status_ && !console_.has_waiting()) {
        if (editor_) input = editor_->interest();
        if (parts_.input == Input::pipe && !pipe_ended_) input.fd = STDIN_FILENO;
    }
    polls.push_back(input);
    if (gdb_) gdb_->add_interests(polls);
}

void DebugDesk::service(std::span<const pollfd> polls) {
    if (gdb_) {
        gdb_->service(polls.subspan(1));
        if (gdb_->killed()) status_ = status_ok;
    }
    if (polls[0].revents == 0) return;
    if (parts_.input == Input::pipe) return read_pipe();
    if (!editor_ || !editor_->active()) return;
    if (const auto line = editor_->service()) execute(*line);
    if (editor_->ended()) print("\n");
}

/// One line at a time: the commands behind one that runs the machine wait until it has stopped.
void DebugDesk::read_pipe() {
    std::array<char, 4096> bytes{};
    const ssize_t n = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n <= 0) {
        pipe_ended_ = true;
        if (!pipe_.empty()) console_.add_waiting(std::exchange(pipe_, {}));
        return;
    }
    pipe_.append(bytes.data(), static_cast<std::size_t>(n));
    for (std::size_t end; (end = pipe_.find('\n')) != std::string::npos; pipe_.erase(0, end + 1)) {
        console_.add_waiting(pipe_.substr(0, end));
    }
    if (pipe_.size() <= longest_piped_line) return;
    parts_.complain("a line of commands on standard input is longer than 64 KiB");
    status_ = status_usage;
}

/// During a long command: how far it is, and Ctrl-C ends it.
bool DebugDesk::keep_going(double done) {
    if (parts_.input == Input::terminal) {
        parts_.out.write("\r" + std::to_string(static_cast<int>(done * 100)) + " % (Ctrl-C ends it)");
        parts_.out.flush();
        progress_shown_ = true;
    }
    const auto signal = parts_.signals ? parts_.signals->take() : std::nullopt;
    if (!signal) return true;
    if (*signal == SIGTSTP) {
        SignalWatch::stop_job();
        return true;
    }
    if (*signal != SIGINT || parts_.input != Input::terminal) signal_ = *signal;
    return false;
}

} // namespace glassbox
