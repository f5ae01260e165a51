// The command line: every option arrives where it belongs, and every mistake is named.
#include "frontend/settings.hpp"

#include <doctest/doctest.h>

using namespace glassbox;

namespace {

using Arguments = std::vector<std::string>;

Options good(Arguments arguments) {
    auto line = parse_command_line(arguments);
    if (!line) FAIL(line.error().message);
    return line->options;
}

std::string bad(Arguments arguments) {
    const auto line = parse_command_line(arguments);
    REQUIRE_FALSE(line);
    return line.error().message;
}

bool mentions(const std::string& message, const std::string& what) { return message.find(what) != std::string::npos; }

} // namespace

TEST_CASE("defaults") {
    const Options o = good({"--demo"});
    CHECK(o.machine.demo);
    CHECK(o.machine.memory_bytes == 128u << 20);
    CHECK(o.machine.cpu_model == "max");
    CHECK(o.machine.serial_ports == 1);
    CHECK(o.machine.boot == std::vector<std::string>{"disk", "cdrom", "floppy"});
    CHECK(o.display == DisplayKind::automatic);
    CHECK(o.clock == ClockKind::automatic);
    CHECK(o.max_instructions == ~u64{0});
    CHECK(o.max_time == never);
    CHECK_FALSE(o.state_hash);
}

TEST_CASE("every option of the machine") {
    const Options o = good({"run",
                            "--memory",
                            "64M",
                            "--cpu=486",
                            "--disk",
                            "a.img",
                            "--disk",
                            "b.img,readonly",
                            "--cdrom",
                            "c.iso",
                            "--floppy",
                            "d.img,readonly",
                            "--floppy",
                            "e.img",
                            "--boot",
                            "cdrom,floppy",
                            "--bios",
                            "f",
                            "--vgabios",
                            "g",
                            "--exit-port",
                            "0xF4",
                            "--ips",
                            "100M",
                            "--on-triple-fault",
                            "stop",
                            "--rtc",
                            "2026-01-02"});
    const MachineConfig& m = o.machine;
    CHECK(m.memory_bytes == 64u << 20);
    CHECK(m.cpu_model == "486");
    REQUIRE(m.disks.size() == 2);
    CHECK(m.disks[1].path == "b.img");
    CHECK(m.disks[1].read_only);
    CHECK(m.cdrom == "c.iso");
    REQUIRE(m.floppies.size() == 2);
    CHECK(m.floppies[0].read_only);
    CHECK(m.boot == std::vector<std::string>{"cdrom", "floppy"});
    CHECK(m.bios == "f");
    CHECK(m.vgabios == "g");
    CHECK(m.exit_port == u16{0xF4});
    CHECK(m.instructions_per_second == 100'000'000);
    CHECK(m.stop_on_triple_fault);
    CHECK(m.rtc_base == 1'767'225'600 + 86'400);
}

TEST_CASE("every option of the front end") {
    const Options o = good({"--kernel",
                            "k",
                            "--initrd",
                            "i",
                            "--append",
                            "console=ttyS0 -x",
                            "--display",
                            "none",
                            "--serial",
                            "stdio",
                            "--serial",
                            "file:s",
                            "--serial",
                            "pty",
                            "--parallel",
                            "file:p",
                            "--debugcon",
                            "stdio",
                            "--clock",
                            "realtime",
                            "--max-instructions",
                            "5",
                            "--max-seconds",
                            "1.5",
                            "--trace",
                            "t",
                            "--trace-filter",
                            "user",
                            "--trace-filter",
                            "1-2,count=3",
                            "--save",
                            "a",
                            "--load",
                            "b",
                            "--state-hash",
                            "--script",
                            "c",
                            "--screenshot",
                            "d.png"});
    CHECK(o.machine.kernel == "k");
    CHECK(o.machine.initrd == "i");
    CHECK(o.machine.append == "console=ttyS0 -x");
    CHECK(o.machine.serial_ports == 3);
    CHECK(o.display == DisplayKind::none);
    REQUIRE(o.serial.size() == 3);
    CHECK(o.serial[0].kind == Endpoint::Kind::stdio);
    CHECK(o.serial[1].target == "s");
    CHECK(o.serial[2].kind == Endpoint::Kind::pty);
    CHECK(o.parallel->target == "p");
    CHECK(o.debug_console->kind == Endpoint::Kind::stdio);
    CHECK(o.clock == ClockKind::realtime);
    CHECK(o.max_instructions == 5);
    CHECK(o.max_time == 1500 * millisecond);
    CHECK(o.trace == "t");
    CHECK(o.trace_filter.count == 3);
    CHECK(o.trace_filter.user == true);
    CHECK(o.save == "a");
    CHECK(o.load == "b");
    CHECK(o.state_hash);
    CHECK(o.script == "c");
    CHECK(o.screenshot == "d.png");
}

