// One run of a machine: slices of guest time, and between them the host: signals, ports, display, script, clock.
#pragma once

#include "frontend/debug_desk.hpp"
#include "frontend/display.hpp"
#include "frontend/guest.hpp"
#include "frontend/held_keys.hpp"
#include "frontend/key_queue.hpp"
#include "frontend/options.hpp"
#include "frontend/pacer.hpp"
#include "frontend/ports.hpp"
#include "frontend/script_player.hpp"
#include "frontend/signals.hpp"

#include <functional>
#include <memory>
#include <optional>

namespace glassbox {

enum ExitStatus : int {
    status_ok = 0,
    status_usage = 1,
    status_triple_fault = 2,
    status_limit = 3,
    status_script = 4,
    status_lint = 5,
    status_difference = 6,
    status_signal = 128, ///< plus the signal's number
};

class Session {
  public:
    struct Parts {
        Guest& guest;
        Ports& ports;
        Output& out;                      ///< standard output
        const SignalWatch* signals;       ///< null in tests
        std::unique_ptr<Display> display; ///< null: none
        DebugDesk* desk = nullptr;        ///< null: a guest without a debugger
        /// Another display like `display`, after the debugger has used its terminal. May be empty.
        std::function<Expected<std::unique_ptr<Display>>()> open_display = {};
        std::optional<Script> script;
        std::function<void(std::string_view)> complain; ///< a message for the user, without the program's name
        bool realtime = false;
        bool interactive = false; ///< a person is typing: idle guests leave the host some rest
    };

    Session(const Options& options, Parts parts);
    /// Runs to the end, writes what was asked for at the end, and returns the exit status.
    int run();

  private:
    using HostClock = std::chrono::steady_clock;

    void exchange();
    void handle(DisplayEvents& events);
    void deliver(const Input& input);
    void close_requested();
    void take_signal(int signal);
    void stop_job();
    void attend_desk();
    void lend_terminal();
    void take_back_terminal();
    void step_script();
    void apply(const ScriptStep& step);
    void feed_keys();
    void advance();
    void advance_realtime();
    void run_guest(Time until);
    void rest_if_idle(Time before, u64 instructions_before);
    Time appointment() const;
    Time next_stop() const;
    void stopped(StopReason reason, Time until);
    void idle_forever(Time until);
    void guest_ended(std::string_view how, bool powered_off, int status);
    void check_limits();
    void present();
    void notify(const std::string& text);
    void end(int status) { status_ = status_ ? status_ : status; }
    int finish();

    const Options& options_;
    Parts parts_;
    Guest& guest_;
    std::optional<ScriptPlayer> player_;
    KeyQueue keys_;
    HeldKeys held_;
    Pacer pacer_;
    std::optional<int> status_;
    Time slice_, script_wake_ = never;
    std::chrono::microseconds wait_{0}; ///< how long the host may sleep before the next slice
    Time rested_ = 0;
    bool dead_ = false;     ///< halted for ever, kept on show in a window
    bool asked_ = false;    ///< the guest was asked to power off
    bool lent_ = false;     ///< the display's terminal is the debugger's
    bool standing_ = false; ///< stopped for the debugger
    bool typed_ = false;    ///< keys that wait were typed by a person, who may begin another future
    HostClock::time_point shown_{}, measured_{}, notice_end_{};
    u64 measured_instructions_ = 0;
    DisplayStatus display_status_;
};

} // namespace glassbox
