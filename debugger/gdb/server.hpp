// Where gdb connects: a listening socket, one client at a time. A second one is told why it is refused. No threads:
// whoever runs the machine polls `interests` and calls `service`.
#pragma once

#include "debugger/gdb/stub.hpp"

#include <poll.h>
#include <span>

namespace glassbox {

class GdbServer {
  public:
    struct Endpoint {
        std::string host = "127.0.0.1"; ///< "": every address of the host
        u16 port = 1234;                ///< 0: any free one
    };
    /// The error says why it cannot listen there. The debugger outlives the server.
    static Expected<std::unique_ptr<GdbServer>> listen(Debugger& debugger, const Endpoint& endpoint,
                                                       const GdbOptions& options);
    ~GdbServer();
    GdbServer(const GdbServer&) = delete;
    GdbServer& operator=(const GdbServer&) = delete;

    static constexpr std::size_t interest_count = 2;
    /// Appends `interest_count` entries: the listener and the client.
    void add_interests(std::vector<pollfd>& polls) const;
    /// The same entries after a poll, or none, to send what is waiting.
    void service(std::span<const pollfd> polls);

    bool connected() const { return stub_ != nullptr; }
    /// gdb's `kill`: the run is to end.
    bool killed() const { return killed_; }
    /// Where it listens: "127.0.0.1:1234".
    const std::string& name() const { return name_; }
    u16 port() const { return port_; }

  private:
    GdbServer(Debugger& debugger, const GdbOptions& options, int listener, std::string name, u16 port);
    void accept_client();
    void refuse(int connection);
    void see_off();
    void receive();
    bool take_interrupt();
    void send();
    void hang_up();

    Debugger& debugger_;
    GdbOptions options_;
    int listener_, client_ = -1;
    std::string name_;
    u16 port_;
    std::unique_ptr<GdbStub> stub_;
    std::string outgoing_;
    std::vector<int> refused_; ///< told why, and not closed yet
    bool killed_ = false;
};

} // namespace glassbox
