// Serial ports' ends on the host: files, pseudo-terminals and connections, and output that is never lost or in the way.
#include "fake_guest.hpp"

#include "frontend/ports.hpp"
#include "frontend/signals.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <sstream>
#include <sys/socket.h>
#include <unistd.h>

using namespace glassbox;
using namespace glassbox::test;

namespace {

std::string temporary(const std::string& ending) { return "/tmp/glassbox-test-" + std::to_string(::getpid()) + ending; }

std::string contents(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

void put(ByteSink& sink, const std::string& text) {
    for (const char c : text) sink.put(static_cast<u8>(c));
}

/// Polls a link until it has brought `size` bytes, or for half a second.
std::string receive(PortLink& link, std::size_t size) {
    std::vector<u8> input;
    for (int i = 0; i < 50 && input.size() < size; ++i) {
        pollfd poll = link.interest();
        ::poll(&poll, 1, 10);
        link.service(poll.revents, input);
    }
    return {input.begin(), input.end()};
}

std::string read_some(int fd) {
    pollfd poll{fd, POLLIN, 0};
    std::array<char, 256> bytes{};
    if (::poll(&poll, 1, 500) <= 0) return {};
    const ssize_t n = ::read(fd, bytes.data(), bytes.size());
    return {bytes.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
}

} // namespace

TEST_CASE("ports to files, each its own") {
    Options options;
    options.serial = {*parse_endpoint("none"), *parse_endpoint("file:" + temporary("-com2"))};
    options.parallel = *parse_endpoint("file:" + temporary("-lpt"));
    options.debug_console = *parse_endpoint("file:" + temporary("-debug"));
    {
        auto out = Output::create_file(temporary("-out"));
        auto ports = Ports::open(options, **out, -1);
        REQUIRE(ports);
        const HostPorts host = (*ports)->host_ports();
        put(*host.serial[0], "nowhere");
        put(*host.serial[1], "two");
        put(*host.serial[3], "nowhere");
        put(*host.parallel, "printed");
        put(*host.debug_console, "debug");
        (*ports)->flush();
        CHECK(contents(temporary("-com2")) == "two");
        put(*host.serial[1], " more");
    } // what is not flushed yet is written at the end
    CHECK(contents(temporary("-com2")) == "two more");
    CHECK(contents(temporary("-lpt")) == "printed");
    CHECK(contents(temporary("-debug")) == "debug");
    for (const char* ending : {"-com2", "-lpt", "-debug", "-out"}) std::filesystem::remove(temporary(ending));
    options.serial = {*parse_endpoint("file:/nonexistent/x")};
    Output nowhere(-1);
    const auto failed = Ports::open(options, nowhere, -1);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().message.starts_with("--serial: cannot write /nonexistent/x"));
}

TEST_CASE("a pseudo-terminal works both ways and survives its user") {
    auto link = make_pty_link();
    REQUIRE(link);
    const std::string name = (*link)->announcement();
    const int terminal = ::open(name.c_str(), O_RDWR | O_NOCTTY);
    REQUIRE(terminal >= 0);
    put(**link, "hello\n");
    (*link)->flush();
    CHECK(read_some(terminal) == "hello\n");
    REQUIRE(::write(terminal, "root\r", 5) == 5);
    CHECK(receive(**link, 5) == "root\r");
    ::close(terminal);
    for (int i = 0; i < 1'000'000; ++i) (*link)->put('x'); // nobody reads
    (*link)->flush();
    CHECK(receive(**link, 1).empty());
    CHECK((*link)->interest().fd >= 0);
}

TEST_CASE("tcp: listening serves one connection after another, connecting talks to it") {
    Endpoint endpoint{.kind = Endpoint::Kind::tcp, .target = "127.0.0.1", .port = 0, .listen = true};
    Expected<std::unique_ptr<PortLink>> server = fail("");
    for (u16 port = 47'100; port < 47'200 && !server; ++port) {
        endpoint.port = port;
        server = make_tcp_link(endpoint);
    }
    REQUIRE(server);
    CHECK((*server)->announcement() == "listening on 127.0.0.1:" + std::to_string(endpoint.port));
    put(**server, "boot\n"); // before anyone is there
    (*server)->flush();
    endpoint.listen = false;
    for (int round = 0; round < 2; ++round) {
        auto client = make_tcp_link(endpoint);
        REQUIRE(client);
        put(**client, "hi");
        (*client)->flush();
        CHECK(receive(**server, 2) == "hi");
        if (round == 1) put(**server, "again");
        (*server)->flush();
        CHECK(receive(**client, 5) == (round == 0 ? "boot\n" : "again"));
        client->reset();
        CHECK(receive(**server, 1).empty()); // notices the end, waits for the next
    }
    server->reset();
    const auto refused = make_tcp_link(endpoint);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("cannot connect") != std::string::npos);
}

TEST_CASE("what the host sends becomes the guest's input") {
    Options options;
    options.serial = {*parse_endpoint("none"), *parse_endpoint("pty")};
    Output nowhere(-1);
    auto ports = Ports::open(options, nowhere, -1);
    REQUIRE(ports);
    const auto lines = (*ports)->announcements();
    REQUIRE(lines.size() == 1);
    REQUIRE(lines[0].starts_with("COM2 is /dev/pts/"));
    const int terminal = ::open(lines[0].substr(8).c_str(), O_RDWR | O_NOCTTY);
    REQUIRE(terminal >= 0);
    REQUIRE(::write(terminal, "x", 1) == 1);
    FakeGuest guest;
    guest.takes_serial = false;
    std::vector<pollfd> polls;
    const auto serve = [&] {
        polls.clear();
        (*ports)->add_interests(polls);
        REQUIRE(polls.size() == 2);
        ::poll(polls.data(), polls.size(), 10);
        (*ports)->service(polls, guest);
    };
    for (int i = 0; i < 50 && (i == 0 || polls[1].fd >= 0); ++i) serve();
    CHECK(polls[1].fd == -1); // the guest has no room: nothing more is read, nothing is lost
    guest.takes_serial = true;
    serve();
    serve();
    CHECK(polls[1].fd >= 0);
    REQUIRE(guest.inputs.size() == 1);
    CHECK(std::get<SerialInput>(guest.inputs[0]).port == 1);
    CHECK(std::get<SerialInput>(guest.inputs[0]).data == std::vector<u8>{'x'});
    ::close(terminal);
}

TEST_CASE("output to a reader that has gone is an error, not a signal or a hang") {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    const SignalWatch watch;
    Output out(ends[1]);
    out.write("a line");
    out.fresh_line();
    out.fresh_line();
    out.flush();
    CHECK(read_some(ends[0]) == "a line\n");
    ::close(ends[0]);
    out.write("more");
    out.flush();
    CHECK(out.broken());
    ::close(ends[1]);
}

TEST_CASE("a signal gets past a reader that sleeps") {
    std::array<int, 2> ends{}, signal{};
    REQUIRE(::pipe(ends.data()) == 0);
    REQUIRE(::pipe(signal.data()) == 0);
    REQUIRE(::write(signal[1], "x", 1) == 1);
    Output out(ends[1], signal[0]);
    out.write(std::string(1 << 20, 'x')); // more than a pipe holds
    out.flush();
    CHECK_FALSE(out.broken());
    for (const int fd : {ends[0], ends[1], signal[0], signal[1]}) ::close(fd);
}
