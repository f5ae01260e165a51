// The debugger as the run loop has it: a console at the terminal or from scripts, gdb beside it, and what happens when
// the machine stops.
#pragma once

#include "debugger/console/console.hpp"
#include "debugger/debugger.hpp"
#include "debugger/gdb/server.hpp"
#include "frontend/debug_options.hpp"
#include "frontend/guest.hpp"
#include "frontend/guest_findings.hpp"
#include "frontend/line_editor.hpp"
#include "frontend/output.hpp"
#include "frontend/signals.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <poll.h>
#include <span>

namespace glassbox {

class DebugDesk final : StopListener {
  public:
    enum class Input : u8 { none, terminal, pipe };
    struct Parts {
        Guest& guest; ///< has a debugger
        Output& out;
        const SignalWatch* signals;
        Input input = Input::none; ///< where commands come from when the scripts are over
        std::function<void(std::string_view)> complain;
    };

    DebugDesk(const DebugOptions& options, Parts parts);
    ~DebugDesk() override;
    DebugDesk(const DebugDesk&) = delete;
    DebugDesk& operator=(const DebugDesk&) = delete;

    /// Loads symbols, sets the breakpoints of the command line, opens gdb's port, stops where that was asked for.
    Expected<> open();

    /// The machine runs through the debugger from now on.
    bool engaged() const { return engaged_; }
    bool stopped() const { return engaged_ && !debugger_.running(); }
    /// Whether the next commands can be had without waiting.
    bool busy() const { return stopped() && console_.has_waiting(); }
    /// Ctrl-C: the machine stops soon; commands that wait and a line that is being typed are dropped. False: nobody is
    /// there to talk to.
    bool interrupt();
    /// The window's key: the machine stops soon, for the terminal or for gdb. False: neither is there.
    bool call();
    /// Where the user finds the debugger while the machine stands, for a title.
    std::string whereabouts() const;
    /// Something else will be printed, or the shell gets the terminal: a line that is being typed is shown again later.
    void make_room();
    /// Carries out what waits: commands of scripts, the report of a stop, the prompt.
    void attend();
    void add_interests(std::vector<pollfd>& polls) const;
    void service(std::span<const pollfd> polls);

    /// At the end of the run: what lint has found. False: --lint=error makes that a failure.
    bool finish();
    /// The run ends with this status.
    std::optional<int> status() const { return status_; }
    /// A signal that arrived during a long command and was not Ctrl-C.
    std::optional<int> signal() const { return signal_; }
    /// Called before the terminal is taken for commands, and when it is given back.
    std::function<void()> take_terminal, return_terminal;

  private:
    void stopped(const Stop& stop) override;
    void resumed() override;
    Expected<> set_breaks();
    void engage();
    bool in_foreground() const;
    void stop_soon();
    void drop_waiting();
    void execute(const std::string& line);
    void read_pipe();
    void out_of_commands();
    bool keep_going(double done);
    void print(std::string_view text);

    const DebugOptions& options_;
    Parts parts_;
    Debugger& debugger_;
    Console console_;
    std::unique_ptr<GuestFindings> findings_; ///< with --lint=error
    std::unique_ptr<LineEditor> editor_;
    std::unique_ptr<GdbServer> gdb_;
    std::string pipe_;
    bool colours_ = false;
    bool engaged_ = false, report_ = false, has_terminal_ = false, pipe_ended_ = false, progress_shown_ = false,
         waits_for_terminal_ = false;
    std::optional<int> status_, signal_;
};

} // namespace glassbox
