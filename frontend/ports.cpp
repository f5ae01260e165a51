// All of a machine's ports that end on the host.
#include "frontend/ports.hpp"

#include <algorithm>

namespace glassbox {

namespace {

/// Standard output without standard input, for the debug console.
class PrintLink final : public PortLink {
  public:
    explicit PrintLink(Output& out) : out_(out) {}
    void put(u8 byte) override { out_.put(byte); }
    void service(short, std::vector<u8>&) override {}
    void flush() override { out_.flush(); }

  private:
    Output& out_;
};

} // namespace

void Ports::Serial::put(u8 byte) {
    if (index < ports->serial_.size()) ports->serial_[index]->put(byte);
    if (ports->recording_) ports->logs_[index].put(byte);
}

Expected<std::unique_ptr<Ports>> Ports::open(const Options& options, Output& standard_output, int give_up) {
    auto ports = std::make_unique<Ports>();
    for (const Endpoint& endpoint : options.serial) {
        auto link = open_port(endpoint, standard_output, give_up);
        if (!link) return fail("--serial: " + link.error().message);
        ports->serial_.push_back(*std::move(link));
    }
    if (options.parallel) {
        auto link = open_port(*options.parallel, standard_output, give_up);
        if (!link) return fail("--parallel: " + link.error().message);
        ports->parallel_ = *std::move(link);
    }
    if (options.debug_console && options.debug_console->kind == Endpoint::Kind::stdio) {
        ports->debug_ = std::make_unique<PrintLink>(standard_output);
    } else if (options.debug_console) {
        auto link = open_port(*options.debug_console, standard_output, give_up);
        if (!link) return fail("--debugcon: " + link.error().message);
        ports->debug_ = *std::move(link);
    }
    return ports;
}

HostPorts Ports::host_ports() {
    HostPorts host;
    for (unsigned i = 0; i < sinks_.size(); ++i) {
        sinks_[i].ports = this;
        sinks_[i].index = i;
        host.serial[i] = &sinks_[i];
    }
    host.parallel = parallel_.get();
    host.debug_console = debug_.get();
    return host;
}

void Ports::add_interests(std::vector<pollfd>& polls) const {
    for (std::size_t i = 0; i < serial_.size(); ++i) {
        // While the guest does not read, what comes next waits in the pipe or with its sender.
        polls.push_back(waiting_[i].empty() ? serial_[i]->interest() : pollfd{-1, 0, 0});
    }
}

void Ports::service(std::span<const pollfd> polls, Guest& guest) {
    for (std::size_t i = 0; i < serial_.size(); ++i) {
        serial_[i]->service(polls[i].revents, waiting_[i]);
        if (waiting_[i].empty()) continue;
        if (guest.inject(SerialInput{static_cast<unsigned>(i), waiting_[i]})) waiting_[i].clear();
    }
}

void Ports::flush() {
    for (const auto& link : serial_) link->flush();
    if (parallel_) parallel_->flush();
    if (debug_) debug_->flush();
}

bool Ports::quit_requested() const { return std::ranges::any_of(serial_, &PortLink::quit_requested); }

bool Ports::debugger_requested() {
    bool any = false;
    for (const auto& link : serial_) any |= link->take_debugger_request();
    return any;
}

void Ports::suspend() {
    for (const auto& link : serial_) link->suspend();
}

void Ports::resume() {
    for (const auto& link : serial_) link->resume();
}

std::vector<std::string> Ports::announcements() const {
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < serial_.size(); ++i) {
        const std::string text = serial_[i]->announcement();
        if (!text.empty()) lines.push_back("COM" + std::to_string(i + 1) + " is " + text);
    }
    return lines;
}

} // namespace glassbox
