// `--display terminal`: the text screen in the terminal's alternate buffer, keys from its input.
#include "frontend/display.hpp"
#include "frontend/output.hpp"
#include "frontend/raw_terminal.hpp"
#include "frontend/terminal_keys.hpp"
#include "frontend/terminal_painter.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <sys/ioctl.h>
#include <unistd.h>

namespace glassbox {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view enter = "\x1b[?1049h\x1b[2J", leave = "\x1b[0m\x1b[?25h\x1b[?1049l";
/// A terminal sends a control sequence in one piece: an ESC that stays alone this long is the key.
constexpr auto escape_pause = std::chrono::milliseconds(50);

bool has_true_colour() {
    const char* value = std::getenv("COLORTERM");
    return value != nullptr && (std::string_view(value) == "truecolor" || std::string_view(value) == "24bit");
}

class TerminalDisplay final : public Display {
  public:
    TerminalDisplay() : out_(STDOUT_FILENO), terminal_(STDIN_FILENO, std::string(leave)), painter_(has_true_colour()) {
        out_.write(enter);
        out_.flush();
    }

    pollfd interest() const override { return {ended_ ? -1 : STDIN_FILENO, POLLIN, 0}; }

    bool uses_terminal() const override { return true; }

    void collect(short ready, DisplayEvents& events) override {
        if (ready != 0) {
            std::array<u8, 256> bytes{};
            const ssize_t n = ::read(STDIN_FILENO, bytes.data(), bytes.size());
            if (n > 0) {
                last_input_ = Clock::now();
                deliver(keys_.feed(std::span(bytes).first(static_cast<std::size_t>(n))), events);
            } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
                ended_ = true;
                events.quit = true; // the terminal is gone
            }
        } else if (keys_.waiting() && Clock::now() - last_input_ > escape_pause) {
            deliver(keys_.settle(), events);
        }
    }

    void show(const DisplaySource& source, const DisplayStatus& status) override {
        winsize size{};
        if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
            painter_.resize(size.ws_col, size.ws_row);
        const std::string help = "Ctrl+] q ends, Ctrl+] b debugs, Ctrl+] d is Ctrl-Alt-Del, Ctrl+] p the power button";
        std::string line = status.notice.empty() ? "GlassBox - " + status.state + " - " + help : status.notice;
        TextScreen text;
        if (source.text_screen(text)) {
            out_.write(painter_.paint(text, line));
        } else {
            Frame frame;
            source.render(frame);
            if (status.notice.empty()) {
                line = "GlassBox - graphics " + std::to_string(frame.width) + "x" + std::to_string(frame.height) +
                       " - " + help;
            }
            out_.write(painter_.paint(frame, line));
        }
        out_.flush();
    }

  private:
    void deliver(const TerminalKeys::Result& result, DisplayEvents& events) {
        events.typed.insert(events.typed.end(), result.keys.begin(), result.keys.end());
        for (const TerminalKeys::Command command : result.commands) {
            switch (command) {
            case TerminalKeys::Command::quit: events.quit = true; break;
            case TerminalKeys::Command::power_button: events.inputs.emplace_back(PowerButtonInput{}); break;
            case TerminalKeys::Command::reset: events.inputs.emplace_back(ResetInput{}); break;
            case TerminalKeys::Command::debug: events.debug = true; break;
            case TerminalKeys::Command::redraw: painter_.invalidate(); break;
            case TerminalKeys::Command::none: break;
            }
        }
    }

    Output out_;
    RawTerminal terminal_;
    TerminalPainter painter_;
    TerminalKeys keys_;
    Clock::time_point last_input_;
    bool ended_ = false;
};

} // namespace

Expected<std::unique_ptr<Display>> make_terminal_display() {
    if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0) {
        return fail("--display terminal needs a terminal as standard input and output");
    }
    return std::make_unique<TerminalDisplay>();
}

} // namespace glassbox
