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
