// Writing that never blocks without a way out: a pipe whose reader sleeps must not keep SIGTERM from ending the run.
#include "frontend/output.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace glassbox {

Expected<std::unique_ptr<Output>> Output::create_file(const std::string& path, int give_up) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    if (fd < 0) return fail("cannot write " + path + ": " + std::strerror(errno));
    auto output = std::make_unique<Output>(fd, give_up);
    output->owned_ = true;
    return output;
}

Output::~Output() {
    flush();
    if (owned_) ::close(fd_);
}

void Output::fresh_line() {
    if ((buffer_.empty() ? last_ : buffer_.back()) != '\n') buffer_ += '\n';
}

bool Output::wait_until_writable() {
    std::array<pollfd, 2> fds{{{fd_, POLLOUT, 0}, {give_up_, POLLIN, 0}}};
    while (::poll(fds.data(), fds.size(), -1) < 0) {
        if (errno != EINTR) return false;
    }
    return fds[0].revents != 0; // else only the signal came
}

void Output::flush() {
    std::string_view rest = buffer_;
    while (!rest.empty() && !broken_) {
        if (!wait_until_writable()) break;
        // A writable pipe has room for PIPE_BUF bytes: this much does not block.
        const ssize_t n = ::write(fd_, rest.data(), std::min<std::size_t>(rest.size(), PIPE_BUF));
        if (n > 0) {
            last_ = rest[static_cast<std::size_t>(n) - 1];
            rest.remove_prefix(static_cast<std::size_t>(n));
        } else if (n < 0 && errno != EINTR && errno != EAGAIN) {
            broken_ = true;
        }
    }
    buffer_.clear();
}

} // namespace glassbox
