// Raw mode of a terminal (termios(3)). SIGINT, SIGTERM and the like arrive through the run loop's signalfd, so that the
// destructor does the work; the signals of a crash cannot wait for it. Their handler is given no argument by the
// system: this file therefore holds the one variable of the program that is not owned by an object.
#include "frontend/raw_terminal.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <unistd.h>

namespace glassbox {

namespace {

struct Rescue {
    int fd = -1;
    termios before{};
    std::array<char, 64> farewell{};
    std::size_t farewell_size = 0;
};
Rescue rescue;
std::atomic<bool> rescue_armed{false};

constexpr std::array crash_signals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

/// Only async-signal-safe calls: write, tcsetattr, raise (signal-safety(7)).
void put_back(int signal) {
    if (rescue_armed.exchange(false)) {
        if (::write(STDOUT_FILENO, rescue.farewell.data(), rescue.farewell_size) < 0) {
            // There is nobody left to tell.
        }
        ::tcsetattr(rescue.fd, TCSANOW, &rescue.before);
    }
    ::raise(signal); // SA_RESETHAND: the default action this time
}

void arm(int fd, const termios& before, const std::string& farewell) {
    rescue.fd = fd;
    rescue.before = before;
    rescue.farewell_size = farewell.copy(rescue.farewell.data(), rescue.farewell.size());
    rescue_armed = true;
    struct sigaction action{};
    action.sa_handler = put_back;
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
    for (const int signal : crash_signals) ::sigaction(signal, &action, nullptr);
}

} // namespace

RawTerminal::RawTerminal(int fd, std::string farewell) : fd_(fd), farewell_(std::move(farewell)) {
    if (::isatty(fd) == 0 || ::tcgetattr(fd, &before_) != 0) return;
    termios raw = before_;
    ::cfmakeraw(&raw);
    raw.c_oflag |= OPOST; // the program's own messages stay readable
    arm(fd, before_, farewell_);
    active_ = ::tcsetattr(fd, TCSANOW, &raw) == 0;
}

RawTerminal::~RawTerminal() {
    if (!active_) return;
    rescue_armed = false;
    if (::write(STDOUT_FILENO, farewell_.data(), farewell_.size()) < 0) {
        // The terminal is gone; so is its state.
    }
    ::tcsetattr(fd_, TCSADRAIN, &before_);
}

} // namespace glassbox
