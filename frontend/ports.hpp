// All of a machine's ports that end on the host: opened from the options, serviced and flushed by the run loop.
#pragma once

#include "frontend/guest.hpp"
#include "frontend/options.hpp"
#include "frontend/port_link.hpp"
#include "frontend/serial_log.hpp"

#include <array>
#include <functional>
#include <span>

namespace glassbox {

class Ports {
  public:
    static Expected<std::unique_ptr<Ports>> open(const Options& options, Output& standard_output, int give_up);
    Ports() = default;
    Ports(const Ports&) = delete;
    Ports& operator=(const Ports&) = delete;

    /// Where the machine's bytes go; valid as long as this object.
    HostPorts host_ports();

    /// One entry for each serial port.
    void add_interests(std::vector<pollfd>& polls) const;
    void service(std::span<const pollfd> polls, Guest& guest);
    void flush();
    bool quit_requested() const;
    bool debugger_requested();
    /// The terminal is needed for commands, and free again.
    void suspend();
    void resume();
    std::vector<std::string> announcements() const;

    std::array<SerialLog, 4>& logs() { return logs_; }
    /// Keeps what the guest sends for `wait-serial`.
    void record() { recording_ = true; }

  private:
    /// A serial port's sink: to its link, and to the log when there is a script.
    struct Serial final : ByteSink {
        Ports* ports = nullptr;
        unsigned index = 0;
        void put(u8 byte) override;
    };

    std::vector<std::unique_ptr<PortLink>> serial_;
    std::unique_ptr<PortLink> parallel_, debug_;
    std::array<Serial, 4> sinks_;
    std::array<SerialLog, 4> logs_;
    std::array<std::vector<u8>, 4> waiting_; ///< towards the guest, which has no room for it yet
    bool recording_ = false;
};

} // namespace glassbox
