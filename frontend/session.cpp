// The run loop. Virtual time: slices end at multiples of the slice's length, so that a run that was saved and loaded
// meets its script at the same instants as one that was not. Nothing here reaches the guest but through inject().
#include "frontend/session.hpp"

#include "bus/scheduler.hpp"
#include "devices/vga/png.hpp"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <ctime>

namespace glassbox {

namespace {

constexpr u64 slice_instructions = 1'000'000;
constexpr u64 realtime_slice_instructions =
    125'000; ///< a few milliseconds of the host at most: smooth input and output
constexpr u64 traced_slice_instructions = 20'000;
constexpr auto frame_period = std::chrono::milliseconds(16);
constexpr auto speed_period = std::chrono::milliseconds(500);
constexpr auto notice_duration = std::chrono::seconds(8);
/// How long a guest that is behind the host's clock may run before input and output are looked at again.
constexpr auto host_slice = std::chrono::milliseconds(4);
constexpr auto longest_wait = std::chrono::microseconds(10'000);
/// A guest that is further behind than this was stopped (the host slept); its clock is not chased.
constexpr Time longest_lag = 2 * second;
constexpr Time tolerated_lag = 4 * millisecond;
/// A person at an idle machine: the host sleeps a millisecond for each of these.
constexpr Time idle_per_rest = 20 * millisecond;

Time slice_time(const Options& options, bool realtime) {
    const u64 chosen = options.machine.instructions_per_second;
    const u64 speed = chosen == 0 ? Scheduler::default_speed : chosen;
    const u64 instructions = !options.trace.empty() ? traced_slice_instructions
                             : realtime             ? realtime_slice_instructions
                                                    : slice_instructions;
    return std::clamp(static_cast<Time>(u128{instructions} * second / speed), microsecond, 10 * millisecond);
}

std::chrono::microseconds host_duration(Time time) {
    return std::chrono::microseconds(std::min<Time>(time / microsecond, 1'000'000));
}

} // namespace

Session::Session(const Options& options, Parts parts)
    : options_(options), parts_(std::move(parts)), guest_(parts_.guest), slice_(slice_time(options, parts_.realtime)) {
    if (parts_.desk) {
        parts_.desk->take_terminal = [this] { lend_terminal(); };
        parts_.desk->return_terminal = [this] { take_back_terminal(); };
    }
    guest_.on_triple_fault([this](const std::string& why) {
        if (parts_.display) notify("The guest triple-faulted and is reset; the terminal says why");
        parts_.complain(
            "the guest triple-faulted and is reset, as a PC is (this is told once; --on-triple-fault stop or "
            "debug stays there)\n" +
            why);
    });
    if (parts_.script) {
        parts_.ports.record();
        player_.emplace(*std::move(parts_.script),
                        ScriptHost{guest_, keys_, parts_.ports.logs(), [this](std::string_view text) {
                                       parts_.out.fresh_line();
                                       parts_.out.write(text);
                                   }});
    }
}

int Session::run() {
    for (const std::string& line : parts_.ports.announcements()) notify(line);
    pacer_.start(guest_.now(), HostClock::now());
    check_limits();
    while (!status_) {
        exchange();
        attend_desk();
        step_script();
        feed_keys();
        if (!status_) advance();
        parts_.ports.flush();
        parts_.out.flush();
        if (parts_.out.broken()) {
            parts_.complain("standard output cannot be written any more");
            end(status_usage);
        }
        present();
    }
    return finish();
}

void Session::notify(const std::string& text) {
    if (!parts_.display) return parts_.complain(text);
    display_status_.notice = text;
    notice_end_ = HostClock::now() + notice_duration;
}

/// Waits for the host as long as the clock allows, and takes what it brings.
void Session::exchange() {
    std::vector<pollfd> polls;
    polls.push_back({parts_.signals != nullptr ? parts_.signals->fd() : -1, POLLIN, 0});
    polls.push_back(parts_.display ? parts_.display->interest() : pollfd{-1, 0, 0});
    if (parts_.desk) parts_.desk->add_interests(polls);
    const std::size_t first_port = polls.size();
    parts_.ports.add_interests(polls);
    const auto wait = std::exchange(wait_, std::chrono::microseconds(0));
    const timespec timeout{0, static_cast<long>(wait.count()) * 1000};
    if (::ppoll(polls.data(), polls.size(), &timeout, nullptr) < 0) {
        for (pollfd& poll : polls) poll.revents = 0;
    }
    if (polls[0].revents != 0) {
        if (const auto signal = parts_.signals->take()) take_signal(*signal);
    }
    if (parts_.display) {
        DisplayEvents events;
        parts_.display->collect(polls[1].revents, events);
        handle(events);
    }
    if (parts_.desk) parts_.desk->service(std::span(polls).subspan(2, first_port - 2));
    // What the host sends while the machine stands waits with its sender.
    if (!standing_) parts_.ports.service(std::span(polls).subspan(first_port), guest_);
    if (parts_.ports.quit_requested()) end(status_ok);
    if (parts_.ports.debugger_requested() && parts_.desk) parts_.desk->interrupt();
}

void Session::take_signal(int signal) {
    if (signal == SIGTSTP) return stop_job();
    if (signal == SIGINT && parts_.desk && parts_.desk->interrupt()) return;
    end(status_signal + signal);
}

/// Ctrl-Z in a shell: the terminal is as it was while the shell has it, and the time until `fg` has not passed.
void Session::stop_job() {
    if (parts_.desk) parts_.desk->make_room();
    const bool display = parts_.display && parts_.display->uses_terminal() && parts_.open_display;
    if (!lent_) parts_.ports.suspend();
    if (display) parts_.display.reset();
    SignalWatch::stop_job();
    if (!standing_) parts_.ports.resume();
    if (display) {
        if (auto again = parts_.open_display()) parts_.display = *std::move(again);
    }
    pacer_.start(guest_.now(), HostClock::now());
}

/// What a machine that stands for its debugger waits for; the host's clock goes on without it.
void Session::attend_desk() {
    if (!parts_.desk) return;
    parts_.desk->attend();
    if (const auto status = parts_.desk->status()) end(*status);
    if (const auto signal = parts_.desk->signal()) end(status_signal + *signal);
    const bool stands = parts_.desk->stopped();
    if (!standing_ && stands) held_.stop();
    if (standing_ && !stands) {
        pacer_.start(guest_.now(), HostClock::now());
        dead_ = false;
    }
    standing_ = stands;
}

/// The debugger's console has the terminal while the machine stands.
void Session::lend_terminal() {
    parts_.ports.suspend();
    lent_ = parts_.display && parts_.display->uses_terminal();
    if (lent_) parts_.display.reset();
}

void Session::take_back_terminal() {
    parts_.ports.resume();
    if (!std::exchange(lent_, false) || !parts_.open_display) return;
    auto display = parts_.open_display();
    if (display) parts_.display = *std::move(display);
}

void Session::handle(DisplayEvents& events) {
    if (standing_) { // nobody is there to press a key for
        events.typed.clear();
        events.inputs.clear();
    }
    keys_.add(events.typed);
    typed_ |= !events.typed.empty();
    if (!events.notice.empty()) notify(events.notice);
    for (const Input& input : events.inputs) {
        for (const Input& passed : held_.pass(input, guest_.live())) deliver(passed);
    }
    if (events.debug && !(parts_.desk && parts_.desk->call())) {
        const std::string needed = "the debugger needs a terminal to talk to you, or gdb: start glassbox from one, or "
                                   "with --gdb PORT";
        notify(needed);
        if (parts_.display) parts_.complain(needed); // the title may be too short for it
    }
    if (events.close) close_requested();
    if (events.quit) end(status_ok);
}

void Session::deliver(const Input& input) {
    const auto injected = guest_.inject(input);
    if (!injected) {
        notify(injected.error().message);
    } else if (const auto* medium = std::get_if<MediaInput>(&input)) {
        notify((medium->drive == MediaInput::Drive::cdrom ? "CD-ROM: " : "floppy: ") + medium->path);
    }
    if (std::holds_alternative<ResetInput>(input)) dead_ = false;
}

void Session::close_requested() {
    if (asked_ || dead_ || standing_) return end(status_ok);
    asked_ = true;
    if (!guest_.inject(PowerButtonInput{})) return end(status_ok);
    notify("asked the guest to power off; close again to end at once");
}

void Session::step_script() {
    if (player_ && !status_) apply(player_->step());
}

void Session::apply(const ScriptStep& step) {
    script_wake_ = step.wake;
    switch (step.state) {
    case ScriptStep::State::running: break;
    case ScriptStep::State::finished: player_.reset(); break;
    case ScriptStep::State::power_off: end(status_ok); break;
    case ScriptStep::State::failed:
        parts_.out.flush();
        parts_.complain(step.message);
        end(status_script);
        break;
    case ScriptStep::State::error:
        parts_.complain(step.message);
        end(status_usage);
        break;
    }
}

void Session::feed_keys() {
    if (standing_) return;
    const bool live = guest_.live();
    if (live && held_.owes_releases()) {
        for (const Input& input : held_.take_releases()) deliver(input);
    }
    if (!live && !typed_) return; // a script's keys wait until the machine is where they were pressed
    typed_ = typed_ && !keys_.idle(guest_.now());
    while (const auto key = keys_.take(guest_.now())) {
        if (!guest_.inject(*key)) break;
    }
}

/// When something other than the guest is due.
Time Session::appointment() const {
    const Time now = guest_.now();
    Time next = never;
    for (const Time wish : {script_wake_, keys_.due(now), options_.max_time}) {
        if (wish > now) next = std::min(next, wish);
    }
    return next;
}

/// The end of the next slice.
Time Session::next_stop() const { return std::min((guest_.now() / slice_ + 1) * slice_, appointment()); }

void Session::advance() {
    if (standing_) {
        if (!parts_.desk->busy()) wait_ = longest_wait;
        return;
    }
    if (dead_) {
        wait_ = longest_wait;
        return;
    }
    if (parts_.realtime) return advance_realtime();
    const Time before = guest_.now();
    const u64 instructions = guest_.instructions();
    run_guest(next_stop());
    if (parts_.interactive && !player_ && wait_.count() == 0) rest_if_idle(before, instructions);
}

/// Skipping idle time at full speed would keep a core busy while a person thinks.
void Session::rest_if_idle(Time before, u64 instructions_before) {
    const u64 executed = guest_.instructions() - instructions_before;
    if (guest_.now() - before < slice_ / 2 || executed * 50 > slice_instructions) {
        rested_ = 0;
        return;
    }
    rested_ += guest_.now() - before;
    if (rested_ < idle_per_rest) return;
    rested_ = 0;
    wait_ = std::chrono::microseconds(1000);
}

void Session::advance_realtime() {
    const auto begin = HostClock::now();
    const Time now = guest_.now(), target = pacer_.target(begin), next = appointment();
    if (target > now + longest_lag) return pacer_.start(now, begin);
    while (!status_ && !dead_ && guest_.now() < std::min(target, next) && HostClock::now() - begin < host_slice) {
        run_guest(std::min(next_stop(), target));
    }
    if (status_ || dead_) return;
    const Time after = guest_.now(), due = pacer_.target(HostClock::now()), awake = guest_.idle_until();
    if (awake > after) {
        // Halted: until an interrupt is due, or the host brings something.
        const Time wake = std::min(awake, next);
        if (wake > due) wait_ = std::min(host_duration(wake - due), longest_wait);
    } else if (after >= due) {
        wait_ = std::min(host_duration(after + slice_ - due), longest_wait);
    } else if (due > after + tolerated_lag && due < after + longest_lag) {
        // A host that is slower than the guest's nominal speed: the guest's clock is kept right, its work takes longer.
        (void)guest_.inject(SkipTimeInput{due - after - tolerated_lag / 2});
    }
}

void Session::run_guest(Time until) {
    const StopReason reason = guest_.run(until, options_.max_instructions);
    if (reason != StopReason::limit) stopped(reason, until);
    if (guest_.finished() && !(parts_.desk && parts_.desk->engaged())) end(status_ok);
    check_limits();
}

void Session::check_limits() {
    if (status_) return;
    const bool instructions = guest_.instructions() >= options_.max_instructions;
    if (!instructions && guest_.now() < options_.max_time) return;
    std::string message =
        instructions ? "the limit of --max-instructions is reached" : "the limit of --max-seconds is reached";
    if (player_) message += ", with the script at " + player_->where();
    parts_.complain(message);
    end(status_limit);
}

void Session::stopped(StopReason reason, Time until) {
    // Whoever is at the debugger is told what ended, and may look around and go back.
    if (parts_.desk && parts_.desk->stopped()) return parts_.ports.flush();
    switch (reason) {
    case StopReason::limit:
    case StopReason::breakpoint: break;
    case StopReason::power_off: guest_ended("the guest powered off", true, status_ok); break;
    case StopReason::exit_port: guest_ended("the guest wrote to the exit port", false, guest_.exit_status()); break;
    case StopReason::triple_fault:
        guest_ended("the guest triple-faulted", false, status_triple_fault);
        parts_.complain("the guest triple-faulted\n" + guest_.autopsy());
        break;
    case StopReason::diverged: guest_ended("the two machines differ", false, status_difference); break;
    case StopReason::idle_forever: idle_forever(until); break;
    }
}

void Session::guest_ended(std::string_view how, bool powered_off, int status) {
    parts_.ports.flush();
    if (player_) {
        const ScriptStep step = player_->guest_stopped(how, powered_off);
        if (step.state == ScriptStep::State::failed || step.state == ScriptStep::State::error) {
            parts_.complain(step.message);
            if (status == status_ok || status == guest_.exit_status()) status = status_script;
        }
    }
    end(status);
}

/// Halted with interrupts off. A script's clock goes on; in a window the last screen stays; else this is the end.
void Session::idle_forever(Time until) {
    const Time now = guest_.now();
    if ((player_ || options_.max_time != never) && now < until) {
        const bool skipped = guest_.inject(SkipTimeInput{until - now}).has_value();
        if (skipped && guest_.now() > now) return;
    }
    if (parts_.display) {
        dead_ = true;
        return notify("the guest has halted with interrupts off; close to end");
    }
    parts_.complain("the guest has halted with interrupts off: nothing can happen any more\n" + guest_.autopsy());
    end(status_limit);
}

void Session::present() {
    if (!parts_.display) return;
    const auto now = HostClock::now();
    if (now - shown_ < frame_period) return;
    shown_ = now;
    if (now - measured_ >= speed_period) {
        const double seconds = std::chrono::duration<double>(now - measured_).count();
        const u64 instructions = guest_.instructions();
        display_status_.mips = static_cast<double>(instructions - measured_instructions_) / seconds / 1e6;
        measured_ = now;
        measured_instructions_ = instructions;
    }
    display_status_.stopped = standing_;
    display_status_.state = standing_ ? "stopped: " + parts_.desk->whereabouts() : dead_ ? "halted" : "running";
    if (now >= notice_end_ && !asked_ && !dead_) display_status_.notice.clear();
    parts_.display->show(guest_.display(), display_status_);
}

int Session::finish() {
    parts_.display.reset(); // the terminal is itself again before anything is printed
    int status = status_.value_or(status_ok);
    const auto attempt = [&](const Expected<>& result) {
        if (result) return;
        parts_.complain(result.error().message);
        // What was to be written is lost: reaching a limit as asked for does not hide that.
        if (status == status_ok || status == status_limit) status = status_usage;
    };
    if (!options_.screenshot.empty()) {
        Frame frame;
        guest_.display().render(frame);
        attempt(write_png(frame, options_.screenshot));
    }
    if (parts_.desk && !parts_.desk->finish()) {
        // What the guest itself says of its end is no better than this; what went wrong otherwise is.
        if (status == status_ok || status == status_limit || status == guest_.exit_status()) status = status_lint;
    }
    attempt(guest_.end_recording());
    if (!options_.save.empty()) attempt(guest_.save(options_.save));
    if (const auto verdict = guest_.verdict()) {
        parts_.complain(verdict->text);
        if (verdict->failed) status = status_difference;
    }
    if (options_.state_hash) {
        std::array<char, 40> line{};
        std::snprintf(line.data(), line.size(), "state-hash: %016" PRIx64 "\n", guest_.state_hash());
        parts_.out.fresh_line();
        parts_.out.write(line.data());
    }
    parts_.out.flush();
    return status;
}

} // namespace glassbox
