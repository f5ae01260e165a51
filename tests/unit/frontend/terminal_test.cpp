// The terminal display: keys from bytes, and the screen as escape sequences on a terminal that understands them.
#include "frontend/terminal_keys.hpp"
#include "frontend/terminal_painter.hpp"

#include <doctest/doctest.h>
#include <string_view>

using namespace glassbox;

namespace {

std::string keys_of(const TerminalKeys::Result& result) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (const KeyInput& key : result.keys) {
        if (!key.pressed) continue; // releases mirror the presses; keys_test covers them
        out += out.empty() ? "" : " ";
        if (key.extended) out += 'e';
        out += digits[key.code >> 4];
        out += digits[key.code & 15];
    }
    return out;
}

TerminalKeys::Result feed(TerminalKeys& keys, std::string_view bytes) {
    return keys.feed({reinterpret_cast<const u8*>(bytes.data()), bytes.size()});
}

std::string keys_of(std::string_view bytes) {
    TerminalKeys keys;
    const auto result = feed(keys, bytes);
    CHECK_FALSE(keys.waiting());
    return keys_of(result);
}

/// The few control sequences that the painter uses, executed.
class Terminal {
  public:
    std::vector<std::string> cells = std::vector<std::string>(80 * 30, " ");
    unsigned row = 0, column = 0;
    bool cursor = true;
    std::string colour;
    std::vector<std::string> colours = std::vector<std::string>(80 * 30);

    void write(const std::string& text) {
        for (std::size_t i = 0; i < text.size();) {
            if (text[i] == '\x1b') {
                const auto end = text.find_first_not_of("0123456789;?", i + 2);
                REQUIRE(end != std::string::npos);
                control(text.substr(i + 2, end - i - 2), text[end]);
                i = end + 1;
                continue;
            }
            std::size_t size = 1;
            while (i + size < text.size() && (static_cast<u8>(text[i + size]) & 0xC0) == 0x80) ++size;
            cells.at(row * 80 + column) = text.substr(i, size);
            colours.at(row * 80 + column) = colour;
            ++column;
            i += size;
        }
    }
    std::string line(unsigned at) const {
        std::string out;
        for (unsigned i = 0; i < 80; ++i) out += cells[at * 80 + i];
        out.resize(out.find_last_not_of(' ') + 1);
        return out;
    }

  private:
    void control(const std::string& parameters, char final) {
        switch (final) {
        case 'H': {
            const auto semicolon = parameters.find(';');
            row = static_cast<unsigned>(std::stoul(parameters)) - 1;
            column = static_cast<unsigned>(std::stoul(parameters.substr(semicolon + 1))) - 1;
            break;
        }
        case 'J': cells.assign(cells.size(), " "); break;
        case 'K': break;
        case 'm': colour = parameters; break;
        case 'h': cursor = true; break;
        case 'l': cursor = false; break;
        default: FAIL("unexpected control sequence ", final);
        }
    }
};

TextScreen blank() {
    TextScreen screen;
    screen.columns = 80, screen.rows = 25;
    screen.cells.resize(2000);
    screen.cursor_visible = true;
    return screen;
}

void print(TextScreen& screen, unsigned row, unsigned column, std::string_view text, u8 attribute = 7) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        screen.cells[row * screen.columns + column + i] = {static_cast<u8>(text[i]), attribute};
    }
}

} // namespace

TEST_CASE("characters and control characters") {
    CHECK(keys_of("a") == "1E");
    CHECK(keys_of("A") == "2A 1E");
    CHECK(keys_of("\r") == "1C");
    CHECK(keys_of("\x7F") == "0E");
    CHECK(keys_of("\x03") == "1D 2E");
    CHECK(keys_of("\x08") == "1D 23");
    CHECK(keys_of("\t") == "0F");
    CHECK(keys_of("\xC3\xA4") == "");
}

TEST_CASE("control sequences") {
    CHECK(keys_of("\x1b[A") == "e48");
    CHECK(keys_of("\x1bOB") == "e50");
    CHECK(keys_of("\x1b[3~") == "e53");
    CHECK(keys_of("\x1bOP") == "3B");
    CHECK(keys_of("\x1b[[E") == "3F");
    CHECK(keys_of("\x1b[15~") == "3F");
    CHECK(keys_of("\x1b[24~") == "58");
    CHECK(keys_of("\x1b[Z") == "2A 0F");
    CHECK(keys_of("\x1b[1;5C") == "1D e4D");
    CHECK(keys_of("\x1b[5;2~") == "2A e49");
    CHECK(keys_of("\x1bx") == "38 2D");
    CHECK(keys_of("\x1b[200~a") == "1E"); // unknown sequences type nothing
}

