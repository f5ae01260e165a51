// Runs a script against a guest: called between slices, it does what is due and says when it wants to be called again.
#pragma once

#include "frontend/guest.hpp"
#include "frontend/key_queue.hpp"
#include "frontend/script.hpp"
#include "frontend/serial_log.hpp"

#include <array>
#include <functional>

namespace glassbox {

/// What a script acts on. Everything outlives the player.
struct ScriptHost {
    Guest& guest;
    KeyQueue& keys;
    std::array<SerialLog, 4>& serial;
    std::function<void(std::string_view)> print;
};

struct ScriptStep {
    enum class State : u8 { running, finished, power_off, failed, error } state = State::running;
    Time wake = never;   ///< running: the latest guest time of the next step
    std::string message; ///< failed, error
};

class ScriptPlayer {
  public:
    ScriptPlayer(Script script, ScriptHost host) : script_(std::move(script)), host_(std::move(host)) {}

    /// Does everything that is due.
    ScriptStep step();
    /// The guest switched itself off or died: what the script still waits for will not come.
    ScriptStep guest_stopped(std::string_view how, bool powered_off);
    /// The command under way in words, for messages about a run that ended before its script.
    std::string where() const;

  private:
    enum class Progress : u8 { done, blocked, failed, error, power_off };

    Progress act(const script::WaitScreen& wait);
    Progress act(const script::WaitSerial& wait);
    Progress act(const script::WaitPowerOff& wait);
    Progress act(const script::Keys& keys);
    Progress act(const script::Send& send);
    Progress act(const script::Screen&);
    Progress act(const script::Screenshot& shot);
    Progress act(const script::Save& save);
    Progress act(const script::Sleep& sleep);
    Progress act(const script::PowerOff&);

    void begin();
    Progress waited(Time timeout, const std::string& what);
    Progress check(const Expected<>& result);
    ScriptStep ended(ScriptStep::State state) const { return {state, never, message_}; }
    std::string expectation() const;
    std::string screen() const;

    Script script_;
    ScriptHost host_;
    std::size_t next_ = 0;
    bool begun_ = false; ///< the command at `next_` has started: `since_` is when
    Time since_ = 0, look_ = 0, wake_ = never;
    std::string message_;
};

} // namespace glassbox
