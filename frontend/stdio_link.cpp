// `--serial stdio`: an interactive terminal when standard input is one, else whatever is piped in, as it arrives.
#include "frontend/port_link.hpp"
#include "frontend/raw_terminal.hpp"

#include <array>
#include <cerrno>
#include <optional>
#include <span>
#include <unistd.h>
#include <utility>

namespace glassbox {

namespace {

constexpr u8 ctrl_a = 1;

class StdioLink final : public PortLink {
  public:
    explicit StdioLink(Output& out) : out_(out) { resume(); }

    void put(u8 byte) override { out_.put(byte); }
    void flush() override { out_.flush(); }
    bool quit_requested() const override { return quit_; }
    bool take_debugger_request() override { return std::exchange(debug_, false); }
    void suspend() override { terminal_.reset(); }
    void resume() override {
        if (!terminal_) terminal_.emplace(STDIN_FILENO);
    }

    std::string announcement() const override {
        return interactive() ? "this terminal: Ctrl+A x ends the run, Ctrl+A h shows the keys" : "";
    }

    pollfd interest() const override { return {ended_ || !terminal_ ? -1 : STDIN_FILENO, POLLIN, 0}; }

    void service(short ready, std::vector<u8>& input) override {
        if (ended_ || (ready & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) == 0) return;
        std::array<u8, port_read_limit> bytes{};
        const ssize_t n = ::read(STDIN_FILENO, bytes.data(), bytes.size());
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
        if (n <= 0) {
            ended_ = true; // the end of input ends only the input
            return;
        }
        for (const u8 byte : std::span(bytes).first(static_cast<std::size_t>(n))) accept(byte, input);
    }

  private:
    bool interactive() const { return terminal_ && terminal_->active(); }

    void accept(u8 byte, std::vector<u8>& input) {
        if (!interactive()) {
            input.push_back(byte);
        } else if (escape_) {
            escape_ = false;
            command(byte, input);
        } else if (byte == ctrl_a) {
            escape_ = true;
        } else {
            input.push_back(byte);
        }
    }

    void command(u8 byte, std::vector<u8>& input) {
        switch (byte) {
        case 'x':
        case 'X':
        case 'q': quit_ = true; break;
        case 'd': debug_ = true; break;
        case ctrl_a:
        case 'a': input.push_back(ctrl_a); break;
        case 'h':
        case '?':
            out_.write("\nglassbox: Ctrl+A x ends the run, Ctrl+A d enters the debugger, Ctrl+A a sends Ctrl+A, Ctrl+A "
                       "h shows "
                       "this\n");
            break;
        default: break;
        }
    }

    Output& out_;
    std::optional<RawTerminal> terminal_; ///< empty while something else has it
    bool ended_ = false, escape_ = false, quit_ = false, debug_ = false;
};

} // namespace

std::unique_ptr<PortLink> make_stdio_link(Output& standard_output) {
    return std::make_unique<StdioLink>(standard_output);
}

} // namespace glassbox
