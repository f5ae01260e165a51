#include "debugger/gdb/server.hpp"

#include <array>
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

/// A client that does not read what it asked for is not listened to.
constexpr std::size_t most_outgoing = 1 << 20;

/// A listening socket for one address; -1 with errno set.
int try_address(const addrinfo& address) {
    const int fd = ::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address.ai_protocol);
    if (fd < 0) return -1;
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(fd, address.ai_addr, address.ai_addrlen) == 0 && ::listen(fd, 4) == 0) return fd;
    const int reason = errno;
    ::close(fd);
    errno = reason;
    return -1;
}

u16 port_of(int fd) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
    return address.ss_family == AF_INET6 ? ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port)
                                         : ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

} // namespace

Expected<std::unique_ptr<GdbServer>> GdbServer::listen(Debugger& debugger, const Endpoint& endpoint,
                                                       const GdbOptions& options) {
    const std::string name = endpoint.host + ":" + std::to_string(endpoint.port);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    addrinfo* found = nullptr;
    const int wrong = ::getaddrinfo(endpoint.host.empty() ? nullptr : endpoint.host.c_str(),
                                    std::to_string(endpoint.port).c_str(), &hints, &found);
    if (wrong != 0) return fail("gdb: cannot resolve " + name + ": " + ::gai_strerror(wrong));
    int fd = -1;
    for (const addrinfo* address = found; address != nullptr && fd < 0; address = address->ai_next)
        fd = try_address(*address);
    const std::string reason = std::strerror(errno);
    ::freeaddrinfo(found);
    if (fd < 0) return fail("gdb: cannot listen on " + name + ": " + reason);
    const u16 port = port_of(fd);
    return std::unique_ptr<GdbServer>(
        new GdbServer(debugger, options, fd, endpoint.host + ":" + std::to_string(port), port));
}

GdbServer::GdbServer(Debugger& debugger, const GdbOptions& options, int listener, std::string name, u16 port)
    : debugger_(debugger), options_(options), listener_(listener), name_(std::move(name)), port_(port) {}

GdbServer::~GdbServer() {
    if (client_ >= 0) ::close(client_);
    for (const int fd : refused_) ::close(fd);
    ::close(listener_);
}

void GdbServer::add_interests(std::vector<pollfd>& polls) const {
    const bool full = outgoing_.size() > most_outgoing;
    const short wishes = static_cast<short>((full ? 0 : POLLIN) | (outgoing_.empty() ? 0 : POLLOUT));
    polls.push_back({listener_, POLLIN, 0});
    polls.push_back({client_, wishes, 0});
}

void GdbServer::service(std::span<const pollfd> polls) {
    if (polls.size() == interest_count) {
        const bool ours = polls[1].fd == client_ && client_ >= 0;
        if (ours && (polls[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && outgoing_.size() <= most_outgoing)
            receive();
        if (polls[0].revents != 0) accept_client();
    }
    if (!refused_.empty()) see_off();
    send();
    if (stub_ && stub_->finished() && outgoing_.empty()) hang_up();
}

void GdbServer::accept_client() {
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (connection < 0) return;
    if (client_ >= 0) return refuse(connection);
    const int on = 1;
    ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    client_ = connection;
    GdbOptions options = options_;
    options.interrupted = [this] { return take_interrupt(); };
    stub_ = std::make_unique<GdbStub>(debugger_, options);
}

/// Whether the next byte from the client is gdb's Ctrl-C, or nothing more will come; it is taken.
bool GdbServer::take_interrupt() {
    char byte = 0;
    const ssize_t size = ::recv(client_, &byte, 1, MSG_PEEK);
    if (size == 0) return true;
    if (size < 0 || byte != 3) return false;
    (void)::recv(client_, &byte, 1, 0);
    return true;
}

/// It reads this as the answer to its first packet.
void GdbServer::refuse(int connection) {
    gdb::PacketReader framing;
    const std::string packet =
        "+" + framing.frame("E.another gdb is connected to this machine already; only one can be");
    (void)::send(connection, packet.data(), packet.size(), MSG_NOSIGNAL);
    ::shutdown(connection, SHUT_WR);
    refused_.push_back(connection);
}

/// Closing while something that a client has sent is unread would take our words back before it has read them.
void GdbServer::see_off() {
    constexpr std::size_t most_refused = 8;
    std::array<char, 4096> unread;
    const bool too_many = refused_.size() > most_refused;
    std::erase_if(refused_, [&](int fd) {
        const ssize_t size = ::recv(fd, unread.data(), unread.size(), 0);
        const bool waits = size > 0 || (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
        if (waits && !too_many) return false;
        ::close(fd);
        return true;
    });
}

void GdbServer::receive() {
    std::array<char, 4096> bytes;
    const ssize_t size = ::recv(client_, bytes.data(), bytes.size(), 0);
    if (size > 0) return stub_->receive({bytes.data(), static_cast<std::size_t>(size)});
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    hang_up();
}

void GdbServer::send() {
    if (!stub_) return;
    outgoing_ += stub_->take_output();
    while (!outgoing_.empty()) {
        const ssize_t size = ::send(client_, outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL);
        if (size > 0) {
            outgoing_.erase(0, static_cast<std::size_t>(size));
            continue;
        }
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        return hang_up();
    }
}

void GdbServer::hang_up() {
    if (stub_) killed_ |= stub_->killed(); // in extended mode the machine lives on until gdb goes
    stub_.reset();
    outgoing_.clear();
    if (client_ >= 0) ::close(client_);
    client_ = -1;
}

} // namespace glassbox