TEST_CASE("the engine's switches") {
    const Options o =
        good({"--demo", "--engine", "no-fuse", "--lockstep", "no-cache,no-chain", "--lockstep-every", "2K"});
    CHECK(o.machine.engine == EngineOptions{.fuse = false});
    REQUIRE(o.lockstep);
    CHECK(*o.lockstep == EngineOptions{.cache = false, .chain = false});
    CHECK(o.lockstep_every == 2000);
    CHECK(good({"--demo", "--lockstep", ""}).lockstep == EngineOptions{});
    CHECK_FALSE(good({"--demo"}).lockstep);
}

TEST_CASE("a repeated option does not eat what follows") {
    const std::string message = bad({"--disk", "a.img", "machine.iso"});
    CHECK(mentions(message, "machine.iso"));
    CHECK(mentions(message, "--cdrom"));
}

TEST_CASE("mistakes are named") {
    CHECK(mentions(bad({"--demo", "--foo"}), "--foo"));
    CHECK(mentions(bad({}), "--demo"));
    CHECK(mentions(bad({"--memory"}), "--memory"));
    CHECK(mentions(bad({"--demo", "--memory", "512K"}), "1M to 16G"));
    CHECK(mentions(bad({"--demo", "--memory", "16385M"}), "1M to 16G"));
    CHECK(mentions(bad({"--demo", "--memory", "4G", "--lockstep", "no-fuse"}), "3584M"));
    CHECK(mentions(bad({"--demo", "--smp", "0"}), "1 to 64"));
    CHECK(mentions(bad({"--demo", "--smp", "65"}), "1 to 64"));
    CHECK(mentions(bad({"--demo", "--smp", "two"}), "two"));
    CHECK(mentions(bad({"--demo", "--memory", "1048577"}), "4K"));
    CHECK(mentions(bad({"--demo", "--memory", "2M", "--memory", "3M"}), "more than once"));
    CHECK(mentions(bad({"--demo", "--cpu", "z80"}), "pentium-pro"));
    for (const char* model : {"8086", "8088", "286"}) { // there is no firmware for them
        CHECK(mentions(bad({"--demo", "--cpu", model}), "glassbox conform moo"));
        CHECK(mentions(bad({"--demo", "--cpu", model}), "needs a 386"));
    }
    CHECK(mentions(bad({"--demo", "--boot", "net"}), "cdrom"));
    CHECK(mentions(bad({"--demo", "--boot", "disk,disk"}), "twice"));
    CHECK(mentions(bad({"--demo", "--display", "vnc"}), "terminal"));
    CHECK(mentions(bad({"--demo", "--clock", "fast"}), "realtime"));
    CHECK(mentions(bad({"--demo", "--ips", "0"}), "range"));
    CHECK(mentions(bad({"--demo", "--exit-port", "65536"}), "65535"));
    CHECK(mentions(bad({"--demo", "--on-triple-fault", "halt"}), "reset"));
    CHECK(mentions(bad({"--demo", "--engine", "slow"}), "no-cache"));
    CHECK(mentions(bad({"--demo", "--lockstep", "no-cache,fast"}), "'fast'"));
    CHECK(mentions(bad({"--demo", "--lockstep", "no-cache", "--lockstep-every", "0"}), "at least 1"));
    CHECK(mentions(bad({"--demo", "--parallel", "pty"}), "file:PATH"));
    CHECK(mentions(bad({"--demo", "--debugcon", "pty"}), "stdio"));
    CHECK(mentions(bad({"--demo", "--max-seconds", "soon"}), "duration"));
    CHECK(mentions(bad({"--demo", "--screenshot", ""}), "empty"));
    CHECK(mentions(bad({"none.toml"}), "none.toml"));
}

