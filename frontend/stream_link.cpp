// Non-blocking streams. While nobody reads, the last 256 KiB are kept and what is older is dropped: a guest must not
// stop because its console is not looked at.
#include "frontend/stream_link.hpp"

#include <array>
#include <cerrno>
#include <sys/socket.h>
#include <unistd.h>

namespace glassbox {

namespace {
constexpr std::size_t pending_limit = 256 << 10;
}

StreamLink::~StreamLink() { detach(); }

void StreamLink::detach() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

void StreamLink::put(u8 byte) {
    if (pending_.size() >= 2 * pending_limit) pending_.erase(0, pending_.size() - pending_limit);
    pending_ += static_cast<char>(byte);
}

void StreamLink::flush() {
    std::size_t done = 0;
    while (fd_ >= 0 && done < pending_.size()) {
        const ssize_t n = ::write(fd_, pending_.data() + done, pending_.size() - done);
        if (n > 0) {
            done += static_cast<std::size_t>(n);
        } else if (n == 0 || errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (errno != EINTR) {
            lost();
        }
    }
    pending_.erase(0, done);
}

pollfd StreamLink::interest() const {
    // Room for more output is noticed at the next flush: waiting for it would wake the loop all the time.
    return {fd_, POLLIN, 0};
}

void StreamLink::service(short ready, std::vector<u8>& input) {
    if (fd_ < 0 || ready == 0) return;
    std::array<u8, port_read_limit> bytes{};
    const ssize_t n = ::read(fd_, bytes.data(), bytes.size());
    if (n > 0) {
        input.insert(input.end(), bytes.begin(), bytes.begin() + n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        lost();
    }
}

} // namespace glassbox
