// Ports that only write, and the choice among the kinds of links.
#include "frontend/port_link.hpp"

namespace glassbox {

namespace {

class FileLink final : public PortLink {
  public:
    explicit FileLink(std::unique_ptr<Output> file) : file_(std::move(file)) {}
    void put(u8 byte) override { file_->put(byte); }
    void service(short, std::vector<u8>&) override {}
    void flush() override { file_->flush(); }

  private:
    std::unique_ptr<Output> file_;
};

class NoLink final : public PortLink {
  public:
    void put(u8) override {}
    void service(short, std::vector<u8>&) override {}
    void flush() override {}
};

} // namespace

Expected<std::unique_ptr<PortLink>> open_port(const Endpoint& endpoint, Output& standard_output, int give_up) {
    switch (endpoint.kind) {
    case Endpoint::Kind::none: break;
    case Endpoint::Kind::stdio: return make_stdio_link(standard_output);
    case Endpoint::Kind::pty: return make_pty_link();
    case Endpoint::Kind::tcp: return make_tcp_link(endpoint);
    case Endpoint::Kind::file: {
        auto file = Output::create_file(endpoint.target, give_up);
        if (!file) return fail(file.error().message);
        return std::make_unique<FileLink>(*std::move(file));
    }
    }
    return std::make_unique<NoLink>();
}

} // namespace glassbox
