// Lists of guests: what is read, what is refused and with which words.
#include "tests/x86-conformance/boot/guest_list.hpp"
#include "tests/x86-conformance/system/kernel_lines.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::conformance;

TEST_CASE("a list of guests") {
    const auto list = parse_guest_list(R"([[guest]]
name = "demo"
arguments = ["--demo", "--disk", "{dir}/a.img"]
script = "sleep 1s"
serial = ["one \"two\"\n"]
screen = ["C:\\>"]
needs = ["a.img"]
seconds = 5
[[guest]]
name = "other"
arguments = ["--demo"]
status = 3
)",
                                       "/x/list.toml");
    REQUIRE(list);
    REQUIRE(list->size() == 2);
    const BootGuest& guest = list->front();
    CHECK(guest.arguments == std::vector<std::string>{"--demo", "--disk", "/x/a.img"});
    CHECK(guest.needs == std::vector<std::string>{"/x/a.img"});
    CHECK(script_of(guest) ==
          "sleep 1s\nwait-serial \"one \\\"two\\\"\\n\" 5s\nwait-screen \"C:\\\\>\" 5s\npower-off\n");
    CHECK(list->back().status == 3);
    CHECK(script_of(list->back()).empty());
}

TEST_CASE("lists that are refused name file, line and reason") {
    const auto error = [](const char* text) {
        const auto list = parse_guest_list(text, "g.toml");
        return list ? std::string("accepted") : list.error().message;
    };
    CHECK(error("[[guest]]\nname = 5") == "g.toml:2: name is not a text in quotes");
    CHECK(error("[[guest]]\nname = \"a\"") == "g.toml:1: guest 'a' has no arguments: nothing to start");
    CHECK(error("[[guest]]\narguments = [\"--demo\"]") == "g.toml:1: a guest needs a name, without spaces and #");
    CHECK(error("[[guest]]\nname=\"a\"\narguments=[1]") == "g.toml:3: arguments is not a list of texts");
    CHECK(error("[[guest]]\nname=\"a\"\nsecond=1").starts_with("g.toml:3: 'second' is nothing a guest has"));
    CHECK(error("[[guest]]\nname=\"a\"\narguments=[\"x\"]\nstatus=256") ==
          "g.toml:4: status is not a whole number from 0 to 255");
    CHECK(error("x = 1").starts_with("g.toml: a list of guests has"));
    CHECK(error("[[guest]\n").starts_with("g.toml:1: "));
    CHECK(error("[[guest]]\nname=\"a\"\narguments=[\"x\"]\n[[guest]]\nname=\"a\"\narguments=[\"x\"]").ends_with("'a'"));
    CHECK_FALSE(read_guest_list("/nonexistent/list.toml"));
}

TEST_CASE("what the kernel of the system suite prints") {
    KernelLines lines;
    const auto print = [&](std::string_view text) {
        for (const char c : text) lines.put(static_cast<u8>(c));
    };
    print("F a/b|SDM 3A 5.5\nD 3|what it is\nX vector|d|80\nX error|0|1\nS 4|not here\nD 5|dies\nT\n");
    CHECK(lines.log().awaiting_shutdown);
    REQUIRE(lines.log().cases.size() == 2);
    CHECK(lines.log().cases[0].index == 3);
    CHECK(lines.log().cases[0].text == "what it is");
    REQUIRE(lines.log().cases[0].mismatches.size() == 2);
    CHECK(lines.log().cases[0].mismatches[0].expected == "d");
    CHECK(lines.log().cases[0].mismatches[0].got == "80");
    CHECK(lines.log().skipped.front() == std::pair<u64, std::string>{4, "not here"});
    print("E 7|1\nZ\n");
    CHECK_FALSE(lines.log().awaiting_shutdown);
    CHECK(lines.log().forms.front().cases == 7);
    CHECK(lines.log().forms.front().section == "SDM 3A 5.5");
    CHECK(lines.log().ended);
    CHECK(lines.log().nonsense.empty());
    print("X without a case\nboom\n");
    CHECK(lines.log().nonsense == "boom");
    KernelLines endless;
    for (unsigned i = 0; i < 1'000'000; ++i) endless.put('x');
    endless.put('\n');
    CHECK(endless.log().nonsense.size() <= 4096);
}
