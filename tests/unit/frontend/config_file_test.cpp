// MACHINE.toml: the same names as the options, errors with file, line and key.
#include "frontend/settings.hpp"

#include <cstdio>
#include <doctest/doctest.h>
#include <fstream>
#include <unistd.h>

using namespace glassbox;

namespace {

std::string error_of(const std::string& text) {
    Options options;
    const auto read = read_config_text(options, text, "m.toml");
    REQUIRE_FALSE(read);
    return read.error().message;
}

struct TemporaryFile {
    std::string path = "/tmp/glassbox-test-" + std::to_string(::getpid()) + ".toml";
    explicit TemporaryFile(const std::string& text) { std::ofstream(path) << text; }
    ~TemporaryFile() { std::remove(path.c_str()); }
};

} // namespace

TEST_CASE("values of every kind") {
    Options o;
    const auto read = read_config_text(o, R"(
memory = "64M"
disk = ["a.img", "/b.img,readonly"]
floppy = "c.img"
boot = ["floppy", "disk"]
serial = ["stdio", "file:out.txt"]
demo = true
state-hash = false
max-seconds = 1.5
max-instructions = 1_000
ips = "10M"
rtc = 2026-01-01T00:00:05
exit-port = 0xF4
)",
                                       "dir/m.toml");
    if (!read) FAIL(read.error().message);
    CHECK(o.machine.memory_bytes == 64u << 20);
    REQUIRE(o.machine.disks.size() == 2);
    CHECK(o.machine.disks[0].path == "dir/a.img");
    CHECK(o.machine.disks[1].path == "/b.img");
    CHECK(o.machine.disks[1].read_only);
    CHECK(o.machine.floppies.at(0).path == "dir/c.img");
    CHECK(o.machine.boot == std::vector<std::string>{"floppy", "disk"});
    REQUIRE(o.serial.size() == 2);
    CHECK(o.serial[1].target == "dir/out.txt");
    CHECK(o.machine.demo);
    CHECK_FALSE(o.state_hash);
    CHECK(o.max_time == 1500 * millisecond);
    CHECK(o.max_instructions == 1000);
    CHECK(o.machine.instructions_per_second == 10'000'000);
    CHECK(o.machine.rtc_base == 1'767'225'605);
    CHECK(o.machine.exit_port == u16{0xF4});
}

TEST_CASE("errors name the file, the line and the key") {
    CHECK(error_of("memory = \"64M\"\n\nmemroy = 1\n").starts_with("m.toml:3: unknown key 'memroy'"));
    CHECK(error_of("\ncpu = \"z80\"").starts_with("m.toml:2: cpu: 'z80'"));
    CHECK(error_of("demo = 1").starts_with("m.toml:1: demo: true or false"));
    CHECK(error_of("memory = [\"1M\", \"2M\"]").starts_with("m.toml:1: memory: one value"));
    CHECK(error_of("memory = true").starts_with("m.toml:1: memory: a string or a number"));
    CHECK(error_of("[machine]\nmemory = \"1M\"").starts_with("m.toml:1: unknown key 'machine'"));
    CHECK(error_of("\n\nmemory = \n").starts_with("m.toml:3: "));
    CHECK(error_of("memory = \"1M\"\nmemory = \"2M\"").starts_with("m.toml:2: "));
    CHECK(error_of("disk = [\"a\", 1.5, [1]]").starts_with("m.toml:1: disk: "));
}

TEST_CASE("the command line overrides the file, lists as a whole") {
    const TemporaryFile file("memory = \"64M\"\ncpu = \"486\"\ndisk = [\"/a\", \"/b\"]\nserial = \"none\"\n");
    const auto line = parse_command_line({file.path, "--memory", "32M", "--disk", "c", "--serial", "pty"});
    if (!line) FAIL(line.error().message);
    CHECK(line->options.machine.memory_bytes == 32u << 20);
    CHECK(line->options.machine.cpu_model == "486");
    REQUIRE(line->options.machine.disks.size() == 1);
    CHECK(line->options.machine.disks[0].path == "c");
    REQUIRE(line->options.serial.size() == 1);
    CHECK(line->options.serial[0].kind == Endpoint::Kind::pty);
}

TEST_CASE("a file that is empty or is not there") {
    const TemporaryFile file("");
    Options options;
    CHECK(read_config_file(options, file.path));
    CHECK_FALSE(read_config_file(options, "/tmp"));
    CHECK_FALSE(read_config_file(options, "/nonexistent/m.toml"));
}
