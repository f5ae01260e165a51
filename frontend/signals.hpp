// SIGINT, SIGTERM and SIGHUP as something to poll: the run ends between two slices, and everything is put back. So does
// a shell's Ctrl-Z (SIGTSTP), after which the run goes on.
#pragma once

#include <csignal>
#include <optional>
#include <sys/signalfd.h>
#include <unistd.h>

namespace glassbox {

class SignalWatch {
  public:
    SignalWatch() {
        sigset_t signals;
        sigemptyset(&signals);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP}) sigaddset(&signals, signal);
        sigprocmask(SIG_BLOCK, &signals, &before_);
        fd_ = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
        // Writing to a reader that has gone is an error to handle, not a reason to die with a raw terminal.
        std::signal(SIGPIPE, SIG_IGN);
    }
    ~SignalWatch() {
        if (fd_ >= 0) ::close(fd_);
        sigprocmask(SIG_SETMASK, &before_, nullptr);
    }
    SignalWatch(const SignalWatch&) = delete;
    SignalWatch& operator=(const SignalWatch&) = delete;

    int fd() const { return fd_; }
    /// The signal that has arrived, if one has.
    std::optional<int> take() const {
        signalfd_siginfo info{};
        if (::read(fd_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return std::nullopt;
        return static_cast<int>(info.ssi_signo);
    }

    /// Does what SIGTSTP does by itself; returns when the shell says `fg` or `bg`.
    static void stop_job() {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTSTP);
        std::raise(SIGTSTP);
        sigprocmask(SIG_UNBLOCK, &set, nullptr); // here it happens; not where no shell could say `fg`
        sigprocmask(SIG_BLOCK, &set, nullptr);
    }

  private:
    int fd_ = -1;
    sigset_t before_{};
};

} // namespace glassbox
