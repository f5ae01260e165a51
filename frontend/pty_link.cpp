// `--serial pty`: a pseudo-terminal (pty(7)) that any terminal program can open by the name that is printed.
#include "frontend/stream_link.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

namespace glassbox {

namespace {

class PtyLink final : public StreamLink {
  public:
    PtyLink(int master, int terminal, std::string name) : terminal_(terminal), name_(std::move(name)) {
        attach(master);
    }
    ~PtyLink() override { ::close(terminal_); }
    std::string announcement() const override { return name_; }

  private:
    int terminal_; ///< held open: without any user the master would report a hang-up for ever
    std::string name_;
};

} // namespace

Expected<std::unique_ptr<PortLink>> make_pty_link() {
    const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    std::array<char, 128> name{};
    if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0 ||
        ::ptsname_r(master, name.data(), name.size()) != 0) {
        const std::string reason = std::strerror(errno);
        if (master >= 0) ::close(master);
        return fail("cannot make a pseudo-terminal: " + reason);
    }
    const int terminal = ::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0) {
        ::close(master);
        return fail("cannot open " + std::string(name.data()) + ": " + std::strerror(errno));
    }
    termios mode{};
    ::tcgetattr(terminal, &mode);
    ::cfmakeraw(&mode); // no echo of the guest's output back into the guest
    ::tcsetattr(terminal, TCSANOW, &mode);
    return std::make_unique<PtyLink>(master, terminal, name.data());
}

} // namespace glassbox
