// `--serial tcp:HOST:PORT`: connects when the run begins, or listens and serves one connection after another.
#include "frontend/stream_link.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace glassbox {

namespace {

class TcpLink final : public StreamLink {
  public:
    TcpLink(int connection, int listener, std::string name) : listener_(listener), name_(std::move(name)) {
        attach(connection);
    }
    ~TcpLink() override {
        if (listener_ >= 0) ::close(listener_);
    }

    pollfd interest() const override { return stream() < 0 ? pollfd{listener_, POLLIN, 0} : StreamLink::interest(); }

    void service(short ready, std::vector<u8>& input) override {
        if (stream() >= 0) return StreamLink::service(ready, input);
        if (listener_ < 0 || ready == 0) return;
        const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (connection >= 0) attach(connection);
    }

    std::string announcement() const override { return listener_ < 0 ? std::string() : "listening on " + name_; }

  private:
    int listener_;
    std::string name_;
};

/// A connected or listening socket for one address; -1 with errno set.
int try_address(const addrinfo& address, bool listen) {
    const int fd = ::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, address.ai_protocol);
    if (fd < 0) return -1;
    const int on = 1;
    bool good = false;
    if (listen) {
        ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        good = ::bind(fd, address.ai_addr, address.ai_addrlen) == 0 && ::listen(fd, 1) == 0;
    } else {
        good = ::connect(fd, address.ai_addr, address.ai_addrlen) == 0;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (good) return fd;
    const int reason = errno;
    ::close(fd);
    errno = reason;
    return -1;
}

} // namespace

Expected<std::unique_ptr<PortLink>> make_tcp_link(const Endpoint& endpoint) {
    const std::string name = endpoint.target + ":" + std::to_string(endpoint.port);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = endpoint.listen ? AI_PASSIVE : 0;
    addrinfo* found = nullptr;
    const int error = ::getaddrinfo(endpoint.target.empty() ? nullptr : endpoint.target.c_str(),
                                    std::to_string(endpoint.port).c_str(), &hints, &found);
    if (error != 0) return fail("cannot resolve " + name + ": " + ::gai_strerror(error));
    int fd = -1;
    for (const addrinfo* address = found; address != nullptr && fd < 0; address = address->ai_next) {
        fd = try_address(*address, endpoint.listen);
    }
    const std::string reason = std::strerror(errno);
    ::freeaddrinfo(found);
    if (fd < 0)
        return fail(std::string(endpoint.listen ? "cannot listen on " : "cannot connect to ") + name + ": " + reason);
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (endpoint.listen) return std::make_unique<TcpLink>(-1, fd, name);
    return std::make_unique<TcpLink>(fd, -1, name);
}

} // namespace glassbox