TEST_CASE("a sequence in pieces, and a lone escape") {
    TerminalKeys keys;
    CHECK(keys_of(feed(keys, "\x1b")).empty());
    CHECK(keys.waiting());
    CHECK(keys_of(feed(keys, "[")).empty());
    CHECK(keys_of(feed(keys, "A")) == "e48");
    CHECK_FALSE(keys.waiting());
    feed(keys, "\x1b");
    CHECK(keys_of(keys.settle()) == "01");
    CHECK_FALSE(keys.waiting());
    CHECK(keys.settle().keys.empty());
}

TEST_CASE("the display's own commands") {
    using Command = TerminalKeys::Command;
    TerminalKeys keys;
    CHECK(feed(keys, "\x1d\x1d").commands == std::vector{Command::quit});
    CHECK(feed(keys, "\x1dq").commands == std::vector{Command::quit});
    CHECK(feed(keys, "\x1d").commands.empty());
    CHECK(feed(keys, "p").commands == std::vector{Command::power_button});
    CHECK(feed(keys, "\x1dr").commands == std::vector{Command::reset});
    CHECK(keys_of(feed(keys, "\x1d"
                             "d")) == "1D 38 e53");
    CHECK(keys_of(feed(keys, "\x1d]")) == "1D 1B");
    CHECK(keys_of(feed(keys, "a")) == "1E");
}

TEST_CASE("painting the text screen and only its changes") {
    TerminalPainter painter(false);
    painter.resize(80, 30);
    Terminal terminal;
    TextScreen screen = blank();
    print(screen, 0, 0, "Hello", 0x1E);
    print(screen, 24, 75, "\xB0\xDB");
    screen.cursor_row = 3, screen.cursor_column = 4;
    terminal.write(painter.paint(screen, "status"));
    CHECK(terminal.line(0) == "Hello");
    CHECK(terminal.colours[0] == "93;44"); // yellow on blue in ANSI's order
    CHECK(terminal.line(24).ends_with("░█"));
    CHECK(terminal.line(29) == "status");
    CHECK((terminal.row == 3 && terminal.column == 4 && terminal.cursor));

    CHECK(painter.paint(screen, "status").empty());
    print(screen, 0, 3, "p!", 0x1E);
    const std::string change = painter.paint(screen, "status");
    CHECK(change.size() < 50);
    terminal.write(change);
    CHECK(terminal.line(0) == "Help!");
    screen.cursor_visible = false;
    terminal.write(painter.paint(screen, "status"));
    CHECK_FALSE(terminal.cursor);
    painter.invalidate();
    CHECK(painter.paint(screen, "status").size() > 2000);
}

TEST_CASE("24-bit colours come from the guest's palette") {
    TerminalPainter painter(true);
    painter.resize(80, 30);
    TextScreen screen = blank();
    screen.palette.assign(16, 0);
    screen.palette[7] = 0x102030;
    Terminal terminal;
    terminal.write(painter.paint(screen, ""));
    CHECK(terminal.colours[0] == "38;2;16;32;48;48;2;0;0;0");
}

TEST_CASE("a terminal that is smaller than the screen follows the cursor") {
    TerminalPainter painter(false);
    painter.resize(40, 10);
    TextScreen screen = blank();
    print(screen, 20, 0, "prompt>");
    screen.cursor_row = 20, screen.cursor_column = 7;
    Terminal terminal;
    terminal.write(painter.paint(screen, "status"));
    CHECK(terminal.line(9) == "prompt>");
    CHECK((terminal.row == 9 && terminal.column == 7));
}

TEST_CASE("graphics are half blocks") {
    TerminalPainter painter(true);
    painter.resize(4, 3);
    Frame frame;
    frame.width = 4, frame.height = 4;
    frame.pixels.assign(16, 0x0000FF);
    for (int i = 0; i < 4; ++i) frame.pixels[i] = 0xFF0000;
    Terminal terminal;
    terminal.write(painter.paint(frame, ""));
    CHECK(terminal.cells[0] == "▀");
    CHECK(terminal.colours[0] == "38;2;255;0;0;48;2;0;0;255");
    CHECK(terminal.colours[80] == "38;2;0;0;255;48;2;0;0;255");
    CHECK_FALSE(terminal.cursor);
    // Inconsistent frames are shown as black, not read out of bounds.
    frame.pixels.resize(3);
    painter.paint(frame, "");
    painter.paint(Frame{}, "");
    painter.paint(TextScreen{}, "");
}
