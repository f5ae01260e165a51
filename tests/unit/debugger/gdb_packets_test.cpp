// The framing of gdb's protocol: checksums, acknowledgements, escapes, pieces, and what no gdb would send.
#include "debugger/gdb/packets.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::gdb;

namespace {
struct Reader {
    PacketReader reader;
    std::vector<Event> events;
    std::string out;
    void feed(std::string_view bytes) { reader.feed(bytes, events, out); }
};
} // namespace

TEST_CASE("gdb packets: a packet is acknowledged and taken once, whole or in pieces") {
    for (const std::size_t piece : {100u, 1u, 3u}) {
        Reader r;
        const std::string_view text = "+$qC#b4";
        for (std::size_t at = 0; at < text.size(); at += piece) r.feed(text.substr(at, piece));
        REQUIRE(r.events.size() == 1);
        CHECK(r.events[0].data == "qC");
        CHECK(r.out == "+");
    }
}

TEST_CASE("gdb packets: a wrong checksum is refused, in no-acknowledgement mode it does not count") {
    for (const char* text : {"$qC#b5", "$qC#zz", "$qC#b", "$#01"}) {
        Reader r;
        r.feed(text);
        CHECK(r.events.empty());
        CHECK((r.out == "-" || std::string_view(text) == "$qC#b"));
    }
    Reader r;
    r.reader.set_acknowledged(false);
    r.feed("$qC#00");
    CHECK(r.events.size() == 1);
    CHECK(r.out.empty());
}

TEST_CASE("gdb packets: NAK has the last one sent again") {
    Reader r;
    CHECK(r.reader.frame("OK") == "$OK#9a");
    r.feed("-");
    CHECK(r.out == "$OK#9a");
    r.reader.set_acknowledged(false);
    r.feed("-");
    CHECK(r.out == "$OK#9a");
}

TEST_CASE("gdb packets: escapes both ways, every byte") {
    std::string all;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    Reader r;
    const std::string framed = r.reader.frame(all);
    CHECK(framed.substr(1, framed.size() - 4).find_first_of("$#*") == std::string::npos);
    r.feed(framed);
    REQUIRE(r.events.size() == 1);
    CHECK(r.events[0].data == all);
}

TEST_CASE("gdb packets: the interrupt byte counts between packets, not in them") {
    Reader r;
    r.feed("\x03$m\x03#70\x03");
    REQUIRE(r.events.size() == 3);
    CHECK(r.events[0].kind == Event::Kind::interrupt);
    CHECK(r.events[1].data == "m\x03");
    CHECK(r.events[2].kind == Event::Kind::interrupt);
}

TEST_CASE("gdb packets: one that never ends costs no memory and is told to be too long, a new one begins anew") {
    Reader r;
    r.feed("$");
    for (unsigned i = 0; i < 100; ++i) r.feed(std::string(packet_size, 'x'));
    CHECK(r.events.empty());
    r.feed("#00");
    CHECK(r.out == "+"); // 100 * 16384 times 'x' is a multiple of 256
    REQUIRE(r.events.size() == 1);
    CHECK(r.events[0].kind == Event::Kind::too_long);
    CHECK(r.events[0].data.empty());
    r.feed("$abc$qC#b4");
    REQUIRE(r.events.size() == 2);
    CHECK(r.events[1].data == "qC");
}

TEST_CASE("gdb packets: runs are shortened, by the table of the manual, and come back as they were") {
    CHECK(framed("000", true) == "$000#90");
    CHECK(framed("0000", true) == "$0* #7a"); // the manual's example: '0' and three more
    CHECK(framed("0000", false) == "$0000#c0");
    CHECK(framed("0000000", true).substr(0, 5) == "$0*\"0");   // six more would be '#'
    CHECK(framed("00000000", true).substr(0, 6) == "$0*\"00"); // seven more would be '$'
    CHECK(framed("000000000", true).substr(0, 5) == "$0*%#");
    for (const char c : {'0', '*', '}', '#', '$', ' ', '\x03', 'a'}) {
        for (std::size_t n = 0; n < 420; ++n) {
            CAPTURE(n);
            const std::string data = "x" + std::string(n, c) + "y";
            const std::string wire = framed(data, true);
            const std::string_view inside = std::string_view(wire).substr(1, wire.size() - 4);
            REQUIRE(inside.find_first_of("$#") == std::string::npos);
            REQUIRE(wire.size() <= framed(data, false).size());
            Reader r;
            r.reader.expect_runs();
            for (const char byte : wire) r.feed({&byte, 1});
            REQUIRE(r.events.size() == 1);
            REQUIRE(r.events[0].data == data);
        }
    }
    Reader plain; // a client's asterisk is one
    plain.feed(framed("a", false).insert(2, "* ").substr(0, 4) + "#ab");
    REQUIRE(plain.events.size() == 1);
    CHECK(plain.events[0].data == "a* ");
}

TEST_CASE("gdb packets: a run of nothing, without a count, or of more than fits") {
    for (const char* text : {"*~", "*", "0*", "0*\x01", "}*"}) {
        Reader r;
        r.reader.expect_runs();
        r.reader.set_acknowledged(false);
        r.feed("$" + std::string(text) + "#00");
        CHECK(r.events.size() == 1);
    }
    Reader r;
    r.reader.expect_runs();
    r.reader.set_acknowledged(false);
    r.feed("$0");
    for (unsigned i = 0; i < 1000; ++i) r.feed("*~");
    r.feed("#00");
    REQUIRE(r.events.size() == 1);
    CHECK(r.events[0].kind == Event::Kind::too_long);
}

TEST_CASE("gdb packets: ten megabytes of anything are read, and a packet behind them is understood") {
    Reader r;
    std::string garbage(64 << 10, '\0');
    u32 state = 12345;
    for (unsigned block = 0; block < 160; ++block) {
        for (char& c : garbage) {
            state = state * 1664525 + 1013904223;
            c = static_cast<char>(state >> 24);
        }
        r.feed(garbage);
        r.events.clear();
        CHECK(r.out.size() < 4096);
        r.out.clear();
    }
    r.feed("#00");
    r.events.clear();
    r.feed("$qC#b4");
    REQUIRE(r.events.size() == 1);
    CHECK(r.events[0].data == "qC");
}

TEST_CASE("gdb packets: numbers and hexadecimal bytes") {
    CHECK(Scanner("0").number() == 0);
    CHECK(Scanner("FFFFffffFFFFffff").number() == ~u64{0});
    CHECK_FALSE(Scanner("10000000000000000").number());
    CHECK_FALSE(Scanner("").number());
    CHECK_FALSE(Scanner("g").number());
    CHECK(from_hex("00fF") == std::string("\0\xFF", 2));
    CHECK_FALSE(from_hex("0"));
    CHECK_FALSE(from_hex("0g"));
    CHECK(to_hex(u64{0}) == "0");
    CHECK(to_hex(u64{0x7C00}) == "7c00");
}
