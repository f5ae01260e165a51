// The languages of option values.
#include "frontend/values.hpp"

#include "frontend/trace_filter.hpp"

#include <doctest/doctest.h>

using namespace glassbox;

TEST_CASE("sizes are powers of 1024") {
    CHECK(*parse_size("640K") == 640u * 1024);
    CHECK(*parse_size("64M") == 64u << 20);
    CHECK(*parse_size("1G") == 1u << 30);
    CHECK(*parse_size("3584MiB") == u64{3584} << 20);
    CHECK(*parse_size("4096") == 4096);
    for (const char* bad : {"", "M", "64X", "-1M", "1.5G", "64 M", "99999999999999999999", "18446744073709551615G"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_size(bad));
    }
}

TEST_CASE("counts are powers of 1000") {
    CHECK(*parse_count("1000000") == 1'000'000);
    CHECK(*parse_count("1_000_000") == 1'000'000);
    CHECK(*parse_count("100M") == 100'000'000);
    CHECK_FALSE(parse_count("0x10"));
}

TEST_CASE("numbers in three notations with a limit") {
    CHECK(*parse_number("244", 0xFFFF) == 244);
    CHECK(*parse_number("0xF4", 0xFFFF) == 0xF4);
    CHECK(*parse_number("F4h", 0xFFFF) == 0xF4);
    CHECK_FALSE(parse_number("0x10000", 0xFFFF));
    CHECK_FALSE(parse_number("0x", 0xFFFF));
    CHECK_FALSE(parse_number("12z", 0xFFFF));
}

TEST_CASE("durations") {
    CHECK(*parse_duration("30s") == 30 * second);
    CHECK(*parse_duration("1.5s") == 1500 * millisecond);
    CHECK(*parse_duration("500ms") == 500 * millisecond);
    CHECK(*parse_duration("20us") == 20 * microsecond);
    CHECK(*parse_duration("2m") == 120 * second);
    CHECK(*parse_duration("2min") == 120 * second);
    CHECK(*parse_duration("7") == 7 * second);
    CHECK(*parse_duration("0.001") == millisecond);
    for (const char* bad : {"", "s", "1.x", "-1s", "1.2.3s", "99999999999h", "5 s"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_duration(bad));
    }
}

TEST_CASE("the clock at power-on") {
    CHECK(*parse_rtc("0") == 0);
    CHECK(*parse_rtc("2026-01-01") == 1'767'225'600);
    CHECK(*parse_rtc("2026-01-01T00:00:01") == 1'767'225'601);
    CHECK(*parse_rtc("2026-01-01T00:00:01Z") == 1'767'225'601);
    CHECK(*parse_rtc("host") > 1'600'000'000);
    for (const char* bad : {"", "2026-13-01", "2026-02-30", "2026-01-01T24:00:00", "yesterday", "2026/01/01"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_rtc(bad));
    }
}

TEST_CASE("drives") {
    const auto plain = parse_drive("a.img");
    REQUIRE(plain);
    CHECK(plain->path == "a.img");
    CHECK_FALSE(plain->read_only);
    CHECK(parse_drive("a.img,readonly")->read_only);
    CHECK(parse_drive("a.img,discard-writes")->discard_writes);
    CHECK(parse_drive("a.img,discard-writes")->path == "a.img");
    CHECK_FALSE(parse_drive("a.img,discard-writes,readonly"));
    CHECK(parse_drive("a.img,readonli").error().message.find("readonli") != std::string::npos);
    CHECK_FALSE(parse_drive(",readonly"));
    CHECK_FALSE(parse_drive(""));
}

TEST_CASE("ends of ports") {
    using Kind = Endpoint::Kind;
    CHECK(parse_endpoint("none")->kind == Kind::none);
    CHECK(parse_endpoint("stdio")->kind == Kind::stdio);
    CHECK(parse_endpoint("pty")->kind == Kind::pty);
    CHECK(*parse_endpoint("file:/a:b") == Endpoint{Kind::file, "/a:b", 0, false});
    CHECK(*parse_endpoint("tcp:host:99") == Endpoint{Kind::tcp, "host", 99, false});
    CHECK(*parse_endpoint("tcp:[::1]:99,listen") == Endpoint{Kind::tcp, "::1", 99, true});
    CHECK(*parse_endpoint("tcp::99,listen") == Endpoint{Kind::tcp, "", 99, true});
    for (const char* bad : {"", "file:", "tcp:", "tcp:host", "tcp:host:0", "tcp:host:65536", "tcp:host:x", "tcp::1",
                            "telnet:a:1", "stdin"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_endpoint(bad));
    }
}

TEST_CASE("trace filters") {
    TraceFilter filter;
    REQUIRE(add_trace_filter(filter, "7c00-7dff,0xF0000-fffffh,kernel,from=1K,count=5"));
    CHECK(filter.count == 5);
    CHECK(filter.passes(1000, 0x7C00, false));
    CHECK(filter.passes(1000, 0x7DFF, false));
    CHECK(filter.passes(1000, 0xFFFFF, false));
    CHECK_FALSE(filter.passes(999, 0x7C00, false));
    CHECK_FALSE(filter.passes(1000, 0x7E00, false));
    CHECK_FALSE(filter.passes(1000, 0x7C00, true));
    for (const char* bad : {"", "user,kernel", "2-1", "zz-1", "from=", "from=x", "all"}) {
        CAPTURE(bad);
        TraceFilter other;
        CHECK_FALSE(add_trace_filter(other, bad));
    }
}
