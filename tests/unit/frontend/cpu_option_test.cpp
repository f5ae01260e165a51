// --cpu: features and help.
#include "frontend/settings.hpp"

#include <doctest/doctest.h>

using namespace glassbox;

namespace {
std::string message(const std::string& cpu) {
    const auto line = parse_command_line({"--demo", "--cpu", cpu});
    return line ? "" : line.error().message;
}
bool mentions(const std::string& text, const std::string& what) { return text.find(what) != std::string::npos; }
} // namespace

TEST_CASE("--cpu MODEL,+feature,-feature") {
    const auto line = parse_command_line({"--demo", "--cpu", "haswell,-avx,+sse4a"});
    REQUIRE(line);
    CHECK(line->options.machine.cpu_model == "haswell,-avx,+sse4a");
    CHECK(mentions(message("z80,+avx"), "'z80' is none of"));
    CHECK(mentions(message("z80,+avx"), "nehalem"));
    CHECK(mentions(message("nehalem,+avx2"), "--cpu: +avx2 needs avx"));
    CHECK(mentions(message("nehalem,avx2"), "+ or -"));
    CHECK(mentions(message("nehalem,+fpga"), "no such processor feature"));
    CHECK(mentions(message("8086,+avx"), "no CPUID"));
}

TEST_CASE("--cpu help") {
    const auto line = parse_command_line({"--cpu", "help"});
    REQUIRE(line);
    CHECK(mentions(line->print, "x86-64-v2"));
    CHECK(mentions(line->print, "Core i7-4770"));
    CHECK(mentions(line->print, "pclmulqdq"));
}
