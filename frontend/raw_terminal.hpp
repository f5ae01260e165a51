// The controlling terminal in raw mode, put back on every way out: return, exception, and the signals of a crash.
#pragma once

#include <string>
#include <termios.h>

namespace glassbox {

class RawTerminal {
  public:
    /// `farewell` is written when the terminal is put back (it leaves the alternate screen, for example).
    explicit RawTerminal(int fd, std::string farewell = {});
    ~RawTerminal();
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

    bool active() const { return active_; }

  private:
    int fd_;
    bool active_ = false;
    termios before_{};
    std::string farewell_;
};

} // namespace glassbox