TEST_CASE("bad combinations") {
    CHECK(mentions(bad({"--demo", "--initrd", "x"}), "--kernel"));
    CHECK(mentions(bad({"--demo", "--append", "x"}), "--kernel"));
    CHECK(mentions(bad({"--demo", "--kernel", "x"}), "exclude"));
    CHECK(mentions(bad({"--demo", "--lockstep", "no-cache", "--trace", "x"}), "exclude"));
    CHECK(mentions(bad({"--demo", "--lockstep-every", "1000"}), "--lockstep LIST"));
    CHECK(mentions(bad({"--demo", "--trace-filter", "user"}), "--trace FILE"));
    CHECK(mentions(bad({"--disk", "a", "--disk", "b", "--disk", "c", "--disk", "d", "--cdrom", "e"}), "four"));
    CHECK(mentions(bad({"--floppy", "a", "--floppy", "b", "--floppy", "c"}), "two"));
    CHECK(mentions(bad({"--floppy", "a,discard-writes"}), "readonly"));
    CHECK(mentions(bad({"--demo", "--serial", "stdio", "--serial", "stdio"}), "stdio"));
    CHECK(mentions(bad({"--demo", "--serial", "stdio", "--display", "terminal"}), "terminal"));
    Arguments five{"--demo"};
    for (int i = 0; i < 5; ++i) five.insert(five.end(), {"--serial", "none"});
    CHECK(mentions(bad(five), "four"));
}

TEST_CASE("something to boot, or a reason to have nothing") {
    for (const char* option : {"--disk", "--cdrom", "--floppy", "--kernel", "--load", "--bios"}) {
        CAPTURE(option);
        CHECK(parse_command_line({option, "x"}));
    }
    CHECK(good({"--cdrom", "none"}).machine.cdrom == "");
}

TEST_CASE("the test device brings an exit port, unless another is asked for") {
    const Options usual = good({"--kernel", "t.flat", "--test-device"});
    CHECK(usual.machine.test_device);
    CHECK(usual.machine.exit_port == u16{0xF4});
    CHECK(good({"--kernel", "t.flat", "--test-device", "--exit-port", "0x501"}).machine.exit_port == u16{0x501});
    CHECK(good({"--kernel", "t.flat", "--exit-port", "0x501", "--test-device"}).machine.exit_port == u16{0x501});
    CHECK_FALSE(good({"--demo"}).machine.test_device);
}

TEST_CASE("help and version") {
    const auto help = parse_command_line({"--help"});
    REQUIRE(help);
    for (const Setting& setting : all_settings()) {
        CAPTURE(setting.name);
        CHECK(mentions(help->print, dashed(setting)));
    }
    for (const char* text : {"wait-screen", "wait-serial", "Exit status", "ctrl-alt-delete", "Ctrl+Alt+G", "Ctrl+A x",
                             "MACHINE.toml", "power-off", "screenshot FILE.png"}) {
        CAPTURE(text);
        CHECK(mentions(help->print, text));
    }
    CHECK(parse_command_line({"--version"})->print == "GlassBox 0.1\n");
}
