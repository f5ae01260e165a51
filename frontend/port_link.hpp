// A port's other end on the host: what the guest sends goes out, what the host sends comes in through the run loop.
#pragma once

#include "bus/byte_sink.hpp"
#include "bus/error.hpp"
#include "frontend/output.hpp"
#include "frontend/values.hpp"

#include <memory>
#include <poll.h>
#include <string>
#include <vector>

namespace glassbox {

class PortLink : public ByteSink {
  public:
    /// What to poll for; a descriptor of -1 polls for nothing.
    virtual pollfd interest() const { return {-1, 0, 0}; }
    /// Called after each poll with what became ready. Appends what the host sent to `input`.
    virtual void service(short ready, std::vector<u8>& input) = 0;
    virtual void flush() = 0;
    /// The user asked to end the run from here.
    virtual bool quit_requested() const { return false; }
    /// The user asked for the debugger from here; asking takes the wish.
    virtual bool take_debugger_request() { return false; }
    /// The terminal is needed for something else until `resume`.
    virtual void suspend() {}
    virtual void resume() {}
    /// A line for the user when the run begins: a pty's name, the keys of the terminal.
    virtual std::string announcement() const { return {}; }
};

/// `standard_output` is shared by everything that prints there, and outlives the link.
Expected<std::unique_ptr<PortLink>> open_port(const Endpoint& endpoint, Output& standard_output, int give_up);

/// The most that is read at a time: a UART takes 115200 bit/s, and what waits in a pipe costs the guest no memory.
inline constexpr std::size_t port_read_limit = 256;

std::unique_ptr<PortLink> make_stdio_link(Output& standard_output);
Expected<std::unique_ptr<PortLink>> make_pty_link();
Expected<std::unique_ptr<PortLink>> make_tcp_link(const Endpoint& endpoint);

} // namespace glassbox
